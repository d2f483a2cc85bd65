"""A sync that fails once, as on Linux: what it was to sync stays readable, and no later sync writes it.

Whether the disk refuses, and what is left of a commit at each use of it: `test_store_every_statement.py`.
"""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from agent.sync.disk import Disk as ProductDisk
from agent.sync.record import Batch
from buffer import db, outbox
from buffer.errors import StorageUnavailable
from tests.disk_below import OK, below
from tests.disk_cuts import BIG, WHEN, Ground, Note, Noting
from tests.store_bench import VEHICLE


@dataclass
class Forgetting(Noting):
    """ground: what a cut would leave. While `fails`, a sync says so, and what it was to sync is forgotten."""

    ground: Ground = field(default_factory=lambda: Ground({}))
    fails: bool = False

    def deletes(self, name: str, *, folder: bool) -> int:
        return self.note("delete", name)

    def syncs(self, name: str) -> int:
        if self.fails:
            self.ground.waiting.pop(Path(name).name, None)
            return sqlite3.SQLITE_IOERR_FSYNC
        return super().syncs(name)

    def note(self, what: str, name: str, at: int = 0, data: bytes = b"") -> int:
        self.ground.take(Note(what, Path(name).name, at, data))
        return OK


def told(path: Path) -> list[object]:
    opened = db.open_or_replace(path, BIG)
    try:
        return [json.loads(row.body)["body"]["n"] for row in outbox.next_facts(opened.database.connection, 0, BIG, 99)]
    finally:
        opened.database.close()


def fact(n: int) -> Batch:
    return Batch(WHEN, (WHEN.fact("plug", {"n": n}),))


def test_what_is_stored_after_a_sync_that_failed_is_there_after_a_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the failed one was to sync lies in the log before it; a log with a hole ends there for whoever reads it."""
    lower, left = Forgetting(), tmp_path / "left"
    monkeypatch.setattr(db, "sync_file", lambda path: lower.syncs(str(path)))
    disk = ProductDisk(tmp_path / "records.db", BIG, VEHICLE, "1.0", "zoe-ph1")
    with below(lower):
        disk.open(WHEN)
        disk.write(fact(1))
        lower.fails = True
        with pytest.raises(StorageUnavailable):
            disk.write(fact(2))
        disk.close()
        lower.fails = False
        disk.open(WHEN)
        disk.write_kept(fact(2))
        disk.write(fact(3))
        left.mkdir()
        for name, data in lower.ground.files.items():
            (left / name).write_bytes(data)
        disk.close()
    assert told(left / "records.db") == [1, 2, 3]
