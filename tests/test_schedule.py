"""Which question comes next: fair when there is too much to ask, patient with what is refused, soon again when busy."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.car.schedule import (
    BUSY_S,
    GAP_NS,
    OTHER_MOST_S,
    UNSUPPORTED_MOST_S,
    Entry,
    Outcome,
    after,
    choose,
    due_ns,
    stale,
    wanted,
    woken,
)
from config.car import Phase, Poll

S = 1_000_000_000


def poll(name: str, **every_s: float) -> Poll:
    return Poll(name, 0x79B, 0x7BB, b"\x21\x01", {Phase[key.upper()]: it for key, it in every_s.items()}, 0.5, name)


@given(st.lists(st.integers(1, 30), min_size=1, max_size=40))
def test_nothing_starves_and_never_more_than_the_limit_is_asked(periods: list[int]) -> None:
    """Forty questions once a second are more than there is room for: then each has its turn."""
    polls = [poll(f"p{number}", driving=every) for number, every in enumerate(periods)]
    book: dict[str, Entry] = {}
    asked: dict[str, list[int]] = {it.name: [] for it in polls}
    for now in range(0, 60 * S, GAP_NS):
        chosen, next_ns = choose(polls, book, Phase.DRIVING, now)
        if chosen is None:
            assert next_ns is None or next_ns > now
            continue
        asked[chosen.name].append(now)
        book[chosen.name] = after(book.get(chosen.name, Entry()), Outcome.ANSWERED, now, now)
    for it in polls:
        longest = max(b - a for a, b in pairwise([*asked[it.name], 60 * S]))
        assert longest <= max(it.every_s[Phase.DRIVING] * S, 2 * len(polls) * GAP_NS) + len(polls) * GAP_NS
        assert all(b - a >= it.every_s[Phase.DRIVING] * S for a, b in pairwise(asked[it.name]))


def test_a_parked_car_is_asked_nothing_and_each_phase_has_its_own_rates() -> None:
    it = poll("p", driving=1, charging=60)
    assert choose([it], {}, Phase.PARKED, S) == (None, None)
    assert choose([it], {}, Phase.AWAKE, S) == (None, None)
    assert choose([it], {}, Phase.DRIVING, S)[0] is it
    book = {"p": after(Entry(), Outcome.ANSWERED, S, S)}
    assert choose([it], book, Phase.CHARGING, 2 * S) == (None, 61 * S)
    assert choose([it], book, Phase.DRIVING, 2 * S)[0] is it


def test_what_a_unit_does_not_know_is_asked_ever_more_seldom_up_to_an_hour() -> None:
    it, entry, pauses = poll("p", driving=1), Entry(), []
    for _ in range(20):
        entry = after(entry, Outcome.UNSUPPORTED, 0, 0)
        pauses.append((due_ns(it, entry, Phase.DRIVING) or 0) / S)
    assert pauses[:4] == [2, 4, 8, 16]
    assert pauses[-1] == UNSUPPORTED_MOST_S
    assert woken(entry) == entry, "a night's sleep teaches it nothing"
    assert after(entry, Outcome.ANSWERED, 0, 0).pause_s(1) == 1
    assert entry.pause_s(7_200) == 7_200, "a limit makes nobody ask more often"


def test_silence_puts_a_question_off_until_the_car_wakes_anew() -> None:
    entry = Entry()
    for _ in range(20):
        entry = after(entry, Outcome.SILENT, 0, 0)
    assert entry.pause_s(1) == OTHER_MOST_S
    assert woken(entry).pause_s(1) == 1


def test_a_busy_unit_is_asked_again_soon_and_a_lost_bus_is_nobodys_fault() -> None:
    slow = poll("p", driving=60)
    busy = after(Entry(), Outcome.BUSY, 0, 0)
    assert due_ns(slow, busy, Phase.DRIVING) == BUSY_S * S
    assert after(Entry(), Outcome.LOST, 0, 0).pause_s(60) == 60


def test_an_answer_is_believed_for_three_periods_and_not_in_a_phase_that_does_not_ask() -> None:
    it = poll("p", driving=10)
    entry = after(Entry(), Outcome.ANSWERED, 0, 0)
    assert stale(it, Entry(), Phase.DRIVING, 0, 0), "never answered"
    assert not stale(it, entry, Phase.DRIVING, 0, 31 * S)
    assert stale(it, entry, Phase.DRIVING, 0, 33 * S)
    assert stale(it, entry, Phase.AWAKE, 0, 1)
    assert not stale(it, entry, Phase.DRIVING, 100 * S, 101 * S), "a faster rate has had no time to ask yet"


def test_what_is_wanted_is_asked_before_all_else_once_and_never_in_a_phase_that_does_not_ask() -> None:
    slow, overdue = poll("slow", driving=60), poll("overdue", driving=1)
    asked = after(Entry(), Outcome.ANSWERED, 99 * S, 99 * S)
    book = {"slow": wanted(asked), "overdue": Entry()}
    assert choose([overdue, slow], book, Phase.DRIVING, 100 * S)[0] is slow
    assert choose([overdue, slow], book, Phase.PARKED, 100 * S) == (None, None)
    for outcome in Outcome:
        assert (due_ns(slow, after(wanted(asked), outcome, 100 * S, 100 * S), Phase.DRIVING) or 0) > 100 * S
    assert not stale(slow, wanted(asked), Phase.DRIVING, 0, 100 * S)


@pytest.mark.parametrize("outcome", [Outcome.UNSUPPORTED, Outcome.SILENT, Outcome.REFUSED])
def test_what_a_unit_refuses_again_and_again_is_not_wanted_and_one_refusal_may_be_anothers(outcome: Outcome) -> None:
    once = after(Entry(), outcome, 0, 0)
    assert wanted(once).wanted
    assert not wanted(after(once, outcome, 0, 0)).wanted
