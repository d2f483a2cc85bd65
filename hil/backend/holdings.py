"""What the backend holds: one SQLite file, the unique key (vehicle, stream, number), one transaction a group.

What is not here: MQTT, and reading payloads (`payload.py`).
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from .numbers import Numbers
from .payload import Blob, Fact, Item, Poison, Result, State

SCHEMA = """
CREATE TABLE IF NOT EXISTS facts(vehicle TEXT, stream TEXT, n INTEGER, kind TEXT, boot TEXT, at INTEGER,
  wall_lo INTEGER, wall_hi INTEGER, source TEXT, body TEXT, item TEXT, arrived_ms INTEGER,
  PRIMARY KEY(vehicle, stream, n)) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS blobs(vehicle TEXT, stream TEXT, n INTEGER, count INTEGER, payload BLOB, arrived_ms INTEGER,
  PRIMARY KEY(vehicle, stream, n)) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS dropped(vehicle TEXT, stream TEXT, low INTEGER, high INTEGER, why TEXT) STRICT;
CREATE TABLE IF NOT EXISTS poison(id INTEGER PRIMARY KEY, topic TEXT, why TEXT, vehicle TEXT, stream TEXT, n INTEGER,
  payload BLOB, arrived_ms INTEGER) STRICT;
CREATE UNIQUE INDEX IF NOT EXISTS poison_number ON poison(vehicle, stream, n);
CREATE TABLE IF NOT EXISTS conflicts(vehicle TEXT, stream TEXT, n INTEGER, payload BLOB, arrived_ms INTEGER) STRICT;
CREATE TABLE IF NOT EXISTS states(id INTEGER PRIMARY KEY, vehicle TEXT, text TEXT, arrived_ms INTEGER) STRICT;
CREATE TABLE IF NOT EXISTS results(vehicle TEXT, ident TEXT, text TEXT, arrived_ms INTEGER,
  PRIMARY KEY(vehicle, ident)) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS counters(name TEXT PRIMARY KEY, value INTEGER) STRICT, WITHOUT ROWID;
