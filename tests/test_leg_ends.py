"""The ends of a leg: what the car tells a moment after its ignition was switched is of that moment, and so is the time
of the ignition's own word; for a moment only, while it stands, and also when the box is killed meanwhile.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from agent.car import course as courses
from agent.car.legs import BOUNCE_MS, SETTLING, Leg, step
from agent.car.look import Look
from agent.car.reading import LATE_MS, dated
from agent.car.state import Moving
from agent.car.under_way import Course, OpenBooking
from agent.sync.forms import problems
from tests.test_course import CLOSES, DAY, OPENS, Box, killed
from tests.test_legs import look, reading

ODOMETER = ("odometer_km",)


def run(*looks: Look) -> list[dict[str, Any]]:
    """The bodies told of these looks, and nothing after them."""
    now, told = None, list[Any]()
    for each in looks:
        done = step(now, each, 7, "staff", 1)
        now, told = done.leg, [*told, *done.told]
    assert [problem for fact in told for problem in problems(*fact)] == []
    return [body for _, body in told]


def driven(*after: Look, km: float = 102.0) -> dict[str, Any]:
    """How a leg of two kilometres closes; after: the looks from the ignition's off on."""
    [_, closed] = run(look(0, 100.0), look(4_000, km), *after, replace(after[-1], now=reading(60_000, 999.0)))
    return closed


def off(at: int, km: float = 102.0, settled: tuple[str, ...] = (), **changes: Any) -> Look:
    return look(at, km, False, settled=settled, **changes)


def test_words_of_after_the_ignition_went_off_are_of_the_end() -> None:
    both = off(7_000, 102.5, (*ODOMETER, "energy_kwh"), energy_kwh=19.0)
    closed = driven(off(5_000), off(6_000, 102.5, ODOMETER), both)
    assert (closed["km"], closed["energy_kwh"], closed["duration_ms"]) == (2.5, 1.0, 5_000)
    assert (closed["end"]["at"], closed["end"]["plugged"]) == (5_000, "no")
    assert driven(off(5_000), off(6_000, 102.5))["km"] == 2.0, "a word of before it went off"
    assert driven(off(5_000, 102.5, ODOMETER))["km"] == 2.5, "told before the first look that saw it off"


def test_a_car_that_does_not_answer_closes_its_leg_all_the_same_and_in_time() -> None:
    assert run(look(0, 100.0), look(4_000, 102.0), off(5_000), off(5_000 + BOUNCE_MS))[-1]["km"] == 2.0


def test_a_car_that_rolls_on_was_plugged_in_or_was_not_watched_keeps_what_it_said() -> None:
    rolls = off(6_000, 102.5, ODOMETER, moving=Moving.YES)
    assert driven(off(5_000), rolls)["km"] == 2.0
    in_ = off(6_000, 102.5, SETTLING, plugged=True, energy_kwh=25.0, soc_percent=90.0, range_km=150.0)
    charged = driven(off(5_000), replace(in_, plugged=True))
    assert (charged["km"], charged["energy_kwh"]) == (2.5, 0.0)
    assert (charged["end"]["soc_percent"], charged["end"]["range_km"]) == (80.0, 120.0)
    assert driven(off(5_000), off(5_000 + BOUNCE_MS + LATE_MS + 1, 102.5, ODOMETER))["km"] == 2.0, "the box was dark"
    assert driven(off(5_000), off(10, 102.5, ODOMETER, boot="bb" * 8))["km"] == 2.0


def test_an_odometer_that_counts_back_while_its_unit_is_switched_tells_nothing() -> None:
    assert driven(off(5_000), off(6_000, 0.0, ODOMETER))["km"] == 2.0
    assert driven(off(5_000, 0.0, ODOMETER))["km"] == 2.0, "told before the first look that saw it off"
    late = [look(0, 100.0), look(1_000, 40.0, settled=ODOMETER), look(2_000, 100.0, settled=ODOMETER)]
    opened, closed = run(*late, look(4_000, 102.0, settled=ODOMETER), off(5_000, 102.0), off(9_000))
    assert (opened["start"]["odometer_km"], closed["km"]) == (100.0, 2.0)


def test_an_unseen_field_that_is_told_after_all_is_no_gap() -> None:
    dark = replace(off(5_000), unseen=ODOMETER)
    assert driven(dark)["km"] is None
    assert driven(dark, off(6_000, 102.5, ODOMETER))["km"] == 2.5


