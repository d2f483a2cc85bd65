"""Looking into the file for people: how much is held, and what is held of one booking. Nothing here writes.

What is not here: what the sender offers next (`outbox.py`).
"""

from __future__ import annotations

import re
import sqlite3
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from .outbox import POSITION
from .schema import FACTS, SAMPLES

Body = TypeVar("Body", str, bytes)


@dataclass(frozen=True, slots=True)
class Page(Generic[Body]):
    """rows: number and body. last: the number to go on after. more: whether there may be others."""

    rows: tuple[tuple[int, Body], ...]
    last: int
    more: bool


def held(connection: sqlite3.Connection, name: str) -> dict[str, Any]:
    """rows, bytes: of bodies. aside: rows kept for salvage. positions: rows that hold any. oldest_ms: the oldest row
    that ages, where its time is known; undated: how many of those have none.
    """
    rows, size, aside = connection.execute(
        f"SELECT count(*), coalesce(sum(length(body)), 0), count(aside) FROM {name}"
    ).fetchone()
    ages = connection.execute(
        f"SELECT min(born), count(*) - count(born), count(*) FILTER (WHERE holds = ?) FROM {name}"
        " WHERE holds IS NOT NULL",
        (POSITION,),
    ).fetchone()
    return {"rows": rows, "bytes": size, "aside": aside, "positions": ages[2], "oldest_ms": ages[0], "undated": ages[1]}


def fact(connection: sqlite3.Connection, number: int) -> str | None:
    row = connection.execute("SELECT CAST(body AS BLOB) FROM facts WHERE n = ?", (number,)).fetchone()
    return None if row is None else (row[0] or b"").decode(errors="backslashreplace")


def facts_of(connection: sqlite3.Connection, booking: int, after: int, limit_bytes: int) -> Page[str]:
    """Facts that name a booking, anywhere in their body, oldest first; at least one if there is any."""
    named = re.compile(rf'"booking":{booking}[,}}]')
    found = connection.execute(
        f"SELECT n, CAST(body AS BLOB) FROM {FACTS} WHERE n > ? AND instr(body, ?) ORDER BY n",
        (after, f'"booking":{booking}'),
    )
    texts = ((n, (body or b"").decode(errors="backslashreplace")) for n, body in found)
    return _page(((n, body) for n, body in texts if named.search(body)), after, limit_bytes)


def samples_of(connection: sqlite3.Connection, booking: int, after: int, limit_bytes: int) -> Page[bytes]:
    """Sealed runs of a booking, oldest first; at least one if there is any."""
    found = connection.execute(
        f"SELECT n, body FROM {SAMPLES} WHERE n IN"
        f" (SELECT n FROM {SAMPLES} WHERE holds IS NOT NULL AND booking = ? AND n > ?) ORDER BY n",
        (booking, after),
    )
    return _page(found, after, limit_bytes)


def _page(found: Any, after: int, limit_bytes: int) -> Page[Any]:
    rows: list[tuple[int, Any]] = []
    for number, body in found:
        limit_bytes -= len(body)
        if rows and limit_bytes < 0:
            return Page(tuple(rows), rows[-1][0], True)
        rows.append((number, body))
    return Page(tuple(rows), rows[-1][0] if rows else after, False)
