"""Pure: what is presented and what is known at that moment in, a `Verdict` out. The door and the replay both ask here.

What is not here: taking that moment (`scene.py`, `bookings.py`), carrying a verdict out (`decisions.py`, `remote.py`),
and the rules themselves (`booking.py`, `choice.py`, `keyless/`), of which this is the order.
"""

from __future__ import annotations

from collections.abc import Set
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from keyless.claims import Action, Booking, Interval, Role
from keyless.code import DAY_S, CodeKind, admitted, ending, hotline_admitted
from keyless.policy import CarView, Motion, Wish, decide
from keyless.refusal import Code, Refusal, refused
from keyless.verify import DRIVES, JUST_ENDED, Situation, believe

from .booking import CarNow, How, OpenNow, Tap, hard, may_take_over, tap
from .choice import Stored, Window, best, over

FETCH: Final = Action.UNLOCK | Action.LOCK


class Known(Struct, frozen=True):
    """All that a decision rests on beside what was presented, taken at one moment.

    situation: a refusal while there is no key set. tokens: those that the badge, the code or the phone stands for.
    waiting: see `choice.waiting`. ended: numbers of bookings that were closed. used: ids of emergency tokens that have
    opened, in hex. cable: a button lets it go (R8).
    """

    situation: Situation | Refusal
    now: Interval
    car: CarNow
    open_: OpenNow | None
    tokens: tuple[Stored, ...]
    waiting: tuple[Window, ...]
    ended: Set[int]
    used: Set[str] = frozenset()
    cable: bool = False

    @property
    def open_number(self) -> int | None:
        return self.open_.booking if self.open_ is not None else None

    @property
    def at_station(self) -> bool:
        return self.car.where.at is True

    def opens(self, booking: Booking) -> bool:
        """Whether an unlock by this one opens it: not where it is open already, nor where it has no number."""
        return booking.booking not in (0, self.open_number) and booking.note != JUST_ENDED

    def has_just_ended(self, booking: Booking) -> bool:
        return self.open_ is None and booking.booking == self.car.just_ended and booking.role in DRIVES


class Verdict(Struct, frozen=True):
    """action: UNLOCK, LOCK, END or RELEASE_CABLE, by the right of `booking`, or `None` with the refusal. opens: this
    booking. closes: the one under way; overridden: failed hard checks that a forced end passes over.
    """

    booking: Booking | None = None
    action: Action | None = None
    refusal: Refusal | None = None
    opens: bool = False
    closes: How | None = None
    overridden: tuple[str, ...] = ()


def at_reader(known: Known) -> Verdict:
    """A badge or a code, which says only who it is; but for the code that ends a booking."""
    forced = next((it for it in known.tokens if it.code is CodeKind.END), None)
    if forced is not None:
        return _forced(forced, known)
    found = _chosen(known)
    if isinstance(found, Refusal):
        return Verdict(refusal=found)
    if _is_emergency(found):
        return _unlock(found, known)
    if known.open_ is not None and known.open_.booking != found.booking:
        return _next_driver(found, known.open_, known)
    return _tapped(found, known)


def by_phone(wish: Action, known: Known) -> Verdict:
    """A phone, which says what it wants; its token is judged again, for it may have waited for its turn."""
    found = _judged(known.tokens[0], known)
    if isinstance(found, Refusal):
        return Verdict(refusal=found)
    return wished(found, wish, known)


def wished(booking: Booking, wish: Action, known: Known) -> Verdict:
    """UNLOCK, LOCK, END or RELEASE_CABLE, by a booking that is believed."""
    open_ = known.open_
    another = None if open_ is None or open_.booking == booking.booking or _is_emergency(booking) else open_
    if wish is Action.UNLOCK:
        again = _again(booking, known)
        if isinstance(again, Refusal):
            return Verdict(booking, refusal=again)
        return _unlock(again, known) if another is None else _next_driver(again, another, known)
    if another is not None:
        return Verdict(booking, refusal=occupied(booking, another))
    if wish is Action.LOCK:
        return _guarded(Verdict(booking, Action.LOCK), known)
    if wish is not Action.END and not (wish is Action.RELEASE_CABLE and known.cable):
        return Verdict(booking, refusal=refused(Code.ROLE_ACTION, "this box has no such actuator", booking))
    if open_ is None:
        return Verdict(booking, refusal=nothing_open(booking))
    return _end(booking, known) if wish is Action.END else _guarded(Verdict(booking, wish), known)


def guard(booking: Booking, action: Action, car: CarNow, *, remote: bool = False) -> Refusal | None:
    """The token's rights and the car's motion. An end is never refused for what is not known (R1)."""
    motion = Motion(car.moving.value)
    if action is Action.END and motion is Motion.MAYBE:
        motion = Motion.NO
    return decide(booking, Wish(action, remote), CarView(motion, car.ignition_on))


