"""Thirty days of a car's life in one process, by a clock that is moved: `python -m tests.measured.month FOLDER DAYS`.

The parts that live for weeks (door, bookings, journey, state of the car, store with its purges, uplink) on a real
database, in front of a backend that acknowledges everything and keeps nothing. A day has a staff drive, a private one
that nobody ends in time, and a charge. Prints what the process held after the second day, the tenth and the last.

It lies here because it imports the product; what is not here: the bus, the broker, and real time.
"""

from __future__ import annotations

import asyncio
import gc
import json
import re
import sys
import threading
import tracemalloc
from collections import deque
from collections.abc import Awaitable, Container, Sized
from pathlib import Path
from typing import Any, cast

from agent.access import decision_log
from agent.sync import samples, wire
from agent.sync.disk import Disk
from agent.sync.record import When
from agent.sync.store import Store
from agent.sync.uplink import Uplink
from config.vocabulary import CHARGING, ENERGY, IGNITION, ODOMETER, PLUGGED, SOC, SPEED, Signal
from drivers.ports import Arrived, Fix
from keyless.claims import Action
from tests.door_bench import ALICE, BOB, HOUR, VEHICLE, DoorBench

DAY = 24 * HOUR
DRIVE_S, SHORT_DRIVE_S, CHARGE_LOOKS = 120, 20, 20
LAT, LON = 48.4331, 0.0998
EARLY_DAY, SETTLED_DAY = 2, 10
RING = 8
OURS = ("agent", "buffer", "config", "drivers", "keyless")
PAGES = ("page_count", "freelist_count", "page_size")
CONTAINERS = frozenset({dict, list, set, frozenset, tuple, deque})


class Backend:
    """A `CloudPort` whose PUBACK comes at once. newest: the highest number it was given, by stream."""

    def __init__(self) -> None:
        self.connected = True
        self.newest: dict[str, int] = {}
        self.facts = self.runs = 0

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> Awaitable[None]:
        told = wire.unpack(payload)
        assert told is not None
        if topic.endswith(wire.Kind.FACTS.value):
            self.facts += len(told["facts"])
            self._has(told["stream"], told["facts"][-1]["n"])
        elif topic.endswith(wire.Kind.SAMPLES.value) and (run := samples.unseal(payload)):
            self.runs += 1
            self._has(told["stream"], run[0])
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        done.set_result(None)
        return done

    def _has(self, stream: str, number: int) -> None:
        self.newest[stream] = max(number, self.newest.get(stream, 0))

    async def next_event(self) -> Arrived | bool:
        raise NotImplementedError

    def counters(self) -> dict[str, int]:
        return {}

    async def close(self) -> None:
        return


