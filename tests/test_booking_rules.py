"""The booking under way, as pure rules: every case is a telephone that need not ring."""

from __future__ import annotations

import json
from itertools import product

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from agent.access.booking import (
    CarNow,
    Closing,
    How,
    Plan,
    Tap,
    carry_out,
    closed_body,
    doors,
    hard,
    may_auto_close,
    may_take_over,
    soft,
    tap,
)
from agent.car.flow import Flow
from agent.car.legs import Tally
from agent.car.privacy import Place
from agent.car.reading import Reading
from agent.car.state import Moving
from agent.car.stations import Where
from agent.car.under_way import OpenBooking, UnderWay
from agent.sync.forms import problems
from tests.test_legs import leg, reading

HOME = Where(True, "home")
AWAY = Where(False)
UNDER_THE_ROOF = Where(presumed="home")
ANYWHERE = Where(anywhere=True)  # no station in the settings, or no receiver
PARKED = CarNow(False, False, True, True, False, Moving.NO, HOME, 0.0)
OPEN = OpenBooking(7, "aa" * 16, "bb" * 8, "private", 1_000, 2_000, reading(0, 100.0), 2)
MAYBE = st.sampled_from([True, False, None])
CARS = st.builds(
    CarNow, MAYBE, MAYBE, MAYBE, MAYBE, MAYBE, st.sampled_from(Moving),
    st.sampled_from([HOME, AWAY, Where(), UNDER_THE_ROOF, ANYWHERE]), st.floats(0, 10_000),
)  # fmt: skip


def test_r1_each_hard_check_refuses_with_its_reason() -> None:
    assert hard(PARKED) == ()
    assert hard(replace(PARKED, ignition_on=True)) == ("ignition_on",)
    assert hard(replace(PARKED, doors_open=True)) == ("door_open",)
    assert hard(replace(PARKED, key_returned=False)) == ("key_missing",)


def test_r1_each_soft_check_only_flags() -> None:
    assert soft(PARKED) == ()
    assert soft(replace(PARKED, plugged=False)) == ("not_plugged",)
    assert soft(replace(PARKED, where=AWAY)) == ("not_at_station",)
    assert soft(replace(PARKED, where=Where())) == ("position_unknown",)
    assert soft(replace(PARKED, card_returned=False)) == ("card_missing",)


def test_r1_nothing_known_blocks_nothing() -> None:
    assert hard(CarNow(None, None, None, None, None, Moving.MAYBE, Where(), 0.0, None)) == ()
    assert "card_missing" not in soft(replace(PARKED, card_returned=None))


@pytest.mark.parametrize(
    ("told", "switch", "known"),
    [
        (None, None, None), (False, None, False), (None, False, False), (True, None, True), (None, True, True),
        (True, True, True), (False, False, False), (True, False, None), (False, True, None),
    ],
)  # fmt: skip
def test_r1_two_witnesses_of_the_doors_that_contradict_each_other_know_nothing(
    told: bool | None, switch: bool | None, known: bool | None
) -> None:
    assert doors(told, switch) is known


@pytest.mark.parametrize(
    ("where", "key", "meaning"),
    [
        (HOME, True, Tap.END),
        (HOME, None, Tap.END),
        (HOME, False, Tap.PAUSE),
        (AWAY, True, Tap.PAUSE),
        (Where(), True, Tap.PAUSE),
        (ANYWHERE, True, Tap.END),
        (ANYWHERE, None, Tap.END),
        (ANYWHERE, False, Tap.PAUSE),
        (UNDER_THE_ROOF, True, Tap.END),
        (UNDER_THE_ROOF, False, Tap.PAUSE),
    ],
)
def test_r3_a_tap_on_an_open_car_ends_at_the_station_with_the_key_back_else_pauses(
    where: Where, key: bool | None, meaning: Tap
) -> None:
    assert tap(replace(PARKED, where=where, key_returned=key)) is meaning


@pytest.mark.parametrize("locked", [True, None])
def test_d16_a_tap_on_a_locked_car_or_one_that_does_not_say_opens(locked: bool | None) -> None:
    assert tap(replace(PARKED, locked=locked)) is Tap.UNLOCK


