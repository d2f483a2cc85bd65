"""The reference backend on loopback: a real broker with TLS and rules, and a receiver that stores everything once."""

from __future__ import annotations

import asyncio
import gc
import json
import socket
import zlib
from pathlib import Path

from hil import tokens
from hil.backend import payload
from hil.backend.ca import Authority
from hil.backend.desk import Desk
from hil.backend.pipe import Address, Courier
from hil.backend.receiver import Receiver, ReceiverProcess
from hil.link import Link
from tests.hil_backend import (
    BOOT,
    STREAM,
    VEHICLE,
    BareVehicle,
    address,
    connected,
    fact,
    facts,
    rows,
    running_broker,
    until,
)


async def test_d3_d10_duplicates_gaps_and_disorder_are_stored_once_and_acknowledged_right(tmp_path: Path) -> None:
    database = tmp_path / "held.sqlite"
    async with (
        running_broker(tmp_path) as broker,
        connected(Receiver(address(broker, "receiver"), database)),
        connected(BareVehicle(address(broker, VEHICLE))) as car,
    ):
        await car.send("facts", facts(fact(2), fact(1)))
        await car.send("facts", facts(fact(2), fact(5)))
        await car.send("facts", facts(fact(5), fact(7), {**fact(8), "at": None}))
        await until(lambda: (car.ack() or {}).get("ranges") == [[5, 5], [7, 8]])
        assert car.ack() == {"v": 1, "stream": STREAM, "upto": 2, "ranges": [[5, 5], [7, 8]], "poison": [8]}
        await car.send("facts", facts(fact(6), fact(3), fact(4)))
        await until(lambda: (car.ack() or {}).get("upto") == 8)
    assert [n for (n,) in rows(database, "SELECT n FROM facts ORDER BY n")] == [1, 2, 3, 4, 5, 6, 7]
    assert dict(rows(database, "SELECT name, value FROM counters")) == {"facts": 7, "duplicates": 2, "poison": 1}


async def test_d11_dropped_numbers_count_as_received(tmp_path: Path) -> None:
    database = tmp_path / "held.sqlite"
    samples = "00000000000000cc"
    async with (
        running_broker(tmp_path) as broker,
        connected(Receiver(address(broker, "receiver"), database)),
        connected(BareVehicle(address(broker, VEHICLE))) as car,
    ):
        blob = {"v": 1, "vehicle": VEHICLE, "stream": samples, "n": 4, "columns": 1, "booking": None, "boot": BOOT}
        blob |= {"at": 1, "wall": None, "source": "none", "t": [0], "c": []}
        sealed = zlib.compress(json.dumps(blob).encode())
        await car.send("samples", sealed)
        await until(lambda: car.ack(samples))
        assert car.ack(samples) == {"v": 1, "stream": samples, "upto": 0, "ranges": [[4, 4]], "poison": []}
        await car.send("facts", facts(fact(1, "dropped", stream="samples", why="aged", **{"from": 1, "to": 3})))
        await until(lambda: (car.ack(samples) or {}).get("upto") == 4)
        await car.send("facts", facts(fact(4), fact(5, "dropped", stream="facts", why="aged", **{"from": 2, "to": 3})))
        await until(lambda: (car.ack() or {}).get("upto") == 5)
    assert rows(database, "SELECT payload FROM blobs") == [(sealed,)]


async def test_d11_what_was_dropped_before_a_streams_first_run_counts_as_well(tmp_path: Path) -> None:
    samples = "00000000000000cc"
    async with (
        running_broker(tmp_path) as broker,
        connected(Receiver(address(broker, "receiver"), tmp_path / "held.sqlite")),
        connected(BareVehicle(address(broker, VEHICLE))) as car,
    ):
        await car.send("facts", facts(fact(1, "dropped", stream="samples", why="erased", **{"from": 1, "to": 3})))
        await until(lambda: car.ack())
        blob = {"v": 1, "vehicle": VEHICLE, "stream": samples, "n": 4, "columns": 1, "booking": None, "boot": BOOT}
        blob |= {"at": 1, "wall": None, "source": "none", "t": [0], "c": []}
        await car.send("samples", json.dumps(blob).encode())
        await until(lambda: (car.ack(samples) or {}).get("upto") == 4)


