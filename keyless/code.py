"""8-digit codes for a keypad: from a car's secret and a booking's number to digits, and back to what a code stands for.

The desk is the operator's people; at its hotline somebody reads codes out. A slot is one of the eight codes of a day.

Both sides use it: the desk makes codes, the car compares. The car takes a code for a booking that it has stored, a code
of the day for one that it has not heard of, and one that ends the booking under way by force (R1). How often somebody
may guess is `tries.py`; the keypad and the stored bookings are the agent's.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator
from enum import IntEnum
from typing import Final

from msgspec.structs import replace

from .claims import Action, BadgeId, Booking, BookingKind, Claims, Interval, Role, derived_id
from .refusal import Code, Refusal
from .verify import UNSURE_ACCEPTED, Situation, believe, believe_vouched

DIGITS: Final = 8
KEY_BYTES: Final = 32
DAY_S: Final = 86_400
SLOTS: Final = 8  # codes of one day: each can be guessed all day long, whether the hotline has read it out or not
SLOT_BITS: Final = 5
END_LATE_S: Final = 3_600  # what is read out just before midnight is typed after it
LATE_S: Final = 12 * 3_600  # a code of the day is good until noon of the next one: a night out is one booking
HOTLINE: Final = 1 << 52  # booking numbers from here on stand for a day and a slot
RIGHTS: Final = Action.UNLOCK | Action.LOCK | Action.START | Action.END  # R11
HOTLINE_NOTE: Final = "hotline_code"
END_NOTE: Final = "hotline_end"
_ROLES: Final = (Role.DRIVER, Role.AGENT)
_CTI: Final = b"hotline\0"
_END_CTI: Final = b"end\0"


class CodeKind(IntEnum):
    """BOOKING comes with the booking. DESK is read out by a person, who vouches that now is within the booking: a car
    without a clock takes their word (R12, R18). END is read out to end the booking under way, whatever the car's checks
    say (R1): it stands for no token and opens nothing.
    """

    BOOKING = 1
    DESK = 2
    END = 3


def booking_code(key: bytes, booking: int, revision: int, kind: CodeKind = CodeKind.BOOKING) -> str:
    """Eight digits. key: the vehicle's code key, 32 bytes. booking: below 2^53; revision: below 2^32 (see `end_code`).
    """
    named = bytes([kind]) + booking.to_bytes(8, "big") + revision.to_bytes(4, "big")
    return _digits(_mac(key, b"code" + named))


def end_code(key: bytes, booking: int, day: int) -> str:
    """Eight digits that end this booking by force, once. day: UTC days since 1970; it stands where another code has the
    revision.
    """
    return booking_code(key, booking, day, CodeKind.END)


def day_key(key: bytes, day: int) -> bytes:
    """32 bytes for the codes of one UTC day (days since 1970): all that a hotline has to hold of a vehicle's secret."""
    return _mac(key, b"code day" + day.to_bytes(4, "big"))


def slot_code(key_of_day: bytes, slot: int) -> str:
    """Eight digits. key_of_day: see `day_key`. slot: below `SLOTS`, each for one booking."""
    return _digits(_mac(key_of_day, b"slot" + bytes([slot])))


def stands_for(key: bytes, digits: str, booking: Claims) -> CodeKind | None:
    """Whether these digits are a code of this booking. Booking 0, and roles that may do more than drive, have none."""
    if booking.booking == 0 or booking.role not in _ROLES:
        return None
    for kind in (CodeKind.BOOKING, CodeKind.DESK):
        if _same(booking_code(key, booking.booking, booking.revision, kind), digits):
            return kind
    return None


def within_a_day(booking: Claims, now: Interval) -> bool:
    """Whether this booking's code may be told from a wrong one now: from a day before it begins until a day after its
    end. Others are nobody's business at a keypad, and would be something to guess.
    """
    begun = now.hi_s is None or booking.nbf - DAY_S <= now.hi_s
    return begun and now.lo_s <= booking.exp + DAY_S


def admitted(token: bytes, kind: CodeKind, situation: Situation) -> Booking | Refusal:
    """The stored booking as whoever typed its code has it now: judged as its token is, with no right beyond a code's.

    A driver's code from the desk passes a clock that is unsure, noted `clock_unsure_accepted`; never one that is sure.
    """
    found = believe(token, situation)
    if kind is CodeKind.DESK and isinstance(found, Refusal) and found.code is Code.CLOCK_UNSURE:
        claims = found.claims
        assert claims is not None
        if claims.role is Role.DRIVER:
            vouched = Interval(max(situation.now.lo_s, claims.nbf), claims.exp, "desk")
            found = believe(token, replace(situation, now=vouched))
            found = found if isinstance(found, Refusal) else replace(found, note=UNSURE_ACCEPTED)
    return found if isinstance(found, Refusal) else replace(found, actions=found.actions & RIGHTS)


def hotline_admitted(number: int, situation: Situation) -> Booking | Refusal:
    """The booking of a slot, of which no token is stored: window and revocation as for a token, noted."""
    found = believe_vouched(hotline_claims(number, situation.vehicle, situation.operator or ""), situation)
    return found if isinstance(found, Refusal) or found.note is not None else replace(found, note=HOTLINE_NOTE)


