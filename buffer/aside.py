"""Files that were set aside: put out of the way with log and index, found again, and their vault as far as it reads.

What is not here: which file is set aside, and what takes its place (`db.py`); what else can be read (`salvage.py`).
"""

from __future__ import annotations

import contextlib
import os
import re
import sqlite3
from pathlib import Path
from typing import Final

from . import vault
from .errors import StorageError
from .synced import sync_folder

SUFFIXES: Final = ("", "-wal", "-shm")


def set_aside(path: Path) -> str | None:
    """Rename the file with its log and index; the new name, or None where there was no file. Raises OSError."""
    number = 1
    while any(os.path.lexists(f"{path}.broken-{number}{suffix}") for suffix in SUFFIXES):
        number += 1
    name = f"{path}.broken-{number}"
    existed = os.path.lexists(path)
    for suffix in SUFFIXES:  # the file first: without its log it would be taken for what it was before
        with contextlib.suppress(FileNotFoundError):
            os.rename(f"{path}{suffix}", f"{name}{suffix}")
    with contextlib.suppress(FileNotFoundError):  # the folder may be gone as well
        sync_folder(path.parent)
    return Path(name).name if existed else None


def finish(path: Path) -> None:
    """Where there is no file, after a cut between two of those names: the log goes where its file went, before a new
    file makes SQLite remove it. Raises OSError."""
    name = newest(path)
    if name is None:
        return
    for suffix in SUFFIXES[1:]:
        if os.path.lexists(f"{path}{suffix}") and not os.path.lexists(f"{name}{suffix}"):
            os.rename(f"{path}{suffix}", f"{name}{suffix}")


def newest(path: Path) -> Path | None:
    """The file that was set aside last."""
    ending = re.compile(re.escape(path.name) + r"\.broken-([0-9]+)")
    found = [(int(name[1]), file) for file in path.parent.glob("*") if (name := ending.fullmatch(file.name))]
    return max(found)[1] if found else None


def discard(path: Path) -> None:
    """Take away a file that nothing was ever committed to. Raises OSError."""
    for suffix in reversed(SUFFIXES):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(f"{path}{suffix}")


def readable_vault(path: Path) -> dict[str, bytes]:
    """The vault of a file that cannot be opened for writing, or is damaged, as far as it reads; also while another
    process has it open. Facts are left for salvage, under their own stream id.
    """
    if not path.is_file() or nothing_at(path):  # beside an empty file even a reader would remove the log
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


def last_vault(path: Path) -> dict[str, bytes]:
    """Of the file; where there is none yet, of the one that was set aside for it."""
    before = newest(path) if nothing_at(path) else None
    return readable_vault(before or path)


def lost_its_pages(path: Path) -> bool:
    """A file without a byte whose log has some: SQLite would remove the log, and what was committed with it."""
    try:
        return nothing_at(path) and path.is_file() and os.path.getsize(f"{path}-wal") > 0
    except OSError:
        return False


def nothing_at(path: Path) -> bool:
    """No file, or one without a byte, as it is before SQLite writes to it."""
    try:
        return path.stat().st_size == 0 and path.is_file()
    except OSError:
        return not os.path.lexists(path)
