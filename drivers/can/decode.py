"""Frames and diagnostic replies to signals, by the car's DBC. Nothing comes out that the car did not really say.

What does not live here: staleness over time (the kernel reports silence) and what the agent makes of a value.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from config.car import CarModel, Crc, MessageMap, Poll, SignalMap
from config.vocabulary import Signal

from ..ports import Frame

if TYPE_CHECKING:
    from cantools.database.can import Message

WIDE: Final = 5
"""Fields of this many bits or more say "not available" by all ones: seen in every such field of the recordings."""
DIGITS: Final = 6
"""Floating-point dust of factors like 0.01 is rounded away; no factor here is finer than 0.0001."""


@dataclass(frozen=True, slots=True)
class _Field:
    """A mapped field, ready to use. absent: raw values that are never a value. bits: its width.

    guard: the field of the same frame without which this one is not believed, and its own `absent`.
    """

    map: SignalMap
    factor: float
    offset: float
    bits: int
    absent: frozenset[int]
    guard: tuple[str, frozenset[int]] | None


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What one payload says: names with values, what is counted, and the names whose value was outside its range."""

    told: tuple[tuple[str, float | str], ...] = ()
    counts: tuple[tuple[str, int], ...] = ()
    outside: tuple[str, ...] = ()


@dataclass(slots=True)
class _Layout:
    """A message as it is decoded. data, outcome: the last payload and what it said; most frames repeat themselves."""

    message: Message
    need: int
    fields: tuple[_Field, ...]
    crc: Crc | None
    data: bytes | None = None
    outcome: _Outcome = _Outcome()


class Decoder:
    """unmapped counts raw states and multiplexers that nobody knows; foreign: frames that no signal is mapped from."""

    def __init__(self, car: CarModel) -> None:
        from cantools.database import DecodeError

        self._undecodable = DecodeError
        heard = {message.name: message for message in car.messages}
        layouts = {name: _layout(car, name, heard.get(name)) for name in {entry.message for entry in car.signals}}
        self._frames = {(m.can_id, m.extended): layouts[m.name] for m in car.messages}
        self._polls = {poll.message: layouts[poll.message] for poll in car.polls}
        names = ("frames", "values", "not_available", "short", "out_of_range", "unmapped", "foreign", "bad_crc")
        self._counters = dict.fromkeys(names, 0)
        self._outside = Counter[str]()

    def counters(self) -> dict[str, int]:
        return dict(self._counters)

    def outside(self) -> dict[str, int]:
        """How often the value of a name was outside its plausible range: a wrong range, or a wrong layout."""
        return dict(self._outside)

    def names(self, can_id: int, extended: bool = False) -> tuple[str, ...]:
        """The signals that a message carries: what becomes stale when it falls silent."""
        layout = self._frames.get((can_id, extended))
        return tuple(field.map.name for field in layout.fields) if layout else ()

    def told_by(self, poll: Poll) -> tuple[str, ...]:
        """The signals that an answer carries."""
        return tuple(field.map.name for field in self._polls[poll.message].fields)

    def frame(self, frame: Frame) -> list[Signal]:
        self._counters["frames"] += 1
        layout = self._frames.get((frame.can_id, frame.extended))
        if layout is None:
            self._counters["foreign"] += 1
            return []
        return self._decode(layout, frame.data, frame.at.ns)

    def payload(self, poll: Poll, reply: bytes, at_ns: int) -> list[Signal]:
        """reply: the whole reassembled answer, service byte first."""
        self._counters["frames"] += 1
        return self._decode(self._polls[poll.message], reply, at_ns)

    def _decode(self, layout: _Layout, data: bytes, at_ns: int) -> list[Signal]:
        if data != layout.data:
            layout.outcome, layout.data = self._read(layout, data), data
        for name, count in layout.outcome.counts:
            self._counters[name] += count
        if layout.outcome.outside:
            self._outside.update(layout.outcome.outside)
        return [Signal(name, value, at_ns) for name, value in layout.outcome.told]

    def _read(self, layout: _Layout, data: bytes) -> _Outcome:
        if len(data) < layout.need:
            return _Outcome(counts=(("short", 1),))
        if layout.crc is not None and not fits(layout.crc, data):
            return _Outcome(counts=(("bad_crc", 1),))
        # Longer and shorter frames than the DBC says are fine as long as every mapped field is inside.
        length = layout.message.length
        try:
            raw = layout.message.decode(data[:length].ljust(length, b"\0"), decode_choices=False, scaling=False)
        except self._undecodable:
            return _Outcome(counts=(("unmapped", 1),))
        assert isinstance(raw, dict)
        told: list[tuple[str, float | str]] = []
        outside: list[str] = []
        counts: dict[str, int] = {}
        for field in layout.fields:
            value = raw.get(field.map.field)
            if not isinstance(value, (int, float)):  # of another multiplexer than this frame's
                continue
            if value in field.absent or (field.guard and raw.get(field.guard[0]) in field.guard[1]):
                counts["not_available"] = counts.get("not_available", 0) + 1
                continue
            name, found = _value(field, value)
            counts[name] = counts.get(name, 0) + 1
            if found is not None:
                told.append((field.map.name, found))
            elif name == "out_of_range":
                outside.append(field.map.name)
        return _Outcome(tuple(told), tuple(counts.items()), tuple(outside))


