"""Pseudo-terminals under fixed names: what the box opens as its serial devices.

What is not here: the frames on them (`harness.py`).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import tty
from collections.abc import Callable
from pathlib import Path

READ_BYTES = 4096


class Pty:
    """One device at `link`. The far end is kept open, so that a box that is not there yet is no hang-up.

    heard: called with what the box writes. lost: bytes that nobody read in time, as on a real line.
    """

    def __init__(self, link: Path, heard: Callable[[bytes], None] | None = None) -> None:
        self.link = link
        self.lost = 0
        self._heard = heard
        self._near: int | None = None
        self._far: int | None = None

    @property
    def plugged(self) -> bool:
        return self._near is not None

    def plug(self) -> None:
        """Raw, non-blocking, at its name; needs a running loop. Nothing happens when it is plugged already."""
        if self._near is not None:
            return
        self._near, self._far = os.openpty()
        tty.setraw(self._far)
        os.set_blocking(self._near, False)
        self.link.parent.mkdir(parents=True, exist_ok=True)
        self.link.unlink(missing_ok=True)
        self.link.symlink_to(os.ttyname(self._far))
        asyncio.get_running_loop().add_reader(self._near, self._readable, self._near)

    def unplug(self) -> None:
        """Both ends close: the box sees a hang-up, and the name is gone."""
        if self._near is None or self._far is None:
            return
        asyncio.get_running_loop().remove_reader(self._near)
        self.link.unlink(missing_ok=True)
        os.close(self._near)
        os.close(self._far)
        self._near = self._far = None

    def write(self, data: bytes) -> bool:
        """False when unplugged, or when the line is full because nobody reads: what does not fit is lost."""
        if self._near is None:
            return False
        sent = 0
        with contextlib.suppress(BlockingIOError):
            sent = os.write(self._near, data)
        self.lost += len(data) - sent
        return sent == len(data)

    def _readable(self, near: int) -> None:
        try:
            data = os.read(near, READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            asyncio.get_running_loop().remove_reader(near)
            return
        if self._heard is not None and data:
            self._heard(data)
