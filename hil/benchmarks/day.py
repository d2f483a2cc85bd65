"""The demo's day, played for its costs: memory of the daemon, bytes written to its disk, bytes over the air.

The day is `hil/story.py`, with its power cut and its restart; counters of a process are read before it ends. What is
not here: whether both sides agree afterwards (that is the demo's verdict).
"""

from __future__ import annotations

import re
import sqlite3
import sys
import time
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

from ..backend.held import read
from ..bench import Bench
from ..story import Story
from ..words import Words
from .figure import ROOT, Figure, Say

LIMIT_MIB = 64.0
SECTOR = 512
# What a daemon that imports all its libraries at once holds before it has done anything.
LIBRARIES = (
    "import asyncio, can, cantools, paho.mqtt.client, pynmea2, serial, sqlite_utils, cryptography.hazmat.primitives"
)
RESIDENT = "import re; print(re.search(r'VmRSS:\\s+(\\d+)', open('/proc/self/status').read())[1])"


@dataclass(slots=True)
class Costs:
    """Added up over the lives of the daemon. disk_bytes: what the block device was given, the file system's own too."""

    peak_kib: int = 0
    last_kib: int = 0
    cpu_s: float = 0.0
    written: int = 0
    disk_bytes: int = 0
    lives: int = 0
    upward: int = 0
    downward: int = 0
    connections: int = 0
    seconds: float = 0.0
    libraries_kib: int = 0
    threads: set[int] = field(default_factory=set)


class Metered(Bench):
    """A bench that reads the meters before anything that would reset them."""

    def __init__(self, *arguments: Any, **changes: Any) -> None:
        super().__init__(*arguments, **changes)
        self.costs = Costs()

    async def cut_power(self) -> None:
        await self.read_process()
        await self.read_disk()
        await super().cut_power()

    async def stop_agent(self) -> int:
        await self.read_process()
        return await super().stop_agent()

    async def read_process(self) -> None:
        """Of this life of the daemon."""
        costs, told = self.costs, await self.machine.call({"do": "proc"})
        status = await self._inside(["cat", f"/proc/{told['pid']}/status"])
        peak = re.search(r"VmHWM:\s+(\d+)", status)
        costs.peak_kib = max(costs.peak_kib, int(peak[1]) if peak else 0)
        costs.last_kib = told["rss_kb"]
        costs.cpu_s += told["cpu_s"]
        costs.written += told["written_bytes"]
        costs.threads.add(told["threads"])
        costs.lives += 1

    async def read_disk(self) -> None:
        """Of this life of the machine; 0 where the disk is not the box's alone."""
        await self.machine.call({"do": "sync"})
        stat = (await self._inside(["sh", "-c", "cat /sys/block/ubd*/stat"])).split()
        if len(stat) > 6 and stat[6].isdigit():
            self.costs.disk_bytes += SECTOR * int(stat[6])

    async def read_libraries(self) -> None:
        found = await self._inside([sys.executable, "-c", f"{LIBRARIES}\n{RESIDENT}"])
        self.costs.libraries_kib = int(found.split()[-1])

    async def _inside(self, argv: list[str]) -> str:
        return str((await self.machine.call({"do": "run", "argv": argv, "cwd": str(ROOT)}))["output"])


async def measure(quick: bool, say: Say) -> list[Figure]:
    """The whole day takes two minutes; quick: its first booking arrives, and nothing more."""
    bench = Metered("zoe-ph1", "auto", lambda text: say(f"day: {text}"))
    began = time.monotonic()
    async with bench:
        story = Story(bench, Words("en"), lambda text: say(f"day: {text}"))
        await (story.booking_arrives(61_001, b"12345", "staff", "clerk") if quick else story.day())
        await bench.read_process()
        await bench.read_disk()
        await bench.read_libraries()
        costs = bench.costs
        costs.seconds, costs.connections = time.monotonic() - began, bench.link.accepted
        costs.upward, costs.downward = bench.link.upward, bench.link.downward
        held = read(bench.database, bench.vehicle.ident.hex())
        facts, samples, sealed = len(held.facts), len(held.samples), runs(bench)
    return figures(costs, facts, samples, sealed)


def runs(bench: Bench) -> tuple[int, int]:
    """How many runs of samples the backend holds, and the bytes of their payloads."""
    with closing(sqlite3.connect(f"file:{bench.database}?mode=ro", uri=True)) as db:
        count, size = db.execute("SELECT count(*), total(length(payload)) FROM blobs").fetchone()
        return count, int(size)


def figures(costs: Costs, facts: int, samples: int, sealed: tuple[int, int]) -> list[Figure]:
    day = f"{facts} facts and {samples} samples in {costs.seconds:.0f} s, {costs.lives} lives of the daemon"
    memory = (
        f"highest of the day {costs.peak_kib / 1024:.1f} MiB; {max(costs.threads)} threads; {costs.cpu_s:.1f} s of CPU"
    )
    air = f"{costs.connections} connections through the bench's link; the state is told every 5 s here, not every 30 s"
    short = f"{samples} samples in {sealed[0]} runs: a road five times as fast makes short runs that change much, "
    short += "so this may lie above the 12 bytes of a full run"
    device = f"the block device was given {costs.disk_bytes:,} bytes, the file system's own among them; {day}"
    return [
        Figure("day_rss_mib", "resident memory after the demo's day", costs.last_kib / 1024, "MiB",
               "an interpreter that imports the same libraries", costs.libraries_kib / 1024, LIMIT_MIB, note=memory),
        Figure("day_written_kib", "written to the disk by the daemon in the demo's day", costs.written / 1024, "KiB",
               "all that was sent over the air, TLS included", costs.upward / 1024, note=device),
        Figure("day_wire_kib", "sent over the air in the demo's day", costs.upward / 1024, "KiB",
               "received", costs.downward / 1024, note=air),
        Figure("day_payload_bytes", "payload of a sample in the demo's day", sealed[1] / max(1, samples), "bytes",
               note=short),
    ]  # fmt: skip
