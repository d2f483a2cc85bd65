"""The simulated car on a real bus, read and commanded by the real drivers."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING

import pytest

from config import car as cars
from config import vocabulary as v
from drivers.can.bus import CanBus
from drivers.can.decode import Decoder
from drivers.can.diag import Diagnostics, NegativeReply
from drivers.can.frame import subscriptions
from drivers.can.watch import BcmWatch
from drivers.clock import SystemClock
from drivers.errors import DeviceError, DeviceGone, DeviceTimeout
from drivers.lock.diagnostic import DiagnosticLock
from drivers.ports import BusState, Frame, LockAction, Silence
from hil.ecu import Ecu

if TYPE_CHECKING:
    from tests.inside.conftest import Link

Send = Callable[[int, str], None]
TOLD: dict[str, float | str] = {
    **dict.fromkeys(v.DOORS, "no"),
    v.DOOR_FRONT_LEFT: "yes",
    v.LOCKED: "no",
    v.PLUGGED: "no",
    v.CHARGING: "no",
    v.CHARGE_STATUS: "none",
    v.IGNITION: "on",
    "Vehicle.LowVoltageSystemState.Detail": "running",
    v.HANDBRAKE: "yes",
    v.SOC: 78.0,
    v.SOC_FINE: 78.4,
    v.SOH: 91.0,
    v.ENERGY: 17.3,
    v.RANGE: 104.0,
    v.TIME_TO_FULL: 0.0,
    v.CHARGE_POWER_MAX: 0.0,
    v.BATTERY_TEMPERATURE: 14.0,
    v.BATTERY_VOLTAGE: 378.5,
    v.ODOMETER: 48211.0,
    v.SPEED: 0.0,
    v.VOLTAGE_12V: 12.75,
    v.OUTSIDE_TEMPERATURE: 9.0,
    v.VIN: "VF1FW000000000017",
    v.VIN_TAIL: "0000017",
}


@contextlib.asynccontextmanager
async def playing(link: Link, model: str, *, moody: bool = False) -> AsyncIterator[Ecu]:
    ecu = Ecu(link.name, cars.find(model), moody=moody)
    ecu.set(**TOLD)
    task = asyncio.create_task(ecu.run())
    await asyncio.sleep(0.2)
    try:
        yield ecu
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@contextlib.contextmanager
def watching(link: Link, car: cars.CarModel) -> object:
    watch = BcmWatch(link.name, SystemClock())
    watch.subscribe(subscriptions(car, cars.Phase.DRIVING))
    try:
        yield watch
    finally:
        watch.close()


async def heard(watch: BcmWatch, decoder: Decoder, for_s: float) -> list[tuple[str, float | str]]:
    found: list[tuple[str, float | str]] = []
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(for_s):
            while True:
                event = await watch.next_event()
                if isinstance(event, Frame):
                    found += [(signal.name, signal.value) for signal in decoder.frame(event)]
    return found


@pytest.mark.parametrize("model", ["zoe-ph1", "kangoo-ze", "ev-can"])
async def test_a_car_wakes_and_nothing_that_it_does_not_know_yet_is_told(link: Link, model: str) -> None:
    car = cars.load(cars.find(model))
    decoder = Decoder(car)
    polled = {poll.message for poll in car.polls}
    expected = {e.name: TOLD.get(e.name) for e in car.signals if e.message not in polled}
    async with playing(link, model) as ecu:
        with watching(link, car) as watch:
            ecu.awake = True
            found = await heard(watch, decoder, 5.0)
    assert decoder.counters()["not_available"] > 0, "the first 0.65 s say: not available"
    told = {name for name, value in expected.items() if value is not None}
    assert told <= {name for name, _ in found}
    for name, value in found:
        assert expected[name] is not None, f"{name} was never given to the car, yet it told {value}"
        assert value == pytest.approx(expected[name]) if isinstance(value, float) else value == expected[name]


async def test_a_sleeping_car_is_silent_and_every_message_says_so(link: Link) -> None:
    car = cars.load(cars.find("zoe-ph1"))
    async with playing(link, "zoe-ph1") as ecu:
        with watching(link, car) as watch:
            ecu.awake = True
            await heard(watch, Decoder(car), 1.5)
            ecu.awake = False
            silent: set[int] = set()
            async with asyncio.timeout(20):
                while len(silent) < len(car.messages):
                    event = await watch.next_event()
                    assert not isinstance(event, BusState)
                    if isinstance(event, Silence):
                        silent.add(event.can_id)
    assert silent == {message.can_id for message in car.messages}


async def test_a_door_that_opens_is_told_at_once(link: Link) -> None:
    car = cars.load(cars.find("kangoo-ze"))
    decoder = Decoder(car)
    async with playing(link, "kangoo-ze") as ecu:
        with watching(link, car) as watch:
            ecu.awake = True
            await heard(watch, decoder, 2.0)
            ecu.set(**{v.TRUNK: "yes"})
            assert (v.TRUNK, "yes") in await heard(watch, decoder, 0.5)


def parts(link: Link) -> tuple[cars.CarModel, Diagnostics]:
    return cars.load(cars.find("kangoo-ze")), Diagnostics(CanBus(link.name, SystemClock()))


async def ask(car: cars.CarModel, diagnostics: Diagnostics) -> bytes | NegativeReply | None:
    poll = car.polls[0]
    return await diagnostics.request(poll.request_id, poll.reply_id, poll.payload, poll.timeout_s)


async def test_the_kangoo_is_asked_for_its_12_volts(link: Link) -> None:
    car, diagnostics = parts(link)
    async with playing(link, "kangoo-ze") as ecu:
        ecu.awake = True
        await asyncio.sleep(0.8)
        for _ in range(10):
            reply = await ask(car, diagnostics)
            assert isinstance(reply, bytes)
            values = {signal.name: signal.value for signal in Decoder(car).payload(car.polls[0], reply, 0)}
            assert values == {v.VOLTAGE_12V: 12.75, v.SOC_FINE: 78.4, v.CHARGE_POWER_MAX: 0.0}
    assert diagnostics.counters()["positive"] == 10


async def test_the_body_unit_tells_the_vin_without_the_session_of_the_lock(link: Link) -> None:
    car, diagnostics = parts(link)
    poll = next(poll for poll in car.polls if poll.name == "vin")
    async with playing(link, "kangoo-ze") as ecu:
        ecu.awake = True
        await asyncio.sleep(0.8)
        reply = await diagnostics.request(poll.request_id, poll.reply_id, poll.payload, poll.timeout_s)
    assert isinstance(reply, bytes)
    assert [signal.value for signal in Decoder(car).payload(poll, reply, 0)] == ["VF1FW000000000017"]


async def test_refusals_late_answers_and_silence_are_three_different_things(link: Link) -> None:
    car, diagnostics = parts(link)
    async with playing(link, "kangoo-ze", moody=True) as ecu:
        ecu.awake = True
        await asyncio.sleep(0.8)
        replies = [await ask(car, diagnostics) for _ in range(9)]
    assert replies[3] == NegativeReply(0x21, 0x12)
    assert isinstance(replies[5], bytes), "response pending is followed by the answer"
    assert replies[7] is None
    counters = diagnostics.counters()
    assert (counters["negative"], counters["pending"], counters["silent"], counters["positive"]) == (1, 1, 1, 7)


async def test_somebody_elses_replies_are_left_alone(link: Link, sender: Send) -> None:
    _car, diagnostics = parts(link)

    async def meddle() -> None:
        while True:
            sender(0x7BB, "017E000000000000")  # a tester-present's answer
            sender(0x7BB, "1010610401020304")  # a long answer to 21 04
            await asyncio.sleep(0.003)

    async with playing(link, "kangoo-ze") as ecu:
        ecu.awake = True
        await asyncio.sleep(0.8)
        meddler = asyncio.create_task(meddle())
        await asyncio.sleep(0.05)
        reply = await diagnostics.request(0x745, 0x765, bytes.fromhex("10C0"), 1.0)
        alien = await diagnostics.request(0x79B, 0x7BB, bytes.fromhex("2199"), 0.5)
        meddler.cancel()
    assert reply == bytes.fromhex("50C0")
    assert alien == NegativeReply(0x21, 0x12)
    assert diagnostics.counters()["foreign"] > 0


async def test_a_bus_that_is_gone_fails_and_says_that_nothing_was_sent(link: Link) -> None:
    car, diagnostics = parts(link)
    link.delete()
    with pytest.raises(DeviceGone) as caught:
        await ask(car, diagnostics)
    assert not caught.value.may_have_happened


async def test_a_bus_that_is_down_fails_and_says_that_nothing_was_sent(link: Link) -> None:
    car, diagnostics = parts(link)
    link.down()
    with pytest.raises(DeviceError) as caught:
        await ask(car, diagnostics)
    assert not caught.value.may_have_happened


def a_lock(link: Link) -> tuple[DiagnosticLock, cars.LockBlock, cars.CarModel]:
    car, diagnostics = parts(link)
    assert car.diagnostic_lock is not None
    assert car.lock is not None
    return DiagnosticLock(diagnostics, car.diagnostic_lock, SystemClock()), car.lock, car


async def test_the_kangoo_locks_and_reads_back_by_raw_bytes(link: Link) -> None:
    lock, block, car = a_lock(link)
    async with playing(link, "kangoo-ze") as ecu:
        with watching(link, car) as watch:
            ecu.awake = True
            await asyncio.sleep(0.8)
            for action, locked in ((LockAction.LOCK, True), (LockAction.UNLOCK, False)):
                await lock.act(action)
                async with asyncio.timeout(5):
                    while True:
                        event = await watch.next_event()
                        if (
                            isinstance(event, Frame)
                            and event.can_id == block.can_id
                            and block.reads(event.data) is locked
                        ):
                            break
    assert lock.counters()["woken"] == 0, "a bus that answers is not woken with another unit's frames"


async def test_a_sleeping_kangoo_is_woken_first(link: Link) -> None:
    lock, _, _ = a_lock(link)
    async with playing(link, "kangoo-ze") as ecu:
        await lock.act(LockAction.UNLOCK)
        assert ecu.awake
    assert lock.counters()["woken"] == 1


async def test_a_refused_lock_did_not_happen_and_a_silent_one_may_have(link: Link) -> None:
    lock, _, _ = a_lock(link)
    async with playing(link, "kangoo-ze") as ecu:
        ecu.awake = True
        ecu.on_diagnostic = lambda request: bytes([0x7F, request[0], 0x22])
        with pytest.raises(DeviceError, match="refused") as refused:
            await lock.act(LockAction.LOCK)
        ecu.on_diagnostic = lambda request: None
        with pytest.raises(DeviceTimeout) as silent:
            await lock.act(LockAction.LOCK)
    assert not refused.value.may_have_happened
    assert silent.value.may_have_happened


async def test_a_dead_body_unit_did_not_move_the_door(link: Link) -> None:
    lock, _, _ = a_lock(link)
    with pytest.raises(DeviceError) as caught:
        await lock.act(LockAction.UNLOCK)
    assert not caught.value.may_have_happened


async def test_29_bit_diagnostics(link: Link, sender: Send) -> None:
    _, diagnostics = parts(link)
    task = asyncio.create_task(diagnostics.request(0x18DADBF1, 0x18DAF1DB, bytes.fromhex("229002"), 2.0))
    await asyncio.sleep(0.3)
    sender(0x18DAF1DB, "0562900219C8AAAA")
    assert await task == bytes.fromhex("62900219C8")
