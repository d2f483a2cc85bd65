"""Service: what may move the lock waits here for its turn; the reader is listened to, forgotten bookings end.

What is not here: what becomes of a badge or a phone (`decisions.py`), the rules (`booking.py`, `keyless/`), the order
of durability (`lockwork.py`), remote commands (`remote.py`).
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final, TypeVar

from msgspec.structs import replace

from drivers.credentials import Credential, TokenPort
from drivers.errors import DeviceError
from drivers.ports import Clock, Feedback, LockAction, Reason
from keyless.claims import Booking
from keyless.refusal import Refusal
from keyless.verify import JUST_ENDED

from ..car.legs import Leg
from ..car.state import Moving
from ..car.under_way import BOOKING_KEY, ENDED_KEY, JUST_ENDED_NS, LEG_KEY, USED_KEY, OpenBooking
from ..sync import stored
from ..sync.store import Fact, Store, StoreBroken
from ..sync.together import together
from .booking import How, may_auto_close, may_lock_again
from .bookings import Bookings
from .choice import carried
from .commissioning import prove
from .decisions import Decisions
from .keypad import Keypad, slot_claims
from .lockwork import Lockwork
from .open_file import OpenFile
from .pending import Asked
from .remote import Remote
from .rescue import rescued
from .scene import Scene
from .showing import shown
from .turns import Turns

log = logging.getLogger(__name__)

TICK_S: Final = 2.0
PURGE_TICKS: Final = 1_800  # about an hour
READER_BACKOFF_S: Final = 5.0
ERASING: Final = "everything of people is being erased; the door opens again after the next start"

_T = TypeVar("_T")


class Door:
    """reader: `None` where none is fitted. auto_close_s: R2.

    `load` before `run`: what earlier runs left. Everything that may move the lock goes through one queue, and is never
    cancelled.
    """

    name = "door"
    vital = True

    def __init__(
        self,
        clock: Clock,
        store: Store,
        scene: Scene,
        bookings: Bookings,
        lockwork: Lockwork,
        decisions: Decisions,
        remote: Remote,
        keypad: Keypad,
        reader: TokenPort | None,
        *,
        auto_close_s: float,
    ) -> None:
        self._clock, self._store, self._scene = clock, store, scene
        self._bookings, self._lockwork = bookings, lockwork
        self._decisions, self._remote, self._keypad = decisions, remote, keypad
        self._reader, self._auto_close_s = reader, auto_close_s
        self._open_file = OpenFile(bookings.folder)
        self._turns = Turns(lambda: self._open_file.follow(scene.under.booking, clock.now().ns))
        self._shut = False
        self.ticked_ns = clock.now().ns
        self.past_s: Callable[[], float] = lambda: scene.now().lo_s  # what ended before is erased
        self.counters = {"reader_lost": 0, "shut_out": 0}

    async def load(self) -> None:
        """Once, before the door is armed. Of a database that takes nothing it is what can be read; with nothing to read
        the files are enough to open (D14).
        """
        try:
            vault = await self._store.read("")
        except StoreBroken:
            vault = {}
        self._keypad.load(None if self._store.broken and not vault else vault)
        under, had = self._scene.under, vault.get(BOOKING_KEY)
        under.booking = None if had is None else OpenBooking.from_bytes(had)
        if not vault:  # a first start, or the database is gone and cannot tell who has the car (R5)
            under.booking, had = self._open_file.read()
        ended = (stored.number(name.removeprefix(ENDED_KEY)) for name in vault if name.startswith(ENDED_KEY))
        under.ended |= {number for number in ended if number is not None}
        for name in (name for name in vault if name.startswith(USED_KEY)):
            exp = stored.number(vault[name].decode("ascii", "replace"))
            under.used[name.removeprefix(USED_KEY)] = exp or 0
        if LEG_KEY in vault:
            under.leg = Leg.from_bytes(vault[LEG_KEY])
        self._bookings.load(vault)
        if had is not None and under.booking is None:
            await self._rescue(had)
        elif under.booking is not None and had is None:
            log.warning("booking %d is under way by its file; the database does not know it", under.booking.booking)
            await self._note(under.booking)
        open_ = under.booking
        if open_ is not None and not open_.carried:  # an earlier version's, or what was rescued
            under.booking = replace(open_, carried=carried(open_.booking, self._bookings.believed()))
        self._lockwork.load(vault)
        self._decisions.load(vault)
        self._remote.load(vault)

    async def _rescue(self, data: bytes) -> None:
        """A disk can lie: somebody had the car. Told once, and never lost without a word."""
        booking, detail = rescued(data, lambda token: self._bookings.claims(token) or slot_claims(token))
        again, _ = self._open_file.read()
        if again is not None and detail["booking"] in (None, again.booking):
            booking = again
            detail = {"booking": again.booking, "token": again.token, "kept": True, "lost": []}
        self._scene.under.booking = booking
        self._bookings.judge()  # what is open decides what of it is believed
        log.error("the booking under way is damaged: %s", detail)
        await self._note(booking, Fact("alarm", {"name": "booking_damaged", "event": "raised", "detail": detail}))

    async def _note(self, booking: OpenBooking | None, *facts: Fact) -> None:
        put = {BOOKING_KEY: booking.to_bytes()} if booking is not None else {}
        try:
            await self._store.commit(facts, put=put, drop=() if put else (BOOKING_KEY,))
        except StoreBroken:
            log.warning("the database is broken; what is under way is kept in memory")

    async def run(self) -> None:
        parts = {"door ticks": self._ticks()}
        if self._reader is not None:
            parts["door reader"] = self._presented(self._reader)
        await together(parts)

    async def close(self) -> None:
        await self._turns.settle()

    # --- what others ask of the door

    async def book(self, token: bytes) -> Booking | Refusal:
        """A booking from the backend: on disk when this returns."""
        return await self._turns.take(self._unless_shut(lambda: self._bookings.book(token)))

    async def command(self, payload: bytes) -> None:
        """A remote command: it and its outcome are on disk, and its answer is given, when this returns."""
        await self._turns.take(self._unless_shut(lambda: self._remote.obey(payload)))

    async def wish(self, work: Callable[[], Coroutine[Any, Any, _T]]) -> _T:
        """What a phone beside the car asks (`beside.py`), in its turn. Raises `StoreBroken` while the door is shut."""
        return await self._turns.take(self._unless_shut(work))

    async def prove_lock(self) -> dict[str, object]:
        """R9, at commissioning. Refused while anybody has the car."""
        return await self._turns.take(self._prove())

    async def shut_for_good(self, may: Callable[[], Awaitable[None]]) -> bool:
        """Until the next start nothing opens, is booked or obeyed; False, and all goes on, while anybody has the car.

        may: asked in the same turn, with no movement under way; what it raises is raised, and all goes on.
        """
        return await self._turns.take(self._shut_for_good(may))

    def trust_changed(self) -> None:
        """A new key set or revocation list was accepted."""
        self._bookings.judge()

    def locked(self) -> bool | None:
        return self._lockwork.locked()

    def status(self) -> dict[str, object]:
        """For `boitier status`; no position, no token."""
        open_ = self._scene.under.booking
        return {
            "locked": self.locked(),
            "lock_proven": self._lockwork.proven,
            "keypad_locked": self._keypad.locked(),
            "bookings": len(self._bookings),
            "booking": open_.booking if open_ is not None else None,
            "booking_kind": open_.kind if open_ is not None else None,
            "counters": {
                **self._keypad.counters,
                **self._decisions.all_counters,
                **self.counters,
                **{f"lock_{name}": count for name, count in self._lockwork.counters.items()},
                **{f"command_{name}": count for name, count in self._remote.counters.items()},
                **{f"booking_{name}": count for name, count in self._bookings.counters.items()},
            },
        }

    # --- loops

    async def _ticks(self) -> None:
        count = 0
        while True:
            await self._turns.take(self._tick())
            if count % PURGE_TICKS == 0:
                lo_s = self.past_s()
                await self._turns.take(self._bookings.purge(lo_s))
                await self._turns.take(self._remote.purge(lo_s))
                await self._turns.take(self._decisions.purge(lo_s))
            count += 1
            await self._clock.sleep(TICK_S)

    async def _presented(self, reader: TokenPort) -> None:
        while True:
            try:
                presented = await reader.next_presented()
            except DeviceError as error:
                self.counters["reader_lost"] += 1
                log.warning("badge reader: %s", error)
                await self._clock.sleep(READER_BACKOFF_S)
                continue
            reader.show(*await self._turns.take(self._decide(presented)))

    async def _tick(self) -> None:
        self.ticked_ns = self._clock.now().ns
        await self._lockwork.resolve()
        self._keypad.look()
        open_ = self._scene.under.booking
        car = self._scene.car()
        asked = self._lockwork.remembered.lock_after
        if asked is not None and self._may_lock(asked) and may_lock_again(car):
            self._lockwork.remembered = replace(self._lockwork.remembered, lock_after=None)  # tried once
            await self._lockwork.move(LockAction.LOCK, replace(asked, via="auto", clock=self._scene.now().source))
        if open_ is not None and may_auto_close(open_, car, self._scene.now().lo_s, self._auto_close_s):
            log.info("booking %d was left open after its end; it is closed", open_.booking)
            asked = Asked.by_itself(open_, self._scene.now().source)
            plan = self._scene.plan(closes=self._scene.closing(How.AUTO_CLOSED))
            await self._lockwork.move(LockAction.LOCK, asked, plan)

    def _may_lock(self, asked: Asked) -> bool:
        """After an end its ten minutes say so (`may_lock_again`); after an emergency there are as many."""
        return asked.note == JUST_ENDED or self.ticked_ns - self._lockwork.moved_ns >= JUST_ENDED_NS

    # --- shut

    async def _shut_for_good(self, may: Callable[[], Awaitable[None]]) -> bool:
        if self._scene.under.booking is not None or self._lockwork.unsettled:
            return False
        await may()
        self._shut = True
        return True

    async def _unless_shut(self, work: Callable[[], Coroutine[Any, Any, _T]]) -> _T:
        """What is not acknowledged is said again after the next start."""
        if self._shut:
            raise StoreBroken(ERASING)
        return await work()

    # --- in a turn

    async def _decide(self, presented: Credential) -> tuple[Feedback, tuple[Reason, ...]]:
        if self._shut:  # no fact: it would be one more that waits
            self.counters["shut_out"] += 1
            log.warning("%s refused: %s", type(presented).__name__, ERASING)
            return Feedback.REFUSED, ()
        decided = await self._decisions.presented(presented)
        return decided.feedback, () if decided.refusal is None else shown(decided.refusal)

    async def _prove(self) -> dict[str, object]:
        car = self._scene.car()
        if self._shut:
            return {"proven": False, "cycles": 0, "why": ERASING}
        if self._scene.under.booking is not None:
            return {"proven": False, "cycles": 0, "why": "a booking is open"}
        if car.moving is not Moving.NO or car.ignition_on is True:
            return {"proven": False, "cycles": 0, "why": "the car must stand with its ignition off"}
        return await prove(self._lockwork)
