"""What a file of the store holds, read without changing it and without the product but for what unpacks samples."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from pathlib import Path
from typing import Any

from agent.sync import samples


class Held:
    """What a database file holds, read without changing it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
            self.streams = dict(connection.execute("SELECT name, id FROM streams"))
            rows = connection.execute("SELECT n, body FROM facts").fetchall()
            self.vault = dict(connection.execute("SELECT key, value FROM vault"))
            blobs = [row[0] for row in connection.execute("SELECT body FROM samples")]
            unsealed, _ = samples.join([row[0] for row in connection.execute("SELECT body FROM groups ORDER BY id")])
            self.integrity = [row[0] for row in connection.execute("PRAGMA integrity_check") if row[0] != "ok"]
        texts = [(number, json.loads(body)) for number, body in rows]
        self.numbers = {number for number, _ in rows}
        own = [(number, fact["body"]["leg"]) for number, fact in texts if "leg" in fact["body"]]
        self.serials = [serial for _, serial in own]
        self.facts = {serial: (self.streams["facts"], number) for number, serial in own}
        self.told = {(fact["kind"], _about(fact["body"])) for _, fact in texts}
        sealed = [one[1] for blob in blobs if (one := samples.unseal(blob)) is not None]
        self.sampled = [values[0] for run in (*sealed, *unsealed) for _, values in run.rows]

    def own_vault(self) -> dict[str, bytes]:
        """Without what the store keeps for itself."""
        return {key: value for key, value in self.vault.items() if not key.startswith("store.")}


def _about(body: dict[str, Any]) -> str:
    return str(body.get("why") or body.get("name") or "")


def is_database(path: Path) -> bool:
    return not path.name.endswith(("-wal", "-shm", ".lock", ".ballast"))
