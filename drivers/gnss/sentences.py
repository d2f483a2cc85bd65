"""Bytes of a serial line to whole NMEA 0183 sentences whose checksum is right; everything else is counted.

What is not here: what a sentence means (`nmea.py`). No I/O, no clock, and no bytes that can raise.
"""

from __future__ import annotations

from typing import Final

# NMEA 0183 allows 82 characters; multi-constellation receivers send more. A longer run is not a sentence.
MAX_LENGTH: Final = 120
_DOLLAR, _CR, _LF = ord("$"), ord("\r"), ord("\n")


class SentenceReader:
    """Cuts a byte stream into sentences; every `$` is a fresh start, so one broken sentence never costs the next.

    counters: "sentences" believed; "bad_checksum", "no_checksum" refused; "half" (interrupted by `$`), "binary"
    (interrupted by a byte that is not printable), "too_long"; "garbage_bytes" outside of any sentence.
    """

    def __init__(self) -> None:
        self._line: bytearray | None = None
        self.counters: dict[str, int] = dict.fromkeys(
            ("sentences", "bad_checksum", "no_checksum", "half", "binary", "too_long", "garbage_bytes"), 0
        )

    def feed(self, data: bytes) -> list[str]:
        """Sentences completed by these bytes, from `$` to the second checksum digit."""
        done: list[str] = []
        for byte in data:
            if byte == _DOLLAR:
                self._interrupted(done)
                self._line = bytearray((byte,))
            elif self._line is None:
                self.counters["garbage_bytes"] += byte not in (_CR, _LF)
            elif byte in (_CR, _LF):
                self._finish(done)
            elif not 0x20 <= byte <= 0x7E:
                self._drop("binary")
            elif len(self._line) >= MAX_LENGTH:
                self._drop("too_long")
            else:
                self._line.append(byte)
        return done

    def end(self) -> list[str]:
        """The stream is over: a last sentence without a line end counts when its checksum is there."""
        done: list[str] = []
        self._interrupted(done)
        return done

    def _drop(self, why: str) -> None:
        self.counters[why] += 1
        self._line = None

    def _interrupted(self, done: list[str]) -> None:
        if self._line is None:
            return
        if self._line[-3:-2] == b"*":  # the line end alone was lost; the checksum decides
            self._finish(done)
        else:
            self._drop("half")

    def _finish(self, done: list[str]) -> None:
        text = (self._line or b"").decode("ascii")
        body, star, digits = text[1:].partition("*")
        if not star:
            self._drop("no_checksum")
        elif digits.upper() != f"{checksum(body):02X}":
            self._drop("bad_checksum")
        else:
            self.counters["sentences"] += 1
            self._line = None
            done.append(text)


def checksum(body: str) -> int:
    """XOR of the characters between `$` and `*` (NMEA 0183)."""
    value = 0
    for char in body:
        value ^= ord(char)
    return value
