"""The two numbered streams (D3): append, offer, acknowledge. When rows go is `retention.py`'s question.

Every function works on a connection; those that write expect to be inside `Database.write`. A row is offered again
and again until the backend has acknowledged it: what is in flight is the sender's knowledge and never stored.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from .schema import FACTS, SAMPLES

MARK_MS: Final = 3_600_000  # marks are kept by the hour, so that an acknowledgement writes one small row
MAX_RANGES: Final = 1000


@dataclass(frozen=True, slots=True)
class FactRow:
    """n: its number. body: JSON object text without the number."""

    n: int
    body: str


@dataclass(frozen=True, slots=True)
class SampleBlob:
    """n: its number, which the sealed bytes also carry."""

    n: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Pending:
    """facts, samples: rows not acknowledged. last_fact, last_sample: highest number given out, 0 for none."""

    facts: int
    samples: int
    last_fact: int
    last_sample: int


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """What an acknowledgement changed. known: the stream is one of ours. beyond: it claimed numbers that were never
    given out.

    gone: numbers that the backend misses and that are purged here; they need a `dropped` fact.
    """

    known: bool
    progressed: bool = False
    moved_back: bool = False
    beyond: bool = False
    gone: tuple[int, int] | None = None


def append_fact(connection: sqlite3.Connection, body: str) -> int:
    """Its number, one more than the last."""
    number = connection.execute("INSERT INTO facts (body) VALUES (?)", (body,)).lastrowid
    assert number is not None
    return number


def seal(connection: sqlite3.Connection, build: Callable[[int], bytes]) -> int:
    """Store `build(number)` under the next number; it is never changed afterwards, so a retry is byte-identical."""
    number = last(connection, SAMPLES) + 1
    connection.execute("INSERT INTO samples (n, body) VALUES (?, ?)", (number, build(number)))
    return number


def add_group(connection: sqlite3.Connection, body: bytes) -> None:
    connection.execute("INSERT INTO groups (body) VALUES (?)", (body,))


def groups(connection: sqlite3.Connection) -> list[bytes]:
    return [row[0] for row in connection.execute("SELECT body FROM groups ORDER BY id")]


def clear_groups(connection: sqlite3.Connection) -> None:
    connection.execute("DELETE FROM groups")


def last(connection: sqlite3.Connection, stream: str) -> int:
    """Highest number ever given out in the stream, 0 for none."""
    row = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = ?", (stream,)).fetchone()
    return int(row[0]) if row else 0


def upto(connection: sqlite3.Connection, stream: str) -> int:
    """The backend's high-water mark."""
    return int(connection.execute("SELECT upto FROM streams WHERE name = ?", (stream,)).fetchone()[0])


_OPEN: Final = (
    "FROM {0} WHERE n > ? AND NOT EXISTS"
    " (SELECT 1 FROM ahead WHERE stream = '{0}' AND {0}.n BETWEEN ahead.first AND ahead.last)"
)
_NEXT: Final = {name: f"SELECT n, body {_OPEN.format(name)} ORDER BY n LIMIT ?" for name in (FACTS, SAMPLES)}
_COUNT: Final = {name: f"SELECT count(*) {_OPEN.format(name)}" for name in (FACTS, SAMPLES)}


def next_facts(connection: sqlite3.Connection, after: int, limit_bytes: int, limit_rows: int) -> tuple[FactRow, ...]:
    """Facts above `after` that are not acknowledged, oldest first; at least one if there is any, however large."""
    start = max(after, upto(connection, FACTS))
    rows: list[FactRow] = []
    room = limit_bytes
    for number, body in connection.execute(_NEXT[FACTS], (start, limit_rows)):
        room -= len(body) + 16
        if rows and room < 0:
            break
        rows.append(FactRow(number, body))
    return tuple(rows)


def next_samples(connection: sqlite3.Connection, after: int, limit_rows: int) -> tuple[SampleBlob, ...]:
    """Sealed blobs above `after` that are not acknowledged, oldest first."""
    start = max(after, upto(connection, SAMPLES))
    return tuple(SampleBlob(row[0], row[1]) for row in connection.execute(_NEXT[SAMPLES], (start, limit_rows)))


