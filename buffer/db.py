"""One database file, one connection, one thread: opening, setting a broken file aside, transactions. What is in the
tables lives in `outbox.py`, `vault.py` and `retention.py`.

SQLite below 3.51.3 can damage a WAL database when two connections write or checkpoint at the same instant, so a lock
file keeps a second process out; whoever wants to look opens the file read-only.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Final, TypeAlias

from msgspec import Struct

from . import aside, outbox, schema
from .errors import StorageDamaged, StorageUnavailable, sorted_out
from .synced import sync_file, sync_folder

Connection: TypeAlias = sqlite3.Connection  # for those who are handed one and must not open any
PAGE_BYTES: Final = 1024  # D25: 40 % less written for a lone fact than 4 KiB
CUT_OFF: Final = "set aside before, and nothing was stored since"
SQLITE_VERSION: Final = sqlite3.sqlite_version


class Opened(Struct, frozen=True):
    """created: the file is new, and so are its stream ids. quarantined: name of the file that was set aside. detail:
    why.

    rescued: what could still be read of the vault in the file that was set aside (counters must not go back).
    """

    database: Database
    created: bool
    quarantined: str | None
    detail: str
    rescued: dict[str, bytes]


class Database:
    """Constructor does no I/O. All methods belong to the thread that called `open`."""

    def __init__(self, path: Path, max_bytes: int) -> None:
        self.path = path
        self._max_pages = max(64, max_bytes // PAGE_BYTES)
        self._connection: sqlite3.Connection | None = None
        self._lock = -1
        self._inode = 0
        self.streams: dict[str, str] = {}

    @property
    def connection(self) -> sqlite3.Connection:
        if self._connection is None:
            raise StorageUnavailable("the database is not open")
        return self._connection

    def open(self) -> bool:
        """True when the file was created. Raises StorageDamaged, StorageFull or StorageUnavailable, and is closed
        then."""
        try:
            self._take_lock()
            return self._open()
        except sqlite3.Error as error:
            self.close()
            raise _misfit(error) or sorted_out(error) from error
        except OSError as error:
            self.close()
            raise StorageUnavailable(str(error)) from error
        except BaseException:
            self.close()
            raise

    def _take_lock(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = _made(Path(f"{self.path}.lock"))
        _lock(self._lock, self.path)

    def _open(self) -> bool:
        if not os.path.exists(self.path):
            aside.finish(self.path)
            os.close(_made(self.path))  # SQLite gives its log the owner and mode of the file
        self._inode = os.stat(self.path).st_ino
        connection = sqlite3.connect(self.path, timeout=1.0, isolation_level=None, cached_statements=64)
        self._connection = connection
        created = not schema.tables(connection)
        if created:
            connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")  # has no effect after the first table
        self._pragmas(connection)
        version = int(connection.execute("PRAGMA user_version").fetchone()[0])
        if version < schema.VERSION:
            if version == 0 and not created:
                raise StorageDamaged("the file is a database of somebody else")
            schema.migrate(connection, version)
        if not schema.tables(connection) >= schema.TABLES:
            raise StorageDamaged("tables are missing")
        schema.probe(connection)
        self.streams = {row[0]: row[1] for row in connection.execute("SELECT name, id FROM streams")}
        if not {schema.FACTS, schema.SAMPLES} <= self.streams.keys():
            raise StorageDamaged("stream ids are missing")
        if created:
            sync_folder(self.path.parent)
        self._sync_log()
        return created

    def _sync_log(self) -> None:
        """A killed process may have left commits that it did not live to sync, and they are read back as committed.
        Nobody may be told of one that a power cut can still take back: its number would be given to something else.
        """
        log = Path(f"{self.path}-wal")
        if os.path.exists(log) and os.path.getsize(log):
            sync_file(log)
            sync_folder(log.parent)

    def _pragmas(self, connection: sqlite3.Connection) -> None:
        """Set and assert: all but page_size and journal_mode belong to the connection and not to the file."""
        if connection.execute("PRAGMA journal_mode = WAL").fetchone()[0] != "wal":
            raise StorageUnavailable("this file system does not allow write-ahead logging")
        connection.execute("PRAGMA synchronous = FULL")  # NORMAL loses acknowledged commits at a power cut
        if connection.execute("PRAGMA synchronous").fetchone()[0] != 2:
            raise StorageUnavailable("synchronous=FULL was not taken")
        # P5, P9: what is deleted is overwritten in the file, and not only forgotten.
        if connection.execute("PRAGMA secure_delete = ON").fetchone()[0] != 1:
            raise StorageUnavailable("secure_delete was not taken")
        connection.execute("PRAGMA foreign_keys = ON")
        # A write-ahead log must be smaller than the ballast, or a full disk could not be checkpointed after dropping
        # it.
        connection.execute("PRAGMA wal_autocheckpoint = 1000")
        connection.execute("PRAGMA journal_size_limit = 1048576")
        connection.execute(f"PRAGMA max_page_count = {self._max_pages}")

    @contextlib.contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """One durable transaction: when the block is left without an exception, it is on the disk.

        Raises StorageFull or StorageDamaged with nothing stored; StorageUnavailable with the outcome of this commit
        unknown.
        """
        connection = self.connection
        try:
            self._same_file()
            connection.execute("BEGIN IMMEDIATE")
            yield connection
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            self._roll_back()
            raise sorted_out(error) from error
        except BaseException:
            self._roll_back()
            raise

    @contextlib.contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """Reading with the same sorting of errors as `write`."""
        try:
            yield self.connection
        except sqlite3.Error as error:
            raise sorted_out(error) from error

    def is_unused(self) -> bool:
        """Nothing was ever committed to it."""
        with self.read() as connection:
            return outbox.unused(connection)

    def quick_check(self) -> tuple[str, ...]:
        """SQLite's own findings, empty when sound. About 0.8 ms a megabyte: for after the start, never before it."""
        try:
            rows = self.connection.execute("PRAGMA quick_check(5)").fetchall()
        except sqlite3.Error as error:
            found = sorted_out(error)
            if not isinstance(found, StorageDamaged):
                raise found from error
            return (str(error),)
        return tuple(row[0] for row in rows if row[0] != "ok")

    def checkpoint(self) -> None:
        """Move the log into the file and cut it to nothing."""
        with self.read() as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()

    def close(self) -> None:
        """Idempotent; never raises."""
        if self._connection is not None:
            with contextlib.suppress(sqlite3.Error):
                self._connection.close()
            self._connection = None
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def discard(self) -> None:
        """Close, and take away the file that nothing was ever committed to, so that tries do not pile them up. One that
        took its place stays."""
        self.close()
        with contextlib.suppress(OSError, StorageUnavailable), held(self.path):
            if os.stat(self.path).st_ino == self._inode:
                aside.discard(self.path)

    def _same_file(self) -> None:
        """A file that was removed or replaced still takes writes, into nowhere."""
        try:
            inode = os.stat(self.path).st_ino
        except OSError as error:
            raise StorageDamaged(f"the file is gone: {error}") from error
        if inode != self._inode:
            raise StorageDamaged("the file was replaced by another one")

    def _roll_back(self) -> None:
        if self._connection is not None and self._connection.in_transaction:
            with contextlib.suppress(sqlite3.Error):
                self._connection.execute("ROLLBACK")


