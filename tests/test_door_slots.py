"""A code of the day beside the bookings that the car knows: whose time it is, and when it makes way (R4, R5, R12)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.access.choice import SLOT_YIELDS_S, paid_until
from drivers.ports import Feedback
from keyless.claims import BadgeId, Booking, Role
from tests.door_bench import ALICE, BOB, HOUR, T0, DoorBench, the_bench  # noqa: F401 (fixture)
from tests.test_door_code import SLOT, slot

WINDOWS = st.lists(
    st.tuples(st.integers(0, 5), st.integers(1, 5_000), st.integers(1, 5_000)), max_size=5
)  # fmt: skip


def booking(number: int, begin: int, end: int) -> Booking:
    return Booking(
        iss="", aud=b"", exp=end, nbf=begin, iat=0, cti=bytes(16), confirmation=BadgeId(bytes(8)), role=Role.DRIVER,
        actions=15, early_s=0, late_s=0, booking=number, revision=0, flags=0, ignored=0, paid_from_s=begin,
        paid_to_s=end, token=b"",
    )  # fmt: skip


@given(WINDOWS, st.floats(0, 10_000), st.sets(st.integers(0, 5)))
def test_r4_nobody_who_has_not_had_the_car_waits_longer_than_until_his_time_or_a_quarter_of_an_hour(
    windows: list[tuple[int, int, int]], now_s: float, ended: set[int]
) -> None:
    stored = [booking(number, begin, begin + length) for number, begin, length in windows]
    until = paid_until(stored, now_s, ended)
    due = [it for it in stored if it.booking and it.booking not in ended and it.paid_to_s > now_s]
    assert (until is None) is (not due)
    if until is not None:
        assert until > now_s
        assert all(until <= max(it.paid_from_s, now_s + SLOT_YIELDS_S + 1) for it in due)
        assert until in {it.paid_from_s for it in due} or until - now_s >= SLOT_YIELDS_S


@pytest.mark.parametrize("cut", [False, True])
async def test_r4_a_slot_typed_in_anothers_paid_time_makes_way_for_him(bench: DoorBench, cut: bool) -> None:
    await bench.prove()
    await bench.book(42, ALICE, 0, 2 * HOUR)
    bench.clock.move(300)  # she is five minutes late
    bench.park()
    assert await bench.type(slot()) is Feedback.OPENED
    if cut:
        await bench.cut()
    bench.park()
    bench.say(locked="yes")
    bench.clock.move(SLOT_YIELDS_S - 60)
    bench.park()
    assert await bench.tap(ALICE) is not Feedback.OPENED
    bench.clock.move(120)
    bench.park()
    assert await bench.tap(ALICE) is Feedback.OPENED
    closed, opened = await bench.facts("booking", event="closed"), await bench.facts("booking", event="opened")
    assert [(it["booking"], it["how"]) for it in closed] == [(SLOT, "takeover")]
    assert [it["booking"] for it in opened] == [SLOT, 42]


async def test_r5_whoever_typed_it_drives_home_first(bench: DoorBench) -> None:
    await bench.prove()
    await bench.book(42, ALICE, 0, 2 * HOUR)
    await bench.type(slot())
    bench.park(home=False)
    bench.say(locked="yes")
    bench.clock.move(HOUR)
    bench.park(home=False)
    assert await bench.tap(ALICE) is not Feedback.OPENED, "far from home nobody takes it over"
    assert await bench.type(slot()) is Feedback.OPENED
    assert bench.under.booking is not None
    assert bench.under.booking.booking == SLOT


async def test_a_slot_does_not_make_way_for_one_that_has_ended_or_whose_time_is_over(bench: DoorBench) -> None:
    await bench.prove()
    await bench.book(41, BOB, -HOUR, -60)
    await bench.book(42, ALICE, 0, 2 * HOUR)
    await bench.tap(ALICE)
    await bench.tap(ALICE)
    assert await bench.type(slot()) is Feedback.OPENED
    assert bench.under.booking is not None
    assert bench.under.booking.paid_to_s > T0 + 12 * HOUR


async def test_the_earlier_of_two_bookings_counts(bench: DoorBench) -> None:
    await bench.book(42, ALICE, -60, 2 * HOUR)
    await bench.book(43, BOB, 300, HOUR)
    await bench.type(slot())
    assert bench.under.booking is not None
    assert bench.under.booking.paid_to_s == T0 + 300


# --- a booking that the car hears of while the slot is open


@pytest.mark.parametrize("cut", [False, True])
async def test_r4_a_slot_makes_way_for_a_booking_that_comes_later(bench: DoorBench, cut: bool) -> None:
    await bench.prove()
    assert await bench.type(slot()) is Feedback.OPENED
    assert open_until(bench) > T0 + 12 * HOUR
    bench.clock.move(600)
    await bench.book(42, ALICE, HOUR, 3 * HOUR)
    await bench.book(43, BOB, 5 * HOUR, 6 * HOUR)
    assert open_until(bench) == T0 + HOUR
    if cut:
        await bench.cut()
        assert open_until(bench) == T0 + HOUR
    bench.park()
    bench.say(locked="yes")
    assert await bench.tap(ALICE) is not Feedback.OPENED
    bench.clock.move(HOUR)
    bench.park()
    assert await bench.tap(ALICE) is Feedback.OPENED
    [closed] = await bench.facts("booking", event="closed")
    assert (closed["booking"], closed["how"]) == (SLOT, "takeover")


async def test_r4_where_that_ones_time_has_begun_a_slot_has_a_quarter_of_an_hour_and_no_more(bench: DoorBench) -> None:
    await bench.type(slot())
    bench.clock.move(600)
    await bench.book(42, ALICE, 0, 3 * HOUR)
    until = open_until(bench)
    assert SLOT_YIELDS_S <= until - bench.at() <= SLOT_YIELDS_S + 1
    bench.clock.move(600)
    await bench.book(43, BOB, 2 * HOUR, 3 * HOUR)
    assert open_until(bench) == until, "the next one does not lengthen it"


async def test_r12_a_slot_that_the_desk_sent_a_token_for_ends_as_that_says(bench: DoorBench) -> None:
    await bench.type(slot())
    await bench.book(SLOT, ALICE, 0, 2 * HOUR)
    assert open_until(bench) == T0 + 2 * HOUR
    await bench.book(42, BOB, HOUR, 3 * HOUR)
    assert open_until(bench) == T0 + 2 * HOUR


async def test_a_booking_of_the_backends_own_makes_way_for_nobody_before_its_end(bench: DoorBench) -> None:
    await bench.book(41, ALICE, 0, 2 * HOUR)
    await bench.tap(ALICE)
    await bench.book(42, BOB, HOUR, 3 * HOUR)
    assert open_until(bench) == T0 + 2 * HOUR


def open_until(bench: DoorBench) -> int:
    assert bench.under.booking is not None
    return bench.under.booking.paid_to_s
