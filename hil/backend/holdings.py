"""What the backend holds: one SQLite file, the unique key (vehicle, stream, number), one transaction a group.

Which numbers are received stands in the file, is read and written in the transaction of the rows, and nowhere else.
What is not here: MQTT, and reading payloads (`payload.py`).
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from . import payload
from .numbers import Numbers
from .payload import ID, Blob, Fact, Item, Poison, Result, State
from .store import Mark, NotStored, Stream

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
CREATE TABLE IF NOT EXISTS received(vehicle TEXT, stream TEXT, low INTEGER, high INTEGER,
  PRIMARY KEY(vehicle, stream, low)) STRICT, WITHOUT ROWID;
"""
COUNT = "INSERT INTO counters VALUES(?,?) ON CONFLICT(name) DO UPDATE SET value=value+excluded.value"
POISON = """INSERT INTO poison(topic, why, vehicle, stream, n, payload, arrived_ms) VALUES(?,?,?,?,?,?,?)
  ON CONFLICT DO NOTHING"""
RANGES_TOLD = 64
MOST = 1 << 53  # numbers that JSON carries everywhere
UNNAMED = "samples"  # stands in for the stream of samples that an older car did not name, until its first run comes


class _Received:
    """The received numbers of streams within one transaction: read when asked for, written by `save`."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._streams: dict[Stream, tuple[Numbers, frozenset[tuple[int, int]]]] = {}

    def __getitem__(self, stream: Stream) -> Numbers:
        if stream not in self._streams:
            sql = "SELECT low, high FROM received WHERE vehicle=? AND stream=? ORDER BY low"
            stored = self._db.execute(sql, stream).fetchall()
            self._streams[stream] = Numbers(stored), frozenset(stored)
        return self._streams[stream][0]

    def save(self) -> None:
        for stream, (numbers, stored) in self._streams.items():
            now = set(numbers.ranges)
            gone, fresh = [(*stream, low) for low, _ in stored - now], [(*stream, *pair) for pair in now - stored]
            self._db.executemany("DELETE FROM received WHERE vehicle=? AND stream=? AND low=?", gone)
            self._db.executemany("INSERT INTO received VALUES(?,?,?,?)", fresh)


class Holdings:
    """A `Store`: one writing connection, WAL, synchronous FULL. Use it in the thread that made it."""

    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=FULL")
        with self._transaction() as received:
            known = self._db.execute("SELECT 1 FROM sqlite_master WHERE name='received'").fetchone()
            for statement in SCHEMA.split(";"):
                self._db.execute(statement)
            if known is None:
                self._count(received)

    def close(self) -> None:
        self._db.close()

    def marks(self) -> list[Mark]:
        with self._transaction() as received:
            streams = self._db.execute("SELECT DISTINCT vehicle, stream FROM received ORDER BY 1, 2").fetchall()
            return [self._mark(stream, received) for stream in streams]

    def commit(self, items: Iterable[Item], now_ms: int) -> list[Mark]:
        touched: set[Stream] = set()
        counts: Counter[str] = Counter()
        with self._transaction() as received:
            for item in items:
                touched.update(self._store(item, received, counts, now_ms))
            self._db.executemany(COUNT, counts.items())
            return [self._mark(stream, received) for stream in sorted(touched)]

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[_Received]:
        try:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                received = _Received(self._db)
                yield received
                received.save()
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise
        except sqlite3.Error as error:
            raise NotStored(f"not stored: {error}") from error

    def _mark(self, stream: Stream, received: _Received) -> Mark:
        numbers = received[stream]
        sql = "SELECT n FROM poison WHERE vehicle=? AND stream=? AND n IS NOT NULL ORDER BY n DESC LIMIT ?"
        poison = sorted(n for (n,) in self._db.execute(sql, (*stream, RANGES_TOLD)))
        return Mark(stream, numbers.upto, tuple(numbers.beyond[:RANGES_TOLD]), tuple(poison))

    def _store(self, item: Item, received: _Received, counts: Counter[str], now_ms: int) -> list[Stream]:
        match item:
            case Fact():
                return self._fact(item, received, counts, now_ms)
            case Blob():
                return self._blob(item, received, counts, now_ms)
            case Poison():
                return self._set_aside(item, received, counts, now_ms)
            case State():
                row = (item.vehicle, item.text, now_ms)
                self._db.execute("INSERT INTO states(vehicle, text, arrived_ms) VALUES(?,?,?)", row)
            case Result():
                self._db.execute(
                    "INSERT INTO results VALUES(?,?,?,?) ON CONFLICT DO UPDATE SET text=excluded.text",
                    (item.vehicle, item.ident, item.text, now_ms),
                )
        return []

    def _fact(self, fact: Fact, received: _Received, counts: Counter[str], now_ms: int) -> list[Stream]:
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
        received[stream].add(fact.n)
        if (inner := payload.salvaged(fact)) is not None:  # its stream is no car's any more: nobody waits for a word
            self._fact(inner, received, counts, now_ms)
        return [stream, *self._dropped(fact, received)]

    def _dropped(self, fact: Fact, received: _Received) -> list[Stream]:
        """D11: numbers that the vehicle says it dropped, or its disk damaged, count as received."""
        name, low, high = (fact.body.get(key) for key in ("stream", "from", "to"))
        if fact.kind not in ("dropped", "damaged") or name not in ("facts", "samples"):
            return []
        if not (isinstance(low, int) and isinstance(high, int) and 0 < low <= high < MOST):
            return []
        stream = fact.body.get("stream_id")
        if not (isinstance(stream, str) and ID.fullmatch(stream)):  # of an older car
            stream = fact.stream if name == "facts" else self._newest_run(fact.vehicle)
        row = (fact.vehicle, stream, low, high, str(fact.body.get("why", fact.kind)))
        self._db.execute("INSERT INTO dropped VALUES(?,?,?,?,?)", row)
        if stream == UNNAMED:
            return []
        received[fact.vehicle, stream].add(low, high)
        return [(fact.vehicle, stream)]

    def _newest_run(self, vehicle: str) -> str:
        newest = "SELECT stream FROM blobs WHERE vehicle=? GROUP BY stream ORDER BY min(arrived_ms) DESC LIMIT 1"
        row = self._db.execute(newest, (vehicle,)).fetchone()
        return UNNAMED if row is None else str(row[0])

    def _blob(self, blob: Blob, received: _Received, counts: Counter[str], now_ms: int) -> list[Stream]:
        stream = (blob.vehicle, blob.stream)
        if self._db.execute("SELECT 1 FROM blobs WHERE vehicle=? AND stream=? LIMIT 1", stream).fetchone() is None:
            self._first_run(stream, received)
        row = (*stream, blob.n, blob.count, blob.payload, now_ms)
        if self._db.execute("INSERT INTO blobs VALUES(?,?,?,?,?,?) ON CONFLICT DO NOTHING", row).rowcount:
            counts["blobs"] += 1
            counts["samples"] += blob.count
            received[stream].add(blob.n)
        else:
            held = self._held("SELECT payload FROM blobs", stream, blob.n)
            self._repeat(stream, blob.n, held == blob.payload, blob.payload, counts, now_ms)
        return [stream]

    def _first_run(self, stream: Stream, received: _Received) -> None:
        """What an older car dropped of its samples before their stream was known counts from here on."""
        waiting = "SELECT low, high FROM dropped WHERE vehicle=? AND stream=?"
        for low, high in self._db.execute(waiting, (stream[0], UNNAMED)).fetchall():
            received[stream].add(low, high)
        self._db.execute("UPDATE dropped SET stream=? WHERE vehicle=? AND stream=?", (stream[1], stream[0], UNNAMED))

    def _held(self, select: str, stream: Stream, n: int) -> object:
        return self._db.execute(f"{select} WHERE vehicle=? AND stream=? AND n=?", (*stream, n)).fetchone()[0]

    def _repeat(self, stream: Stream, n: int, same: bool, payload: bytes, counts: Counter[str], now_ms: int) -> None:
        """The same number again is normal; with another content it is a broken promise, and kept as evidence."""
        counts["duplicates" if same else "conflicts"] += 1
        if not same:
            self._db.execute("INSERT INTO conflicts VALUES(?,?,?,?,?)", (*stream, n, payload, now_ms))

    def _set_aside(self, poison: Poison, received: _Received, counts: Counter[str], now_ms: int) -> list[Stream]:
        row = (poison.topic, poison.why, poison.vehicle, poison.stream, poison.n, poison.payload, now_ms)
        counts["poison" if self._db.execute(POISON, row).rowcount else "duplicates"] += 1
        if poison.vehicle is None or poison.stream is None or poison.n is None:
            return []
        stream = (poison.vehicle, poison.stream)
        received[stream].add(poison.n)
        return [stream]

    def _count(self, received: _Received) -> None:
        """Once, in a file that an earlier receiver made: what is there is received."""
        for table in ("facts", "blobs", "poison"):
            for vehicle, stream, n in self._db.execute(f"SELECT vehicle, stream, n FROM {table} WHERE n IS NOT NULL"):
                received[vehicle, stream].add(n)
        dropped = "SELECT vehicle, stream, low, high FROM dropped WHERE stream<>?"
        for vehicle, stream, low, high in self._db.execute(dropped, (UNNAMED,)).fetchall():
            received[vehicle, stream].add(low, high)
