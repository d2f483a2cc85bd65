"""Pictures as SVG text: a curve over time, a route on a plain map, a row of moments. No styling of pages here (`report.py`)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 720, 220, 52, 12, 14, 34


@dataclass(frozen=True, slots=True)
class Band:
    """A stretch of time to shade. start, end: seconds on the chart's axis. kind: a CSS class of the report ("dark", "dead", "booking")."""

    start: float
    end: float
    kind: str
    label: str


@dataclass(frozen=True, slots=True)
class Axis:
    """Maps seconds to pixels. clock: turns seconds into the text under the axis."""

    start: float
    end: float

    def x(self, seconds: float) -> float:
        span = max(self.end - self.start, 1e-9)
        return LEFT + (WIDTH - LEFT - RIGHT) * (seconds - self.start) / span


def _ticks(low: float, high: float, count: int = 4) -> list[float]:
    """Round numbers that cover the range: 1, 2 or 5 times a power of ten."""
    span = max(high - low, 1e-9)
    step = 10 ** math.floor(math.log10(span / count))
    step = next(step * factor for factor in (1, 2, 5, 10) if span / (step * factor) <= count)
    first = math.ceil(low / step) * step
    return [first + i * step for i in range(int((high - first) / step + 1e-6) + 1)]


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def _bands(axis: Axis, bands: Sequence[Band], height: float) -> list[str]:
    parts = []
    for band in bands:
        left, right = axis.x(max(band.start, axis.start)), axis.x(min(band.end, axis.end))
        if right <= left:
            continue
        parts.append(f'<rect class="band {escape(band.kind)}" x="{left:.1f}" y="{TOP}" width="{right - left:.1f}" height="{height:.1f}"/>')
        label_y = TOP + height - 5 if band.kind == "booking" else TOP + 11  # bookings hold the other bands inside them
        parts.append(f'<text class="bandlabel" x="{left + 4:.1f}" y="{label_y:.1f}">{escape(band.label)}</text>')
    return parts


def _time_axis(axis: Axis, y: float) -> list[str]:
    parts = []
    for tick in _ticks(axis.start, axis.end, 8):
        x = axis.x(tick)
        parts.append(f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{y:.1f}"/>')
        parts.append(f'<text class="tick" x="{x:.1f}" y="{y + 14:.1f}" text-anchor="middle">{_clock(tick)}</text>')
    return parts


def curve(points: Sequence[tuple[float, float]], axis: Axis, bands: Sequence[Band], *, title: str, unit: str, steps: bool = False) -> str:
    """A curve over time. points: (seconds, value). steps: hold each value until the next (a queue, not a temperature)."""
    floor_y = HEIGHT - BOTTOM
    values = [value for _, value in points] or [0.0, 1.0]
    low, high = min(values), max(values)
    if high - low < 1e-9:
        low, high = low - 0.5, high + 0.5

    def y(value: float) -> float:
        return floor_y - (floor_y - TOP - 18) * (value - low) / (high - low)

    path: list[str] = []
    for index, (seconds, value) in enumerate(points):
        if steps and index:
            path.append(f"H{axis.x(seconds):.1f}")
        path.append(f"{'L' if index else 'M'}{axis.x(seconds):.1f},{y(value):.1f}")
    body = _bands(axis, bands, floor_y - TOP) + _time_axis(axis, floor_y)
    for tick in _ticks(low, high):
        body.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(tick):.1f}" y2="{y(tick):.1f}"/>')
        body.append(f'<text class="tick" x="{LEFT - 6}" y="{y(tick) + 4:.1f}" text-anchor="end">{tick:g}</text>')
    body.append(f'<path class="curve" d="{" ".join(path)}"/>')
    return _svg(HEIGHT, f"{title} ({unit})" if unit else title, body)


def moments(rows: Sequence[tuple[str, Sequence[tuple[float, str, str]]]], axis: Axis, bands: Sequence[Band], *, title: str) -> str:
    """Rows of moments. rows: (name of the row, [(seconds, CSS class, text shown on hover)])."""
    height = TOP + 30 * len(rows) + BOTTOM
    floor_y = height - BOTTOM
    body = _bands(axis, bands, floor_y - TOP) + _time_axis(axis, floor_y)
    for index, (name, marks) in enumerate(rows):
        y = TOP + 30 * index + 22
        body.append(f'<text class="tick" x="{LEFT - 6}" y="{y + 4}" text-anchor="end">{escape(name)}</text>')
        for seconds, kind, text in marks:
            body.append(f'<circle class="moment {escape(kind)}" cx="{axis.x(seconds):.1f}" cy="{y}" r="5"><title>{escape(text)}</title></circle>')
    return _svg(height, title, body)


def route(
    points: Sequence[tuple[float, float, str]], stations: Sequence[tuple[float, float, str]], *, title: str, nothing: str
) -> str:
    """A route on a plain map, north up, one scale in both directions.

    points: (latitude, longitude, CSS class of the stretch that ends here: "live" or "dead"). nothing: said where there is no point.
    """
    height = 320
    everything = [(lat, lon) for lat, lon, _ in points] + [(lat, lon) for lat, lon, _ in stations]
    if not points or not everything:
        return _svg(90, title, [f'<text class="nothing" x="{WIDTH / 2}" y="52" text-anchor="middle">{escape(nothing)}</text>'])
    lats, lons = [lat for lat, _ in everything], [lon for _, lon in everything]
    squeeze = math.cos(math.radians(sum(lats) / len(lats)))
    wide = max((max(lons) - min(lons)) * squeeze, 1e-6)
    tall = max(max(lats) - min(lats), 1e-6)
    scale = min((WIDTH - 80) / wide, (height - 80) / tall)

    def place(lat: float, lon: float) -> tuple[float, float]:
        return (40 + (lon - min(lons)) * squeeze * scale, height - 40 - (lat - min(lats)) * scale)

    body = []
    ways = list(pairwise(points))
    for (lat_a, lon_a, _), (lat_b, lon_b, kind) in sorted(ways, key=lambda way: way[1][2] == "dead"):  # marks on top
        (x1, y1), (x2, y2) = place(lat_a, lon_a), place(lat_b, lon_b)
        body.append(f'<line class="way {escape(kind)}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>')
    for lat, lon, name in stations:
        x, y = place(lat, lon)
        body.append(f'<rect class="station" x="{x - 6:.1f}" y="{y - 6:.1f}" width="12" height="12"/>')
        body.append(f'<text class="place" x="{x + 10:.1f}" y="{y + 4:.1f}">{escape(name)}</text>')
    metres = 10 ** math.floor(math.log10(wide * 111_320 / 2))
    bar = metres / 111_320 * scale
    body.append(f'<line class="scale" x1="40" x2="{40 + bar:.1f}" y1="{height - 12}" y2="{height - 12}"/>')
    body.append(f'<text class="tick" x="{46 + bar:.1f}" y="{height - 8}">{metres:g} m</text>')
    return _svg(height, title, body)


def _svg(height: float, title: str, body: Sequence[str]) -> str:
    inside = "\n".join(body)
    return (
        f'<figure><figcaption>{escape(title)}</figcaption><svg viewBox="0 0 {WIDTH} {height:.0f}" role="img" aria-label="{escape(title)}">'
        f"{inside}</svg></figure>"
    )
