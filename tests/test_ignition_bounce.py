"""An ignition whose contact bounces: one leg or none, and every time is that of the first moment."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from agent.car.legs import BOUNCE_MS, Leg, step
from agent.car.look import Look
from tests.test_legs import drive, leg, look, reading


def test_an_ignition_that_bounces_goes_on_with_its_leg_and_one_that_was_on_for_a_moment_is_none() -> None:
    for every in (2, 3, 4):
        looks = [look(1_000 * i, ignition=i % every == 0) for i in range(120)]
        assert drive(looks)[1] == [], "on for a second at a time, and the car stood"
    looks = [look(1_000 * i, 100.0 + i / 100, ignition=i % 3 != 2) for i in range(120)]
    _, told = drive(looks)
    assert [body["event"] for _, body in told] == ["opened", "closed"]
    closed = told[1][1]
    assert (closed["start"]["at"], closed["end"]["at"], closed["unseen_ms"]) == (0, 119_000, 0)


def test_an_ignition_off_for_three_seconds_is_a_leg_of_its_own_and_both_carry_the_first_moment() -> None:
    def on(a: int, b: int) -> list[Look]:
        return [look(1_000 * i) for i in range(a, b)]

    def off(a: int, b: int) -> list[Look]:
        return [look(1_000 * i, ignition=False) for i in range(a, b)]

    _, told = drive([*on(0, 10), *off(10, 13), *on(13, 20), *off(20, 22), *on(22, 30), *off(30, 31)])
    assert [(body["event"], body.get("end", body["start"])["at"] // 1_000) for _, body in told] == [
        ("opened", 0), ("closed", 10), ("opened", 13), ("closed", 30),
    ]  # fmt: skip


def test_a_leg_that_moved_is_told_however_short_it_was() -> None:
    _, told = drive([look(0, 100.0), look(1_000, 100.0, settled=("odometer_km",)), look(2_000, 100.1, False)])
    assert (told[1][1]["km"], told[1][1]["duration_ms"]) == (0.1, 2_000)


def test_a_booking_that_is_ended_ends_its_leg_where_the_ignition_went_off() -> None:
    off = step(leg(last=reading(60_000)), look(61_000, 104.0, False, distance="<2 km"), 7, "staff", 2).leg
    assert off is not None
    _, closed = off.over(reading(62_000, 200.0), "at") or ("", {})
    assert (closed["km"], closed["duration_ms"], closed["distance"]) == (4.0, 61_000, "<2 km")
    young = step(None, look(0), 7, "staff", 1).leg
    assert young is not None
    assert young.over(reading(1_000), None) is None, "nobody was told of its beginning"


def ended(before: Leg, off: Look) -> dict[str, Any]:
    """Of a leg whose ignition goes off, and stays off."""
    pending = step(before, off, 7, "staff", 2)
    assert (pending.told, pending.leg is not None) == ((), True)
    later = {**off.now, "at": off.now["at"] + BOUNCE_MS, "odometer_km": 999.0}
    [(_, closed)] = step(pending.leg, replace(off, now=later), 7, "staff", 2).told  # type: ignore[arg-type]
    return closed


def test_after_a_power_cut_what_the_silent_car_does_not_say_is_as_it_was_at_the_last_look() -> None:
    before = leg(start=reading(0, 100.0), last=reading(60_000, 105.0, energy_kwh=19.0))
    silent = look(10, None, False, boot="bb" * 8, energy_kwh=None)
    recalled = look(10, 104.0, False, boot="bb" * 8, energy_kwh=19.4, recalled=("odometer_km", "energy_kwh"))
    for dark in (silent, recalled):
        closed = ended(before, dark)
        assert (closed["km"], closed["energy_kwh"], closed["unseen_ms"]) == (5.0, 1.0, None)
    heard = look(10, 106.0, False, boot="bb" * 8, energy_kwh=18.5)
    closed = ended(before, heard)
    assert (closed["km"], closed["energy_kwh"]) == (6.0, 1.5)
