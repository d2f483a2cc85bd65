"""What is sent when, and that nothing is lost: brokers that lie or die, a backend that is away or restored."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from agent.run.store import Fact, SampleRow, Store
from agent.sync import samples, wire
from agent.sync.downlink import Downlink
from agent.sync.lane import AWAITED, Lane
from agent.sync.uplink import WINDOW, Uplink
from config.settings import Buffer
from drivers.errors import DeviceGone
from drivers.mqtt.session import Session
from drivers.ports import Arrived, Instant
from tests import fake_broker as fake
from tests.brokers import mosquitto
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
        self.uplink = Uplink(self.pipe, self.store, self.clock, VEHICLE, lambda: self.fields, stamp, 30.0)
        self.task: asyncio.Task[None] | None = None

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


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    one = Bench(tmp_path / "buffer.db")
    await one.store.open()
    yield one
    if one.task is not None:
        one.task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await one.task
    await one.uplink.close()
    await one.store.close()


# --- order and window ------------------------------------------------------------------------------------------------


async def test_facts_first_then_the_newest_state_then_samples(bench: Bench) -> None:
    await bench.blobs(2)
    await bench.facts(60)
    await bench.start()
    assert bench.pipe.topics() == ["facts", "facts", "state", "samples", "samples"]
    assert bench.pipe.numbers() == list(range(1, 62))  # the columns fact and 60 more, at most 50 a message


async def test_at_most_eight_messages_are_on_their_way_and_a_puback_frees_one(bench: Bench) -> None:
    await bench.blobs(20)
    bench.pipe.prompt = False
    await bench.start()
    assert len(bench.pipe.sent) == WINDOW == 8
    bench.pipe.due.popleft().set_result(None)
    await bench.settle()
    assert len(bench.pipe.sent) == 9


async def test_batches_are_bounded_by_32_kib(bench: Bench) -> None:
    await bench.store.commit([Fact("refused", {"detail": "x" * 10_000}) for _ in range(10)])
    await bench.start()
    plain = [json.loads(wire.text(wire.unpack(payload))) for topic, payload, _ in bench.pipe.sent if "facts" in topic]
    assert [len(one["facts"]) for one in plain] == [3, 3, 3, 1]


async def test_samples_go_out_byte_identical_each_time(bench: Bench) -> None:
    await bench.blobs(1)
    await bench.start()
    await bench.advance(40)
    sent = [payload for topic, payload, _ in bench.pipe.sent if topic == TOPIC[wire.Kind.SAMPLES]]
    assert len(sent) == 2
    assert sent[0] == sent[1]
    assert samples.unseal(sent[0]) is not None


# --- until the backend has it ----------------------------------------------------------------------------------------


async def test_d10_a_puback_is_no_delivery_and_rows_are_sent_again_until_acknowledged(bench: Bench) -> None:
    """The lying broker: it acknowledges everything and delivers nothing."""
    await bench.facts(3)
    await bench.start()
    assert bench.pipe.numbers() == [1, 2, 3]
    await bench.advance(20)
    assert bench.pipe.numbers() == [1, 2, 3]
    await bench.advance(20)  # 30 s, give or take a fifth
    assert bench.pipe.numbers() == [1, 2, 3] * 2
    await bench.advance(40)
    assert bench.pipe.numbers() == [1, 2, 3] * 2  # now a minute
    await bench.advance(35)
    assert bench.pipe.numbers() == [1, 2, 3] * 3
    await bench.ack(3)
    await bench.advance(100)
    assert bench.pipe.numbers() == [1, 2, 3] * 3
    assert (await bench.store.pending()).facts == 0


async def test_only_what_is_missing_is_sent_again(bench: Bench) -> None:
    await bench.facts(6)
    await bench.start()
    await bench.ack(2, (5, 6))
    await bench.advance(40)
    assert bench.pipe.numbers() == [1, 2, 3, 4, 5, 6, 3, 4]


async def test_progress_starts_the_patience_anew(bench: Bench) -> None:
    await bench.facts(4)
    await bench.start()
    for upto in (1, 2, 3):
        await bench.advance(20)
        await bench.ack(upto)
    assert bench.pipe.numbers() == [1, 2, 3, 4]


async def test_every_reconnect_sends_again_what_is_open_and_the_state_at_once(bench: Bench) -> None:
    await bench.facts(2)
    await bench.start()
    await bench.ack(1)
    bench.pipe.connected = False
    bench.uplink.connection(False)
    await bench.facts(1)
    assert bench.pipe.topics() == ["facts", "state"]
    bench.pipe.connected = True
    bench.uplink.connection(True)
    await bench.settle()
    assert bench.pipe.topics() == ["facts", "state", "facts", "state"]
    assert bench.pipe.numbers() == [1, 2, 2, 3]


async def test_d10_a_backend_restored_from_yesterday_gets_it_all_again(bench: Bench) -> None:
    await bench.facts(5)
    await bench.start()
    await bench.ack(5)
    await bench.ack(1)
    assert bench.pipe.numbers() == [1, 2, 3, 4, 5, 2, 3, 4, 5]


async def test_a_connection_lost_with_messages_on_their_way_loses_nothing(bench: Bench) -> None:
    bench.pipe.prompt = False
    await bench.facts(2)
    await bench.start()
    bench.pipe.connected = False
    while bench.pipe.due:
        bench.pipe.due.popleft().set_exception(DeviceGone("lost", may_have_happened=True))
    bench.uplink.connection(False)
    await bench.settle()
    bench.pipe.connected = bench.pipe.prompt = True
    bench.uplink.connection(True)
    await bench.settle()
    assert bench.pipe.numbers() == [1, 2, 1, 2]
    assert bench.pipe.topics()[-1] == "state"


async def test_publishing_that_fails_at_once_is_no_busy_loop(bench: Bench) -> None:
    def refuse(topic: str, payload: bytes, *, retain: bool = False) -> Awaitable[None]:
        bench.pipe.sent.append((topic, payload, retain))
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        future.set_exception(DeviceGone("no"))
        return future

    bench.pipe.publish = refuse  # type: ignore[method-assign]
    await bench.facts(1)
    await bench.start()
    await bench.advance(10)
    assert 5 < len(bench.pipe.sent) < 50


async def test_a_backend_that_is_away_does_not_cost_the_whole_backlog_again_and_again(bench: Bench) -> None:
    await bench.blobs(AWAITED + 20)
    await bench.start()
    assert bench.pipe.topics().count("samples") == AWAITED
    await bench.ack(10, stream="samples")
    assert bench.pipe.topics().count("samples") == AWAITED + 10


async def test_a_new_stream_after_a_broken_database_is_sent_from_its_first_number(bench: Bench, tmp_path: Path) -> None:
    await bench.facts(3)
    await bench.start()
    (tmp_path / "buffer.db").unlink()
    await bench.facts(1)
    assert bench.pipe.numbers() == [1, 2, 3, 1, 2, 3]  # boot, alarm and the fact, in the new stream
    streams = {json.loads(wire.text(wire.unpack(p)))["stream"] for t, p, _ in bench.pipe.sent if "facts" in t}
    assert len(streams) == 2


async def test_nothing_is_sent_that_is_not_committed(bench: Bench) -> None:
    await bench.store.use_columns(["a"], [1.0], [""])
    await bench.start()
    bench.store.sample(SampleRow(bench.clock.now(), None, (1.0,)))
    await bench.advance(5)
    assert "samples" not in bench.pipe.topics()


# --- state and results -----------------------------------------------------------------------------------------------


async def states(bench: Bench) -> list[dict[str, object]]:
    found = [wire.unpack(payload) for topic, payload, retain in bench.pipe.sent if topic == TOPIC[wire.Kind.STATE]]
    return [one for one in found if one is not None]


async def test_state_is_retained_periodic_and_prompt_on_change(bench: Bench) -> None:
    await bench.facts(2)
    await bench.start()
    bench.fields["soc"] = 70.5  # waits for its turn
    await bench.advance(10)
    assert len(await states(bench)) == 1
    bench.fields["locked"] = "no"
    await bench.advance(1)
    assert [one["locked"] for one in await states(bench)] == ["yes", "no"]
    await bench.advance(31)
    sent = await states(bench)
    assert len(sent) == 3
    assert sent[0]["online"] is True
    assert sent[0]["pending"] == {"facts": 2, "samples": 0}
    assert (sent[0]["facts"], sent[0]["samples"]) == (2, 0)
    assert all(retain for topic, _, retain in bench.pipe.sent if topic == TOPIC[wire.Kind.STATE])


async def test_a_result_is_not_retained_and_comes_again_when_its_connection_was_lost(bench: Bench) -> None:
    await bench.start()
    bench.pipe.prompt = False
    bench.uplink.result("00" * 16, "done", "read back", 7)
    await bench.settle()
    bench.pipe.due.popleft().set_exception(DeviceGone("lost"))
    bench.pipe.prompt = True
    await bench.advance(2)
    sent = [(wire.unpack(p), r) for t, p, r in bench.pipe.sent if t == TOPIC[wire.Kind.RESULT]]
    assert len(sent) == 2
    assert sent[0] == sent[1]
    assert sent[0][1] is False
    assert sent[0][0] is not None
    assert sent[0][0]["result"] == {"code": "done", "why": "read back"}


# --- the lane, pure --------------------------------------------------------------------------------------------------


def test_patience_doubles_to_ten_minutes_with_jitter() -> None:
    lane, now, waits = Lane(random.Random("x")), 0, []
    for _ in range(8):
        lane.sent(1, now)
        waits.append((lane.resend_at_ns - now) / 1e9)
        now = lane.resend_at_ns
        assert lane.overdue(now)
    for wait, nominal in zip(waits, (30, 60, 120, 240, 480, 600, 600, 600), strict=True):
        assert 0.8 * nominal <= wait <= 1.2 * nominal
    assert len({round(wait / nominal, 3) for wait, nominal in zip(waits[5:], (600,) * 3, strict=True)}) == 3


def test_patience_runs_only_while_something_is_awaited() -> None:
    lane = Lane(random.Random("x"))
    assert not lane.overdue(10**18)
    lane.sent(5, 0)
    lane.acknowledged(5, 1)
    assert not lane.overdue(10**18)


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
                await self.session.publish(TOPIC[wire.Kind.ACK], wire.ack(wire.Ack(value["stream"], upto)))


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
            link.publish(TOPIC[wire.Kind.ACK], wire.ack(wire.Ack(stream, upto)), 1 + len(link.seen))

    broker.answer = both  # type: ignore[method-assign]
