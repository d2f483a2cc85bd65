"""What somebody beside the car presents becomes a movement, or a refusal with its code, and each is a fact.

What is not here: the queue that takes one after the other (`door.py`), the rules (`booking.py`, `keyless/`), the order
of durability (`lockwork.py`), what is asked from afar (`remote.py`).
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Final

from drivers.ports import BadgeTap, CodeEntered, Feedback, LockAction, LockOutcome
from keyless.claims import Action, Booking, badge_id
from keyless.refusal import Code, Refusal, refused

from ..car.under_way import OpenBooking
from ..sync import facts
from ..sync.store import Fact, Store, StoreBroken
from .booking import How, Plan, Tap, hard, may_take_over, tap
from .bookings import Bookings
from .lockwork import Lockwork, Moved
from .pending import Asked
from .scene import Scene

log = logging.getLogger(__name__)

GOOD: Final = {Action.UNLOCK: Feedback.OPENED, Action.LOCK: Feedback.PAUSED, Action.END: Feedback.ENDED}


@dataclass(frozen=True, slots=True)
class Decided:
    """feedback: what a reader shows. refusal: why nothing moved. moved: what the lock did, where it was asked to."""

    feedback: Feedback
    refusal: Refusal | None = None
    moved: Moved | None = None


class Decisions:
    """Its methods are called in the door's turn, one at a time, and never cancelled."""

    def __init__(self, store: Store, scene: Scene, bookings: Bookings, lockwork: Lockwork) -> None:
        self._store, self._scene, self._bookings, self._lockwork = store, scene, bookings, lockwork
        self.counters = {"badges": 0, "codes": 0, "phones": 0, "refused": 0}

    async def presented(self, presented: BadgeTap | CodeEntered) -> Decided:
        """At the reader: a badge, or a code on its keypad."""
        if isinstance(presented, CodeEntered):
            self.counters["codes"] += 1
            return await self.refuse("code", refused(Code.CODE, "codes are not supported by this version"))
        self.counters["badges"] += 1
        at_station = self._scene.car().where.at is True
        found = self._bookings.for_badge(badge_id(presented.uid), self._scene.now(), at_station)
        if isinstance(found, Refusal):
            return await self.refuse("badge", found)
        open_ = self._scene.under.booking
        if open_ is not None and open_.booking != found.booking:
            return await self._next_driver("badge", found, open_)
        return await self._tapped("badge", found, open_)

    async def wished(self, booking: Booking, action: Action) -> Decided:
        """A phone says what it wants, once token and command are believed: UNLOCK, LOCK or END."""
        self.counters["phones"] += 1
        open_ = self._scene.under.booking
        if open_ is not None and open_.booking != booking.booking:
            if action is Action.UNLOCK:
                return await self._next_driver("phone", booking, open_)
            return await self.refuse("phone", self._occupied(booking, open_))
        if action is Action.UNLOCK:
            at_station = self._scene.car().where.at is True
            over = self._bookings.over(booking, self._scene.now().lo_s, at_station)
            return await (self.refuse("phone", over) if over is not None else self._unlock("phone", booking))
        if action is Action.LOCK:
            return await self._move("phone", booking, Action.LOCK, Plan())
        if action is not Action.END:
            return await self.refuse("phone", refused(Code.ROLE_ACTION, "this box has no such actuator", booking))
        if open_ is None:
            return await self.refuse("phone", refused(Code.STATE_GUARD, "no booking is open", booking))
        return await self._end("phone", booking)

    async def refuse(self, via: str, refusal: Refusal) -> Decided:
        """A refusal is a fact with its code; it moves nothing."""
        self.counters["refused"] += 1
        log.info("%s refused: %s", via, refusal.code.value)
        try:
            await self._store.commit((Fact("refused", facts.refused(via, refusal)),))
        except StoreBroken:
            log.warning("the database is broken; the refusal is kept in memory")
        return Decided(Feedback.REFUSED, refusal)

    # --- inside

    async def _tapped(self, via: str, booking: Booking, open_: OpenBooking | None) -> Decided:
        """Who says only who they are: the driver of the open booking, or of the one that is about to open (R3)."""
        wish = tap(self._scene.car())
        if open_ is None and (booking.booking or wish is Tap.UNLOCK):
            wish = Tap.UNLOCK  # nobody has the car: whatever it says of its lock, this is a beginning
        elif open_ is None:
            wish = Tap.PAUSE  # a token without a booking leaves nothing to end
        if wish is Tap.UNLOCK:
            return await self._unlock(via, booking)
        if wish is Tap.PAUSE:
            return await self._move(via, booking, Action.LOCK, Plan())
        return await self._end(via, booking)

    async def _unlock(self, via: str, booking: Booking) -> Decided:
        return await self._move(via, booking, Action.UNLOCK, Plan(opens=self._scene.opening(booking)))

    async def _end(self, via: str, booking: Booking) -> Decided:
        reasons = hard(self._scene.car())
        if reasons:
            why = refused(Code.STATE_GUARD, "the booking cannot end yet", booking, reasons=list(reasons))
            return await self.refuse(via, why)
        return await self._move(via, booking, Action.END, Plan(closes=self._scene.closing(How.ENDED)))

    async def _next_driver(self, via: str, booking: Booking, open_: OpenBooking) -> Decided:
        """R4 and R7: another booking has the car."""
        if not booking.booking or not may_take_over(open_, self._scene.car(), self._scene.now().lo_s):
            return await self.refuse(via, self._occupied(booking, open_))
        plan = Plan(opens=self._scene.opening(booking), closes=self._scene.closing(How.TAKEOVER))
        return await self._move(via, booking, Action.UNLOCK, plan)

    @staticmethod
    def _occupied(booking: Booking, open_: OpenBooking) -> Refusal:
        return refused(Code.OCCUPIED, "another booking is open", booking, free_at=open_.paid_to_s)

    async def _move(self, via: str, booking: Booking, action: Action, plan: Plan) -> Decided:
        refusal = self._scene.guard(booking, action)
        if refusal is not None:
            return await self.refuse(via, refusal)
        asked = Asked(
            via=via,
            booking=booking.booking or None,
            token=booking.cti.hex(),
            holder=booking.confirmation.id.hex(),
            clock=self._scene.now().source,
            note=booking.note,
        )
        lock = LockAction.UNLOCK if action is Action.UNLOCK else LockAction.LOCK
        moved = await self._lockwork.move(lock, asked, plan)
        # An end that stands is shown as one (R3), also when the car did not read back; only a dead actuator is not
        # "ended".
        ended = action is Action.END and moved.outcome is not LockOutcome.FAILED
        return Decided(Feedback.UNSURE if moved.surprising and not ended else GOOD[action], moved=moved)
