"""A recording as curves and bands, small enough to draw: pure, times and values in, points out. No page is made here.

A curve keeps the lowest and the highest value of every stretch of time, so that a peak survives however long the log
is. Silence is a hole and no line (a stale value is a state of its own).
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

POINTS: Final = 2_000
"""Drawn of one curve at most; a screen is rarely wider."""
SEVERAL: Final = "…"
"""Stands for states that change faster than can be drawn."""


@dataclass(frozen=True, slots=True)
class Told:
    """One signal as the log has it. times: seconds since the log's start, in order. gap_s: silence after which the
    value is no longer believed.
    """

    name: str
    times: array[float]
    values: Sequence[float | str]
    gap_s: float


@dataclass(frozen=True, slots=True)
class Curve:
    """points: (seconds, value), value `None` where a silence begins. told: how many values the log has."""

    name: str
    points: tuple[tuple[float, float | None], ...]
    told: int
    low: float
    high: float
    first: float
    last: float


@dataclass(frozen=True, slots=True)
class Band:
    """A stretch of one state, in seconds."""

    start: float
    end: float
    state: str


@dataclass(frozen=True, slots=True)
class Row:
    """The bands of one signal."""

    name: str
    bands: tuple[Band, ...]
    told: int


def curve(told: Told, limit: int = POINTS) -> Curve:
    """told: at least one number. At most `limit` points, holes included."""
    times, values = told.times, [value for value in told.values if not isinstance(value, str)]
    points = with_holes(times, values, range(len(times)), told.gap_s)
    if len(points) > limit:
        kept = thin(times, values, limit)
        points = with_holes(times, values, kept, told.gap_s + 2 * bucket_s(times, limit))
    return Curve(told.name, tuple(points), len(values), min(values), max(values), values[0], values[-1])


def bucket_s(times: Sequence[float], limit: int) -> float:
    """The stretch of time of which `thin` keeps two values."""
    return (times[-1] - times[0]) / buckets(limit)


def buckets(limit: int) -> int:
    """Two values each, and the log's first and last."""
    return max((limit - 2) // 2, 1)


def thin(times: Sequence[float], values: Sequence[float], limit: int) -> list[int]:
    """Indices to keep, in order: first, last, and of each stretch the first lowest and the first highest. times: in
    order, at least one; limit: four or more. At most `limit` of them.
    """
    last = len(times) - 1
    width = bucket_s(times, limit) or 1.0
    top = buckets(limit) - 1
    lowest: dict[int, int] = {}
    highest: dict[int, int] = {}
    for index, (at, value) in enumerate(zip(times, values, strict=True)):
        bucket = min(int((at - times[0]) / width), top)
        if value < values[lowest.setdefault(bucket, index)]:
            lowest[bucket] = index
        if value > values[highest.setdefault(bucket, index)]:
            highest[bucket] = index
    return sorted({0, last, *lowest.values(), *highest.values()})


def with_holes(
    times: Sequence[float], values: Sequence[float], kept: Sequence[int], gap_s: float
) -> list[tuple[float, float | None]]:
    """The kept points, and where none follows for longer than `gap_s` the moment from which nothing is believed."""
    points: list[tuple[float, float | None]] = []
    for index, after in pairwise(kept):
        points.append((times[index], values[index]))
        if times[after] - times[index] > gap_s:
            points.append((times[index] + gap_s, None))
    points += [(times[index], values[index]) for index in kept[-1:]]
    return points


def row(told: Told, limit: int = POINTS) -> Row:
    """The same state without silence is one band; more bands than `limit` lose the short ones to `SEVERAL`."""
    bands: list[Band] = []
    for at, value in zip(told.times, map(str, told.values), strict=True):
        before = bands[-1] if bands else None
        if before is None or at - before.end > told.gap_s:
            end = before.end + told.gap_s if before else at
            bands[-1:] = [*([Band(before.start, end, before.state)] if before else []), Band(at, at, value)]
        elif value == before.state:
            bands[-1] = Band(before.start, at, value)
        else:
            bands[-1:] = [Band(before.start, at, before.state), Band(at, at, value)]
    if len(bands) > limit:
        bands = _coarser(bands, 2 * (bands[-1].end - bands[0].start) / (limit - 2))
    return Row(told.name, tuple(bands), len(told.values))


def _coarser(bands: Sequence[Band], width_s: float) -> list[Band]:
    """Bands no longer than `width_s` melt with short neighbours."""
    found: list[Band] = []
    for band in bands:
        brief = band.end - band.start <= width_s
        if brief and found and found[-1].state == SEVERAL:
            found[-1] = Band(found[-1].start, band.end, SEVERAL)
        else:
            found.append(Band(band.start, band.end, SEVERAL) if brief else band)
    return found


def panels(curves: Sequence[tuple[str, Curve]]) -> list[tuple[str, list[Curve]]]:
    """(unit, curve) in order of wish to panels of one unit. Curves far apart do not share one: beside an odometer a
    range would be a straight line, beside a traction battery 12 V too.
    """
    found: list[tuple[str, list[Curve]]] = []
    for unit, one in curves:
        fitting = (group for known, group in found if known == unit and all(_near(one, other) for other in group))
        group = next(fitting, None)
        if group is None:
            found.append((unit, [one]))
        else:
            group.append(one)
    return found


def _near(one: Curve, other: Curve) -> bool:
    """The space between their ranges is smaller than the wider of them, or than half of what the axis must show."""
    space = max(one.low, other.low) - min(one.high, other.high)
    largest = max(abs(bound) for it in (one, other) for bound in (it.low, it.high))
    return space <= max(one.high - one.low, other.high - other.low, largest / 2)