"""
COUNT = "INSERT INTO counters VALUES(?,?) ON CONFLICT(name) DO UPDATE SET value=value+excluded.value"
POISON = """INSERT INTO poison(topic, why, vehicle, stream, n, payload, arrived_ms) VALUES(?,?,?,?,?,?,?)
  ON CONFLICT DO NOTHING"""
RANGES_TOLD = 64
Stream = tuple[str, str]


class Holdings:
    """One writing connection, WAL, synchronous FULL. Use it in the thread that made it."""

    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=FULL")
        self._db.executescript(SCHEMA)
        self._numbers: defaultdict[Stream, Numbers] = defaultdict(Numbers)
        self._poison: defaultdict[Stream, set[int]] = defaultdict(set)
        self._runs: dict[str, str] = {}  # vehicle -> its newest stream of samples
        self._load()

    def close(self) -> None:
        self._db.close()

    @property
    def streams(self) -> list[Stream]:
        return sorted(self._numbers)

    def take(self, items: Iterable[Item], now_ms: int) -> set[Stream]:
        """Store a group in one transaction. Returns the streams to acknowledge.

        Repeats are acknowledged too: the first answer may be lost.
        """
        touched: set[Stream] = set()
        counts: Counter[str] = Counter()
        self._db.execute("BEGIN IMMEDIATE")
        try:
            for item in items:
                touched.update(self._store(item, counts, now_ms))
            self._db.executemany(COUNT, counts.items())
            self._db.execute("COMMIT")
        except BaseException:
            self._db.execute("ROLLBACK")
            self._load()
            raise
        return touched

    def acknowledgement(self, stream: Stream) -> dict[str, Any]:
        """The body of `down/ack`; a poison number counts as received, so that it never blocks the mark."""
        numbers = self._numbers[stream]
        beyond = [list(pair) for pair in numbers.beyond[:RANGES_TOLD]]
        poison = sorted(self._poison[stream])[-RANGES_TOLD:]
        return {"v": 1, "stream": stream[1], "upto": numbers.upto, "ranges": beyond, "poison": poison}

    def _store(self, item: Item, counts: Counter[str], now_ms: int) -> list[Stream]:
        match item:
            case Fact():
                return self._fact(item, counts, now_ms)
            case Blob():
                return self._blob(item, counts, now_ms)
            case Poison():
                return self._set_aside(item, counts, now_ms)
            case State():
                row = (item.vehicle, item.text, now_ms)
                self._db.execute("INSERT INTO states(vehicle, text, arrived_ms) VALUES(?,?,?)", row)
            case Result():
                self._db.execute(
                    "INSERT INTO results VALUES(?,?,?,?) ON CONFLICT DO UPDATE SET text=excluded.text",
                    (item.vehicle, item.ident, item.text, now_ms),
                )
        return []

    def _fact(self, fact: Fact, counts: Counter[str], now_ms: int) -> list[Stream]:
        stream = (fact.vehicle, fact.stream)
        low, high = fact.wall or (None, None)
        when = (fact.boot, fact.at, low, high, fact.source)
        row = (*stream, fact.n, fact.kind, *when, json.dumps(fact.body), fact.item, now_ms)
        new = self._db.execute("INSERT INTO facts VALUES(?,?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT DO NOTHING", row).rowcount
        if not new:
            held = self._held("SELECT item FROM facts", stream, fact.n)
            self._repeat(stream, fact.n, held == fact.item, fact.item.encode(), counts, now_ms)
            return [stream]
        counts["facts"] += 1
        self._numbers[stream].add(fact.n)
        return [stream, *self._dropped(fact)]

    def _dropped(self, fact: Fact) -> list[Stream]:
        """D11: numbers that the vehicle says it dropped count as received."""
        body = fact.body
        named, low, high = body.get("stream"), body.get("from"), body.get("to")
        if fact.kind != "dropped" or not (isinstance(named, str) and isinstance(low, int) and isinstance(high, int)):
            return []
        stream = fact.stream if named == "facts" else self._runs.get(fact.vehicle, named)
        row = (fact.vehicle, stream, low, high, str(body.get("why")))
        self._db.execute("INSERT INTO dropped VALUES(?,?,?,?,?)", row)
        if stream == "samples":
            return []  # nobody knows its id yet
        self._numbers[fact.vehicle, stream].add(low, high)
        return [(fact.vehicle, stream)]

    def _first_run(self, vehicle: str, stream: str) -> None:
        """A vehicle's stream of samples is known by its first run; what was dropped of it before then is counted now.
        """
        self._runs[vehicle] = stream
        waiting = "SELECT low, high FROM dropped WHERE vehicle=? AND stream='samples'"
        for low, high in self._db.execute(waiting, (vehicle,)).fetchall():
            self._numbers[vehicle, stream].add(low, high)
        self._db.execute("UPDATE dropped SET stream=? WHERE vehicle=? AND stream='samples'", (stream, vehicle))

    def _blob(self, blob: Blob, counts: Counter[str], now_ms: int) -> list[Stream]:
        stream = (blob.vehicle, blob.stream)
        if self._runs.get(blob.vehicle) != blob.stream:
            self._first_run(*stream)
        row = (*stream, blob.n, blob.count, blob.payload, now_ms)
        if self._db.execute("INSERT INTO blobs VALUES(?,?,?,?,?,?) ON CONFLICT DO NOTHING", row).rowcount:
            counts["blobs"] += 1
            counts["samples"] += blob.count
            self._numbers[stream].add(blob.n)
        else:
            held = self._held("SELECT payload FROM blobs", stream, blob.n)
            self._repeat(stream, blob.n, held == blob.payload, blob.payload, counts, now_ms)
        return [stream]

    def _held(self, select: str, stream: Stream, n: int) -> object:
        return self._db.execute(f"{select} WHERE vehicle=? AND stream=? AND n=?", (*stream, n)).fetchone()[0]

    def _repeat(self, stream: Stream, n: int, same: bool, payload: bytes, counts: Counter[str], now_ms: int) -> None:
        """The same number again is normal; with another content it is a broken promise, and kept as evidence."""
        counts["duplicates" if same else "conflicts"] += 1
        if not same:
            self._db.execute("INSERT INTO conflicts VALUES(?,?,?,?,?)", (*stream, n, payload, now_ms))

    def _set_aside(self, poison: Poison, counts: Counter[str], now_ms: int) -> list[Stream]:
        row = (poison.topic, poison.why, poison.vehicle, poison.stream, poison.n, poison.payload, now_ms)
        counts["poison" if self._db.execute(POISON, row).rowcount else "duplicates"] += 1
        if poison.vehicle is None or poison.stream is None or poison.n is None:
            return []
        stream = (poison.vehicle, poison.stream)
        self._numbers[stream].add(poison.n)
        self._poison[stream].add(poison.n)
        return [stream]

    def _load(self) -> None:
        self._numbers.clear()
        self._poison.clear()
        newest = "SELECT vehicle, stream FROM blobs GROUP BY vehicle, stream ORDER BY min(arrived_ms)"
        self._runs = dict(self._db.execute(newest))
        for table in ("facts", "blobs"):
            for vehicle, stream, n in self._db.execute(f"SELECT vehicle, stream, n FROM {table} ORDER BY 1, 2, 3"):
                self._numbers[vehicle, stream].add(n)
        dropped = "SELECT vehicle, stream, low, high FROM dropped WHERE stream<>'samples'"
        for vehicle, stream, low, high in self._db.execute(dropped):
            self._numbers[vehicle, stream].add(low, high)
        for vehicle, stream, n in self._db.execute("SELECT vehicle, stream, n FROM poison WHERE n IS NOT NULL"):
            self._numbers[vehicle, stream].add(n)
            self._poison[vehicle, stream].add(n)
