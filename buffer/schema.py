"""Numbered, forward-only migrations. Statements of every day live in `outbox.py`, `vault.py` and `retention.py`.

A migration may only add (tables, or columns with a default): images roll back and data does not, so the release
before must still be able to read and write the file. `user_version` is read by the caller first; sqlite_utils is
imported only where there is something to do, because it alone costs more start-up time than the whole unlock path
(D24).
"""

from __future__ import annotations

import os
import sqlite3
from typing import Final

VERSION: Final = 3
TABLES: Final = frozenset({"streams", "facts", "samples", "groups", "ahead", "marks", "vault"})
FACTS: Final = "facts"
SAMPLES: Final = "samples"

# What every day's statements name. A file whose own schema lost a name to a bad block opens, and takes none of them.
_NAMED: Final = (
    "name, id, upto FROM streams",
    *(f"n, body, holds, booking, born, lived, aside FROM {name}" for name in (FACTS, SAMPLES)),
    "id, body FROM groups",
    "stream, first, last FROM ahead",
    "id, stream, upto, acked_at FROM marks",
    "key, value FROM vault",
)

# AUTOINCREMENT: a number that was ever committed is not given out again, even after its row is purged.
_MIGRATIONS: Final = {
    1: (
        "CREATE TABLE streams (name TEXT PRIMARY KEY, id TEXT NOT NULL, upto INTEGER NOT NULL DEFAULT 0) STRICT",
        "CREATE TABLE facts (n INTEGER PRIMARY KEY AUTOINCREMENT, body TEXT NOT NULL) STRICT",
        "CREATE TABLE samples (n INTEGER PRIMARY KEY AUTOINCREMENT, body BLOB NOT NULL) STRICT",
        # Samples that are durable and not sealed yet; empty most of the time.
        "CREATE TABLE groups (id INTEGER PRIMARY KEY, body BLOB NOT NULL) STRICT",
        # What the backend has beyond its high-water mark.
        "CREATE TABLE ahead (stream TEXT NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,"
        " poison INTEGER NOT NULL DEFAULT 0) STRICT",
        # When the high-water mark passed which number, so that rows can be purged N days later without rewriting them.
        "CREATE TABLE marks (id INTEGER PRIMARY KEY, stream TEXT NOT NULL, upto INTEGER NOT NULL,"
        " acked_at INTEGER) STRICT",
        "CREATE TABLE vault (key TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT",
    ),
    # What a row holds of people, so that it goes in time (P5) and with its booking (P9): see `outbox.Tag`. The release
    # before writes rows without; `aging.py` gives them theirs. The indexes spare a look at every body.
    2: (
        *(
            f"ALTER TABLE {table} ADD COLUMN {column}"
            for table in ("facts", "samples")
            for column in ("holds TEXT", "booking INTEGER", "born INTEGER", "lived INTEGER")
        ),
        "CREATE INDEX facts_aging ON facts (holds, born, lived, booking) WHERE holds IS NOT NULL",
        "CREATE INDEX samples_aging ON samples (holds, born, lived, booking)",
    ),
    # Why a row is kept for salvage: see `outbox.UNREADABLE` and `outbox.REFUSED`. Of the release before they are as all
    # others.
    3: tuple(f"ALTER TABLE {table} ADD COLUMN aside INTEGER" for table in ("facts", "samples")),
}


def migrate(connection: sqlite3.Connection, found: int) -> None:
    """Bring a file of version `found` to `VERSION` in one transaction; a newer file is left as it is."""
    if found >= VERSION:
        return
    import sqlite_utils

    # Positional, and without its own pragmas: this connection keeps ours.
    database = sqlite_utils.Database(connection, recursive_triggers=False)
    connection.execute("BEGIN IMMEDIATE")
    try:
        for number in range(found + 1, VERSION + 1):
            for statement in _MIGRATIONS[number]:
                database.execute(statement)
        if found == 0:
            for name in (FACTS, SAMPLES):
                database.execute("INSERT INTO streams (name, id) VALUES (?, ?)", (name, os.urandom(8).hex()))
        database.execute(f"PRAGMA user_version = {VERSION}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def probe(connection: sqlite3.Connection) -> None:
    """Raises sqlite3.OperationalError where a column is missing. Reads no row."""
    for named in _NAMED:
        connection.execute(f"SELECT {named} LIMIT 0")


def tables(connection: sqlite3.Connection) -> frozenset[str]:
    rows = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
    return frozenset(row[0] for row in rows)
