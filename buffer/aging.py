"""What must go for the sake of people: rows that hold positions or samples, by age (P5) and by booking (P9).

What is not here: what may go for want of room, or because the backend has it (`retention.py`); which row holds what
(the caller's tag). Rows without a tag hold nothing that ages: they bill, or say who had the car, and stay (R26).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from . import outbox
from .outbox import POSITION, SAMPLE, Tag
from .schema import FACTS, SAMPLES

STREAMS: Final = (FACTS, SAMPLES)
STEP_ROWS: Final = 500  # one step stays short: a fact may be waiting behind it


@dataclass(frozen=True, slots=True)
class Gone:
    """One step. numbers: deleted ones, by stream. open_: those of them that the backend does not have, as spans. more:
    there may be others.
    """

    numbers: dict[str, tuple[int, ...]]
    open_: dict[str, tuple[tuple[int, int], ...]]
    more: bool

    @property
    def count(self) -> int:
        return sum(map(len, self.numbers.values()))


def untagged(connection: sqlite3.Connection, limit: int = STEP_ROWS) -> tuple[tuple[int, bytes], ...]:
    """Number and body of sealed samples that a release before tags wrote."""
    rows = connection.execute("SELECT n, body FROM samples WHERE holds IS NULL ORDER BY n LIMIT ?", (limit,))
    return tuple((row[0], row[1]) for row in rows)


def tag(connection: sqlite3.Connection, number: int, tag: Tag) -> None:
    """Inside a transaction: a run of samples gets its tag afterwards."""
    connection.execute(
        "UPDATE samples SET holds = ?, booking = ?, born = ?, lived = ? WHERE n = ?",
        (tag.holds, tag.booking, tag.born_ms, tag.lived_ms, number),
    )


def date(connection: sqlite3.Connection, now_ms: int, limit: int = STEP_ROWS) -> None:
    """Inside a transaction, once the time is known: what was written without it counts as written now."""
    for name in STREAMS:
        connection.execute(
            f"UPDATE {name} SET born = ? WHERE n IN"
            f" (SELECT n FROM {name} WHERE holds IS NOT NULL AND born IS NULL ORDER BY n LIMIT ?)",
            (now_ms, limit),
        )


def expire(
    connection: sqlite3.Connection, now_ms: int, lived_ms: int, keep_ms: dict[str, int], limit: int = STEP_ROWS
) -> Gone:
    """Inside a transaction: delete what has certainly lain here for longer than keep_ms says for what it holds.

    now_ms: surely past. lived_ms: for so long this box has run in all, which ages what was written without knowing the
    time, and what was written with a wrong one. keep_ms: by `POSITION` and `SAMPLE`.
    """
    numbers: dict[str, tuple[int, ...]] = {}
    for name in STREAMS:
        for holds in (POSITION, SAMPLE):
            found = connection.execute(
                f"SELECT n FROM {name} WHERE holds = ? AND (born <= ? OR lived <= ?) ORDER BY n LIMIT ?",
                (holds, now_ms - keep_ms[holds], lived_ms - keep_ms[holds], limit),
            )
            numbers[name] = (*numbers.get(name, ()), *(row[0] for row in found))
    return _delete(connection, numbers, limit)


def erase(connection: sqlite3.Connection, booking: int, limit: int = STEP_ROWS) -> Gone:
    """Inside a transaction: delete what holds positions or samples of one booking."""
    numbers = {
        name: tuple(
            row[0]
            for row in connection.execute(
                f"SELECT n FROM {name} WHERE holds IS NOT NULL AND booking = ? ORDER BY n LIMIT ?", (booking, limit)
            )
        )
        for name in STREAMS
    }
    return _delete(connection, numbers, limit)


def _delete(connection: sqlite3.Connection, numbers: dict[str, tuple[int, ...]], limit: int) -> Gone:
    open_: dict[str, tuple[tuple[int, int], ...]] = {}
    for name, found in numbers.items():
        connection.executemany(f"DELETE FROM {name} WHERE n = ?", [(number,) for number in found])
        open_[name] = _not_delivered(connection, name, found)
    return Gone(numbers, open_, any(len(found) >= limit for found in numbers.values()))


def _not_delivered(connection: sqlite3.Connection, name: str, numbers: Iterable[int]) -> tuple[tuple[int, int], ...]:
    """Of these, the ones that the backend has not said it has."""
    mark, spans = outbox.upto(connection, name), outbox.spans(connection, name)
    waiting = [n for n in numbers if n > mark and not any(a <= n <= b for a, b in spans)]
    return tuple(outbox.merged((n, n) for n in waiting))
