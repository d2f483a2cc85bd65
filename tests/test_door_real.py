"""From a badge's bytes on one wire to the relay's bytes on another: the real reader, door, database and relay board."""

from __future__ import annotations

import asyncio
from pathlib import Path

from drivers.clock import SystemClock
from drivers.lock.relay import RelayBoard
from drivers.reader.badge import Reader
from tests.door_bench import ALICE, DoorBench
from tests.serial_bench import Socket

ON_1, OFF_1 = bytes.fromhex("a00101a2"), bytes.fromhex("a00100a1")
ON_2, OFF_2 = bytes.fromhex("a00201a3"), bytes.fromhex("a00200a2")


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
    relay = RelayBoard(walls[0].device, 9600, 1, 2, 20, 20, clock)
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


async def test_with_the_relay_board_unplugged_the_outcome_is_failed_and_the_driver_sees_it(tmp_path: Path) -> None:
    wall = Socket(tmp_path / "reader")
    wall.plug()
    wires, clock = Wires(None, wall), SystemClock()
    reader = Reader(wall.device, 9600, clock)
    bench = DoorBench(tmp_path)
    await bench.boot(reader, RelayBoard(str(tmp_path / "relay"), 9600, 1, 2, 20, 20, clock))
    bench.park()
    await bench.book(7, ALICE)
    await wall.send(frame(ALICE))
    await wires.until(b"U\n", b"")
    assert (await bench.facts("access", event="outcome"))[0]["outcome"] == "failed"
    assert bench.under.booking is None
    await bench.off()
    reader.close()
    wall.unplug()
