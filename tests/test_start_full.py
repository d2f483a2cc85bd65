"""A start with no room on the disk or in the quota: what is there is known, and the records are drained (D14)."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from agent.sync import wire
from agent.sync.record import Fact, SampleRow, StoreBroken
from drivers.ports import Feedback
from keyless.claims import Action, Role
from tests.door_bench import BOB, DoorBench, at_home
from tests.test_start_held import whole


@pytest.fixture(name="small")
def the_small(tmp_path: Path) -> Iterator[Path]:
    """A file system of 12 MiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    if os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=12m", "t", folder]).returncode:
        pytest.skip("only root may mount a small file system")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def fill(folder: Path) -> None:
    with (folder / "filler").open("ab", buffering=0) as filler, contextlib.suppress(OSError):
        while True:
            filler.write(b"f" * 4096)


async def power_cut(bench: DoorBench) -> None:
    """The log stays beside the file, as after a cut."""
    assert bench.task is not None
    bench.task.cancel()
    await asyncio.gather(bench.task, return_exceptions=True)

    def cut() -> None:
        database = bench.store._disk.database
        os.close(database._lock)
        database._lock, database._connection = -1, None
        bench.store._disk._database = None

    kept = bench.store._disk.database._connection  # not closed: that would write the log into the file
    await bench.store._worker.do(cut)
    bench.store._worker.close()
    bench.lost_connections = [*getattr(bench, "lost_connections", []), kept]  # type: ignore[attr-defined]


@pytest.mark.parametrize("how", ["cut", "off"])
async def test_a_start_on_a_full_disk_gives_up_the_ballast(small: Path, how: str) -> None:
    async with at_home(DoorBench(small)) as bench:
        await bench.book(0, BOB, 0, 600, role=Role.EMERGENCY, actions=int(Action.UNLOCK))
        assert await bench.tap(BOB) is Feedback.OPENED
        await bench.store._tidy(check=False)
        assert (small / "boitier.db.ballast").exists()
        if how == "off":
            await bench.off()
            fill(small)
        else:
            fill(small)
            await power_cut(bench)
        await bench.boot()
        bench.park()
        assert not bench.store.broken
        assert not (small / "boitier.db.ballast").exists()
        assert await bench.tap(BOB) is Feedback.REFUSED


@pytest.mark.parametrize("how", ["cut", "off"])
async def test_with_no_ballast_either_what_is_there_is_read(small: Path, how: str) -> None:
    async with at_home(DoorBench(small)) as bench:
        await bench.book(0, BOB, 0, 600, role=Role.EMERGENCY, actions=int(Action.UNLOCK))
        assert await bench.tap(BOB) is Feedback.OPENED
        if how == "off":
            await bench.off()
        else:
            fill(small)
            await power_cut(bench)
        fill(small)
        await bench.boot()
        bench.park()
        assert bench.store.broken
        assert await bench.tap(BOB) is Feedback.REFUSED
        (small / "filler").unlink()
        await whole(bench)
        assert await bench.tap(BOB) is Feedback.REFUSED


async def test_a_start_with_the_quota_used_up_drains_and_is_whole_again(tmp_path: Path) -> None:
    bench = DoorBench(tmp_path)
    bench.settings = replace(bench.settings, buffer=replace(bench.settings.buffer, max_mib=1))
    async with at_home(bench):
        await bench.store.use_columns(("a",), (1.0,), ("",))
        await bench.book(0, BOB, 0, 600, role=Role.EMERGENCY, actions=int(Action.UNLOCK))
        await bench.tap(BOB)
        bench.store.sample(SampleRow(bench.clock.now(), None, (1.0,)))
        await bench.store.commit()
        many = [Fact("booking", {"event": "opened", "booking": number, "pad": "x" * 400}) for number in range(20)]
        while not bench.store.broken:
            with contextlib.suppress(StoreBroken):
                await bench.store.commit(many)
        await power_cut(bench)
        await bench.boot()
        bench.park()
        if bench.store.broken:
            assert await bench.store.next_facts(0, 1 << 20), "it is drained"
        assert await bench.tap(BOB) is Feedback.REFUSED
        pending = await bench.store.pending()
        await bench.store.acknowledge(wire.Ack(bench.store._disk.database.streams["facts"], pending.last_fact - 10))
        await whole(bench)
        assert not bench.store.stale.is_set()
