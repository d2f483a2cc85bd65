"""A clock that stands still until it is told to advance. Real time lives in `drivers/clock.py`."""

from __future__ import annotations

import asyncio
import heapq
import itertools

from drivers.ports import Instant

BOOT = "b0070000000000a1"


class ManualClock:
    """Sleepers wake in the order of their deadlines, each at its own deadline; equal deadlines in the order they lay
    down.
    """

    def __init__(self, ns: int = 1_000_000_000, boot: str = BOOT, wall_ms: int | None = None) -> None:
        self._boot = boot
        self._ns = ns
        self._wall_ms = wall_ms
        self._sleepers: list[tuple[int, int, asyncio.Future[None]]] = []
        self._order = itertools.count()

    @property
    def boot(self) -> str:
        return self._boot

    def now(self) -> Instant:
        return Instant(self._boot, self._ns, self._wall_ms)

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            return await asyncio.sleep(0)
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._ns + round(seconds * 1e9), next(self._order), future))
        return await future

    @property
    def sleepers(self) -> int:
        """How many wait for a deadline."""
        return sum(not future.done() for _, _, future in self._sleepers)

    def move(self, seconds: float) -> None:
        """Advance without waking anybody: for tests of pure code."""
        self._ns += round(seconds * 1e9)
        if self._wall_ms is not None:
            self._wall_ms += round(seconds * 1e3)

    async def advance(self, seconds: float) -> None:
        """Move time forward; everybody whose deadline passes runs at that deadline before time goes on."""
        end = self._ns + round(seconds * 1e9)
        await settle()
        while self._sleepers and self._sleepers[0][0] <= end:
            deadline, _, future = heapq.heappop(self._sleepers)
            if not future.done():
                self.move(max(0, deadline - self._ns) / 1e9)
                future.set_result(None)
                await settle()
        self.move((end - self._ns) / 1e9)
        await settle()


async def settle(rounds: int = 10) -> None:
    """Let every task that can run do so."""
    for _ in range(rounds):
        await asyncio.sleep(0)
