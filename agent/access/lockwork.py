"""Moves the lock, or what else can be moved, once, in the only order that survives a power cut: intent on disk,
movement, outcome on disk.

What is not here: whether it may move (`decisions.py`, `remote.py`), how (`drivers/lock/`) and what a receipt says of it
(`receipts.py`).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any, Final

from msgspec.structs import replace

from drivers.errors import DeviceError
from drivers.fitted import SwitchAction
from drivers.ports import Clock, LockAction, LockOutcome, LockPort

from ..car.state import CarState
from ..car.under_way import UnderWay
from ..sync.store import Fact, Store, StoreBroken
from . import start_right
from .booking import Plan, carry_out
from .outcome import CONTRADICTED, UNPROVEN, UNTOLD, Answer, Moved
from .pending import NOTHING, PENDING, Asked, Movement, Pending
from .receipts import Done, Receipts, Written
from .remembered import Remembered

log = logging.getLogger(__name__)

RESULT: Final = "command/result/"
ORPHAN_WAIT_NS: Final = 5_000_000_000  # for a car's first words after a boot, before an orphan intent is called unknown
Switches = Mapping[SwitchAction, Callable[[], Awaitable[None]]]
First = Callable[[LockAction, Asked, Plan], Awaitable[None]]


class Lockwork:
    """vehicle, signal, version: what a proof of the lock signal holds for (D18). confirm_s: how long the car has to
    read back.

    guard: held from the intent to the outcome, so that nothing ends the process in between.
    result(id, code, why, fact): tells the backend what became of a remote command. switches: see `fit`. moved,
    moved_ns: when the lock last did, or tried. remembered: of the movements so far.
    """

    def __init__(
        self,
        clock: Clock,
        store: Store,
        port: LockPort,
        car: CarState,
        under: UnderWay,
        guard: AbstractAsyncContextManager[Any],
        result: Callable[[str, str, str, int | None], None],
        *,
        receipts: Receipts,
        vehicle: str,
        signal: str | None,
        version: str,
        confirm_s: float,
    ) -> None:
        self._clock, self._store, self._port, self._car, self._under = clock, store, port, car, under
        self._guard, self._result, self.confirm_s = guard, result, confirm_s
        self.receipts = receipts
        self._proof = f"lock_proof/{vehicle}/{signal}/{version}" if signal else None
        self._proven = False
        self._orphan: Pending | None = None
        self._stray = False  # a pending intent that says nothing any more
        self._since_ns = clock.now().ns
        self.answers: dict[str, Answer] = {}  # by command id, so that a repeat gets the same answer
        self.switches: Switches = {}
        self._first: First | None = None
        self.moved, self.moved_ns = asyncio.Event(), 0
        self.remembered = Remembered()
        self.counters = {"moved": 0, "again": 0, "done": 0, "failed": 0, "unknown": 0}

    def fit(self, switches: Switches, first: First | None = None) -> None:
        """What hangs on relays beside the lock, composed after READY (D24).

        switches: what else can be moved, by its driver. first(action, asked, plan): what is due before the lock moves.
        """
        self.switches, self._first = switches, first

    def load(self, vault: Mapping[str, bytes]) -> None:
        """What earlier runs left: the proof, the last commanded state, an intent without outcome."""
        self._proven = self._proof is not None and self._proof in vault
        self.remembered = Remembered.from_vault(vault, self._under.booking)
        self._since_ns = self._clock.now().ns
        self.receipts.load(vault)
        if PENDING in vault:
            self._orphan = Pending.from_bytes(vault[PENDING])
            self._stray = self._orphan is None
            if self._orphan is None or self._orphan.damaged:
                log.error("the pending intent is damaged; its outcome stays unknown")

    @property
    def proven(self) -> bool:
        return self._proven

    @property
    def unsettled(self) -> bool:
        """An intent from before this start has no outcome yet, and what follows from it is not known."""
        return self._orphan is not None

    def locked(self) -> bool | None:
        """The proven signal, else the last commanded state."""
        said = self._car.locked() if self._proven else None
        return self.remembered.locked if said is None else said

    # --- one movement

    async def move(
        self, action: Movement, asked: Asked, plan: Plan = NOTHING, *, put: Mapping[str, bytes] | None = None
    ) -> Moved:
        """Intent (with `put`, such as a command's counter) → lock → outcome and what follows from it (`plan`).

        Raises `StoreBroken` before anything moved when a remote command's counter cannot be made durable (D14); badges
        go on. The caller must not be cancelled (`door.py` shields it).
        """
        await self.resolve(at_once=True)
        if self._first is not None and isinstance(action, LockAction):
            await self._first(action, asked, plan)
        pending = Pending(os.urandom(8).hex(), action, asked, plan)
        intent = Fact("access", pending.intent())
        async with self._guard:
            try:
                await self._store.commit((intent,), put={**(put or {}), PENDING: pending.to_bytes()})
            except StoreBroken:
                if asked.via == "command":
                    raise
                log.warning("the database is broken: %s without a durable intent", action.value)
            self.counters["moved"] += 1
            outcome, why = await self._act(action)
            return await self._record(pending, outcome, why, at_boot=False)

    async def _act(self, action: Movement) -> tuple[LockOutcome, str]:
        why = UNPROVEN if isinstance(action, LockAction) else UNTOLD
        try:
            await self._tell(action)
        except DeviceError as error:
            if not error.may_have_happened:
                return LockOutcome.FAILED, str(error)
            why = str(error)
        except Exception as error:  # a driver's bug must not leave an intent without outcome
            log.exception("the driver of %s failed", action.value)
            why = f"{type(error).__name__}: {error}"
        if not isinstance(action, LockAction):
            return LockOutcome.UNKNOWN, why
        self._car.acted()
        if not self._proven:
            return LockOutcome.UNKNOWN, why
        if await self._car.wait_locked(action is LockAction.LOCK, self.confirm_s):
            return LockOutcome.DONE, "read back"
        if self._car.locked(since_moved=True) is (action is LockAction.UNLOCK):
            return LockOutcome.UNKNOWN, CONTRADICTED
        return LockOutcome.UNKNOWN, f"no read-back within {self.confirm_s:g} s"

    async def _tell(self, action: Movement) -> None:
        """Once more where surely nothing was sent and the device may answer now: never what may have moved."""
        for again in (True, False):
            try:
                await (self._port.act(action) if isinstance(action, LockAction) else self.switches[action]())
            except DeviceError as error:
                if not again or error.may_have_happened or not error.retryable:
                    raise
                self.counters["again"] += 1
                log.warning("%s did not reach its device, once more: %s", action.value, error)
            else:
                return

    async def _record(self, pending: Pending, outcome: LockOutcome, why: str, *, at_boot: bool) -> Moved:
        """Exactly one outcome for each intent, in one transaction with all that follows from it."""
        asked, action = pending.asked, pending.action.value
        moved = outcome is not LockOutcome.FAILED
        locks = pending.action if isinstance(pending.action, LockAction) else None
        before = self._under.booking
        done = Done(pending.plan, before, asked, locks, outcome)
        after = carry_out(self._under, pending.plan, moved, contradicted=why == CONTRADICTED)
        self._under.follow_end(before, self._clock.now().ns)
        receipts = self.receipts.write(done) if locks is not None else Written()
        self.remembered = self.remembered.after(pending, before, self._under.booking, moved=moved)
        left, gone = self.remembered.to_vault()
        put, drop = {**dict(after.put), **dict(receipts.put), **left}, (PENDING, *after.drop, *gone)
        body = {
            "event": "outcome", "access": pending.access, "action": action, "booking": asked.booking,
            "outcome": outcome.value, "why": why, "resolved_at_boot": at_boot,
        }  # fmt: skip
        facts = [Fact("access", body), *(Fact(kind, fact) for kind, fact in after.facts), *receipts.facts]
        if locks is not None:
            self.moved_ns = self._clock.now().ns
            self.moved.set()
        if asked.command is not None:
            result = {"code": outcome.value, "why": why}
            facts.append(Fact("command", {"id": asked.command, "action": action, "result": result}))
            self.answers[asked.command] = Answer(code=outcome.value, why=why, until=asked.until)
            put[RESULT + asked.command] = _json(self.answers[asked.command])
        self.counters[outcome.value] += 1
        try:
            numbers = await self._store.commit(facts, put=put, drop=drop)
        except StoreBroken:
            numbers = ()
        if asked.command is not None:
            self._result(asked.command, outcome.value, why, numbers[-1] if numbers else None)
        return Moved(outcome, why, numbers, self.receipts.kept(receipts, in_database=bool(numbers)))

    async def resolve(self, *, at_once: bool = False) -> None:
        """D19: an intent found at boot gets its outcome from the proven signal, once the car has spoken, else unknown.
        """
        if self._stray:
            await self._drop_stray()
        if self._orphan is None:
            return
        locks = isinstance(self._orphan.action, LockAction)
        said = self._car.locked() if self._proven and locks else None
        waited = self._clock.now().ns - self._since_ns >= ORPHAN_WAIT_NS
        if said is None and self._proven and locks and not (waited or at_once or self._orphan.damaged):
            return
        orphan, self._orphan = self._orphan, None
        wanted = orphan.action is LockAction.LOCK
        if orphan.damaged:
            outcome, why = LockOutcome.UNKNOWN, "what was written beside the intent is damaged"
        elif said is None:
            outcome, why = LockOutcome.UNKNOWN, "the power was cut between intent and outcome"
        elif said == wanted:
            outcome, why = LockOutcome.DONE, "read back after the power cut"
        else:
            outcome, why = LockOutcome.FAILED, "the power was cut before the lock moved"
        await self._record(orphan, outcome, why, at_boot=True)

    async def _drop_stray(self) -> None:
        """Nobody can tell which intent it was: that is told, once."""
        self._stray = False
        alarm = {"name": "intent_damaged", "event": "raised", "detail": {"why": "an intent has no outcome"}}
        with contextlib.suppress(StoreBroken):
            await self._store.commit((Fact("alarm", alarm),), drop=(PENDING,))

    async def conclude(
        self, plan: Plan, asked: Asked, facts: tuple[Fact, ...], put: Mapping[str, bytes]
    ) -> tuple[int, ...]:
        """Carry out a plan without touching the lock; `facts` come last. Answers their numbers."""
        await self.resolve(at_once=True)
        done = Done(plan, self._under.booking, asked, None, None)
        after = carry_out(self._under, plan, True)
        self._under.follow_end(done.before, self._clock.now().ns)
        receipts = self.receipts.write(done)
        told = (*(Fact(kind, body) for kind, body in after.facts), *receipts.facts, *facts)
        changes = dict(after.put) | dict(receipts.put) | dict(put)
        if start_right.has_ended(plan, self._under.booking):
            self.remembered = replace(self.remembered, may_start=False)
            changes |= self.remembered.to_vault()[0]
        try:
            numbers = await self._store.commit(told, put=changes, drop=after.drop)
        except StoreBroken:
            numbers = ()
        self.receipts.kept(receipts, in_database=bool(numbers))
        return numbers

    # --- commissioning (`commissioning.py`)

    @property
    def provable(self) -> bool:
        """This car's folder names a lock signal."""
        return self._proof is not None

    async def reads(self, locked: bool) -> bool:
        """Whether the car's own signal says so within its time."""
        return await self._car.wait_locked(locked, self.confirm_s)

    async def believe(self, proven: bool, *, for_good: bool = False) -> None:
        """for_good: also after the next start. Raises `StoreBroken`."""
        assert self._proof is not None
        self._proven = proven
        if for_good:
            await self._store.commit(put={self._proof: b"1"} if proven else {}, drop=() if proven else (self._proof,))


def _json(found: object) -> bytes:
    return json.dumps(found, separators=(",", ":")).encode()
