"""Curves small enough to draw: extremes survive, silence is a hole, and no log makes the page large."""

from __future__ import annotations

from array import array
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.cli.curves import POINTS, SEVERAL, Curve, Told, bucket_s, buckets, curve, panels, row, thin

VALUES = st.floats(-1e6, 1e6, allow_nan=False)
STEPS = st.one_of(st.just(0.0), st.floats(0.0, 1.0), st.floats(0.0, 500.0))
LOGS = st.lists(st.tuples(STEPS, VALUES), min_size=1, max_size=400)
LIMITS = st.integers(4, 60)


def told(log: list[tuple[float, float]], gap_s: float = 5.0) -> Told:
    times, at = array("d"), 0.0
    for step, _ in log:
        at += step
        times.append(at)
    return Told("x", times, [value for _, value in log], gap_s)


@given(LOGS, LIMITS)
def test_thinned_is_a_bounded_part_in_order_with_first_and_last(log: list[tuple[float, float]], limit: int) -> None:
    it = told(log)
    kept = thin(it.times, [value for _, value in log], limit)
    assert len(kept) <= limit
    assert kept == sorted(set(kept))
    assert kept[0] == 0
    assert kept[-1] == len(log) - 1


@given(LOGS, LIMITS)
def test_of_every_stretch_of_time_the_extremes_survive(log: list[tuple[float, float]], limit: int) -> None:
    it = told(log)
    values = [value for _, value in log]
    kept = set(thin(it.times, values, limit))
    width, top = bucket_s(it.times, limit) or 1.0, buckets(limit) - 1
    stretches: dict[int, list[int]] = {}
    for index, at in enumerate(it.times):
        stretches.setdefault(min(int((at - it.times[0]) / width), top), []).append(index)
    for inside in stretches.values():
        left = [values[index] for index in inside if index in kept]
        assert min(left) == min(values[index] for index in inside)
        assert max(left) == max(values[index] for index in inside)


@given(LOGS, LIMITS, st.floats(0.01, 100))
def test_a_curve_is_bounded_holes_included_and_tells_the_true_extremes(
    log: list[tuple[float, float]], limit: int, gap_s: float
) -> None:
    it = curve(told(log, gap_s), limit)
    numbers = [value for _, value in it.points if value is not None]
    assert len(it.points) <= limit
    assert (min(numbers), max(numbers)) == (it.low, it.high) == (min(v for _, v in log), max(v for _, v in log))
    assert (it.first, it.last, it.told) == (log[0][1], log[-1][1], len(log))
    assert [at for at, _ in it.points] == sorted(at for at, _ in it.points)


@given(LOGS, LIMITS, st.floats(0.01, 100))
def test_a_hole_stands_only_where_the_log_is_silent(log: list[tuple[float, float]], limit: int, gap_s: float) -> None:
    it = told(log, gap_s)
    points = curve(it, limit).points
    for before, hole, after in zip(points, points[1:], points[2:], strict=False):
        if hole[1] is None:
            inside = [at for at in it.times if before[0] <= at <= after[0]]
            assert max(b - a for a, b in pairwise(inside)) > gap_s * (1 - 1e-9)


def test_a_short_log_is_drawn_whole_and_silence_ends_the_line() -> None:
    points = curve(told([(0, 1.0), (1, 2.0), (60, 3.0)])).points
    assert points == ((0, 1.0), (1, 2.0), (6, None), (61, 3.0))


@pytest.mark.long
def test_a_single_peak_in_a_million_values_is_drawn() -> None:
    values = [1.0] * 1_000_000
    values[777_777] = 99.0
    it = curve(Told("x", array("d", range(1_000_000)), values, 5.0))
    assert (777_777.0, 99.0) in it.points
    assert len(it.points) <= POINTS


@given(st.lists(st.tuples(STEPS, st.sampled_from(["on", "off", "x"])), min_size=1, max_size=300), st.integers(6, 60))
def test_bands_are_bounded_in_order_and_never_lie_without_saying_so(log: list[tuple[float, str]], limit: int) -> None:
    times, at = array("d"), 0.0
    for step, _ in log:
        at += step
        times.append(at)
    found = row(Told("x", times, [state for _, state in log], 5.0), limit)
    assert len(found.bands) <= limit
    assert all(band.start <= band.end for band in found.bands)
    assert all(a.end <= b.start for a, b in pairwise(found.bands))
    for moment, (_, state) in zip(times, log, strict=True):
        over = [band.state for band in found.bands if band.start <= moment <= band.end]
        assert state in over or SEVERAL in over


def test_one_state_without_silence_is_one_band_and_silence_ends_it() -> None:
    times = array("d", [0, 1, 2, 3, 100, 101])
    bands = row(Told("x", times, ["off", "off", "on", "on", "on", "on"], 5.0)).bands
    assert [(band.start, band.end, band.state) for band in bands] == [(0, 2, "off"), (2, 8, "on"), (100, 101, "on")]


def flat(name: str, low: float, high: float) -> Curve:
    return Curve(name, ((0.0, low), (1.0, high)), 2, low, high, low, high)


def test_curves_of_one_unit_share_a_panel_unless_one_would_be_a_straight_line() -> None:
    wished = [
        ("V", flat("traction", 360, 400)), ("V", flat("cell", 3.6, 4.1)), ("V", flat("twelve", 12.2, 14.4)),
        ("km", flat("odometer", 41_230, 41_240)), ("km", flat("range", 94, 101)), ("°C", flat("inside", 14, 20)),
        ("°C", flat("outside", 8, 8)), ("kW", flat("power", -40, 60)), ("kW", flat("offered", 0, 22)),
    ]  # fmt: skip
    found = [[unit, *(it.name for it in group)] for unit, group in panels(wished)]
    assert found == [
        ["V", "traction"], ["V", "cell"], ["V", "twelve"], ["km", "odometer"], ["km", "range"],
        ["°C", "inside", "outside"], ["kW", "power", "offered"],
    ]  # fmt: skip
