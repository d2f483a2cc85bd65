"""The one position that is asked for by name: by a signed command, for a reason, once (P1, P2).

A declared theft, by somebody entitled to declare it; assistance, asked for by the driver or for the driver. What is not
here: who may hold these rights (`keyless/claims.py`), and judging and answering a command (`remote.py`).
"""

from __future__ import annotations

from typing import Final

from keyless.claims import Action, Booking, Command, Role
from keyless.refusal import Code, Refusal, refused

from ..car.privacy import Place
from ..car.under_way import OpenBooking
from ..sync.store import Fact

REASONS: Final = {Action.LOCATE_THEFT: "theft", Action.LOCATE_ASSISTANCE: "assistance"}
KEPT: Final = "the position is in the facts"
UNKNOWN: Final = "the position is not known"


def forbidden(booking: Booking, open_: OpenBooking | None) -> Refusal | None:
    """A driver asks for himself: for the booking that has the car, and no other. Everybody else is an operator's hand,
    and on record.
    """
    if booking.role is not Role.DRIVER:
        return None
    if open_ is None:
        return refused(Code.STATE_GUARD, "no booking is open", booking)
    if open_.booking != booking.booking:
        return refused(Code.OCCUPIED, "another booking is open", booking, free_at=open_.paid_to_s)
    return None


def told(booking: Booking, command: Command, open_: OpenBooking | None, place: Place | None) -> tuple[Fact, ...]:
    """The position, where it is known; who asked for it and why, which stays when the position has gone; and the
    command's own fact last. No coordinates but in the first.
    """
    reason, name = REASONS[command.action], command.id.hex()
    number = open_.booking if open_ is not None else None
    who: dict[str, object] = {
        "event": reason, "booking": number, "booking_kind": open_.kind if open_ is not None else None,
        "role": booking.role.name.lower(), "holder": booking.confirmation.id.hex(), "token": booking.cti.hex(),
        "command": name, "found": place is not None,
    }  # fmt: skip
    result = {"code": code(place), "why": KEPT if place is not None else UNKNOWN}
    last = Fact("command", {"id": name, "action": f"locate_{reason}", "result": result})
    facts = (Fact("located", who), last)
    if place is None:
        return facts
    body = {"event": reason, "booking": number, "lat": place.lat, "lon": place.lon, "precision_m": place.precision_m}
    return (Fact("position", body), *facts)


def code(place: Place | None) -> str:
    """Of the command's answer."""
    return "done" if place is not None else "failed"
