"""Diagnostics overheard in a recording: which question somebody asked, and the whole answer to it.

Pure: frames in, (poll, payload) out; time comes with the frames. ISO-TP in frames of up to eight bytes (ISO 15765-2),
normal addressing, 11 and 29 bit. What does not live here: asking (`diag.py`), and the values of an answer
(`decode.py`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from config.car import Poll

from ..ports import Frame
from .bus import STANDARD_MAX
from .diag import NEGATIVE, PENDING, PENDING_S, answers

NEXT_NS: Final = 1_000_000_000
"""How long the next frame of an answer may take (N_Cr of ISO 15765-2)."""
PATIENCE_NS: Final = int(PENDING_S * 1e9)
"""A question is answered, refused or put off within this time, or it is none any more."""
OPEN: Final = 8
"""Questions to one unit that wait for their answers; a tester asks one after the other."""


@dataclass(slots=True)
class _Reassembler:
    """Frames of one id to whole payloads; flow control is passed over. broken: exchanges lost to a wrong frame."""

    broken: int = 0
    _data: bytearray = field(default_factory=bytearray)
    _length: int = 0
    _next: int = 0
    _at_ns: int = 0

    def frame(self, data: bytes, at_ns: int) -> bytes | None:
        kind = data[0] >> 4 if data else None
        if kind == 0:
            return self._single(data)
        if kind == 1:
            self._first(data, at_ns)
        elif kind == 2:
            return self._consecutive(data, at_ns)
        elif kind != 3:
            self.broken += 1
        return None

    def _single(self, data: bytes) -> bytes | None:
        self._drop()
        length = data[0] & 0x0F
        if 0 < length <= 7 and len(data) > length:
            return data[1 : 1 + length]
        self.broken += 1
        return None

    def _first(self, data: bytes, at_ns: int) -> None:
        self._drop()
        length = (data[0] & 0x0F) << 8 | data[1] if len(data) == 8 else 0
        if length <= 7:  # also the escape to payloads above 4095 bytes, which no car here uses
            self.broken += 1
            return
        self._data, self._length, self._next, self._at_ns = bytearray(data[2:]), length, 1, at_ns

    def _consecutive(self, data: bytes, at_ns: int) -> bytes | None:
        if not self._length:
            self.broken += 1  # its first frame is not in the recording
            return None
        part = data[1 : 1 + self._length - len(self._data)]
        enough = len(part) == min(7, self._length - len(self._data))
        if data[0] & 0x0F != self._next or not enough or not 0 <= at_ns - self._at_ns <= NEXT_NS:
            self._drop()
            return None
        self._data += part
        self._next, self._at_ns = (self._next + 1) & 0x0F, at_ns
        if len(self._data) < self._length:
            return None
        whole = bytes(self._data)
        self._length = 0
        return whole

    def _drop(self) -> None:
        self.broken += self._length > 0
        self._length = 0


@dataclass(slots=True, eq=False)
class _Unit:
    """One control unit: what it was asked and has not answered, as (question, when), newest last."""

    polls: dict[bytes, Poll] = field(default_factory=dict)
    asked: list[tuple[bytes, int]] = field(default_factory=list)
    replies: _Reassembler = field(default_factory=_Reassembler)


class Overheard:
    """counters: questions (ours and others'), answers (of our polls), negative, pending, foreign, broken.

    foreign: whole replies to somebody else's question, or to none that was heard. broken: exchanges with a frame
    missing or wrong.
    """

    def __init__(self, polls: Iterable[Poll]) -> None:
        self._units: dict[int, _Unit] = {}
        self._asks: dict[int, tuple[_Reassembler, list[_Unit]]] = {}
        for poll in polls:
            unit = self._units.setdefault(poll.reply_id, _Unit())
            unit.polls[poll.payload] = poll
            _, units = self._asks.setdefault(poll.request_id, (_Reassembler(), []))
            if unit not in units:
                units.append(unit)
        self._counters = dict.fromkeys(("questions", "answers", "negative", "pending", "foreign"), 0)

    @property
    def ids(self) -> frozenset[tuple[int, bool]]:
        """(id, extended) of the frames to give."""
        return frozenset((number, number > STANDARD_MAX) for number in {*self._units, *self._asks})

    def counters(self) -> dict[str, int]:
        reassemblers = [*(unit.replies for unit in self._units.values()), *(it for it, _ in self._asks.values())]
        return self._counters | {"broken": sum(it.broken for it in reassemblers)}

    def frame(self, frame: Frame) -> tuple[Poll, bytes] | None:
        """An answer of which this was the last frame, service byte first, with the poll that it answers."""
        if frame.extended != (frame.can_id > STANDARD_MAX):
            return None
        if asked := self._asks.get(frame.can_id):
            reassembler, units = asked
            question = reassembler.frame(frame.data, frame.at.ns)
            if question is not None:
                self._counters["questions"] += 1
                for unit in units:
                    unit.asked = [*unit.asked[1 - OPEN :], (question, frame.at.ns)]
        answering = self._units.get(frame.can_id)
        reply = answering.replies.frame(frame.data, frame.at.ns) if answering is not None else None
        return self._pair(answering, reply, frame.at.ns) if answering is not None and reply is not None else None

    def _pair(self, unit: _Unit, reply: bytes, at_ns: int) -> tuple[Poll, bytes] | None:
        """The newest open question that this reply repeats."""
        unit.asked = [(text, since) for text, since in unit.asked if 0 <= at_ns - since <= PATIENCE_NS]
        for number in range(len(unit.asked) - 1, -1, -1):
            question, _ = unit.asked[number]
            if not answers(question, reply):
                continue
            if reply[0] == NEGATIVE:
                pending = reply[2:3] == bytes([PENDING])
                self._counters["pending" if pending else "negative"] += 1
                unit.asked[number : number + 1] = [(question, at_ns)] if pending else []
                return None
            del unit.asked[number]
            if poll := unit.polls.get(question):
                self._counters["answers"] += 1
                return poll, reply
            break
        self._counters["foreign"] += 1
        return None
