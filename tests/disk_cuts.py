"""A power cut at any write of a recorded run: what may be on the disk then, and what the product makes of it.

Every write, cut of length, removal and sync of a run is noted (`disk_below.py`), with the state of the database after
each transaction that was reported as done. A cut at a place of these notes leaves what was synced before it; of what
was not, each write is kept, lost or torn at a border of 512 bytes, by dice. The product then opens that disk as at any
start, and has to find the state that it last reported, or the one of the transaction that was under way.
"""

from __future__ import annotations

import contextlib
import random
import shutil
import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest

from agent.sync.disk import Disk as ProductDisk
from agent.sync.record import Batch, When
from buffer import db
from buffer.errors import StorageError
from tests.disk_below import CREATE, OK, Disk, below
from tests.store_bench import VEHICLE

SECTOR: Final = 512
BIG: Final = 4 << 20
TABLES: Final = ("streams", "facts", "samples", "groups", "ahead", "marks", "vault", "sqlite_sequence")
WHEN: Final = When("0" * 16, 0, None, "none")
WAYS: Final = ("kept", "lost", "mixed", "torn")
State = dict[str, list[tuple[Any, ...]]]


@dataclass(frozen=True)
class Note:
    """what: "open", "write", "truncate", "sync", "delete" or "folder". at: offset, or new length."""

    what: str
    name: str
    at: int = 0
    data: bytes = b""


class Noting(Disk, ABC):
    """A disk that says of each use what it is."""

    @abstractmethod
    def note(self, what: str, name: str, at: int = 0, data: bytes = b"") -> int:
        """Answers as SQLite does."""

    def opens(self, name: str, flags: int) -> int:
        return self.note("open", name) if flags & CREATE else OK

    def writes(self, name: str, offset: int, data: bytes) -> int:
        return self.note("write", name, offset, data)

    def truncates(self, name: str, size: int) -> int:
        return self.note("truncate", name, size)

    def syncs(self, name: str) -> int:
        return self.note("sync", name)


@dataclass
class Recording(Noting):
    """start: files as they are at first, durable. notes: in order. book: how many notes there were when a transaction
    was reported as done, and the state then.
    """

    folder: Path
    start: dict[str, bytes] = field(default_factory=dict)
    notes: list[Note] = field(default_factory=list)
    book: list[tuple[int, State]] = field(default_factory=list)

    def deletes(self, name: str, *, folder: bool) -> int:
        return self.note("delete", name) or (self.note("folder", name) if folder else OK)

    def note(self, what: str, name: str, at: int = 0, data: bytes = b"") -> int:
        self.notes.append(Note(what, Path(name).name, at, data))
        return OK

    @contextlib.contextmanager
    def running(self, patch: pytest.MonkeyPatch, *pragmas: str) -> Iterator[None]:
        """The product on this disk, with what it reports as done. pragmas: set beside its own at every opening."""
        write, opens, own, folder = db.Database.write, db.Database.open, db.Database._pragmas, db.sync_folder

        def done(database: db.Database) -> None:
            self.book.append((len(self.notes), state(database.connection)))

        @contextlib.contextmanager
        def noted_write(database: db.Database) -> Iterator[sqlite3.Connection]:
            with write(database) as connection:
                yield connection
            done(database)

        def noted_open(database: db.Database) -> bool:
            created = opens(database)
            done(database)
            return created

        def pragmas_too(database: db.Database, connection: sqlite3.Connection) -> None:
            own(database, connection)
            for pragma in pragmas:
                connection.execute(f"PRAGMA {pragma}")

        def noted_folder(path: Path) -> None:
            folder(path)
            self.note("folder", path.name)

        self.start = {file.name: file.read_bytes() for file in self.folder.glob("*")}
        with patch.context() as only_here, below(self):
            only_here.setattr(db.Database, "write", noted_write)
            only_here.setattr(db.Database, "open", noted_open)
            only_here.setattr(db.Database, "_pragmas", pragmas_too)
            only_here.setattr(db, "sync_folder", noted_folder)
            yield

    def allowed(self, place: int) -> list[State] | None:
        """States that the disk may have after a cut before that note; `None` for any: nothing was reported yet."""
        done = [number for number, (at, _) in enumerate(self.book) if at <= place]
        if not done:
            return [self.book[0][1]] if self.start else None
        return [found for _, found in self.book[done[-1] : done[-1] + 2]]


def state(connection: sqlite3.Connection) -> State:
    """Every row of every table."""
    return {name: sorted(connection.execute(f"SELECT * FROM {name}"), key=repr) for name in TABLES}