def _value(field: _Field, raw: float) -> tuple[str, float | str | None]:
    """The counter that it belongs to, and the value where it is one. raw: a float where the DBC says so, else whole."""
    if field.map.states:
        state = field.map.states.get(int(raw))
        return ("unmapped", None) if state is None else ("values", state)
    value = _text(field, int(raw)) if field.map.text else round(raw * field.factor + field.offset, DIGITS)
    if isinstance(value, float) and not field.map.low <= value <= field.map.high:
        value = None
    return ("out_of_range", None) if value is None else ("values", value)


def _text(field: _Field, raw: int) -> str | None:
    """Printable ASCII, or decimal digits; anything else is no text that a car would say."""
    if field.map.text != "ascii":
        digits = f"{raw:0{field.bits // 4}x}"
        digits = digits[::-1] if field.map.text == "bcd_reversed" else digits
        return digits if digits.isdecimal() else None
    text = raw.to_bytes((field.bits + 7) // 8, "big").decode("ascii", "replace")
    return text if text.isascii() and text.isalnum() else None


def crc8(crc: Crc, data: bytes) -> int:
    """Over the bytes given; see `Crc`."""
    value = crc.initial
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = (value << 1 ^ crc.polynomial) & 0xFF if value & 0x80 else value << 1
    return value ^ crc.xor


def fits(crc: Crc, data: bytes) -> bool:
    """Whether the frame carries the checksum of its other bytes."""
    return len(data) > crc.byte and data[crc.byte] == crc8(crc, data[: crc.byte] + data[crc.byte + 1 :])


def _layout(car: CarModel, name: str, heard: MessageMap | None) -> _Layout:
    """heard: `None` for the reply of a poll, which must come whole."""
    message = car.database.get_message_by_name(name)
    entries = [entry for entry in car.signals if entry.message == name]
    absent = {entry.field: _absent(message, entry) for entry in entries}
    fields = []
    for entry in entries:
        signal = message.get_signal_by_name(entry.field)
        guard = (entry.valid_with, absent[entry.valid_with]) if entry.valid_with else None
        scale, offset = float(signal.conversion.scale), float(signal.conversion.offset)
        fields.append(_Field(entry, scale, offset, signal.length, absent[entry.field], guard))
    if heard is None:
        return _Layout(message, message.length, tuple(fields), None)
    return _Layout(message, heard.length, tuple(fields), heard.crc)


def _absent(message: Message, entry: SignalMap) -> frozenset[int]:
    signal = message.get_signal_by_name(entry.field)
    if signal.is_float or signal.length < WIDE:
        return entry.na
    return entry.na | {-1 if signal.is_signed else (1 << signal.length) - 1}  # all ones, also where they read as -1
