"""Everything of people erased at once (P8): what stays, who may open it, and a power cut after every step."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agent.run.records import KEEP
from agent.sync import wiping
from agent.sync.disk import Disk
from agent.sync.record import Batch, When
from buffer.errors import StorageUnavailable
from tests.aging_bench import HERE, SECRET, VEHICLE, Box, the_box  # noqa: F401 (fixtures)

WHEN = When("0", 0, None, "none")
KEPT = {
    "command/counter/aa": b"[7,9]", "revision/33": b"1", "receipt/number": b"7", "sun/0a": b"3", "access/forced": b"[]",
}  # fmt: skip


def disk(path: Path) -> Disk:
    return Disk(path, 4 << 20, VEHICLE, "1.0", "zoe-ph1")


def wipe(path: Path) -> None:
    wiping.wipe(disk, WHEN, path, path.parent / "bookings", KEEP)


def everything(state: Path) -> bytes:
    return b"".join(file.read_bytes() for file in state.rglob("*") if file.is_file())


async def lived_in(box: Box) -> None:
    await box.drive(33, HERE)
    await box.bill(33)
    await box.store.commit(put={**KEPT, "booking/ended/33": b"1"})
    tokens = box.path.parent / "bookings"
    tokens.mkdir()
    for name in ("aa", "bb"):
        (tokens / f"{name}.cwt").write_bytes(b"token of 33")
    box.path.with_name("records.db.broken-1").write_bytes(b"of an earlier mishap")
    box.path.with_name("records.db.ballast").write_bytes(b"")
    box.path.with_name("vehicle.key").write_bytes(SECRET)
    box.path.with_name("receipt.number").write_bytes(b"7")


async def test_p8_all_of_it_is_erased_but_numbers_against_replays(box: Box) -> None:
    await lived_in(box)
    before = dict(box.store._disk.database.streams)
    await box.store.close()
    wipe(box.path)
    assert SECRET not in everything(box.path.parent)
    assert {file.name for file in box.path.parent.rglob("*")} == {
        "records.db", "records.db.lock", "bookings", "receipt.number",
    }  # fmt: skip
    box.store = box.fresh()
    await box.store.open()
    assert await box.store.read("") == KEPT
    assert set(box.store._disk.database.streams.values()).isdisjoint(before.values())
    assert await box.facts("purged") == [{"why": "erased_all", "booking": None, "positions": None, "samples": None}]


class Kill(BaseException):
    pass


class Cuts:
    """Counts the steps that change what is on the disk, and kills after one of them."""

    def __init__(self, patch: pytest.MonkeyPatch, last: int) -> None:
        self.left = last
        for owner, name in (
            (os, "unlink"), (os, "replace"), (os, "fsync"), (Path, "unlink"), (Disk, "open"), (Disk, "write"),
            (Disk, "close"),
        ):  # fmt: skip
            patch.setattr(owner, name, self._counted(getattr(owner, name)))

    def _counted(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def step(*given: Any, **more: Any) -> Any:
            done = real(*given, **more)
            self.left -= 1
            if self.left == 0:
                raise Kill
            return done

        return step


def state_after(path: Path) -> str:
    """What the next start finds, as `House.open_door` goes about it: in a copy, for whoever was cut has locks here."""
    copy = path.parent.with_name(f"{path.parent.name}-next")
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(path.parent, copy)
    return found_at(copy / path.name)


def found_at(path: Path) -> str:
    if wiping.begun(path):
        wiping.finish(path, path.parent / "bookings")
    one = disk(path)
    one.open(WHEN)
    try:
        vault, bookings = one.recall(""), list((path.parent / "bookings").iterdir())
    finally:
        one.close()
    assert {key: vault.get(key) for key in KEPT} == KEPT, "no replay counter is ever lost"
    if bookings or "booking/ended/33" in vault:
        assert len(bookings) == 2
        assert vault["booking/ended/33"] == b"1"
        assert SECRET in everything(path.parent)
        return "all"
    assert SECRET not in everything(path.parent)
    assert not list(path.parent.glob("*.broken-*"))
    return "none"


async def test_p8_a_power_cut_after_any_step_leaves_everything_or_nothing(box: Box, tmp_path: Path) -> None:
    await lived_in(box)
    await box.store.close()
    found: list[str] = []
    for last in range(1, 100):
        state = tmp_path / f"cut{last}"
        shutil.copytree(box.path.parent, state)
        if not cut(lambda state=state: wipe(state / "records.db"), last):  # type: ignore[misc]
            break
        found.append(state_after(state / "records.db"))
        if found[-1] == "all":
            again = tmp_path / f"cut{last}-next" / "records.db"
            wipe(again)
            assert found_at(again) == "none"
    assert found == sorted(found), "all, until the mark is there"
    assert len(found) > 15
    assert set(found) == {"all", "none"}


def cut(work: Callable[[], None], last: int) -> bool:
    """Whether it was cut, after so many steps."""
    with pytest.MonkeyPatch.context() as patch:
        Cuts(patch, last)
        try:
            work()
        except Kill:
            return True
    return False


async def test_p8_a_cut_while_finishing_is_finished_by_the_start_after(box: Box, tmp_path: Path) -> None:
    await lived_in(box)
    await box.store.close()
    marked = tmp_path / "marked"
    for last in range(1, 100):
        shutil.rmtree(marked, ignore_errors=True)
        shutil.copytree(box.path.parent, marked)
        assert cut(lambda: wipe(marked / "records.db"), last)
        if wiping.begun(marked / "records.db"):
            break
    for last in range(1, 100):
        path = tmp_path / f"again{last}" / "records.db"
        shutil.copytree(marked, path.parent)
        more = cut(lambda path=path: wiping.finish(path, path.parent / "bookings"), last)  # type: ignore[misc]
        assert state_after(path) == "none"
        assert not wiping.begun(tmp_path / f"again{last}-next" / "records.db")
        if not more:
            break
    assert last > 10


async def test_p8_nobody_opens_the_file_while_it_changes_hands(box: Box) -> None:
    await lived_in(box)
    with pytest.raises(StorageUnavailable, match="in use"):
        wipe(box.path)
    assert not wiping.begun(box.path)
    assert len(list((box.path.parent / "bookings").iterdir())) == 2


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to be somebody else")
async def test_p8_what_root_erases_the_daemon_can_open(box: Box) -> None:
    await lived_in(box)
    await box.store.close()
    state = box.path.parent
    for path in (state, *state.rglob("*")):
        os.chown(path, 65534, 65534)
    wipe(box.path)
    one = disk(box.path)
    one.open(WHEN)
    one.write(Batch(WHEN, (WHEN.fact("alarm", {}),)))
    owners = {(file.name, file.stat().st_uid, file.stat().st_gid) for file in state.rglob("*")}
    one.close()
    assert {owner[1:] for owner in owners} == {(65534, 65534)}, owners
    assert box.path.stat().st_mode & 0o777 == 0o600
    assert sqlite3.connect(box.path).execute("SELECT count(*) FROM facts").fetchone() == (2,)
