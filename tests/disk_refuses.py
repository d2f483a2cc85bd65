"""Disks that refuse: at the n-th statement of a program, or at its n-th use of the disk, once or from then on.

A statement is refused before SQLite sees it, with the code that SQLite would give: so every line of the product that
speaks to a database meets every code. A use of the disk is refused below SQLite (`disk_below.py`): so its own rolling
back, and what it leaves in its files, are real.
"""

from __future__ import annotations

import contextlib
import functools
import sqlite3
from collections.abc import Iterator
from typing import Any, Final

import pytest

from tests.disk_below import CREATE, OK, Disk, below

FULL: Final = sqlite3.SQLITE_FULL
ROLLED_BACK_TOO: Final = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR)  # SQLite may, and may not, do so by itself


class Trouble:
    """at: which use is the first to be refused, from 1. once: only that one. met: how many there were."""

    def __init__(self, at: int, *, once: bool) -> None:
        self.at, self.once, self.met = at, once, 0
        self.healed = False

    def now(self) -> bool:
        self.met += 1
        return not self.healed and (self.met == self.at if self.once else self.met >= self.at)


class Statements(Trouble):
    """code: what SQLite says."""

    def __init__(self, at: int, code: int, *, once: bool) -> None:
        super().__init__(at, once=once)
        self.code = code

    def meets(self, connection: sqlite3.Connection, statement: str) -> None:
        if statement == "ROLLBACK" or not self.now():  # SQLite gives up a transaction without any disk
            return
        if self.at % 2 and self.code in ROLLED_BACK_TOO and connection.in_transaction:
            sqlite3.Connection.execute(connection, "ROLLBACK")
        error = sqlite3.OperationalError(f"refused: {statement[:40]}")
        error.sqlite_errorcode = self.code
        raise error

    @contextlib.contextmanager
    def under(self, patch: pytest.MonkeyPatch) -> Iterator[None]:
        """Every connection that is opened meets it."""
        meets = self.meets

        class Refusing(sqlite3.Connection):
            def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
                meets(self, sql)
                return super().execute(sql, *values)

            def executemany(self, sql: str, *values: Any) -> sqlite3.Cursor:
                meets(self, sql)
                return super().executemany(sql, *values)

        with patch.context() as only_here:
            only_here.setattr(sqlite3, "connect", functools.partial(sqlite3.connect, factory=Refusing))
            yield


class Uses(Trouble, Disk):
    """A disk. Its kinds: "full", "failing" (reads too), "read-only"."""

    def __init__(self, at: int, kind: str, *, once: bool) -> None:
        super().__init__(at, once=once)
        self.kind = kind

    @contextlib.contextmanager
    def under(self, _patch: pytest.MonkeyPatch) -> Iterator[None]:
        with below(self):
            yield

    def opens(self, name: str, flags: int) -> int:
        return self._answer(sqlite3.SQLITE_CANTOPEN) if flags & CREATE else OK

    def reads(self, name: str) -> int:
        return self._answer(sqlite3.SQLITE_IOERR_READ) if self.kind == "failing" else OK

    def writes(self, name: str, offset: int, data: bytes) -> int:
        return self._answer(FULL if self.kind == "full" else sqlite3.SQLITE_IOERR_WRITE)

    def truncates(self, name: str, size: int) -> int:
        return self._answer(sqlite3.SQLITE_IOERR_TRUNCATE) if self.kind != "full" else OK

    def syncs(self, name: str) -> int:
        return self._answer(sqlite3.SQLITE_IOERR_FSYNC) if self.kind == "failing" else OK

    def deletes(self, name: str, *, folder: bool) -> int:
        return self._answer(sqlite3.SQLITE_IOERR_DELETE) if self.kind != "full" else OK

    def maps(self, name: str) -> int:
        return self._answer(sqlite3.SQLITE_IOERR_SHMSIZE if self.kind == "full" else sqlite3.SQLITE_IOERR_SHMMAP)

    def _answer(self, code: int) -> int:
        return code if self.now() else OK