def test_r4_takeover_needs_paid_end_station_ignition_off_doors_shut_key_back() -> None:
    assert may_take_over(OPEN, PARKED, 2_000)
    assert not may_take_over(OPEN, PARKED, 1_999), "the paid end, by the earliest time it can be"
    for worse in (
        {"where": AWAY}, {"where": Where()}, {"where": UNDER_THE_ROOF}, {"ignition_on": True}, {"doors_open": True},
        {"key_returned": False}, {"moving": Moving.MAYBE}, {"moving": Moving.YES},
    ):  # fmt: skip
        assert not may_take_over(OPEN, replace(PARKED, **worse), 2_000), worse


def test_r2_a_forgotten_car_is_closed_after_ten_still_minutes_at_its_station() -> None:
    still = replace(PARKED, still_s=600.0)
    assert may_auto_close(OPEN, still, 2_000, 600)
    assert not may_auto_close(OPEN, still, 1_999, 600)
    for worse in (
        {"still_s": 599.0}, {"where": AWAY}, {"where": Where()}, {"where": UNDER_THE_ROOF}, {"ignition_on": True},
        {"doors_open": True}, {"key_returned": False}, {"moving": Moving.MAYBE},
    ):  # fmt: skip
        assert not may_auto_close(OPEN, replace(still, **worse), 2_000, 600), worse


def test_r1_without_stations_or_receiver_a_booking_ends_anywhere_by_hand_and_r5_not_by_itself() -> None:
    car = replace(PARKED, where=ANYWHERE, still_s=600.0)
    assert may_take_over(OPEN, car, 2_000)
    assert not may_take_over(OPEN, car, 1_999)
    assert not may_auto_close(OPEN, car, 2_000, 600)
    assert soft(car) == ("position_unknown",)


def test_the_closing_record_counts_by_the_cars_own_figures() -> None:
    end = reading(90_000, 104.5)
    summed = replace(OPEN, tally=Tally(3, 7_200_000, 360_000, 4_000))
    body = closed_body(summed, Closing(How.ENDED, end, ("not_plugged",), distance="<2 km"))
    assert problems("booking", body) == ()
    assert body == {
        "event": "closed", "booking": 7, "how": "ended", "soft": ["not_plugged"], "hard_overridden": [],
        "start": OPEN.start, "end": end, "km": 4.5, "energy_kwh": 0.0, "duration_ms": 90_000, "legs": 2,
        "distance": "<2 km",
        "energy_used_kwh": 2.0, "energy_recovered_kwh": 0.1, "stops": 3, "unseen_ms": 4_000,
    }  # fmt: skip
    unknown = closed_body(OPEN, Closing(How.ENDED, {**end, "odometer_km": None, "energy_kwh": None}))
    assert (unknown["km"], unknown["energy_kwh"]) == (None, None)


def opened_with(start: Reading, *provisional: str) -> OpenBooking:
    return replace(OPEN, start=start, provisional=provisional)


def test_a_takeover_closes_one_and_opens_the_other_in_one_go() -> None:
    under = UnderWay(OPEN, leg(2))
    after = carry_out(under, Plan(replace(OPEN, booking=8), Closing(How.TAKEOVER, reading(5, 101.0))), True)
    assert [(kind, body["event"]) for kind, body in after.facts] == [
        ("leg", "closed"), ("booking", "closed"), ("booking", "opened"),
    ]  # fmt: skip
    assert under.booking is not None
    assert (under.booking.booking, under.leg) == (8, None)
    assert dict(after.put).keys() == {"booking/open", "booking/ended/7"}
    assert after.drop == ("leg/open",)


def test_a_leg_that_began_while_the_lock_moved_to_end_its_booking_does_not_end_before_it_began() -> None:
    late = replace(leg(3, start=reading(11_000, 100.0), last=reading(15_000, 100.5)), told=True)
    after = carry_out(UnderWay(OPEN, late), Plan(closes=Closing(How.ENDED, reading(10_000, 100.0))), True)
    bodies = dict(after.facts)
    assert (bodies["leg"]["duration_ms"], bodies["leg"]["km"]) == (4_000, 0.5)
    assert (bodies["booking"]["duration_ms"], bodies["booking"]["km"]) == (10_000, 0.0)


