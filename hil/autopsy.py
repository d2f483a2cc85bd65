"""What a cut box has on its disk, read before its agent starts again, and held against what the backend acknowledged.

Works on a copy made inside, so that the agent finds the disk exactly as the cut left it. What is not here: the cuts
themselves (`cuts.py`) and what the records mean (`backend/ledger.py`).
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .machine import Machine

# Runs inside, with nothing but the standard library. The log is copied too: half of what is durable may lie in it.
LOOK = """
import hashlib, json, os, shutil, sqlite3, sys, tempfile
path = sys.argv[1]
with tempfile.TemporaryDirectory() as folder:
    copy = os.path.join(folder, "copy.db")
    found = {"there": os.path.exists(path)}
    if found["there"]:
        for suffix in ("", "-wal"):
            if os.path.exists(path + suffix):
                shutil.copyfile(path + suffix, copy + suffix)
        db = sqlite3.connect(copy)
        try:
            found["integrity"] = [row[0] for row in db.execute("PRAGMA integrity_check")]
            ids = dict(db.execute("SELECT name, id FROM streams"))
            numbers = dict(db.execute("SELECT name, seq FROM sqlite_sequence"))
            for name in ("facts", "samples"):
                rows = db.execute(f"SELECT n, body FROM {name} ORDER BY n").fetchall()
                whole = {n: json.dumps({**json.loads(b), "n": n}, sort_keys=True).encode() if name == "facts" else b
                         for n, b in rows}
                hashed = {n: hashlib.sha256(b).hexdigest() for n, b in whole.items()}
                found[name] = {"stream": ids[name], "highest": numbers.get(name, 0), "rows": hashed}
        except sqlite3.DatabaseError as error:
            found["integrity"] = [str(error)]
        db.close()
    bookings = os.path.join(os.path.dirname(path), "bookings")
    found["bookings"] = sorted(os.listdir(bookings)) if os.path.isdir(bookings) else []
    print(json.dumps(found))
"""


@dataclass(frozen=True, slots=True)
class Numbered:
    """One stream as the box has it. highest: the last number it gave. rows: number to SHA-256 of the record."""

    stream: str
    highest: int
    rows: dict[int, str]


@dataclass(frozen=True, slots=True)
class Found:
    """integrity: SQLite's own words, ("ok",) when sound. bookings: names of the files (D14)."""

    integrity: tuple[str, ...]
    facts: Numbered | None
    samples: Numbered | None
    bookings: tuple[str, ...]


async def look(machine: Machine) -> Found:
    """The machine runs, the agent does not. Raises `RuntimeError` with what the look said."""
    path = f"{machine.data}/state/records.db"
    done = await machine.call({"do": "run", "argv": [sys.executable, "-c", LOOK, path]})
    if done["exit"]:
        raise RuntimeError(f"the database could not be looked at:\n{done['output']}")
    told = json.loads(done["output"])
    numbered = {name: _numbered(told[name]) if name in told else None for name in ("facts", "samples")}
    integrity = tuple(told.get("integrity", ["no database"]))
    return Found(integrity, numbered["facts"], numbered["samples"], tuple(told["bookings"]))


def _numbered(told: dict[str, Any]) -> Numbered:
    return Numbered(told["stream"], told["highest"], {int(n): digest for n, digest in told["rows"].items()})


@dataclass(frozen=True, slots=True)
class Losses:
    """lost: records (stream, number) that the backend has and the box knows nothing of: it gives their numbers again.

    changed: the same number with another content on both sides. unsound: not "ok" for SQLite.
    """

    lost: frozenset[tuple[str, int]] = frozenset()
    changed: frozenset[tuple[str, int]] = frozenset()
    unsound: tuple[str, ...] = ()

    def __add__(self, other: Losses) -> Losses:
        """Each record counts once, however many cuts find it missing."""
        return Losses(self.lost | other.lost, self.changed | other.changed, (*self.unsound, *other.unsound))


def compare(found: Found, database: Path, vehicle: str) -> Losses:
    """database: the backend's. A row that the box has purged after its acknowledgement is no loss: its number stays."""
    losses = Losses(unsound=() if found.integrity == ("ok",) else found.integrity)
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as db:
        for numbered, table, column in ((found.facts, "facts", "item"), (found.samples, "blobs", "payload")):
            losses += _stream(numbered, list(_held(db, table, column, vehicle)))
    return losses


def _held(db: sqlite3.Connection, table: str, column: str, vehicle: str) -> Iterator[tuple[str, int, str]]:
    for stream, n, body in db.execute(f"SELECT stream, n, {column} FROM {table} WHERE vehicle=?", (vehicle,)):
        yield stream, n, hashlib.sha256(body.encode() if isinstance(body, str) else body).hexdigest()


def _stream(numbered: Numbered | None, held: list[tuple[str, int, str]]) -> Losses:
    lost, changed = set(), set()
    for stream, n, digest in held:
        if numbered is None or stream != numbered.stream or n > numbered.highest:
            lost.add((stream, n))
        elif numbered.rows.get(n, digest) != digest:
            changed.add((stream, n))
    return Losses(frozenset(lost), frozenset(changed))
