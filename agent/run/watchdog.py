"""Feeds systemd's watchdog, but only on evidence that every vital part made progress. It restarts nothing itself.

The chain of evidence: the store ticks when it committed (or, without work, read its database, D25); the door ticks when
its loop went round; this service ticks by running on the same loop. One stale link, and systemd is told nothing: it
then kills and restarts the process, which is safe at any line (crash-only).
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Protocol

from drivers.ports import Clock

log = logging.getLogger(__name__)

NANOSECONDS = 1_000_000_000


class Ticking(Protocol):
    """A part that shows progress. ticked_ns: boot time of its last proven progress."""

    @property
    def name(self) -> str: ...

    @property
    def ticked_ns(self) -> int: ...


class Feeder(Protocol):
    def watchdog(self) -> object: ...


class Ledger:
    """Who must tick how often. Pure: times come in as arguments.

    within_s: name → longest time between two ticks. since_ns: when watching began: every part's first tick.
    """

    def __init__(self, within_s: Mapping[str, float], since_ns: int) -> None:
        self._within_ns = {name: int(seconds * NANOSECONDS) for name, seconds in within_s.items()}
        self._last_ns = dict.fromkeys(within_s, since_ns)

    def tick(self, name: str, at_ns: int) -> None:
        """Ticks never go back: a part restored from old state cannot look younger or older than it is."""
        self._last_ns[name] = max(self._last_ns[name], at_ns)

    def stale(self, now_ns: int) -> tuple[str, ...]:
        return tuple(name for name, last in self._last_ns.items() if now_ns - last > self._within_ns[name])

    def ages_s(self, now_ns: int) -> dict[str, float]:
        return {name: round((now_ns - last) / NANOSECONDS, 1) for name, last in self._last_ns.items()}


class Watchdog:
    """period_s: how often to look; half of what systemd asks for or less, so that one late look is no restart."""

    name = "watchdog"
    vital = True

    def __init__(
        self, clock: Clock, parts: tuple[Ticking, ...], within_s: Mapping[str, float], feeder: Feeder, period_s: float
    ) -> None:
        self._clock, self._parts, self._feeder, self._period_s = clock, parts, feeder, period_s
        self._ledger = Ledger(within_s, clock.now().ns)
        self._stale: tuple[str, ...] = ()

    async def run(self) -> None:
        while True:
            self.look()
            await self._clock.sleep(self._period_s)

    def look(self) -> None:
        """Read every part's tick; feed, or say once in the log who is late."""
        now_ns = self._clock.now().ns
        for part in self._parts:
            self._ledger.tick(part.name, part.ticked_ns)
        stale = self._ledger.stale(now_ns)
        if not stale:
            self._feeder.watchdog()
        elif stale != self._stale:
            log.error("no progress of %s: systemd is not fed", ", ".join(stale))
        self._stale = stale

    def counters(self) -> dict[str, object]:
        """For `status`: seconds since each part's last progress, and who is late."""
        return {"age_s": self._ledger.ages_s(self._clock.now().ns), "late": list(self._stale)}
