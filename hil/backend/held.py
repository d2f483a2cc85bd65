"""What the backend holds of one car, read back as values: facts, samples, states, and the accounts of its numbers.

What is not here: whether it is true (`ledger.py`). Opens the database for reading only.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from math import inf
from pathlib import Path
from statistics import median
from typing import Any

from .numbers import Numbers
from .payload import unpack

Wall = tuple[int, int]
Window = tuple[float, float]


@dataclass(frozen=True, slots=True)
class HeldFact:
    """when_ms: the middle of its wall interval, else reckoned from its boot's other facts, else None.

    window: when_ms twice; for a boot that a power cut ended before it knew the time, from the last fact of the boot
    before to the first of the boot after, less what the boot's own clock takes of that (`tied`). None: nothing tells.
    """

    stream: str
    n: int
    kind: str
    body: dict[str, Any]
    boot: str
    at: int
    wall: Wall | None
    when_ms: float | None
    arrived_ms: int
    window: Window | None


@dataclass(frozen=True, slots=True)
class HeldSample:
    """values: vocabulary name to number, without those that were missing. when_ms as for facts."""

    booking: int | None
    boot: str
    at: int
    when_ms: float | None
    values: dict[str, float]


@dataclass(frozen=True, slots=True)
class Account:
    """The numbers of one stream. dropped: ranges that the car said it dropped."""

    stream: str
    kind: str
    numbers: Numbers
    dropped: tuple[tuple[int, int], ...]
    arrived_ms: int


@dataclass(frozen=True, slots=True)
class Holding:
    """Everything of one car. unplaced: messages that could not be read at all. conflicts: (stream, number)."""

    facts: tuple[HeldFact, ...]
    samples: tuple[HeldSample, ...]
    states: tuple[tuple[int, dict[str, Any]], ...]
    accounts: tuple[Account, ...]
    conflicts: tuple[tuple[str, int], ...]
    poison: tuple[tuple[str, str], ...]

    def of(self, kind: str, **body: object) -> list[HeldFact]:
        """Facts of a kind whose body has these values, in the order of their numbers."""
        return [
            fact
            for fact in self.facts
            if fact.kind == kind and all(fact.body.get(key) == value for key, value in body.items())
        ]

    def window(self, boot: str, at: int) -> Window | None:
        """When it was so many milliseconds after the start of that boot, as far as its facts tell."""
        for fact in self.facts:
            if fact.boot == boot and fact.window is not None:
                return fact.window[0] + at - fact.at, fact.window[1] + at - fact.at
        return None

    @property
    def track(self) -> list[tuple[int, float, float]]:
        """(milliseconds since 1970, latitude, longitude) of every sample that has a position."""
        found = []
        for sample in self.samples:
            lat, lon = (sample.values.get(f"Vehicle.CurrentLocation.{name}") for name in ("Latitude", "Longitude"))
            if lat is not None and lon is not None and sample.when_ms is not None:
                found.append((round(sample.when_ms), lat, lon))
        return found


def read(database: Path, vehicle: str) -> Holding:
    """vehicle: 16 hex digits."""
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as db:
        facts = _facts(db, vehicle)
        states = db.execute("SELECT arrived_ms, text FROM states WHERE vehicle=? ORDER BY id", (vehicle,)).fetchall()
        conflicts = db.execute("SELECT stream, n FROM conflicts WHERE vehicle=?", (vehicle,)).fetchall()
        poison = db.execute("SELECT topic, why FROM poison WHERE vehicle=? OR vehicle IS NULL", (vehicle,)).fetchall()
        return Holding(
            facts,
            _samples(db, vehicle, facts),
            tuple((arrived, json.loads(text)) for arrived, text in states),
            _accounts(db, vehicle),
            tuple(conflicts),
            tuple(poison),
        )


def _facts(db: sqlite3.Connection, vehicle: str) -> tuple[HeldFact, ...]:
    sql = """SELECT stream, n, kind, body, boot, at, wall_lo, wall_hi, arrived_ms FROM facts WHERE vehicle=?
             ORDER BY (SELECT min(arrived_ms) FROM facts AS f WHERE f.stream = facts.stream), stream, n"""
    rows = db.execute(sql, (vehicle,)).fetchall()
    offsets = _offsets([(boot, at, low, high) for _, _, _, _, boot, at, low, high, _ in rows if low is not None])
    whens = [
        (low + high) / 2 if low is not None else at + offsets[boot] if boot in offsets else None
        for _, _, _, _, boot, at, low, high, _ in rows
    ]
    found = []
    for place, (stream, n, kind, body, boot, at, low, high, arrived) in enumerate(rows):
        wall = None if low is None else (low, high)
        window = _window(whens, place, arrived)
        found.append(HeldFact(stream, n, kind, json.loads(body), boot, at, wall, whens[place], arrived, window))
    return tied(found)


def _window(whens: list[float | None], place: int, arrived_ms: int) -> Window | None:
    """Facts are numbered in the order of time: an undated one lies between its dated neighbours."""
    if (when := whens[place]) is not None:
        return when, when
    before = next((when for when in reversed(whens[:place]) if when is not None), None)
    after = next((when for when in whens[place:] if when is not None), float(arrived_ms))
    return None if before is None else (before, max(before, min(after, float(arrived_ms))))


def tied(facts: Sequence[HeldFact]) -> tuple[HeldFact, ...]:
    """A boot has one clock: its undated facts are as far apart as it says, and when it started is as open as the
    narrowest of their windows leaves it.
    """
    starts: dict[str, Window] = {}
    for fact in facts:
        if fact.when_ms is None and fact.window is not None:
            low, high = starts.get(fact.boot, (-inf, inf))
            starts[fact.boot] = max(low, fact.window[0] - fact.at), min(high, fact.window[1] - fact.at)
    found = []
    for fact in facts:
        if fact.when_ms is None and fact.window is not None:
            low, high = sorted(starts[fact.boot])  # windows are good to a second or two, and may contradict each other
            fact = replace(fact, window=(low + fact.at, high + fact.at))
        found.append(fact)
    return tuple(found)


def _offsets(known: list[tuple[str, int, int, int]]) -> dict[str, float]:
    """Boot to (milliseconds since 1970 minus milliseconds since that boot)."""
    boots: dict[str, list[float]] = {}
    for boot, at, low, high in known:
        boots.setdefault(boot, []).append((low + high) / 2 - at)
    return {boot: median(values) for boot, values in boots.items()}


def _samples(db: sqlite3.Connection, vehicle: str, facts: tuple[HeldFact, ...]) -> tuple[HeldSample, ...]:
    columns = {fact.n: fact.body for fact in facts if fact.kind == "columns"}
    offsets = _offsets([(fact.boot, fact.at, *fact.wall) for fact in facts if fact.wall is not None])
    rows = db.execute("SELECT payload FROM blobs WHERE vehicle=? ORDER BY arrived_ms, n", (vehicle,))
    found = [sample for (payload,) in rows for sample in _open(unpack(payload), columns, offsets)]
    return tuple(sorted(found, key=lambda sample: (sample.when_ms or 0, sample.boot, sample.at)))


def _open(blob: dict[str, Any], columns: dict[int, dict[str, Any]], offsets: dict[str, float]) -> list[HeldSample]:
    """Undo the deltas and the scaling of one batch. Without its column list nothing can be said."""
    layout = columns.get(blob["columns"])
    if layout is None:
        return []
    boot, wall = blob["boot"], blob.get("wall")
    offset = sum(wall) / 2 - blob["at"] if wall else offsets.get(boot)
    at, last, found = blob["at"], [0] * len(layout["names"]), []
    for row, delta in enumerate(blob["t"]):
        at += delta
        values: dict[str, float] = {}
        for index, column in enumerate(blob["c"][: len(last)]):
            if column[row] is not None:
                last[index] += column[row]
                values[layout["names"][index]] = last[index] * layout["steps"][index]
        when = None if offset is None else at + offset
        found.append(HeldSample(blob.get("booking"), boot, at, when, values))
    return found


def _accounts(db: sqlite3.Connection, vehicle: str) -> tuple[Account, ...]:
    """One for each stream, in the order in which they first appeared."""
    found = []
    dropped = db.execute("SELECT stream, low, high FROM dropped WHERE vehicle=?", (vehicle,)).fetchall()
    for kind, table in (("facts", "facts"), ("samples", "blobs")):
        sql = f"SELECT stream, min(arrived_ms) FROM {table} WHERE vehicle=? GROUP BY stream ORDER BY 2"
        for stream, arrived in db.execute(sql, (vehicle,)).fetchall():
            numbers = Numbers()
            for (n,) in db.execute(f"SELECT n FROM {table} WHERE vehicle=? AND stream=?", (vehicle, stream)):
                numbers.add(n)
            lost = tuple((low, high) for named, low, high in dropped if named == stream)
            for low, high in lost:
                numbers.add(low, high)
            found.append(Account(stream, kind, numbers, lost, arrived))
    return tuple(found)
