"""Pure: do odometer and satellites tell the same distance? Each is the other's witness: tyres of another size, another
car's odometer, a receiver that dreams.

A window of driving runs between two changes of the odometer, two kilometres apart or more, with a good fix every few
seconds all the way; else it is thrown away. Positions for it are two points in memory, replaced by the next fix: they
are never stored or told (R27). What is not here: who looks (`position.py`), and the alarm (`agent/run/health.py`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from .reading import MAX_MPS
from .stations import distance_m

WINDOW_KM: Final = 2.0
COARSE: Final = 10  # a window has so many of the odometer's own steps at least: one of whole km is right to one km
GAP_NS: Final = 5_000_000_000
JUMP_M: Final = 50.0  # what two fixes may be apart beside that: position noise
# Steps shorter than this are noise: 5 m of it lengthen a way in steps of 30 m by 3 %, one in steps of 10 m by a fifth.
STEP_M: Final = 30.0
TOLERANCE: Final = 0.10
IN_A_ROW: Final = 3  # windows on the same side before it is said: neighbours share an edge, whose error they have both

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Look:
    """One epoch. place: latitude and longitude of a good fix, `None` without one. odometer: (km, when in ns), as fresh.

    driving: the ignition is on. standing: the car's own speed says so; where it tells none, `False`.
    """

    at_ns: int
    place: Point | None
    odometer: tuple[float, int] | None
    driving: bool
    standing: bool


@dataclass(frozen=True, slots=True)
class Track:
    """What is known so far. metres: driven since `anchor` was first set, up to `anchor`; `place`: the newest fix.

    odometer: its last value; changed: that value and its time, while the fix after the change has not come.
    began: (odometer in km, metres) at the start of the window. step_km: the smallest change the odometer ever made.
    windows: finished; discarded: thrown away; ratio: satellites to odometer in the last window. outside: windows in a
    row beyond the tolerance on the same side, negative where the satellites tell less; row_km: how long they were.
    """

    place: Point | None = None
    at_ns: int = 0
    anchor: Point | None = None
    metres: float = 0.0
    odometer: float | None = None
    changed: tuple[float, int] | None = None
    began: tuple[float, float] | None = None
    step_km: float | None = None
    windows: int = 0
    discarded: int = 0
    ratio: float | None = None
    outside: int = 0
    row_km: float = 0.0

    @property
    def disagrees(self) -> bool | None:
        """`None`: not sure yet, so what was said before stands."""
        return None if 0 < abs(self.outside) < IN_A_ROW else self.outside != 0


def step(track: Track, look: Look) -> Track:
    """The track after one epoch of the receiver, good or not."""
    if not look.driving:
        return _broken(track)
    if look.place is None:
        return track
    if track.place is None:
        return _mark(replace(track, place=look.place, at_ns=look.at_ns, anchor=look.place), look)
    passed_ns = look.at_ns - track.at_ns
    if passed_ns <= 0:
        return track
    moved_m = distance_m(*track.place, *look.place)
    if passed_ns > GAP_NS or moved_m > passed_ns / 1e9 * MAX_MPS + JUMP_M:
        return step(_broken(track), look)
    track = _edge(track, look.place, look.at_ns)
    return _mark(_moved(track, look), look)


def _broken(track: Track) -> Track:
    """Nothing of the way so far counts. What the windows before it said stands."""
    if track.place is None:
        return track
    return replace(
        track, place=None, anchor=None, metres=0.0, odometer=None, changed=None, began=None,
        discarded=track.discarded + (track.began is not None),
    )  # fmt: skip


def _moved(track: Track, look: Look) -> Track:
    """A step where it is long enough; while the car stands the fixes wander, and nothing is driven."""
    anchor, place = track.anchor, look.place
    assert anchor is not None
    assert place is not None
    track = replace(track, place=place, at_ns=look.at_ns)
    length_m = distance_m(*anchor, *place)
    if look.standing or length_m < STEP_M:
        return track
    return replace(track, anchor=place, metres=track.metres + length_m)


def _mark(track: Track, look: Look) -> Track:
    """Remember a change of the odometer; where the car was at that moment, the next fix tells."""
    if look.odometer is None:
        return track
    km, at_ns = look.odometer
    if track.odometer is None or km == track.odometer:
        return replace(track, odometer=km)
    if km < track.odometer:
        return replace(_broken(track), odometer=None)
    finest = min(km - track.odometer, track.step_km if track.step_km is not None else float("inf"))
    return replace(track, odometer=km, changed=(km, at_ns), step_km=finest)


def _edge(track: Track, place: Point, at_ns: int) -> Track:
    """The odometer changed between the last fix and this one: how far had the car come by then?"""
    if track.changed is None:
        return track
    assert track.place is not None
    assert track.anchor is not None
    km, when_ns = track.changed
    share = min(1.0, max(0.0, (when_ns - track.at_ns) / (at_ns - track.at_ns)))
    there = tuple(a + (b - a) * share for a, b in zip(track.place, place, strict=True))
    metres = track.metres + distance_m(*track.anchor, there[0], there[1])
    track = replace(track, changed=None)
    if track.began is None:
        return replace(track, began=(km, metres))
    driven_km = km - track.began[0]
    # Rounded: 0.1 km cannot be written exactly, and twenty of them must be two.
    if round(driven_km, 3) < max(WINDOW_KM, round(COARSE * (track.step_km or 0.0), 3)):
        return track
    return _judged(replace(track, began=(km, metres)), (metres - track.began[1]) / 1000, driven_km)


def _judged(track: Track, seen_km: float, driven_km: float) -> Track:
    ratio = seen_km / driven_km
    track = replace(track, windows=track.windows + 1, ratio=ratio)
    if abs(ratio - 1) <= TOLERANCE:
        return replace(track, outside=0, row_km=0.0)
    side = 1 if ratio > 1 else -1
    if track.outside * side <= 0:  # the first of a row
        return replace(track, outside=side, row_km=driven_km)
    return replace(track, outside=track.outside + side, row_km=track.row_km + driven_km)
