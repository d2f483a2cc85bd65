"""What is still to be sent, read from the open file, and the backend's own word for what has arrived there.

Synchronous, in the store's thread. What is not here: writing (`disk.py`), and what is sent when (`uplink.py`).
"""

from __future__ import annotations

from buffer import outbox
from buffer.db import Database

from . import wire
from .disk import Disk
from .record import When


def next_facts(
    database: Database, after: int, limit_bytes: int, limit_rows: int
) -> tuple[str, tuple[outbox.FactRow, ...]]:
    with database.read() as connection:
        rows = outbox.next_facts(connection, after, limit_bytes, limit_rows)
    return database.streams["facts"], rows


def next_samples(database: Database, after: int, limit_rows: int) -> tuple[str, tuple[outbox.SampleBlob, ...]]:
    with database.read() as connection:
        rows = outbox.next_samples(connection, after, limit_rows)
    return database.streams["samples"], rows


def pending(database: Database) -> outbox.Pending:
    with database.read() as connection:
        return outbox.pending(connection)


def acknowledge(disk: Disk, said: wire.Ack, when: When) -> outbox.Acknowledged:
    at_ms = when.wall[1] if when.wall is not None else None
    with disk.database.write() as connection:
        done = outbox.acknowledge(connection, said.stream, said.upto, said.ranges, said.poison, at_ms)
        for first, last in done.gone:
            name = next(name for name, identity in disk.database.streams.items() if identity == said.stream)
            outbox.append_fact(connection, disk.describe(when)(name, first, last, "purged"))
    return done
