"""A badge reader and keypad on one serial line: bounded, rate-limited frames to credentials, and the answer back.

What is not here: whose badge it is, whether it may open the car, and the lock-out after wrong codes (R11).
Frames (D17): `02`, ten ASCII hex digits, two checksum digits (XOR of the five bytes), `03` at 9600 8N1. A badge that
proves itself: the same with 48 digits. Keypad: ASCII digits, `#` ends, `*` clears. Answer: one letter and a line feed;
after `R` others may follow with the reasons (docs/keypad.md), which a reader that knows five letters passes over.
"""

from __future__ import annotations

import functools
import operator
import re
from collections import deque
from collections.abc import Sequence
from typing import Final

from ..credentials import Credential, SunTap
from ..line import SerialLine
from ..ports import BadgeTap, Clock, CodeEntered, Feedback, Instant, Reason

STX, ETX = 0x02, 0x03
FRAME_DIGITS: Final = 12
SUN_DIGITS: Final = 50
MAX_CODE_DIGITS: Final = 16
REPEAT_NS: Final = 2_000_000_000
FRAME_GAP_NS: Final = 500_000_000  # a frame takes 15 ms at 9600; after a longer pause its rest will not come
CODE_IDLE_NS: Final = 10_000_000_000  # digits that somebody left behind must not begin the next person's code
REMEMBERED_BADGES: Final = 8
LIMIT_BURST: Final = 5
LIMIT_REFILL_NS: Final = 1_000_000_000

ANSWERS: Final = {
    Feedback.OPENED: b"O\n",
    Feedback.PAUSED: b"P\n",
    Feedback.ENDED: b"E\n",
    Feedback.REFUSED: b"R\n",
    Feedback.UNSURE: b"U\n",
}
REASONS: Final = {
    Reason.TOO_EARLY: b"W\n",
    Reason.OCCUPIED: b"B\n",
    Reason.NOT_ENDED: b"N\n",
    Reason.KEYPAD_LOCKED: b"K\n",
    Reason.CLOCK_UNSURE: b"T\n",
    Reason.MOVING: b"M\n",
    Reason.IGNITION_ON: b"I\n",
    Reason.DOOR_OPEN: b"D\n",
    Reason.KEY_MISSING: b"H\n",
}

_HEX: Final = frozenset(b"0123456789ABCDEFabcdef")
_DIGITS: Final = frozenset(b"0123456789")
_PIECES: Final = re.compile(rb"\x02+|[0-9]+|[A-Fa-f]+|[^\x02\x03\r\n0-9A-Fa-f#*]+|.", re.DOTALL)
_COUNTERS: Final = (
    "badges", "sun_badges", "codes", "bad_checksum", "broken_frame", "garbage_bytes", "too_long_code", "abandoned_code",
    "repeats", "limited",
)  # fmt: skip


class Limit:
    """So many at once and one each refill_ns after that. At a reader five and one a second: more is somebody playing,
    not somebody opening a car.
    """

    def __init__(self, burst: int = LIMIT_BURST, refill_ns: int = LIMIT_REFILL_NS) -> None:
        self._burst, self._refill_ns = burst, refill_ns
        self._left = burst
        self._since_ns: int | None = None

    def take(self, now_ns: int) -> bool:
        if self._since_ns is None:
            self._since_ns = now_ns
        gained = max(0, now_ns - self._since_ns) // self._refill_ns
        self._left = min(self._burst, self._left + gained)
        self._since_ns = now_ns if self._left == self._burst else self._since_ns + gained * self._refill_ns
        if self._left == 0:
            return False
        self._left -= 1
        return True


