"""The clock: an interval above a floor. Doubt refuses or shortens, one wrong date costs a day at most (R18, R19)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from keyless import clock
from keyless.claims import Interval
from keyless.clock import BUILD_S, ClockState

S = 1_000_000_000
DAY = 86_400
T0 = 1_800_000_000
BOOT, OTHER = "aa" * 8, "bb" * 8


def fresh(floor: float = T0) -> ClockState:
    return ClockState(floor, floor, BOOT)


def fixes(state: ClockState, start_s: float, count: int = 3, at_s: float = 100, **changes: Any) -> ClockState:
    """One fix a second; the receiver's clock and ours run alike."""
    for n in range(count):
        quality = {"satellites": 7, "mode": 3, **changes}
        state = clock.after_fix(state, int((start_s + n) * 1000), BOOT, int((at_s + n) * S), **quality)
    return state


def test_r18_a_boot_with_nothing_knows_only_the_floor() -> None:
    assert clock.interval(fresh(), BOOT, 5 * S) == Interval(T0, None, "none")


def test_three_agreeing_fixes_make_a_time_and_two_do_not() -> None:
    assert clock.interval(fixes(fresh(), T0 + 50, 2), BOOT, 102 * S).hi_s is None
    now = clock.interval(fixes(fresh(), T0 + 50, 3), BOOT, 102 * S)
    assert now == Interval(T0 + 50, T0 + 54, "gnss")


@pytest.mark.parametrize(
    "bad",
    [{"satellites": 3}, {"satellites": None}, {"mode": 0}, {"mode": 1}],
)
def test_a_poor_fix_does_not_count_and_breaks_the_row(bad: dict[str, Any]) -> None:
    assert clock.interval(fixes(fresh(), T0, 9, **bad), BOOT, 110 * S).hi_s is None
    broken = fixes(fixes(fresh(), T0, 2), T0 + 2, 1, at_s=102, **bad)
    assert broken.streak == ()
    assert fixes(broken, T0 + 3, 2, at_s=103).anchor is None


def test_an_epoch_without_a_date_breaks_the_row() -> None:
    assert clock.after_fix(fixes(fresh(), T0, 2), None, BOOT, 102 * S, 9, 3).streak == ()


def test_the_same_epoch_told_twice_counts_once() -> None:
    state = fresh()
    for _ in range(5):
        state = clock.after_fix(state, T0 * 1000, BOOT, 100 * S, 9, 3)
    assert len(state.streak) == 1


def test_fixes_that_disagree_by_more_than_two_seconds_start_again() -> None:
    state = fixes(fresh(), T0 + 10, 2)
    state = clock.after_fix(state, (T0 + 15) * 1000, BOOT, 102 * S, 9, 3)
    assert len(state.streak) == 1
    assert state.anchor is None
    frozen = fresh()
    for n in range(9):  # a receiver that repeats one time for ever
        frozen = clock.after_fix(frozen, T0 * 1000, BOOT, (100 + n) * S, 9, 3)
    assert frozen.anchor is None


@pytest.mark.parametrize("old", [T0 - 130, T0 - 1024 * 7 * DAY, 0, clock.FAR_S + 1])
def test_a_date_below_the_floor_or_out_of_the_world_is_no_date(old: float) -> None:
    """Week roll-over, a dead clock, spoofing backwards."""
    state = fixes(fresh(), old, 9)
    assert state == fresh()


def test_holdover_widens_by_a_hundred_parts_per_million() -> None:
    state = fixes(fresh(), T0 + 50)
    later = clock.interval(state, BOOT, (102 + DAY) * S)
    assert later.source == "holdover"
    assert later.lo_s == pytest.approx(T0 + 50 + DAY - 8.64)
    assert later.hi_s == pytest.approx(T0 + 54 + DAY + 8.64)
    assert clock.interval(state, BOOT, 162 * S).source == "gnss"
    assert clock.interval(state, BOOT, 163 * S).source == "holdover"


def test_evidence_of_another_boot_is_worth_its_floor_only() -> None:
    state = fixes(fresh(), T0 + 50)
    assert clock.interval(state, OTHER, 500 * S) == Interval(T0 + 50, None, "none")
    assert clock.interval(state, BOOT, 50 * S).hi_s is None, "before its own anchor"
    moved = clock.after_fix(state, None, OTHER, 5 * S, None, 0)
    assert moved == ClockState(T0 + 50, T0 + 50, OTHER)