def test_a_leg_of_before_the_booking_adds_nothing_to_its_sums() -> None:
    before = replace(leg(1, booking=None), flow=Flow(used_ws=3_600_000, known_ms=60_000))
    after = carry_out(UnderWay(replace(OPEN, legs=0), before), Plan(closes=Closing(How.FORCED, reading(500))), True)
    assert [kind for kind, _ in after.facts][:2] == ["unbooked_leg", "booking"]
    assert (dict(after.facts)["booking"]["energy_used_kwh"], dict(after.facts)["booking"]["legs"]) == (0.0, 0)


@pytest.mark.parametrize(("kind", "named"), [("private", None), ("staff", "<500 m")])
def test_r27_only_the_end_of_the_booking_itself_tells_how_far_a_private_one_was_from_a_station(
    kind: str, named: str | None
) -> None:
    under = UnderWay(replace(OPEN, kind=kind, tally=Tally(1, 0, 0, 0)), leg(2))
    after = carry_out(under, Plan(closes=Closing(How.ENDED, reading(5_000, 101.0), distance="<500 m")), True)
    bodies = dict(after.facts)
    assert (bodies["leg"]["distance"], bodies["booking"]["distance"]) == (named, "<500 m")
    assert (bodies["leg"]["km"], bodies["booking"]["stops"]) == (1.0, 1)


def test_r26_where_a_booking_begins_and_ends_is_a_fact_of_its_own_and_in_no_other() -> None:
    spot = Place(48.43, 0.1, 1)
    under = UnderWay(OPEN)
    plan = Plan(replace(OPEN, booking=8, place=spot), Closing(How.TAKEOVER, reading(5, 101.0), place=spot))
    after = carry_out(under, Plan.from_json(json.loads(msgspec.json.encode(plan))), True)
    told = [body for kind, body in after.facts if kind == "position"]
    assert [(it["event"], it["booking"], it["lat"], it["precision_m"]) for it in told] == [
        ("end", 7, 48.43, 1), ("start", 8, 48.43, 1),
    ]  # fmt: skip
    assert [problem for kind, body in after.facts for problem in problems(kind, body)] == []
    assert "48.43" not in json.dumps([body for kind, body in after.facts if kind != "position"])
    assert b"48.43" not in b"".join(value for _, value in after.put), "and it is not kept with the booking"


def test_a_takeover_whose_lock_did_not_move_changes_nothing() -> None:
    under = UnderWay(OPEN)
    assert carry_out(under, Plan(replace(OPEN, booking=8), Closing(How.TAKEOVER, reading())), False).facts == ()
    assert under.booking is OPEN


def test_r1_a_broken_relay_does_not_bill_on() -> None:
    under = UnderWay(OPEN)
    after = carry_out(under, Plan(closes=Closing(How.ENDED, reading(), ("not_plugged",))), False)
    assert after.facts[0][1]["soft"] == ["not_plugged", "not_locked"]
    assert under.booking is None


def test_values_come_back_from_disk_as_they_were() -> None:
    assert OpenBooking.from_bytes(OPEN.to_bytes()) == OPEN
    assert OpenBooking.from_bytes(b"[]") is None
    recalled = opened_with(OPEN.start, "plugged")
    assert OpenBooking.from_bytes(recalled.to_bytes()) == recalled
    older = json.loads(OPEN.to_bytes())
    del older["provisional"], older["tally"], older["place"]
    older["start"]["position"] = [48.4, 0.1]
    assert OpenBooking.from_bytes(json.dumps(older).encode()) == OPEN
    for opens, closes in product((None, recalled), (None, Closing(How.FORCED, reading(), ("a",), ("b",)))):
        assert Plan.from_json(msgspec.to_builtins(Plan(opens, closes))) == Plan(opens, closes)


@given(CARS, st.booleans())
def test_r5_away_from_a_station_no_rule_here_ends_a_booking(car: CarNow, late: bool) -> None:
    away = replace(car, where=AWAY)
    now = 10_000 if late else 1_500
    assert tap(away) is not Tap.END
    assert not may_take_over(OPEN, away, now)
    assert not may_auto_close(OPEN, away, now, 600)
