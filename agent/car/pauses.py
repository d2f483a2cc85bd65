"""Service: writes down when collection pauses because staff are not at work, and when it goes on: by time only (P7).

What is not here: the pause itself, which is the policy's answer at every look (`privacy.py`); so that a record that
comes ten seconds late keeps nothing that it should not.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final

from config.privacy import Policy
from drivers.ports import Clock, Instant

from ..sync.store import Fact, Store, StoreBroken
from .privacy import paused
from .under_way import UnderWay

log = logging.getLogger(__name__)

TICK_S: Final = 10.0
PAUSE_KEY: Final = "privacy/pause"


class Pauses:
    """stamp: wall interval and its source."""

    name = "pauses"
    vital = False

    def __init__(
        self, clock: Clock, store: Store, under: UnderWay, policy: Policy,
        stamp: Callable[[Instant], tuple[list[int] | None, str]],
    ) -> None:  # fmt: skip
        self._clock, self._store, self._under, self._policy, self._stamp = clock, store, under, policy, stamp
        self._booking: int | None = None  # whose pause is on record as begun

    async def load(self) -> None:
        """A pause that had begun before the power went goes on."""
        kept = (await self._store.read(PAUSE_KEY)).get(PAUSE_KEY, b"")
        self._booking = int(kept) if kept.isdigit() else None

    async def run(self) -> None:
        await self.load()
        while True:
            await self.tick()
            await self._clock.sleep(TICK_S)

    async def close(self) -> None:
        pass

    async def tick(self) -> None:
        now, open_ = self._clock.now(), self._under.booking
        rests = open_ is not None and paused(open_.kind, self._policy, self._stamp(now)[0])
        booking = open_.booking if open_ is not None and rests else None
        if booking == self._booking:
            return
        facts = []
        if self._booking is not None:
            facts.append(Fact("pause", {"event": "ended", "booking": self._booking}, now))
        if booking is not None:
            facts.append(Fact("pause", {"event": "began", "booking": booking}, now))
        self._booking = booking
        put = {PAUSE_KEY: str(booking).encode()} if booking is not None else {}
        try:
            await self._store.commit(facts, put=put, drop=() if put else (PAUSE_KEY,))
        except StoreBroken:
            log.warning("the database is broken; a pause is kept in memory")
