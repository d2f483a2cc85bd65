"""What somebody beside the car presents becomes a movement, or a refusal with its code, and each is a fact.

What is not here: the queue that takes one after the other (`door.py`), the deciding (`deciding.py`), the order of
durability (`lockwork.py`), what is asked from afar (`remote.py`).
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Mapping
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from drivers.credentials import Credential, SunTap
from drivers.fitted import SwitchAction
from drivers.ports import CodeEntered, Feedback, Instant, LockAction
from keyless.claims import Action, Booking, badge_id
from keyless.refusal import Refusal

from ..car.under_way import USED_KEY
from ..sync import facts
from ..sync.store import Fact, Store, StoreBroken
from .booking import How
from .bookings import Bookings
from .choice import Stored, may_start
from .deciding import Known, Verdict, at_reader, by_phone
from .decision_log import DecisionLog
from .decision_record import Presented
from .keypad import Keypad
from .lockwork import Lockwork
from .outcome import Moved
from .pending import Asked, Movement
from .provers import Provers
from .saying import said
from .scene import Scene
from .sparing import Sparing

log = logging.getLogger(__name__)

USED_KEPT_S: Final = 86_400  # after the end of the token: clocks are set back
MOVEMENTS: Final[dict[Action, Movement]] = {
    Action.UNLOCK: LockAction.UNLOCK, Action.LOCK: LockAction.LOCK, Action.END: LockAction.LOCK,
    Action.RELEASE_CABLE: SwitchAction.RELEASE_CABLE,
}  # fmt: skip
GOOD: Final = {
    Action.UNLOCK: Feedback.OPENED, Action.LOCK: Feedback.PAUSED, Action.END: Feedback.ENDED,
    Action.RELEASE_CABLE: Feedback.OPENED,
}  # fmt: skip


class Decided(Struct, frozen=True):
    """feedback: what a reader shows. refusal: why nothing moved. moved: what the lock did, where it was asked to.

    flags: of an end that was granted, what is to be looked after (`booking.SOFT`).
    """

    feedback: Feedback
    refusal: Refusal | None = None
    moved: Moved | None = None
    flags: tuple[str, ...] = ()


class Decisions:
    """Its methods are called in the door's turn, one at a time, and never cancelled. language: of the log."""

    def __init__(
        self, store: Store, scene: Scene, bookings: Bookings, lockwork: Lockwork, keypad: Keypad, provers: Provers,
        kept: DecisionLog, language: str = "en",
    ) -> None:  # fmt: skip
        self._store, self._scene, self._bookings, self._lockwork = store, scene, bookings, lockwork
        self._keypad, self._provers, self._kept, self._language = keypad, provers, kept, language
        self._sparing = Sparing()
        self.counters = {"badges": 0, "codes": 0, "phones": 0, "refused": 0, "refused_unrecorded": 0}

    async def presented(self, presented: Credential) -> Decided:
        """At the reader: a badge, by its number or by proof, or a code on its keypad."""
        await self._lockwork.resolve(at_once=True)  # who has the car is known before anybody is judged
        if isinstance(presented, CodeEntered):
            self.counters["codes"] += 1
            return await self._typed(presented)
        self.counters["badges"] += 1
        if isinstance(presented, SunTap):
            return await self._proved(presented)
        badge = badge_id(presented.uid)
        known, may_record = self._known(self._bookings.of_badge(badge)), self._spared(badge.hex(), presented.at)
        return await self._carry_out(Presented("badge", badge=badge), at_reader(known), known, may_record=may_record)

    async def wished(
        self, booking: Booking, action: Action, *, may_record: Callable[[], bool],
        put: Mapping[str, bytes] | None = None,
    ) -> Decided:  # fmt: skip
        """A phone says what it wants, once token and command are believed: UNLOCK, LOCK, END or RELEASE_CABLE.

        may_record: whether a refusal may be one more fact. put: goes to disk with the intent, such as the command's
        counter.
        """
        await self._lockwork.resolve(at_once=True)
        self.counters["phones"] += 1
        known = self._known((Stored(booking.booking, booking.nbf, booking.token),))
        switches: tuple[SwitchAction, ...] = ()
        if SwitchAction.RELEASE_CABLE in self._lockwork.switches:
            known, switches = replace(known, cable=True), (SwitchAction.RELEASE_CABLE,)
        presented = Presented("phone", wish=int(action), switches=switches)
        return await self._carry_out(presented, by_phone(action, known), known, put, may_record=may_record)

    async def refuse(self, via: str, refusal: Refusal, put: Mapping[str, bytes] | None = None) -> Decided:
        """A refusal is a fact with its code; it moves nothing. put: what else is durable when this returns."""
        self.counters["refused"] += 1
        log.info("%s refused: %s (%s)", via, refusal.code.value, said(refusal, self._language))
        try:
            await self._store.commit((Fact("refused", facts.refused(via, refusal)),), put=put)
        except StoreBroken:
            log.warning("the database is broken; the refusal is kept in memory")
        return Decided(Feedback.REFUSED, refusal)

    def load(self, vault: Mapping[str, bytes]) -> None:
        self._kept.load(vault)
        self._provers.load(vault)

    async def purge(self, lo_s: float) -> None:
        await self._kept.purge(lo_s)
        used = self._scene.under.used
        old = [token for token, exp in used.items() if exp + USED_KEPT_S < lo_s]
        if old:
            with contextlib.suppress(StoreBroken):  # it keeps that in memory, and does it when it is whole
                await self._store.commit(drop=tuple(USED_KEY + token for token in old))
        for token in old:
            del used[token]

    @property
    def all_counters(self) -> dict[str, int]:
        return {**self.counters, **self._kept.counters, **self._provers.counters}

    # --- inside

    async def _typed(self, typed: CodeEntered) -> Decided:
        """The count of wrong codes is on disk before anybody sees that this one was wrong."""
        scene, may_record = self._scene, self._spared("code", typed.at)
        named = self._keypad.typed(
            typed.digits, scene.now(), scene.open_number, scene.under.ended, scene.car().just_ended
        )  # fmt: skip
        if isinstance(named, Refusal):
            turn_away = self.refuse if may_record() else self._unrecorded
            return await turn_away("code", named, self._keypad.put())
        known = self._known(named)
        verdict = at_reader(known)
        used = self._keypad.used(named[0]) if verdict.closes is How.FORCED else None
        return await self._carry_out(Presented("code"), verdict, known, used, may_record=may_record)

    async def _proved(self, tap: SunTap) -> Decided:
        """The counter of the reading is on disk with the intent or with the refusal: either uses the reading up."""
        read = self._provers.read(tap.message)
        if isinstance(read, Refusal):
            turn_away = self.refuse if self._spared("sun", tap.at)() else self._unrecorded
            return await turn_away("badge", read, {})
        badge, put = read
        known, may_record = self._known(self._bookings.of_badge(badge.id)), self._spared(badge.id.hex(), tap.at)
        presented = Presented("badge", badge=badge.id)
        return await self._carry_out(presented, at_reader(known), known, used=put, may_record=may_record)

    def _spared(self, name: str, at: Instant) -> Callable[[], bool]:
        """Whether a refusal at the reader may be one more fact: whoever plays there must not wear the card out."""
        return lambda: self._sparing.take(name, at.ns)

    async def _unrecorded(self, via: str, refusal: Refusal, put: Mapping[str, bytes]) -> Decided:
        """Answered like any other, and counted. put: durable all the same."""
        self.counters["refused"] += 1
        if via != "phone":  # these are counted and spared by `beside.py`, and may be many a second
            self.counters["refused_unrecorded"] += 1
            log.info("%s refused: %s (%s)", via, refusal.code.value, said(refusal, self._language))
        if put:
            with contextlib.suppress(StoreBroken):  # it keeps that in memory
                await self._store.commit(put=put)
        return Decided(Feedback.REFUSED, refusal)

    def _known(self, tokens: tuple[Stored, ...]) -> Known:
        return self._bookings.known(self._scene.now(), self._scene.car(), tokens)

    async def _carry_out(
        self, presented: Presented, verdict: Verdict, known: Known, put: Mapping[str, bytes] | None = None,
        *, used: Mapping[str, bytes] | None = None, may_record: Callable[[], bool] = lambda: True,
    ) -> Decided:  # fmt: skip
        """put: goes to disk with an intent; used: with a refusal as well."""
        via, booking, action = presented.via, verdict.booking, verdict.action
        if verdict.refusal is not None and not may_record():
            return await self._unrecorded(via, verdict.refusal, used or {})
        record = {**(used or {}), **self._kept.keep(presented, known, verdict)}
        if verdict.refusal is not None:
            return await self.refuse(via, verdict.refusal, record)
        assert booking is not None
        assert action is not None
        if verdict.opens:
            self._bookings.judge(booking.booking)
        starts = may_start(booking, self._bookings.believed())
        asked = Asked.by(booking, via, known.now.source, starts=starts)
        opens = self._scene.opening(booking, self._bookings.believed()) if verdict.opens else None
        closes = self._scene.closing(verdict.closes, verdict.overridden) if verdict.closes is not None else None
        together = self._scene.plan(opens, closes, booking)
        moved = await self._lockwork.move(MOVEMENTS[action], asked, together, put={**(put or {}), **record})
        # An end that stands is shown as one (R3), also when the car did not read back; but "locked: your booking has
        # ended" is not said of a car that says that it is open, or whose relay is dead.
        ended = action is Action.END and not moved.undone
        good = Feedback.ENDED if action is Action.LOCK and known.has_just_ended(booking) else GOOD[action]
        feedback = Feedback.UNSURE if moved.surprising and not ended else good
        if closes is None or action is not Action.END:
            return Decided(feedback, moved=moved)
        return Decided(feedback, moved=moved, flags=(*closes.soft, "not_locked") if moved.undone else closes.soft)
