"""The one-thread door: group commits, sealing, what stays in memory while the disk refuses, and what comes after."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from pathlib import Path

from agent.sync import facts, wire
from agent.sync.store import Fact, SampleRow, Store
from drivers.ports import Instant
from tests.fakes.clock import ManualClock
from tests.store_bench import (  # noqa: F401 (fixtures)
    NAMES,
    STEPS,
    UNITS,
    Make,
    bodies,
    rounds,
    row,
    running,
    runs,
    store_path,
    the_clock,
    the_make,
    the_path,
    the_store,
)

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
    assert await bodies(store, "dropped") == [facts.dropped("facts", 3, 5, "purged", stream)]
