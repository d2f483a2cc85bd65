"""The one place that reads a clock. Everything else takes time as an argument."""

from __future__ import annotations

import asyncio
import hashlib
import time
from pathlib import Path

from .ports import Instant

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class SystemClock:
    """CLOCK_BOOTTIME, which goes on while the board sleeps: the plain monotonic clock would stretch a token's life."""

    def __init__(self, boot_id: Path = BOOT_ID) -> None:
        # D1: a boot id is 8 bytes of SHA-256(kind | value), so that the kernel's own id never leaves the car.
        self._boot = hashlib.sha256(b"boot" + boot_id.read_bytes().strip()).hexdigest()[:16]

    @property
    def boot(self) -> str:
        return self._boot

    def now(self) -> Instant:
        return Instant(self._boot, time.clock_gettime_ns(time.CLOCK_BOOTTIME), time.time_ns() // 1_000_000)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


def wait(seconds: float) -> None:
    """For programs without a loop: a recording watched at its own pace, a screen that is refreshed."""
    time.sleep(seconds)