# --- the code that ends a booking ------------------------------------------------------------------------------------


def end_until(day: int) -> int:
    """When such a code is over, in seconds."""
    return (day + 1) * DAY_S + END_LATE_S


def ends(key: bytes, digits: str, now: Interval, booking: int) -> int | None:
    """The UTC day for which these digits are the code that ends this booking, or `None`."""
    if not 0 < booking < 1 << 53:
        return None
    for day in _days(now, END_LATE_S):
        if _same(end_code(key, booking, day), digits):
            return day
    return None


def ending(booking: int, day: int) -> Booking:
    """Who ends that booking by such a code, as a booking with the one right to do so. No token; the secret vouches."""
    cti = _END_CTI + day.to_bytes(4, "big") + booking.to_bytes(8, "big")
    begin, until = day * DAY_S, end_until(day)
    return Booking(
        iss="", aud=b"", exp=until, nbf=begin, iat=begin, cti=cti, confirmation=BadgeId(derived_id(b"hotline", cti)),
        role=Role.AGENT, actions=int(Action.END), early_s=0, late_s=0, booking=booking, revision=0, flags=0, ignored=0,
        paid_from_s=begin, paid_to_s=until, token=b"", note=END_NOTE,
    )  # fmt: skip


# --- codes of the day ------------------------------------------------------------------------------------------------


def hotline_number(day: int, slot: int) -> int:
    """The booking number of a slot."""
    return HOTLINE | day << SLOT_BITS | slot


def hotline_slot(number: int) -> tuple[int, int] | None:
    """The UTC day and the slot of such a number; `None` for a booking of the backend's own."""
    day, slot = _day_and_slot(number)
    return (day, slot) if number >= HOTLINE and day < 1 << 32 and slot < SLOTS else None


def hotline_end(number: int) -> int:
    """When a slot is over, in seconds."""
    day, _ = _day_and_slot(number)
    return (day + 1) * DAY_S + LATE_S


def hotline_booking(key: bytes, digits: str, now: Interval, open_booking: int | None) -> int | None:
    """The booking number that these digits stand for as a code of the day, or `None`. The slot of the open booking is
    always one of those that are asked (R5).
    """
    found = None
    for number in _numbers(now, open_booking):
        day, slot = _day_and_slot(number)
        if found is None and _same(slot_code(day_key(key, day), slot), digits):
            found = number
    return found


def hotline_claims(number: int, vehicle: bytes, operator: str) -> Claims:
    """What such a booking is, as far as a car can know: private, of a driver, from the day's begin until noon of the
    next, with no right but a code's. Not signed: the secret vouches for it. Raises `ValueError` for another number.
    """
    told = hotline_slot(number)
    if told is None:
        raise ValueError(f"{number} is no number of a slot")
    begin = told[0] * DAY_S
    return Claims(
        iss=operator,
        aud=vehicle,
        exp=hotline_end(number),
        nbf=begin,
        iat=begin,
        cti=_CTI + number.to_bytes(8, "big"),
        confirmation=BadgeId(derived_id(b"hotline", vehicle + number.to_bytes(8, "big"))),
        role=Role.DRIVER,
        actions=int(RIGHTS),
        early_s=0,
        late_s=0,
        booking=number,
        revision=0,
        flags=int(BookingKind.PRIVATE),
    )


def hotline_token(cti: bytes) -> int | None:
    """The booking number in the token id of `hotline_claims`; `None` for any other token's id."""
    number = int.from_bytes(cti[8:], "big")
    return number if len(cti) == 16 and cti[:8] == _CTI and hotline_slot(number) is not None else None


def _day_and_slot(number: int) -> tuple[int, int]:
    return (number & ~HOTLINE) >> SLOT_BITS, number & (1 << SLOT_BITS) - 1


def _numbers(now: Interval, open_booking: int | None) -> Iterator[int]:
    if open_booking is not None and hotline_slot(open_booking) is not None:
        yield open_booking
    for day in _days(now, LATE_S):
        yield from (hotline_number(day, slot) for slot in range(SLOTS))


def _days(now: Interval, late_s: int) -> range:
    """That it may be, three at most; a day goes on for late_s. Where nothing bounds the time, those of a driver's token
    (R18): a day ahead.
    """
    hi_s = now.lo_s + DAY_S if now.hi_s is None else now.hi_s
    first, last = int(max(0.0, now.lo_s - late_s - 1) // DAY_S), int(hi_s // DAY_S)
    return range(first, min(last, first + 2) + 1)


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(), other.encode())


def _mac(key: bytes, message: bytes) -> bytes:
    return hmac.digest(key, message, hashlib.sha256)  # in one call of C: a store has up to 512 bookings to compare


def _digits(mac: bytes) -> str:
    """The first 8 bytes as a big-endian number, modulo 10^8: no code is more likely than another by 6 in 10^12."""
    return f"{int.from_bytes(mac[:8], 'big') % 10**DIGITS:0{DIGITS}d}"