class Ground:
    """What is surely on the disk before a note, and what may be."""

    def __init__(self, start: dict[str, bytes]) -> None:
        self.files = {name: bytearray(data) for name, data in start.items()}
        self.waiting: dict[str, list[Note]] = {}
        self.removed: dict[str, bytearray] = {}  # and its folder not synced since
        self.unnamed: set[str] = set()  # made, and its folder not synced since

    def take(self, note: Note) -> None:
        match note.what:
            case "open" if note.name not in self.files:
                self.files[note.name] = bytearray()
                self.unnamed.add(note.name)
            case "write" | "truncate":
                self.waiting.setdefault(note.name, []).append(note)
            case "sync":
                for one in self.waiting.pop(note.name, []):
                    done(self.files[note.name], one)
                if note.name in self.unnamed:  # SQLite syncs the folder with the first sync of a new log or journal
                    self._folder()
            case "delete":
                self.removed.setdefault(note.name, self.files.pop(note.name, bytearray()))
                self.waiting.pop(note.name, None)
            case "folder":
                self._folder()

    def _folder(self) -> None:
        self.removed.clear()
        self.unnamed.clear()

    def cut(self, under_way: Note | None, dice: random.Random) -> dict[str, bytes]:
        """One of the disks that a cut may leave while that note is under way."""
        way, found = dice.choice(WAYS), {}
        for name, data in self.files.items():
            left = bytearray(data)
            for note in self.waiting.get(name, []):
                fall(left, note, way, dice)
            if under_way is not None and under_way.name == name and under_way.what in ("write", "truncate"):
                fall(left, under_way, dice.choice(WAYS), dice)
            if name not in self.unnamed or dice.random() < 0.5:
                found[name] = bytes(left)
        for name, data in self.removed.items():
            if name not in found and dice.random() < 0.5:
                found[name] = bytes(data)
        return found


def fall(file: bytearray, note: Note, way: str, dice: random.Random) -> None:
    """Let a write that nobody synced happen, wholly, in part or not at all."""
    if way == "kept" or (way in ("mixed", "torn") and dice.random() < 0.5):
        done(file, note)
    elif way == "torn" and note.what == "write":
        first, end = note.at, note.at + len(note.data)
        while first < end:
            last = min(end, first - first % SECTOR + SECTOR)
            if dice.random() < 0.5:
                done(file, Note("write", note.name, first, note.data[first - note.at : last - note.at]))
            first = last


def done(file: bytearray, note: Note) -> None:
    if note.what == "truncate":
        del file[note.at :]
        file.extend(bytes(note.at - len(file)))
        return
    file.extend(bytes(max(0, note.at - len(file))))
    file[note.at : note.at + len(note.data)] = note.data


def verdict(path: Path, allowed: list[State] | None, *, goes_on: bool) -> str:
    """What the product makes of that disk: "" if all is well, or "corrupt", "lost" or "reused", and why."""
    try:
        opened = db.open_or_replace(path, BIG)
        try:
            if opened.quarantined is not None:
                return f"corrupt: {opened.detail}"
            wrong = opened.database.connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
            if wrong != "ok":
                return f"corrupt: {wrong}"
            found = state(opened.database.connection)
        finally:
            opened.database.close()
    except (StorageError, sqlite3.Error) as error:
        return f"corrupt: {error}"
    if allowed is not None and found not in allowed:
        differing = [name for name in TABLES if found[name] != allowed[0][name]]
        return f"lost: {', '.join(differing)} not as reported"
    return _goes_on(path, dict(found["sqlite_sequence"]).get("facts", 0)) if goes_on else ""


def _goes_on(path: Path, before: int) -> str:
    """The store's next fact takes the next number, and is there."""
    disk = ProductDisk(path, BIG, VEHICLE, "1.0", "zoe-ph1")
    try:
        disk.open(WHEN)
        (number,) = disk.write(Batch(WHEN, (WHEN.fact("plug", {"event": "plugged"}),)))
    finally:
        disk.close()
    return "" if number == before + 1 else f"reused: number {number} after {before}"


def cuts(recording: Recording, folder: Path, count: int, seed: int) -> Iterator[tuple[int, str]]:
    """So many cuts, at every note of the recording by turns: the place and the verdict."""
    notes, dice = recording.notes, random.Random(seed)
    ground, places = Ground(recording.start), len(notes) + 1
    for place in range(places):
        for throw in range(count * place // places, count * (place + 1) // places):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            under_way = notes[place] if place < len(notes) else None
            for name, data in ground.cut(under_way, dice).items():
                (folder / name).write_bytes(data)
            yield place, verdict(folder / "records.db", recording.allowed(place), goes_on=throw % 4 == 0)
        if place < len(notes):
            ground.take(notes[place])
