"""What is under way, booking, leg and charge: values that survive a power cut, and the one mutable place that holds
them.

What is not here: the rules by which a booking opens and ends (`agent/access/booking.py`), and how legs and charges go
on (`course.py`).
"""

from __future__ import annotations

import msgspec
from msgspec import Struct, field

from ..sync import stored
from .cable import Cable
from .charging import Charge
from .legs import Leg, Tally
from .privacy import Place
from .reading import Reading

BOOKING_KEY = "booking/open"
ENDED_KEY = "booking/ended/"
USED_KEY = "emergency/"
JUST_ENDED_NS = 600_000_000_000
LEG_KEY = "leg/open"
CHARGE_KEY = "charge/open"
COURSE_KEY = "journey/last"


class OpenBooking(Struct, frozen=True):
    """The booking that has the car. kind: private, staff, relocation, maintenance. paid_*: billed bounds, seconds since
    1970.

    legs: how many began so far. provisional: fields of `start` that nobody vouched for, until the car says
    them. tally: sums over the legs that are over. place: where it begins, on its way into a fact of its own and
    never kept beyond. named: what a receipt names its token by, 32 hex digits. lo_s: the earliest it can have begun,
    seconds. carried: names of the tokens that were believed for it, of the same form. Survives a power cut as JSON
    (`to_bytes`).
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
    tally: Tally = field(default_factory=Tally)
    place: Place | None = None
    named: str | None = None
    lo_s: int = 0
    carried: tuple[str, ...] = ()

    def to_bytes(self) -> bytes:
        return msgspec.json.encode(self)

    @classmethod
    def from_bytes(cls, data: bytes) -> OpenBooking | None:
        """`None` when these bytes are no booking of ours."""
        try:
            return stored.value(cls, data)  # what an earlier version wrote lacks `provisional` and what follows it
        except ValueError:
            return None

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


class Course(Struct, frozen=True):
    """What is under way at one moment. unbooked: how many legs began outside of any booking."""

    booking: OpenBooking | None = None
    leg: Leg | None = None
    charge: Charge | None = None
    cable: Cable = field(default_factory=Cable)
    unbooked: int = 0


class UnderWay(Struct):
    """The one mutable place for what is under way. The door opens and closes a booking and ends its leg, a new revision
    moves its paid bounds (`bookings.py`); the journey writes the rest.
    """

    booking: OpenBooking | None = None
    leg: Leg | None = None
    ended: set[int] = field(default_factory=set)  # numbers that were closed: they lose to a booking not yet used
    left: tuple[int, int] | None = None  # the booking that ended last, and when (ns); `None` once one has begun
    used: dict[str, int] = field(default_factory=dict)  # emergency tokens that have opened: id in hex, its end
    charge: Charge | None = None
    cable: Cable = field(default_factory=Cable)
    unbooked: int = 0

    def follow_end(self, before: OpenBooking | None, now_ns: int) -> None:
        """before: what was open until then."""
        if self.booking is not None:
            self.left = None
        elif before is not None:
            self.left = before.booking, now_ns

    def just_ended(self, now_ns: int) -> int | None:
        """The booking that ended in the last ten minutes, while none has begun since."""
        return self.left[0] if self.left is not None and now_ns - self.left[1] < JUST_ENDED_NS else None

    def course(self) -> Course:
        return Course(self.booking, self.leg, self.charge, self.cable, self.unbooked)

    def follow(self, course: Course) -> None:
        self.booking, self.leg, self.charge = course.booking, course.leg, course.charge
        self.cable, self.unbooked = course.cable, course.unbooked
