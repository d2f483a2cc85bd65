"""A non-blocking descriptor in the event loop: one bounded queue of what was read, a drop count, and a terminal error.

What is not here: opening the device and deciding when to open it again; its owner (serial line, CAN socket) does that.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

from .errors import DeviceError, DeviceGone

T = TypeVar("T")


class FdReader(Generic[T]):
    """Reads `fd` whenever the kernel says so.

    read: takes one item without blocking; returns `None` when there is no more for now; raises `OSError` or
    `DeviceError` when the device is gone for good. depth: items kept while nobody asks; the oldest is dropped and
    counted, because late news of a car is no news. burst: reads in one turn of the loop, so that a flood cannot starve
    the others (the kernel keeps the rest).
    The descriptor stays the owner's: `close()` takes it out of the loop and closes nothing.
    """

    def __init__(self, fd: int, read: Callable[[], T | None], *, depth: int = 2048, burst: int = 64) -> None:
        self._fd = fd
        self._read = read
        self._burst = burst
        self._items: deque[T] = deque(maxlen=depth)
        self._wake = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._error: DeviceError | None = None
        self.dropped = 0

    def open(self) -> None:
        """Put the descriptor into the running loop. Raises `DeviceGone` when the kernel refuses it."""
        loop = asyncio.get_running_loop()
        try:
            loop.add_reader(self._fd, self._ready)
        except OSError as error:
            raise DeviceGone(f"descriptor {self._fd} cannot be watched: {error}") from error
        self._loop = loop

    @property
    def error(self) -> DeviceError | None:
        """Why reading ended; `None` while it goes on."""
        return self._error

    def _ready(self) -> None:
        try:
            for _ in range(self._burst):
                item = self._read()
                if item is None:
                    break
                if len(self._items) == self._items.maxlen:
                    self.dropped += 1
                self._items.append(item)
        except BlockingIOError:
            pass
        except DeviceError as error:
            self._end(error)
        except OSError as error:
            self._end(DeviceGone(f"read failed: {error}"))
        if self._items or self._error:
            self._wake.set()

    def _end(self, error: DeviceError) -> None:
        # Out of the loop at once: a descriptor that hung up stays "ready" and would spin.
        self._error = self._error or error
        if self._loop is not None:
            self._loop.remove_reader(self._fd)
            self._loop = None
        self._wake.set()

    async def next(self) -> T:
        """The oldest item. What was read before the end is still handed out; then the terminal error, every time."""
        while not self._items:
            if self._error is not None:
                raise self._error
            self._wake.clear()
            await self._wake.wait()
        return self._items.popleft()

    def close(self) -> None:
        """Idempotent. A waiting `next()` ends with `DeviceGone`."""
        self._end(DeviceGone("closed"))
