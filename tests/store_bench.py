"""A real store on a real file, with time standing still: fixtures and what one asks of it."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from agent.sync import samples
from agent.sync.store import SampleRow, Store
from config.settings import Buffer
from drivers.ports import Instant
from tests.fakes.clock import ManualClock

VEHICLE = "9f3c1a77e2b04d58"
NAMES, STEPS, UNITS = ("Vehicle.Speed", "Vehicle.TraveledDistance"), (0.1, 0.01), ("km/h", "km")


def stamp(at: Instant) -> tuple[list[int] | None, str]:
    return [1_795_000_000_000 + at.ns // 1_000_000, 1_795_000_000_400 + at.ns // 1_000_000], "gnss"


@pytest.fixture(name="clock")
def the_clock() -> ManualClock:
    return ManualClock()


@pytest.fixture(name="path")
def the_path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "buffer.db"


Make = Callable[[], Store]


@pytest.fixture(name="make")
async def the_make(path: Path, clock: ManualClock) -> AsyncIterator[Make]:
    made: list[Store] = []

    def one() -> Store:
        made.append(Store(path, clock, stamp, VEHICLE, Buffer(max_mib=4), version="1.0", car="zoe-ph1"))
        return made[-1]

    yield one
    for store in made:
        await store.close()


@pytest.fixture(name="store")
async def the_store(make: Make) -> Store:
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


def store_path(store: Store) -> Path:
    return store._disk.path