async def test_same_number_with_other_content_is_kept_as_evidence(tmp_path: Path) -> None:
    database = tmp_path / "held.sqlite"
    async with (
        running_broker(tmp_path) as broker,
        connected(Receiver(address(broker, "receiver"), database)),
        connected(BareVehicle(address(broker, VEHICLE))) as car,
    ):
        await car.send("facts", facts(fact(1, why="first")))
        await car.send("facts", facts(fact(1, why="second")))
        await until(lambda: dict(rows(database, "SELECT name, value FROM counters")).get("conflicts") == 1)
    assert [json.loads(body) for (body,) in rows(database, "SELECT body FROM facts")] == [{"why": "first"}]


async def test_receiver_killed_and_frozen_broker_killed_nothing_lost(tmp_path: Path) -> None:
    database = tmp_path / "held.sqlite"
    async with running_broker(tmp_path) as broker:
        receiver = ReceiverProcess(address(broker, "receiver"), database)
        await receiver.start()
        try:
            async with connected(BareVehicle(address(broker, VEHICLE))) as car:
                await car.send("facts", facts(fact(1)))
                await until(lambda: (car.ack() or {}).get("upto") == 1)
                await receiver.kill()
                await car.send("facts", facts(fact(2)))  # the broker takes it; nobody has it on disk
                await broker.restart(kill=True)
                assert await car.is_ready()
                assert (car.ack() or {})["upto"] == 1
                await receiver.start()
                await car.send("facts", facts(fact(2)))  # it may have died with the broker: no acknowledgement, again
                await until(lambda: (car.ack() or {}).get("upto") == 2)
                receiver.child.freeze()
                await car.send("facts", facts(fact(3)))
                receiver.child.thaw()
                await until(lambda: (car.ack() or {}).get("upto") == 3)
        finally:
            await receiver.stop()
    assert not receiver.child.running
    assert [n for (n,) in rows(database, "SELECT n FROM facts ORDER BY n")] == [1, 2, 3]


async def test_marks_are_told_again_after_a_backup_was_restored(tmp_path: Path) -> None:
    database = tmp_path / "held.sqlite"
    async with running_broker(tmp_path) as broker, connected(BareVehicle(address(broker, VEHICLE))) as car:
        async with connected(Receiver(address(broker, "receiver"), database)):
            await car.send("facts", facts(fact(1)))
            await until(lambda: car.ack())
        backup = database.read_bytes()
        async with connected(Receiver(address(broker, "receiver"), database)):
            await car.send("facts", facts(fact(2)))
            await until(lambda: (car.ack() or {}).get("upto") == 2)
        database.write_bytes(backup)
        async with connected(Receiver(address(broker, "receiver"), database)):
            await until(lambda: (car.ack() or {}).get("upto") == 1)


async def test_rules_keep_a_vehicle_out_of_anothers_topics(tmp_path: Path) -> None:
    database, other = tmp_path / "held.sqlite", "99" * 8
    async with (
        running_broker(tmp_path) as broker,
        connected(Receiver(address(broker, "receiver"), database)),
        connected(BareVehicle(address(broker, VEHICLE))) as car,
        connected(BareVehicle(address(broker, other))) as foreign,
    ):
        await foreign.send("facts", facts(fact(1)), vehicle=VEHICLE)  # PUBACK, and dropped: MQTT 3.1.1 tells nobody
        foreign.post(f"boitier/v1/{VEHICLE}/down/ack", payload.pack({"v": 1, "stream": STREAM, "upto": 99}))
        await foreign.send("facts", facts(fact(1), vehicle=other))
        await until(lambda: foreign.ack())
        assert car.down == []
    assert rows(database, "SELECT vehicle FROM facts") == [(other,)]


