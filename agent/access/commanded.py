"""Pure: a remote command and what is known at that moment in, a `Verdict` out (D12).

What is not here: answers to repeats, counters and their durability (`remote.py`), and what is presented beside the car
(`deciding.py`).
"""

from __future__ import annotations

from collections.abc import Set
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from drivers.fitted import SwitchAction
from keyless.claims import Action, Booking, Command, Role
from keyless.refusal import Code, Refusal, refused
from keyless.verify import believe_command

from . import locate
from .booking import How, hard
from .deciding import Known, Verdict, guard, nothing_open, occupied, over_at

GARAGE: Final = {Action.GARAGE_ON: True, Action.GARAGE_OFF: False}  # R17
FORCES: Final = (Role.BACKEND, Role.AGENT, Role.TECHNICIAN)  # R1: may end what the checks would refuse, and lock it
SWITCHES: Final = {
    Action.RELEASE_CABLE: SwitchAction.RELEASE_CABLE,
    Action.IMMOBILISE_THEFT: SwitchAction.IMMOBILISE,
    Action.RELEASE_IMMOBILISER: SwitchAction.RELEASE,
}
MOVES: Final = (Action.UNLOCK, Action.LOCK, Action.END)
IN_THE_WAY: Final = frozenset({"moving", "ignition_on", "door_open"})  # the record of such an end closes, no lock moves


class Far(Struct, frozen=True):
    """What else decides about a command. counter: the highest one taken for its token, or `None`. garage: there is a
    switch. told: the locating actions whose position was told lately. switches: what is fitted beside the lock.
    """

    counter: int | None
    garage: bool
    told: Set[Action] = frozenset()
    switches: Set[SwitchAction] = frozenset()


class Commanded(Struct, frozen=True):
    """command: `None` where token or command is not believed."""

    verdict: Verdict
    command: Command | None = None

    @property
    def closes_only(self) -> bool:
        """The record ends, and the lock of a car that stands open or runs is left alone."""
        return bool(IN_THE_WAY.intersection(self.verdict.overridden))


def by_command(command: bytes, far: Far, known: Known) -> Commanded:
    """By the first of the tokens that are known."""
    situation = known.situation
    if isinstance(situation, Refusal):
        return Commanded(Verdict(refusal=situation))
    situation = replace(situation, just_ended=None)  # what lies in the car is fetched by who stands beside it
    found = believe_command(known.tokens[0].token, command, situation, far.counter)
    if isinstance(found, Refusal):
        return Commanded(Verdict(refusal=found))
    booking, wish = found
    refusal = _forbidden(booking, wish.action, far, known)
    if refusal is not None:
        return Commanded(Verdict(booking, refusal=refusal), wish)
    if wish.action is Action.UNLOCK:
        return Commanded(Verdict(booking, wish.action, opens=known.opens(booking)), wish)
    if wish.action is Action.END:
        how = How.FORCED if _forces(booking, known) else How.ENDED
        return Commanded(Verdict(booking, wish.action, closes=how, overridden=hard(known.car)), wish)
    return Commanded(Verdict(booking, wish.action), wish)


def _forbidden(booking: Booking, action: Action, far: Far, known: Known) -> Refusal | None:
    """What the token's rights, the car and the booking under way forbid."""
    garage, located = action in GARAGE and far.garage, action in locate.REASONS
    fitted = SWITCHES.get(action) in far.switches
    if not (action in MOVES or garage or located or fitted):
        return refused(Code.ROLE_ACTION, "this box has no such actuator", booking)
    guarded = guard(booking, action, known.car, remote=True)
    if guarded is not None or garage:
        return guarded
    if located:
        if not _may_touch(booking, known):
            return _not_his(booking, known)
        return locate.forbidden(booking, known.open_) or (locate.too_soon(booking) if action in far.told else None)
    open_, forced = known.open_, _forces(booking, known)
    if action is Action.IMMOBILISE_THEFT and open_ is not None:  # R5: who has the car drives on until somebody ends it
        return refused(Code.STATE_GUARD, "a booking is open: end it first", booking, reasons=["booking_open"])
    if action is Action.RELEASE_IMMOBILISER:
        return None
    if open_ is not None and booking.booking != open_.booking:
        lets_in = action is Action.UNLOCK and (known.opens(booking) or booking.role is not Role.BACKEND)
        if lets_in or not forced:
            return occupied(booking, open_)
    if action is Action.UNLOCK:
        return over_at(booking, known, at_station=True)  # the backend can extend; nobody stands there
    if action is Action.RELEASE_CABLE and open_ is None and not forced:  # as beside the car: whose it is, has it now
        return nothing_open(booking)
    if action is Action.END:
        return _unfinished(booking, forced, known)
    return None


def _forces(booking: Booking, known: Known) -> bool:
    """A second issuer forces nothing of the operator's (docs/keyless.md section 1.4)."""
    return booking.role in FORCES and _may_touch(booking, known)


def _may_touch(booking: Booking, known: Known) -> bool:
    """The operator's word reaches every booking, a second issuer's its own."""
    situation = known.situation
    operators = not isinstance(situation, Refusal) and booking.iss == situation.operator
    return operators or booking.booking == known.open_number


def _not_his(booking: Booking, known: Known) -> Refusal:
    return nothing_open(booking) if known.open_ is None else occupied(booking, known.open_)


def _unfinished(booking: Booking, forced: bool, known: Known) -> Refusal | None:
    if known.open_ is None:
        return nothing_open(booking)
    reasons = hard(known.car)
    if reasons and not forced:
        return refused(Code.STATE_GUARD, "the booking cannot end yet", booking, reasons=list(reasons))
    return None
