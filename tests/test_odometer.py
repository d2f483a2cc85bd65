"""An odometer that lies upwards: what cannot have been driven is billed to nobody, and what was driven is not lost."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.car.odometer import Odometer
from agent.car.reading import FREE_KM, MAX_MPS, counted_km, driven_km, reach_km
from config.vocabulary import ODOMETER, SPEED, Signal
from tests.test_legs import reading

S = 1_000_000_000


def word(seconds: float, km: float) -> Signal:
    return Signal(ODOMETER, km, round(seconds * S))


def other(seconds: float) -> Signal:
    return Signal(SPEED, 30.0, round(seconds * S))


def believed(said: Iterable[Signal], asked: bool = False, odometer: Odometer | None = None) -> list[float]:
    """Of the odometer alone."""
    found = (odometer or Odometer()).believed(said, asked)
    return [float(signal.value) for signal in found if signal.name == ODOMETER]


# --- one word


def test_a_word_that_cannot_have_been_driven_is_held_back_and_the_next_one_goes_on_from_before_it() -> None:
    odometer = Odometer()
    assert believed([word(0, 100.0), word(1, 48_000.0), word(2, 100.02)], odometer=odometer) == [100.0, 100.02]
    assert odometer.held_back == 1
    assert believed([word(3, 100.02 + FREE_KM + 0.08)], odometer=odometer) == []
    late_km = round(100.02 + FREE_KM + 0.07, 2)
    assert believed([word(4, late_km)], odometer=odometer) == [late_km], "so much a car may be late with"


@pytest.mark.parametrize("asked", [True, False])
def test_a_unit_that_was_replaced_is_believed_once_it_says_so_again(asked: bool) -> None:
    assert believed([word(0, 100.0), word(10, 48_000.0), word(20, 48_000.0)], asked) == [100.0, 48_000.0]
    assert believed([word(0, 100.0), word(10, 48_000.0), word(20, 48_001.0)], asked) == [100.0, 48_001.0]
    apart = [word(0, 100.0), word(10, 48_000.0), word(20, 47_000.0), word(30, 47_001.0)]
    assert believed(apart, asked) == [100.0, 47_001.0], "two words that disagree prove nothing"


def test_one_that_tells_each_change_is_believed_when_it_says_nothing_else_for_ten_seconds() -> None:
    said = [word(0, 100.0), word(1, 48_000.0), other(10.9), other(11), other(12)]
    assert believed(said) == [100.0, 48_000.0]
    assert believed(said[:3]) == [100.0]
    assert believed([*said, word(13, 48_000.01)]) == [100.0, 48_000.0, 48_000.01]
    assert believed(said, asked=True) == [100.0], "of one that must be asked silence tells nothing"
    odometer = Odometer()
    believed(said[:2], odometer=odometer)
    odometer.silent()
    assert believed([other(3_600), word(3_601, 100.0)], odometer=odometer) == [100.0], "and none at all of a lost bus"


def test_without_a_silence_the_time_since_a_car_last_counted_is_no_time_to_drive_in() -> None:
    """It stood for eight hours, and would have told each change."""
    night = 8 * 3_600
    assert believed([word(0, 100.0), word(night, 500.0), other(night + 1)]) == [100.0]
    odometer = Odometer()
    believed([word(0, 100.0)], odometer=odometer)
    odometer.silent()
    assert believed([word(night, 500.0)], odometer=odometer) == [500.0], "nobody heard it: it may have been driven"
    assert believed([word(0, 100.0), word(night, 500.0)], asked=True) == [100.0, 500.0]


def test_what_falls_is_told_and_nothing_is_reckoned_from_it() -> None:
    assert believed([word(0, 100.0), word(1, 0.0), word(2, 100.0), word(3, 100.5)]) == [100.0, 0.0, 100.0, 100.5]
    assert believed([word(0, 100.0), word(1, 40.0), word(2, 40.1), word(3, 100.0)]) == [100.0, 40.0, 40.1]


def test_the_first_word_is_believed_whatever_it_says() -> None:
    assert believed([word(0, 48_000.0)]) == [48_000.0]


# --- whole drives

PARTS = st.lists(
    st.tuples(st.floats(0.0, 60.0), st.integers(1, 300), st.sampled_from(["heard", "silent", "late"])),
    min_size=1, max_size=6,
)  # fmt: skip


def drive(parts: Sequence[tuple[float, int, str]], step_km: float, every_s: int) -> list[tuple[Signal, bool]]:
    """What an honest car says, and whether it was silent before. Parts: m/s, seconds, and whether it was heard; late:
    its words of that time come all at once.
    """
    at, km, said, shown, silent = 0.0, 0.0, list[tuple[Signal, bool]](), -1.0, False
    for mps, seconds, how in parts:
        held = list[float]()
        for second in range(seconds):
            at, km = at + 1, km + mps / 1000
            counts = km // step_km * step_km
            told = second % every_s == 0 and (every_s > 1 or counts != shown)
            if how == "silent":
                silent = True
            elif told and how == "late":
                held.append(counts)
            elif told:
                said.append((word(at, counts), silent))
                silent = False
            shown = counts if told else shown
        for counts in held:
            said.append((word(at, counts), silent))
            silent = False
    return said


@given(PARTS, st.sampled_from([0.01, 1.0]), st.sampled_from([1, 10]), st.data())
def test_no_honest_word_is_held_back_and_a_wrong_one_costs_nothing(
    parts: list[tuple[float, int, str]], step_km: float, every_s: int, data: st.DataObject
) -> None:
    """The drive of every car, with dark stretches, and at most one wrong word after the first."""
    said = drive(parts, step_km, every_s)
    glitch = data.draw(st.integers(1, max(1, len(said) - 1)))
    by = data.draw(st.floats(0, 1_900_000).filter(lambda km: km == 0 or km > 30.0))
    odometer, heard = Odometer(), list[float]()
    for number, (signal, silent) in enumerate(said):
        if silent:
            odometer.silent()
        if number == glitch and by and not silent and every_s == 1:
            heard += believed([word(signal.at_ns / S, float(signal.value) + by)], odometer=odometer)
        heard += believed([signal], asked=every_s > 1, odometer=odometer)
    assert heard == [float(signal.value) for signal, _ in said]


# --- what is billed


def test_kilometres_that_cannot_have_been_driven_in_the_time_are_null() -> None:
    assert driven_km(reading(0, 100.0), reading(60_000, 100.0 + reach_km(60))) == pytest.approx(reach_km(60))
    assert driven_km(reading(0, 100.0), reading(60_000, 100.1 + reach_km(60))) is None
    assert counted_km(reading(0, 100.0), reading(60_000, 48_000.0)) == 47_900.0


def test_across_a_power_cut_the_time_is_the_most_that_it_can_have_been() -> None:
    cut = {"boot": "bb" * 8}
    start = reading(9_000, 100.0, wall=[1_000_000, 1_100_000])
    assert driven_km(start, reading(5, 112.0, wall=[1_080_000, 1_200_000], **cut)) == 12.0
    assert driven_km(start, reading(5, 118.0, wall=[1_080_000, 1_200_000], **cut)) is None
    assert driven_km(start, reading(5, 48_000.0, **cut)) == 47_900.0, "nobody knows how long that was"


@given(st.lists(st.tuples(st.floats(0, MAX_MPS), st.integers(1, 36_000))), st.floats(0, 1.0))
def test_no_drive_is_too_far_for_its_time(parts: list[tuple[float, int]], late_km: float) -> None:
    km, seconds = sum(mps * s for mps, s in parts) / 1000, sum(s for _, s in parts)
    assert driven_km(reading(0, 0.0), reading(1_000 * seconds, round(km + late_km, 2))) is not None
