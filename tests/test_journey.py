"""What the journey writes down, in a real database: legs, plugs, samples; and what it never does."""

from __future__ import annotations

import json
import zlib
from typing import Any

import pytest

from agent.car.course import from_vault
from agent.car.sampler import COLUMNS
from agent.car.under_way import Course
from config.vocabulary import LATITUDE, ODOMETER
from drivers.ports import Fix
from tests.door_bench import (  # noqa: F401 (fixtures)
    ALICE,
    HOME_LAT,
    HOME_LON,
    DoorBench,
    the_bench,
)


async def drive(bench: DoorBench, seconds: int) -> None:
    for second in range(seconds):
        bench.clock.move(1)
        bench.say(ignition="on", speed=40.0, odometer=100 + second / 100)
        bench.car.fix(Fix(bench.clock.now(), None, HOME_LAT + second / 1e4, HOME_LON, 3, 11.0, 9, True))
        await bench.journey.tick()


async def stand(bench: DoorBench, seconds: int = 6, **said: float | str) -> None:
    """The car says the same for long enough to be believed."""
    for _ in range(seconds):
        bench.say(**said)
        await bench.journey.tick()
        bench.clock.move(1)


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
    await stand(bench, ignition="off", speed=0.0)
    opened, closed = await bench.facts("unbooked_leg")
    assert (opened["event"], closed["km"], closed["stops"]) == ("opened", 1.0, 0)
    assert await bench.facts("position") == []
    [blob] = await blobs(bench)
    assert blob["booking"] is None
    assert all(value is None for value in blob["c"][COLUMNS.index(LATITUDE)])


async def test_plugs_are_facts_and_the_first_word_after_a_boot_is_not_an_event(bench: DoorBench) -> None:
    bench.say(plugged="yes")
    await bench.journey.tick()
    assert await bench.facts("plug") == []
    await stand(bench, plugged="no")
    await bench.cut()
    await stand(bench, plugged="yes")
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
    known = bench.car.reading(bench.clock.now(), None)
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


async def test_what_is_under_way_rides_along_with_the_samples_and_costs_no_commit_of_its_own(bench: DoorBench) -> None:
    await bench.book(7, ALICE)
    await bench.tap(ALICE)
    await drive(bench, 8)
    before = bench.store.counters()["commits"]
    await drive(bench, 8)
    assert bench.store.counters()["commits"] == before
    await bench.store.commit()  # the group commit of the samples
    leg = json.loads((await bench.store.read("leg/open"))["leg/open"])
    assert leg["last"]["at"] == bench.clock.now().ns // 1_000_000


async def test_a_leg_cut_in_the_middle_says_how_long_nobody_looked(bench: DoorBench) -> None:
    await bench.book(7, ALICE)
    await bench.tap(ALICE)
    await drive(bench, 20)
    await bench.store.commit()
    await drive(bench, 3)
    bench.clock.move(30)
    await bench.cut()
    await drive(bench, 30)
    await stand(bench, ignition="off", speed=0.0)
    [closed] = await bench.facts("leg", event="closed")
    assert closed["unseen_ms"] == pytest.approx(34_000, abs=1_000)
    assert (closed["leg"], closed["start"]["odometer_km"]) == (1, 100.0)


async def test_r25_a_charge_survives_power_cuts_and_is_one_record(bench: DoorBench) -> None:
    async def charge(seconds: int, status: str, plugged: str = "yes") -> None:
        for _ in range(seconds):
            bench.clock.move(1)
            flag = "yes" if status == "charging" else "no"
            bench.say(plugged=plugged, status=status, charging=flag, energy=10 + bench.at() % 100_000 / 500)
            await bench.journey.tick()

    bench.park()
    bench.say(odometer=100.0)
    await charge(3, "none", "no")
    await charge(100, "charging")
    await bench.cut()
    bench.park()
    await charge(100, "charging")
    await bench.cut()
    bench.park()
    await charge(20, "ended")
    await charge(6, "none", "no")
    started, closed = await bench.facts("charge")
    assert (started["station"], started["start"]) == ("home", closed["start"])
    assert (closed["why"], closed["pauses"], closed["plug_in"]["at_station"]) == ("full", 0, "home")
    assert closed["energy_kwh"] == pytest.approx(0.4, abs=0.05)
    assert [it["event"] for it in await bench.facts("plug")] == ["plugged", "unplugged"]


@pytest.mark.parametrize("said", [{"plugged": ("no", "yes")}, {"ignition": ("off", "on")}])
async def test_a_contact_that_flaps_makes_no_facts(bench: DoorBench, said: dict[str, tuple[str, str]]) -> None:
    bench.say(odometer=100.0, plugged="no", ignition="off")
    await bench.journey.tick()
    before = len(await bench.facts())
    for second in range(60):
        await stand(bench, 1, **{name: words[second % 2] for name, words in said.items()})
    told = [fact for fact in (await bench.facts())[before:] if "names" not in fact]
    assert told == []


async def test_r27_a_cable_in_a_private_booking_names_no_station_and_is_whose_it_was_then(bench: DoorBench) -> None:
    await stand(bench, plugged="no")
    await bench.book(7, ALICE)
    await bench.tap(ALICE)
    bench.park()
    await stand(bench, 2, plugged="yes")
    await bench.tap(ALICE)
    assert bench.under.booking is None
    await stand(bench, plugged="yes")
    [plug] = await bench.facts("plug")
    assert (plug["booking"], plug["reading"]["plugged"], plug["reading"]["at_station"]) == (7, "yes", None)


async def test_the_number_of_an_unbooked_leg_goes_on_after_a_cut(bench: DoorBench) -> None:
    for _ in range(2):
        await drive(bench, 5)
        bench.say(ignition="off", speed=0.0)
        await bench.journey.tick()
        await bench.cut()
    assert [it["leg"] for it in await bench.facts("unbooked_leg", event="opened")] == [1, 2]


def test_junk_in_the_vault_is_as_if_nothing_had_been() -> None:
    for junk in (b"", b"[]", b"7", b'{"unbooked":"x"}'):
        assert from_vault({"journey/last": junk, "charge/open": junk}, None, None) == Course()