# --- what was signed -----------------------------------------------------------------------------------------------


def test_an_issuer_a_little_ahead_moves_the_interval_and_one_far_ahead_is_not_heard() -> None:
    state = fixes(fresh(), T0)
    ahead = clock.after_iat(state, T0 + 100, BOOT, 102 * S)
    assert clock.interval(ahead, BOOT, 102 * S) == Interval(T0 + 100, T0 + 100, "gnss")
    assert fixes(ahead, T0 + 3, at_s=103).anchor != ahead.anchor, "the receiver goes on counting"
    assert clock.after_iat(state, T0 + 30 * DAY, BOOT, 102 * S) == state
    crept = ahead
    for step in range(1, 20):
        crept = clock.after_iat(crept, T0 + 120 * step, BOOT, 102 * S)
    assert crept.floor_s <= T0 + 124 + 0.01, "one step after the other leads no further"


def test_a_signed_second_that_the_record_could_not_hold_is_not_heard() -> None:
    state = clock.after_iat(fresh(), 2**40 - 1, BOOT, S)
    assert state == fresh()
    assert clock.restored(clock.to_record(state), BOOT).floor_s == T0


@given(st.integers(0, 2**40 - 1), st.booleans())
def test_the_floor_reads_back_whatever_was_signed(iat: int, anchored: bool) -> None:
    state = fixes(fresh(), T0) if anchored else fresh()
    state = clock.after_iat(state, iat, BOOT, 102 * S)
    assert clock.restored(clock.to_record(state), BOOT).floor_s == state.floor_s


EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("fix"), st.integers(-40 * DAY, 4000 * DAY), st.integers(3, 9)),
        st.tuples(st.just("iat"), st.integers(-40 * DAY, 400 * DAY), st.just(0)),
        st.tuples(st.just("restart"), st.just(0), st.just(0)),
        st.tuples(st.just("reboot"), st.just(0), st.just(0)),
        st.tuples(st.just("row"), st.integers(-DAY, 400 * DAY), st.just(0)),
    ),
    max_size=25,
)


@given(EVENTS)
def test_without_signed_time_the_floor_never_falls_and_the_interval_never_lies_below_it(events: list[Any]) -> None:
    state, boot, at = fresh(), BOOT, 10
    for n, (kind, offset, satellites) in enumerate(events):
        before, at = state, at + 7
        if kind == "fix":
            state = clock.after_fix(state, (T0 + offset) * 1000, boot, at * S, satellites, 3)
        elif kind == "iat":
            state = clock.after_iat(state, T0 + offset, boot, at * S)
        elif kind == "row":
            for step in range(3):
                state = clock.after_fix(state, (T0 + offset + step) * 1000, boot, (at + step) * S, 9, 3)
        else:
            boot = f"{n:016x}" if kind == "reboot" else boot
            state = clock.restored(json.loads(json.dumps(clock.to_record(state))), boot)
        assert state.floor_s >= before.floor_s
        assert state.vouched_s <= state.floor_s
        if kind in ("fix", "row"):
            assert state.floor_s <= state.vouched_s + DAY
        now = clock.interval(state, boot, (at + 3) * S)
        assert now.lo_s >= state.floor_s
        assert clock.settled_lo_s(state, boot, (at + 3) * S) <= min(now.lo_s, state.vouched_s + DAY)
        assert now.hi_s is None or now.hi_s >= now.lo_s
        assert (now.hi_s is None) == (now.source == "none")


@given(st.integers(0, 400 * DAY), st.integers(0, 400 * DAY))
def test_holdover_always_holds_the_true_time(passed: int, drift_ppm: int) -> None:
    state = fixes(fresh(), T0 + 50)
    skew = 1 + (drift_ppm % 201 - 100) * 1e-6 * 0.999
    now = clock.interval(state, BOOT, int((102 + passed * skew) * S))
    assert now.lo_s <= T0 + 52 + passed <= (now.hi_s or 0)


# --- the record ------------------------------------------------------------------------------------------------------


def test_record_survives_json_and_a_restart_keeps_the_time() -> None:
    state = replace(fixes(fresh(), T0 + 50), streak=())
    record = json.loads(json.dumps(clock.to_record(state)))
    assert clock.restored(record, BOOT) == state
    assert clock.restored(record, OTHER) == ClockState(T0 + 50, T0 + 50, OTHER)


