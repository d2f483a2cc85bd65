"""The one-thread door: group commits, sealing, what stays in memory while the disk refuses, and what comes after."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import shutil
import sqlite3
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from agent.run.store import Fact, SampleRow, Store, StoreBroken
from agent.sync import facts, samples, wire
from config.settings import Buffer
from drivers.ports import Instant
from tests.fakes.clock import ManualClock

VEHICLE = "9f3c1a77e2b04d58"
NAMES, STEPS, UNITS = ("Vehicle.Speed", "Vehicle.TraveledDistance"), (0.1, 0.01), ("km/h", "km")


def stamp(at: Instant) -> tuple[list[int] | None, str]:
    return [1_795_000_000_000 + at.ns // 1_000_000, 1_795_000_000_400 + at.ns // 1_000_000], "gnss"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "buffer.db"


Make = Callable[[], Store]


@pytest.fixture
async def make(path: Path, clock: ManualClock) -> AsyncIterator[Make]:
    made: list[Store] = []

    def one() -> Store:
        made.append(Store(path, clock, stamp, VEHICLE, Buffer(max_mib=4), version="1.0", car="zoe-ph1"))
        return made[-1]

    yield one
    for store in made:
        await store.close()


@pytest.fixture
async def store(make: Make) -> Store:
    one = make()
    await one.open()
    return one


@contextlib.asynccontextmanager
async def running(store: Store) -> AsyncIterator[None]:
    task = asyncio.create_task(store.run())
    await asyncio.sleep(0)
    yield
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def rounds(store: Store, clock: ManualClock, seconds: float) -> None:
    """Let time pass in steps of a second, with the real thread keeping up."""
    for _ in range(round(seconds)):
        await clock.advance(1.0)
        await store.read("")
        await asyncio.sleep(0.001)


async def kinds(store: Store) -> list[str]:
    _, rows = await store.next_facts(0, 1 << 20, 10_000)
    return [json.loads(row.body)["kind"] for row in rows]


async def bodies(store: Store, kind: str) -> list[dict[str, object]]:
    _, rows = await store.next_facts(0, 1 << 20, 10_000)
    return [json.loads(row.body)["body"] for row in rows if json.loads(row.body)["kind"] == kind]


async def runs(store: Store) -> list[samples.Run]:
    _, blobs = await store.next_samples(0, 10_000)
    found = [samples.unseal(blob.body) for blob in blobs]
    assert all(one is not None and one[0] == blob.n for one, blob in zip(found, blobs, strict=True))
    return [one[1] for one in found if one is not None]


def row(clock: ManualClock, speed: float | None = 50.0, booking: int | None = 33) -> SampleRow:
    return SampleRow(clock.now(), booking, (speed, 48213.4))


# --- facts -----------------------------------------------------------------------------------------------------------


async def test_a_fact_is_on_disk_when_commit_returns(store: Store, path: Path) -> None:
    numbers = await store.commit([Fact("plug", {"event": "plugged"}), Fact("plug", {"event": "unplugged"})])
    assert numbers == (1, 2)
    reader = sqlite3.connect(f"file:{path}?mode=ro", uri=True)  # another connection sees only what is committed
    assert [row[0] for row in reader.execute("SELECT n FROM facts")] == [1, 2]
    reader.close()


async def test_a_fact_carries_boot_relative_time_and_the_wall_as_an_interval(store: Store, clock: ManualClock) -> None:
    await store.commit([Fact("plug", {}), Fact("plug", {}, Instant(clock.boot, 250_000_000))])
    _, rows = await store.next_facts(0, 1 << 20)
    now, then = (json.loads(one.body) for one in rows)
    assert (now["boot"], now["at"], now["source"]) == (clock.boot, 1000, "gnss")
    assert now["wall"] == [1_795_000_001_000, 1_795_000_001_400]
    assert then["at"] == 250


async def test_facts_and_vault_change_together(store: Store, make: Make) -> None:
    await store.commit([Fact("plug", {})], put={"door.open": b"1", "x": b"2"})
    await store.commit(put={"door.open": b"3"}, drop=["x"])
    assert await store.read("door.") == {"door.open": b"3"}
    await store.close()
    again = make()
    await again.open()
    assert await again.read("") == {"door.open": b"3"}


async def test_a_cancelled_waiter_does_not_cancel_the_write(store: Store) -> None:
    tasks = [asyncio.create_task(store.commit([Fact("plug", {"i": i})])) for i in range(400)]
    await asyncio.sleep(0)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await store.close()
    reader = sqlite3.connect(store_path(store))
    assert [json.loads(one[0])["body"]["i"] for one in reader.execute("SELECT body FROM facts")] == list(range(400))
    reader.close()


def store_path(store: Store) -> Path:
    return store._disk._path


async def test_a_bad_number_does_not_lose_the_fact(store: Store) -> None:
    await store.commit([Fact("plug", {"soc": float("nan"), "list": [float("inf"), 1.5]})])
    assert await bodies(store, "plug") == [{"soc": None, "list": [None, 1.5]}]


async def test_new_rows_wake_the_sender(store: Store) -> None:
    store.fresh.clear()
    await store.commit([Fact("plug", {})])
    assert store.fresh.is_set()


# --- samples ---------------------------------------------------------------------------------------------------------


async def test_samples_ride_along_with_a_fact_and_survive_as_a_group(
    store: Store, clock: ManualClock, make: Make
) -> None:
    columns = await store.use_columns(NAMES, STEPS, UNITS)
    for _ in range(3):
        store.sample(row(clock))
        clock.move(1.0)
    assert store.counters()["waiting_samples"] == 3
    await store.commit([Fact("plug", {})])
    assert store.counters()["waiting_samples"] == 0
    assert await runs(store) == []
    store._worker.close()  # no orderly end: as if the process were gone
    store._disk.close()
    again = make()
    await again.open()
    (run,) = await runs(again)
    assert (run.columns, run.booking, run.boot, len(run.rows)) == (columns, 33, clock.boot, 3)
    assert run.rows[0] == (1000, (500, 4_821_340))


async def test_d25_samples_are_on_disk_within_ten_seconds(store: Store, clock: ManualClock, path: Path) -> None:
    await store.use_columns(NAMES, STEPS, UNITS)
    async with running(store):
        store.sample(row(clock))
        await rounds(store, clock, 10)
        reader = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
        assert reader.execute("SELECT count(*) FROM groups").fetchone() == (1,)
        reader.close()


async def test_d9_a_run_is_sealed_at_a_hundred_samples(store: Store, clock: ManualClock) -> None:
    await store.use_columns(NAMES, STEPS, UNITS)
    for _ in range(250):
        store.sample(row(clock))
        clock.move(0.1)
    await store.commit()
    assert [len(run.rows) for run in await runs(store)] == [100, 100]


async def test_d9_a_run_is_sealed_after_sixty_seconds_also_when_the_car_stands(
    store: Store, clock: ManualClock
) -> None:
    await store.use_columns(NAMES, STEPS, UNITS)
    async with running(store):
        store.sample(row(clock))
        await rounds(store, clock, 70)
        assert [len(run.rows) for run in await runs(store)] == [1]


async def test_a_booking_change_seals_so_that_no_run_mixes_two(
    store: Store, clock: ManualClock, make: Make
) -> None:
    await store.use_columns(NAMES, STEPS, UNITS)
    for booking in (33, 33, None, 34):
        store.sample(row(clock, booking=booking))
        clock.move(1.0)
    await store.close()
    again = make()
    await again.open()
    assert [(run.booking, len(run.rows)) for run in await runs(again)] == [(33, 2), (None, 1), (34, 1)]


async def test_columns_are_said_once_per_change_and_old_samples_keep_the_old_ones(
    store: Store, clock: ManualClock, make: Make
) -> None:
    first = await store.use_columns(NAMES, STEPS, UNITS)
    assert await store.use_columns(NAMES, STEPS, UNITS) == first
    store.sample(row(clock))
    second = await store.use_columns(NAMES[:1], STEPS[:1], UNITS[:1])
    store.sample(SampleRow(clock.now(), 33, (12.0,)))
    store.sample(row(clock))  # two values for one column: counted, not stored
    await store.close()
    again = make()
    await again.open()
    assert await again.use_columns(NAMES[:1], STEPS[:1], UNITS[:1]) == second
    assert [(run.columns, run.rows[0][1]) for run in await runs(again)] == [(first, (500, 4_821_340)), (second, (120,))]
    assert len(await bodies(again, "columns")) == 2
    assert store.counters()["odd_samples"] == 1


async def test_samples_wait_until_the_columns_are_known_and_are_bounded(store: Store, clock: ManualClock) -> None:
    for i in range(1100):
        store.sample(row(clock, float(i % 200)))
        clock.move(0.01)
    await store.commit([Fact("plug", {})])
    assert store.counters()["waiting_samples"] == 1000
    assert store.counters()["lost_samples"] == 100
    await store.use_columns(NAMES, STEPS, UNITS)
    await store.commit()
    assert sum(len(run.rows) for run in await runs(store)) == 1000 - 1000 % 100


# --- acknowledgements ------------------------------------------------------------------------------------------------


async def test_d10_only_the_backends_word_makes_rows_go_away(store: Store) -> None:
    await store.commit([Fact("plug", {"i": i}) for i in range(5)])
    stream, rows = await store.next_facts(0, 1 << 20)
    assert len(rows) == 5
    done = await store.acknowledge(wire.Ack(stream, 3, ((5, 5),)))
    assert done.progressed
    _, rows = await store.next_facts(0, 1 << 20)
    assert [one.n for one in rows] == [4]
    assert (await store.pending()).facts == 1


async def test_d11_a_backend_that_went_back_too_far_is_told_what_will_never_come(
    store: Store, clock: ManualClock
) -> None:
    await store.commit([Fact("plug", {}) for _ in range(5)])
    stream, _ = await store.next_facts(0, 1 << 20)
    await store.acknowledge(wire.Ack(stream, 5))
    clock.move(9 * 86_400)
    await store._tidy(check=False)
    done = await store.acknowledge(wire.Ack(stream, 2))
    assert done.moved_back
    assert await bodies(store, "dropped") == [facts.dropped("facts", 3, 5, "purged")]


# --- a disk that refuses ---------------------------------------------------------------------------------------------


def garbage(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"garbage" * 1000)


def in_the_way(path: Path) -> None:
    path.mkdir(parents=True)


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
    assert facts.problems("boot", boot) == facts.problems("alarm", alarm) == ()


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
