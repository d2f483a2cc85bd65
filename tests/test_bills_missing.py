"""Bills of bookings of which something is missing: who never came, was refused, or whose opening or end is not held."""

from __future__ import annotations

from dataclasses import replace

from hil.backend.bills import Orders, account
from tests.fleet_facts import ANNA, BORIS, PLAIN, Car, at
from tests.test_bills import one


def test_who_never_came_pays_as_the_tariff_says_once_the_car_has_told_everything() -> None:
    car, booked = Car(), replace(PLAIN, no_show="booked")
    car.stored(7, at("2026-11-10 08:00"), at("2026-11-10 10:00"))
    assert one(car, booked).status == "stored"  # still to come
    car.tell(at("2026-11-10 09:00"), "alarm")
    assert one(car, booked).status == "stored"
    car.tell(at("2026-11-10 10:00"), "alarm")
    assert (one(car, booked).status, one(car, booked).cents) == ("no_show", 300)
    assert one(car, replace(PLAIN, no_show="minimum", minimum_ms=3_600_000)).cents == 150
    assert one(car).cents == 0
    assert account(car.facts, booked).months == ()
    gap = [fact for fact in car.facts if fact.n != 3]
    assert account(gap, booked).bills[0].status == "stored"  # the opening may be on its way
    assert one(car, booked, Orders(cancelled=frozenset({7}))).cents == 0


def test_r7_who_came_and_was_refused_is_no_no_show() -> None:
    car = Car()
    car.stored(7, at("2026-11-10 08:00"), at("2026-11-10 10:00"))
    car.tell(at("2026-11-10 08:00"), "refused", via="badge", code="occupied", booking=7, holder=ANNA, detail={})
    car.tell(at("2026-11-10 11:00"), "alarm")
    bill = one(car, replace(PLAIN, no_show="booked"))
    assert (bill.status, bill.cents, bill.notes) == ("unsettled", 0, ("came_and_was_refused",))


def test_an_end_that_was_never_heard_is_billed_to_nobody_and_said() -> None:
    car = Car()
    car.stored(7, at("2026-11-10 08:00"), at("2026-11-10 10:00"))
    car.opens(7, at("2026-11-10 08:00"))
    assert (one(car).status, one(car).cents, one(car).notes) == ("open", 0, ())
    car.opens(8, at("2026-11-10 15:00"), BORIS)
    bill = account(car.facts, PLAIN).bills[0]
    assert (bill.status, bill.cents, bill.notes) == ("open", 0, ("end_not_heard",))


def test_an_opening_that_was_never_heard_is_billed_by_its_end() -> None:
    car = Car()
    car.drives(7, "2026-11-10 08:00", "2026-11-10 10:00", "2026-11-10 11:00")
    without = [fact for fact in car.facts if fact.body.get("event") != "opened"]
    [bill] = account(without, PLAIN).bills
    assert (bill.cents, bill.driver, bill.notes) == (450, None, ("driver_unknown", "late"))
    [bill] = account([fact for fact in without if fact.body.get("event") != "stored"], PLAIN).bills
    assert (bill.status, bill.cents) == ("unsettled", 0)


def test_an_odometer_that_counts_back_gives_no_kilometres_and_is_said() -> None:
    car = Car()
    car.stored(7, at("2026-11-10 08:00"), at("2026-11-10 10:00"))
    car.closes(7, car.opens(7, at("2026-11-10 08:00"), km=100), at("2026-11-10 10:00"), km=3)
    assert (one(car).km, one(car).notes, one(car).cents) == (None, ("odometer_unsure",), 300)
