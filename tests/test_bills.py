"""Bills of single bookings, by the tariff's own words (R24): how a booking may go, and the calendar."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hil.backend.bills import Account, Bill, Orders, account
from hil.backend.tariff import Tariff
from tests.fleet_facts import ANNA, BORIS, PLAIN, USED, Car, at


def one(car: Car, tariff: Tariff = PLAIN, orders: Orders | None = None) -> Bill:
    [bill] = account(car.facts, tariff, orders).bills
    return bill


def months(found: Account) -> list[tuple[str, str]]:
    return [(month.driver, month.month) for month in found.months]


# --- the tariff's own sentence


def test_r24_the_example_two_hours_and_the_month() -> None:
    car = Car()
    car.drives(7, "2026-11-10 08:00", "2026-11-10 10:00")
    found = account(car.facts, PLAIN)
    assert [bill.cents for bill in found.bills] == [300]
    assert months(found) == [(ANNA, "2026-11")]
    assert found.cents == 700


@pytest.mark.parametrize("kind", ["staff", "relocation", "maintenance"])
def test_r24_staff_drive_free_and_make_no_month_of_use(kind: str) -> None:
    car = Car()
    car.drives(7, "2026-11-10 08:00", "2026-11-10 10:00", "2026-11-10 12:00", kind=kind)
    assert one(car).status == "free"
    assert account(car.facts, PLAIN).cents == 0


def test_r24_the_same_driver_twice_a_month_pays_the_month_once_also_in_two_cars() -> None:
    one_car, other = Car(), Car("2" * 16)
    one_car.drives(7, "2026-11-10 08:00", "2026-11-10 10:00")
    one_car.drives(8, "2026-11-12 08:00", "2026-11-12 10:00", holder=BORIS)
    other.drives(9, "2026-11-30 08:00", "2026-11-30 10:00")
    found = account([*one_car.facts, *other.facts], PLAIN)
    assert months(found) == [(ANNA, "2026-11"), (BORIS, "2026-11")]
    assert found.cents == 3 * 300 + 2 * 400


def test_r24_a_booking_over_two_months_uses_both_each_once() -> None:
    car = Car()
    car.drives(7, "2026-11-30 20:00", "2026-12-01 08:00")
    car.drives(8, "2026-12-05 08:00", "2026-12-05 09:00")
    assert months(account(car.facts, PLAIN)) == [(ANNA, "2026-11"), (ANNA, "2026-12")]
    assert months(account(car.facts, replace(PLAIN, counts="begun"))) == [(ANNA, "2026-11"), (ANNA, "2026-12")]
    assert months(account(car.facts[:4], replace(PLAIN, counts="begun"))) == [(ANNA, "2026-11")]


def test_r24_the_month_is_that_of_use_not_of_the_booked_time() -> None:
    car = Car()
    car.drives(7, "2026-11-30 20:00", "2026-12-01 08:00", "2026-11-30 23:00")
    assert months(account(car.facts, PLAIN)) == [(ANNA, "2026-11")]


def test_r24_with_the_order_book_badge_and_phone_are_one_driver() -> None:
    car = Car()
    car.drives(7, "2026-11-10 08:00", "2026-11-10 10:00")
    car.drives(8, "2026-11-12 08:00", "2026-11-12 10:00", holder=BORIS)
    assert months(account(car.facts, PLAIN, Orders({7: "Anna", 8: "Anna"}))) == [("Anna", "2026-11")]


# --- the calendar


@pytest.mark.parametrize(
    ("begin", "end", "hours"),
    [
        ("2026-03-28 20:00", "2026-03-29 08:00", 11),  # the night of 23 hours
        ("2026-03-29 00:00", "2026-03-30 00:00", 23),
        ("2026-10-24 20:00", "2026-10-25 08:00", 13),  # the night of 25 hours
        ("2026-10-25 00:00", "2026-10-26 00:00", 25),
        ("2026-11-10 22:00", "2026-11-11 02:00", 4),  # midnight
        ("2026-11-30 22:00", "2026-12-01 02:00", 4),  # the end of a month
        ("2026-12-31 22:00", "2027-01-01 02:00", 4),
        ("2028-02-28 12:00", "2028-03-01 12:00", 48),  # a leap day
        ("2027-02-28 12:00", "2027-03-01 12:00", 24),
    ],
)
@pytest.mark.parametrize("tariff", [PLAIN, USED], ids=["booked", "used"])
def test_r24_an_hour_is_an_hour_that_passes(begin: str, end: str, hours: int, tariff: Tariff) -> None:
    car = Car(begin="2026-01-01 00:00")
    car.drives(7, begin, end)
    assert one(car, tariff).cents == 150 * hours


def test_r24_the_hour_that_comes_twice_is_two_hours() -> None:
    car = Car(begin="2026-10-20 00:00")
    begin, end = at("2026-10-25 02:00"), at("2026-10-25 02:00", fold=1)
    car.stored(7, begin, end)
    car.closes(7, car.opens(7, begin), end)
    assert one(car).cents == 150


# --- early and late


def test_r24_an_early_return_pays_what_was_booked_or_what_was_used() -> None:
    car = Car()
    car.drives(7, "2026-11-10 08:00", "2026-11-10 12:00", "2026-11-10 09:05")
    assert one(car).cents == 600
    assert one(car, USED).cents == 188  # 75 minutes
    assert one(car).used_ms == 65 * 60_000


def test_r5_lateness_is_billed() -> None:
    car = Car()
    car.drives(7, "2026-11-10 08:00", "2026-11-10 10:00", "2026-11-10 13:10")
    bill = one(car)
    assert (bill.cents, bill.notes) == (788, ("late",))  # 5 h 15 min
    assert one(car, USED).cents == 788


def test_r24_late_by_no_more_than_the_tariff_allows_is_not_late() -> None:
    car, lenient = Car(), replace(PLAIN, late_free_ms=300_000)
    car.drives(7, "2026-11-10 08:00", "2026-11-10 10:00", "2026-11-10 10:05")
    assert one(car, lenient).cents == 300
    assert one(car).cents == 338
    assert account(car.facts, lenient).bills[0].notes == ()


def test_who_comes_late_or_early_pays_from_the_booked_beginning() -> None:
    car = Car()
    car.stored(7, at("2026-11-10 08:00"), at("2026-11-10 10:00"))
    car.closes(7, car.opens(7, at("2026-11-10 07:50")), at("2026-11-10 10:00"))
    assert one(car).cents == 300


@pytest.mark.parametrize("how", ["auto_closed", "takeover", "forced"])
def test_r2_r4_r1_who_went_without_ending_had_the_car_until_its_last_drive(how: str) -> None:
    car = Car()
    car.stored(7, at("2026-11-10 08:00"), at("2026-11-10 10:00"))
    start = car.opens(7, at("2026-11-10 08:00"))
    car.leg(7, at("2026-11-10 08:40"))
    car.leg(7, at("2026-11-10 10:20"))
    car.closes(7, start, at("2026-11-10 15:00"), how)
    assert one(car).cents == 375  # 2 h 30 min
    assert one(car).how == (how,)
    assert "until_last_leg" in one(car).notes
    assert one(car, replace(PLAIN, not_ended="closing")).cents == 1050
    assert account([fact for fact in car.facts if fact.kind != "leg"], PLAIN).bills[0].cents == 1050


def test_r14_a_leg_of_another_car_ends_nothing_here() -> None:
    car, other = Car(), Car("2" * 16)
    car.stored(7, at("2026-11-10 08:00"), at("2026-11-10 10:00"))
    start = car.opens(7, at("2026-11-10 08:00"))
    car.leg(7, at("2026-11-10 10:20"))
    other.leg(7, at("2026-11-10 13:00"))
    car.closes(7, start, at("2026-11-10 15:00"), "takeover")
    assert [bill.cents for bill in account([*car.facts, *other.facts], PLAIN).bills] == [375]


def test_a_leg_does_not_end_what_the_driver_ended() -> None:
    car = Car()
    car.stored(7, at("2026-11-10 08:00"), at("2026-11-10 10:00"))
    start = car.opens(7, at("2026-11-10 08:00"))
    car.leg(7, at("2026-11-10 10:20"))
    car.closes(7, start, at("2026-11-10 15:00"))
    assert one(car).cents == 1050


# --- bookings that change


def test_a_revision_replaces_the_booked_time_and_makes_no_second_bill() -> None:
    car = Car()
    car.stored(7, at("2026-11-10 08:00"), at("2026-11-10 10:00"))
    start = car.opens(7, at("2026-11-10 08:00"))
    car.stored(7, at("2026-11-10 08:00"), at("2026-11-10 12:00"), revision=2)
    car.stored(7, at("2026-11-10 08:00"), at("2026-11-10 11:00"), revision=1)
    car.closes(7, start, at("2026-11-10 11:30"))
    assert one(car).cents == 600


def test_a_revision_may_shorten_the_booked_time() -> None:
    car = Car()
    car.stored(7, at("2026-11-10 08:00"), at("2026-11-10 12:00"))
    car.stored(7, at("2026-11-10 08:00"), at("2026-11-10 10:00"), revision=1)
    car.closes(7, car.opens(7, at("2026-11-10 08:00")), at("2026-11-10 10:00"))
    assert one(car).cents == 300


def test_a_booking_opened_again_is_one_bill_and_its_parts_add_up() -> None:
    car = Car()
    car.stored(7, at("2026-11-10 08:00"), at("2026-11-10 12:00"))
    car.closes(7, car.opens(7, at("2026-11-10 08:00")), at("2026-11-10 09:00"))
    again = car.opens(7, at("2026-11-10 11:00"))
    assert one(car).status == "open"
    car.closes(7, again, at("2026-11-10 12:30"))
    assert one(car).cents == 675
    assert one(car, USED).cents == 375
    assert one(car).km == 24.0


def test_r6_two_tokens_of_one_booking_are_one_bill() -> None:
    car = Car()
    car.stored(7, at("2026-11-10 08:00"), at("2026-11-10 12:00"))
    car.stored(7, at("2026-11-10 12:00"), at("2026-11-10 16:00"))
    car.closes(7, car.opens(7, at("2026-11-10 08:00")), at("2026-11-10 11:00"))
    car.closes(7, car.opens(7, at("2026-11-10 12:00"), BORIS), at("2026-11-10 16:00"))
    assert one(car).cents == 1200
    assert one(car).driver == ANNA
    assert one(car).notes == ("several_holders",)


def test_an_end_that_was_told_twice_bills_once_the_shorter() -> None:
    car = Car()
    car.stored(7, at("2026-11-10 08:00"), at("2026-11-10 08:15"))
    start = car.opens(7, at("2026-11-10 08:00"))
    car.closes(7, start, at("2026-11-10 10:00"))
    car.closes(7, start, at("2026-11-10 11:00"), "forced")
    assert one(car, USED).cents == 300
    assert one(car, USED).notes == ("closed_twice",)


def test_r14_a_booking_that_moved_to_the_neighbour_is_billed_once() -> None:
    broken, neighbour = Car(), Car("2" * 16)
    broken.stored(7, at("2026-11-10 08:00"), at("2026-11-10 10:00"))
    broken.tell(at("2026-11-11 08:00"), "boot")
    neighbour.stored(7, at("2026-11-10 08:00"), at("2026-11-10 10:00"), revision=1)
    neighbour.closes(7, neighbour.opens(7, at("2026-11-10 08:20")), at("2026-11-10 10:00"))
    found = account([*broken.facts, *neighbour.facts], replace(PLAIN, no_show="booked"))
    assert [(bill.vehicle, bill.cents) for bill in found.bills] == [(neighbour.vehicle, 300)]


def test_r12_codes_of_the_day_of_two_cars_are_two_bookings() -> None:
    cars, number = [Car(), Car("2" * 16)], (1 << 52) + 32 * 20_000
    for car in cars:
        car.closes(number, car.opens(number, at("2026-11-10 08:00")), at("2026-11-10 10:00"))
    found = account([fact for car in cars for fact in car.facts], PLAIN)
    assert [bill.cents for bill in found.bills] == [300, 300]
    assert {bill.notes for bill in found.bills} == {("booked_time_unknown",)}


def test_booking_number_zero_is_no_booking() -> None:
    car = Car()
    car.tell(at("2026-11-10 08:00"), "booking", event="stored", booking=0, booking_kind="staff")
    assert account(car.facts, PLAIN) == Account((), ())