def test_the_next_leg_at_once_takes_nothing_of_the_last_ones_end_and_a_bounce_goes_on() -> None:
    again = [look(5_000 + BOUNCE_MS, 102.5, True, settled=ODOMETER)]
    bodies = run(look(0, 100.0), look(4_000, 102.0), off(5_000), *again, look(20_000, 103.5), off(21_000, 103.5))
    assert [it["event"] for it in bodies] == ["opened", "closed", "opened"]
    assert (bodies[1]["km"], bodies[2]["start"]["odometer_km"]) == (2.0, 102.5)
    bounce = [off(5_000, 102.5, ODOMETER), look(6_000, 102.5), look(9_000, 102.9)]
    bodies = run(look(0, 100.0), look(4_000, 102.0), *bounce, off(10_000, 102.9), off(14_000, 102.9))
    assert [(it["event"], it.get("km")) for it in bodies] == [("opened", None), ("closed", 2.9)]


# --- the start -------------------------------------------------------------------------------------------------------


def test_first_words_after_the_ignition_went_on_correct_the_start_and_are_no_movement() -> None:
    early = [look(0, 100.0), look(1_000, 101.0, settled=ODOMETER), look(2_000, 101.2, settled=ODOMETER)]
    assert run(*early[:2]) == [], "the odometer of before counts for nothing, and one second is no leg"
    opened, closed = run(*early, look(4_000, 102.0, settled=ODOMETER), off(5_000), off(9_000))
    assert opened["start"]["odometer_km"] == 101.0, "once: later it drives"
    assert (closed["start"]["odometer_km"], closed["km"], closed["stops"]) == (101.0, 1.0, 0)


@pytest.mark.parametrize("how", [{"moving": Moving.YES}, {"at": BOUNCE_MS + LATE_MS + 1}])
def test_words_of_a_car_that_moves_or_was_on_for_long_correct_nothing(how: dict[str, Any]) -> None:
    second = look(how.get("at", 1_000), 101.0, settled=ODOMETER, moving=how.get("moving", Moving.NO))
    leg = step(step(None, look(0, 100.0), 7, "staff", 1).leg, second, 7, "staff", 1).leg
    assert leg is not None
    assert leg.start["odometer_km"] == 100.0


def test_an_ignition_that_was_on_for_a_moment_bills_no_kilometre_that_the_car_told_too_late() -> None:
    """The odometer's first word since the drive before comes when it is off again."""
    late = look(1_000, 101.0, False, settled=ODOMETER)
    assert run(look(0, 100.0), late, off(4_000, 101.0, ODOMETER)) == []
    counts = look(1_000, 101.1, settled=ODOMETER)
    told = run(look(0, 101.0, settled=ODOMETER), counts, off(2_000, 101.1, ODOMETER), off(9_000, 101.1, ODOMETER))
    assert [body["event"] for body in told] == ["opened", "closed"], "one that counts on while it is on does move"


def test_a_start_that_was_told_is_corrected_no_more() -> None:
    late = look(BOUNCE_MS + 2_000, settled=("energy_kwh",), energy_kwh=19.0)
    for between in ((), (look(BOUNCE_MS + 1_000),)):
        opened, closed = run(look(0), look(BOUNCE_MS), *between, late, off(9_000), off(20_000))
        assert closed["start"] == opened["start"]


# --- the time --------------------------------------------------------------------------------------------------------


def test_a_leg_begins_and_ends_with_the_ignitions_word_and_not_with_the_look() -> None:
    wall = {"wall": [1_000_000, 1_000_400]}
    on = look(1_000, ignition_at=300, **wall)
    _, closed = run(on, look(60_000, ignition_at=300), off(61_000, ignition_at=60_250), off(70_000, ignition_at=60_250))
    assert (closed["start"]["at"], closed["start"]["wall"]) == (300, [999_300, 999_700])
    assert (closed["end"]["at"], closed["duration_ms"]) == (60_250, 59_950)


def test_the_rest_of_a_drive_begins_with_its_booking_and_no_leg_ends_before_a_look_that_saw_it_on() -> None:
    before = step(None, look(1_000, ignition_at=500), None, None, 1).leg
    rest = step(before, look(2_000, ignition_at=500), 7, "staff", 1).leg
    assert rest is not None
    assert rest.start["at"] == 2_000
    [_, closed] = run(look(0), look(60_000), off(61_000, ignition_at=59_900), off(70_000))
    assert closed["end"]["at"] == 60_000


def test_a_look_of_before_a_power_cut_holds_back_no_word_of_after_it() -> None:
    cut = {"boot": "bb" * 8}
    [_, closed] = run(look(0), look(60_000), off(1_000, ignition_at=400, **cut), off(9_000, ignition_at=400, **cut))
    assert (closed["end"]["boot"], closed["end"]["at"]) == ("bb" * 8, 400)


