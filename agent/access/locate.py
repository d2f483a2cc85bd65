"""The one position that is asked for by name: by a signed command, for a reason, once (P1, P2).

A declared theft, by somebody entitled to declare it; assistance, asked for by the driver or for the driver. What is not
here: who may hold these rights (`keyless/claims.py`), and judging and answering a command (`remote.py`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final, NamedTuple

from msgspec import Struct, field

from keyless.claims import Action, Booking, Command, Role
from keyless.refusal import Code, Refusal, refused

from ..car.privacy import Place
from ..car.reading import Reading
from ..car.under_way import OpenBooking
from ..sync import stored
from ..sync.store import Fact
from .booking import OpenNow
from .deciding import nothing_open, occupied

REASONS: Final = {Action.LOCATE_THEFT: "theft", Action.LOCATE_ASSISTANCE: "assistance"}
EVERY_MS: Final = 600_000  # asked for every second, the positions would be the track that a private booking has not
TOLD_KEY: Final = "locate/told"
TOO_SOON: Final = "located less than ten minutes ago"
KEPT: Final = "the position is in the facts"
UNKNOWN: Final = "the position is not known"


class Moment(NamedTuple):
    """Of a reading, its time alone."""

    boot: str
    at: int
    wall: tuple[int, int] | None


class Told(Struct):
    """When a position was last told, by reason and booking (0: none); only what may still refuse a command. Survives a
    power cut as JSON.
    """

    last: dict[str, Moment] = field(default_factory=dict)

    def load(self, vault: Mapping[str, bytes]) -> None:
        """What does not read is as if nothing had been told."""
        try:
            self.last = stored.value(dict[str, Moment], vault.get(TOLD_KEY, b"{}"))
        except ValueError:
            self.last = {}

    def lately(self, open_: OpenBooking | None, now: Reading) -> frozenset[Action]:
        """What of it would be too soon again."""
        found = {action: self.last.get(_name(action, open_)) for action in REASONS}
        return frozenset(it for it, last in found.items() if last is not None and not _long_ago(last, _time(now)))

    def note(self, command: Command, open_: OpenBooking | None, now: Reading) -> dict[str, bytes]:
        """What of it must be on disk, in one transaction with the position."""
        told = _time(now)
        self.last = {name: each for name, each in self.last.items() if not _long_ago(each, told)}
        self.last[_name(command.action, open_)] = told
        return {TOLD_KEY: json.dumps(self.last, separators=(",", ":")).encode()}


def _name(action: Action, open_: OpenBooking | None) -> str:
    return f"{REASONS[action]}/{open_.booking if open_ is not None else 0}"


def _time(now: Reading) -> Moment:
    wall = now["wall"]
    return Moment(now["boot"], now["at"], None if wall is None else (wall[0], wall[1]))


def _long_ago(last: Moment, now: Moment) -> bool:
    """Surely: by the board's own clock, which a new boot starts at nought, else by the trusted time of both."""
    if last.boot == now.boot:
        return now.at - last.at >= EVERY_MS
    if now.at >= EVERY_MS:
        return True
    return last.wall is not None and now.wall is not None and now.wall[0] - last.wall[1] >= EVERY_MS


def forbidden(booking: Booking, open_: OpenNow | None) -> Refusal | None:
    """A driver asks for himself: for the booking that has the car, and no other. Everybody else is an operator's hand,
    and on record.
    """
    if booking.role is not Role.DRIVER:
        return None
    if open_ is None:
        return nothing_open(booking)
    if open_.booking != booking.booking:
        return occupied(booking, open_)
    return None


def too_soon(booking: Booking) -> Refusal:
    return refused(Code.STATE_GUARD, TOO_SOON, booking, reasons=["located"])


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
