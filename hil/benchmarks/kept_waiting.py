"""How long a busy host keeps the guest waiting: the guest's own clocks count that as work of whoever was at it.

From `/proc/PID/schedstat` of every process that the guest consists of. What is not here: what the host itself is kept
waiting for by the machine below it.
"""

from __future__ import annotations

import asyncio
import bisect
import contextlib
import time
from pathlib import Path

from ..machine import GuestMachine, Machine

EVERY_S = 0.25


class KeptWaiting:
    """Samples a machine while it is entered. Where the machine is the host itself, nothing needs correcting."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._seen: dict[int, tuple[int, int]] = {}
        self._samples: list[tuple[float, int, int]] = []
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> KeptWaiting:
        if isinstance(self._machine, GuestMachine):
            self._task = asyncio.create_task(self._sample(self._machine))
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def given(self, begin: float, end: float) -> float:
        """Of the time from begin to end (seconds since 1970) in which the guest wanted to run: the share it could."""
        times = [at for at, _, _ in self._samples]
        if len(times) < 2:
            return 1.0
        first = self._samples[max(0, bisect.bisect_right(times, begin) - 1)]
        last = self._samples[min(len(times) - 1, bisect.bisect_left(times, end))]
        ran, waited = last[1] - first[1], last[2] - first[2]
        return ran / (ran + waited) if ran + waited else 1.0

    async def _sample(self, machine: GuestMachine) -> None:
        while True:
            self._look(machine.processes())
            await asyncio.sleep(EVERY_S)

    def _look(self, pids: list[int]) -> None:
        """Those that have ended count on with what they had."""
        for pid in pids:
            with contextlib.suppress(OSError, ValueError):  # it has just ended
                ran, waited, _ = map(int, Path(f"/proc/{pid}/schedstat").read_text().split())
                self._seen[pid] = ran, waited
        ran, waited = (sum(one[at] for one in self._seen.values()) for at in (0, 1))
        self._samples.append((time.time(), ran, waited))
