"""The two numbered streams (D3): append, offer, acknowledge. When rows go is `retention.py`'s question.

Every function works on a connection; those that write expect to be inside `Database.write`. A row is offered again
and again until the backend has acknowledged it: what is in flight is the sender's knowledge and never stored.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

from msgspec import Struct

from .schema import FACTS, SAMPLES

MARK_MS: Final = 3_600_000  # marks are kept by the hour, so that an acknowledgement writes one small row
MAX_SPANS: Final = 500  # kept a stream, of whatever an acknowledgement says: 1,000 in all
MAX_CLAIMS: Final = 1000  # looked at of its ranges, and of its poison
_NEVER: Final = (1 << 63) - 1  # above any number
UNREADABLE: Final = 1  # set aside: the disk damaged it, and it is not offered any more
REFUSED: Final = 2  # set aside: the backend could not read it
POSITION: Final = "position"
SAMPLE: Final = "sample"


class FactRow(Struct, frozen=True):
    """n: its number. body: JSON object text without the number; bytes that the disk made no text stand in it as lone
    surrogates.
    """

    n: int
    body: str


class SampleBlob(Struct, frozen=True):
    """n: its number, which the sealed bytes also carry."""

    n: int
    body: bytes


class Tag(Struct, frozen=True):
    """What a row holds of people, for `aging.py`. holds: `POSITION`, or `SAMPLE` without any. booking: whose.

    born_ms: not younger than this, ms since 1970; `None` while the time is not known. lived_ms: how long the box had
    run in all by then.
    """

    holds: str
    booking: int | None
    born_ms: int | None
    lived_ms: int


class Pending(Struct, frozen=True):
    """facts, samples: rows not acknowledged. last_fact, last_sample: highest number given out, 0 for none."""

    facts: int
    samples: int
    last_fact: int
    last_sample: int


class Acknowledged(Struct, frozen=True):
    """What an acknowledgement changed. known: the stream is one of ours. beyond: it claimed numbers that were never
    given out.

    gone: numbers that the backend misses and that are no longer here, as spans; they need `dropped` facts. have: all
    that it has, as spans in order. reopened: it had some above its mark that it does not speak of any more. refused:
    numbers that it could not read, said for the first time.
    """

    known: bool
    progressed: bool = False
    moved_back: bool = False
    beyond: bool = False
    gone: tuple[tuple[int, int], ...] = ()
    have: tuple[tuple[int, int], ...] = ()
    reopened: bool = False
    refused: tuple[int, ...] = ()


def append_fact(connection: sqlite3.Connection, body: str, tag: Tag | None = None) -> int:
    """Its number, one more than the last. tag: for a fact that must go in time."""
    number = connection.execute(
        "INSERT INTO facts (body, holds, booking, born, lived) VALUES (?, ?, ?, ?, ?)", (body, *_values(tag))
    ).lastrowid
    assert number is not None
    return number


def texts(connection: sqlite3.Connection, after: int) -> tuple[str, ...]:
    """Of every fact above a number, acknowledged or not."""
    found = connection.execute("SELECT CAST(body AS BLOB) FROM facts WHERE n > ?", (after,))
    return tuple(_text(row[0]) for row in found)


def put_aside(connection: sqlite3.Connection, name: str, numbers: Iterable[int], why: int) -> tuple[int, ...]:
    """Keep rows for salvage: they are neither purged nor thinned, and go only with what people ask to be erased. Those
    of them that were not aside before for as good a reason.
    """
    mark = f"UPDATE {name} SET aside = ? WHERE n = ? AND coalesce(aside, ?) > ?"
    return tuple(n for n in numbers if connection.execute(mark, (why, n, _NEVER, why)).rowcount)


def _text(body: bytes | None) -> str:
    return (body or b"").decode("utf-8", "surrogateescape")


def seal(connection: sqlite3.Connection, build: Callable[[int], bytes], tag: Tag | None = None) -> int:
    """Store `build(number)` under the next number; it is never changed afterwards, so a retry is byte-identical."""
    number = last(connection, SAMPLES) + 1
    connection.execute(
        "INSERT INTO samples (n, body, holds, booking, born, lived) VALUES (?, ?, ?, ?, ?, ?)",
        (number, build(number), *_values(tag)),
    )
    return number


def _values(tag: Tag | None) -> tuple[object, ...]:
    return (None,) * 4 if tag is None else (tag.holds, tag.booking, tag.born_ms, tag.lived_ms)


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


def unused(connection: sqlite3.Connection) -> bool:
    """Nothing was ever committed here."""
    return not any(
        connection.execute(f"SELECT 1 FROM {table} LIMIT 1").fetchone() for table in ("sqlite_sequence", "vault")
    )


def upto(connection: sqlite3.Connection, stream: str) -> int:
    """The backend's high-water mark."""
    return int(connection.execute("SELECT upto FROM streams WHERE name = ?", (stream,)).fetchone()[0])