class Decoder:
    """Sans-I/O: any bytes in, credentials out; never raises on input."""

    def __init__(self) -> None:
        self.counters: dict[str, int] = dict.fromkeys(_COUNTERS, 0)
        self._seen: dict[bytes, int] = {}  # uid -> when it was last seen
        self._sun_seen_ns: int | None = None
        self._limits = {BadgeTap: Limit(), SunTap: Limit(), CodeEntered: Limit()}
        self._at_ns = 0
        self.forget()

    def forget(self) -> None:
        """The line was lost: drop halves."""
        self._frame: bytearray | None = None
        self._code = ""
        self._overlong = False

    def feed(self, data: bytes, at: Instant) -> list[Credential]:
        """What these bytes, which arrived at `at`, completed."""
        self._age(at.ns)
        found = []
        for piece in _PIECES.findall(data):
            item = self._piece(piece, at)
            if item is not None and self._limited(item):
                found.append(item)
        return found

    def _limited(self, item: Credential) -> bool:
        allowed = self._limits[type(item)].take(item.at.ns)
        self.counters["limited"] += not allowed
        return allowed

    def _age(self, now_ns: int) -> None:
        gap, self._at_ns = now_ns - self._at_ns, now_ns
        if self._frame is not None and gap > FRAME_GAP_NS:
            self._break_frame()
        if (self._code or self._overlong) and gap > CODE_IDLE_NS:
            self.counters["abandoned_code"] += 1
            self._code, self._overlong = "", False

    def _piece(self, piece: bytes, at: Instant) -> Credential | None:
        """A run of bytes of one kind: a line that is flooded must not cost a step for each byte."""
        byte = piece[0]
        if byte == STX:
            self.counters["broken_frame"] += len(piece) - (self._frame is None)
            self._frame = bytearray()
            return None
        if self._frame is not None and byte == ETX and len(self._frame) in (FRAME_DIGITS, SUN_DIGITS):
            return self._card(at)
        if self._frame is not None:
            room = SUN_DIGITS - len(self._frame) if byte in _HEX else 0
            self._frame += piece[:room]
            piece = piece[room:]
            if not piece:
                return None
            self._break_frame()
        return self._keys(piece, at)

    def _break_frame(self) -> None:
        self.counters["broken_frame"] += 1
        self._frame = None

    def _card(self, at: Instant) -> Credential | None:
        content = bytes.fromhex((self._frame or b"").decode("ascii"))
        self._frame = None
        if functools.reduce(operator.xor, content):
            self.counters["bad_checksum"] += 1
            return None
        return self._badge(content[:-1], at) if len(content) == FRAME_DIGITS // 2 else self._sun(content[:-1], at)

    def _sun(self, message: bytes, at: Instant) -> SunTap | None:
        """Each reading differs, also of a badge that stays: within two seconds of the last it is the same one's."""
        last_ns, self._sun_seen_ns = self._sun_seen_ns, at.ns
        if last_ns is not None and at.ns - last_ns < REPEAT_NS:
            self.counters["repeats"] += 1
            return None
        self.counters["sun_badges"] += 1
        return SunTap(message, at)

    def _badge(self, uid: bytes, at: Instant) -> BadgeTap | None:
        # Counted from when it was last *seen*: a badge that stays on the reader is one tap, however long it stays.
        last_ns = self._seen.pop(uid, None)
        self._seen[uid] = at.ns
        if len(self._seen) > REMEMBERED_BADGES:
            del self._seen[next(iter(self._seen))]
        if last_ns is not None and at.ns - last_ns < REPEAT_NS:
            self.counters["repeats"] += 1
            return None
        self.counters["badges"] += 1
        return BadgeTap(uid, at)

    def _keys(self, piece: bytes, at: Instant) -> CodeEntered | None:
        if piece[0] in _DIGITS:
            room = 0 if self._overlong else MAX_CODE_DIGITS - len(self._code)
            self._overlong = len(piece) > room
            self._code += piece[:room].decode("ascii")
        elif piece == b"*":
            self._code, self._overlong = "", False
        elif piece == b"#":
            return self._end_code(at)
        elif piece not in (b"\r", b"\n"):
            self.counters["garbage_bytes"] += len(piece)
        return None

    def _end_code(self, at: Instant) -> CodeEntered | None:
        code, overlong = self._code, self._overlong
        self._code, self._overlong = "", False
        if overlong:
            self.counters["too_long_code"] += 1
            return None
        if not code:
            return None
        self.counters["codes"] += 1
        return CodeEntered(code, at)


class Reader:
    """A `TokenPort`; unplugging and plugging in again are survived and counted."""

    def __init__(self, device: str, baud: int, clock: Clock) -> None:
        self._line = SerialLine(device, baud, clock)
        self._decoder = Decoder()
        self._ready: deque[Credential] = deque()
        self._mute = 0

    @property
    def plugged(self) -> bool:
        return self._line.plugged

    async def next_presented(self) -> Credential:
        """The next credential; opens the device at the first call. Raises `DeviceGone` only after `close()`."""
        while not self._ready:
            data, at = await self._line.next()
            if data:
                self._ready.extend(self._decoder.feed(data, at))
            else:
                self._decoder.forget()
        return self._ready.popleft()

    def show(self, feedback: Feedback, reasons: Sequence[Reason] = ()) -> None:
        """Best effort, at once: an answer that nobody can see must not hold up the door."""
        self._mute += not self._line.write(ANSWERS[feedback] + b"".join(map(REASONS.__getitem__, reasons)))

    def counters(self) -> dict[str, int]:
        return self._line.counters() | self._decoder.counters | {"mute": self._mute}

    def close(self) -> None:
        self._line.close()
