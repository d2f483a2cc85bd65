"""The edges of the clock's rules, to the millisecond and nanosecond: on which side of a bound its own value lies."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from keyless import clock
from keyless.claims import Interval
from keyless.clock import BUILD_S, FAR_S, Anchor, ClockState
from tests.test_keyless_clock import BOOT, DAY, OTHER, T0, S, fixes, fresh


def row_at(state: ClockState, start_s: float, at_ns: int) -> ClockState:
    """Three epochs that all came in the same nanosecond, so that no holdover widens anything."""
    for n in range(3):
        state = clock.after_fix(state, round((start_s + n) * 1000), BOOT, at_ns, 9, 3)
    return state


def test_evidence_is_fresh_for_a_minute_and_not_a_nanosecond_longer() -> None:
    state = fixes(fresh(), T0 + 50)
    assert clock.interval(state, BOOT, 162 * S).source == "gnss"
    assert clock.interval(state, BOOT, 162 * S + 1).source == "holdover"


def test_a_flat_position_of_four_satellites_is_enough() -> None:
    assert fixes(fresh(), T0 + 50, mode=2, satellites=4).anchor is not None


def test_the_earliest_and_the_latest_date_of_the_world() -> None:
    for at_s, row in ((T0 - 120, 1), (T0 - 120.001, 0), (FAR_S, 1), (FAR_S + 0.001, 0)):
        assert len(fixes(fresh(), at_s, 1).streak) == row


def test_a_date_out_of_the_world_breaks_the_row() -> None:
    for wrong in (0, FAR_S + 1):
        state = fixes(fixes(fresh(), T0 + 10, 2), wrong, 1, at_s=102)
        assert state.streak == ()


def test_r19_a_date_just_at_the_limit_of_a_day_lifts_the_floor_at_once() -> None:
    assert fixes(fresh(), T0 + DAY).floor_s == T0 + DAY, "its third epoch less two seconds"
    assert fixes(fresh(), T0 + DAY + 0.001).floor_s == T0


def test_r19_the_limit_of_a_long_boot_is_as_exact() -> None:
    ten_days = 864_000_000_500_000  # lasts 864,086.4005 s at most by a crystal that runs 100 ppm slow
    assert row_at(fresh(), T0 + 864_086.4, ten_days).floor_s == T0 + 864_086.4
    assert row_at(fresh(), T0 + 864_086.401, ten_days).floor_s == T0


@pytest.mark.parametrize(("begin", "width"), [(T0 + 54, 5.0), (T0 + 40, 10.0)], ids=["our lo", "our hi"])
def test_an_interval_that_meets_ours_in_one_point_meets_it(begin: float, width: float) -> None:
    """The row ends at T0 + 52, so its own interval is T0 + 50 to T0 + 54."""
    held = clock.after_signed(fresh(), begin, width, BOOT, 102 * S)
    assert row_at(held, T0 + 50, 102 * S).anchor == Anchor(BOOT, 102 * S, T0 + 50.0, T0 + 54.0, "gnss")
    apart = clock.after_signed(fresh(), begin + (0.001 if width < 6 else -0.001), width, BOOT, 102 * S)
    assert row_at(apart, T0 + 50, 102 * S).anchor == apart.anchor


@pytest.mark.parametrize(
    ("lo", "yields"), [(T0 + DAY - 10.0, False), (float(T0 + DAY), False), (T0 + DAY + 0.001, True)]
)
def test_r19_only_a_time_that_lies_beyond_the_limit_as_a_whole_yields_at_once(lo: float, yields: bool) -> None:
    held = clock.restored(clock.to_record(fresh()), BOOT, holdover=(lo, T0 + DAY + 20.0, 102 * S))
    assert (row_at(held, T0 + 50, 102 * S).anchor != held.anchor) == yields


def test_r19_the_hour_of_doubt_is_an_hour_to_the_nanosecond() -> None:
    doubted = row_at(fixes(fresh(), T0 + 50), T0 + 7200, 200 * S)
    for minute in range(1, 60):
        doubted = row_at(doubted, T0 + 7200 + 60 * minute, (200 + 60 * minute) * S)
    at_ms = (T0 + 7200 + 3600) * 1000
    assert clock.after_fix(doubted, at_ms, BOOT, 3800 * S - 1, 9, 3).anchor == doubted.anchor
    believed = clock.after_fix(doubted, at_ms, BOOT, 3800 * S, 9, 3)
    assert believed.anchor == Anchor(BOOT, 3800 * S, T0 + 10_798.0, T0 + 10_802.0, "gnss")


def test_a_date_in_doubt_is_the_same_date_within_two_seconds_and_the_crystals_error() -> None:
    def goes_on(fix_time_ms: int, now_ns: int, last_ns: int = 0) -> bool:
        told = clock._doubted((0, 0, last_ns), fix_time_ms, now_ns)
        assert told == ((0, 0, now_ns) if told[0] == 0 else (fix_time_ms, now_ns, now_ns))
        return told[0] == 0

    assert goes_on(2_000, 0)
    assert not goes_on(2_001, 0)
    assert goes_on(1_002_100, 1_000 * S + 500, 999 * S)
    assert not goes_on(1_002_101, 1_000 * S + 500, 999 * S)
    assert goes_on(600_000, 600 * S)
    assert not goes_on(600_000, 600 * S + 1)


def test_epochs_agree_within_two_seconds_of_our_own_clock() -> None:
    for fix_time_ms, agrees in ((1_002_000, True), (1_002_001, False), (998_000, True), (997_999, False)):
        assert clock._agree(((0, 0),), fix_time_ms, 1_000 * S) is agrees


def test_what_an_issuer_may_say_at_most() -> None:
    assert clock.after_iat(fresh(), FAR_S, BOOT, S).floor_s == FAR_S
    held = clock.after_signed(fresh(), T0, 3.0, BOOT, 102 * S)
    assert clock.after_iat(held, T0 + 123, BOOT, 102 * S).floor_s == T0 + 123
    assert clock.after_iat(held, T0 + 124, BOOT, 102 * S) == held


def test_signed_time_ends_every_row_and_every_doubt() -> None:
    state = replace(fixes(fresh(), T0 + 50), doubt=(1, 2, 3))
    assert state.streak
    mended = clock.after_signed(state, T0 + 60, 1.0, BOOT, 200 * S)
    assert mended == ClockState(T0 + 60, T0 + 60, BOOT, Anchor(BOOT, 200 * S, T0 + 60, T0 + 61, "signed"))
    assert (mended.streak, mended.doubt) == ((), None)


def test_holdover_is_a_hundred_parts_per_million_exactly() -> None:
    now = clock.interval(fixes(fresh(), T0 + 50), BOOT, (102 + DAY) * S)
    assert now.lo_s == pytest.approx(T0 + 50 + DAY * (1 - 1e-4), abs=1e-6)
    assert now.hi_s == pytest.approx(T0 + 54 + DAY * (1 + 1e-4), abs=1e-6)


def test_a_time_two_minutes_below_the_floor_is_a_skew_and_one_further_a_mistake() -> None:
    state = ClockState(T0 + 120.0, T0 + 120.0, BOOT, Anchor(BOOT, 0, T0 - 5.0, float(T0), "signed"))
    assert clock.interval(state, BOOT, 0) == Interval(T0 + 120, T0 + 120, "signed")
    assert clock.interval(replace(state, floor_s=T0 + 120.001), BOOT, 0).source == "none"


# --- the record ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "check"),
    [
        (fresh(), "88e4b694dc5be1b0"),
        (fixes(fresh(), T0 + 50), "bf406795fd99f7bf"),
    ],
)
def test_the_form_of_the_record_stays_as_boxes_have_it_on_their_disks(state: ClockState, check: str) -> None:
    record: dict[str, Any] = clock.to_record(state)
    assert set(record) == {"v", "floor_s", "vouched_s", "boot", "anchor", "check"}
    assert record["check"] == check


def test_a_restart_keeps_what_was_vouched_for_apart_from_the_floor() -> None:
    state = ClockState(T0 + 50.0, float(T0), BOOT)
    assert clock.restored(clock.to_record(state), BOOT) == state
    assert clock.restored(clock.to_record(state), OTHER) == ClockState(T0 + 50.0, T0 + 50.0, OTHER)
    old = clock.restored(clock.to_record(replace(state, vouched_s=5.0)), BOOT)
    assert old.vouched_s == BUILD_S, "a build vouches for its own date"


def test_a_battery_backed_clock_may_end_just_at_the_floor() -> None:
    kept = clock.restored(clock.to_record(fresh()), OTHER, holdover=(T0 - 5.0, float(T0), 2 * S))
    assert kept.anchor == Anchor(OTHER, 2 * S, T0, T0, "holdover")
    assert clock.restored(clock.to_record(fresh()), OTHER, holdover=(T0 - 5.0, T0 - 0.001, 2 * S)).anchor is None


def test_an_interval_may_be_one_point() -> None:
    state = clock.after_signed(fresh(), T0 + 60.0, 0.0, BOOT, 200 * S)
    assert clock.restored(clock.to_record(state), BOOT) == state


def test_which_numbers_are_times() -> None:
    for value in (0.0, 0.5, float(FAR_S)):
        assert clock._is_time(value)
    for wrong in (-0.001, FAR_S + 0.001, 5, True, None, "5"):
        assert not clock._is_time(wrong)
