"""Pure: legs, from ignition to ignition, inside a booking or outside of any (D4).

What is not here: the booking (`agent/access/booking.py`) and writing anything down (`journey.py`).
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from .state import Reading

CHECKPOINT_MS: Final = 60_000


class Change(StrEnum):
    OPENED = "opened"
    CHECKPOINT = "checkpoint"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Leg:
    """number: counts from 1 inside its booking. last: the newest checkpoint, which a power cut leaves us with."""

    number: int
    booking: int | None
    start: Reading
    last: Reading

    def to_bytes(self) -> bytes:
        found = {"number": self.number, "booking": self.booking, "start": self.start, "last": self.last}
        return json.dumps(found, separators=(",", ":")).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> Leg | None:
        """`None` when these bytes are no leg of ours."""
        try:
            found = json.loads(data)
            return cls(int(found["number"]), found["booking"], found["start"], found["last"])
        except (ValueError, KeyError, TypeError):
            return None


@dataclass(frozen=True, slots=True)
class LegChange:
    """end and km: only when closed; km is null where an odometer reading is missing."""

    change: Change
    leg: Leg
    end: Reading | None = None

    @property
    def km(self) -> float | None:
        return None if self.end is None else driven_km(self.leg.start, self.end)

    def body(self) -> dict[str, object]:
        """The body of a `leg` fact."""
        return {
            "event": self.change.value,
            "booking": self.leg.booking,
            "leg": self.leg.number,
            "start": self.leg.start,
            "end": self.end,
            "km": self.km,
        }


def step(
    leg: Leg | None, ignition: bool | None, booking: int | None, number: int, now: Reading
) -> tuple[Leg | None, tuple[LegChange, ...]]:
    """One look at the car. ignition `None` (nobody knows) neither opens nor closes. number: what the next leg would be
    called.

    A leg that outlived its booking, or began before it, is closed, and the rest of the drive is a leg of its own.
    """
    changes: list[LegChange] = []
    if leg is not None and (ignition is False or leg.booking != booking):
        # Taken under the rules of whoever has the car now: its place is not this leg's to keep (R27).
        hidden: Reading = {**now, "position": None, "at_station": None}
        changes.append(close(leg, now if leg.booking == booking else hidden))
        leg = None
    if leg is None and ignition is True:
        leg = Leg(number, booking, now, now)
        changes.append(LegChange(Change.OPENED, leg))
    elif leg is not None and (now["boot"] != leg.last["boot"] or now["at"] - leg.last["at"] >= CHECKPOINT_MS):
        leg = replace(leg, last=_newest(leg, now))
        changes.append(LegChange(Change.CHECKPOINT, leg))
    return leg, tuple(changes)


def close(leg: Leg, now: Reading) -> LegChange:
    return LegChange(Change.CLOSED, leg, _newest(leg, now))


def driven_km(start: Reading, end: Reading) -> float | None:
    """Kilometres by the car's own odometer, rounded to its finest step (10 m); null where a reading is missing."""
    before, after = start["odometer_km"], end["odometer_km"]
    return None if before is None or after is None else round(after - before, 2)


def _newest(leg: Leg, now: Reading) -> Reading:
    """After a power cut the car may say nothing yet: then the checkpoint is the truth as far as we know it."""
    return leg.last if now["odometer_km"] is None and leg.last["odometer_km"] is not None else now
