"""The two numbered streams (D3): append, offer, acknowledge. When rows go is `retention.py`'s question.

Every function works on a connection; those that write expect to be inside `Database.write`. A row is offered again
and again until the backend has acknowledged it: what is in flight is the sender's knowledge and never stored.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from .schema import FACTS, SAMPLES

MARK_MS: Final = 3_600_000  # marks are kept by the hour, so that an acknowledgement writes one small row
MAX_SPANS: Final = 500  # kept a stream, of whatever an acknowledgement says: 1,000 in all
MAX_CLAIMS: Final = 1000  # looked at of its ranges, and of its poison
_NEVER: Final = (1 << 63) - 1  # above any number


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


def texts(connection: sqlite3.Connection, after: int) -> tuple[str, ...]:
    """Of every fact above a number, acknowledged or not."""
    return tuple(row[0] for row in connection.execute("SELECT body FROM facts WHERE n > ?", (after,)))


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


def next_facts(connection: sqlite3.Connection, after: int, limit_bytes: int, limit_rows: int) -> tuple[FactRow, ...]:
    """Facts above `after` that are not acknowledged, oldest first; at least one if there is any, however large."""
    rows: list[FactRow] = []
    room = limit_bytes
    for number, body in _open(connection, FACTS, after, limit_rows):
        room -= len(body) + 16
        if rows and room < 0:
            break
        rows.append(FactRow(number, body))
    return tuple(rows)


def next_samples(connection: sqlite3.Connection, after: int, limit_rows: int) -> tuple[SampleBlob, ...]:
    """Sealed blobs above `after` that are not acknowledged, oldest first."""
    return tuple(SampleBlob(number, body) for number, body in _open(connection, SAMPLES, after, limit_rows))


def _open(connection: sqlite3.Connection, name: str, after: int, limit: int) -> Iterator[tuple[int, Any]]:
    """Number and body of rows not acknowledged: from gap to gap between the spans, so that no table of spans however
    odd makes a search of every row for every span."""
    start = max(after, upto(connection, name))
    for first, last_one in [*_spans(connection, name), (_NEVER, _NEVER)]:
        found = connection.execute(
            f"SELECT n, body FROM {name} WHERE n > ? AND n < ? ORDER BY n LIMIT ?", (start, first, limit)
        )
        for row in found:
            yield row
            limit -= 1
        if limit <= 0:
            return
        start = max(start, last_one)


def pending(connection: sqlite3.Connection) -> Pending:
    return Pending(
        _count(connection, FACTS), _count(connection, SAMPLES), last(connection, FACTS), last(connection, SAMPLES)
    )


def _count(connection: sqlite3.Connection, name: str) -> int:
    mark = upto(connection, name)
    spans = [(mark + 1, _NEVER), *_spans(connection, name)]
    every, *done = (
        int(connection.execute(f"SELECT count(*) FROM {name} WHERE n BETWEEN ? AND ?", span).fetchone()[0])
        for span in spans
    )
    return every - sum(done)


def acknowledge(
    connection: sqlite3.Connection,
    stream: str,
    mark: int,
    ranges: Sequence[tuple[int, int]],
    poison: Sequence[int],
    at_ms: int | None,
) -> Acknowledged:
    """Take the backend's statement of what it has stored: everything up to `mark`, and `ranges` above it.

    It is a whole statement, poison included, and replaces the one before: so an honest one heals a forged one. A mark
    that moved back (a backend restored from a backup) makes rows open again. at_ms: when, `None` while the time is
    unknown.
    """
    name = next((row[0] for row in connection.execute("SELECT name FROM streams WHERE id = ?", (stream,))), None)
    if name is None:
        return Acknowledged(False)
    highest = last(connection, name)
    before, behind = upto(connection, name), _spans(connection, name)
    # A claim beyond what was given out would silently swallow rows still to come.
    beyond = mark > highest or any(b > highest for _, b in ranges) or any(n > highest for n in poison)
    now = max(0, min(mark, highest))
    back = now < before
    claims = [*ranges[:MAX_CLAIMS], *((n, n) for n in poison[:MAX_CLAIMS])]
    spans = merged([(max(a, now + 1), min(b, highest)) for a, b in claims])[:MAX_SPANS]
    if spans != behind:
        connection.execute("DELETE FROM ahead WHERE stream = ?", (name,))
        connection.executemany(
            "INSERT INTO ahead (stream, first, last) VALUES (?, ?, ?)", [(name, a, b) for a, b in spans]
        )
    if back:
        connection.execute("DELETE FROM marks WHERE stream = ? AND upto > ?", (name, now))
    if now != before:
        connection.execute("UPDATE streams SET upto = ? WHERE name = ?", (now, name))
    if now > before:
        _mark(connection, name, now, at_ms)
    progressed = now > before or (not back and spans != behind)
    return Acknowledged(True, progressed, back, beyond, _gone(connection, name, now, highest) if back else None)


def merged(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """The same numbers in as few spans as can be, in order; empty ones left out."""
    found: list[tuple[int, int]] = []
    for a, b in sorted(span for span in spans if span[0] <= span[1]):
        if found and a <= found[-1][1] + 1:
            found[-1] = (found[-1][0], max(b, found[-1][1]))
        else:
            found.append((a, b))
    return found


def _spans(connection: sqlite3.Connection, name: str) -> list[tuple[int, int]]:
    """What the backend has above its mark; whatever an older release left there, without overlaps."""
    mark = upto(connection, name)
    rows = connection.execute("SELECT first, last FROM ahead WHERE stream = ? AND last > ?", (name, mark))
    return merged([(max(a, mark + 1), b) for a, b in rows])


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
