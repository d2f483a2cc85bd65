"""Frames of the line between host and inside: bytes in, frames out, no descriptor anywhere.

The line may carry kernel text or an echo until both ends have spoken; whatever comes before the first HELLO is skipped
and counted. After it a damaged byte means that the line itself is broken. Streams and their windows: `hil/mux.py`.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from enum import IntEnum

MAGIC = b"\xb0\x17"
HEADER = struct.Struct(">2sBHHI")  # magic, kind, stream, length of the payload, CRC-32 of kind..length and payload
MAX_PAYLOAD = 1024  # bytes: two whole frames fit into the host's window of the line


class Kind(IntEnum):
    """What a frame is for."""

    HELLO = 1  # the other end is there and its line is raw
    TAKEN = 2  # payload: how many bytes of frames were read off the line (u32)
    OPEN = 3  # payload: the stream's name
    DATA = 4
    CREDIT = 5  # payload: how many more bytes of DATA may be sent (u32)
    END = 6  # no more DATA from this side
    RESET = 7  # the stream is over in both directions


_KINDS = frozenset(int(kind) for kind in Kind)


class LineBroken(ConnectionError):
    """The line lost or altered bytes, or ended: nothing on it can be trusted any more."""


@dataclass(frozen=True, slots=True)
class LineFrame:
    """One frame. size: bytes on the line, header included."""

    kind: Kind
    stream: int
    payload: bytes

    @property
    def size(self) -> int:
        return HEADER.size + len(self.payload)


def encode(frame: LineFrame) -> bytes:
    """The frame as bytes on the line. Payloads longer than `MAX_PAYLOAD` are a mistake of the caller (ValueError)."""
    if len(frame.payload) > MAX_PAYLOAD:
        raise ValueError(f"payload of {len(frame.payload)} bytes, at most {MAX_PAYLOAD}")
    check = _check(frame.kind, frame.stream, frame.payload)
    return HEADER.pack(MAGIC, frame.kind, frame.stream, len(frame.payload), check) + frame.payload


def _check(kind: int, stream: int, payload: bytes) -> int:
    return zlib.crc32(payload, zlib.crc32(struct.pack(">BHH", kind, stream, len(payload))))


class Decoder:
    """Cut a byte stream into frames. skipped: bytes thrown away before the first HELLO."""

    def __init__(self) -> None:
        self.skipped = 0
        self._synced = False
        self._waiting = bytearray()

    def feed(self, data: bytes) -> list[LineFrame]:
        """All frames that are whole now. Raises LineBroken on a damaged byte after the first frame."""
        self._waiting += data
        frames: list[LineFrame] = []
        while (frame := self._next()) is not None:
            frames.append(frame)
        return frames

    def _next(self) -> LineFrame | None:
        while True:
            if not self._synced:
                self._skip_to_magic()
            if len(self._waiting) < HEADER.size:
                return None
            magic, kind, stream, length, check = HEADER.unpack_from(self._waiting)
            wrong = magic != MAGIC or length > MAX_PAYLOAD or kind not in _KINDS
            if wrong or (not self._synced and (kind != Kind.HELLO or length)):
                self._damaged()
                continue
            if len(self._waiting) < HEADER.size + length:
                return None
            payload = bytes(self._waiting[HEADER.size : HEADER.size + length])
            if check != _check(kind, stream, payload):
                self._damaged()
                continue
            del self._waiting[: HEADER.size + length]
            self._synced = True
            return LineFrame(Kind(kind), stream, payload)

    def _skip_to_magic(self) -> None:
        at = self._waiting.find(MAGIC)
        if at < 0:  # the last byte may be the first half of the magic
            at = len(self._waiting) - (1 if self._waiting[-1:] == MAGIC[:1] else 0)
        self.skipped += at
        del self._waiting[:at]

    def _damaged(self) -> None:
        if self._synced:
            raise LineBroken(f"damaged frame on the line: {bytes(self._waiting[:16]).hex(' ')}")
        self.skipped += 1
        del self._waiting[:1]
