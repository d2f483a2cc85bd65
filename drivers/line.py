"""A serial line that may come and go: pyserial opens and configures it, the event loop reads it.

The one file that knows pyserial, so that it can be replaced. What is not here: what the bytes mean (`gnss`, `reader`),
and actuation (`lock/relay.py` only borrows `open_port`).
"""

from __future__ import annotations

import contextlib
import logging
import os
from typing import TYPE_CHECKING, Final

from .attempts import Attempts
from .errors import DeviceError, DeviceGone
from .fd import FdReader
from .ports import Clock, Instant

if TYPE_CHECKING:
    from serial import Serial

FIRST_WAIT_S: Final = 0.5
LONGEST_WAIT_S: Final = 5.0
CHUNK_BYTES: Final = 4096  # the kernel's line buffer
DEPTH_CHUNKS: Final = 256

_log = logging.getLogger(__name__)


def open_port(device: str, baud: int) -> Serial:
    """The configured port, non-blocking and ours alone (a second opener is refused). Raises `DeviceGone`."""
    if not device:
        raise DeviceGone("no serial device is configured", retryable=False)
    from serial import Serial  # not needed before the device is (D24)

    try:
        return Serial(device, baud, timeout=0, exclusive=True)
    except (OSError, ValueError) as error:  # SerialException is an OSError; ValueError: a rate the port cannot do
        raise DeviceGone(str(error)) from error  # names the device


class SerialLine:
    """Opens when first read, reopens with back-off (0.5 s doubling to 5 s) and counts; never gives up until closed.

    counters: "opened", "lost" (was open), "absent" (could not be opened), "dropped" (chunks nobody took in time).
    """

    def __init__(self, device: str, baud: int, clock: Clock) -> None:
        self._device = device
        self._baud = baud
        self._clock = clock
        self._port: Serial | None = None
        self._reader: FdReader[tuple[bytes, Instant]] | None = None
        self._attempts = Attempts(device, clock, FIRST_WAIT_S, LONGEST_WAIT_S)
        self._counters = dict.fromkeys(("opened", "lost", "absent", "dropped"), 0)

    @property
    def plugged(self) -> bool:
        return self._reader is not None and self._reader.error is None

    def counters(self) -> dict[str, int]:
        waiting = self._reader.dropped if self._reader else 0
        return self._counters | {"dropped": self._counters["dropped"] + waiting}

    async def next(self) -> tuple[bytes, Instant]:
        """What arrived, and when. Empty bytes: the line was lost, so a half message will never be finished.

        Raises `DeviceGone` only after `close()`.
        """
        if self._reader is None:
            await self._attempts.opened(self._open, self._absent)
        assert self._reader is not None
        try:
            data, at = await self._reader.next()
        except DeviceError as error:
            if self._attempts.closed:
                raise
            self._lose(error)
            return b"", self._clock.now()
        self._attempts.worked()
        return data, at

    def write(self, data: bytes) -> bool:
        """Best effort, at once: `False` when the line is not there or would not take all of it."""
        if not self.plugged or self._port is None:
            return False
        try:
            return os.write(self._port.fileno(), data) == len(data)
        except OSError:  # the reading side finds out and reopens
            return False

    def close(self) -> None:
        """Idempotent; a waiting `next()` ends with `DeviceGone`."""
        self._attempts.closed = True
        self._release()

    def _absent(self, error: DeviceError) -> None:
        if not self._counters["absent"]:
            _log.warning("%s", error)
        self._counters["absent"] += 1

    def _open(self) -> None:
        port = open_port(self._device, self._baud)
        fd = port.fileno()

        def read() -> tuple[bytes, Instant]:
            data = os.read(fd, CHUNK_BYTES)
            if not data:  # "ready" and nothing to read is how a tty says that it hung up
                raise DeviceGone(f"{self._device}: hung up")
            return data, self._clock.now()

        # One read in a turn: a tty with nothing more to say returns no bytes, which would look like the hang-up.
        reader = FdReader(fd, read, depth=DEPTH_CHUNKS, burst=1)
        try:
            reader.open()
        except DeviceError:
            port.close()
            raise
        self._port, self._reader = port, reader
        self._counters["opened"] += 1
        _log.info("%s: open", self._device)

    def _lose(self, error: DeviceError) -> None:
        self._counters["lost"] += 1
        _log.warning("%s: lost: %s", self._device, error)
        self._attempts.failed()
        self._release()

    def _release(self) -> None:
        reader, port = self._reader, self._port
        self._reader = self._port = None
        if reader is not None:
            self._counters["dropped"] += reader.dropped
            reader.close()  # out of the loop before its number can be reused
        if port is not None:
            with contextlib.suppress(OSError):
                port.close()
