"""Service: asks the car what it does not say by itself, and never a car that sleeps.

What is not here: which question comes next (`schedule.py`), the transport (`drivers/can/diag.py`), and who may forbid
asking (`tending.py`).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from config.car import CarModel, Phase, Poll
from config.vocabulary import LOCKED, PLUGGED
from drivers.errors import DeviceError
from drivers.ports import Clock

from .heard import READ, TIMED
from .schedule import GAP_NS, REFUSALS, Entry, Outcome, after, choose, stale, wanted, woken
from .state import CarState
from .vehicle import Vehicle

if TYPE_CHECKING:
    from drivers.can.decode import Decoder
    from drivers.can.diag import Diagnostics, NegativeReply

log = logging.getLogger(__name__)

LOOK_S: Final = 1.0
CONFIRM_S: Final = 0.3  # between two questions about the lock, while somebody waits for its answer
SLEEPS_AFTER: Final = 5  # questions in a row without any answer: such a car sleeps, and is left alone
ECHO_NS: Final = 1_500_000_000  # a frame of the unit we asked may be our own answer, told late by a limited rate


class Polling:
    """forbidden: why nothing may be asked now, "" when it may ("garage", "supply"). in every case a car must be awake.

    counters: by outcome, and what each question came to.
    """

    name = "polling"
    vital = False

    def __init__(
        self,
        clock: Clock,
        vehicle: Vehicle,
        car: CarState,
        model: CarModel,
        decoder: Decoder,
        diagnostics: Diagnostics,
        forbidden: Callable[[], str],
    ) -> None:
        self._clock, self._vehicle, self._car = clock, vehicle, car
        self._model, self._decoder, self._diagnostics = model, decoder, diagnostics
        self._forbidden = forbidden
        self._book = {poll.name: Entry() for poll in model.polls}
        self._counts = {poll.name: dict.fromkeys(Outcome, 0) for poll in model.polls}
        self._lock_polls = tuple(poll for poll in model.polls if LOCKED in decoder.told_by(poll))
        # Never behind all that a new phase makes due at once: records carry the time of their answer.
        self._timed = tuple(poll for poll in model.polls if TIMED & set(decoder.told_by(poll)))
        self._readings = tuple(poll.name for poll in model.polls if READ & set(decoder.told_by(poll)))
        self._phase, self._phase_ns = Phase.PARKED, clock.now().ns
        self._plugged_ns = car.since_ns(PLUGGED)
        self._timed_row = 0  # of the timed questions in a row: where answers are slow, they would leave no room
        self._quiet = 0
        self.ticked_ns = clock.now().ns
        car.asked_for = frozenset(name for poll in model.polls for name in decoder.told_by(poll))

    async def run(self) -> None:
        while True:
            wait_s = await self.look()
            self.ticked_ns = self._clock.now().ns
            await self._pause(wait_s)

    async def close(self) -> None:
        """Nothing is held between questions."""

    def status(self) -> dict[str, object]:
        """For `boitier status`: what every question came to."""
        told = {}
        for poll in self._model.polls:
            entry, counts = self._book[poll.name], self._counts[poll.name]
            told[poll.name] = {
                "asked": sum(counts.values()),
                **{str(outcome): count for outcome, count in counts.items() if count},
                "failures_in_a_row": entry.failures,
            }
        return {
            "phase": str(self._vehicle.phase), "forbidden": self._forbidden(), "polls": told,
            "diagnostics": self._diagnostics.counters(),
        }  # fmt: skip

    async def look(self) -> float:
        """Ask the one question that is due, if any; answers seconds until the next look."""
        self._vehicle.follow()
        phase, now_ns = self._vehicle.phase, self._clock.now().ns
        if phase is not self._phase:
            if self._phase is Phase.PARKED:
                self._book = {name: woken(entry) for name, entry in self._book.items()}
                self._quiet = 0
            self._phase, self._phase_ns = phase, now_ns
            self._read_anew()
        elif self._car.since_ns(PLUGGED) != self._plugged_ns:
            self._read_anew()
        forbidden = bool(self._forbidden())
        silenced = phase is Phase.PARKED or forbidden
        self._forget(now_ns, silenced, forbidden)
        if silenced:
            return LOOK_S
        if self._car.lock_wanted.is_set() and self._lock_polls:
            for about_lock in self._lock_polls:
                await self._ask(about_lock)
            return CONFIRM_S
        poll, next_ns = self._next(phase, now_ns)
        if poll is not None:
            await self._ask(poll)
            return max(0.0, (now_ns + GAP_NS - self._clock.now().ns) / 1e9)
        return LOOK_S if next_ns is None else min(LOOK_S, max(GAP_NS, next_ns - now_ns) / 1e9)

    # --- inside

    def _next(self, phase: Phase, now_ns: int) -> tuple[Poll | None, int | None]:
        """The timed questions go first, but never oftener in a row than there are of them."""
        if self._timed_row < len(self._timed):
            poll, _ = choose(self._timed, self._book, phase, now_ns)
            if poll is not None:
                self._timed_row += 1
                return poll, None
        self._timed_row = 0
        return choose(self._model.polls, self._book, phase, now_ns)

    def _read_anew(self) -> None:
        """It was switched on or off, plugged in or out: what legs and charges read of it is asked before all else."""
        self._plugged_ns = self._car.since_ns(PLUGGED)
        self._book |= {name: wanted(self._book[name]) for name in self._readings}

    async def _pause(self, wait_s: float) -> None:
        """Until the time is over, or somebody begins to wait for the lock."""
        if self._car.lock_wanted.is_set():
            await self._clock.sleep(wait_s)
            return
        timer = asyncio.ensure_future(self._clock.sleep(wait_s))
        called = asyncio.ensure_future(self._car.lock_wanted.wait())
        try:
            await asyncio.wait((timer, called), return_when=asyncio.FIRST_COMPLETED)
        finally:
            timer.cancel()
            called.cancel()

    def _forget(self, now_ns: int, silenced: bool, forbidden: bool) -> None:
        """What is not answered any more is not believed any more."""
        for poll in self._model.polls:
            entry = self._book[poll.name]
            if silenced or stale(poll, entry, self._phase, self._phase_ns, now_ns):
                self._car.silent(self._decoder.told_by(poll), unasked=forbidden)
        self._vehicle.follow()

    async def _ask(self, poll: Poll) -> None:
        asked_ns = self._clock.now().ns
        ids = poll.request_id, poll.reply_id
        self._vehicle.expect(ids, None)
        try:
            outcome, reply = await self._exchange(poll)
        finally:
            self._vehicle.expect(ids, self._clock.now().ns + ECHO_NS)
        now_ns = self._clock.now().ns
        self._book[poll.name] = after(self._book[poll.name], outcome, asked_ns, now_ns)
        self._counts[poll.name][outcome] += 1
        if outcome is Outcome.SILENT:
            self._quiet += 1
            if self._quiet >= SLEEPS_AFTER:
                self._vehicle.slept(mute=True)
        elif outcome is not Outcome.LOST:
            self._quiet = 0
        if outcome is Outcome.ANSWERED:
            self._vehicle.answered(self._decoder.payload(poll, reply, now_ns))

    async def _exchange(self, poll: Poll) -> tuple[Outcome, bytes]:
        """A session first where the unit wants one; what it says to that is left to the question itself."""
        try:
            if poll.session:
                opened = await self._request(poll, poll.session)
                if opened is None:
                    return Outcome.SILENT, b""
            reply = await self._request(poll, poll.payload)
        except DeviceError as error:
            log.debug("poll %s: %s", poll.name, error)
            return Outcome.LOST, b""
        if reply is None:
            return Outcome.SILENT, b""
        if isinstance(reply, bytes):
            return Outcome.ANSWERED, reply
        return REFUSALS.get(reply.code, Outcome.REFUSED), b""

    async def _request(self, poll: Poll, payload: bytes) -> bytes | NegativeReply | None:
        return await self._diagnostics.request(poll.request_id, poll.reply_id, payload, poll.timeout_s)
