"""Brokers that misbehave byte by byte: none may end the session, hang it, or make it send what it was not told to."""

from __future__ import annotations

import asyncio
import contextlib
import random
from pathlib import Path

import pytest

from drivers.errors import DeviceError, DeviceGone
from tests import fake_broker as fake
from tests.fake_broker import FakeBroker
from tests.session_bench import (  # noqa: F401 (fixtures)
    DOWN,
    UP,
    Make,
    alive,
    event,
    lost,
    message,
    the_broker,
    the_make,
    up,
)

# --- a broker that misbehaves ----------------------------------------------------------------------------------------


async def test_a_broker_that_never_acknowledges_is_given_up_and_its_publishes_fail(
    broker: FakeBroker, make: Make
) -> None:
    broker.habits.puback = False  # it answers pings all the while, so the connection itself looks well
    session = make(broker.address)
    await up(session)
    error = await lost(session.publish(UP, b"x"))
    assert error.may_have_happened
    assert error.retryable
    assert "does not acknowledge" in session.trouble
    broker.habits.puback = True
    await up(session)
    await session.publish(UP, b"y")
    assert [packet.payload for packet in broker.published()] == [b"x", b"y"]  # paho sent nothing again by itself


async def test_a_connection_closed_in_the_middle_fails_what_was_on_its_way(broker: FakeBroker, make: Make) -> None:
    broker.habits.close_after = 3
    session = make(broker.address)
    await up(session)
    done = await asyncio.gather(*(session.publish(UP, b"%d" % i) for i in range(8)), return_exceptions=True)
    assert done[:2] == [None, None]
    assert all(isinstance(one, DeviceGone) and one.may_have_happened for one in done[2:])
    assert await event(session) is False
    assert not session.connected or session.counters()["connects"] == 2
    await up(session)
    assert (await broker.link(2)).of(fake.PUBLISH) == []  # a new client, with no backlog of its own


@pytest.mark.parametrize("code", [1, 2, 3, 4, 5, 9])
async def test_a_refused_connect_is_counted_and_tried_again(broker: FakeBroker, make: Make, code: int) -> None:
    broker.habits.connack = code
    session = make(broker.address)
    session.open()
    await broker.link(2)
    assert not session.connected
    assert session.trouble
    broker.habits.connack = 0
    await up(session)
    protocols = {link.of(fake.CONNECT)[0].body[:7] for link in broker.links if link.seen}
    assert protocols == {b"\x00\x04MQTT\x04"}  # never talked down to an older protocol


@pytest.mark.parametrize("silent", ["connack", "suback"])
async def test_a_broker_that_does_not_answer_is_given_up(broker: FakeBroker, make: Make, silent: str) -> None:
    setattr(broker.habits, silent, None)
    session = make(broker.address)
    session.open()
    await broker.link(2)
    assert "no answer" in session.trouble
    setattr(broker.habits, silent, 0)
    await up(session)


async def test_an_acl_that_refuses_our_subscription_is_counted_and_shown(broker: FakeBroker, make: Make) -> None:
    broker.habits.suback = 0x80
    session = make(broker.address)
    await up(session)
    assert session.counters()["subscriptions_refused"] == 1
    assert "1 subscriptions refused" in session.trouble


async def test_a_half_open_link_is_noticed_by_its_silence(broker: FakeBroker, make: Make) -> None:
    broker.habits.pong = False
    session = make(broker.address, keepalive_s=1)
    await up(session)
    assert await event(session) is False


async def test_a_huge_message_is_refused_by_its_header_and_each_time_waited_for_longer(
    broker: FakeBroker, make: Make
) -> None:
    session = make(broker.address, backoff_s=(0.02, 10.0))
    session._rng.uniform = lambda a, b: b  # type: ignore[method-assign]
    await up(session)
    header = bytes([0x32]) + fake.length(200 << 20)
    for number in range(1, 6):
        link = await broker.link(number)
        await link.until(fake.SUBSCRIBE)
        session._steady = True  # however long it had held
        link.send(header + b"\0\1x\0\1")  # and 200 MiB would follow
        began = asyncio.get_running_loop().time()
        await link.ended()
        assert session.trouble == "" or "209715200 bytes" in session.trouble
        await broker.link(number + 1)
        waited = asyncio.get_running_loop().time() - began
    assert waited > 0.25  # 0.02, 0.04, 0.08, 0.16, 0.32
    assert session.counters()["oversize"] == 5
    await alive(session)


