"""Bills rest on boot and `at`, never on the wall clock alone: no clock at the start, two boots, one wrong date."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from hil.backend.bills import Bill, account
from hil.backend.payload import Fact
from hil.backend.tariff import Tariff
from tests.fleet_facts import PLAIN, USED, Car, at

BEGIN, END = at("2026-11-10 08:00"), at("2026-11-10 10:00")


def one(facts: list[Fact], tariff: Tariff = PLAIN) -> Bill:
    [bill] = account(facts, tariff).bills
    return bill


def dark_start(known_again: int) -> Car:
    """A car that lost its clock before it was opened, and knows the time again in that boot from some moment."""
    car = Car()
    car.stored(7, BEGIN, END)
    car.boot(at("2026-11-10 06:00"), knows=False)
    start = car.opens(7, BEGIN)
    car.knows = True
    car.tell(known_again, "alarm")
    car.closes(7, start, at("2026-11-10 11:00"))
    return car


def test_no_clock_at_the_start_boot_and_at_place_it() -> None:
    car = dark_start(at("2026-11-10 09:00"))
    assert car.facts[3].wall is None
    assert (one(car.facts).begin_ms, one(car.facts).cents, one(car.facts).notes) == (BEGIN, 450, ("late",))
    assert one(car.facts, USED).cents == 450


def test_no_clock_all_day_the_duration_is_still_exact_and_the_booked_time_dates_it() -> None:
    car = Car()
    car.stored(7, BEGIN, END)
    car.boot(at("2026-11-10 06:00"), knows=False)
    car.closes(7, car.opens(7, BEGIN), at("2026-11-10 11:00"))
    bill = one(car.facts, USED)
    assert (bill.used_ms, bill.cents) == (3 * 3_600_000, 450)
    assert bill.notes == ("time_unsure",)
    assert [month.month for month in account(car.facts, USED).months] == ["2026-11"]
    assert one(car.facts).cents == 300  # nothing proves that it was late


def two_boots(knows: bool) -> Car:
    """The power fails under way; knows: whether the first boot ever knew the time."""
    car = Car()
    car.stored(7, BEGIN, END)
    car.boot(at("2026-11-10 07:30"), knows=knows)
    start = car.opens(7, BEGIN)
    car.tell(at("2026-11-10 08:10"), "pause", event="began")
    car.boot(at("2026-11-10 08:30"))
    car.closes(7, start, at("2026-11-10 10:30"))
    return car


def test_two_readings_in_two_boots_are_joined_by_what_both_know_of_the_time() -> None:
    facts = two_boots(knows=True).facts
    assert (one(facts, USED).used_ms, one(facts, USED).cents) == (9_000_000, 375)
    assert one(facts).notes == ("late",)


def test_a_first_boot_that_never_knew_the_time_bills_what_can_be_proved() -> None:
    facts = two_boots(knows=False).facts
    bill = one(facts, USED)
    # The last word of that boot was ten minutes after the opening, and the next boot began at 08:30.
    assert bill.used_ms == 130 * 60_000
    assert bill.notes == ("time_unsure",)
    assert one(facts).cents == 375  # the booked time and the lateness are known all the same


def test_a_last_boot_that_never_knew_the_time_bills_what_can_be_proved() -> None:
    car = Car()
    car.stored(7, BEGIN, END)
    start = car.opens(7, BEGIN)
    car.boot(at("2026-11-10 09:00"), knows=False)
    car.closes(7, start, at("2026-11-10 10:30"))
    bill = one(car.facts, USED)
    assert (bill.status, bill.used_ms, bill.notes) == ("unsettled", None, ("time_unknown", "time_unsure"))
    car.boot(at("2026-11-11 06:00"))
    assert one(car.facts, USED).used_ms == 90 * 60_000  # since the opening, which was the last dated word before it


@pytest.mark.parametrize("wrong", ["1970-01-01 01:00", "2031-05-05 05:05"])
def test_one_wrong_date_moves_no_bill(wrong: str) -> None:
    car = Car()
    car.drives(7, "2026-11-10 08:00", "2026-11-10 10:00", "2026-11-10 11:00")
    for minute in range(4):
        car.tell(at(f"2026-11-10 11:0{minute}"), "alarm")
    good = one(car.facts)
    for place, fact in enumerate(car.facts):
        lie = replace(fact, wall=(at(wrong), at(wrong) + 800), body=_lying(fact.body, at(wrong)))
        bill = one([*car.facts[:place], lie, *car.facts[place + 1 :]])
        assert (bill.cents, bill.used_ms) == (good.cents, good.used_ms), fact


def _lying(body: dict[str, Any], wrong: int) -> dict[str, Any]:
    if body.get("event") == "closed":
        return {**body, "end": {**body["end"], "wall": [wrong, wrong + 800]}}
    return body


def test_a_clock_that_drifts_over_weeks_places_each_reading_by_its_own_days_words() -> None:
    """A board's oscillator is some seconds a day off; the booking is judged by what the car knew then."""
    car = Car(begin="2026-10-01 00:00")
    for day in range(1, 31):
        if day == 10:
            car.drives(7, "2026-10-10 08:00", "2026-10-10 10:00", "2026-10-10 10:00")
        car.boot_ms = at("2026-10-01 00:00") + 60_000 * day  # this boot's clock loses a minute a day
        car.tell(at(f"2026-10-{day:02} 12:00"), "alarm")
    bill = one(car.facts)
    assert (bill.begin_ms, bill.end_ms) == (at("2026-10-10 08:00"), at("2026-10-10 10:00"))
    assert (bill.cents, bill.notes) == (300, ())


def test_within_one_boot_no_wall_clock_says_how_long_it_lasted() -> None:
    car = Car()
    car.drives(7, "2026-11-10 08:00", "2026-11-10 10:00", "2026-11-10 11:00")
    mad = [replace(fact, wall=None if fact.wall is None else (fact.n * 10**11, fact.n * 10**11)) for fact in car.facts]
    assert one(mad, USED).used_ms == 3 * 3_600_000
