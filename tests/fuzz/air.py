"""What a phone writes over Bluetooth: pieces of any length and content on one link."""

from __future__ import annotations

from typing import Final

from drivers.ble.framing import COUNTERS, HEADER_BYTES, MAX_BODY, MAX_WRITE, Assembler, message
from tests.fuzz.target import Target

LASTING: Final = Assembler(dict.fromkeys(COUNTERS, 0))  # one link for the whole run: nothing may pile up in it


def judge_phone(data: bytes) -> bool:
    """data: the length of a write, its bytes, and so on; each half a second after the last one."""
    counters = dict.fromkeys(COUNTERS, 0)
    link, stream, at, heard, now_ns = Assembler(counters), b"", 0, 0, 0
    while at < len(data):
        size, now_ns = 2 * data[at], now_ns + 500_000_000
        written = data[at + 1 : at + 1 + size]
        at += 1 + size
        stream += written
        for kind, body in link.feed(written, now_ns):
            heard += 1
            assert message(kind, body) in stream, "made of bytes that nobody wrote in a row"
        LASTING.feed(written, now_ns)
        assert max(link.held, LASTING.held) <= HEADER_BYTES + MAX_BODY + MAX_WRITE
    assert counters["messages"] == heard
    return heard > 0


WHOLE: Final = message(7, b"0123456789a")
TARGETS: Final = (
    Target("phone", judge_phone, (bytes([7]) + WHOLE, bytes([3]) + WHOLE[:6] + bytes([4]) + WHOLE[6:]), 4096),
)
