"""All of it erased (P8), so that a power cut at any moment leaves either everything or nothing of people.

The new file is made whole under another name, then a mark says that the old ones go; whoever finds the mark finishes.
What is not here: who may ask (`agent/run/records.py`), and what goes by age or by booking (`holdings.py`).
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

from buffer import db, synced
from drivers.local import files

from .disk import Disk
from .holdings import set_aside
from .record import Batch, When

MARK: Final = ".erasing"  # beside the database; looked for at every start
FRESH: Final = ".fresh"  # the database that takes its place
ALSO: Final = ("vehicle.key",)  # in the folder of the database; a new one is made at the next start
AT_SIDE: Final = ("", "-wal", "-shm", ".ballast", ".lock")


def begun(path: Path) -> bool:
    """Whether erasing everything was cut off; `finish` then, before the database is opened."""
    return os.path.exists(f"{path}{MARK}")


def wipe(disk: Callable[[Path], Disk], when: When, path: Path, folder: Path, keep: tuple[str, ...]) -> None:
    """P8: records, bookings, positions, vault: everything of people. Nobody else may have the file open.

    disk: makes one at a path, not open. folder: of the stored bookings. keep: prefixes of what stays in the vault, for
    what was obeyed or superseded once must never count again. Raises StorageError, OSError.
    """
    old = disk(path)
    try:
        old.open(when)
        kept = {key: value for prefix in keep for key, value in old.recall(prefix).items()}
    finally:
        old.close()
    fresh = _fresh(path)
    with db.held(path):
        for file in _beside(fresh):  # of a cut before the mark was there
            file.unlink(missing_ok=True)
        new = disk(fresh)
        new.open(when)
        body = {"why": "erased_all", "booking": None, "positions": None, "samples": None}
        try:
            new.write(Batch(when, (when.fact("purged", body),), kept))
            new.database.checkpoint()
        finally:
            new.close()
        synced.sync_file(fresh)
        files.write_durably(f"{path}{MARK}", b"")
        _finish(path, folder)


def finish(path: Path, folder: Path) -> None:
    """Take the old files away and put the new one in their place; again from any point. Raises StorageError, OSError:
    what can be done is done, and the first thing that could not is told.
    """
    with db.held(path):
        _finish(path, folder)


def _finish(path: Path, folder: Path) -> None:
    fresh, wrong = _fresh(path), list[OSError]()
    if os.path.exists(fresh):
        for end in ("-wal", "-shm"):  # an old log must never be read into the new file
            Path(f"{path}{end}").unlink(missing_ok=True)
        synced.sync_folder(path.parent)
        os.replace(fresh, path)
        synced.sync_folder(path.parent)
    stored = [file for file in sorted(folder.glob("*")) if file.is_file()]
    also = [path.parent / name for name in ALSO]
    for file in (*stored, *set_aside(path), Path(f"{path}.ballast"), *_beside(fresh), *also):
        try:
            file.unlink(missing_ok=True)
        except OSError as error:
            wrong.append(error)
    for place in (folder, path.parent):
        with contextlib.suppress(FileNotFoundError):
            synced.sync_folder(place)
    Path(f"{path}{MARK}").unlink(missing_ok=True)  # or the next start would take what is new by then
    synced.sync_folder(path.parent)
    if wrong:
        raise wrong[0]


def _fresh(path: Path) -> Path:
    return Path(f"{path}{FRESH}")


def _beside(fresh: Path) -> tuple[Path, ...]:
    return tuple(Path(f"{fresh}{end}") for end in AT_SIDE)
