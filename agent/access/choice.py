"""Pure: what the stored tokens say. Which of them a badge or a code stands for, which are outdated, who may start and
who drives the open booking, when a slot of the day makes way, and whether a booking that was closed opens again.

What is not here: the tokens themselves (`bookings.py`) and the judging of each one (`keyless/verify.py`).
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Set
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from keyless.claims import Action, Booking, BookingKind, Claims, Role
from keyless.code import CodeKind, hotline_slot
from keyless.refusal import Code, Refusal, refused
from keyless.token import token_hash
from keyless.verify import DRIVES

from ..car.under_way import OpenBooking

MOST_CARRIED: Final = 64  # tokens of one booking: its drivers', and as many extensions
SLOT_YIELDS_S: Final = 900  # a quarter of an hour: who has just typed a code is not on the road for less
NEAREST: Final = (Code.CLOCK_UNSURE, Code.TOO_EARLY, Code.EXPIRED, Code.SUPERSEDED, Code.REVOKED)


class Stored(Struct, frozen=True):
    """A stored token, or one that a phone shows. nbf: of its claims, seconds.

    code: it is named by a code, of this kind. Without a token it is then a slot of the day, whose paid end is at
    `until` at the latest (seconds; `None`: at its own), or, of the kind END, what ends that booking by force; nbf is
    then the begin of the code's day.
    """

    booking: int
    nbf: int
    token: bytes
    code: CodeKind | None = None
    until: int | None = None


class Window(Struct, frozen=True):
    """The paid time of a stored booking, in seconds."""

    booking: int
    paid_from_s: int
    paid_to_s: int


def may_start(booking: Booking, stored: Iterable[Booking]) -> bool:
    """Whether it gives the right START. A backend's token has no such bit: where it opens a booking, the stored tokens
    of that booking tell, and where there are none nobody is left standing (R5).
    """
    if booking.role is not Role.BACKEND or not booking.booking:
        return bool(booking.actions & Action.START)
    own = [it.actions for it in stored if it.booking == booking.booking and it.role is not Role.BACKEND]
    return not own or any(actions & Action.START for actions in own)


def may_start_now(open_: OpenBooking | None, stored: Iterable[Booking]) -> bool:
    """Whether the stored tokens give START to who opened this booking, also one that came since: his own; where it was
    opened from afar, those of anybody who drives it.
    """
    own = [it for it in stored if open_ is not None and it.booking == open_.booking]
    openers = [it for it in own if open_ is not None and it.confirmation.id.hex() == open_.holder]
    return any(it.actions & Action.START for it in openers or own if it.role in DRIVES)


def carried(booking: int, believed: Iterable[Booking], before: Iterable[str] = ()) -> tuple[str, ...]:
    """Names of the believed tokens whose holders drive this booking, the last ones behind those of before (D20)."""
    drive = (it.token for it in believed if it.token and it.booking == booking and it.role in DRIVES)
    return tuple(dict.fromkeys((*before, *(token_hash(token).hex() for token in drive))))[-MOST_CARRIED:]


def revised(open_: OpenBooking, new: Booking, stored: Iterable[Booking]) -> OpenBooking:
    """Once a token of the booking under way is stored: who drives is believed for it. Its paid bounds move (extension,
    early return) with a token of who opened it, and with one of a revision that he has none of; a slot's with any.
    stored: `new` among them.
    """
    if new.role not in DRIVES:
        return open_
    kept = carried(open_.booking, (new,), open_.carried)
    drivers, opener = _drivers(open_.booking, stored), open_.holder
    if hotline_slot(open_.booking) is not None or new.confirmation.id.hex() == opener:
        drivers = [new]
    elif any(it.confirmation.id.hex() == opener for it in drivers):
        return replace(open_, carried=kept)
    first, last = min(it.paid_from_s for it in drivers), max(it.paid_to_s for it in drivers)
    return replace(open_, paid_from_s=first, paid_to_s=last, carried=kept)


def paid(booking: Booking, stored: Iterable[Booking]) -> tuple[int, int]:
    """The paid bounds of what it opens, in seconds: its own; where it is nobody's who drives, those of the stored ones.
    """
    drivers = [] if booking.role in DRIVES else _drivers(booking.booking, stored)
    mine = drivers or [booking]
    return min(it.paid_from_s for it in mine), max(it.paid_to_s for it in mine)


def _drivers(booking: int, stored: Iterable[Booking]) -> list[Booking]:
    """Tokens of those who drive it, of the newest revision."""
    mine = [it for it in stored if it.booking == booking and it.role in DRIVES]
    newest = max((it.revision for it in mine), default=0)
    return [it for it in mine if it.revision == newest]


def _expected(it: Booking, ended: Set[int]) -> bool:
    """Somebody comes to drive it, and has not had the car yet. Who cleans or mends takes a car that stands (R23)."""
    drives = it.role in DRIVES and it.kind is not BookingKind.MAINTENANCE
    return drives and it.booking != 0 and it.booking not in ended


def paid_until(stored: Iterable[Booking], now_s: float, ended: Set[int]) -> int | None:
    """When a slot of the day makes way, in seconds: as the paid time of the first booking begins that has not had the
    car yet, and soon where it has begun; its driver is only late. `None`: no such booking.
    """
    due = (it for it in stored if _expected(it, ended) and now_s < it.paid_to_s)
    begins = [it.paid_from_s if now_s < it.paid_from_s else math.ceil(now_s) + SLOT_YIELDS_S for it in due]
    return min(begins, default=None)


def yielding(
    open_: OpenBooking, stored: Collection[Booking], now_s: float, ended: Set[int]
) -> OpenBooking:
    """The open booking once another is stored: a slot of the day makes way for whom the car has heard of since, as if
    its code were typed now, and never later than before (R4). One that the desk sent a token for has its own end.
    """
    if hotline_slot(open_.booking) is None or any(it.booking == open_.booking for it in stored):
        return open_
    until = paid_until(stored, now_s, ended)
    return open_ if until is None or until >= open_.paid_to_s else replace(open_, paid_to_s=until)


def outdated(believed: Mapping[str, Booking], revisions: Mapping[int, int], open_: int | None) -> list[str]:
    """Believed tokens of which a higher revision is known. Of the open booking only those whose holder has a newer one:
    the others still open away from a station (R5, R6, D20), and go when it has closed.
    """
    newest: dict[object, int] = {}
    for it in believed.values():
        if it.booking == open_:
            newest[it.confirmation, it.role] = max(it.revision, newest.get((it.confirmation, it.role), 0))

    def current(it: Booking) -> int:
        return newest[it.confirmation, it.role] if it.booking == open_ else revisions.get(it.booking, 0)

    return [name for name, it in believed.items() if it.booking and it.revision < current(it)]


def waiting(stored: Iterable[Booking], now_s: float, ended: Set[int]) -> tuple[Window, ...]:
    """Whose paid time is now and who has not had it yet: the first two, which is enough to find another than any."""
    found: dict[int, Window] = {}
    for it in stored:
        if _expected(it, ended) and it.paid_from_s <= now_s < it.paid_to_s and len(found) < 2:
            found.setdefault(it.booking, Window(it.booking, it.paid_from_s, it.paid_to_s))
    return tuple(found.values())


def over(
    booking: Booking, others: Iterable[Window], open_: int | None, now_s: float, ended: Set[int], at_station: bool
) -> Refusal | None:
    """Whether a booking that was closed may not be opened again: its paid time is over, or another's has begun. Grace
    is for the one who is late, not for a second drive in the next one's time.

    Where the car does not know that it is at a station, grace does open it again: a tap meant as a pause may have
    ended it far from home, and nobody is stranded for that (R5).

    others: see `waiting`.
    """
    if booking.booking not in ended or booking.booking == open_:
        return None
    if at_station and now_s >= booking.paid_to_s:
        return _ended("ended", "its paid time is over", booking, booking.paid_to_s)
    for other in others:
        if other.booking != booking.booking:
            return _ended("another_began", "another booking has begun", booking, other.paid_from_s)
    return None


def _ended(reason: str, why: str, booking: Booking, until_s: int) -> Refusal:
    return refused(Code.EXPIRED, f"ended, and {why}", booking, until=until_s, reasons=[reason])


def copied(new: Booking, there: Claims | None, operator: str) -> Refusal | None:
    """A second issuer that gives its token the id of another's must not put it in that one's place. there: what is
    stored under that id.
    """
    if there is None or there.iss == new.iss or new.iss == operator:
        return None
    return refused(Code.ISSUER_ROLE, "another issuer's token has this id", new)


def best(
    judged: list[tuple[Stored, Booking | Refusal]], open_: int | None, now_s: float, ended: Set[int]
) -> Booking | Refusal:
    """Among several tokens of one badge: the open booking's, then one that was not used yet, then the one whose paid
    time is now, then the earliest acceptable. ended: booking numbers that were closed before.

    None acceptable: the refusal that is nearest to being lifted, so that the driver is told the useful reason.
    """
    good = [found for _, found in judged if isinstance(found, Booking)]
    if good:
        paid_now = {it.cti: it.paid_from_s <= now_s < it.paid_to_s for it in good}
        used = {it.cti: it.booking in ended for it in good}
        return min(good, key=lambda it: (it.booking != open_, used[it.cti], not paid_now[it.cti], it.paid_from_s))
    bad = [(stored, found) for stored, found in judged if isinstance(found, Refusal)]
    if not bad:
        return refused(Code.NOT_STORED, "no stored booking names this badge")

    def distance(pair: tuple[Stored, Refusal]) -> tuple[bool, int, float]:
        stored, refusal = pair
        rank = NEAREST.index(refusal.code) if refusal.code in NEAREST else len(NEAREST)
        return stored.booking != open_, rank, abs(stored.nbf - now_s)

    return min(bad, key=distance)[1]
