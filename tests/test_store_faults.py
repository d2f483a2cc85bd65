"""The store over a disk that refuses: what is set aside, what stays in memory, what comes after."""

from __future__ import annotations

import json
import random
import shutil
import sqlite3
from pathlib import Path

import pytest

from agent.sync import forms
from agent.sync.store import Fact, SampleRow, Store, StoreBroken
from config.settings import Buffer
from tests.fakes.clock import ManualClock
from tests.store_bench import (  # noqa: F401 (fixtures)
    NAMES,
    STEPS,
    UNITS,
    VEHICLE,
    Make,
    bodies,
    kinds,
    rounds,
    row,
    running,
    runs,
    stamp,
    the_clock,
    the_make,
    the_path,
    the_store,
)

# --- a disk that refuses ---------------------------------------------------------------------------------------------


def garbage(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"garbage" * 1000)


def in_the_way(path: Path) -> None:
    path.mkdir(parents=True)


def out_of_the_way(path: Path) -> None:
    path.rmdir()


async def worn(store: Store, path: Path) -> None:
    """Damage a page under the running store, with nothing of it left in memory."""
    await store._worker.do(store._disk.database.checkpoint)
    corrupt(path, "facts")
    await store._worker.do(lambda: store._disk.database.connection.execute("PRAGMA shrink_memory").fetchall())


def corrupt(path: Path, table: str) -> None:
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    page = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (table,)).fetchone()[0]
    connection.close()
    with path.open("r+b") as file:
        file.seek((page - 1) * 1024)
        file.write(b"\xa5" * 1024)


async def test_a_corrupt_file_at_start_is_set_aside_with_boot_and_alarm_facts(make: Make, path: Path) -> None:
    garbage(path)
    store = make()
    opened = await store.open()
    assert (opened.created, opened.quarantined) == (True, "buffer.db.broken-1")
    (boot,) = await bodies(store, "boot")
    (alarm,) = await bodies(store, "alarm")
    assert (boot["why"], boot["quarantined"]) == ("new_stream", "buffer.db.broken-1")
    assert (alarm["name"], alarm["event"]) == ("database_broken", "raised")
    assert forms.problems("boot", boot) == forms.problems("alarm", alarm) == ()


async def test_a_file_that_breaks_under_way_is_replaced_and_the_fact_is_stored_in_the_new_one(
    store: Store, clock: ManualClock, path: Path
) -> None:
    await store.use_columns(NAMES, STEPS, UNITS)
    await store.commit([Fact("plug", {})], put={"counter": b"41"})
    old, _ = await store.next_facts(0, 1 << 20)
    store.sample(row(clock))
    await store.commit()
    await worn(store, path)
    numbers = await store.commit([Fact("leg", {"leg": 1})])
    new, _ = await store.next_facts(0, 1 << 20)
    assert new != old
    assert await kinds(store) == ["boot", "alarm", "columns", "leg"]
    assert numbers == (4,)
    assert await store.read("counter") == {"counter": b"41"}
    assert not store.broken
    (run,) = await runs(store)  # the sample that had been durable in the old file, told with the new columns
    assert run.columns == 3


async def test_the_check_after_start_sets_a_bad_file_aside(store: Store, clock: ManualClock, path: Path) -> None:
    await store.commit([Fact("plug", {}) for _ in range(50)])
    await worn(store, path)
    async with running(store):
        await rounds(store, clock, 31)
    assert (path.parent / "buffer.db.broken-1").exists()
    assert (await kinds(store))[:2] == ["boot", "alarm"]
    assert (path.parent / "buffer.db.ballast").stat().st_size == 2 << 20


async def test_d14_while_no_file_can_be_opened_facts_stay_in_memory_and_are_written_later(
    make: Make, clock: ManualClock, path: Path
) -> None:
    path.parent.write_text("a file where the folder should be")
    store = make()
    with pytest.raises(StoreBroken):
        await store.open()
    assert store.broken
    with pytest.raises(StoreBroken):
        await store.commit([Fact("access", {"event": "intent"})], put={"counter": b"7"}, drop=["x"])
    with pytest.raises(StoreBroken):
        await store.next_facts(0, 1 << 20)
    assert await store.read("counter") == {"counter": b"7"}
    async with running(store):
        await rounds(store, clock, 12)
        assert store.ticked_ns > clock.now().ns - 6e9  # it is alive, and says so
        path.parent.unlink()
        await rounds(store, clock, 61)
    assert not store.broken
    assert await kinds(store) == ["alarm", "access", "alarm"]
    assert [alarm["event"] for alarm in await bodies(store, "alarm")] == ["raised", "cleared"]
    _, rows = await store.next_facts(0, 1 << 20)
    assert json.loads(rows[1].body)["at"] == 1000  # when it happened, not when it could be written
    await store.close()
    again = make()
    await again.open()
    assert await again.read("counter") == {"counter": b"7"}


async def test_memory_is_bounded_and_what_is_lost_is_counted(make: Make, path: Path) -> None:
    in_the_way(path)
    store = make()
    with pytest.raises(StoreBroken):
        await store.open()
    for i in range(1100):
        with pytest.raises(StoreBroken):
            await store.commit([Fact("plug", {"i": i})])
    assert store.counters()["kept_facts"] == 1000
    assert store.counters()["lost_facts"] == 101  # the alarm made one more


