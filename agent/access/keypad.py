"""The keypad: which bookings the typed digits stand for, how many wrong ones there were and which codes are used up,
over restarts and cuts.

What is not here: the digits themselves and the limit (`keyless/code.py`, `keyless/tries.py`), whether what they stand
for may open (`deciding.py`). No digit ever goes into a record or a log.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Mapping, Set
from typing import Final

import msgspec
from msgspec import Struct

from drivers.ports import Clock
from keyless.claims import Claims, Interval
from keyless.code import (
    DAY_S,
    DIGITS,
    CodeKind,
    ends,
    hotline_booking,
    hotline_claims,
    hotline_token,
    stands_for,
    within_a_day,
)
from keyless.refusal import Code, Refusal, refused
from keyless.tries import LOCK_NS, Tries, after_wrong, aged, locked, not_known

from ..sync import stored
from .bookings import Bookings
from .choice import Stored, paid_until

log = logging.getLogger(__name__)

HEX: Final = re.compile(r"[0-9a-f]{32}")
TRIES: Final = "access/tries"
FORCED: Final = "access/forced"
MOST_FORCED: Final = 16  # within a day and an hour, each told by a person at the desk
LOCKED: Final = "keypad_locked"
Alarm = Callable[[str, bool], None]


class Forced(Struct, frozen=True):
    """A code that ended this booking by force. day: of UTC, since 1970."""

    booking: int
    day: int


class Keypad:
    """key: the vehicle's code key, 32 bytes; empty where codes are not used. alarm(name, holds): told at each lock and
    when it is over.
    """

    def __init__(self, clock: Clock, bookings: Bookings, key: bytes, alarm: Alarm) -> None:
        self._clock, self._bookings, self._key, self._alarm = clock, bookings, key, alarm
        self._tries, self._forced = Tries(), tuple[Forced, ...]()
        self._kept = True
        self.counters = {"code_wrong": 0, "code_locked": 0, "keypad_locks": 0}

    def load(self, vault: Mapping[str, bytes] | None) -> None:
        """What earlier runs left. `None`: the database cannot be read."""
        now = self._clock.now()
        self._tries = not_known(now.boot, now.ns) if vault is None and self._key else Tries()
        if vault is not None and TRIES in vault:
            try:
                self._tries = stored.value(Tries, vault[TRIES])
            except ValueError as error:
                log.error("the count of wrong codes is damaged, so the keypad rests for ten minutes: %s", error)
                self._tries = not_known(now.boot, now.ns)
        if vault is not None and FORCED in vault:
            try:
                self._forced = stored.value(tuple[Forced, ...], vault[FORCED])[-MOST_FORCED:]
            except ValueError as error:
                log.error("which codes have ended a booking cannot be read; one may do it again: %s", error)
        self.look()

    def put(self) -> dict[str, bytes]:
        """The count, for the vault; nothing where that has it."""
        if self._kept:
            return {}
        self._kept, tries = True, self._tries
        return {TRIES: json.dumps({"wrong": tries.wrong, "boot": tries.boot, "at_ns": tries.at_ns}).encode()}

    def used(self, end: Stored) -> dict[str, bytes]:
        """For the vault, with the intent: this code, which stands for a forced end, has done it."""
        mine = Forced(end.booking, end.nbf // DAY_S)
        self._forced = (*(it for it in self._forced if it != mine), mine)[-MOST_FORCED:]
        return {FORCED: msgspec.json.encode(self._forced)}

    def locked(self) -> bool:
        now = self._clock.now()
        return locked(self._tries, now.boot, now.ns)

    def look(self) -> None:
        """Often enough that the end of a lock is told."""
        self._alarm(LOCKED, self.locked())

    def typed(
        self, digits: str, now: Interval, open_: int | None, ended: Set[int], just_ended: int | None = None
    ) -> tuple[Stored, ...] | Refusal:
        """What these digits stand for; or why nothing, after which `put` belongs on the disk before any answer. ended:
        see `Known`. just_ended: see `UnderWay`; its driver fetches what he forgot, whenever that is.
        """
        if not self._key:
            return refused(Code.CODE, "this car has no code key, so it takes no codes")
        self.look()
        if self.locked():
            self.counters["code_locked"] += 1
            return self._rests(now)
        if len(digits) != DIGITS:
            return refused(Code.CODE, f"a code has {DIGITS} digits")
        found = self._named(digits, now, just_ended if open_ is None else open_, ended)
        found = found or self._end(digits, now, open_)
        if not found and any(ends(self._key, digits, now, it.booking) == it.day for it in self._forced):
            return refused(Code.CODE, "this code has ended its booking already", reasons=["code_used"])
        return found or self._wrong(now)

    # --- inside

    def _named(self, digits: str, now: Interval, last: int | None, ended: Set[int]) -> tuple[Stored, ...]:
        """Every booking near is compared, whichever it is, so that the time taken tells nothing."""
        found: list[Stored] = []
        for it in self._bookings.believed():
            if within_a_day(it, now) or it.booking == last:
                kind = stands_for(self._key, digits, it)
                if kind is not None:
                    found.append(Stored(it.booking, it.nbf, it.token, kind))
        number = hotline_booking(self._key, digits, now, last)
        if number is not None:
            found += self._slot(number, now, ended)
        return tuple(found)

    def _end(self, digits: str, now: Interval, open_: int | None) -> tuple[Stored, ...]:
        """R1: what ends the booking under way; again where its driver has opened it again, for what stuck may stick."""
        day = None if open_ is None else ends(self._key, digits, now, open_)
        if open_ is None or day is None:
            return ()
        return (Stored(open_, day * DAY_S, b"", CodeKind.END),)

    def _slot(self, number: int, now: Interval, ended: Set[int]) -> list[Stored]:
        """The tokens that the desk sent for it since, else the slot by itself, until it makes way."""
        sent = [it for it in self._bookings.believed() if it.booking == number]
        if sent:
            return [Stored(it.booking, it.nbf, it.token, CodeKind.DESK) for it in sent]
        until = paid_until(self._bookings.believed(), now.lo_s, ended)
        nbf = hotline_claims(number, b"", "").nbf
        return [Stored(number, nbf, b"", CodeKind.DESK, until)]

    def _wrong(self, now: Interval) -> Refusal:
        at = self._clock.now()
        self._tries, self._kept = after_wrong(self._tries, at.boot, at.ns), False
        self.counters["code_wrong"] += 1
        if self.locked():
            self.counters["keypad_locks"] += 1
            log.warning("too many wrong codes: the keypad rests for ten minutes; badges and phones go on")
            self.look()
            return self._rests(now)
        return refused(Code.CODE, "no booking near has this code")

    def _rests(self, now: Interval) -> Refusal:
        at = self._clock.now()
        left_s = (aged(self._tries, at.boot, at.ns).at_ns + LOCK_NS - at.ns) / 1e9
        known = {} if now.hi_s is None else {"until": round(now.lo_s + left_s)}
        return refused(Code.CODE, "too many wrong codes: the keypad rests", None, reasons=[LOCKED], **known)


def slot_claims(token: str) -> Claims | None:
    """Of a token id in hex that is a slot's: what such a booking is; `None` for another's."""
    number = hotline_token(bytes.fromhex(token)) if HEX.fullmatch(token) else None
    return None if number is None else hotline_claims(number, b"", "")
