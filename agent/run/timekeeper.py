"""Holds the one clock's state: fixes and signed objects in, an interval or a stamp out, the floor on disk (D14, D21).
Asks for signed time where it needs some; how question and answer travel is others' business.

What is not here: the arithmetic (`keyless/clock.py`) and the board's own clock (`drivers/clock.py`).
"""

from __future__ import annotations

import asyncio
import json
import logging
import math
import os
from pathlib import Path
from typing import Any

from drivers.local import files
from drivers.ports import Clock, Fix, Instant
from keyless import clock as trusted
from keyless.claims import Interval
from keyless.refusal import Refusal
from keyless.signed_time import ANSWER_WITHIN_S, NONCE_SIZE, Question, believe_time, write_question

from ..access.authority import Authority
from ..sync import stored

log = logging.getLogger(__name__)

QUESTIONS = 8  # open at once by each way; a stranger may have any number asked
STALE_S = 6 * 3600.0  # holdover is asked to be renewed after that: a plain crystal has lost two seconds
RETRY_S = 60.0  # a disk that cannot be written now: the floor in memory goes on rising


class Timekeeper:
    """path: the floor file. Read by `load`, written when trust rises and at most every ten minutes otherwise."""

    name = "timekeeper"
    vital = False

    def __init__(self, clock: Clock, path: Path) -> None:
        self._clock, self._path = clock, path
        self._state = trusted.restored(None, clock.boot)
        self._written: trusted.ClockState | None = None
        self._wake = asyncio.Event()
        self._asked: dict[bytes, int] = {}  # in memory only: a restart voids them (D13)
        self._phones: set[bytes] = set()  # which of them went to a phone
        self._counts = {"fixes": 0, "written": 0, "write_failed": 0, "asked": 0, "answered": 0, "not_believed": 0}

    def load(self) -> None:
        """Start from what the last run wrote. A missing or damaged file leaves the build date as the floor."""
        try:
            data = files.read(self._path)
            record = stored.value(dict[str, Any], data) if data is not None else None
        except (OSError, ValueError) as error:
            log.warning("the floor of the clock cannot be read: %s", error)
            record = None
        self._state = trusted.restored(record, self._clock.boot)
        if record is not None:
            self._written = self._state

    # --- what comes in

    def fix(self, fix: Fix) -> None:
        """One epoch of the receiver, good or not."""
        self._counts["fixes"] += 1
        mode = fix.mode if fix.valid else 0
        self._take(trusted.after_fix(self._state, fix.time_ms, fix.at.boot, fix.at.ns, fix.satellites, mode))

    def heard(self, iat: int) -> None:
        """An object whose signature verified says when it was made, in seconds."""
        now = self._clock.now()
        self._take(trusted.after_iat(self._state, iat, now.boot, now.ns))

    # --- signed time

    @property
    def wants_time(self) -> bool:
        """This boot has no time, or has had no witness for hours."""
        now, anchor = self._clock.now(), self._state.anchor
        source = self.interval(now).source
        return source == "none" or anchor is None or (source == "holdover" and now.ns - anchor.at_ns > STALE_S * 1e9)

    def question(self, keyset_version: int, *, by_phone: bool) -> bytes:
        """For a backend. With as many open by that way the newest is told again, so nobody can ask others' away: what
        strangers' phones ask leaves the places of MQTT alone.
        """
        now_ns = self._clock.now().ns
        self._asked = {nonce: at for nonce, at in self._asked.items() if now_ns - at <= ANSWER_WITHIN_S * 1e9}
        self._phones &= self._asked.keys()
        same = [nonce for nonce in self._asked if (nonce in self._phones) is by_phone]
        if len(same) < QUESTIONS:
            same.append(os.urandom(NONCE_SIZE))
            self._asked[same[-1]] = now_ns
            self._phones |= {same[-1]} if by_phone else set()
            self._counts["asked"] += 1
        return write_question(Question(same[-1], keyset_version))

    def answered(self, answer: bytes, authority: Authority) -> Refusal | None:
        """Believed, now and on the disk at once, also where it lowers the floor (R19); or why not. Never raises."""
        keyset, now = authority.trusted(), self._clock.now()
        if isinstance(keyset, Refusal):
            return keyset
        found = believe_time(
            answer, self._asked, keyset, operator=authority.operator, revoked=authority.revoked, now_ns=now.ns,
            list_iat=authority.list_iat,
        )  # fmt: skip
        if isinstance(found, Refusal):
            self._counts["not_believed"] += 1
            return found
        del self._asked[found.nonce]
        self._counts["answered"] += 1
        log.info("signed time: the floor moves by %.0f s", found.time_s - self._state.floor_s)
        self._state = trusted.after_signed(self._state, found.time_s, found.within_s, now.boot, now.ns)
        if not self.write(at_once=True):
            self._wake.set()
        return None

    # --- what is answered

    def interval(self, instant: Instant | None = None) -> Interval:
        """The trusted time at an instant of this boot; now without one."""
        at = self._clock.now() if instant is None else instant
        return trusted.interval(self._state, at.boot, at.ns)

    def settled_lo_s(self, instant: Instant | None = None) -> float:
        """Surely past: what ended before may be erased. A receiver that is wrong moves it by a day at most."""
        at = self._clock.now() if instant is None else instant
        return trusted.settled_lo_s(self._state, at.boot, at.ns)

    def stamp(self, instant: Instant) -> tuple[list[int] | None, str]:
        """`[lo, hi]` in integer milliseconds, rounded outwards, and its source; `None` when nothing bounds it (D2)."""
        found = self.interval(instant)
        if found.hi_s is None:
            return None, "none"
        return [math.floor(found.lo_s * 1000), math.ceil(found.hi_s * 1000)], found.source

    def status(self) -> dict[str, object]:
        now, floor_s = self.interval(), self._state.floor_s
        told = {"lo_s": now.lo_s, "hi_s": now.hi_s, "source": now.source, "floor_s": floor_s}
        return {**told, "wants_time": self.wants_time, **self._counts}

    # --- the floor on disk

    async def run(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            if not self.write():
                await self._clock.sleep(RETRY_S)
                self._wake.set()

    async def close(self) -> None:
        self.write()

    def write(self, *, at_once: bool = False) -> bool:
        """Write the floor where that is due. False: the disk refused; the doors go on with the floor in memory."""
        state = self._state
        if not at_once and not trusted.worth_writing(self._written, state):
            return True
        try:
            files.write_durably(self._path, json.dumps(trusted.to_record(state)).encode())
        except OSError as error:
            self._counts["write_failed"] += 1
            log.warning("the floor of the clock cannot be written: %s", error)
            return False
        self._written = state
        self._counts["written"] += 1
        return True

    def _take(self, state: trusted.ClockState) -> None:
        self._state = state
        if trusted.worth_writing(self._written, state):
            self._wake.set()