class Month:
    """`day()` plays the next day. odometer, energy: the car's, km and kWh. drive_s: how long each of its drives is."""

    def __init__(self, folder: Path, drive_s: int = DRIVE_S) -> None:
        self.bench, self.backend, self._drive_s = DoorBench(folder), Backend(), drive_s
        self.days = 0
        self.odometer, self.energy = 48_000.0, 20.0
        self._running: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Month:
        bench = self.bench
        await bench.boot()
        self.uplink = Uplink(self.backend, bench.store, bench.clock, VEHICLE.hex(), dict, bench.stamp, 600.0)
        self._running = [asyncio.create_task(part.run()) for part in (bench.store, self.uplink)]
        self._park()
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        await self.uplink.close()
        await self.bench.off()

    async def day(self) -> None:
        zero, number = self.days * DAY, 2 * self.days
        for booking, badge, flags, hour in ((number, ALICE, 1, 8), (number + 1, BOB, 0, 13)):
            begin = zero + hour * HOUR
            await self._until(begin)
            await self.bench.book(61_000 + booking, badge, begin - 60, begin + HOUR, flags=flags)
            await self.bench.tap(badge)
            await self._drive()
            if badge is ALICE:  # the other one walks away: it ends by itself, or is never billed to its end
                await self.bench.tap(badge)
            await self._until(begin + 2 * HOUR)
        await self._charge()
        old = self.bench.mint(60_000, None, zero - 3 * HOUR, zero - 2 * HOUR)
        await self.bench.door.command(self.bench.command(old, Action.UNLOCK, self.days + 1))
        await self._until(zero + DAY - HOUR)
        await self._sent()
        await self._until(zero + DAY)
        for kept in (self.bench.door._bookings, self.bench.door._remote):
            await kept.purge(self.bench.door.past_s())  # the door counts an hour of ticks, of which few pass here
        self.days += 1
        for task in self._running:
            if task.done():
                task.result()
        bench = self.bench  # the stand-ins' own memory
        reader, lock = bench.reader, bench.lock
        for list_ in (
            lock.moves, lock.seen_pending, reader.shown, reader.reasons, bench.alarms, bench.heard, bench.answers,
        ):  # fmt: skip
            list_.clear()

    async def _drive(self) -> None:
        for second in range(self._drive_s):
            self.odometer, self.energy = self.odometer + 0.014, self.energy - 0.002
            self._say(IGNITION, "on")
            self._say(SPEED, 50.0)
            await self._look(1.0, LAT + 0.1 + second / 1e4)
        self._park()
        await self._look(2.0, LAT)

    async def _charge(self) -> None:
        self._say(PLUGGED, "yes")
        for _ in range(CHARGE_LOOKS):
            self._say(CHARGING, "yes")
            self.energy = min(20.0, self.energy + 0.3)
            await self._look(180.0, LAT)
        self._say(CHARGING, "no")
        await self._look(60.0, LAT)
        self._say(PLUGGED, "no")
        await self._look(60.0, LAT)

    async def _until(self, at_s: float) -> None:
        """The car stands; somebody looks at it every hour."""
        while (left := at_s - (self.bench.clock.now().ns / 1e9 - 1)) > 0:
            self._park()
            await self._look(min(3600.0, left), LAT)

    async def _sent(self) -> None:
        """What waits goes out today: the store's thread is real and takes real time."""
        for _ in range(HOUR // 2):
            if not (await self.bench.store.pending()).facts:
                break
            await self._look(1.0, LAT)
            await asyncio.sleep(0.001)

    async def _look(self, seconds: float, lat: float) -> None:
        """Time passes at once but for its last seconds, in which every part runs that slept."""
        bench = self.bench
        bench.clock.move(max(0.0, seconds - 5))
        await bench.clock.advance(min(5.0, seconds))
        self._say(ODOMETER, round(self.odometer, 2))
        self._say(ENERGY, round(self.energy, 1))
        self._say(SOC, round(5 * self.energy))
        bench.car.fix(Fix(bench.clock.now(), None, lat, LON, 3, 0.0, 9, True))
        await bench.journey.tick()
        for stream, newest in tuple(self.backend.newest.items()):
            await self.uplink.acknowledge(wire.Ack(stream, newest))

    def _park(self) -> None:
        self.bench.say(door="no")
        self._say(IGNITION, "off")
        self._say(SPEED, 0.0)

    def _say(self, name: str, value: float | str) -> None:
        self.bench.car.update(Signal(name, value, self.bench.clock.now().ns))


def census() -> dict[str, int]:
    """Live values by type, and under `in NAME` how much the containers of a type hold; what the interpreter itself
    makes while it runs (frames, futures, methods) is left out.
    """
    gc.collect()
    found: dict[str, int] = {}
    for one in everything():
        kind = type(one)
        if kind.__module__.partition(".")[0] in OURS:
            found[kind.__qualname__] = found.get(kind.__qualname__, 0) + 1
        elif kind in CONTAINERS:
            found[kind.__name__] = found.get(kind.__name__, 0) + 1
            found[f"in {kind.__name__}"] = found.get(f"in {kind.__name__}", 0) + len(cast(Sized, one))
    return found


def everything() -> list[object]:
    """What the collector tracks, and the containers of plain values that it does not: a dictionary of numbers. Without
    the loop's own list of timers, which cancelled ones leave by the hundred.
    """
    timers = getattr(asyncio.get_running_loop(), "_scheduled", None)
    tracked = [one for one in gc.get_objects() if one is not timers]
    untracked = {
        id(held): held
        for one in tracked
        for held in gc.get_referents(one)
        if type(held) in CONTAINERS and not gc.is_tracked(held)
    }
    return [*tracked, *untracked.values()]


async def census_alone(store: Store) -> dict[str, int]:
    """The census while the store's thread stands still: looking at a tuple that another thread is just making breaks
    that thread.
    """
    stands, go_on = threading.Event(), threading.Event()

    def stand(_: Disk, __: When) -> None:
        stands.set()
        go_on.wait()

    standing = asyncio.create_task(store.ask(stand))
    while not stands.is_set():
        await asyncio.sleep(0.001)
    try:
        return census()
    finally:
        go_on.set()
        await standing


async def on_disk(store: Store) -> int:
    """Bytes of the database that hold something, asked on its one connection; its log is as long as it ever was."""

    def used(disk: Disk, _: When) -> int:
        with disk.database.read() as connection:
            pages, free, size = (connection.execute(f"PRAGMA {what}").fetchone()[0] for what in PAGES)
        return int((pages - free) * size)

    return await store.ask(used)


def held() -> dict[str, int]:
    """Of this process, in KiB; python is 0 where it is not traced."""
    gc.collect()
    resident = re.search(r"VmRSS:\s+(\d+)", Path("/proc/self/status").read_text())
    return {"rss": int(resident[1]) if resident else 0, "python": tracemalloc.get_traced_memory()[0] >> 10}


async def live(folder: Path, days: int, counted: Container[int] = ()) -> dict[str, Any]:
    """What is held at three points of the time. counted: nights whose census is printed, with short drives.

    The ring of the door's decisions is small here, so that it is full before the first of these points.
    """
    decision_log.PLACES = RING  # type: ignore[misc]
    async with Month(folder, SHORT_DRIVE_S if counted else DRIVE_S) as month:
        told: dict[str, Any] = {}
        while month.days < days:
            await month.day()
            if month.days in counted:  # said at once and not kept, so that no census is among what the next one counts
                counts = await census_alone(month.bench.store)
                print(json.dumps({**counts, "disk": await on_disk(month.bench.store)}), flush=True)
                del counts
            if month.days in (EARLY_DAY, SETTLED_DAY):
                told["early" if month.days == EARLY_DAY else "settled"] = held()
        pending = await month.bench.store.pending()
        told |= {"late": held(), "days": days, "facts": month.backend.facts, "runs": month.backend.runs}
        return told | {"pending": pending.facts, "disk_kib": await on_disk(month.bench.store) >> 10}


def main(argv: list[str]) -> None:
    """`--trace`: what Python holds, too. `--census 4,5`: a line with the census of each of these nights."""
    counted: set[int] = set()
    match argv:
        case ["--trace", *argv]:
            tracemalloc.start()
        case ["--census", nights, *argv]:
            counted = set(map(int, nights.split(",")))
    folder, days = argv
    print(json.dumps(asyncio.run(live(Path(folder), int(days), counted))))


if __name__ == "__main__":
    main(sys.argv[1:])
