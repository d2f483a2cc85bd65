"""A satellite receiver on a serial device, in the event loop; unplugging and plugging in are survived and counted.

What is not here: what its bytes mean (`nmea.py`) and what a fix is worth (the agent's clock and position).
"""

from __future__ import annotations

from collections import deque

from ..line import SerialLine
from ..ports import Clock, Fix
from .nmea import Decoder


class Receiver:
    """A `GnssPort`. decoder: the product's own unless told otherwise (old recordings need one that believes them)."""

    def __init__(self, device: str, baud: int, clock: Clock, decoder: Decoder | None = None) -> None:
        self._line = SerialLine(device, baud, clock)
        self._decoder = decoder or Decoder()
        self._ready: deque[Fix] = deque()

    @property
    def plugged(self) -> bool:
        return self._line.plugged

    async def next_fix(self) -> Fix:
        """The next epoch, void ones included; opens the device at the first call. `DeviceGone` only after `close()`."""
        while not self._ready:
            data, at = await self._line.next()
            self._ready.extend(self._decoder.feed(data, at) if data else self._decoder.end(at))
        return self._ready.popleft()

    def counters(self) -> dict[str, int]:
        return self._line.counters() | self._decoder.counters()

    def close(self) -> None:
        self._line.close()
