"""Writes <car>.toml from tables/<car>.toml: raw bytes and the value that they must give, or none.

Run it as `python -m tests.vectors.can.make CAR...`; tests/test_cars.py holds the pages against the tables. What does
not live here: where the bits are (`layout.py` and the tables).
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from .layout import TABLES, Field, Table, Value, put, read, take

HERE = Path(__file__).parent
HEAD = """\
# {title}
# Raw bytes to values, made by make.py from tables/{car}.toml: bit positions as published, counted from the top bit of
# byte 0, and never through the DBC that the decoder and the simulated car share (D34). value absent: nothing may be
# reported under that name.
"""
NAMES = ("lowest", "typical", "highest")
WIDE_STATES = 5
"""Every raw value of a narrower field with states is tried."""


def page(car: str) -> str:
    table = read(car)
    parts = [HEAD.format(title=table.title, car=car)]
    parts += [text for entry in table.fields if entry.at not in table.polls for text in _vectors(table, entry)]
    parts += [text for poll in table.polls for text in _replies(table, poll)]
    for told in table.recorded:
        values = dict(told["values"])
        parts.append(_reply(f"{told['ask']}, {told['source']}", told["poll"], bytes.fromhex(told["data"]), values))
    return "\n".join(parts)


# --- broadcast ---


def _vectors(table: Table, entry: Field) -> Iterator[str]:
    for what, raw, ones in _cases(entry):
        data = bytes([0xFF if ones else 0]) * 8
        if entry.needs:
            other = table.named(entry.needs)
            data = put(data, other, other.raw(other.values[1]))
        yield _vector(table, entry, what, put(data, entry, raw), entry.means(raw))
    for value in entry.beyond:
        yield _vector(table, entry, f"{value:g} is beyond belief", put(bytes(8), entry, entry.raw(value)), None)
    if entry.needs:
        other = table.named(entry.needs)
        nothing = other.nothing()
        assert nothing is not None
        data = put(put(bytes(8), entry, entry.ones), other, nothing)
        yield _vector(table, entry, f"with {other.bits} not available", data, None)


def _cases(entry: Field) -> Iterator[tuple[str, int, bool]]:
    """What it shows, the raw value, and whether all other bits are ones (too long or too short a field shows)."""
    if entry.states:
        for raw in range(entry.ones + 1) if entry.length < WIDE_STATES else map(int, entry.states):
            yield entry.states.get(str(raw), "no state"), raw, False
        for raw in map(int, entry.states):
            yield f"{entry.states[str(raw)]} among ones", raw, True
    else:
        for what, value in zip(NAMES if len(entry.values) > 1 else ("typical",), entry.values, strict=True):
            yield what, entry.raw(value), False
        yield "typical among ones", entry.raw(entry.values[min(1, len(entry.values) - 1)]), True
    for raw in entry.na:
        if not entry.states or entry.length >= WIDE_STATES:
            yield f"not available ({raw:X})", raw, False
    if entry.absent(entry.ones) and entry.ones not in entry.na:
        yield "not available", entry.ones, False


def _vector(table: Table, entry: Field, what: str, data: bytes, value: Value | None) -> str:
    data = table.sealed(entry.at, data)
    lines = ["[[vector]]", f'what = "{entry.at} {entry.bits}, {what}"', f"id = 0x{entry.at}"]
    lines += [f'data = "{data.hex().upper()}"', f'name = "{entry.name}"']
    lines += [] if value is None else [f"value = {_toml(value)}"]
    return "\n".join(lines) + "\n"


# --- diagnostic replies ---


def _replies(table: Table, poll: str) -> Iterator[str]:
    ask, entries = table.polls[poll], table.of(poll)
    sides = [[*map(int, entry.states)] or [entry.raw(value) for value in entry.values] for entry in entries]
    for number in range(max(map(len, sides))):
        raws = [raw[min(number, len(raw) - 1)] for raw in sides]
        yield _filled(table, poll, f"case {number + 1}", raws, 0)
    typical = [raw[min(1, len(raw) - 1)] for raw in sides]
    yield _filled(table, poll, "typical among ones", typical, 0xFF)
    yield _filled(table, poll, "nothing but ones", [entry.ones for entry in entries], 0xFF)
    for at, entry in enumerate(entries):
        for raw in entry.na:
            told = [*typical[:at], raw, *typical[at + 1 :]]
            yield _filled(table, poll, f"{entry.bits} not available ({raw:X})", told, 0, last=at)
        for value in entry.beyond:
            told = [*typical[:at], entry.raw(value), *typical[at + 1 :]]
            yield _filled(table, poll, f"{entry.bits}, {value:g} is beyond belief", told, 0, hidden=entry.name, last=at)
    short = ask.head + bytes(ask.size - len(ask.head) - 1)
    yield _reply(f"{ask.ask}, {ask.size - 1} bytes of {ask.size}", poll, short, {})


def _filled(
    table: Table, poll: str, what: str, raws: list[int], filler: int, *, hidden: str = "", last: int = -1
) -> str:
    """last: index of the field that is written after all others, where two names share their bits."""
    ask, entries = table.polls[poll], table.of(poll)
    data = ask.head + bytes([filler]) * (ask.size - len(ask.head))
    for at in sorted(range(len(entries)), key=lambda at: at == last):
        data = put(data, entries[at], raws[at])
    absent = {entry.name for entry in entries if entry.absent(take(data, entry))}
    values: dict[str, Value] = {}
    for entry in entries:
        value = entry.means(take(data, entry))
        if value is not None and entry.name != hidden and entry.needs not in absent:
            values[entry.name] = value
    return _reply(f"{ask.ask}, {what}", poll, data, values)


def _reply(what: str, poll: str, data: bytes, values: dict[str, Value]) -> str:
    lines = ["[[reply]]", f'what = "{what}"', f'poll = "{poll}"', f'data = "{data.hex().upper()}"', "[reply.values]"]
    lines += [f'"{name}" = {_toml(value)}' for name, value in values.items()]
    return "\n".join(lines) + "\n"


def _toml(value: Value) -> str:
    return f'"{value}"' if isinstance(value, str) else repr(float(value))


if __name__ == "__main__":
    for name in sys.argv[1:] or sorted(path.stem for path in TABLES.glob("*.toml")):
        (HERE / f"{name}.toml").write_text(page(name), encoding="utf-8")
