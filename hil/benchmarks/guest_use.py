"""What the guest really uses of the host, to the nanosecond, without the time for which a busy host kept it waiting.

The guest's own clocks cannot tell: they count in ticks of 10 ms, whose phase its timers share, and take waiting for
work. From `/proc/PID/schedstat` of every process that the guest consists of. What is not here: what the host itself is
kept waiting for by the machine below it.
"""

from __future__ import annotations

import asyncio
import bisect
import contextlib
import time
from pathlib import Path

from ..machine import GuestMachine, Machine

EVERY_S = 0.25


class GuestUse:
    """Samples a machine while it is entered; one that is the host itself is not sampled."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._seen: dict[int, int] = {}
        self._samples: list[tuple[float, int]] = []
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> GuestUse:
        if isinstance(self._machine, GuestMachine):
            self._task = asyncio.create_task(self._sample(self._machine))
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def used_s(self, begin: float, end: float) -> float | None:
        """Seconds of a core that the whole guest used from begin to end (since 1970); `None` where it is no guest."""
        if len(self._samples) < 2:
            return None
        return (self._ran_ns(end) - self._ran_ns(begin)) / 1e9

    def _ran_ns(self, at: float) -> float:
        """Between two samples it is taken as steady."""
        after = min(max(1, bisect.bisect_right(self._samples, (at, 0))), len(self._samples) - 1)
        (before_s, before), (after_s, ran) = self._samples[after - 1 : after + 1]
        return before + (ran - before) * min(1.0, max(0.0, (at - before_s) / (after_s - before_s)))

    async def _sample(self, machine: GuestMachine) -> None:
        while True:
            self._look(machine.processes())
            await asyncio.sleep(EVERY_S)

    def _look(self, pids: list[int]) -> None:
        """Those that have ended count on with what they had."""
        for pid in pids:
            with contextlib.suppress(OSError, ValueError):  # it has just ended
                self._seen[pid] = int(Path(f"/proc/{pid}/schedstat").read_text().split()[0])
        self._samples.append((time.time(), sum(self._seen.values())))
