"""A satellite receiver behind gpsd, over TCP in the event loop: another program may own the receiver and share it.

What is not here: what its reports mean (`reports.py`), a receiver of our own (`receiver.py`), and what a fix is worth.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from typing import Final

from ..attempts import Attempts
from ..line import FIRST_WAIT_S, LONGEST_WAIT_S
from ..ports import Clock, Fix
from .reports import Reports

WATCH: Final = b'?WATCH={"enable":true,"json":true};\n'
CONNECT_S: Final = 5.0
CHUNK_BYTES: Final = 4096
SILENT_NS: Final = 10_000_000_000  # a receiver sends every second, also without a fix

_log = logging.getLogger(__name__)


class Gpsd:
    """A `GnssPort`. address: "ip:port", numbers only, so that no name is looked up. jitter: uniform in [0, 1).

    counters: "opened", "lost" (was connected), "absent" (nobody answered), and those of the reports.
    """

    def __init__(self, address: str, clock: Clock, jitter: Callable[[], float], reports: Reports | None = None) -> None:
        host, _, port = address.rpartition(":")
        self._address, self._host, self._port = address, host.strip("[]"), int(port)
        self._clock, self._jitter = clock, jitter
        self._reports = reports or Reports()
        self._ready: deque[Fix] = deque()
        self._stream: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._heard_ns = 0
        self._attempts = Attempts(f"gpsd at {address}", clock, FIRST_WAIT_S, LONGEST_WAIT_S)
        self._counters = dict.fromkeys(("opened", "lost", "absent"), 0)

    @property
    def plugged(self) -> bool:
        """gpsd is there and a receiver speaks through it. gpsd 3.22 tells nobody that a receiver's line hung up."""
        spoken = self._stream is not None and self._reports.receiver is not None
        return spoken and self._clock.now().ns - self._heard_ns <= SILENT_NS

    async def next_fix(self) -> Fix:
        """The next epoch, void ones included; connects at the first call. `DeviceGone` only after `close()`."""
        while not self._ready:
            reader = self._stream[0] if self._stream is not None else await self._connect()
            try:
                data = await reader.read(CHUNK_BYTES)
            except OSError:
                data = b""
            if data:
                self._take(data)
            else:
                self._lose()
        return self._ready.popleft()

    def counters(self) -> dict[str, int]:
        return self._counters | self._reports.counters()

    def close(self) -> None:
        """Idempotent; a waiting `next_fix()` ends with `DeviceGone`."""
        self._attempts.closed = True
        self._release()

    async def _connect(self) -> asyncio.StreamReader:
        while True:
            await self._attempts.wait(0.5 + 0.5 * self._jitter())
            try:
                async with asyncio.timeout(CONNECT_S):
                    reader, writer = await asyncio.open_connection(self._host, self._port)
            except OSError as error:  # a refusal, or nobody in time: TimeoutError is one too
                if not self._counters["absent"]:
                    _log.warning("gpsd at %s does not answer: %s", self._address, error)
                self._counters["absent"] += 1
                self._attempts.failed()
                continue
            self._stream = reader, writer
            if self._attempts.closed:
                self._release()
                continue
            writer.write(WATCH)
            self._counters["opened"] += 1
            _log.info("gpsd at %s: connected", self._address)
            return reader

    def _take(self, data: bytes) -> None:
        now, before = self._clock.now(), self._reports.reports
        self._attempts.worked()
        self._ready.extend(self._reports.feed(data, now))
        if self._reports.reports != before:
            self._heard_ns = now.ns

    def _lose(self) -> None:
        if not self._attempts.closed:
            self._counters["lost"] += 1
            _log.warning("gpsd at %s: lost", self._address)
            self._attempts.failed()
        self._ready.extend(self._reports.end())
        self._release()

    def _release(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            stream[1].transport.abort()
