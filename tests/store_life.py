"""A life of the store, step by step, with a book of what it said is on the disk; and whether the disk agrees.

Used with a disk that refuses (`test_store_every_statement.py`) and with one that is cut off (`test_store_cuts.py`).
Every fact and every sample carries a serial number of its own, so that each can be found again, once.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import shutil
import tempfile
from collections import Counter
from collections.abc import Awaitable, Iterator
from pathlib import Path
from typing import Final

import pytest

from agent.sync import holdings, wire
from agent.sync.disk import Disk
from agent.sync.record import When
from agent.sync.store import Fact, SampleRow, Store, StoreBroken
from buffer import retention
from config.settings import Buffer
from tests.fakes.clock import ManualClock
from tests.store_bench import NAMES, STEPS, UNITS, VEHICLE, stamp
from tests.store_held import Held, is_database

DAY_MS: Final = 86_400_000
OLD: Final = Path(__file__).parent / "schemas" / "v1.db"  # of the release before, so that the first opening migrates


class Life:
    """durable: stream and number of each fact that `commit` returned. kept: those it refused, which memory keeps.

    vault: what was put and not dropped. gone: facts that were let go on purpose. sampled, erased: samples, by serial
    number.
    """

    def __init__(self, path: Path, *, old: bool = True) -> None:
        self.path, self.clock = path, ManualClock()
        self.durable: dict[int, tuple[str, int]] = {}
        self.kept: set[int] = set()
        self.vault = {"booking/ended/33": b"1"} if old else {}
        self.gone: set[int] = set()
        self.sampled: set[int] = set()
        self.erased: set[int] = set()
        self.declared = False
        self._serial = 0
        path.parent.mkdir(parents=True, exist_ok=True)
        if old:
            shutil.copy(OLD, path)
        self.store = self.fresh()

    def fresh(self) -> Store:
        return Store(self.path, self.clock, stamp, VEHICLE, Buffer(max_mib=4), version="1.0", car="zoe-ph1")

    # --- steps: each ends, or raises StoreBroken

    async def open(self) -> None:
        await self.store.open()

    async def columns(self) -> None:
        await self.store.use_columns(NAMES, STEPS, UNITS)
        self.declared = True

    async def commit(
        self, count: int = 1, put: dict[str, bytes] | None = None, drop: tuple[str, ...] = (), *, kind: str = "leg"
    ) -> None:
        """Facts of a booking in one transaction, with what changes beside them."""
        serials = [self._next() for _ in range(count)]
        if kind == "position":  # goes by age, and with its booking
            self.gone.update(serials)
        for key in drop:
            self.vault.pop(key, None)
        self.vault.update(put or {})  # on the disk or in memory: it counts from here
        event = "closed" if kind == "booking" else "opened"
        listed = [Fact(kind, {"event": event, "booking": 33, "leg": serial}) for serial in serials]
        try:
            numbers = await self.store.commit(listed, put=put, drop=drop)
        except StoreBroken:
            self.kept.update(serials)
            raise
        stream = self.stream("facts")
        self.durable.update({serial: (stream, number) for serial, number in zip(serials, numbers, strict=True)})

    async def samples(self, count: int, booking: int | None) -> None:
        if not self.declared:
            await self.columns()
        for _ in range(count):
            self.clock.move(0.5)
            serial = self._next()
            self.sampled.add(serial)
            self.store.sample(SampleRow(self.clock.now(), booking, (serial * 0.1, None)))

    async def sealed(self) -> None:
        await self.store.commit(seal=True)

    async def read(self) -> None:
        await self.store.next_facts(0, 1 << 16)
        await self.store.next_samples(0, 3)
        await self.store.pending()

    async def acknowledge(self, name: str, upto: int, *ranges: tuple[int, int]) -> None:
        stream = self.stream(name)
        self.gone.update(serial for serial, place in self.durable.items() if place[0] == stream and place[1] <= upto)
        if name == "samples":  # and may be purged one day
            self.erased.update(self.sampled)
        await self.store.acknowledge(wire.Ack(stream, upto, ranges))

    async def thin(self) -> None:
        """As when the quota is used up: the oldest samples go, and a fact says so."""

        def step(disk: Disk, when: When) -> None:
            with disk.database.write() as connection:
                retention.thin(connection, disk.describe(when))

        self.erased.update(self.sampled)  # may go; which ones, is the rule's business
        await self.store.ask(step)

    async def age(self) -> None:
        keep = holdings.Keep(7 * DAY_MS, 30 * DAY_MS, 0)
        await self.store.ask(lambda disk, when: holdings.age(disk, when, keep))

    async def erase(self, booking: int) -> None:
        self.erased.update(self.sampled)
        await self.store.ask(lambda disk, when: holdings.erase(disk, when, booking))

    async def tidy(self) -> None:
        """Two weeks later: what was acknowledged goes."""
        self.clock.move(14 * 86_400)
        await self.store.ask(lambda disk, when: disk.tidy(when, 7 * DAY_MS))

    async def check(self) -> None:
        await self.store.check()

    async def restart(self) -> None:
        """What waits in memory is lost with a store that cannot write it: so only one that is whole is stopped."""
        if self.store.broken:
            raise StoreBroken(self.store.trouble)
        await self.store.close()
        if self.store.broken or self.store.counters()["waiting_samples"]:
            self.erased.update(self.sampled)
        self.store = self.fresh()
        await self.store.open()

    def stream(self, name: str) -> str:
        """While nothing is open, one that nobody has."""
        database = self.store._disk._database
        return database.streams.get(name, "0" * 16) if database is not None else "0" * 16

    def _next(self) -> int:
        self._serial += 1
        return self._serial

    # --- a whole life

    async def live(self) -> None:
        """Every kind of step, in the order of a day; a step that the store refuses is given up."""
        for step in self._steps():
            with contextlib.suppress(StoreBroken):
                await step

    def _steps(self) -> Iterator[Awaitable[None]]:
        yield self.open()
        yield self.columns()
        yield self.commit(1, {"access/pending": b"1", "command/counter/aa": b"[1,2]"}, kind="access")
        yield self.commit(1, {"booking/open": b'{"booking":33}'}, ("access/pending",))
        yield self.samples(3, 33)
        yield self.commit(1, {"leg/open": b"1"})
        yield self.samples(2, 33)
        yield self.commit(2, {"leg/open": b"2"})
        yield self.samples(2, None)
        yield self.sealed()
        yield self.read()
        yield self.acknowledge("facts", 8, (10, 11))
        yield self.acknowledge("samples", 1)
        yield self.age()
        yield self.samples(2, 33)
        yield self.commit(1, {"booking/ended/33": b"1"}, ("booking/open", "leg/open"), kind="booking")
        yield self.thin()
        yield self.erase(33)
        yield self.tidy()
        yield self.check()
        yield self.samples(2, 34)
        yield self.commit(1, {"leg/open": b"3"})
        yield self.restart()
        yield self.commit(1, {"leg/open": b"4"})

    async def wander(self, dice: random.Random, count: int) -> None:
        """Steps in any order."""
        await self.open()
        await self.columns()
        keys = ("leg/open", "booking/open", "access/pending", "command/counter/aa")
        for _ in range(count):
            match dice.choice(("commit", "commit", "commit", "samples", "sealed", "acknowledge", "rest", "restart")):
                case "commit":
                    put = {key: bytes(dice.randrange(200)) for key in dice.sample(keys, dice.randrange(3))}
                    drop = tuple(set(dice.sample(keys, 1)) - put.keys())
                    await self.commit(dice.randint(1, 4), put, drop, kind=dice.choice(("leg", "booking", "position")))
                case "samples":
                    await self.samples(dice.randint(1, 5), dice.choice((33, 34, None)))
                case "sealed":
                    await self.sealed()
                case "acknowledge":
                    upto = dice.randrange(12)
                    await self.acknowledge(dice.choice(("facts", "samples")), upto, (upto + 2, upto + 4))
                case "rest":
                    await dice.choice((self.thin, self.age, self.tidy, self.check, lambda: self.erase(33)))()
                case "restart":
                    await self.restart()

    async def recovers(self) -> None:
        """With the disk whole again, and up to a minute of the store's own service: it tries again after 10 s, then
        after 20."""
        task = asyncio.create_task(self.store.run())
        for turn in range(14):
            await self.clock.advance(5.0)
            await self.store.read("")
            if turn and not self.store.broken:
                break
        assert not task.done(), task
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        assert not self.store.broken, self.store.trouble

    # --- whether the disk agrees

    def disagreements(self) -> list[str]:
        """What the files say otherwise than the store did; call it with the store closed."""
        files = [Held(file) for file in sorted(self.path.parent.glob(f"{self.path.name}*")) if is_database(file)]
        newest = next((one for one in files if one.path == self.path), None)
        if newest is None:
            return ["there is no database"]
        found = [f"integrity: {line}" for line in newest.integrity]
        found += self._of_facts(files) + self._of_alarms(files, newest) + self._of_samples(files)
        if newest.own_vault() != self.vault:
            found.append(f"vault: {newest.own_vault()} and not {self.vault}")
        return found

    def _of_facts(self, files: list[Held]) -> list[str]:
        places = {serial: file.facts[serial] for file in files for serial in file.facts}
        times = Counter(serial for file in files for serial in file.serials)
        found = [f"fact {serial}: {count} times" for serial, count in times.items() if count > 1]
        for serial, place in self.durable.items():
            if places.get(serial, place if serial in self.gone else None) != place:
                found.append(f"fact {serial}: told as {place}, found as {places.get(serial)}")
        return found + [f"fact {serial}: refused, and not kept" for serial in self.kept if not times[serial]]

    def _of_alarms(self, files: list[Held], newest: Held) -> list[str]:
        found, aside = [], len(files) - 1
        if aside and 1 in newest.numbers and not {("boot", "new_stream"), ("alarm", "database_broken")} <= newest.told:
            found.append("set aside, and the new stream does not say so")
        if self.store.counters()["failures"] and not any(("alarm", "storage") in one.told for one in files):
            found.append("refused, and no alarm")
        return found

    def _of_samples(self, files: list[Held]) -> list[str]:
        times = Counter(serial for file in files for serial in file.sampled if serial in self.sampled)
        missing = self.sampled - self.erased - set(times)
        found = [f"samples {sorted(missing)}: neither there nor let go"] if missing else []
        # What is written again after a sync that failed, or sealed again for a file that was set aside, comes twice.
        troubled = len(files) > 1 or ("alarm", "storage") in files[0].told
        return found + [f"sample {n}: {count} times" for n, count in times.items() if count > 1 and not troubled]


@pytest.fixture(name="shm")
def the_shm() -> Iterator[Path]:
    """A folder in memory where there is one: thousands of lives, none of which waits for a real disk."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None) as folder:
        state = Path(folder) / "state"
        state.mkdir()
        yield state