def next_facts(connection: sqlite3.Connection, after: int, limit_bytes: int, limit_rows: int) -> tuple[FactRow, ...]:
    """Facts above `after` that are not acknowledged, oldest first; at least one if there is any, however large."""
    rows: list[FactRow] = []
    room = limit_bytes
    for number, body in _open(connection, FACTS, after, limit_rows):
        room -= len(body or b"") + 16
        if rows and room < 0:
            break
        rows.append(FactRow(number, _text(body)))
    return tuple(rows)


def next_samples(connection: sqlite3.Connection, after: int, limit_rows: int) -> tuple[SampleBlob, ...]:
    """Sealed blobs above `after` that are not acknowledged, oldest first."""
    return tuple(SampleBlob(number, body or b"") for number, body in _open(connection, SAMPLES, after, limit_rows))


def _open(connection: sqlite3.Connection, name: str, after: int, limit: int) -> Iterator[tuple[int, bytes | None]]:
    """Number and body of rows not acknowledged: from gap to gap between the spans, so that no table of spans however
    odd makes a search of every row for every span. The body comes as bytes, whatever the disk made of it."""
    start = max(after, upto(connection, name))
    for first, last_one in [*spans(connection, name), (_NEVER, _NEVER)]:
        found = connection.execute(
            f"SELECT n, CAST(body AS BLOB) FROM {name} WHERE n > ? AND n < ? AND aside IS NOT {UNREADABLE}"
            " ORDER BY n LIMIT ?",
            (start, first, limit),
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
    counting = f"SELECT count(*) FROM {name} WHERE n BETWEEN ? AND ? AND aside IS NOT {UNREADABLE}"
    every, *done = (
        int(connection.execute(counting, span).fetchone()[0])
        for span in [(mark + 1, _NEVER), *spans(connection, name)]
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
    before, behind = upto(connection, name), spans(connection, name)
    # A claim beyond what was given out would silently swallow rows still to come.
    beyond = mark > highest or any(b > highest for _, b in ranges) or any(n > highest for n in poison)
    now = max(0, min(mark, highest))
    back = now < before
    claims = [*ranges[:MAX_CLAIMS], *((n, n) for n in poison[:MAX_CLAIMS])]
    ahead = merged([(max(a, now + 1), min(b, highest)) for a, b in claims])[:MAX_SPANS]
    if ahead != behind:
        connection.execute("DELETE FROM ahead WHERE stream = ?", (name,))
        connection.executemany(
            "INSERT INTO ahead (stream, first, last) VALUES (?, ?, ?)", [(name, a, b) for a, b in ahead]
        )
    if back:
        connection.execute("DELETE FROM marks WHERE stream = ? AND upto > ?", (name, now))
    if now != before:
        connection.execute("UPDATE streams SET upto = ? WHERE name = ?", (now, name))
    if now > before:
        _mark(connection, name, now, at_ms)
    progressed = now > before or (not back and ahead != behind)
    have = tuple(merged([(1, now), *ahead]))
    reopened = merged([*have, *behind]) != list(have)
    gone = _gone(connection, name, now, highest) if back else ()
    refused = put_aside(connection, name, poison[:MAX_CLAIMS], REFUSED)
    return Acknowledged(True, progressed, back, beyond, gone, have, reopened, refused)


def merged(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """The same numbers in as few spans as can be, in order; empty ones left out."""
    found: list[tuple[int, int]] = []
    for a, b in sorted(span for span in spans if span[0] <= span[1]):
        if found and a <= found[-1][1] + 1:
            found[-1] = (found[-1][0], max(b, found[-1][1]))
        else:
            found.append((a, b))
    return found


def spans(connection: sqlite3.Connection, name: str) -> list[tuple[int, int]]:
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


def _gone(connection: sqlite3.Connection, name: str, mark: int, highest: int) -> tuple[tuple[int, int], ...]:
    """Numbers above the mark that are neither here nor there: purged long ago, thinned, or gone for somebody's sake."""
    found, expected = list[tuple[int, int]](), mark + 1
    kept = connection.execute(f"SELECT n FROM {name} WHERE n > ? AND aside IS NOT {UNREADABLE}", (mark,)).fetchall()
    have = merged([*((row[0], row[0]) for row in kept), *spans(connection, name)])
    for first, last_one in [*have, (highest + 1, highest + 1)]:
        if first > expected:
            found.append((expected, first - 1))
        expected = max(expected, last_one + 1)
    return tuple(found)