async def test_a_message_with_qos_2_is_refused_by_its_header(broker: FakeBroker, make: Make) -> None:
    """paho would keep each until the broker releases it: 65535 of them."""
    session = make(broker.address, backoff_s=(5.0, 5.0))
    await up(session)
    (await broker.link()).send(bytes([0x34]) + fake.length(9) + b"\0\1x\0\1abcd")
    assert await event(session) is False
    assert "QoS 2" in session.trouble


async def test_a_payload_beyond_64_kib_does_not_wait_in_memory_and_is_acknowledged(
    broker: FakeBroker, make: Make
) -> None:
    session = make(broker.address)
    await up(session)
    link = await broker.link()
    link.publish(DOWN, b"x" * (64 * 1024 + 1), 7)
    link.publish(DOWN, b"x" * (64 * 1024), 8)
    arrived = await message(session)
    assert (arrived.topic, arrived.payload) == ("", b"")
    arrived.acknowledge()
    await link.until(fake.PUBACK)
    assert len((await message(session)).payload) == 64 * 1024
    assert session.counters()["oversize"] == 1


async def test_brokers_take_turns(broker: FakeBroker, make: Make) -> None:
    async with fake.fake_broker() as other:
        broker.habits.connack = 5
        session = make(broker.address, "127.0.0.1:1", other.address)
        await up(session)
        assert len(broker.links) == len(other.links) == 1
        (await other.link()).cut()
        await broker.link(2)  # the next in the list, and around again
        await other.link(2)


async def test_addresses_and_files_that_cannot_be_used_never_end_the_session(
    broker: FakeBroker, make: Make, tmp_path: Path
) -> None:
    bad = ("no-port", "host:port", "." * 300 + ":1883", "example.invalid:8883", "127.0.0.1:0", broker.address)
    session = make(*bad)
    await up(session)
    assert session.counters()["connects"] == len(bad)
    missing = make(broker.address, tls=(str(tmp_path / "ca"), str(tmp_path / "c"), str(tmp_path / "k")))
    missing.open()
    while missing.counters()["connects"] < 2:
        await asyncio.sleep(0.01)
    assert "No such file" in missing.trouble


async def test_without_certificates_no_other_machine_is_spoken_to(make: Make) -> None:
    session = make("192.0.2.1:1883")
    session.open()
    while not session.trouble:
        await asyncio.sleep(0.01)
    assert "only a broker on this machine" in session.trouble


async def test_public_packet_cases_do_not_crash_it(broker: FakeBroker, make: Make, shared: Path) -> None:
    """Every client case of mosquitto's own suite, sent by the broker: no dead thread, and it works afterwards."""
    lines = (shared / "data" / "mqtt" / "mosquitto-lib-expanded.tsv").read_text().split("\n")[1:]
    cases = [line.split("\t") for line in lines if line.split("\t")[3:4] == ["4"]]
    assert len(cases) > 100
    session = make(broker.address, backoff_s=(0.001, 0.002))
    await up(session)
    for case in cases:
        while not session.connected:
            await up(session)
        link = broker.links[-1]
        for step in case[-1].split():
            if step.startswith("send:"):
                link.send(bytes.fromhex(step.removeprefix("send:")))
        with contextlib.suppress(DeviceError):
            await asyncio.wait_for(session.publish(UP, b"alive"), 20)
    await alive(session)
    assert session.counters()["stuck_threads"] == session.counters()["mistakes"] == 0


async def test_random_bytes_from_the_broker_do_not_crash_it(broker: FakeBroker, make: Make) -> None:
    rng = random.Random(61)
    session = make(broker.address, backoff_s=(0.001, 0.002), stall_s=0.1)
    await up(session)
    for _ in range(40):
        while not session.connected:
            await up(session)
        broker.links[-1].send(rng.randbytes(rng.randrange(1, 40)))
        with contextlib.suppress(DeviceError):
            await asyncio.wait_for(session.publish(UP, b"alive"), 20)
    await alive(session)
    assert session.counters()["stuck_threads"] == session.counters()["mistakes"] == 0
