"""A program on a terminal of a given size, as a person has it. What it draws is read as text."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BOITIER = [sys.executable, "-c", "import sys; sys.argv[0] = 'boitier'; from agent.cli.main import main; main()"]
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[=>]")
PATIENCE_S = 30.0


class Terminal:
    """`boitier ARGUMENTS` on a pty. drawn: everything so far, escapes and all."""

    def __init__(self, *arguments: str, columns: int = 100, rows: int = 30, **environment: str) -> None:
        self._end, inner = pty.openpty()
        fcntl.ioctl(inner, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        # The size is the pty's alone: a COLUMNS of whoever runs the tests would win over it.
        env = {key: value for key, value in os.environ.items() if key not in ("COLUMNS", "LINES", "NO_COLOR")}
        self.process = subprocess.Popen(
            [*BOITIER, *arguments], stdin=inner, stdout=inner, stderr=inner, cwd=ROOT, start_new_session=True,
            env={**env, "TERM": "xterm", "LC_ALL": "C.UTF-8", **environment},
        )  # fmt: skip
        os.close(inner)
        self.drawn = ""

    def wait_for(self, pattern: str, times: int = 1) -> None:
        """Until what was drawn, without escapes, matches so often."""
        deadline = time.monotonic() + PATIENCE_S
        while len(re.findall(pattern, self.text)) < times:
            assert self._read(deadline), f"{pattern!r} never came; drawn so far: {self.text!r}"

    def interrupt(self) -> None:
        """Ctrl-C."""
        self.process.send_signal(signal.SIGINT)

    def end(self) -> int:
        """Read to the end; the exit code."""
        deadline = time.monotonic() + PATIENCE_S
        while self._read(deadline):
            pass
        os.close(self._end)
        return self.process.wait(PATIENCE_S)

    @property
    def text(self) -> str:
        return ESCAPES.sub("", self.drawn).replace("\r\n", "\n")

    def _read(self, deadline: float) -> bool:
        ready, _, _ = select.select([self._end], [], [], max(0.0, deadline - time.monotonic()))
        if not ready:
            return False
        try:
            data = os.read(self._end, 65536)
        except OSError:  # Linux says so when the program is gone
            return False
        self.drawn += data.decode("utf-8", "replace")
        return bool(data)
