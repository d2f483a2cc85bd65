"""What arrives: acknowledged to the broker only when it is durable, never fatal, never for ever."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from agent.sync import wire
from agent.sync.downlink import MOST_BYTES, RETRIED, Downlink
from agent.sync.store import StoreBroken
from drivers.ports import Arrived
from tests.fakes.clock import ManualClock, settle

VEHICLE = "9f3c1a77e2b04d58"
SAID = b'{"v":1,"stream":"abababababababab","upto":4}'
SURROGATE = b'{"v":1,"stream":"\\ud800","upto":0}'


class Bench:
    def __init__(self) -> None:
        self.clock = ManualClock()
        self.events: asyncio.Queue[Arrived | bool] = asyncio.Queue()
        self.connected = True
        self.got: list[tuple[str, object]] = []
        self.pubacks: list[str] = []
        self.fail: Exception | None = None
        self.downlink = Downlink(
            self, self.clock, VEHICLE, acknowledge=self.ack, book=self.book, command=self.command, trust=self.trust,
            connection=lambda up: self.got.append(("connection", up)),
        )  # fmt: skip

    # the port
    async def next_event(self) -> Arrived | bool:
        return await self.events.get()

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> asyncio.Future[None]:
        raise AssertionError("the downlink publishes nothing")

    def counters(self) -> dict[str, int]:
        return {}

    async def close(self) -> None:
        pass

    # the receivers
    async def ack(self, said: wire.Ack) -> None:
        await self.take("ack", said)

    async def book(self, payload: bytes) -> None:
        await self.take("book", payload)

    async def command(self, payload: bytes) -> None:
        await self.take("command", payload)

    async def trust(self, payload: bytes) -> None:
        await self.take("trust", payload)

    async def take(self, what: str, value: object) -> None:
        await asyncio.sleep(0)
        if self.fail is not None:
            raise self.fail
        self.got.append((what, value))

    async def arrive(self, kind: wire.Kind | str, payload: bytes, name: str = "m") -> None:
        topic = wire.topic(VEHICLE, kind) if isinstance(kind, wire.Kind) else kind
        self.events.put_nowait(Arrived(topic, payload, False, lambda: self.pubacks.append(name)))
        await settle(20)


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    one = Bench()
    task = asyncio.create_task(one.downlink.run())
    yield one
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def test_each_kind_goes_to_its_receiver_and_is_acknowledged_after(bench: Bench) -> None:
    await bench.arrive(wire.Kind.ACK, SAID, "a")
    await bench.arrive(wire.Kind.BOOK, b"\xd2 token", "b")
    await bench.arrive(wire.Kind.COMMAND, b"\x82 command", "c")
    await bench.arrive(wire.Kind.TRUST, b"\x83 list", "t")
    await bench.arrive(wire.Kind.CONFIG, b"later", "x")
    assert bench.got == [
        ("ack", wire.Ack("ab" * 8, 4)),
        ("book", b"\xd2 token"),
        ("command", b"\x82 command"),
        ("trust", b"\x83 list"),
    ]
    assert bench.pubacks == ["a", "b", "c", "t", "x"]
    assert bench.downlink.counters()["reserved"] == 1


async def test_ups_and_downs_are_told(bench: Bench) -> None:
    bench.events.put_nowait(True)
    bench.events.put_nowait(False)
    await settle()
    assert bench.got == [("connection", True), ("connection", False)]


async def test_no_puback_before_it_is_durable_and_it_is_tried_again(bench: Bench) -> None:
    bench.fail = StoreBroken("disk full")
    await bench.arrive(wire.Kind.BOOK, b"token")
    assert bench.pubacks == []
    assert bench.downlink.counters()["failed"] == 1
    await bench.clock.advance(31)
    assert bench.pubacks == []
    bench.fail = None
    await bench.clock.advance(31)
    await settle(20)
    assert bench.got == [("book", b"token")]
    assert bench.pubacks == ["m"]
    await bench.clock.advance(100)
    assert bench.got == [("book", b"token")]


@pytest.mark.parametrize("bug", [KeyError("a bug"), UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates")])
async def test_a_mistake_in_a_receiver_is_counted_and_does_not_fill_the_brokers_window(
    bench: Bench, bug: Exception
) -> None:
    bench.fail = bug
    await bench.arrive(wire.Kind.COMMAND, b"x", "bad")
    await bench.arrive(wire.Kind.ACK, SAID, "bad ack")
    bench.fail = None
    await bench.arrive(wire.Kind.COMMAND, b"y", "good")
    assert bench.got == [("command", b"y")]
    assert bench.pubacks == ["bad", "bad ack", "good"]
    assert bench.downlink.counters()["mistakes"] == 2
    assert bench.downlink.counters()["waiting"] == 0


async def test_a_disk_that_refuses_a_file_means_later(bench: Bench) -> None:
    bench.fail = OSError(28, "No space left on device")
    await bench.arrive(wire.Kind.TRUST, b"list")
    assert (bench.pubacks, bench.downlink.counters()["waiting"]) == ([], 1)


async def test_a_message_of_a_lost_connection_is_forgotten_because_it_comes_again(bench: Bench) -> None:
    bench.fail = StoreBroken("no")
    await bench.arrive(wire.Kind.BOOK, b"token")
    bench.fail = None
    bench.events.put_nowait(False)
    await bench.clock.advance(40)
    assert ("book", b"token") not in bench.got


async def test_what_fails_for_ever_is_bounded(bench: Bench) -> None:
    bench.fail = StoreBroken("no")
    for number in range(RETRIED + 10):
        await bench.arrive(wire.Kind.BOOK, b"%d" % number)
    assert bench.downlink.counters()["waiting"] == RETRIED
    assert bench.pubacks == []


@pytest.mark.parametrize("payload", [b"", b"{", b"\x78\x9c", b"[]", b'{"v":1}', b"\xff" * 100, SURROGATE])
async def test_a_malformed_acknowledgement_is_counted_and_never_comes_back(bench: Bench, payload: bytes) -> None:
    await bench.arrive(wire.Kind.ACK, payload)
    assert bench.got == []
    assert bench.pubacks == ["m"]
    assert bench.downlink.counters()["malformed"] == 1


async def test_an_acknowledgement_that_cannot_be_stored_is_forgotten_because_it_is_said_again(bench: Bench) -> None:
    bench.fail = StoreBroken("no")
    await bench.arrive(wire.Kind.ACK, SAID)
    assert bench.pubacks == ["m"]


@pytest.mark.parametrize("topic", ["", "boitier/v1/0000000000000000/down/book", "boitier/v2/x", "$SYS/x"])
async def test_a_foreign_topic_is_counted_and_never_comes_back(bench: Bench, topic: str) -> None:
    await bench.arrive(topic, b"x")
    assert bench.pubacks == ["m"]
    assert bench.downlink.counters()["foreign"] == 1


async def test_a_payload_beyond_reason_is_not_handed_on(bench: Bench) -> None:
    await bench.arrive(wire.Kind.BOOK, b"x" * (MOST_BYTES + 1))
    assert (bench.got, bench.pubacks) == ([], ["m"])


async def test_every_down_topic_is_subscribed_by_its_exact_name(bench: Bench) -> None:
    ends = ("ack", "book", "cmd", "trust", "config")
    assert Downlink.topics(VEHICLE) == tuple(f"boitier/v1/{VEHICLE}/down/{end}" for end in ends)