class Unsynced:
    """A connection whose next COMMIT reaches the disk and says that it did not, as after a failed sync."""

    def __init__(self, real: sqlite3.Connection) -> None:
        self._real = real

    def __getattr__(self, name: str) -> object:
        return getattr(self._real, name)

    def execute(self, sql: str, *more: object) -> sqlite3.Cursor:
        done = self._real.execute(sql, *more)  # type: ignore[arg-type]
        if sql == "COMMIT":
            error = sqlite3.OperationalError("disk I/O error")
            error.sqlite_errorcode = sqlite3.SQLITE_IOERR_FSYNC
            raise error
        return done


async def test_a_commit_whose_sync_failed_is_not_written_twice(store: Store, clock: ManualClock) -> None:
    intent, twice = Fact("access", {"event": "intent", "access": "aa"}), Fact("plug", {"event": "plugged"})
    await store.commit([intent, twice])
    database = store._disk.database
    database._connection = Unsynced(database.connection)  # type: ignore[assignment]
    with pytest.raises(StoreBroken):
        await store.commit([intent, twice])
    with pytest.raises(StoreBroken):
        await store.commit([twice, twice])
    async with running(store):
        await rounds(store, clock, 20)
    assert not store.broken
    assert await kinds(store) == ["access", "plug", "access", "plug", "alarm", "plug", "plug", "alarm"]
    await store.commit([twice])
    assert (await kinds(store))[8:] == ["plug"]


REFUSAL = Fact("refused", {"via": "cloud", "code": "malformed", "booking": None, "holder": None, "detail": {}})
TOKEN = {"token": None, "booking_kind": None, "from": None, "to": None}
BOOKING = Fact("booking", {"event": "refused", "booking": 1, "revision": 1, **TOKEN, "code": "malformed"})
PLUG = Fact("plug", {"event": "plugged", "booking": None, "reading": None})
MOVED = (Fact("access", {"event": "intent"}), Fact("booking", {"event": "opened"}), Fact("leg", {"event": "opened"}))


async def test_a_flood_of_refusals_pushes_nothing_else_out_of_memory(
    make: Make, path: Path, clock: ManualClock
) -> None:
    in_the_way(path)
    store = make()
    with pytest.raises(StoreBroken):
        await store.open()
    for fact in (*MOVED, *[REFUSAL, BOOKING] * 700):
        with pytest.raises(StoreBroken):
            await store.commit([fact])
    assert store.counters()["lost_facts"] == 404
    out_of_the_way(path)
    async with running(store):
        await rounds(store, clock, 61)
    assert (await kinds(store))[:4] == ["alarm", "access", "booking", "leg"]


async def test_a_flood_of_refusals_or_of_a_worn_contact_leaves_the_last_of_the_quota_to_what_moved_the_car(
    path: Path, clock: ManualClock
) -> None:
    store = Store(path, clock, stamp, VEHICLE, Buffer(max_mib=1))
    await store.open()
    for _ in range(300):
        await store.commit([REFUSAL, BOOKING, PLUG] * 10)
    assert store.counters()["unrecorded"] > 1000
    for _ in range(20):
        assert len(await store.commit(MOVED)) == 3
        assert await store.commit([BOOKING]) == ()
        assert await store.commit([PLUG]) == (), "the record of the charge says it again"
    assert not store.broken
    await store.close()


async def test_a_stranger_s_text_is_cut(store: Store) -> None:
    await store.commit([Fact("refused", {"code": "x", "detail": {"why": "y" * 8000, "all": ["z" * 121, 5]}})])
    await store.commit([Fact("alarm", {"name": "n", "event": "raised", "detail": "d" * 120})])
    (refused,) = await bodies(store, "refused")
    assert refused["detail"] == {"why": "y" * 119 + "…", "all": ["z" * 119 + "…", 5]}
    assert (await bodies(store, "alarm"))[0]["detail"] == "d" * 120


async def test_a_folder_that_is_removed_under_way_gives_a_new_file_and_no_silence(
    store: Store, path: Path, clock: ManualClock
) -> None:
    await store.commit([Fact("plug", {})])
    shutil.rmtree(path.parent)
    assert await store.commit([Fact("leg", {})]) == (3,)
    assert await kinds(store) == ["boot", "alarm", "leg"]


async def test_quota_used_up_by_samples_never_refuses_a_fact(path: Path, clock: ManualClock) -> None:
    """1 MiB: samples are thinned, the thinning is a fact (D11), and each fact is stored."""
    store = Store(path, clock, stamp, VEHICLE, Buffer(max_mib=1))
    await store.open()
    await store.use_columns(tuple("abcdefghij"), (0.001,) * 10, ("",) * 10)
    rng = random.Random(1)
    for i in range(60):
        for _ in range(500):
            noise = [rng.uniform(0, 1e6) for _ in range(10)]
            store.sample(SampleRow(clock.now(), None, tuple(noise)))
            clock.move(0.1)
        await store.commit([Fact("plug", {"i": i})])
    plugs = await bodies(store, "plug")
    assert [one["i"] for one in plugs] == list(range(60))
    dropped = await bodies(store, "dropped")
    assert dropped
    _, blobs = await store.next_samples(0, 10_000)
    gone = {n for one in dropped for n in range(int(str(one["from"])), int(str(one["to"])) + 1)}
    assert gone | {blob.n for blob in blobs} == set(range(1, blobs[-1].n + 1))
    assert not store.broken
    await store.close()


async def test_closing_is_idempotent_and_seals_what_was_open(store: Store, clock: ManualClock, make: Make) -> None:
    await store.use_columns(NAMES, STEPS, UNITS)
    store.sample(row(clock))
    await store.close()
    await store.close()
    with pytest.raises(StoreBroken):
        await store.pending()
    again = make()
    assert not (await again.open()).created
    assert [len(run.rows) for run in await runs(again)] == [1]
