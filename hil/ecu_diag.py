"""The car's side of diagnostics: ISO-TP with code of the rig's own, so that the product's transport meets a stranger.

What does not live here: what is answered (`ecu.py`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

FIRST_DELAY_S = 0.018
"""A recorded Zoe battery answers 17 to 19 ms after the request."""
NEXT_DELAY_S = 0.0025
"""And sends each next frame 2.5 ms after flow control."""
FLOW_TIMEOUT_S = 1.0


class IsoTpServer:
    """One request id and its reply id. send: puts a frame on the bus. pad: what the unit fills frames with."""

    def __init__(self, reply_id: int, send: Callable[[int, bytes], None], pad: int) -> None:
        self._reply_id = reply_id
        self._send = send
        self._pad = pad
        self._flow: asyncio.Queue[tuple[int, float]] = asyncio.Queue()
        self._partial = b""
        self._missing = 0
        self.flow_controls = 0

    def hear(self, data: bytes) -> bytes | None:
        """A frame on the request id. Returns a whole request, or nothing yet."""
        kind = data[0] >> 4 if data else -1
        if kind == 0:
            return data[1 : 1 + (data[0] & 0x0F)] or None
        if kind == 1 and len(data) > 2:
            self._missing = ((data[0] & 0x0F) << 8 | data[1]) - 6
            self._partial = data[2:8]
            self._put(b"\x30\x00\x00")
        elif kind == 2 and self._missing > 0:
            self._partial += data[1 : 1 + min(7, self._missing)]
            self._missing -= 7
            if self._missing <= 0:
                return self._partial
        elif kind == 3 and len(data) >= 3:
            self.flow_controls += 1
            self._flow.put_nowait((data[1], _separation(data[2])))
        return None

    async def answer(self, reply: bytes) -> None:
        """Send a reply of any length, obeying the tester's block size and separation time."""
        if len(reply) <= 7:
            self._put(bytes([len(reply)]) + reply)
            return
        while not self._flow.empty():
            self._flow.get_nowait()
        self._put(bytes([0x10 | len(reply) >> 8, len(reply) & 0xFF]) + reply[:6])
        rest, number = reply[6:], 1
        while rest:
            try:
                block, separation_s = await asyncio.wait_for(self._flow.get(), FLOW_TIMEOUT_S)
            except TimeoutError:
                return  # the tester went away in the middle
            for _ in range(block or len(rest)):
                await asyncio.sleep(max(separation_s, NEXT_DELAY_S))
                self._put(bytes([0x20 | number & 0x0F]) + rest[:7])
                rest, number = rest[7:], number + 1
                if not rest:
                    return

    def _put(self, data: bytes) -> None:
        self._send(self._reply_id, data.ljust(8, bytes([self._pad])))


def _separation(value: int) -> float:
    """ISO 15765-2: 0 to 7F milliseconds, F1 to F9 hundreds of microseconds."""
    return value / 1000 if value <= 0x7F else (value - 0xF0) / 10_000 if 0xF1 <= value <= 0xF9 else 0.127
