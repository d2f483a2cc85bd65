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

from . import schema, vault
from .errors import StorageDamaged, StorageError, StorageUnavailable, sorted_out
from .synced import sync_file, sync_folder

Connection: TypeAlias = sqlite3.Connection  # for those who are handed one and must not open any
PAGE_BYTES: Final = 1024  # D25: 40 % less written for a lone fact than 4 KiB
SQLITE_VERSION: Final = sqlite3.sqlite_version
_SUFFIXES: Final = ("", "-wal", "-shm")


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
            raise sorted_out(error) from error
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
            os.close(_made(self.path))  # SQLite gives its log the owner and mode of the file
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
        self.streams = {row[0]: row[1] for row in connection.execute("SELECT name, id FROM streams")}
        if not {schema.FACTS, schema.SAMPLES} <= self.streams.keys():
            raise StorageDamaged("stream ids are missing")
        self._inode = os.stat(self.path).st_ino
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

    def quick_check(self) -> tuple[str, ...]:
        """SQLite's own findings, empty when sound. About 0.8 ms a megabyte: for after the start, never before it."""
        try:
            rows = self.connection.execute("PRAGMA quick_check(5)").fetchall()
        except sqlite3.DatabaseError as error:
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
    database = Database(path, max_bytes)
    try:
        created = database.open()
    except StorageDamaged as error:
        return replace(path, max_bytes, str(error))
    return Opened(database, created, None, "", {})


def replace(path: Path, max_bytes: int, detail: str) -> Opened:
    """Set the file at `path` aside (nobody may have it open) and open a new one with new stream ids."""
    rescued = readable_vault(path)
    try:
        quarantined = set_aside(path)
    except OSError as error:
        raise StorageUnavailable(f"cannot set the damaged file aside: {error}") from error
    database = Database(path, max_bytes)
    try:
        database.open()
    except StorageDamaged as error:
        raise StorageUnavailable(f"a new file is damaged at once: {error}") from error
    return Opened(database, True, quarantined, detail, rescued)


def set_aside(path: Path) -> str | None:
    """Rename the file with its log and index; the new name, or None where there was no file. Raises OSError."""
    number = 1
    while any(os.path.lexists(f"{path}.broken-{number}{suffix}") for suffix in _SUFFIXES):
        number += 1
    name = f"{path}.broken-{number}"
    existed = os.path.lexists(path)
    for suffix in _SUFFIXES:
        with contextlib.suppress(FileNotFoundError):
            os.rename(f"{path}{suffix}", f"{name}{suffix}")
    with contextlib.suppress(FileNotFoundError):  # the folder may be gone as well
        sync_folder(path.parent)
    return Path(name).name if existed else None


def readable_vault(path: Path) -> dict[str, bytes]:
    """The vault of a file that cannot be opened for writing, or is damaged, as far as it reads; also while another
    process has it open. Facts are left for salvage, under their own stream id.
    """
    if not path.is_file():
        return {}
    ways = ["mode=ro"]
    with contextlib.suppress(OSError):
        if not os.path.exists(f"{path}-wal") or os.path.getsize(f"{path}-wal") == 0:
            ways.append("mode=ro&immutable=1")  # for want of room for an index of the log: there is no log to miss
    for way in ways:
        with contextlib.suppress(sqlite3.Error, StorageError):
            connection = sqlite3.connect(f"file:{path}?{way}", timeout=1.0, uri=True)
            try:
                return vault.read(connection, "")
            finally:
                connection.close()
    return {}


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
