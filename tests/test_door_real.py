"""From a badge's bytes on one wire to the relay's bytes on another: the real reader, door, database and relay board."""

from __future__ import annotations

import asyncio
from pathlib import Path

from drivers.clock import SystemClock
from drivers.lock.relay import RelayLock
from drivers.reader.badge import Reader
from hil import badges, codes
from hil.badges import Card
from keyless.claims import BadgeId
from keyless.sun import sun_id
from tests.door_bench import ALICE, CODE_KEY, SUN_MASTER, SUN_META, DoorBench
from tests.serial_bench import Socket

ON_1, OFF_1 = bytes.fromhex("a00101a2"), bytes.fromhex("a00100a1")
ON_2 = bytes.fromhex("a00201a3")


def frame(uid: bytes) -> bytes:
    check = 0
    for byte in uid:
        check ^= byte
    return b"\x02" + (uid + bytes([check])).hex().upper().encode() + b"\x03"


class Wires:
    """What came out of the relay board's and the reader's lines so far."""

    def __init__(self, relay: Socket | None, reader: Socket) -> None:
        self._relay, self._reader = relay, reader
        self.relay, self.reader = b"", b""

    async def until(self, reader: bytes, relay: bytes) -> None:
        for _ in range(5_000):
            self.relay += self._relay.received() if self._relay is not None else b""
            self.reader += self._reader.received()
            if self.reader.endswith(reader) and relay in self.relay:
                return
            await asyncio.sleep(0.001)
        raise AssertionError(f"heard {self.reader!r} and {self.relay.hex()}")


async def test_a_badge_on_one_wire_pulses_the_relay_on_the_other(tmp_path: Path) -> None:
    walls = Socket(tmp_path / "relay"), Socket(tmp_path / "reader")
    for wall in walls:
        wall.plug()
    wires, clock = Wires(*walls), SystemClock()
    relay = RelayLock(walls[0].device, 9600, 1, 2, 20, 20, clock)
    reader = Reader(walls[1].device, 9600, clock)
    bench = DoorBench(tmp_path)
    await bench.boot(reader, relay)
    bench.park()
    await bench.book(7, ALICE)
    await walls[1].send(frame(b"\x09STRA"))
    await wires.until(b"R\n", b"")
    assert ON_1 not in wires.relay
    await walls[1].send(frame(ALICE))
    await wires.until(b"O\n", ON_1 + OFF_1)
    assert ON_2 not in wires.relay
    intent, outcome = await bench.facts("access")
    assert (intent["event"], outcome["outcome"], outcome["booking"]) == ("intent", "unknown", 7)
    await bench.off()
    reader.close()
    relay.close()
    for wall in walls:
        wall.unplug()


async def test_a_code_and_a_badge_that_proves_itself_come_by_the_same_wire(tmp_path: Path) -> None:
    wall, clock = Socket(tmp_path / "reader"), SystemClock()
    wall.plug()
    wires, reader = Wires(None, wall), Reader(wall.device, 9600, clock)
    bench = DoorBench(tmp_path)
    await bench.boot(reader)
    await bench.prove()
    bench.park(home=False)
    card = Card.made(b"\x04\xde\x5f\x1e\xac\xc0\x40", SUN_META, SUN_MASTER)
    await bench.book(7, None, confirmation=BadgeId(sun_id(card.uid)))
    reading = badges.frame(card.read())
    await wall.send(reading[:30])
    await wall.send(reading[30:])
    await wires.until(b"O\n", b"")
    await wall.send(b"00000000#")
    await wires.until(b"R\n", b"")
    await wall.send(codes.of_booking(CODE_KEY, 7, 0).encode() + b"#")
    await wires.until(b"P\n", b"")
    assert [it["via"] for it in await bench.facts("access", event="intent", booking=7)] == ["badge", "code"]
    await bench.off()
    reader.close()
    wall.unplug()


async def test_with_the_relay_board_unplugged_the_outcome_is_failed_and_the_driver_sees_it(tmp_path: Path) -> None:
    wall = Socket(tmp_path / "reader")
    wall.plug()
    wires, clock = Wires(None, wall), SystemClock()
    reader = Reader(wall.device, 9600, clock)
    bench = DoorBench(tmp_path)
    await bench.boot(reader, RelayLock(str(tmp_path / "relay"), 9600, 1, 2, 20, 20, clock))
    bench.park()
    await bench.book(7, ALICE)
    await wall.send(frame(ALICE))
    await wires.until(b"U\n", b"")
    assert (await bench.facts("access", event="outcome"))[0]["outcome"] == "failed"
    assert bench.under.booking is None
    await bench.off()
    reader.close()
    wall.unplug()
