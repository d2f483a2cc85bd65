"""From a badge's last byte on one wire to the relay's first frame on the other: `python -m tests.measured.door FOLDER
COUNT`; prints one JSON object.

The real reader, verifier, database and relay board; the other ends of both wires are held by a thread, as by a world
outside. Between them stands the intent on disk. It lies here because it imports the product, which `hil/` may not.
"""

from __future__ import annotations

import asyncio
import json
import os
import select
import sys
import time
import tty
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from drivers.clock import SystemClock
from drivers.lock.relay import RelayLock
from drivers.ports import Instant
from drivers.reader.badge import Reader
from tests.door_bench import ALICE, DoorBench
from tests.test_door_real import ON_1, frame

WARM, PULSE_MS, PATIENCE_S = 5, 20, 10.0
APART_S = 3.0  # the reader takes two sightings within two seconds for one, and so many taps for a flood


class Skipping(SystemClock):
    """Goes on by itself, and three seconds at each tap, so that nobody has to wait for them."""

    def __init__(self) -> None:
        super().__init__()
        self.skipped_ns = 0

    def now(self) -> Instant:
        at = super().now()
        return Instant(at.boot, at.ns + self.skipped_ns, at.wall_ms)


@dataclass
class Wire:
    """The world's end of a pty."""

    end: int
    device: str

    @classmethod
    def laid(cls) -> Wire:
        end, inner = os.openpty()
        tty.setraw(inner)
        return cls(end, os.ttyname(inner))

    def heard(self, wanted: bytes) -> float:
        """When these bytes had come, on the clock of `perf_counter`. Raises `TimeoutError`."""
        found = b""
        while wanted not in found:
            if not select.select([self.end], [], [], PATIENCE_S)[0]:
                raise TimeoutError(f"only {found!r} came")
            found += os.read(self.end, 4096)
        return time.perf_counter()


def tap(reader: Wire, relay: Wire) -> tuple[float, float]:
    """Seconds to the relay's frame, and to the answer at the reader."""
    begun = time.perf_counter()
    os.write(reader.end, frame(ALICE))
    moved = relay.heard(ON_1)
    return moved - begun, reader.heard(b"\n") - begun


async def measure(folder: Path, count: int) -> dict[str, Any]:
    reader_wire, relay_wire, clock = Wire.laid(), Wire.laid(), Skipping()
    reader = Reader(reader_wire.device, 9600, clock)
    relay = RelayLock(relay_wire.device, 9600, 1, 1, PULSE_MS, PULSE_MS, clock)
    bench = DoorBench(folder)
    await bench.boot(reader, relay)
    bench.park(home=False)  # away from a station a tap locks and unlocks, and ends nothing (R3)
    await bench.book(7, ALICE)
    moved, shown = list[float](), list[float]()
    for turn in range(count + WARM):
        clock.skipped_ns += int(APART_S * 1e9)
        found = await asyncio.to_thread(tap, reader_wire, relay_wire)
        if turn >= WARM:
            moved.append(found[0])
            shown.append(found[1])
    intents = len(await bench.facts("access", event="intent"))
    await bench.off()
    reader.close()
    relay.close()
    return {"moved": moved, "shown": shown, "intents": intents}


def main(argv: list[str]) -> None:
    folder, count = argv
    print(json.dumps(asyncio.run(measure(Path(folder), int(count)))))


if __name__ == "__main__":
    main(sys.argv[1:])
