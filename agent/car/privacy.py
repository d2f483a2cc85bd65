"""Pure: may a position be kept, how coarse, how often? Asked before anything is stored or sent, never afterwards (P4,
R27).

What is not here: the policy's file (`config/privacy.py`), and "at station?" itself, which is answered inside the car
(`stations.py`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from config.privacy import KindPolicy, Policy
from drivers.ports import Fix

from .hours import working
from .reading import Reading

DEGREE_M: Final = 6_371_008.8 * math.pi / 180  # of latitude, on a sphere with the earth's mean radius
DIGITS: Final = 6  # of a degree, about 0.1 m: below the finest square there is


class Place(Struct, frozen=True):
    """Degrees: the middle of a square whose sides are at least precision_m long. What it stands for lies in it."""

    lat: float
    lon: float
    precision_m: int


class Kept(Struct, frozen=True):
    """The newest position of a track. booking: whose. at_ms: since boot."""

    booking: int
    at_ms: int
    place: Place


def rule(kind: str | None, policy: Policy, wall: Sequence[int] | None) -> KindPolicy | None:
    """What holds for a booking now; `None`: nothing at all may be kept.

    kind: private, staff, relocation, maintenance, or `None` outside of any booking, where no purpose asks for anything;
    a kind this version does not know keeps nothing. wall: [lo, hi] in ms, `None` while the time is not known: staff
    then count as not at work (P7).
    """
    match kind:
        case "private":
            return policy.private
        case "staff":
            return policy.staff if working(policy.work, wall) else None
        case "relocation":
            return policy.relocation
        case "maintenance":
            return policy.maintenance
        case _:
            return None


def may_track(kind: str | None, policy: Policy, wall: Sequence[int] | None) -> bool:
    """Whether positions may be kept while driving. Never in a private booking, whatever the policy says (R27)."""
    found = rule(kind, policy, wall)
    return found is not None and found.track and kind != "private"


def paused(kind: str | None, policy: Policy, wall: Sequence[int] | None) -> bool:
    """Staff who are not at work, where something would be kept of them otherwise (P7)."""
    staff = policy.staff
    return kind == "staff" and (staff.track or staff.start or staff.end) and not working(policy.work, wall)


def may_keep_place(kind: str | None) -> bool:
    """Whether a leg may say at which station, or how far from one, it began and ended. Not in a private booking: where
    somebody went in between would be a place (R27). That the booking itself began and ended at one is what it is billed
    by, and stays in its own facts.
    """
    return kind in (None, "staff", "relocation", "maintenance")


def for_leg(kind: str | None, reading: Reading) -> Reading:
    """What a leg of such a booking may keep of a moment."""
    return reading if may_keep_place(kind) else {**reading, "at_station": None}


def track(
    last: Kept | None, booking: int, kind: str | None, policy: Policy, wall: Sequence[int] | None, at_ms: int,
    fix: Fix | None,
) -> Kept | None:
    """The newest position that may be known of this booking: the last one until the policy's time has passed, then the
    fix, made coarse. It is a new one when it is not `last`. at_ms: now, since boot.
    """  # fmt: skip
    found = rule(kind, policy, wall)
    if found is None or not may_track(kind, policy, wall):
        return None
    if last is not None and last.booking != booking:
        last = None
    if last is not None and at_ms - last.at_ms < found.every_s * 1000:
        return last
    if fix is None or fix.lat is None or fix.lon is None:
        return None
    return Kept(booking, at_ms, coarse(fix.lat, fix.lon, found.precision_m))


def place(
    event: str, kind: str | None, policy: Policy, wall: Sequence[int] | None, at_station: bool | None, fix: Fix | None
) -> Place | None:
    """Where a booking begins or ends, if that may be kept. event: "start" or "end". At a station its name is enough
    (P3).
    """
    found = rule(kind, policy, wall)
    wanted = found is not None and (found.start if event == "start" else found.end)
    if found is None or not wanted or at_station is True or fix is None or fix.lat is None or fix.lon is None:
        return None
    return coarse(fix.lat, fix.lon, found.precision_m)


def coarse(lat: float, lon: float, precision_m: int) -> Place:
    """The middle of the square of a fixed grid that the position lies in: everybody inside says the same, so that it
    tells no more than that, and saying it often tells no more either (P4).

    The grid divides the earth into whole rows and each row into whole columns, so that no square is a narrow rest. A
    square is as wide as precision_m at the end of it that is nearer to a pole.
    """
    rows = max(1, math.floor(180 * DEGREE_M / precision_m))
    height = 180 / rows
    row = min(max(math.floor((lat + 90) / height), 0), rows - 1)
    middle = (row + 0.5) * height - 90
    narrowest = max(0.0, math.cos(math.radians(min(abs(middle) + height / 2, 90.0))))
    columns = max(1, math.floor(360 * DEGREE_M * narrowest / precision_m))
    width = 360 / columns
    column = math.floor((lon + 180) / width) % columns
    return Place(round(middle, DIGITS), round((column + 0.5) * width - 180, DIGITS), precision_m)