async def test_lying_broker_takes_and_drops(tmp_path: Path) -> None:
    database = tmp_path / "held.sqlite"
    async with (
        running_broker(tmp_path) as broker,
        connected(Receiver(address(broker, "receiver"), database)),
        connected(BareVehicle(address(broker, VEHICLE))) as car,
    ):
        broker.lie(True)
        await asyncio.sleep(0.2)
        await car.send("facts", facts(fact(1)))
        broker.lie(False)
        await asyncio.sleep(0.2)
        await car.send("facts", facts(fact(2)))
        await until(lambda: car.ack())
        assert (car.ack() or {})["ranges"] == [[2, 2]]


async def test_cut_link_is_a_silent_black_hole_and_loses_nothing(tmp_path: Path) -> None:
    database = tmp_path / "held.sqlite"
    async with running_broker(tmp_path) as broker, connected(Receiver(address(broker, "receiver"), database)):
        link = Link(broker.host, broker.port)
        await link.start()
        try:
            async with connected(BareVehicle(address(broker, VEHICLE, link.port))) as car:
                await car.send("facts", facts(fact(1)))
                await until(lambda: car.ack())
                link.cut()
                upward = link.upward
                taken = car.post(f"boitier/v1/{VEHICLE}/up/facts", facts(fact(2)))
                reader, writer = await asyncio.open_connection(link.host, link.port)
                writer.write(b"anybody there?")
                await asyncio.sleep(0.3)
                assert (link.upward, link.connections) == (upward, 2)
                assert not taken.done()
                assert not reader.at_eof()
                assert car.ready.is_set()  # nobody has told it
                writer.close()
                await writer.wait_closed()
                link.mend()
                await until(lambda: (car.ack() or {}).get("upto") == 2)
                link.delay_s = 0.05
                await car.send("facts", facts(fact(3)))
                link.cut()
                link.mend(forget=True)  # the car must come by itself on a new connection
                await until(lambda: link.accepted == 3 and car.ready.is_set(), 30)
                await car.send("facts", facts(fact(4)))
                await until(lambda: (car.ack() or {}).get("upto") == 4)
        finally:
            await link.stop()
    assert link.connections == 0
    assert link.downward > 0


async def test_desk_repeats_an_order_until_the_car_answers(tmp_path: Path) -> None:
    async with running_broker(tmp_path) as broker:
        desk = Desk(address(broker, "desk"), tokens.Issuer("perche"))
        await desk.open()
        try:
            order = tokens.Order(bytes.fromhex(VEHICLE), 7, 2_000_000_000, 2_000_003_600, 0, badge=b"12345")
            token = desk.book(order)
            await broker.restart(kill=True, empty=True)
            async with connected(BareVehicle(address(broker, VEHICLE))) as car:
                assert await desk.is_ready()
                desk.again()
                await until(lambda: ("book", token) in car.down)
                answer = {"event": "stored", "booking": 7, "revision": 1}
                await car.send("facts", facts(fact(1, "booking", **answer)))
                assert (await desk.booked(7)).body == answer
                assert desk.again() == 0
                ident = desk.command(bytes.fromhex(VEHICLE), "unlock")
                await until(lambda: car.down[-1][0] == "cmd")
                result = {"v": 1, "vehicle": VEHICLE, "id": ident, "result": {"code": "done", "why": ""}, "fact": 2}
                await car.send("result", payload.pack(result))
                assert await desk.result(ident) == {"code": "done", "why": ""}
        finally:
            await desk.close()


async def test_a_broker_that_takes_a_connection_and_never_shakes_hands_leaves_no_socket_behind(tmp_path: Path) -> None:
    """A frozen broker does so; what the collector found later failed whichever test was running then."""
    authority = Authority(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as frozen:
        frozen.setblocking(False)
        port = frozen.getsockname()[1]
        pipe = Courier(Address("127.0.0.1", port, authority.certificate, authority.issue("x")), ["y"])
        pipe.start()
        try:
            for _ in range(2):
                accepted, _peer = await asyncio.get_running_loop().sock_accept(frozen)
                accepted.close()  # in the middle of the handshake
        finally:
            await pipe.close()
    gc.collect()
