"""One process of the bench, ended, killed or frozen by its own id and by no other means.

What is not here: what the process does.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

POLL_S = 0.02


class Child:
    """Not started by construction. `log` takes both output streams."""

    def __init__(self, argv: Sequence[str], log: Path, env: Mapping[str, str] | None = None) -> None:
        self._argv, self._log = list(argv), log
        self._env = {**os.environ, **(env or {})}
        self._process: subprocess.Popen[bytes] | None = None
        self._frozen = False

    @property
    def pid(self) -> int | None:
        return self._process.pid if self.running and self._process else None

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        if self.running:
            raise RuntimeError(f"{self._argv[0]} runs already")
        with self._log.open("ab") as log:
            nothing = subprocess.DEVNULL
            self._process = subprocess.Popen(self._argv, stdin=nothing, stdout=log, stderr=log, env=self._env)
        self._frozen = False

    async def stop(self, deadline_s: float = 5.0) -> int | None:
        """SIGTERM, and SIGKILL when that is not heard. Returns the exit status; None if it never ran."""
        self.thaw()
        if self._process is None:
            return None
        self._signal(signal.SIGTERM)
        with contextlib.suppress(TimeoutError):
            return await asyncio.wait_for(self._ended(), deadline_s)
        return await self.kill()

    async def kill(self) -> int | None:
        """SIGKILL, the process's own power cut."""
        if self._process is None:
            return None
        self._signal(signal.SIGKILL)
        return await self._ended()

    def freeze(self) -> None:
        """SIGSTOP: the kernel still takes bytes for it, nothing answers."""
        self._signal(signal.SIGSTOP)
        self._frozen = True

    def thaw(self) -> None:
        if self._frozen:
            self._signal(signal.SIGCONT)
            self._frozen = False

    def _signal(self, number: int) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(number)

    async def _ended(self) -> int:
        assert self._process is not None
        while (status := self._process.poll()) is None:
            await asyncio.sleep(POLL_S)
        return status
