"""The range of a car that does not tell it: energy over what the last kilometres needed, the folder's word before."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.car.range import LEAST_KM, LONGEST_KM, Consumption, mean, range_km, restored, step
from config.car import ComputedRange

TOLD = ComputedRange(kwh_per_100km=17.4, over_km=200.0)


def drive(
    state: Consumption, km: float, per_100km: float, odometer: float, energy: float
) -> tuple[Consumption, float, float]:
    """In steps of 250 m, then the ignition goes off."""
    for _ in range(round(km * 4) + 1):
        state = step(state, odometer, energy, True, TOLD.over_km)
        odometer, energy = odometer + 0.25, energy - 0.25 * per_100km / 100
    return step(state, odometer, energy, False, TOLD.over_km), odometer - 0.25, energy + 0.25 * per_100km / 100


def test_before_it_has_driven_the_folder_is_believed() -> None:
    assert mean(Consumption(), TOLD) == 17.4
    assert range_km(34.8, Consumption(), TOLD) == 200.0
    assert range_km(0.0, Consumption(), TOLD) == 0.0


def test_what_it_has_driven_counts_for_its_kilometres_and_the_rest_as_the_folder_says() -> None:
    state, odometer, energy = drive(Consumption(), 100, 12.0, 5_000.0, 45.0)
    assert mean(state, TOLD) == pytest.approx((12.0 + 17.4) / 2, abs=0.05)
    state, odometer, _ = drive(state, 100, 12.0, odometer, energy)
    assert mean(state, TOLD) == pytest.approx(12.0, abs=0.05)
    state, _, _ = drive(state, 220, 20.0, odometer, 90.0)
    assert mean(state, TOLD) == pytest.approx(20.0, abs=0.05), "what lies further back is forgotten"


def test_short_trips_count_and_a_move_in_the_yard_does_not() -> None:
    state, odometer, energy = drive(Consumption(), 3.0, 30.0, 5_000.0, 45.0)
    assert sum(km for km, _ in state.pieces) == 3.0
    assert drive(state, LEAST_KM - 0.5, 30.0, odometer, energy)[0].pieces == state.pieces


def test_a_charge_on_the_way_and_a_jump_of_the_odometer_are_no_consumption() -> None:
    state = step(Consumption(), 100.0, 20.0, True, 200)
    assert step(state, 106.0, 30.0, True, 200).pieces == ()
    assert step(state, 101.0 + LONGEST_KM, 10.0, True, 200).pieces == ()
    assert step(state, 90.0, 19.0, True, 200).pieces == ()
    parked = step(state, 103.0, 19.5, False, 200)
    assert step(parked, 103.0, 40.0, True, 200).since == (103.0, 40.0)


def test_missing_values_change_nothing() -> None:
    state = step(Consumption(), 100.0, 20.0, True, 200)
    assert step(state, None, 19.0, True, 200) == state
    assert step(state, 104.0, None, True, 200) == state


def test_it_survives_and_junk_is_as_if_nothing_had_been_driven() -> None:
    state, _, _ = drive(Consumption(), 60, 15.0, 5_000.0, 45.0)
    assert restored(state.to_bytes()) == Consumption(state.pieces)
    endless, huge = b"[" * 100_000, b"[[1%s,1]]" % (b"0" * 400)
    for junk in (None, b"", b"x", b"{}", b"[[1]]", b'[["a",1]]', b"[[5,500]]", b"[[0,0]]", endless, huge):
        assert restored(junk) == Consumption()


STEPS = st.lists(
    st.tuples(
        st.one_of(st.none(), st.floats(0, 1_000)), st.one_of(st.none(), st.floats(0, 102)), st.booleans()
    ),
    max_size=60,
)


@given(STEPS)
def test_whatever_is_read_the_mean_stays_that_of_a_car(steps: list[tuple[float | None, float | None, bool]]) -> None:
    state = Consumption()
    for odometer, energy, driving in steps:
        state = step(state, odometer, energy, driving, 200)
        assert 4.0 <= mean(state, TOLD) <= 60.0
        assert sum(km for km, _ in state.pieces[1:]) < 200
        assert restored(state.to_bytes()).pieces == state.pieces


def test_an_odometer_that_runs_backwards_begins_a_new_piece_at_once() -> None:
    state = step(Consumption(), 100.0, 20.0, True, 200)
    back = step(state, 90.0, 19.0, True, 200)
    assert back == Consumption((), (90.0, 19.0), (90.0, 19.0))
    on = step(back, 95.0, 18.0, True, 200)
    assert on.pieces == ((5.0, 1.0),), "the kilometres after it count from where it went back to"
