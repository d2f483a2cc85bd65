"""What can go wrong with the disk, sorted by what the caller must do about it.

    StorageError
    ├── StorageFull         no room: make some, then try once more
    ├── StorageDamaged      the file is corrupt, unreadable or gone: set it aside and open a new one with new streams
    └── StorageUnavailable  nothing can be written here now: keep on in memory and try again later
"""

from __future__ import annotations

import sqlite3
from typing import Final

# Extended codes that mean "this file cannot be read", as opposed to "this disk cannot be written".
_UNREADABLE: Final = {sqlite3.SQLITE_IOERR_READ, sqlite3.SQLITE_IOERR_SHORT_READ, sqlite3.SQLITE_IOERR_CORRUPTFS}
_DAMAGED: Final = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_FULL: Final = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_SHMSIZE}  # the index of the log has no room either
_UNAVAILABLE: Final = {
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_AUTH,
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_PROTOCOL,
    sqlite3.SQLITE_NOMEM,
}


class StorageError(Exception):
    """Root of what `buffer` raises on purpose. Anything else out of it is a mistake in our own statements."""


class StorageFull(StorageError):
    """The disk or our own quota is used up; the transaction was rolled back and nothing of it is stored."""


class StorageDamaged(StorageError):
    """The database file cannot be trusted any more."""


class StorageUnavailable(StorageError):
    """The file system refuses; after a failed commit it is unknown whether that one commit is on disk."""


def sorted_out(error: sqlite3.Error) -> Exception:
    """The same mishap as one of ours; the error itself where it is a mistake of the program."""
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:
        return error
    text = f"{error} ({getattr(error, 'sqlite_errorname', code)})"
    if code in _UNREADABLE or code & 0xFF in _DAMAGED:
        return StorageDamaged(text)
    if code in _FULL:
        return StorageFull(text)
    if code & 0xFF in _UNAVAILABLE:
        return StorageUnavailable(text)
    return error
