"""Disk full, failing, read-only and damaged at every statement of a store's life, and at every use of the disk below.

What must hold after each (`store_life.py`): nothing but StoreBroken came out of the store and its service runs on; what
was committed is there, with the number it was told; what was refused is written once the disk is whole, once; the alarm
is on record; a file that was set aside is followed by a stream that says so, with the vault as it was; facts go on.

BOITIER_DISK_CUTS (`make torture`): every kind at every place, each once and from then on.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from agent.sync import wiping
from agent.sync.disk import Disk
from agent.sync.record import When
from agent.sync.store import StoreBroken
from buffer.errors import StorageError
from hil import results
from tests.disk_refuses import Statements, Trouble, Uses
from tests.store_bench import VEHICLE
from tests.store_held import Held
from tests.store_life import Life, the_shm  # noqa: F401 (fixtures)

EVERYWHERE = "BOITIER_DISK_CUTS" in os.environ
CODES = {
    "full": sqlite3.SQLITE_FULL, "failing": sqlite3.SQLITE_IOERR, "read-only": sqlite3.SQLITE_READONLY,
    "damaged": sqlite3.SQLITE_CORRUPT, "unreadable": sqlite3.SQLITE_IOERR_READ,
}  # fmt: skip
EVERY = {"full": 1, "failing": 1}  # of the others every eighth, for the time it takes
KINDS = ("full", "failing", "read-only")
Make = Callable[[int, bool], Trouble]


async def lived(folder: Path, trouble: Trouble, patch: pytest.MonkeyPatch) -> list[str]:
    """One life with this trouble in it, what comes after it, and what is wrong then."""
    life = Life(folder / "records.db")
    with trouble.under(patch):
        try:
            await life.live()
            trouble.healed = True
            await life.recovers()
            await life.commit(1, {"leg/open": b"last"})
        finally:
            await life.store.close()
    return life.disagreements()


async def everywhere(name: str, make: Make, every: int, folder: Path, patch: pytest.MonkeyPatch) -> None:
    """Every one, or one in so many, of the places where this trouble can begin; alternately once and from then on."""
    calm = make(1 << 60, False)
    assert await lived(folder, calm, patch) == []
    places = [(at, at // every % 2 == 1) for at in range(1, calm.met + 1, every)]
    if EVERYWHERE:
        places = [(at, once) for at in range(1, calm.met + 1) for once in (True, False)]
    for at, once in places:
        shutil.rmtree(folder)
        wrong = await lived(folder, make(at, once), patch)
        assert wrong == [], f"{name} at {at}, {'once' if once else 'from then on'}"
    if EVERYWHERE:
        told = f"{len(places):,} lives: {calm.met} places, at each once and from then on; agrees"
        results.keep(results.PAGE, f"disk {name}", told)


@pytest.mark.long
@pytest.mark.parametrize("kind", CODES)
async def test_at_every_statement(kind: str, shm: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def make(at: int, once: bool) -> Trouble:
        return Statements(at, CODES[kind], once=once)

    await everywhere(f"{kind} at a statement", make, EVERY.get(kind, 8), shm, monkeypatch)


@pytest.mark.long
@pytest.mark.parametrize("kind", KINDS)
async def test_at_every_use_of_the_disk(kind: str, shm: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    await everywhere(f"{kind} below SQLite", lambda at, once: Uses(at, kind, once=once), 8, shm, monkeypatch)


# --- what the store must not do --------------------------------------------------------------------------------------


def names(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


async def test_a_check_that_finds_the_disk_full_sets_nothing_aside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    life = Life(tmp_path / "records.db")
    trouble = Statements(1, sqlite3.SQLITE_FULL, once=True)
    with trouble.under(monkeypatch):
        trouble.healed = True
        await life.open()
        trouble.met, trouble.healed = 0, False
        with pytest.raises(StoreBroken):
            await life.check()
    await life.store.close()
    assert names(tmp_path) == ["records.db", "records.db.lock"]


async def test_a_file_that_is_damaged_on_a_full_disk_keeps_its_vault_through_a_restart(
    shm: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    life = Life(shm / "records.db", old=False)
    await life.open()
    await life.commit(1, {"command/counter/aa": b"[7,9]"})
    await life.store.close()
    with contextlib.closing(sqlite3.connect(life.path)) as connection:
        connection.execute("DROP TABLE streams")
    with Uses(1, "full", once=False).under(monkeypatch):
        for _ in range(2):
            life.store = life.fresh()
            with pytest.raises(StoreBroken):
                await life.open()
            assert await life.store.read("") == life.vault
            await life.store.close()
    life.store = life.fresh()
    await life.open()
    await life.store.close()
    held = Held(life.path)
    assert held.own_vault() == life.vault
    assert {("boot", "new_stream"), ("alarm", "database_broken")} <= held.told


async def test_a_disk_that_damages_every_file_is_not_filled_with_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    life = Life(tmp_path / "records.db")
    with Statements(1, sqlite3.SQLITE_CORRUPT, once=False).under(monkeypatch):
        for _ in range(3):
            with pytest.raises(StoreBroken):
                await life.open()
    await life.store.close()
    assert names(tmp_path) == ["records.db.broken-1", "records.db.lock"]


# --- all of it erased ------------------------------------------------------------------------------------------------

WHEN = When("0", 0, None, "none")


def disk(path: Path) -> Disk:
    return Disk(path, 4 << 20, VEHICLE, "1.0", "zoe-ph1")


@pytest.mark.long
@pytest.mark.parametrize("kind", ["full", "failing"])
async def test_p8_erasing_everything_is_whole_or_not_begun(
    kind: str, shm: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the next start with a sound disk has one of the two."""
    at, done = 0, False
    while not done:
        at += 1
        shutil.rmtree(shm)
        life = Life(shm / "records.db")
        await life.open()
        await life.commit(2, {"sun/1": b"3", "booking/ended/7": b"1"})
        await life.store.close()
        path, trouble = life.path, Statements(at, CODES[kind], once=at % 2 == 1)
        with trouble.under(monkeypatch), contextlib.suppress(StorageError, OSError):
            wiping.wipe(disk, WHEN, path, shm / "bookings", ("sun/",))
        done = trouble.met < at
        if wiping.begun(path):
            wiping.finish(path, shm / "bookings")
        one = disk(path)
        one.open(WHEN)
        one.close()
        held = Held(path)
        left = (len(held.serials), held.own_vault())
        assert left in ((0, {"sun/1": b"3"}), (2, {"sun/1": b"3", **life.vault})), at
        assert not done or left[0] == 0
        assert not [name for name in names(shm) if "broken" in name]
