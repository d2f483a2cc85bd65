"""Pure: may a position be kept? Asked before anything is stored or sent, never afterwards (P4, R27).

What is not here: "at station?" itself, which is answered inside the car (`stations.py`).
"""

from __future__ import annotations

from config.settings import Tracking

from .state import Reading


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


def for_leg(kind: str | None, reading: Reading) -> Reading:
    """What a leg may say of a moment. In a private booking no station: where somebody went in between would be a place
    (R27). That the booking began and ended at one is what it is billed by, and stays in its own facts.
    """
    known = kind in (None, "staff", "relocation", "maintenance")
    return reading if known else {**reading, "position": None, "at_station": None}
