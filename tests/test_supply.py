"""R16: the 12 V battery's resting voltage is learnt at rest, and what stays below it for a while is called low."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from agent.car.supply import (
    BACK_V,
    BELOW_V,
    CALM_S,
    ENOUGH,
    HOLD_S,
    NIGHTS,
    PLAUSIBLE,
    UNKNOWN_V,
    Supply,
    restored,
    step,
)

S = 1_000_000_000


def look(state: Supply, volts: float | None, resting: bool, at_s: float, for_s: int) -> tuple[Supply, float]:
    """Once a second for so long."""
    for _ in range(for_s):
        state = step(state, volts, resting, round(at_s * S))
        at_s += 1
    return state, at_s


def night(state: Supply, volts: float, at_s: float) -> tuple[Supply, float]:
    """A drive, a night in which the bus sleeps, and the morning's first readings."""
    state, at_s = look(state, 14.2, False, at_s, 30)
    state, at_s = look(state, None, True, at_s, 2)
    return look(state, volts, True, at_s + 8 * 3_600, 20)


def learnt(*nights: float) -> tuple[Supply, float]:
    state, at_s = Supply(), 0.0
    for volts in nights:
        state, at_s = night(state, volts, at_s)
    return state, at_s


def test_the_reference_is_the_median_of_nights_and_unknown_before_there_are_three() -> None:
    state, _ = learnt(12.7, 12.8)
    assert (state.reference, state.limit) == (None, UNKNOWN_V)
    state, _ = learnt(12.7, 12.8, 12.3)
    assert state.reference == 12.7
    assert state.limit == 12.4
    state, _ = learnt(*[12.9] * 3, *[12.6] * NIGHTS)
    assert state.nights == (12.6,) * NIGHTS


def test_a_night_gives_one_value_however_long_the_bus_speaks_in_the_morning() -> None:
    state, at_s = learnt(12.7)
    state, _ = look(state, 12.5, True, at_s, 600)
    assert state.nights == (12.7,)


def test_nothing_is_learnt_soon_after_a_drive_while_driving_charging_or_from_odd_readings() -> None:
    state, at_s = look(Supply(), 12.7, True, 0, round(CALM_S) - 1)
    assert state.nights == ()
    state, _ = look(state, 12.7, True, at_s, 10)
    assert state.nights == (12.7,)
    for volts in (11.9, 13.4, 14.4):
        assert night(Supply(), volts, 0)[0].nights == ()
    assert look(Supply(), 12.7, False, 0, 9_000)[0].nights == ()


def test_it_is_low_after_a_minute_below_and_not_for_a_moments_load() -> None:
    state, at_s = learnt(12.8, 12.8, 12.8)
    state, at_s = look(state, 12.45, True, at_s, 50)
    assert not state.low
    state, at_s = look(state, 12.6, True, at_s, 1)
    state, at_s = look(state, 12.45, True, at_s, 50)
    assert not state.low, "what lay in between says that it was a load"
    state, at_s = look(state, 12.45, True, at_s, 15)
    assert state.low
    state, at_s = look(state, 12.5 + BACK_V - 0.01, True, at_s, 600)
    assert state.low, "hysteresis"
    state, at_s = look(state, 14.2, False, at_s, round(HOLD_S) + 2)
    assert not state.low


def test_several_short_wakings_of_a_weak_battery_add_up_and_sleep_does_not_count() -> None:
    state, at_s = learnt(12.8, 12.8, 12.8)
    for _ in range(2):
        state, at_s = look(state, 12.2, True, at_s, 25)
        state, at_s = look(state, None, True, at_s, 1)
        at_s += 86_400
    assert not state.low
    state, _ = look(state, 12.2, True, at_s, 25)
    assert state.low


def test_a_low_battery_teaches_nothing() -> None:
    state, at_s = learnt(12.8, 12.8, 12.8)
    state, at_s = look(state, 12.3, True, at_s, 100)
    assert state.low
    nights = state.nights
    state, at_s = look(state, None, False, at_s, 1)
    state, at_s = look(state, None, True, at_s, 1)
    state, _ = look(state, 12.3, True, at_s + 8 * 3_600, 100)
    assert state.low
    assert state.nights == nights


def test_what_was_learnt_and_the_warning_survive_and_junk_is_as_if_nothing_were_known() -> None:
    state, at_s = learnt(12.8, 12.7, 12.9)
    state, _ = look(state, 12.2, True, at_s, 100)
    again = restored(state.to_bytes())
    assert (again.nights, again.low, again.limit) == (state.nights, True, state.limit)
    huge = b'{"nights":[1%s]}' % (b"0" * 400)
    for junk in (None, b"", b"x", b"[]", b'{"nights":["a"]}', b'{"nights":[3.0],"low":true}', b'{"nights":5}', huge):
        assert restored(junk) == Supply()
    for junk in (b"[" * 100_000, b'{"nights":' * 10_000):
        assert restored(junk) == Supply()


LOOKS = st.lists(
    st.tuples(st.one_of(st.none(), st.floats(6, 15.9, allow_nan=False)), st.booleans(), st.floats(0.1, 10_000)),
    max_size=80,
)


@given(LOOKS)
def test_whatever_is_read_the_limit_stays_sane_and_low_is_never_sudden(
    looks: list[tuple[float | None, bool, float]],
) -> None:
    state, at_s, against_s = Supply(), 0.0, 0.0
    for volts, resting, later_s in looks:
        at_s += later_s
        before, state = state, step(state, volts, resting, round(at_s * S))
        assert PLAUSIBLE[0] - BELOW_V - 0.001 <= state.limit <= max(UNKNOWN_V, PLAUSIBLE[1] - BELOW_V + 0.001)
        assert len(state.nights) <= NIGHTS
        assert all(PLAUSIBLE[0] <= it <= PLAUSIBLE[1] for it in state.nights)
        assert (state.reference is None) is (len(state.nights) < ENOUGH)
        against_s += min(later_s, 5.0)
        if state.low is not before.low:
            assert against_s >= HOLD_S - 0.001
            against_s = 0.0
            assert volts is not None
            assert volts < before.limit if state.low else volts >= before.limit + BACK_V
        assert restored(state.to_bytes()).nights == state.nights
