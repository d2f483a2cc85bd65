"""python-can, for what must be sent and answered: one short-lived line for an exchange, so there is nothing to reopen.

What does not live here: reading the car's broadcasts (`watch.py`) and what the bytes of an exchange mean (`diag.py`).
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from ..errors import DeviceError, DeviceGone
from ..ports import Clock
from .link import must_be_up

if TYPE_CHECKING:
    import can

STANDARD_MAX: Final = 0x7FF
"""Ids above have 29 bits."""
SEND_RETRY_S: Final = 0.005
DRAIN: Final = 64


class Line:
    """An open bus that hears only the ids it was opened for. Frames wait in `inbox` as (id, data)."""

    def __init__(self, bus: can.BusABC, clock: Clock) -> None:
        self._bus = bus
        self._clock = clock
        self._heard = asyncio.Event()
        self._error: DeviceGone | None = None
        self.inbox: deque[tuple[int, bytes]] = deque(maxlen=2048)

    def readable(self) -> None:
        """The loop's callback: take what is there."""
        import can

        try:
            for _ in range(DRAIN):
                message = self._bus.recv(0)
                if message is None:
                    break
                if not message.is_error_frame and not message.is_remote_frame:
                    self.inbox.append((message.arbitration_id, bytes(message.data)))
        except (can.CanError, OSError) as error:
            self._error = DeviceGone(f"bus lost: {error}")
            asyncio.get_running_loop().remove_reader(self._bus.fileno())
        self._heard.set()

    async def wait(self, timeout_s: float) -> None:
        """Return when something was heard or the time is over. Raises `DeviceGone`."""
        if not self.inbox and self._error is None:
            self._heard.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(timeout_s):  # wait_for of Python 3.11 can swallow a cancellation
                    await self._heard.wait()
        if self._error is not None:
            raise self._error

    async def send(self, can_id: int, data: bytes, timeout_s: float = 0.5) -> None:
        """Raises `DeviceGone` when the bus is lost, `DeviceError` when its queue stays full until the deadline."""
        import can

        frame = can.Message(arbitration_id=can_id, is_extended_id=can_id > STANDARD_MAX, data=data, check=True)
        deadline_ns = self._clock.now().ns + int(timeout_s * 1e9)
        while True:
            try:
                self._bus.send(frame)
                return
            except can.CanOperationError as error:
                if error.error_code not in (None, errno.ENOBUFS, errno.EAGAIN):
                    raise DeviceGone(f"bus lost: {error}") from error
                if self._clock.now().ns >= deadline_ns:
                    raise DeviceError(f"bus takes no frame: {error}") from error
            await self._clock.sleep(SEND_RETRY_S)


class CanBus:
    """Opens lines on one channel. counters: opened, failed, sent."""

    def __init__(self, channel: str, clock: Clock) -> None:
        self._channel = channel
        self._clock = clock
        self._counters = {"opened": 0, "failed": 0}

    @property
    def clock(self) -> Clock:
        return self._clock

    def counters(self) -> dict[str, int]:
        return dict(self._counters)

    @contextlib.contextmanager
    def line(self, hears: tuple[int, ...]) -> Iterator[Line]:
        """A line with a kernel filter on `hears` (none: send only). Raises `DeviceGone`."""
        bus = self._open(hears)
        line = Line(bus, self._clock)
        loop, fd = asyncio.get_running_loop(), bus.fileno()
        if hears:
            loop.add_reader(fd, line.readable)
        try:
            yield line
        finally:
            loop.remove_reader(fd)
            bus.shutdown()

    async def send(self, can_id: int, data: bytes) -> None:
        """One frame, no answer wanted."""
        with self.line(()) as line:
            await line.send(can_id, data)

    def _open(self, hears: tuple[int, ...]) -> can.BusABC:
        import can
        from can.typechecking import CanFilter

        # An empty filter list would let everything pass: a line that only sends hears nothing but an id nobody uses.
        filters = [
            CanFilter(can_id=reply, can_mask=0x1FFF_FFFF, extended=reply > STANDARD_MAX)
            for reply in hears or (0x1FFF_FFFF,)
        ]
        try:
            must_be_up(self._channel)  # python-can leaves its socket open when it cannot bind
            bus = can.Bus(channel=self._channel, interface="socketcan", can_filters=filters, ignore_config=True)
        except (can.CanError, OSError, AttributeError, ValueError) as error:
            self._counters["failed"] += 1
            raise DeviceGone(f"bus {self._channel} cannot be opened: {error}") from error
        self._counters["opened"] += 1
        return bus
