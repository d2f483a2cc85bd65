"""A real store, the uplink and a pipe that does as told, with time standing still."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Awaitable
from pathlib import Path

import pytest

from agent.sync import wire
from agent.sync.store import Fact, SampleRow, Store
from agent.sync.uplink import Uplink
from config.settings import Buffer
from drivers.ports import Arrived, Instant
from tests.fakes.clock import ManualClock

VEHICLE = "9f3c1a77e2b04d58"
TOPIC = {kind: wire.topic(VEHICLE, kind) for kind in wire.Kind}


def stamp(at: Instant) -> tuple[list[int] | None, str]:
    return None, "none"


class Pipe:
    """A `CloudPort` that takes what it is given; the test says when a PUBACK comes. Real sockets: further below."""

    def __init__(self) -> None:
        self.connected = True
        self.sent: list[tuple[str, bytes, bool]] = []
        self.due: deque[asyncio.Future[None]] = deque()
        self.prompt = True
        self.events: asyncio.Queue[Arrived | bool] = asyncio.Queue()

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> Awaitable[None]:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.sent.append((topic, payload, retain))
        if self.prompt:
            future.set_result(None)
        else:
            self.due.append(future)
        return future

    async def next_event(self) -> Arrived | bool:
        return await self.events.get()

    def counters(self) -> dict[str, int]:
        return {}

    async def close(self) -> None:
        pass

    def topics(self) -> list[str]:
        return [topic.rpartition("/")[2] for topic, _, _ in self.sent]

    def numbers(self) -> list[int]:
        """Numbers of all facts sent, in order, repeats included."""
        found = []
        for topic, payload, _ in self.sent:
            value = wire.unpack(payload)
            if topic == TOPIC[wire.Kind.FACTS] and value is not None:
                found += [fact["n"] for fact in value["facts"]]
        return found


class Bench:
    """A real store, the uplink, and a pipe; time stands still."""

    def __init__(self, path: Path) -> None:
        self.clock = ManualClock()
        self.store = Store(path, self.clock, stamp, VEHICLE, Buffer(max_mib=8))
        self.pipe = Pipe()
        self.fields: dict[str, object] = {"soc": 71.0, "plugged": "no", "locked": "yes", "booking": None, "alarms": []}
        self.asked: list[bytes] = []
        self.uplink = Uplink(
            self.pipe, self.store, self.clock, VEHICLE, lambda: self.fields, stamp, 30.0, question=self.question
        )
        self.task: asyncio.Task[None] | None = None

    def question(self) -> bytes | None:
        """None but where a test gives some."""
        return self.asked.pop(0) if self.asked else None

    async def start(self) -> None:
        self.task = asyncio.create_task(self.uplink.run())
        await self.settle()

    async def settle(self) -> None:
        """Until neither the uplink nor the store's thread has anything left to do."""
        calm, before = 0, -1
        while calm < 8:
            await self.store.read("")
            await asyncio.sleep(0)
            calm, before = (calm + 1 if len(self.pipe.sent) == before else 0), len(self.pipe.sent)

    async def advance(self, seconds: float) -> None:
        for _ in range(round(seconds)):
            await self.clock.advance(1.0)
            await self.settle()

    async def facts(self, count: int) -> None:
        await self.store.commit([Fact("plug", {"i": i}) for i in range(count)])
        await self.settle()

    async def blobs(self, count: int) -> None:
        await self.store.use_columns(["a"], [1.0], [""])
        for i in range(count * 100):
            self.store.sample(SampleRow(self.clock.now(), None, (float(i),)))
            self.clock.move(0.01)
            if i % 500 == 499:
                await self.store.commit()
        await self.store.commit()
        await self.settle()

    async def ack(self, upto: int, *ranges: tuple[int, int], stream: str = "facts") -> None:
        await self.uplink.acknowledge(wire.Ack(self.store._disk.database.streams[stream], upto, ranges))
        await self.settle()


@pytest.fixture(name="bench")
async def the_bench(tmp_path: Path) -> AsyncIterator[Bench]:
    one = Bench(tmp_path / "buffer.db")
    await one.store.open()
    yield one
    if one.task is not None:
        one.task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await one.task
    await one.uplink.close()
    await one.store.close()