def pending(connection: sqlite3.Connection) -> Pending:
    return Pending(_count(connection, FACTS), _count(connection, SAMPLES), last(connection, FACTS), last(connection,
    SAMPLES))


def _count(connection: sqlite3.Connection, name: str) -> int:
    return int(connection.execute(_COUNT[name], (upto(connection, name),)).fetchone()[0])


def acknowledge(
    connection: sqlite3.Connection,
    stream: str,
    mark: int,
    ranges: Sequence[tuple[int, int]],
    poison: Sequence[int],
    at_ms: int | None,
) -> Acknowledged:
    """Take the backend's statement of what it has stored: everything up to `mark`, and `ranges` above it.

    It is a whole statement and replaces the one before; a mark that moved back (a backend restored from a backup)
    makes rows open again. Poison numbers stay done until the mark moves back below them. at_ms: when, `None` while
    the time is unknown.
    """
    name = next((row[0] for row in connection.execute("SELECT name FROM streams WHERE id = ?", (stream,))), None)
    if name is None:
        return Acknowledged(False)
    highest = last(connection, name)
    before, behind = upto(connection, name), _ahead(connection, name)
    # A claim beyond what was given out would silently swallow rows still to come.
    beyond = mark > highest or any(b > highest for _, b in ranges) or any(n > highest for n in poison)
    now = max(0, min(mark, highest))
    back = now < before
    if back:
        connection.execute("DELETE FROM ahead WHERE stream = ?", (name,))
        connection.execute("DELETE FROM marks WHERE stream = ? AND upto > ?", (name, now))
    else:
        connection.execute("DELETE FROM ahead WHERE stream = ? AND (poison = 0 OR last <= ?)", (name, now))
    spans = [(max(a, now + 1), min(b, highest), 0) for a, b in ranges[:MAX_RANGES]]
    spans += [(n, n, 1) for n in poison[:MAX_RANGES] if n > now]
    connection.executemany(
        "INSERT INTO ahead (stream, first, last, poison) VALUES (?, ?, ?, ?)",
        [(name, a, b, p) for a, b, p in dict.fromkeys(spans) if a <= b <= highest and (name, a, b, p) not in behind],
    )
    if now != before:
        connection.execute("UPDATE streams SET upto = ? WHERE name = ?", (now, name))
    if now > before:
        _mark(connection, name, now, at_ms)
    progressed = now > before or (not back and _ahead(connection, name) != behind)
    return Acknowledged(True, progressed, back, beyond, _gone(connection, name, now, highest) if back else None)


def _ahead(connection: sqlite3.Connection, name: str) -> set[tuple[str, int, int, int]]:
    return set(connection.execute("SELECT stream, first, last, poison FROM ahead WHERE stream = ?", (name,)))


def _mark(connection: sqlite3.Connection, name: str, mark: int, at_ms: int | None) -> None:
    row = connection.execute(
        "SELECT id, acked_at FROM marks WHERE stream = ? ORDER BY id DESC LIMIT 1", (name,)
    ).fetchone()
    same_hour = row is not None and (
        (row[1] is None and at_ms is None)
        or (row[1] is not None and at_ms is not None and 0 <= at_ms - row[1] < MARK_MS)
    )
    if same_hour:
        connection.execute("UPDATE marks SET upto = ? WHERE id = ?", (mark, row[0]))
    else:
        connection.execute("INSERT INTO marks (stream, upto, acked_at) VALUES (?, ?, ?)", (name, mark, at_ms))


def _gone(connection: sqlite3.Connection, name: str, mark: int, highest: int) -> tuple[int, int] | None:
    lowest = connection.execute(f"SELECT min(n) FROM {name}").fetchone()[0]
    first_kept = int(lowest) if lowest is not None else highest + 1
    return (mark + 1, first_kept - 1) if first_kept > mark + 1 else None
