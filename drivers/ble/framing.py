"""Messages over a link that carries a few bytes at a time: sans-I/O, one `Assembler` a direction and link.

    length of the body, 2 bytes big-endian, 0 to 1024 | type, 1 byte, 1 to 255 | body

The bytes of one link are a stream: a write may cut it anywhere, and carry the end of one message and the start of the
next. After junk the rest of its write is dropped and the next write begins a message; after five seconds without a
byte the begun message is dropped. What is not here: what a type means, and whose message it is.
"""

from __future__ import annotations

from typing import Final

HEADER_BYTES: Final = 3
MAX_BODY: Final = 1024
MAX_WRITE: Final = 512  # the longest attribute value (Bluetooth Core 5.4, volume 3, part F, 3.2.9)
ABANDON_NS: Final = 5_000_000_000
COUNTERS: Final = ("messages", "junk_writes", "junk_bytes", "abandoned")


def message(kind: int, body: bytes) -> bytes:
    """The bytes of one message. Raises ValueError for a kind outside 1 to 255 or a body above 1024 bytes: ours."""
    if not 0 < kind <= 0xFF or len(body) > MAX_BODY:
        raise ValueError(f"no message: type {kind} with {len(body)} bytes")
    return len(body).to_bytes(2, "big") + bytes((kind,)) + body


class Assembler:
    """Any bytes in, whole messages out; holds at most one begun message, never raises on input.

    counters: where to count; has the keys of `COUNTERS`. "abandoned": messages begun and not finished in time.
    """

    def __init__(self, counters: dict[str, int]) -> None:
        self._counters = counters
        self._held = bytearray()
        self._heard_ns = 0

    @property
    def held(self) -> int:
        """Bytes of the message that was begun."""
        return len(self._held)

    def feed(self, data: bytes, now_ns: int) -> list[tuple[int, bytes]]:
        """What one write, heard at `now_ns` of the boot's clock, completed: (type, body) in order."""
        if self._held and now_ns - self._heard_ns > ABANDON_NS:
            self._counters["abandoned"] += 1
            self._held.clear()
        if not 0 < len(data) <= MAX_WRITE:
            self._spoilt(len(data))
            return []
        self._heard_ns = now_ns
        self._held += data
        found = []
        while (item := self._first(len(data))) is not None:
            found.append(item)
        self._counters["messages"] += len(found)
        return found

    def _first(self, written: int) -> tuple[int, bytes] | None:
        held = self._held
        if len(held) < HEADER_BYTES:
            return None
        length, kind = int.from_bytes(held[:2], "big"), held[2]
        if not kind or length > MAX_BODY:
            self._spoilt(min(len(held), written))
            return None
        end = HEADER_BYTES + length
        if len(held) < end:
            return None
        body = bytes(held[HEADER_BYTES:end])
        del held[:end]
        return kind, body

    def _spoilt(self, count: int) -> None:
        self._counters["junk_writes"] += 1
        self._counters["junk_bytes"] += count
        self._held.clear()
