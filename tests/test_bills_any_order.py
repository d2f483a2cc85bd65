"""The promise of bills: facts in any order, any batches, with any repeats cost the same; no battery bills."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from hil.backend.bills import account, settle
from hil.backend.charge_sessions import Metered, sessions
from hil.backend.payload import Fact
from hil.backend.placing import Gathered, gather
from tests.fleet_facts import ANNA, BORIS, PLAIN, USED, Car, at

FOUR_DAYS = 4 * 24 * 60
KINDS = ("private", "private", "staff")
HOW = ("ended", "auto_closed", "takeover", "forced")
MINUTE = 60_000


@st.composite
def fleets(draw: st.DrawFn) -> list[Fact]:
    """Two cars over the end of a month, with cuts, darkness, revisions, reopenings, and what never arrives."""
    facts: list[Fact] = []
    numbers = iter(range(1, 100))
    for name in ("1" * 16, "2" * 16):
        car = Car(name, "2026-11-28 00:00")
        now = at("2026-11-28 06:00")
        for _ in range(draw(st.integers(1, 4))):
            now = _a_booking(draw, car, next(numbers), now)
        lost = draw(st.sets(st.integers(2, max(2, len(car.facts))), max_size=2))
        facts += [fact for fact in car.facts if fact.n not in lost]
    return facts


def _a_booking(draw: st.DrawFn, car: Car, number: int, now: int) -> int:
    def minutes(most: int) -> int:
        return MINUTE * draw(st.integers(1, most))

    def perhaps_cut(when: int) -> None:
        if draw(st.integers(0, 3)) == 0:
            car.boot(when, knows=draw(st.booleans()))

    kind, holder = draw(st.sampled_from(KINDS)), draw(st.sampled_from((ANNA, BORIS)))
    begin = now + minutes(600)
    end = begin + minutes(1500)
    car.stored(number, begin, end, kind=kind)
    if draw(st.booleans()):
        car.stored(number, begin, end + minutes(300), revision=1, kind=kind)
    now = begin
    for _ in range(draw(st.integers(0, 2))):
        perhaps_cut(now + 1)
        start = car.opens(number, now + minutes(20), holder, kind)
        now += minutes(900)
        perhaps_cut(now + 21 * MINUTE)
        now += 22 * MINUTE
        car.leg(number, now)
        car.tell(now + 1, "charge", event="closed", booking=number, station="S", start=start, end=start, energy_kwh=3.0)
        now += minutes(90)
        car.closes(number, start, now, draw(st.sampled_from(HOW)))
        now += minutes(90)
    return max(now, end)


@settings(max_examples=150, deadline=None)
@given(fleets(), st.randoms(use_true_random=False), st.sampled_from([PLAIN, USED]))
def test_any_order_with_any_repeats_costs_the_same(facts: list[Fact], rng: random.Random, tariff: Any) -> None:
    again = [*facts, *rng.choices(facts, k=len(facts))]
    rng.shuffle(again)
    assert account(again, tariff) == account(facts, tariff)
    assert sessions(gather(again)) == sessions(gather(facts))


@settings(max_examples=100, deadline=None)
@given(fleets(), st.data())
def test_any_batches_cost_the_same(facts: list[Fact], data: st.DataObject) -> None:
    """Each fact in one batch or more, the batches gathered in turn, and one gathered from two halves."""
    batches = [data.draw(st.sets(st.integers(0, 3), min_size=1)) for _ in facts]
    held: Gathered = {}
    for number in range(4):
        held = gather((fact for fact, into in zip(facts, batches, strict=True) if number in into), held)
    assert settle(held, PLAIN) == account(facts, PLAIN)
    half = len(facts) // 2
    assert settle(gather(gather(facts[half:]).values(), gather(facts[:half])), PLAIN) == account(facts, PLAIN)


@settings(max_examples=100, deadline=None)
@given(fleets(), st.lists(st.floats(-500, 500), min_size=1, max_size=5), st.sampled_from([PLAIN, USED]))
def test_r25_no_kwh_of_a_battery_alters_a_bill(facts: list[Fact], kwh: list[float], tariff: Any) -> None:
    altered = [_with_kwh(fact, kwh[place % len(kwh)]) for place, fact in enumerate(facts)]
    assert account(altered, tariff) == account(facts, tariff)
    metered = [Metered("1", "S", None, 0, 1 << 50, 7_400)]
    assert sessions(gather(altered), metered) == sessions(gather(facts), metered)


def _with_kwh(fact: Fact, kwh: float) -> Fact:
    """Every kWh in it, in the readings too."""

    def changed(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: kwh if "kwh" in key else changed(item) for key, item in value.items()}
        return value

    body = changed(fact.body)
    return replace(fact, body=body, item=json.dumps([fact.item, body], sort_keys=True))


@settings(max_examples=50, deadline=None)
@given(fleets(), st.randoms(use_true_random=False))
def test_a_number_with_two_contents_costs_the_same_whichever_came_first(
    facts: list[Fact], rng: random.Random
) -> None:
    liars = [_with_kwh(replace(fact, body={**fact.body, "booking_kind": "staff"}), 1.0) for fact in facts]
    both = [*facts, *liars]
    first = account(both, PLAIN)
    rng.shuffle(both)
    assert account(both, PLAIN) == first


@settings(max_examples=100, deadline=None)
@given(fleets())
def test_the_cars_of_a_fleet_add_up_but_for_months_of_use(facts: list[Fact]) -> None:
    alone = [account([it for it in facts if it.vehicle == name], PLAIN) for name in ("1" * 16, "2" * 16)]
    whole = account(facts, PLAIN)
    assert sum(bill.cents for bill in whole.bills) == sum(bill.cents for found in alone for bill in found.bills)
    assert set(whole.months) == {month for found in alone for month in found.months}
