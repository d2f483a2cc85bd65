"""Pure: may a position be kept? Asked before anything is stored or sent, never afterwards (P4, R27).

What is not here: "at station?", which is answered inside the car and always may be kept (`stations.py`).
"""

from __future__ import annotations

from config.settings import Tracking


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