@given(st.integers(0, 10_000), st.integers(0, 10_000), st.integers(0, 10_000))
def test_a_dated_reading_is_never_later_than_its_look_nor_much_earlier(now: int, word: int, floor: int) -> None:
    seen = reading(now, wall=[now + 100, now + 300])
    told = dated(seen, word, min(floor, now))
    assert now - LATE_MS <= told["at"] <= now
    assert told["wall"] == [told["at"] + 100, told["at"] + 300]
    assert told["at"] in (now, word, min(floor, now))
    assert dated(seen, None) == seen


# --- a whole day of a car that must be asked -------------------------------------------------------------------------


def asked_for(day: Sequence[Look], every: int = 10) -> list[Look]:
    """The same day, by a car that tells its numbers every so many looks, and after each turn of its ignition."""
    found, due, told, since = list[Look](), 0, day[0].now, day[0]
    for number, (last, seen) in enumerate(pairwise((day[0], *day))):
        if last.ignition is not seen.ignition:
            due, since = number + 1, seen
        if number >= due:
            told, due = seen.now, number + (1 if seen.now["odometer_km"] is None else every)
        words = {name: told[name] for name in SETTLING}  # type: ignore[literal-required]
        settled = SETTLING if told["at"] > since.now["at"] else ()
        now = {**seen.now, **words}
        found.append(replace(seen, now=now, settled=settled, ignition_at=since.now["at"] - 400))  # type: ignore[arg-type]
    return found


ASKED = asked_for(DAY)


def closed_legs(told: Sequence[Any]) -> list[dict[str, Any]]:
    return [body for kind, body in told if kind.endswith("leg") and body["event"] == "closed"]


def test_of_a_car_that_must_be_asked_each_leg_has_the_kilometres_of_its_end() -> None:
    whole, asked = Box(), Box()
    whole.live(DAY)
    asked.live(ASKED)
    assert [it["km"] for it in closed_legs(asked.told)] == [it["km"] for it in closed_legs(whole.told)]
    assert [it["energy_kwh"] for it in closed_legs(asked.told)] == [it["energy_kwh"] for it in closed_legs(whole.told)]


def test_killed_at_every_step_its_records_are_the_same_byte_for_byte() -> None:
    whole, box = Box().live(ASKED), Box(every=1)
    for number, each in enumerate(ASKED):
        before = box.course
        box.kill()
        assert box.course == before, f"killed before look {number}: whatever follows is the same"
        box.look(number, each)
    assert json.dumps(box.told, sort_keys=True).encode() == whole


@pytest.mark.long
def test_killed_with_the_real_rhythm_what_a_leg_ended_with_is_not_lost() -> None:
    whole = Box()
    whole.live(ASKED)
    for at, box in killed(ASKED, 0):
        if at in (OPENS, CLOSES):
            continue
        assert [it["km"] for it in closed_legs(box.told)] == [it["km"] for it in closed_legs(whole.told)], at


def test_a_leg_of_an_earlier_version_awaits_nothing() -> None:
    leg = step(None, look(0), 7, "staff", 1).leg
    assert leg is not None
    old = json.loads(leg.to_bytes())
    del old["awaited"]
    read = Leg.from_bytes(json.dumps(old).encode())
    assert read == replace(leg, awaited=())


def first_leg(*looks: Look, begins_km: float = 100.0) -> tuple[float, float]:
    """Odometer of booking and leg, where both begin. begins_km: as the car last said it, to the driver before."""
    course = Course(OpenBooking(7, "aa" * 16, None, "staff", 0, 9_999, reading(0, begins_km)))
    for each in (look(0, begins_km, False), *looks):
        course, _ = courses.step(course, each)
    assert course.booking is not None
    assert course.leg is not None
    return course.booking.start["odometer_km"] or 0.0, course.leg.start["odometer_km"] or 0.0


def test_the_kilometre_that_the_last_drivers_car_did_not_tell_any_more_is_not_billed_to_the_next() -> None:
    on = look(60_000, 100.0, ignition_at=60_000)
    late = [look(60_000 + at, 101.0 + at / 20_000, settled=ODOMETER) for at in (1_000, 2_000, 5_000, 9_000)]
    assert first_leg(on, look(61_000, 101.0, settled=ODOMETER), *late[1:]) == (101.0, 101.0)
    assert first_leg(look(60_000, 101.0, ignition_at=60_000, settled=ODOMETER), *late[1:]) == (101.0, 101.0)
    assert first_leg(on, look(61_000, 103.0, settled=ODOMETER))[0] == 100.0, "so much is no last count"
    assert first_leg(on, look(61_000, 99.0, settled=ODOMETER))[0] == 100.0
    driving = [look(61_000 + at, 100.0 + at / 20_000) for at in (0, 1_000, 4_000, 20_000)]
    assert first_leg(on, *driving, look(90_000, 102.0, settled=ODOMETER)) == (100.0, 100.0), "its own kilometres"
