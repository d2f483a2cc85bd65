"""Pure: is a list of corners a polygon that encloses something? In degrees; where it lies and what it means is the
agent's business (`agent/car/stations.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

Corner = tuple[float, float]  # latitude, longitude
MOST_CORNERS: Final = 64


def fault(corners: Sequence[Corner]) -> str | None:
    """What is wrong with it, for a person; `None` when it is sound."""
    if not 3 <= len(corners) <= MOST_CORNERS:
        return f"has {len(corners)} corners"
    for number, (lat, lon) in enumerate(corners, 1):
        if not (-90 <= lat <= 90 and -180 <= lon <= 180):
            return f"corner {number} [{lat}, {lon}] is not on the earth; latitude comes first"
    if len(set(corners)) < len(corners):
        return "names a corner twice (it closes by itself)"
    found = crossing(corners)
    if found is not None:
        return f"side {found[0] + 1} and side {found[1] + 1} cross or touch (side 1 joins the first two corners)"
    return None


def crossing(corners: Sequence[Corner]) -> tuple[int, int] | None:
    """The first two sides, counted from 0, that cross or touch anywhere but at the corner they share."""
    sides = list(zip(corners, [*corners[1:], corners[0]], strict=True))
    for first in range(len(sides)):
        for second in range(first + 1, len(sides)):
            (a, b), (c, d) = sides[first], sides[second]
            if b == c:
                folded = _turn(a, b, d) == 0 and not _between(a, d, b)
            elif d == a:
                folded = _turn(c, a, b) == 0 and not _between(c, b, a)
            else:
                folded = _meet(a, b, c, d)
            if folded:
                return first, second
    return None


def _meet(a: Corner, b: Corner, c: Corner, d: Corner) -> bool:
    """Whether two sides have a point in common."""
    one, two, three, four = _turn(a, b, c), _turn(a, b, d), _turn(c, d, a), _turn(c, d, b)
    if one != two and three != four and 0 not in (one, two, three, four):
        return True
    touches = ((one, a, b, c), (two, a, b, d), (three, c, d, a), (four, c, d, b))
    return any(turn == 0 and _between(p, q, r) for turn, p, q, r in touches)


def _turn(a: Corner, b: Corner, c: Corner) -> int:
    """Left 1, right -1, straight on 0."""
    area = (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
    return (area > 0) - (area < 0)


def _between(a: Corner, b: Corner, c: Corner) -> bool:
    """Whether c, on the line through a and b, lies between them."""
    return all(min(a[axis], b[axis]) <= c[axis] <= max(a[axis], b[axis]) for axis in (0, 1))
