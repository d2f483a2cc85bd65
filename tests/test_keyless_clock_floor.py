"""R19: what a receiver alone may move, and what a wrong date of its may not."""

from __future__ import annotations

import pytest

from keyless import clock
from keyless.claims import Interval
from tests.test_keyless_clock import BOOT, DAY, OTHER, T0, S, fixes, fresh


def test_r19_gnss_alone_raises_the_floor_by_a_day_at_most_in_a_boot_and_after_an_hour_only() -> None:
    state = fixes(fresh(), T0 + 3650 * DAY)
    assert state.floor_s == T0, "a first date beyond the limit could make the right ones look like the past"
    assert clock.interval(state, BOOT, 102 * S).lo_s == T0 + 3650 * DAY, "believed for now, not kept"
    assert clock.settled_lo_s(state, BOOT, 102 * S) == T0 + DAY, "nothing is erased for its sake"
    again = fixes(state, T0 + 3650 * DAY, 3700)
    assert again.floor_s == T0 + DAY
    after = clock.restored(clock.to_record(again), OTHER)
    assert clock.interval(after, OTHER, S) == Interval(T0 + DAY, None, "none")


def test_r19_a_restart_of_the_program_does_not_give_another_day() -> None:
    state = fixes(fresh(), T0 + 3650 * DAY, 3700)
    for n in range(1, 4):
        state = clock.restored(clock.to_record(state), BOOT)
        state = fixes(state, T0 + 3650 * DAY + 4000 * n, 3700, at_s=100 + 4000 * n)
    assert state.floor_s == T0 + DAY


def test_r19_a_long_boot_raises_it_by_as_long_as_it_lasted() -> None:
    state = fixes(fresh(), T0 + 10 * DAY, at_s=10 * DAY)
    assert state.floor_s == T0 + 10 * DAY
    state = fixes(fresh(), T0 + 40 * DAY, 3700, at_s=10 * DAY)
    assert state.floor_s == pytest.approx(T0 + 10 * DAY, abs=3800)


@pytest.mark.parametrize("wrong", [1024 * 7 * DAY, 3600, 20 * 3600, 15])
def test_r19_a_few_wrong_epochs_change_nothing_of_what_this_boot_knows(wrong: int) -> None:
    good = fixes(fresh(), T0 + 50)
    state = fixes(good, T0 + 60 + wrong, 60, at_s=110)
    assert (state.anchor, state.floor_s) == (good.anchor, good.floor_s)
    assert clock.interval(state, BOOT, 170 * S) == clock.interval(good, BOOT, 170 * S)
    healed = fixes(state, T0 + 130, at_s=180)
    assert clock.interval(healed, BOOT, 182 * S) == Interval(T0 + 130, T0 + 134, "gnss")
    assert healed.doubt is None


def test_r19_the_holdover_of_an_earlier_run_of_this_boot_is_defended_as_well() -> None:
    state = clock.restored(clock.to_record(fixes(fresh(), T0 + 50)), BOOT)
    assert fixes(state, T0 + 3 * DAY, at_s=7000).anchor == state.anchor
    held = clock.restored(clock.to_record(fresh()), OTHER, holdover=(T0 + 5.0, T0 + 30.0, 2 * S))
    for n in range(3):
        held = clock.after_fix(held, (T0 + 3 * DAY + n) * 1000, OTHER, (5 + n) * S, 9, 3)
    assert clock.interval(held, OTHER, 8 * S).source == "holdover"


def test_r19_after_an_hour_of_contradiction_the_receiver_is_believed() -> None:
    state = fixes(fresh(), T0 + 50)
    almost = fixes(state, T0 + 7200, 3600, at_s=200)
    assert almost.anchor == state.anchor
    assert almost.floor_s == state.floor_s
    moved = fixes(almost, T0 + 7200 + 3600, 4, at_s=3800)
    assert clock.interval(moved, BOOT, 3803 * S).lo_s == T0 + 7200 + 3603 - 2


def test_r19_the_hour_begins_again_after_a_pause_another_date_or_a_right_one() -> None:
    state = fixes(fresh(), T0 + 50)
    paused = fixes(fixes(state, T0 + 7200, 1800, at_s=200), T0 + 7200 + 2500, 1200, at_s=2700)
    assert paused.anchor == state.anchor
    other = fixes(fixes(state, T0 + 7200, 1800, at_s=200), T0 + 99_000, 1900, at_s=2000)
    assert other.anchor == state.anchor
    right = fixes(fixes(state, T0 + 7200, 3590, at_s=200), T0 + 50 + 3700, at_s=3800)
    assert fixes(right, T0 + 7200 + 3700, 100, at_s=3900).anchor == right.anchor


def test_r19_a_healed_receiver_is_believed_again() -> None:
    wrong = fixes(fresh(), T0 + 3650 * DAY)
    healed = fixes(wrong, T0 + 60, at_s=200)
    assert clock.interval(healed, BOOT, 202 * S) == Interval(T0 + 60, T0 + 64, "gnss")


def test_r19_only_signed_time_lowers_the_floor() -> None:
    state = clock.after_iat(fresh(), T0 + 50 * DAY, BOOT, S)
    assert state.floor_s == T0 + 50 * DAY
    mended = clock.after_signed(state, T0 + 60, 3.0, BOOT, 200 * S)
    assert mended.floor_s == T0 + 60
    assert clock.interval(mended, BOOT, 200 * S) == Interval(T0 + 60, T0 + 63, "signed")


def test_what_was_signed_raises_the_floor_and_lifts_the_receivers_ceiling() -> None:
    state = clock.after_iat(fresh(), T0 + 30 * DAY, BOOT, S)
    assert state.floor_s == T0 + 30 * DAY
    assert clock.after_iat(state, T0, BOOT, S) == state
    assert fixes(state, T0 + 30 * DAY + 3600).floor_s == T0 + 30 * DAY + 3600
