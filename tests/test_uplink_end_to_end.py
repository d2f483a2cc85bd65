"""From the disk to the backend over real sockets: brokers that lie, die, drop and refuse, and nothing is lost."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from agent.sync import wire
from agent.sync.downlink import Downlink
from agent.sync.store import Fact, Store
from agent.sync.uplink import Uplink
from config.settings import Buffer
from drivers.errors import DeviceGone
from drivers.mqtt.session import Session
from tests import fake_broker as fake
from tests.brokers import mosquitto
from tests.fakes.clock import ManualClock
from tests.golden_payloads import ack
from tests.uplink_bench import TOPIC, VEHICLE, stamp

# --- end to end over real sockets ------------------------------------------------------------------------------------


class Receiver:
    """A backend as small as the contract allows: it stores, and only then acknowledges."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.held: dict[str, set[int]] = {}
        self.deaf = 0

    async def run(self) -> None:
        while True:
            event = await self.session.next_event()
            if isinstance(event, bool):
                continue
            event.acknowledge()
            if self.deaf:
                self.deaf -= 1  # as a broker that takes and drops
                continue
            value = wire.unpack(event.payload)
            assert value is not None
            numbers = [fact["n"] for fact in value["facts"]] if "facts" in value else [value["n"]]
            held = self.held.setdefault(value["stream"], set())
            held.update(numbers)
            upto = next(n for n in range(len(held) + 1) if n + 1 not in held)
            with contextlib.suppress(DeviceGone):
                await self.session.publish(TOPIC[wire.Kind.ACK], ack(wire.Ack(value["stream"], upto)))


class Quick(ManualClock):
    """Real sleeping, a hundred times faster, so that half a minute of patience passes in a test."""

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds / 100)
        self.move(seconds)


async def nothing(payload: bytes) -> None:
    return


Tls = tuple[str, str, str]


@contextlib.asynccontextmanager
async def car(path: Path, broker: str, tls: Tls) -> AsyncIterator[tuple[Store, Session]]:
    """Store, session, uplink and downlink as the agent wires them."""
    clock = Quick()
    store = Store(path, clock, stamp, VEHICLE, Buffer(max_mib=8))
    await store.open()
    session = Session(
        (broker,), *tls, VEHICLE, TOPIC[wire.Kind.STATE], wire.will(VEHICLE), Downlink.topics(VEHICLE), 5, VEHICLE,
        backoff_s=(0.02, 0.1), stall_s=1.0, establish_s=2.0,
    )  # fmt: skip
    uplink = Uplink(session, store, clock, VEHICLE, dict, stamp, 30.0)
    downlink = Downlink(
        session, clock, VEHICLE,
        acknowledge=uplink.acknowledge, book=nothing, command=nothing, trust=nothing, connection=uplink.connection,
    )  # fmt: skip
    tasks = [asyncio.create_task(service.run()) for service in (store, uplink, downlink)]
    try:
        yield store, session
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await uplink.close()
        await session.close()
        await store.close()


async def drained(store: Store) -> None:
    async with asyncio.timeout(60):
        while (await store.pending()).facts:
            await asyncio.sleep(0.01)


async def test_nothing_is_lost_through_a_real_broker_that_dies_and_a_backend_that_drops(tmp_path: Path) -> None:
    async with mosquitto(tmp_path, VEHICLE) as broker:
        topics = TOPIC[wire.Kind.FACTS], TOPIC[wire.Kind.SAMPLES]
        backend = Session(
            (broker.address,), *broker.files("backend"), "backend", "boitier/v1/backend", b"-", topics, 5, "b",
            backoff_s=(0.02, 0.1),
        )  # fmt: skip
        receiver = Receiver(backend)
        task = asyncio.create_task(receiver.run())
        async with car(tmp_path / "state" / "buffer.db", broker.address, broker.files(VEHICLE)) as (store, _):
            for step in range(6):
                await store.commit([Fact("plug", {"i": i}) for i in range(30)])
                if step == 2:
                    receiver.deaf = 2
                if step == 4:
                    broker.kill()
                    await store.commit([Fact("plug", {"i": i}) for i in range(30)])
                    await broker.start()
                await asyncio.sleep(0.05)
            await drained(store)
            stream, _ = await store.next_facts(0, 1)
        assert receiver.held[stream] == set(range(1, 211))
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        await backend.close()


@pytest.mark.parametrize("habit", ["drops everything", "never acknowledges", "closes in the middle", "refuses"])
async def test_nothing_is_lost_with_a_broker_that(habit: str, tmp_path: Path) -> None:
    async with fake.fake_broker() as broker:
        match habit:
            case "never acknowledges":
                broker.habits.puback = False
            case "closes in the middle":
                broker.habits.close_after = 2
            case "refuses":
                broker.habits.connack = 5
        async with car(tmp_path / "buffer.db", broker.address, ("", "", "")) as (store, _):
            await store.commit([Fact("plug", {"i": i}) for i in range(120)])
            if habit == "drops everything":
                link = await broker.link()
                await link.until(fake.PUBLISH, 8)  # and again, after the first patience
            else:
                await broker.link(3)
            assert (await store.pending()).facts == 120
            assert (await store.next_facts(0, 1 << 20, 500))[1][0].n == 1
            broker.habits = fake.Habits()
            answer(broker)
            await drained(store)
        numbers = {n for packet in broker.published() for n in fact_numbers(packet)}
        assert numbers == set(range(1, 121))


def fact_numbers(packet: fake.Packet) -> list[int]:
    value = wire.unpack(packet.payload) or {}
    return [fact["n"] for fact in value.get("facts", [])] if packet.topic == TOPIC[wire.Kind.FACTS] else []


def answer(broker: fake.FakeBroker) -> None:
    """From here on the broker is also the backend: it acknowledges what it stored."""
    plain: Callable[[fake.Link, fake.Packet], None] = broker.answer
    held: set[int] = set()

    def both(link: fake.Link, packet: fake.Packet) -> None:
        plain(link, packet)
        if packet.kind == fake.PUBLISH and fact_numbers(packet):
            held.update(fact_numbers(packet))
            upto = next(n for n in range(len(held) + 1) if n + 1 not in held)
            stream = (wire.unpack(packet.payload) or {})["stream"]
            link.publish(TOPIC[wire.Kind.ACK], ack(wire.Ack(stream, upto)), 1 + len(link.seen))

    broker.answer = both  # type: ignore[method-assign]
