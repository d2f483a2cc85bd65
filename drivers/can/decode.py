"""Frames and diagnostic replies to signals, by the car's DBC. Nothing comes out that the car did not really say.

What does not live here: staleness over time (the kernel reports silence) and what the agent makes of a value.
"""

from __future__ import annotations

from collections.abc import Mapping
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
    """A mapped field, ready to use. ones: the raw value that is never a value, -1 for narrow fields."""

    map: SignalMap
    factor: float
    offset: float
    ones: int


@dataclass(frozen=True, slots=True)
class _Layout:
    message: Message
    need: int
    fields: tuple[_Field, ...]
    crc: Crc | None


class Decoder:
    """unmapped counts raw states that nobody knows, foreign frames whose id no signal is mapped from."""

    def __init__(self, car: CarModel) -> None:
        heard = {message.name: message for message in car.messages}
        layouts = {name: _layout(car, name, heard.get(name)) for name in {entry.message for entry in car.signals}}
        self._frames = {(m.can_id, m.extended): layouts[m.name] for m in car.messages}
        self._polls = {poll.message: layouts[poll.message] for poll in car.polls}
        names = ("frames", "values", "not_available", "short", "out_of_range", "unmapped", "foreign", "bad_crc")
        self._counters = dict.fromkeys(names, 0)

    def counters(self) -> dict[str, int]:
        return dict(self._counters)

    def names(self, can_id: int, extended: bool = False) -> tuple[str, ...]:
        """The signals that a message carries: what becomes stale when it falls silent."""
        layout = self._frames.get((can_id, extended))
        return tuple(field.map.name for field in layout.fields) if layout else ()

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
        if len(data) < layout.need:
            self._counters["short"] += 1
            return []
        if layout.crc is not None and not fits(layout.crc, data):
            self._counters["bad_crc"] += 1
            return []
        # Longer and shorter frames than the DBC says are fine as long as every mapped field is inside.
        length = layout.message.length
        told = layout.message.decode(data[:length].ljust(length, b"\0"), decode_choices=False, scaling=False)
        assert isinstance(told, dict)
        raw: Mapping[str, int] = {name: value for name, value in told.items() if isinstance(value, int)}
        absent = {field.map.field for field in layout.fields if _absent(field, raw[field.map.field])}
        found: list[Signal] = []
        for field in layout.fields:
            if field.map.field in absent or field.map.valid_with in absent:
                self._counters["not_available"] += 1
                continue
            value = self._value(field, raw[field.map.field])
            if value is not None:
                found.append(Signal(field.map.name, value, at_ns))
        self._counters["values"] += len(found)
        return found

    def _value(self, field: _Field, raw: int) -> float | str | None:
        if field.map.text:
            return self._text(field, raw)
        if field.map.states:
            state = field.map.states.get(raw)
            self._counters["unmapped"] += state is None
            return state
        value = round(raw * field.factor + field.offset, DIGITS)
        if field.map.low <= value <= field.map.high:
            return value
        self._counters["out_of_range"] += 1
        return None

    def _text(self, field: _Field, raw: int) -> str | None:
        """Printable ASCII, or decimal digits; anything else is no text that a car would say."""
        size = (field.ones.bit_length() + 7) // 8
        digits = "" if field.map.text == "ascii" else f"{raw:0{field.ones.bit_length() // 4}x}"
        digits = digits[::-1] if field.map.text == "bcd_reversed" else digits
        value = digits or raw.to_bytes(size, "big").decode("ascii", "replace")
        if digits.isdecimal() if digits else (value.isascii() and value.isalnum()):
            return value
        self._counters["out_of_range"] += 1
        return None


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


def _absent(field: _Field, raw: int) -> bool:
    return raw == field.ones or raw in field.map.na


def _layout(car: CarModel, name: str, heard: MessageMap | None) -> _Layout:
    """heard: `None` for the reply of a poll, which must come whole."""
    message = car.database.get_message_by_name(name)
    fields = []
    for entry in car.signals:
        if entry.message == name:
            signal = message.get_signal_by_name(entry.field)
            ones = (1 << signal.length) - 1 if signal.length >= WIDE and not signal.is_signed else -1
            fields.append(_Field(entry, float(signal.conversion.scale), float(signal.conversion.offset), ones))
    if heard is None:
        return _Layout(message, message.length, tuple(fields), None)
    return _Layout(message, heard.length, tuple(fields), heard.crc)
