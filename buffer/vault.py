"""Small values that must survive: counters, the booking under way, the list of columns. What they mean is their
owners' business."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping


def change(connection: sqlite3.Connection, put: Mapping[str, bytes], drop: Iterable[str]) -> None:
    """Inside a transaction: forget `drop`, then store `put`."""
    for key in drop:
        connection.execute("DELETE FROM vault WHERE key = ?", (key,))
    for key, value in put.items():
        connection.execute(
            "INSERT INTO vault (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
            (key, value),
        )


def read(connection: sqlite3.Connection, prefix: str) -> dict[str, bytes]:
    rows = connection.execute("SELECT key, value FROM vault WHERE substr(key, 1, ?) = ?", (len(prefix), prefix))
    return {row[0]: row[1] for row in rows}
