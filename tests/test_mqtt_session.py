"""The pipe to the broker against a broker of bytes that misbehaves as told, and against a real mosquitto with TLS.

Each trap is one that was reproduced with paho 2.2: a dead thread that says it is connected, a stop that hangs, a
backlog that is sent again by itself, an exception that ends everything.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import subprocess
import sys
import threading

import pytest

from drivers.errors import DeviceGone
from drivers.mqtt.connection import MOST_WAITING
from drivers.mqtt.session import backoff
from tests import fake_broker as fake
from tests.fake_broker import FakeBroker
from tests.session_bench import (  # noqa: F401 (fixtures)
    DOWN,
    STATE,
    UP,
    Make,
    event,
    lost,
    message,
    the_broker,
    the_make,
    up,
)

# --- what it says ----------------------------------------------------------------------------------------------------


async def test_d6_connect_is_3_1_1_with_a_lasting_session_and_a_retained_will(broker: FakeBroker, make: Make) -> None:
    session = make(broker.address)
    await up(session)
    link = await broker.link()
    body = link.of(fake.CONNECT)[0].body
    assert body[:7] == b"\x00\x04MQTT\x04"
    assert body[7] == 0b0010_1100  # will retained, will at QoS 1, no clean session
    assert int.from_bytes(body[8:10], "big") == 5
    assert fake.subscribed(link.of(fake.SUBSCRIBE)[0].body) == [DOWN]
    assert session.connected


async def test_publish_ends_with_the_puback_and_not_before(broker: FakeBroker, make: Make) -> None:
    broker.habits.puback = False
    session = make(broker.address, stall_s=20.0)
    await up(session)
    future = asyncio.ensure_future(session.publish(UP, b"one", retain=True))
    link = await broker.link()
    (packet,) = await link.until(fake.PUBLISH)
    assert (packet.topic, packet.payload, packet.flags) == (UP, b"one", 0b0011)
    assert not future.done()
    link.send(b"\x40\x02" + packet.number.to_bytes(2, "big"))
    await asyncio.wait_for(future, 20)
    assert session.counters()["pubacks"] == 1


async def test_nothing_is_published_without_a_connection_and_nothing_is_queued(broker: FakeBroker, make: Make) -> None:
    session = make(broker.address)
    error = await lost(session.publish(UP, b"early"))
    assert isinstance(error, DeviceGone)
    assert not error.may_have_happened
    await up(session)
    await session.publish(UP, b"late")
    assert [packet.payload for packet in broker.published()] == [b"late"]


def test_paho_is_not_imported_before_the_first_connection() -> None:
    code = (
        "import sys; from drivers.mqtt.session import Session;"
        "Session(['h:1'], '', '', '', 'c', 't', b'', [], 30, 's');"
        "print([m for m in sys.modules if m.split('.')[0] == 'paho'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


async def test_more_than_the_broker_may_have_is_refused_and_not_queued(broker: FakeBroker, make: Make) -> None:
    broker.habits.puback = False
    session = make(broker.address, stall_s=20.0)
    await up(session)
    futures = [session.publish(UP, b"%d" % i) for i in range(25)]
    assert "too many" in str(await lost(futures[-1]))
    link = await broker.link()
    assert len(await link.until(fake.PUBLISH, 20)) == 20


# --- what it is told -------------------------------------------------------------------------------------------------


async def test_a_message_is_acknowledged_only_when_its_receiver_says_so(broker: FakeBroker, make: Make) -> None:
    session = make(broker.address)
    await up(session)
    link = await broker.link()
    link.publish(DOWN, b"word", 77)
    arrived = await message(session)
    assert (arrived.topic, arrived.payload, arrived.retained) == (DOWN, b"word", False)
    await session.publish(UP, b"x")
    assert link.of(fake.PUBACK) == []
    arrived.acknowledge()
    (puback,) = await link.until(fake.PUBACK)
    assert puback.number == 77


async def test_an_acknowledgement_for_a_lost_connection_goes_nowhere(broker: FakeBroker, make: Make) -> None:
    session = make(broker.address)
    await up(session)
    link = await broker.link()
    link.publish(DOWN, b"word", 77)
    arrived = await message(session)
    link.cut()
    await up(session)
    arrived.acknowledge()
    await session.publish(UP, b"x")
    assert (await broker.link(2)).of(fake.PUBACK) == []


async def test_a_topic_that_is_no_text_does_not_end_the_thread(broker: FakeBroker, make: Make) -> None:
    session = make(broker.address)
    await up(session)
    link = await broker.link()
    link.publish("boitier/\udcff\udcfe", b"?", 5)
    arrived = await message(session)
    assert arrived.topic == ""
    arrived.acknowledge()
    await link.until(fake.PUBACK)
    await session.publish(UP, b"still there")


async def test_a_flood_is_held_back_at_the_socket_and_read_in_order(broker: FakeBroker, make: Make) -> None:
    """mosquitto 2.0.11 itself lets far more than its 20 messages be outstanding while we publish."""
    session = make(broker.address)
    await up(session)
    link = await broker.link()
    for number in range(1, 1001):
        link.publish(DOWN, b"%d" % number, number)
    for number in range(1, 1001):
        arrived = await message(session)
        assert arrived.payload == b"%d" % number
        assert session.counters()["arrived"] <= number + MOST_WAITING
        arrived.acknowledge()
    await link.until(fake.PUBACK, 1000)
    assert session.counters()["losses"] == 0


async def test_closing_is_bounded_while_a_flood_waits(broker: FakeBroker, make: Make) -> None:
    session = make(broker.address)
    await up(session)
    link = await broker.link()
    for number in range(1, 1001):
        link.publish(DOWN, b"x", number)
    while session.counters()["arrived"] < MOST_WAITING:
        await asyncio.sleep(0.01)
    await asyncio.wait_for(session.close(), 10)
    assert session.counters()["stuck_threads"] == 0


# --- the thread and the end ------------------------------------------------------------------------------------------


async def test_an_exception_on_the_network_thread_is_a_lost_connection_and_not_a_zombie(
    broker: FakeBroker, make: Make
) -> None:
    session = make(broker.address)
    await up(session)
    connection = session._connection
    assert connection is not None
    connection._client._packet_handle = lambda: 1 / 0  # type: ignore[method-assign, assignment, return-value]
    (await broker.link()).publish(DOWN, b"x", 1)
    assert await event(session) is False
    assert "ZeroDivisionError" in session.trouble
    await up(session)


async def test_a_mistake_in_a_callback_does_not_end_the_connection(broker: FakeBroker, make: Make) -> None:
    session = make(broker.address)
    await up(session)
    connection = session._connection
    assert connection is not None
    connection._client.on_message = lambda *_: 1 / 0
    (await broker.link()).publish(DOWN, b"x", 1)
    await session.publish(UP, b"still there")
    assert session.connected


async def test_trap_8_closing_is_bounded_while_a_message_is_unacknowledged(broker: FakeBroker, make: Make) -> None:
    broker.habits.puback = False
    session = make(broker.address, stall_s=60.0)
    await up(session)
    future = asyncio.ensure_future(session.publish(UP, b"x"))
    await asyncio.wait_for(session.close(), 10)
    await lost(future)
    assert not [one for one in threading.enumerate() if "paho" in one.name]


async def test_closing_is_bounded_while_the_broker_takes_no_bytes(make: Make) -> None:
    async def deaf(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"\x20\x02\x00\x00")
        reader._transport.pause_reading()  # type: ignore[attr-defined]
        gate.set()
        await stop.wait()
        writer.close()

    gate, stop = asyncio.Event(), asyncio.Event()
    server = await asyncio.start_server(deaf, "127.0.0.1", 0)
    session = make(f"127.0.0.1:{server.sockets[0].getsockname()[1]}", subscriptions=(), stall_s=60.0)
    await up(session)
    await gate.wait()
    futures = [session.publish(UP, b"x" * 2_000_000) for _ in range(8)]
    await asyncio.wait_for(session.close(), 10)
    for future in futures:
        await lost(future)
    stop.set()
    server.close()
    await server.wait_closed()


async def test_closing_says_the_wills_words_itself_and_disconnects(broker: FakeBroker, make: Make) -> None:
    session = make(broker.address)
    await up(session)
    await session.close()
    await session.close()
    link = await broker.link()
    await link.until(fake.DISCONNECT)
    last = link.of(fake.PUBLISH)[-1]
    assert (last.topic, last.payload, last.flags & 1) == (STATE, b"gone", 1)
    assert await event(session) is False
    with pytest.raises(DeviceGone):
        await event(session)


async def test_closing_before_anything_was_opened(make: Make) -> None:
    await make("127.0.0.1:1").close()


def test_back_off_has_full_jitter_doubles_to_a_minute_and_differs_by_vehicle() -> None:
    waits = list(itertools.islice(backoff(random.Random("a"), 1.0, 60.0), 5000))
    for number, limit in enumerate((1, 2, 4, 8, 16, 32, 60, 60)):
        assert 0 <= waits[number] <= limit
    assert max(waits) > 55
    assert min(waits[10:]) < 5
    assert waits == list(itertools.islice(backoff(random.Random("a"), 1.0, 60.0), 5000))
    assert waits[:3] != list(itertools.islice(backoff(random.Random("b"), 1.0, 60.0), 3))
