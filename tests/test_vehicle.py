"""Frames to signals through a real car folder: the lock before everything else, silence and phases. Asking is in
`test_polling.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from agent.car.state import CarState
from agent.car.vehicle import LOCK_SILENCE_MS, Vehicle
from config import car as cars
from config.car import Phase
from config.vocabulary import CHARGING, DOOR_FRONT_LEFT, IGNITION, LOCKED, ODOMETER, OUTSIDE_TEMPERATURE, Signal
from drivers.can.decode import Decoder
from drivers.errors import DeviceGone
from drivers.ports import BusState, Frame, Silence, Subscription
from tests.fakes.clock import ManualClock, settle
from tests.polling_bench import StandInWatch

KANGOO = cars.find("kangoo-ze")
LOCK = cars.lock_block(KANGOO)
assert LOCK is not None


class Bench:
    def __init__(self) -> None:
        self.clock = ManualClock()
        self.watch = StandInWatch()
        self.car = CarState(self.clock)
        self.vehicle = Vehicle(self.clock, self.watch, self.car, LOCK)
        self.task = asyncio.create_task(self.vehicle.run())

    def learn(self) -> None:
        model = cars.load(KANGOO)
        self.vehicle.learn(model, Decoder(model))
        self.parked = self.watch.wanted

    async def hear(self, can_id: int, data: str, held: bool = False) -> None:
        self.watch.events.put_nowait(Frame(can_id, False, bytes.fromhex(data), self.clock.now(), held))
        await settle()

    async def silence(self, can_id: int) -> None:
        self.watch.events.put_nowait(Silence(can_id, False, self.clock.now()))
        await settle()


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    it = Bench()
    await settle()
    yield it
    it.task.cancel()
    await asyncio.gather(it.task, return_exceptions=True)


async def test_d24_before_the_folder_is_read_the_lock_is_heard_by_its_raw_bits_alone(bench: Bench) -> None:
    assert bench.watch.wanted == (Subscription(0x60D, False, LOCK.mask, 0, LOCK_SILENCE_MS),)
    await bench.hear(0x60D, "0000180000000000")
    assert bench.car.locked() is True
    await bench.hear(0x60D, "0000100000000000")
    assert bench.car.locked() is False, "a half-locked car is not locked"
    await bench.hear(0x60D, "ffffffffffffffff")
    assert bench.car.locked() is False, "not available is no value"
    await bench.hear(0x60D, "00")
    await bench.silence(0x60D)
    assert bench.car.fresh(LOCKED) is None


async def test_d28_a_frame_that_the_kernel_held_tells_nothing_of_doors_lock_and_ignition(bench: Bench) -> None:
    """It waited for the end of its interval, while every change of those came at once by the other subscription."""
    bench.learn()
    await bench.hear(0x60D, "0000180031470000")
    assert bench.car.locked() is True
    await bench.hear(0x60D, "0806000032470000", held=True)
    assert bench.car.locked() is True
    assert bench.car.on(IGNITION) is False
    assert bench.car.on(DOOR_FRONT_LEFT) is False
    told = bench.car.value(OUTSIDE_TEMPERATURE)
    assert told is not None
    assert told.value == 10.0


async def test_d28_after_learning_the_locks_bits_still_come_at_every_change(bench: Bench) -> None:
    bench.learn()
    [prompt] = [it for it in bench.watch.wanted if it.can_id == 0x60D and it.min_interval_ms == 0]
    assert bytes(a & b for a, b in zip(prompt.mask, LOCK.mask, strict=True)) == LOCK.mask
    assert len({it.can_id for it in bench.watch.wanted}) > 3


async def test_a_change_of_phase_changes_what_is_wanted(bench: Bench) -> None:
    bench.learn()
    parked, times = bench.watch.wanted, bench.watch.times
    await bench.hear(0x60D, "0006000000000000")
    assert bench.car.on(IGNITION) is True
    assert bench.watch.times == times + 1
    assert bench.watch.wanted != parked
    await bench.hear(0x60D, "0006000000000000")
    assert bench.watch.times == times + 1


async def test_a_lost_bus_makes_everything_unknown_and_a_closed_one_ends_the_service(bench: Bench) -> None:
    await bench.hear(0x60D, "0000180000000000")
    bench.watch.events.put_nowait(BusState.LOST)
    await settle()
    assert bench.car.locked() is None
    bench.watch.close()
    with pytest.raises(DeviceGone):
        await bench.task


async def test_r10_silence_of_everything_is_parked_whatever_was_said_last(bench: Bench) -> None:
    bench.learn()
    await bench.hear(0x60D, "0006000000000000")
    assert bench.vehicle.phase is Phase.DRIVING
    await bench.silence(0x60D)
    assert bench.vehicle.phase is Phase.PARKED
    assert bench.watch.wanted == bench.parked
    await bench.hear(0x60D, "0000000000000000")
    assert bench.vehicle.phase is Phase.AWAKE
    bench.car.update(Signal(CHARGING, "yes", bench.clock.now().ns))
    bench.vehicle.follow()
    assert bench.vehicle.phase is Phase.CHARGING
    await bench.silence(0x60D)
    assert bench.vehicle.phase is Phase.PARKED, "a charge that was said last is no charge now"


async def test_a_real_car_that_says_a_wrong_count_for_a_moment_is_not_believed(bench: Bench) -> None:
    """A Kangoo's frame 5C5: whole kilometres in bytes 1 to 3."""
    bench.learn()
    for km in (48_211, 58_211, 48_212):
        await bench.hear(0x5C5, f"00{km:06x}00000000")
        bench.clock.move(1)
        told = bench.car.value(ODOMETER)
        assert told is not None
        assert told.value == (48_211 if km == 58_211 else km)
    assert bench.vehicle.counters()["odometer_held_back"] == 1
    await bench.silence(0x5C5)
    bench.clock.move(3_600)
    await bench.hear(0x5C5, f"00{48_252:06x}00000000")
    assert bench.car._number(ODOMETER) == 48_252, "who knows where it was meanwhile"
