"""Pure: one look at the car moves on what is under way, and tells the facts that follow. The state before and the look
decide alone: the same day gives the same facts, byte for byte, also when the process is killed in between.

What is not here: reading the clock, the car and the disk (`journey.py`), and the door's part of it: bookings that open
and close (`agent/access/booking.py`).
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from msgspec import Struct
from msgspec.structs import asdict, replace

from ..sync import stored
from . import cable, charging, legs
from .cable import Cable, Turn
from .charging import Charge
from .legs import Leg, Told
from .look import Look
from .reading import LATE_KM, completed, driven_km, replaced
from .under_way import BOOKING_KEY, CHARGE_KEY, COURSE_KEY, LEG_KEY, Course, OpenBooking


def step(course: Course, look: Look) -> tuple[Course, tuple[Told, ...]]:
    """In this order: the cable, the charge, the leg, and a booking's start that the sleeping car could not tell."""
    booking = course.booking
    number, kind = (booking.booking, booking.kind) if booking is not None else (None, None)
    believed, turn = cable.step(course.cable, look, number, kind)
    charge, told = charging.step(course.charge, look, number, course.cable, believed.plugged)
    before, (course, left) = course.leg, _leg(replace(course, charge=charge, cable=believed), look)
    course = replace(course, booking=_begun(course, look))
    return replace(course, booking=_not_billed_twice(course, before)), (*_plug(believed, turn), *told, *left)


def _plug(believed: Cable, turn: Turn | None) -> tuple[Told, ...]:
    if turn is None:
        return ()
    event = "plugged" if believed.plugged else "unplugged"
    return (("plug", {"event": event, "booking": turn.booking, "reading": turn.reading}),)


def _leg(course: Course, look: Look) -> tuple[Course, tuple[Told, ...]]:
    booking = course.booking
    if booking is None:
        done = legs.step(course.leg, look, None, None, course.unbooked + 1)
        return replace(course, leg=done.leg, unbooked=course.unbooked + done.opened), done.told
    done = legs.step(course.leg, look, booking.booking, booking.kind, booking.legs + 1)
    if done.ended is not None and done.ended.booking == booking.booking:
        booking = replace(booking, tally=booking.tally.plus(done.ended.tally))
    booking = replace(booking, legs=booking.legs + done.opened)
    return replace(course, leg=done.leg, booking=booking), done.told


def _begun(course: Course, look: Look) -> OpenBooking | None:
    """A start reading that the sleeping car could not give is completed before the first leg is over."""
    booking = course.booking
    if booking is None or booking.legs > 1 or (booking.legs == 1 and course.leg is None):
        return booking
    start, provisional = completed(booking.start, booking.provisional, look.now, look.recalled)
    return replace(booking, start=start, provisional=provisional)


def _not_billed_twice(course: Course, before: Leg | None) -> OpenBooking | None:
    """What the first leg's first words say of the odometer is true of the booking's start too: the kilometre that the
    last driver's car did not tell any more is his. before: the leg at the last look.
    """
    booking, leg = course.booking, course.leg
    if booking is None or leg is None or (leg.booking, leg.number) != (booking.booking, 1):
        return booking
    if before is not None and (before.told or before.booking != booking.booking):
        return booking
    late_km = driven_km(booking.start, leg.start)
    if late_km is None or not 0 < late_km <= LATE_KM:
        return booking
    return replace(booking, start=replaced(booking.start, leg.start, ("odometer_km",)))


# --- what of it must be on disk, and when


def worth_a_commit(before: Course, after: Course) -> bool:
    """Something began, ended, or was learnt that must not be lost; everything else rides along with other writes."""
    return (
        before.booking != after.booking
        or (before.cable, before.unbooked) != (after.cable, after.unbooked)
        or _first(before.leg) != _first(after.leg)
        or _stage(before.charge) != _stage(after.charge)
    )


def _first(leg: Leg | None) -> object:
    if leg is None:
        return None
    end = leg.last if leg.off else None  # which no later look tells again
    return leg.number, leg.booking, leg.start, leg.told, leg.off, end


def _stage(charge: Charge | None) -> tuple[bool, ...] | None:
    if charge is None:
        return None
    stage = charge.charging, charge.turn is None, charge.why is None, charge.station is None
    return *stage, charge.out is None


def to_vault(course: Course) -> dict[str, bytes]:
    """All of it but the booking, which the door writes too."""
    last = {**asdict(course.cable), "unbooked": course.unbooked}
    kept = {COURSE_KEY: msgspec.json.encode(last)}
    if course.leg is not None:
        kept[LEG_KEY] = course.leg.to_bytes()
    if course.charge is not None:
        kept[CHARGE_KEY] = course.charge.to_bytes()
    return kept


def changes(before: Course, after: Course) -> tuple[dict[str, bytes], tuple[str, ...]]:
    """What a commit puts and drops."""
    put = to_vault(after)
    if after.booking is not None and after.booking != before.booking:
        put[BOOKING_KEY] = after.booking.to_bytes()
    return put, tuple(key for key in (LEG_KEY, CHARGE_KEY) if key not in put)


class _Last(Struct, frozen=True):
    """What `COURSE_KEY` holds."""

    plugged: bool | None = None
    turn: Turn | None = None
    unbooked: int = 0
    unseen: bool = False


def from_vault(vault: Mapping[str, bytes], booking: OpenBooking | None, leg: Leg | None) -> Course:
    """What was under way when the power went; what cannot be read is as if it had never been. booking, leg: which the
    door has read already.
    """
    charge = Charge.from_bytes(vault[CHARGE_KEY]) if CHARGE_KEY in vault else None
    try:
        last = stored.value(_Last, vault.get(COURSE_KEY, b"{}"))
        return Course(booking, leg, charge, Cable(last.plugged, last.turn, last.unseen), last.unbooked)
    except ValueError:
        return Course(booking, leg, charge)
