"""What the simulated car says, as bytes: values of the vocabulary in the fields of the folder's DBC, and the checksum.

The checksum is worked out here by long division, so that a mistake of the product's cannot cancel out. What does not
live here: when anything is sent (`ecu.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import floor
from typing import Any

from config import car as cars
from config.vocabulary import ODOMETER

FULL = 1e-6
"""So little short of a step a float may be that has come to it."""
COUNTER = "Counter"
"""A field of this name counts frames, modulo its size."""


class Words:
    """The messages of one car. `waking`: the first moments, in which it knows nothing yet."""

    def __init__(self, car: cars.CarModel) -> None:
        self._car = car
        self._guards = {message.name: message.crc for message in car.messages if message.crc is not None}
        self._counts: dict[str, int] = {}

    def encode(self, name: str, values: Mapping[str, float | str], *, waking: bool) -> bytes:
        """The bytes of a message, or of a reply's layout."""
        message = self._car.database.get_message_by_name(name)
        mapped = [entry for entry in self._car.signals if entry.message == name]
        raw = {
            it.name: _raw(it, [entry for entry in mapped if entry.field == it.name], values, waking)
            for it in message.signals
        }
        if COUNTER in raw:
            self._counts[name] = count = self._counts.get(name, -1) + 1
            raw[COUNTER] = count % (1 << message.get_signal_by_name(COUNTER).length)
        if not raw:
            return bytes(message.length)
        data = bytes(message.encode(raw, scaling=False, strict=False))
        guard = self._guards.get(name)
        if guard is None:
            return data
        head, rest = data[: guard.byte], data[guard.byte + 1 :]
        return head + bytes([crc8(guard, head + rest)]) + rest


def crc8(guard: cars.Crc, data: bytes) -> int:
    """The remainder of the bytes, as one long number, divided by the polynomial."""
    rest = int.from_bytes(data, "big") << 8
    rest ^= guard.initial << (8 * len(data))
    for bit in range(8 * len(data) + 7, 7, -1):
        if rest >> bit & 1:
            rest ^= (0x100 | guard.polynomial) << (bit - 8)
    return rest ^ guard.xor


def _raw(signal: Any, entries: Sequence[cars.SignalMap], values: Mapping[str, float | str], waking: bool) -> int:
    """entries: what the field tells; some cars tell two things in one, then it says what is true of both."""
    entry = entries[0] if entries else None
    ones = -1 if signal.is_signed else (1 << signal.length) - 1
    absent = min(entry.na) if entry and entry.na and min(entry.na) == 0 else ones
    if entry is None:
        return int(ones) if signal.length >= 5 else 0
    if waking and signal.length >= 5:
        return int(absent)
    if waking and entry.valid_with:
        return 1  # a flag beside an absent value says nothing: show the worst
    value = values.get(entry.name)
    if value is None:
        return int(absent) if signal.length >= 5 or entry.na else 0
    if entry.states:
        return max(_fitting(entries, values), default=0)
    if entry.text:
        text = str(value)[::-1] if entry.text == "bcd_reversed" else str(value)
        return int.from_bytes(text.encode("ascii"), "big") if entry.text == "ascii" else int(text, 16)
    steps = (float(value) - float(signal.conversion.offset)) / float(signal.conversion.scale)
    scaled = floor(steps + FULL) if entry.name == ODOMETER else round(steps)
    half = 1 << (signal.length - 1)
    low, high = (-half, half - 1) if signal.is_signed else (0, int(ones) - 1)
    return max(low, min(high, scaled))


def _fitting(entries: Sequence[cars.SignalMap], values: Mapping[str, float | str]) -> set[int]:
    """The raw values that say what is so, by every entry that is known."""
    told = [entry for entry in entries if entry.name in values]
    found = [{raw for raw, state in entry.states.items() if state == values[entry.name]} for entry in told]
    return set.intersection(*found) or found[0]
