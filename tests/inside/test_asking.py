"""A car that is silent unless asked, on a real bus: the real vehicle, questions and transport against the simulated
car, whose answers come with 29-bit ids in 17 to 19 ms, and whose telematics unit asks as well.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace

from agent.car.polling import Polling
from agent.car.state import CarState
from agent.car.vehicle import Vehicle
from config import car as cars
from config import vocabulary as v
from config.car import Phase
from drivers.can.bus import CanBus
from drivers.can.decode import Decoder
from drivers.can.diag import Diagnostics
from drivers.can.watch import BcmWatch
from drivers.clock import SystemClock
from drivers.ports import BusState
from hil.ecu import Ecu

if TYPE_CHECKING:
    from tests.inside.conftest import Link

CARS = Path(__file__).resolve().parents[1] / "cars"
FOLDER = CARS / "poll-only"
TOLD: dict[str, float | str] = {
    v.SOC_FINE: 78.4, v.ENERGY: 40.123, v.ODOMETER: 48_211.0, v.IGNITION: "off", v.VOLTAGE_12V: 12.75, v.LOCKED: "no",
    v.CHARGE_STATUS: "none", v.BATTERY_VOLTAGE: 378.5,
    "Vehicle.Powertrain.TractionBattery.Charging.MainsPower": 7.4,
}  # fmt: skip
VOLTAGE = bytes.fromhex("229041")  # 40 bytes: a long answer


class Bench:
    def __init__(self, link: Link) -> None:
        self.clock = SystemClock()
        self.ecu = Ecu(link.name, FOLDER, moody=False)
        self.ecu.set(**TOLD)
        model = cars.load(FOLDER)
        self.car, self.watch = CarState(self.clock), BcmWatch(link.name, self.clock)
        self.vehicle = Vehicle(self.clock, self.watch, self.car, None)
        decoder = Decoder(model)
        self.diagnostics = Diagnostics(CanBus(link.name, self.clock))
        self.vehicle.learn(model, decoder)
        self.polling = Polling(
            self.clock, self.vehicle, self.car, model, decoder, self.diagnostics, lambda: ""
        )  # fmt: skip

    async def until(self, condition: Callable[[], Any], within_s: float = 30.0) -> None:
        async with asyncio.timeout(within_s):
            while not condition():
                await asyncio.sleep(0.02)

    def value(self, name: str) -> object:
        found = self.car.fresh(name)
        return None if found is None else found.value


@pytest.fixture
async def bench(link: Link) -> AsyncIterator[Bench]:
    it = Bench(link)
    tasks = [asyncio.create_task(part.run()) for part in (it.ecu, it.vehicle, it.polling)]
    await it.until(lambda: it.ecu._socket is not None)
    yield it
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    it.watch.close()


async def test_it_is_found_awake_by_its_own_telematics_unit_and_then_asked(bench: Bench) -> None:
    await asyncio.sleep(2)
    assert bench.ecu.counters["requests"] == 0, "a sleeping car is never asked"
    bench.ecu.awake = True
    await bench.until(lambda: bench.value(v.IGNITION) == "off" and bench.value(v.ENERGY) == 40.123)
    assert bench.vehicle.phase is Phase.AWAKE
    assert bench.vehicle.counters()["signs"] >= 1
    bench.ecu.set(**{v.IGNITION: "on"})
    await bench.until(lambda: bench.vehicle.phase is Phase.DRIVING and bench.value(v.BATTERY_VOLTAGE) == 378.5)


async def test_it_is_left_alone_from_its_last_word_on(bench: Bench) -> None:
    bench.ecu.stripped = True
    bench.ecu.awake = True
    bench.car.acted()
    await bench.until(lambda: bench.value(v.VOLTAGE_12V) == 12.75)
    bench.ecu.awake = False
    await bench.until(lambda: bench.vehicle.phase is Phase.PARKED, 3)
    assert bench.vehicle.counters()["asleep"] >= 1
    asked = bench.diagnostics.counters()["asked"]
    await asyncio.sleep(2)
    assert bench.diagnostics.counters()["asked"] == asked
    assert bench.car.fresh(v.VOLTAGE_12V) is None


async def test_hearing_its_own_questions_and_their_answers_it_lets_the_car_sleep(bench: Bench) -> None:
    """The kernel lets everybody hear what this box sends."""
    model = cars.load(FOLDER)
    assert model.wake is not None
    bench.vehicle.learn(replace(model, wake=replace(model.wake, hold_s=8.0)), Decoder(model))
    bench.ecu.stripped = True
    bench.ecu.awake = True
    bench.car.acted()
    await bench.until(lambda: bench.value(v.ENERGY) == 40.123)
    await bench.until(lambda: bench.vehicle.phase is Phase.PARKED, 15)
    assert bench.ecu.awake
    assert bench.vehicle.counters()["signs"] == 0
    assert bench.diagnostics.counters()["asked"] > 5


async def test_a_car_whose_last_word_was_missed_is_left_alone_when_nothing_answers(bench: Bench) -> None:
    bench.ecu.stripped = True
    bench.ecu.awake = True
    bench.car.acted()
    await bench.until(lambda: bench.value(v.ENERGY) == 40.123)
    bench.ecu._awake = False  # without a word
    await bench.until(lambda: bench.vehicle.phase is Phase.PARKED, 20)
    silent = bench.diagnostics.counters()["silent"]
    assert silent == 5


async def test_r9_the_lock_is_asked_for_until_it_reads_back(bench: Bench) -> None:
    bench.ecu.stripped = True
    bench.ecu.awake = True
    bench.car.acted()
    waiting = asyncio.create_task(bench.car.wait_locked(True, 10.0))
    await bench.until(lambda: bench.ecu.units.asked.count(bytes.fromhex("228004")) >= 2)
    assert not waiting.done()
    bench.ecu.set(**{v.LOCKED: "yes"})
    assert await waiting


async def test_a_session_comes_first_where_the_unit_wants_one(bench: Bench) -> None:
    bench.ecu.set(**{v.CHARGE_STATUS: "charging"})
    bench.ecu.awake = True
    bench.car.acted()
    await bench.until(lambda: bench.value("Vehicle.Powertrain.TractionBattery.Charging.MainsPower") == 7.4)
    assert bench.ecu.counters["sessions"] >= 1
    assert bench.vehicle.phase is Phase.CHARGING


async def test_moods_are_counted_by_question_and_do_not_spoil_the_others(bench: Bench) -> None:
    bench.ecu.set(**{v.IGNITION: "on"})
    bench.ecu.units.mood = {
        bytes.fromhex("229002"): "refuses", bytes.fromhex("2291C8"): "pending", bytes.fromhex("222006"): "busy",
        bytes.fromhex("222005"): "silent",
    }  # fmt: skip
    bench.ecu.awake = True
    bench.car.acted()

    def seen() -> bool:
        polls = bench.polling.status()["polls"]
        assert isinstance(polls, dict)
        wanted = {"charge": "unsupported", "energy": "answered", "odometer": "busy", "supply": "silent"}
        return all(polls[name].get(outcome, 0) >= 1 + (name == "energy") for name, outcome in wanted.items())

    await bench.until(seen)
    assert bench.value(v.ENERGY) == 40.123, "pending, then the answer"
    assert bench.value(v.SOC_FINE) is None
    assert bench.value(v.VOLTAGE_12V) is None
    assert bench.diagnostics.counters()["pending"] >= 2


async def test_an_interface_that_is_deleted_and_made_again_is_asked_again_when_the_car_shows_life(
    bench: Bench, link: Link
) -> None:
    bench.ecu.awake = True
    bench.car.acted()
    await bench.until(lambda: bench.value(v.ENERGY) == 40.123)
    link.delete()
    await bench.until(lambda: bench.vehicle.phase is Phase.PARKED and bench.vehicle.bus is BusState.LOST)
    assert bench.car.fresh(v.ENERGY) is None
    polls = bench.polling.status()["polls"]
    assert isinstance(polls, dict)
    assert not any(it.get("silent") for it in polls.values()), "a lost bus is not the car's silence"
    link.create()
    await bench.until(lambda: bench.value(v.ENERGY) == 40.123)
    assert bench.vehicle.counters()["bus_lost"] == 1


@pytest.mark.parametrize("block_size", [0, 1, 4])
async def test_d27_long_answers_in_one_go_or_block_by_block(link: Link, block_size: int) -> None:
    """0, and 1 as the recorded tester asked; the car sends its next frame 2.5 ms after each flow control."""
    ecu = Ecu(link.name, FOLDER, moody=False)
    ecu.set(**TOLD)
    task = asyncio.create_task(ecu.run())
    diagnostics = Diagnostics(CanBus(link.name, SystemClock()), block_size=block_size)
    decoder = Decoder(cars.load(FOLDER))
    poll = next(it for it in cars.load(FOLDER).polls if it.payload == VOLTAGE)
    await asyncio.sleep(0.1)
    ecu.awake = True
    await asyncio.sleep(0.8)
    try:
        for _ in range(20):
            reply = await diagnostics.request(poll.request_id, poll.reply_id, poll.payload, 2.0)
            assert isinstance(reply, bytes)
            assert [signal.value for signal in decoder.payload(poll, reply, 0)] == [378.5]
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
    assert diagnostics.counters()["broken"] == 0
    assert ecu.counters["flow_controls"] == 20 * {0: 1, 1: 5, 4: 2}[block_size]


async def test_a_frame_with_a_wrong_checksum_is_counted_and_never_decoded(link: Link) -> None:
    """The car's checksum is worked out by the bench's own long division."""
    folder = CARS / "crc"
    clock, model = SystemClock(), cars.load(folder)
    ecu, watch, car = Ecu(link.name, folder), BcmWatch(link.name, clock), CarState(clock)
    vehicle, decoder = Vehicle(clock, watch, car, None), Decoder(model)
    vehicle.learn(model, decoder)
    ecu.set(**{v.SPEED: 42.0})
    tasks = [asyncio.create_task(part.run()) for part in (ecu, vehicle)]
    try:
        await asyncio.sleep(0.1)
        ecu.awake = True
        async with asyncio.timeout(10):
            while car.fresh(v.SPEED) is None:
                await asyncio.sleep(0.02)
        assert decoder.counters()["bad_crc"] == 0
        ecu.mute("Guarded")
        await asyncio.sleep(1.2)
        ecu.send(0x371, bytes.fromhex("FFF0FFFFFFFFF0") + b"\x00")
        async with asyncio.timeout(10):
            while not decoder.counters()["bad_crc"]:
                await asyncio.sleep(0.02)
        found = car.value(v.SPEED)
        assert found is not None
        assert found.value == 42.0
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        watch.close()
