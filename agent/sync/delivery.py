"""What is still to be sent, read from the open file, and the backend's own word for what has arrived there.

A stored row that the disk damaged is not sent: it would spoil the message. It stays where it is, out of the way and
out of the purge, and its number is told as a fact. Synchronous, in the store's thread. What is not here: writing
(`disk.py`), and what is sent when (`uplink.py`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Final, TypeVar

from buffer import db, outbox
from buffer.db import Database
from buffer.errors import StorageFull
from buffer.outbox import FactRow, SampleBlob
from buffer.schema import FACTS, SAMPLES

from . import facts, samples, wire
from .disk import Disk
from .record import When

_log = logging.getLogger(__name__)
_Row = TypeVar("_Row", FactRow, SampleBlob)

DAMAGED: Final = "record_damaged"
REFUSED: Final = "record_refused"


def next_facts(
    disk: Disk, when: When, after: int, limit_bytes: int, limit_rows: int
) -> tuple[str, tuple[FactRow, ...]]:
    rows = _whole(
        disk, when, FACTS, after,
        lambda connection, start: outbox.next_facts(connection, start, limit_bytes, limit_rows),
        lambda row: facts.whole(row.body),
    )  # fmt: skip
    return disk.database.streams[FACTS], rows


def next_samples(disk: Disk, when: When, after: int, limit_rows: int) -> tuple[str, tuple[SampleBlob, ...]]:
    stream = disk.database.streams[SAMPLES]
    rows = _whole(
        disk, when, SAMPLES, after,
        lambda connection, start: outbox.next_samples(connection, start, limit_rows),
        lambda row: samples.whole(row.body, stream, row.n),
    )  # fmt: skip
    return stream, rows


def _whole(
    disk: Disk, when: When, name: str, after: int,
    read: Callable[[db.Connection, int], tuple[_Row, ...]], whole: Callable[[_Row], bool],
) -> tuple[_Row, ...]:  # fmt: skip
    """The next rows that read, at least one if there is any."""
    while True:
        with disk.database.read() as connection:
            rows = read(connection, after)
        good = {row.n: row for row in rows if whole(row)}
        if len(good) < len(rows):
            _tell(disk, when, name, [row.n for row in rows if row.n not in good])
        if good or not rows:
            return tuple(good.values())
        after = rows[-1].n


def _tell(disk: Disk, when: When, name: str, numbers: Sequence[int]) -> None:
    """In one transaction: set aside, and told. While there is no room, later; they are not sent either way."""
    stream = disk.database.streams[name]
    try:
        with disk.database.write() as connection:
            outbox.put_aside(connection, name, numbers, outbox.UNREADABLE)
            for first, last in outbox.merged((n, n) for n in numbers):
                outbox.append_fact(connection, when.fact("damaged", facts.damaged(name, first, last, stream)))
            _alarm(disk, connection, when, DAMAGED, name, numbers)
    except StorageFull:
        return
    disk.counts[DAMAGED] += len(numbers)


def _alarm(
    disk: Disk, connection: db.Connection, when: When, alarm: str, name: str, numbers: Sequence[int]
) -> None:
    """Once in a run of the program: what comes after is counted, or a backend that reads nothing would be told of each
    alarm by another one.
    """
    told = f"{name} " + ", ".join(map(str, numbers))
    _log.error("%s: %s", alarm, told)
    if not disk.counts[alarm]:
        outbox.append_fact(connection, when.fact("alarm", {"name": alarm, "event": "raised", "detail": told}))


def pending(database: Database) -> outbox.Pending:
    with database.read() as connection:
        return outbox.pending(connection)


def acknowledge(disk: Disk, said: wire.Ack, when: When) -> outbox.Acknowledged:
    at_ms = when.wall[1] if when.wall is not None else None
    with disk.database.write() as connection:
        done = outbox.acknowledge(connection, said.stream, said.upto, said.ranges, said.poison, at_ms)
        name = next((name for name, identity in disk.database.streams.items() if identity == said.stream), "")
        for first, last in done.gone:
            outbox.append_fact(connection, disk.describe(when)(name, first, last, "purged"))
        if done.refused:
            _alarm(disk, connection, when, REFUSED, name, done.refused)
    disk.counts[REFUSED] += len(done.refused)
    return done
