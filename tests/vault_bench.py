"""A car in the middle of everything whose power is off, so that its disk can be damaged, and a start after it."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from drivers.ports import BadgeTap, Feedback
from keyless.claims import Action, Role
from tests.door_bench import ALICE, HOUR, DoorBench


class Disk:
    """The bench's database, with the power off."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "boitier.db"

    def vault(self) -> dict[str, bytes]:
        with closing(sqlite3.connect(self._path)) as database:
            return dict(database.execute("SELECT key, value FROM vault"))

    def run(self, statement: str, *values: object) -> None:
        with closing(sqlite3.connect(self._path)) as database:
            database.execute(statement, values)
            database.commit()

    def put(self, key: str, value: bytes) -> None:
        self.run("INSERT OR REPLACE INTO vault (key, value) VALUES (?, ?)", key, value)


async def driven(folder: Path) -> DoorBench:
    """A car in the middle of everything, the power cut while its lock moves."""
    bench = DoorBench(folder)
    await bench.boot()
    bench.park()
    bench.say(odometer=90.0, soc=80.0, plugged="yes", charging="yes", locked="yes")
    await bench.journey.tick()
    await bench.prove()
    await bench.book(7, ALICE, -3 * HOUR, -HOUR)
    await bench.book(33, ALICE, 0, HOUR, revision=1)
    await bench.tap(ALICE)
    await bench.door.command(bench.command(bench.mint(0, None, 0, HOUR, role=Role.BACKEND), Action.UNLOCK, 1))
    bench.say(ignition="on", speed=30.0, odometer=100.0, plugged="no")
    await bench.journey.tick()
    charge = b'{"plug_in":null}'
    await bench.store.commit(put={"booking/ended/7": b"1", "charge/open": charge})
    bench.park()
    bench.lock.mode = "cut"
    bench.say(locked="yes")
    bench.reader.presented.put_nowait(BadgeTap(ALICE, bench.clock.now()))
    await bench.until(lambda: bench.task is not None and bench.task.done(), door_may_end=True)
    await bench.off()
    return bench


async def starts(bench: DoorBench) -> None:
    """Everything that reads the vault, and the first ticks that use it."""
    bench.lock.mode = "obeys"
    await bench.boot()
    bench.park()
    await bench.wait(8)
    bench.say(ignition="on", odometer=101.0)
    await bench.journey.tick()
    bench.park()
    await bench.journey.tick()
    assert bench.task is not None
    assert not bench.task.done()
    assert isinstance(await bench.tap(ALICE), Feedback)
    await bench.facts()


@pytest.fixture(name="mould", scope="module")
def the_mould(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    return {"folder": tmp_path_factory.mktemp("mould")}


async def cast(mould: dict[str, object], folder: Path) -> DoorBench:
    """A copy of one such car. Made once: it takes longer than a start."""
    if "bench" not in mould:
        mould["bench"] = await driven(Path(str(mould["folder"])))
    bench = mould["bench"]
    assert isinstance(bench, DoorBench)
    shutil.copytree(str(mould["folder"]), folder, dirs_exist_ok=True)
    bench.folder = folder
    return bench