def test_a_time_that_lies_before_the_build_of_a_newer_version_was_wrong_and_counts_for_nothing() -> None:
    record = clock.to_record(fixes(fresh(), T0 + 50))
    newer = clock.restored(record, BOOT, build_s=T0 + DAY)
    assert clock.interval(newer, BOOT, 103 * S) == Interval(T0 + DAY, None, "none")


def test_record_without_evidence_keeps_the_floor() -> None:
    assert clock.restored(json.loads(json.dumps(clock.to_record(fresh()))), BOOT) == fresh()


@pytest.mark.parametrize("record", [None, {}, {"v": 2}, {"v": 1, "floor_s": 9e9}, [], "x"])
def test_missing_or_foreign_record_starts_at_the_build_date(record: Any) -> None:
    assert clock.restored(record, BOOT) == ClockState(BUILD_S, BUILD_S, BOOT)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("floor_s", T0 + 1.0),
        ("floor_s", 1),
        ("vouched_s", T0 + 1.0),
        ("boot", OTHER),
        ("anchor", None),
        ("v", 2),
        ("check", ""),
    ],
)
def test_a_record_with_one_value_changed_is_not_believed(key: str, value: Any) -> None:
    record = {**clock.to_record(fixes(fresh(), T0 + 50)), key: value}
    assert clock.restored(record, BOOT).floor_s == BUILD_S


@pytest.mark.parametrize(
    "changes",
    [
        {"floor_s": -1.0},
        {"floor_s": float("nan")},
        {"floor_s": 1e12, "vouched_s": 1e12},
        {"vouched_s": T0 + 1.0},
        {"boot": 7},
    ],
)
def test_a_record_that_no_clock_could_have_written_is_not_believed(changes: dict[str, Any]) -> None:
    body = {"v": 1, "floor_s": float(T0), "vouched_s": float(T0), "boot": BOOT, "anchor": None, **changes}
    record = {**body, "check": clock._check(body)}
    assert clock.restored(record, BOOT).floor_s == BUILD_S


@pytest.mark.parametrize(
    "anchor", [7, [BOOT, 1, 2.0, 1.0, "gnss"], [BOOT, 1, 1.0, 2.0, "ntp"], [BOOT, 1, "1", 2.0, "gnss"]]
)
def test_an_anchor_that_makes_no_sense_leaves_the_floor(anchor: Any) -> None:
    body = {"v": 1, "floor_s": float(T0), "vouched_s": float(T0), "boot": BOOT, "anchor": anchor}
    assert clock.restored({**body, "check": clock._check(body)}, BOOT) == fresh()


def test_a_floor_older_than_the_build_is_lifted_to_it() -> None:
    assert clock.restored(clock.to_record(fresh(5.0)), BOOT).floor_s == BUILD_S
    assert clock.restored(None, BOOT, build_s=T0).floor_s == T0


def test_d21_a_clock_that_this_box_has_set_counts_as_holdover_above_the_floor() -> None:
    state = clock.restored(clock.to_record(fresh()), OTHER, holdover=(T0 - 5.0, T0 + 30.0, 2 * S))
    assert clock.interval(state, OTHER, 2 * S) == Interval(T0, T0 + 30, "holdover")
    dead = clock.restored(clock.to_record(fresh()), OTHER, holdover=(0.0, 30.0, 2 * S))
    assert dead.anchor is None


def test_the_floor_is_written_every_ten_minutes_and_at_each_gain_of_trust() -> None:
    none, some = fresh(), fixes(fresh(), T0 + 50)
    assert clock.worth_writing(None, none)
    assert not clock.worth_writing(none, none)
    assert clock.worth_writing(none, some)
    assert not clock.worth_writing(some, none if none.floor_s >= some.floor_s else some)
    assert not clock.worth_writing(some, replace(some, floor_s=some.floor_s + 599))
    assert clock.worth_writing(some, replace(some, floor_s=some.floor_s + 600))
    assert clock.worth_writing(some, replace(some, floor_s=some.floor_s - 1)), "signed time has lowered it"
    assert clock.worth_writing(some, clock.after_signed(some, T0 + 60, 1, BOOT, 105 * S))
