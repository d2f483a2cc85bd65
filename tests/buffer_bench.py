"""The records' file in a fresh folder: fixtures, and what tests write into it and ask of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from buffer import db, outbox

BIG = 16 << 20


@pytest.fixture(name="path")
def the_path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "buffer.db"


@pytest.fixture(name="database")
def the_database(path: Path) -> Iterator[db.Database]:
    opened = db.open_or_replace(path, BIG).database
    yield opened
    opened.close()


def add(database: db.Database, count: int = 1, size: int = 50) -> list[int]:
    """Facts of this many bytes in one transaction; their numbers."""
    with database.write() as connection:
        return [outbox.append_fact(connection, f'{{"i":{i}}}'.ljust(size)) for i in range(count)]


def ack(
    database: db.Database,
    upto: int,
    ranges: list[tuple[int, int]] | None = None,
    poison: list[int] | None = None,
    at_ms: int | None = None,
) -> outbox.Acknowledged:
    with database.write() as connection:
        return outbox.acknowledge(connection, database.streams["facts"], upto, ranges or [], poison or [], at_ms)


def offered(database: db.Database, after: int = 0) -> list[int]:
    return [row.n for row in outbox.next_facts(database.connection, after, 1 << 20, 10_000)]
