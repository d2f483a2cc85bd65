"""Pure: may a position be kept? Asked before anything is stored or sent, never afterwards (P4, R27).

What is not here: "at station?" itself, which is answered inside the car (`stations.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from config.settings import Tracking
from drivers.ports import Fix

from .reading import Reading
from .stations import Where

PLACE_DIGITS: Final = 5  # of a degree: as fine as a sample's
PLACE_M: Final = 1


def may_keep_position(kind: str | None, tracking: Tracking) -> bool:
    """kind: private, staff, relocation, maintenance, or `None` outside of any booking.

    A private booking never keeps one, whatever the settings say; outside of a booking there is no purpose that asks for
    one; a kind this version does not know is treated as private.
    """
    match kind:
        case "staff":
            return tracking.staff
        case "relocation":
            return tracking.relocation
        case "maintenance":
            return tracking.maintenance
        case _:
            return False


def may_keep_place(kind: str | None) -> bool:
    """Whether a leg may say at which station, or how far from one, it began and ended. Not in a private booking: where
    somebody went in between would be a place (R27). That the booking itself began and ended at one is what it is billed
    by, and stays in its own facts.
    """
    return kind in (None, "staff", "relocation", "maintenance")


def for_leg(kind: str | None, reading: Reading) -> Reading:
    """What a leg of such a booking may keep of a moment."""
    return reading if may_keep_place(kind) else {**reading, "at_station": None}


@dataclass(frozen=True, slots=True)
class Place:
    """Degrees, rounded so that they tell no more than precision_m."""

    lat: float
    lon: float
    precision_m: int


def place(kind: str | None, tracking: Tracking, where: Where, fix: Fix | None) -> Place | None:
    """The place where a booking begins or ends, if it may be kept. At a station its name is enough (P3)."""
    if not may_keep_position(kind, tracking) or where.at is True:
        return None
    if fix is None or fix.lat is None or fix.lon is None:
        return None
    return Place(round(fix.lat, PLACE_DIGITS), round(fix.lon, PLACE_DIGITS), PLACE_M)
