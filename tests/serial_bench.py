"""Real ptys for the serial drivers' tests: a stable device name that can be unplugged and plugged in again."""

from __future__ import annotations

import asyncio
import contextlib
import os
import termios
import tty
from pathlib import Path

from drivers.ports import Instant

BOOT = "00112233aabbccdd"


class Socket:
    """The hole in the wall. `device` is a link, as udev makes one; the test holds the other end of the wire."""

    def __init__(self, device: Path) -> None:
        self.device = str(device)
        self._link = device
        self._end = -1

    def plug(self) -> None:
        self._end, inner = os.openpty()
        tty.setraw(inner)
        self._link.unlink(missing_ok=True)
        self._link.symlink_to(os.ttyname(inner))
        os.close(inner)
        os.set_blocking(self._end, False)

    def unplug(self) -> None:
        if self._end >= 0:
            os.close(self._end)
            self._end = -1
        self._link.unlink(missing_ok=True)

    def speeds(self) -> tuple[int, int]:
        """Input and output speed of the line as the kernel has them now, as constants of termios."""
        attributes = termios.tcgetattr(self._end)
        return attributes[4], attributes[5]

    async def send(self, data: bytes, chunk: int = 512) -> None:
        for start in range(0, len(data), chunk):
            rest = data[start : start + chunk]
            while rest:
                with contextlib.suppress(BlockingIOError):
                    rest = rest[os.write(self._end, rest) :]
                await asyncio.sleep(0)

    def received(self) -> bytes:
        """What the driver has written since the last look."""
        data = b""
        with contextlib.suppress(BlockingIOError, OSError):  # EIO: nobody has the other end open
            while part := os.read(self._end, 4096):
                data += part
        return data


class StepClock:
    """Time passes only when somebody sleeps, and then at once (a millisecond of real time keeps the loop polite)."""

    boot = BOOT

    def __init__(self) -> None:
        self.ns = 1_000_000_000
        self.slept: list[float] = []

    def now(self) -> Instant:
        return Instant(self.boot, self.ns, None)

    def advance(self, seconds: float) -> None:
        self.ns += int(seconds * 1e9)

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.advance(seconds)
        await asyncio.sleep(0.001)


async def until(condition, turns: int = 5000) -> None:
    """Let the loop run until it is so; the bound only turns a hang into a failure."""
    for _ in range(turns):
        if condition():
            return
        await asyncio.sleep(0.001)
    raise AssertionError("it never happened")
