"""Charges and cables while nobody looked: one charge for each plugging, and no date that nobody saw.

What is not here: charges in the light (`test_charging.py`).
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.car.cable import Cable
from agent.car.course import from_vault, to_vault
from agent.car.reading import LATE_KM
from agent.car.under_way import Course
from tests.door_bench import DoorBench, the_bench
from tests.test_charging import CHARGING, NONE, Plugging, S

ODOMETER = {"settled": ("odometer_km",)}
LOST = {"recalled": ("odometer_km", "energy_kwh", "plugged")}  # the bus was lost, asking was forbidden, or no word yet
__all__ = ["the_bench"]


# --- one charge for each plugging


@pytest.mark.parametrize("boot", ["aa" * 8, "bb" * 8])
@pytest.mark.parametrize("dark_s", [5, 10, 600])
def test_a_count_that_the_car_had_not_told_yet_when_it_was_plugged_in_ends_no_charge(dark_s: int, boot: str) -> None:
    """One in whole kilometres, which did not answer when it was switched off."""
    it = Plugging().run(10, False).run(20, kw=7.2, **CHARGING)
    it.at, it.km, it.boot = it.at + dark_s * S, it.km + 1, boot
    closed = it.run(4, None, **LOST).run(300, kw=7.2, **CHARGING, **ODOMETER).run(6, False, **NONE).closed()
    assert (closed["plug_in"]["at"], closed["why"]) == (10 * S, "unplugged")


@pytest.mark.parametrize(("told", "km"), [(ODOMETER, 1.0), ({}, LATE_KM + 0.1)])
def test_a_count_that_cannot_be_of_the_last_drive_is_of_one_that_nobody_saw(told: dict[str, Any], km: float) -> None:
    it = Plugging().run(10, False).run(20, kw=7.2, **CHARGING, **told)
    it.at, it.km = it.at + 600 * S, it.km + km
    it.run(4, None, **LOST).run(300, kw=7.2, **CHARGING, **ODOMETER).run(6, False, **NONE)
    first, second = [body for _, body in it.told if body["event"] == "closed"]
    assert (first["plug_in"]["at"], first["unplug"], first["end"]["at"]) == (10 * S, None, 29 * S)
    assert (second["plug_in"], second["unplug"]["at"]) == (None, it.at - 6 * S)


DARK = st.tuples(st.integers(1, 9), st.sampled_from([True, None]), st.booleans(), st.integers(0, 60), st.booleans())


@given(st.lists(DARK, min_size=1, max_size=5), st.integers(0, 5))
def test_one_charge_a_plugging_whatever_is_seen_of_it_and_whenever_its_odometer_is_told(
    parts: list[tuple[int, bool | None, bool, int, bool]], late: int
) -> None:
    """Of a car in whole kilometres that stands; late: the part in which it tells its last count."""
    it = Plugging().run(10, False).run(7, kw=7.2, **CHARGING)
    told: dict[str, Any] = {}
    for number, (seconds, plugged, lost, dark_s, cut) in enumerate(parts):
        it.at += dark_s * S
        it.boot = f"{number:016x}" if cut else it.boot
        words = CHARGING if plugged else LOST if lost else {}
        if number >= late and not told and words is not LOST:
            it.km, told = it.km + 1, ODOMETER
        it.run(seconds, plugged, kw=7.2, **words, **({} if words is LOST else told))
    it.run(7, kw=7.2, **CHARGING).run(6, False, **NONE)
    closed = it.closed()
    assert (closed["plug_in"]["at"], closed["unplug"]["at"]) == (10 * S, it.at - 6 * S)


# --- no date that nobody saw


def test_a_cable_that_went_in_while_the_bus_was_lost_has_no_plug_in() -> None:
    it = Plugging().run(10, False).run(30, None, **LOST).run(60, kw=7.2, plugged_at=40 * S, **CHARGING)
    closed = it.run(6, False, **NONE).closed()
    assert (closed["plug_in"], closed["unplug"]["at"]) == (None, 100 * S)


def test_a_cable_that_wakes_a_sleeping_car_has_one_and_so_has_one_that_was_seen_out_before() -> None:
    asleep = Plugging().run(10, False).run(30, None).run(60, kw=7.2, **CHARGING)
    assert asleep.run(6, False, **NONE).closed()["plug_in"]["at"] == 40 * S
    back = Plugging().run(10, False).run(30, None, **LOST).run(1, False).run(60, kw=7.2, **CHARGING)
    assert back.run(6, False, **NONE).closed()["plug_in"]["at"] == 41 * S


@pytest.mark.parametrize("boot", ["aa" * 8, "bb" * 8])
def test_a_cable_that_went_out_unseen_ends_its_charge_at_the_last_look_that_saw_it(boot: str) -> None:
    it = Plugging().run(10, False).run(600, kw=7.2, **CHARGING)
    it.boot = boot
    closed = it.run(300, None, **LOST).run(6, False, plugged_at=910 * S, **NONE).closed()
    assert (closed["end"]["at"], closed["unplug"], closed["why"]) == (609 * S, None, "unknown")


def test_a_cable_that_stayed_in_while_the_bus_was_lost_is_dated_as_ever() -> None:
    it = Plugging().run(10, False).run(60, kw=7.2, **CHARGING).run(300, None, kw=7.2, **LOST)
    closed = it.run(60, kw=7.2, **CHARGING).run(6, False, **NONE).closed()
    assert (closed["plug_in"]["at"], closed["unplug"]["at"], closed["pauses"]) == (10 * S, 430 * S, 0)


def test_that_a_cable_was_out_of_sight_survives_a_kill() -> None:
    course = Course(cable=Cable(False, None, True))
    assert from_vault(to_vault(course), None, None) == course


@pytest.mark.parametrize("lost", [True, False])
async def test_the_bus_of_a_real_box_is_lost_meanwhile_or_its_car_sleeps(bench: DoorBench, lost: bool) -> None:
    async def stand(seconds: int, **said: float | str) -> None:
        for _ in range(seconds):
            bench.say(**said)
            await bench.journey.tick()
            bench.clock.move(1)

    await stand(6, ignition="off", odometer=100.0, energy=30.0, plugged="no", charging="no", status="none")
    bench.car.lost() if lost else bench.car.silent(list(bench.car._signals))
    await stand(60)
    await stand(10, plugged="yes", charging="yes", status="charging", energy=30.5)
    await stand(10, plugged="no", charging="no", status="none")
    [closed] = await bench.facts("charge", event="closed")
    assert (closed["plug_in"] is None) is lost
    assert closed["unplug"] is not None