def over_at(booking: Booking, known: Known, *, at_station: bool) -> Refusal | None:
    """`expired` where this booking has ended and may not be opened again, or an emergency token has opened already."""
    if booking.cti.hex() in known.used:
        return refused(Code.EXPIRED, "an emergency token opens once", booking, reasons=["used"])
    return over(booking, known.waiting, known.open_number, known.now.lo_s, known.ended, at_station)


def occupied(booking: Booking, open_: OpenNow) -> Refusal:
    return refused(Code.OCCUPIED, "another booking is open", booking, free_at=open_.paid_to_s)


def nothing_open(booking: Booking) -> Refusal:
    return refused(Code.STATE_GUARD, "no booking is open", booking, reasons=["no_booking"])


# --- inside


def _chosen(known: Known) -> Booking | Refusal:
    """The booking that these tokens stand for now, or why there is none."""
    judged: list[tuple[Stored, Booking | Refusal]] = []
    for one in known.tokens:
        found = _judged(one, known)
        if isinstance(found, Booking):
            found = _again(found, known)
        judged.append((one, found))
    return best(judged, known.open_number, known.now.lo_s, known.ended)


def _judged(one: Stored, known: Known) -> Booking | Refusal:
    situation = known.situation
    if isinstance(situation, Refusal):
        return situation
    if one.code is None:
        return believe(one.token, situation)
    if one.token:
        return admitted(one.token, one.code, situation)
    found = hotline_admitted(one.booking, situation)
    if isinstance(found, Refusal) or one.until is None:
        return found
    return replace(found, paid_to_s=min(found.paid_to_s, one.until))


def _again(booking: Booking, known: Known) -> Booking | Refusal:
    """One that has ended opens again, or lets its driver fetch for ten minutes what lies in the car, or neither."""
    refusal = over_at(booking, known, at_station=known.at_station)
    if known.has_just_ended(booking) and (refusal is not None or booking.note == JUST_ENDED):
        return replace(booking, actions=booking.actions & FETCH, note=JUST_ENDED)
    return booking if refusal is None else refusal


def _tapped(booking: Booking, known: Known) -> Verdict:
    """The driver of the open booking, or of the one that is about to open (R3)."""
    wish, begins = tap(known.car), booking.booking and not known.has_just_ended(booking)
    if known.open_ is None and (begins or wish is Tap.UNLOCK):
        wish = Tap.UNLOCK  # nobody has the car: whatever it says of its lock, this is a beginning
    elif known.open_ is None:
        wish = Tap.PAUSE  # nothing to end, by a token without a booking or of one that has just ended
    if wish is Tap.UNLOCK:
        return _unlock(booking, known)
    if wish is Tap.PAUSE:
        return _guarded(Verdict(booking, Action.LOCK), known)
    return _end(booking, known)


def _is_emergency(booking: Booking) -> bool:
    """Of no booking: whoever has the car, it unlocks it, and neither begins, closes nor locks anything."""
    return booking.role is Role.EMERGENCY and not booking.booking


def _unlock(booking: Booking, known: Known) -> Verdict:
    return _guarded(Verdict(booking, Action.UNLOCK, opens=known.opens(booking)), known)


def _end(booking: Booking, known: Known) -> Verdict:
    reasons = hard(known.car)
    if reasons:
        why = refused(Code.STATE_GUARD, "the booking cannot end yet", booking, reasons=list(reasons))
        return Verdict(booking, refusal=why)
    return _guarded(Verdict(booking, Action.END, closes=How.ENDED), known)


def _forced(end: Stored, known: Known) -> Verdict:
    """R1: somebody at the desk has it ended, and who stands here locks it. Only a car that moves ends nothing."""
    booking = ending(end.booking, end.nbf // DAY_S)
    if known.open_number != end.booking:
        return Verdict(booking, refusal=nothing_open(booking))
    verdict = Verdict(booking, Action.END, closes=How.FORCED, overridden=hard(known.car))
    return _guarded(verdict, known)


def _next_driver(booking: Booking, open_: OpenNow, known: Known) -> Verdict:
    """R4 and R7: another booking has the car."""
    if not known.opens(booking) or not may_take_over(open_, known.car, known.now.lo_s):
        return Verdict(booking, refusal=occupied(booking, open_))
    return _guarded(Verdict(booking, Action.UNLOCK, opens=True, closes=How.TAKEOVER), known)


def _guarded(verdict: Verdict, known: Known) -> Verdict:
    """The same, unless the token's rights or the car's motion forbid it."""
    assert verdict.booking is not None
    assert verdict.action is not None
    refusal = guard(verdict.booking, verdict.action, known.car)
    return verdict if refusal is None else Verdict(verdict.booking, refusal=refusal)
