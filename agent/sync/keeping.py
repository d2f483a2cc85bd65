"""Service: once an hour what is of people and has lain here long enough goes, whether it was sent or not (P5).

What is not here: what goes, and what stays (`holdings.py`), and how long is long (the privacy policy).
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from typing import Final

from config.privacy import Retention
from drivers.ports import Clock

from . import holdings
from .holdings import Keep, Step
from .store import Store, StoreBroken

log = logging.getLogger(__name__)

FIRST_AFTER_S: Final = 30.0  # not in the way of the first unlock
EVERY_S: Final = 3600.0
DAY_MS: Final = 86_400_000


class Keeping:
    """past_s: seconds since 1970 that are surely over: a receiver that is wrong must not erase anything (R19)."""

    name = "keeping"
    vital = False

    def __init__(self, clock: Clock, store: Store, retention: Retention, past_s: Callable[[], float]) -> None:
        self._clock, self._store, self._past_s = clock, store, past_s
        self._position_ms = round(retention.position_days * DAY_MS)
        self._sample_ms = round(retention.sample_days * DAY_MS)

    async def run(self) -> None:
        await self._clock.sleep(FIRST_AFTER_S)
        while True:
            try:
                await self.age()
            except StoreBroken as error:
                log.warning("nothing goes by age while the database is broken: %s", error)
            await self._clock.sleep(EVERY_S)

    async def close(self) -> None:
        pass

    async def age(self) -> Step:
        """All that is due, in small steps, so that a fact never waits long behind it. Raises StoreBroken."""
        done = Step(0, 0, True)
        while done.more:
            keep = Keep(self._position_ms, self._sample_ms, round(self._past_s() * 1000))
            done = done.plus(await self._store.ask(functools.partial(holdings.age, keep=keep)))
        if done.facts or done.samples:
            await self._store.ask(lambda disk, when: holdings.settle(disk))
        return done
