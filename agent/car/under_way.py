"""The booking and the leg under way: values that survive a power cut, and the one mutable place that holds them.

What is not here: the rules by which a booking opens and ends (`agent/access/booking.py`) and legs (`legs.py`).
"""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import asdict, dataclass, field, replace
from typing import Any, TypeVar

from .legs import Leg
from .state import Reading

Value = TypeVar("Value")

BOOKING_KEY = "booking/open"
ENDED_KEY = "booking/ended/"
LEG_KEY = "leg/open"


@dataclass(frozen=True, slots=True)
class OpenBooking:
    """The booking that has the car. kind: private, staff, relocation, maintenance. paid_*: billed bounds, seconds since
    1970.

    legs: how many began so far. provisional: fields of `start` only recalled from before a power cut, until the car
    says them. Survives a power cut as JSON (`to_bytes`).
    """

    booking: int
    token: str
    holder: str | None
    kind: str
    paid_from_s: int
    paid_to_s: int
    start: Reading
    legs: int = 0
    provisional: tuple[str, ...] = ()

    def to_bytes(self) -> bytes:
        return json.dumps(asdict(self), separators=(",", ":")).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> OpenBooking | None:
        """`None` when these bytes are no booking of ours."""
        try:
            return cls.from_json(json.loads(data))
        except (ValueError, TypeError):
            return None

    @classmethod
    def from_json(cls, found: dict[str, Any]) -> OpenBooking:
        """What an earlier version wrote lacks `provisional`."""
        return cls(**{**found, "provisional": tuple(found.get("provisional", ()))})

    def opened_body(self) -> dict[str, object]:
        """The body of the fact `booking` opened."""
        return {
            "event": "opened",
            "booking": self.booking,
            "token": self.token,
            "holder": self.holder,
            "booking_kind": self.kind,
            "start": self.start,
        }


@dataclass(slots=True)
class UnderWay:
    """The one mutable place for what is under way. The door opens and closes a booking and ends its leg, a new revision
    moves its paid bounds (`bookings.py`); the journey writes legs, counts them and completes the start.
    """

    booking: OpenBooking | None = None
    leg: Leg | None = None
    ended: set[int] = field(default_factory=set)  # numbers that were closed: they lose to a booking not yet used


def completed(open_: OpenBooking, seen: Reading, recalled: Collection[str]) -> OpenBooking:
    """A booking opens on a sleeping car: what it did not say then is taken from its first words, before it has driven.

    recalled: fields of `seen` that the car has not said since a power cut. They fill a gap and never replace anything.
    """
    start = open_.start
    told = {name for name in open_.provisional if name not in recalled}

    def first(name: str, old: Value, new: Value) -> Value:
        return new if old is None or name in told else old

    better: Reading = {
        **start,
        "odometer_km": first("odometer_km", start["odometer_km"], seen["odometer_km"]),
        "soc_percent": first("soc_percent", start["soc_percent"], seen["soc_percent"]),
        "energy_kwh": first("energy_kwh", start["energy_kwh"], seen["energy_kwh"]),
        "range_km": first("range_km", start["range_km"], seen["range_km"]),
        "plugged": first("plugged", start["plugged"], seen["plugged"]),
    }
    return replace(open_, start=better, provisional=tuple(it for it in open_.provisional if it not in told))
