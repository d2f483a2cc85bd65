"""What may go, and when: acknowledged rows after N days, samples before facts when there is no room. Ballast for a
full disk.

A full SQLite disk cannot be drained by deleting, since a delete writes too. So 2 MiB lie ready beside the database,
to be given up at the first sign of a full disk. `describe` is the caller's: it turns a range of numbers into the body
of a `dropped` fact.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Final

from . import outbox
from .db import Database
from .schema import FACTS, SAMPLES

BALLAST_BYTES: Final = 2 * 1024 * 1024
SAMPLES_SHARE: Final = 0.9  # of the quota; what lies above is reserved for facts
LESSER_SHARE: Final = 0.95  # and above this for facts that tell of more than a refusal
THIN_PART: Final = 10  # a tenth of the waiting samples at a time
THIN_ROWS: Final = 2000  # at most, so that the log of one thinning stays below the ballast
PURGE_ROWS: Final = 500  # one purge stays short: a fact may be waiting behind it

Describe = Callable[[str, int, int, str], str]


def usage(connection: sqlite3.Connection) -> float:
    """Share of our own quota that is in use, 0 to 1."""
    count, free, most = (
        int(connection.execute(f"PRAGMA {name}").fetchone()[0])
        for name in ("page_count", "freelist_count", "max_page_count")
    )
    return (count - free) / most


def purge(connection: sqlite3.Connection, now_ms: int, keep_ms: int, limit: int = PURGE_ROWS) -> int:
    """Inside a transaction: delete rows acknowledged more than `keep_ms` ago; the number of rows deleted.

    Acknowledgements of an unknown time start to age now.
    """
    connection.execute("UPDATE marks SET acked_at = ? WHERE acked_at IS NULL", (now_ms,))
    deleted = 0
    for name in (FACTS, SAMPLES):
        row = connection.execute(
            "SELECT max(upto) FROM marks WHERE stream = ? AND acked_at <= ?", (name, now_ms - keep_ms - outbox.MARK_MS)
        ).fetchone()
        if row[0] is None:
            continue
        done = _delete(connection, name, min(int(row[0]), outbox.upto(connection, name)), limit)
        deleted += done
        if done < limit:
            connection.execute("DELETE FROM marks WHERE stream = ? AND upto <= ?", (name, row[0]))
    return deleted


def thin(connection: sqlite3.Connection, describe: Describe) -> int:
    """Inside a transaction: make room. Acknowledged samples go first, then a tenth of the waiting ones, oldest first,
    with a fact that says so; acknowledged facts go last, waiting facts and what is set aside never. The number of rows
    deleted.
    """
    deleted = _delete(connection, SAMPLES, outbox.upto(connection, SAMPLES), THIN_ROWS)
    if not deleted:
        waiting = connection.execute("SELECT n FROM samples WHERE aside IS NULL ORDER BY n").fetchall()
        if waiting:
            oldest, newest = waiting[0][0], waiting[min(max(1, len(waiting) // THIN_PART), THIN_ROWS) - 1][0]
            deleted = _delete(connection, SAMPLES, newest, THIN_ROWS)
            outbox.append_fact(connection, describe(SAMPLES, oldest, newest, "no_room"))
    return deleted or _delete(connection, FACTS, outbox.upto(connection, FACTS), THIN_ROWS)


def make_room(database: Database, describe: Describe) -> bool:
    """After StorageFull: give up the ballast, thin, and cut the log. True when anything was freed. Raises
    StorageError."""
    freed = drop_ballast(database.path)
    with database.write() as connection:
        freed = bool(thin(connection, describe)) or freed
    database.checkpoint()
    return freed


def place_ballast(path: Path, size: int = BALLAST_BYTES) -> bool:
    """Put the ballast in place where there is room for it; True when it lies there."""
    name = _ballast(path)
    with contextlib.suppress(OSError):
        if name.stat().st_size >= size:
            return True
    try:
        room = os.statvfs(path.parent)
        if room.f_bavail * room.f_frsize < 4 * size:  # not on a disk that is nearly full: that room is for facts
            return False
        descriptor = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.posix_fallocate(descriptor, 0, size)
        finally:
            os.close(descriptor)
    except OSError:
        drop_ballast(path)
        return False
    return True


def drop_ballast(path: Path) -> bool:
    """True when there was one to drop."""
    try:
        _ballast(path).unlink()
    except OSError:
        return False
    return True


def _ballast(path: Path) -> Path:
    return path.with_name(path.name + ".ballast")


def _delete(connection: sqlite3.Connection, name: str, mark: int, limit: int) -> int:
    return connection.execute(
        f"DELETE FROM {name} WHERE n IN (SELECT n FROM {name} WHERE n <= ? AND aside IS NULL ORDER BY n LIMIT ?)",
        (mark, limit),
    ).rowcount