def open_or_replace(path: Path, max_bytes: int) -> Opened:
    """Open the file; set a damaged one aside and open a new one. Raises StorageFull or StorageUnavailable when
    neither works."""
    if aside.lost_its_pages(path):
        return replace(path, max_bytes, "the file is empty and its log is not")
    if aside.nothing_at(path):
        database, created, unused = _new(path, max_bytes), True, True
    else:
        database = Database(path, max_bytes)
        try:
            created = database.open()
            unused = database.is_unused()
        except StorageDamaged as error:
            database.close()
            return replace(path, max_bytes, str(error))
        except BaseException:
            database.close()
            raise
    before = aside.newest(path) if unused else None
    if before is None:
        return Opened(database, created, None, "", {})
    # The power went, or the disk refused, between setting that one aside and the first commit to this one.
    return Opened(database, True, before.name, CUT_OFF, aside.readable_vault(before))


def replace(path: Path, max_bytes: int, detail: str) -> Opened:
    """Set the file at `path` aside (nobody may have it open) and open a new one with new stream ids."""
    rescued = aside.readable_vault(path)
    try:
        quarantined = aside.set_aside(path)
    except OSError as error:
        raise StorageUnavailable(f"cannot set the damaged file aside: {error}") from error
    return Opened(_new(path, max_bytes), True, quarantined, detail, rescued)


def _new(path: Path, max_bytes: int) -> Database:
    database = Database(path, max_bytes)
    try:
        database.open()
    except StorageDamaged as error:
        database.discard()
        raise StorageUnavailable(f"a new file is damaged at once: {error}") from error
    return database


@contextlib.contextmanager
def held(path: Path) -> Iterator[None]:
    """Keep every `Database` of this path out while its files change hands. Raises StorageUnavailable, OSError."""
    lock = _made(Path(f"{path}.lock"))
    try:
        _lock(lock, path)
        yield
    finally:
        os.close(lock)


def _lock(descriptor: int, path: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise StorageUnavailable(f"{path} is in use by another process") from error


def _misfit(error: sqlite3.Error) -> StorageDamaged | None:
    """While opening, a name that our statements use and the file does not know is the file's fault: its schema is not
    what its version says."""
    code = getattr(error, "sqlite_errorcode", None)
    return StorageDamaged(str(error)) if code == sqlite3.SQLITE_ERROR else None


def _made(path: Path) -> int:
    """The descriptor of a file that is made where there is none. What root makes belongs to whom the folder belongs:
    the daemon, which is not root, has to open it.
    """
    existed = os.path.exists(path)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        if not existed and os.geteuid() == 0:
            folder = os.stat(path.parent)
            os.fchown(descriptor, folder.st_uid, folder.st_gid)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor
