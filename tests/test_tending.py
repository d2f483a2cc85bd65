"""What is learnt of the car beside its journeys: kept over restarts and power cuts, and what it forbids (R16, R17)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import pytest

from agent.car.garage import Garage
from agent.car.tending import SUPPLY_KEY, Tending
from agent.sync.store import Store
from config import car as cars
from config.vocabulary import ENERGY, IGNITION, ODOMETER, RANGE, VOLTAGE_12V, Signal
from drivers.ports import Instant
from keyless.claims import Interval
from tests.fakes.clock import ManualClock, settle
from tests.polling_bench import FOLDER, PollingBench
from tests.store_bench import bodies, the_clock, the_make, the_path  # noqa: F401 (fixtures)

HOUR = 3_600
NAMES = {"ignition": IGNITION, "volts": VOLTAGE_12V, "energy": ENERGY, "odometer": ODOMETER}


def nowhere(_: Instant) -> Interval:
    return Interval(0.0, None, "none")


class Tended(PollingBench):
    def __init__(self, store: Store, clock: ManualClock) -> None:
        super().__init__()
        for task in self.tasks:
            task.cancel()
        self.clock = self.vehicle._clock = self.car._clock = clock
        self.store = store
        self.garage = Garage(clock, store, nowhere)
        self.tending = Tending(clock, store, self.car, self.vehicle, self.garage)
        self.tending.learn(self.model)

    def say(self, **values: float | str) -> None:
        for name, value in values.items():
            self.car.update(Signal(NAMES[name], value, self.clock.now().ns))

    async def seconds(self, count: int) -> None:
        for _ in range(count):
            self.clock.move(1)
            await self.tending.tick()

    async def night(self, volts: float) -> None:
        self.say(ignition="off")
        await self.seconds(1)
        self.car.silent((VOLTAGE_12V,))
        self.clock.move(8 * HOUR)
        self.say(volts=volts)
        await self.seconds(8)
        self.say(ignition="on", volts=14.2)
        await self.seconds(5)


@pytest.fixture
async def bench(make: Callable[[], Store], clock: ManualClock) -> AsyncIterator[Tended]:
    store = make()
    await store.open()
    it = Tended(store, clock)
    await it.tending.load()
    yield it
    await it.off()


async def after_a_cut(bench: Tended, make: Callable[[], Store]) -> Tended:
    """`tending` is not closed in order: what it has not written by itself is gone."""
    await bench.store.close()
    store = make()
    await store.open()
    again = Tended(store, bench.clock)
    await again.tending.load()
    return again


async def test_r16_the_reference_is_learnt_over_nights_and_survives_a_power_cut(
    bench: Tended, make: Callable[[], Store]
) -> None:
    for volts in (12.7, 12.8, 12.9):
        await bench.night(volts)
    assert bench.tending.status()["supply"] == {"low": False, "limit_v": 12.5, "reference_v": 12.8, "nights": 3}
    again = await after_a_cut(bench, make)
    assert again.tending.status() == bench.tending.status()
    await again.off()


async def test_r16_low_forbids_asking_unless_in_use_and_survives_a_power_cut(
    bench: Tended, make: Callable[[], Store]
) -> None:
    bench.say(ignition="off", volts=12.2)
    await bench.seconds(59)
    assert bench.tending.forbidden() == ""
    await bench.seconds(3)
    assert bench.tending.low
    assert bench.tending.forbidden() == "supply"
    again = await after_a_cut(bench, make)
    assert again.tending.low
    assert again.tending.forbidden() == "supply"
    again.say(ignition="on")
    assert again.tending.forbidden() == "", "who drives charges the battery"
    again.say(ignition="off")
    again.car.acted()
    assert again.tending.forbidden() == "", "somebody unlocked it and is about to drive"
    again.clock.move(3_600)
    again.say(ignition="on", volts=14.1)
    await again.seconds(62)
    assert not again.tending.low
    await again.off()


async def test_r17_the_garage_forbids_asking_in_any_case(bench: Tended) -> None:
    bench.say(ignition="on")
    await bench.garage.switch(True, "local")
    assert bench.tending.forbidden() == "garage"
    bench.clock.move(12 * HOUR)
    await bench.seconds(1)
    assert bench.tending.forbidden() == ""
    assert bench.garage.status()["on"] is False
    assert [it["by"] for it in await bodies(bench.store, "garage")] == ["local", "time"]


async def test_a_range_is_worked_out_marked_and_goes_stale_with_the_energy(
    bench: Tended, make: Callable[[], Store]
) -> None:
    assert bench.car.computed == {RANGE}
    assert bench.car.value(RANGE) is None
    odometer, energy = 1_000.0, 40.0
    bench.say(ignition="on")
    for _ in range(220):
        bench.say(odometer=odometer, energy=energy)
        await bench.seconds(1)
        odometer, energy = odometer + 1.0, energy - 0.12
    found = bench.car.fresh(RANGE)
    assert found is not None
    assert found.value == pytest.approx((energy + 0.12) / 0.12, abs=2)
    bench.car.silent((ENERGY,))
    await bench.seconds(1)
    assert bench.car.fresh(RANGE) is None
    again = await after_a_cut(bench, make)
    assert again.tending.status()["kwh_per_100km"] == pytest.approx(12.0, abs=0.1)
    await again.off()


async def test_the_disk_is_written_when_something_was_learnt_and_not_every_second(bench: Tended) -> None:
    before = bench.store.counters()["commits"]
    bench.say(ignition="off", volts=12.7)
    await bench.seconds(600)
    assert bench.store.counters()["commits"] == before
    bench.clock.move(2 * HOUR)
    await bench.seconds(60)
    assert bench.store.counters()["commits"] == before + 1
    assert set(await bench.store.read("car/")) == {SUPPLY_KEY}
    await settle()


def test_the_folder_of_these_tests_is_a_car() -> None:
    assert cars.check(FOLDER) == ()
