"""What the journey writes down, in a real database: legs, plugs, samples; and what it never does."""

from __future__ import annotations

import json
import zlib
from typing import Any

import pytest

from agent.car.sampler import COLUMNS
from config.vocabulary import LATITUDE, ODOMETER
from drivers.ports import Fix
from tests.door_bench import (  # noqa: F401 (fixtures)
    ALICE,
    HOME,
    DoorBench,
    the_bench,
)


async def drive(bench: DoorBench, seconds: int) -> None:
    for second in range(seconds):
        bench.clock.move(1)
        bench.say(ignition="on", speed=40.0, odometer=100 + second / 100)
        bench.car.fix(Fix(bench.clock.now(), None, HOME.lat + second / 1e4, HOME.lon, 3, 11.0, 9, True))
        await bench.journey.tick()


async def blobs(bench: DoorBench) -> list[dict[str, Any]]:
    await bench.store.commit()
    _, found = await bench.store.next_samples(0, 100)
    return [json.loads(zlib.decompress(it.body) if it.body[:1] == b"\x78" else it.body) for it in found]


@pytest.mark.parametrize(("flags", "kept"), [(0, False), (1, True)])
async def test_r27_the_clerks_track_is_kept_and_the_private_one_is_not(
    bench: DoorBench, flags: int, kept: bool
) -> None:
    await bench.book(7, ALICE, flags=flags)
    await bench.tap(ALICE)
    await drive(bench, 101)
    [blob] = await blobs(bench)
    assert blob["booking"] == 7
    assert any(value is not None for value in blob["c"][COLUMNS.index(ODOMETER)])
    assert any(value is not None for value in blob["c"][COLUMNS.index(LATITUDE)]) is kept


async def test_a_drive_without_a_booking_is_a_leg_and_keeps_no_position(bench: DoorBench) -> None:
    await drive(bench, 101)
    bench.say(ignition="off", speed=0.0)
    await bench.journey.tick()
    opened, closed = await bench.facts("leg")
    assert (opened["event"], opened["booking"], opened["start"]["position"]) == ("opened", None, None)
    assert (closed["km"], closed["end"]["position"]) == (1.0, None)
    [blob] = await blobs(bench)
    assert blob["booking"] is None
    assert all(value is None for value in blob["c"][COLUMNS.index(LATITUDE)])


async def test_plugs_are_facts_and_the_first_word_after_a_boot_is_not_an_event(bench: DoorBench) -> None:
    bench.say(plugged="yes")
    await bench.journey.tick()
    assert await bench.facts("plug") == []
    bench.say(plugged="no")
    await bench.journey.tick()
    await bench.journey.tick()
    await bench.cut()
    bench.say(plugged="yes")
    await bench.journey.tick()
    assert [it["event"] for it in await bench.facts("plug")] == ["unplugged", "plugged"]


async def test_a_start_on_a_sleeping_car_is_completed_by_its_first_words(bench: DoorBench) -> None:
    await bench.book(7, ALICE)
    await bench.tap(ALICE)
    [opened] = await bench.facts("booking", event="opened")
    assert opened["start"]["odometer_km"] is None
    await drive(bench, 50)
    bench.clock.move(1)
    bench.park()
    await bench.journey.tick()
    await bench.tap(ALICE)
    [closed] = await bench.facts("booking", event="closed")
    assert (closed["start"]["odometer_km"], closed["km"], closed["legs"]) == (100.0, 0.49, 1)


async def test_a_power_cut_costs_at_most_a_minute_of_the_cars_numbers(bench: DoorBench) -> None:
    await bench.journey.tick()
    for second in range(125):
        bench.say(odometer=100.0 + second, energy=20.0)
        await bench.journey.tick()
        bench.clock.move(1)
    await bench.cut()
    known = bench.car.reading(bench.clock.now(), None, position=False)
    assert known["odometer_km"] is not None
    assert 224.0 - 60 <= known["odometer_km"] < 224.0
    assert known["energy_kwh"] == 20.0


async def test_the_cars_numbers_are_written_once_a_minute_and_only_while_they_change(bench: DoorBench) -> None:
    bench.say(odometer=100.0)
    writes = []
    for _ in range(300):
        await bench.journey.tick()
        writes.append((await bench.store.read("car/last")).get("car/last"))
        bench.clock.move(1)
        bench.say(energy=20.0 + len(writes) if len(writes) < 150 else 20.0)
    changes = [index for index in range(1, 300) if writes[index] != writes[index - 1]]
    assert changes == [60, 120, 180]


async def test_a_booking_that_starts_from_recalled_numbers_is_corrected_by_the_cars_first_words(
    bench: DoorBench,
) -> None:
    bench.say(odometer=90.0, energy=20.0, soc=80.0, plugged="no")
    bench.clock.move(60)
    await bench.journey.tick()
    await bench.cut()
    await bench.book(7, ALICE)
    await bench.tap(ALICE)
    [opened] = await bench.facts("booking", event="opened")
    assert (opened["start"]["energy_kwh"], opened["start"]["plugged"]) == (20.0, "no")
    await bench.journey.tick()
    await bench.cut()
    bench.say(energy=14.0, soc=60.0, plugged="yes")
    await drive(bench, 50)
    bench.clock.move(1)
    bench.park()
    bench.say(energy=13.0)
    await bench.journey.tick()
    await bench.tap(ALICE)
    [closed] = await bench.facts("booking", event="closed")
    start = closed["start"]
    assert (start["energy_kwh"], start["soc_percent"], start["plugged"]) == (14.0, 60.0, "yes")
    assert (start["odometer_km"], closed["km"], closed["energy_kwh"]) == (100.0, 0.49, 1.0)


async def test_a_parked_booking_is_sampled_once_a_minute(bench: DoorBench) -> None:
    await bench.book(7, ALICE)
    await bench.tap(ALICE)
    bench.say(odometer=1.0)
    for _ in range(181):
        await bench.journey.tick()
        bench.clock.move(1)
    assert bench.store.counters()["waiting_samples"] == 4


async def test_d14_with_the_database_broken_the_journey_goes_on(bench: DoorBench) -> None:
    bench.store.broken = True
    await drive(bench, 3)
    assert bench.under.leg is not None
    bench.store.broken = False
