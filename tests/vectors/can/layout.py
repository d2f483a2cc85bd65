"""Bits as they are published, without a DBC: counted from the top bit of byte 0, the most significant bit first (D34).

What lives here: the small tables `tables/<car>.toml` read as values, and raw numbers put into bytes. What does not:
what is made of them (`make.py` vectors, `drive.py` recordings). Nothing of the product is imported.

A table has one row a field:
  name     as the vocabulary calls it
  at       hexadecimal id of the frame, or the name of a poll
  bit      of the most significant bit; in replies counted from the service byte
  length   in bits
  factor, offset   physical = raw x factor + offset; left out: 1 and 0
  values   lowest, typical, highest; texts for a field with text
  states   raw to text, instead of values
  na       raw values that mean "not available", besides all ones in fields of five bits or more
  needs    name of another field of the same frame, without which this one is not believed
  beyond   values that the field can hold and nobody should believe
  signed   true: two's complement
  text     "ascii", "bcd", or "bcd_reversed" (last digit first)
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

TABLES = Path(__file__).parent / "tables"
WIDE = 5
Value = float | str


@dataclass(frozen=True)
class Field:
    name: str
    at: str
    bit: int
    length: int
    factor: float = 1
    offset: float = 0
    values: list[Any] = field(default_factory=list)
    states: dict[str, str] = field(default_factory=dict)
    na: list[int] = field(default_factory=list)
    needs: str = ""
    beyond: list[float] = field(default_factory=list)
    text: str = ""
    signed: bool = False

    @property
    def ones(self) -> int:
        return (1 << self.length) - 1

    @property
    def bits(self) -> str:
        last = self.bit + self.length - 1
        return f"bit {self.bit}" if last == self.bit else f"bits {self.bit}-{last}"

    def absent(self, raw: int) -> bool:
        return raw in self.na or (self.length >= WIDE and raw == self.ones)

    def nothing(self) -> int | None:
        """The raw value of a car that does not know yet."""
        return self.na[0] if self.na else self.ones if self.length >= WIDE else None

    def raw(self, value: Value, exact: bool = True) -> int:
        """exact: the value must be one that the field can say."""
        if self.states:
            return next(int(raw) for raw, state in self.states.items() if state == value)
        if self.text:
            return self._spelt(str(value))
        raw = round((float(value) - self.offset) / self.factor)
        if self.signed and raw < 0:
            raw += self.ones + 1
        assert 0 <= raw <= self.ones, f"{self.name}: {value} does not fit {self.length} bits"
        assert not exact or abs(self._number(raw) - float(value)) < 1e-6, f"{self.name}: {value}"
        return raw

    def means(self, raw: int) -> Value | None:
        """None: not available, or a state that nobody knows."""
        if self.absent(raw):
            return None
        if self.states:
            return self.states.get(str(raw))
        if self.text:
            return self._read(raw)
        return round(self._number(raw), 6)

    def _number(self, raw: int) -> float:
        below = self.ones + 1 if self.signed and raw > self.ones >> 1 else 0
        return (raw - below) * self.factor + self.offset

    def _spelt(self, text: str) -> int:
        if self.text == "ascii":
            return int.from_bytes(text.encode("ascii"), "big")
        return int(text[::-1] if self.text == "bcd_reversed" else text, 16)

    def _read(self, raw: int) -> str:
        if self.text == "ascii":
            return raw.to_bytes(self.length // 8, "big").decode("ascii")
        digits = f"{raw:0{self.length // 4}x}"
        return digits[::-1] if self.text == "bcd_reversed" else digits


@dataclass(frozen=True)
class Ask:
    """A question: ask and session are hexadecimal, size is that of the reply with its head, in bytes."""

    request: int
    reply: int
    ask: str
    size: int
    session: str = ""

    @property
    def head(self) -> bytes:
        asked = bytes.fromhex(self.ask)
        return bytes([asked[0] + 0x40]) + asked[1:]


@dataclass(frozen=True)
class Table:
    title: str
    fields: list[Field]
    polls: dict[str, Ask]
    recorded: list[dict[str, Any]]
    crc: dict[str, dict[str, int]]

    def of(self, at: str) -> list[Field]:
        return [entry for entry in self.fields if entry.at == at]

    def named(self, name: str) -> Field:
        return next(entry for entry in self.fields if entry.name == name)

    def frames(self) -> list[str]:
        return list(dict.fromkeys(entry.at for entry in self.fields if entry.at not in self.polls))

    def sealed(self, at: str, data: bytes) -> bytes:
        """With the checksum of the frame, where it has one: most significant bit first, over all other bytes."""
        told = self.crc.get(at)
        if told is None:
            return data
        where, rest = told.get("byte", 7), told.get("initial", 0)
        for byte in data[:where] + data[where + 1 :]:
            rest ^= byte
            for _ in range(8):
                rest = (rest << 1) ^ (0x100 | told.get("polynomial", 0x1D)) if rest & 0x80 else rest << 1
        return data[:where] + bytes([rest ^ told["xor"]]) + data[where + 1 :]


def put(data: bytes, place: Field, raw: int) -> bytes:
    """data with the bits of one field replaced."""
    shift = 8 * len(data) - place.bit - place.length
    number = int.from_bytes(data, "big") & ~(place.ones << shift) | raw << shift
    return number.to_bytes(len(data), "big")


def take(data: bytes, place: Field) -> int:
    """The bits of one field, as a number."""
    return int.from_bytes(data, "big") >> 8 * len(data) - place.bit - place.length & place.ones


def read(car: str) -> Table:
    told = tomllib.loads((TABLES / f"{car}.toml").read_text(encoding="utf-8"))
    polls = {name: Ask(**ask) for name, ask in told.get("poll", {}).items()}
    fields = [Field(**row) for row in told["field"]]
    return Table(told["title"], fields, polls, told.get("recorded", []), told.get("crc", {}))
