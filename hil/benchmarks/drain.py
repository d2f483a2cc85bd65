"""A full outbox drained with end-to-end acknowledgement: rows a second, and bytes a sample as payload and on the wire.

Real broker with TLS on loopback, real receiver, the box's bytes counted where they pass the forwarder of `link.py`.
What is not here: the delay of a mobile network (there the window decides), and TCP/IP headers.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import sqlite3
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..backend.broker import Broker
from ..backend.ca import Authority
from ..backend.pipe import Address
from ..backend.receiver import ReceiverProcess
from ..link import Link
from .figure import ROOT, Figure, Say
from .road import COLUMNS, rows

BLOB = 100  # samples in a sealed run: at most
SECONDLY = 60  # samples in a run that is sealed after a minute of one sample a second
PAYLOAD_LIMIT, WIRE_LIMIT, RATE_LIMIT = 12.0, 14.0, 5000.0
OUT = ROOT / "out"


@dataclass(frozen=True, slots=True)
class Size:
    """How much to drain: facts, runs of samples, and rows of the naive sender."""

    facts: int = 20_000
    runs: int = 300
    naive: int = 2_000


@dataclass(frozen=True, slots=True)
class Backend:
    """Broker, receiver and the link to them."""

    folder: Path
    authority: Authority
    broker: Broker
    link: Link
    database: Path

    def job(self, vehicle: str, **more: Any) -> dict[str, Any]:
        """What a sender must know, as a JSON object."""
        identity = self.authority.issue(vehicle if "topic" not in more else "desk")
        folder = self.folder / vehicle
        folder.mkdir()
        return {
            "vehicle": vehicle, "broker": f"127.0.0.1:{self.link.port}", "ca": str(self.authority.certificate),
            "certificate": str(identity.certificate), "key": str(identity.key), "folder": str(folder), **more,
        }  # fmt: skip

    def holds(self, vehicle: str) -> tuple[int, int, int]:
        """Facts, runs of samples, and the bytes of these runs."""
        with closing(sqlite3.connect(f"file:{self.database}?mode=ro", uri=True)) as db:
            facts = db.execute("SELECT count(*) FROM facts WHERE vehicle=?", (vehicle,)).fetchone()[0]
            sql = "SELECT count(*), total(length(payload)) FROM blobs WHERE vehicle=?"
            return facts, *map(int, db.execute(sql, (vehicle,)).fetchone())


@asynccontextmanager
async def backend() -> AsyncIterator[Backend]:
    OUT.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="drain-", dir=OUT) as name:
        folder = Path(name)
        authority = Authority(folder / "ca")
        broker = Broker(folder / "broker", authority)
        await broker.start()
        office = Address(broker.host, broker.port, authority.certificate, authority.issue("receiver"))
        receiver = ReceiverProcess(office, folder / "backend.db")
        link = Link(broker.host, broker.port)
        try:
            await receiver.start()
            await link.start()
            yield Backend(folder, authority, broker, link, folder / "backend.db")
        finally:
            await link.stop()
            await receiver.stop()
            await broker.stop()


async def drained(site: Backend, facts: int, samples: list[Any]) -> dict[str, Any]:
    """Fill an outbox and drain it. Raises RuntimeError when the backend does not hold what was filled in."""
    job = site.job(secrets.token_hex(8), facts=facts, rows=samples)
    path = Path(job["folder"]) / "job.json"
    path.write_text(json.dumps(job))
    pipes = {"stdin": asyncio.subprocess.PIPE, "stdout": asyncio.subprocess.PIPE}
    argv = [sys.executable, "-m", "tests.measured.drain", str(path)]
    process = await asyncio.create_subprocess_exec(*argv, cwd=ROOT, **pipes)  # type: ignore[arg-type]
    assert process.stdin is not None
    assert process.stdout is not None
    filled = json.loads(await process.stdout.readline() or "{}")
    up, down = site.link.upward, site.link.downward
    process.stdin.write(b"go\n")
    if not (line := await process.stdout.readline()):
        raise RuntimeError(f"nothing was drained; the program ended with {await process.wait()}")
    told = json.loads(line)
    told |= {"upward": site.link.upward - up, "downward": site.link.downward - down}
    process.stdin.close()
    await process.wait()
    held = site.holds(job["vehicle"])
    if not filled or held[:2] != (filled["facts"], filled["blobs"]):
        raise RuntimeError(f"the backend holds {held} of {filled}")
    return {**told, "held_facts": held[0], "runs": held[1], "payload": held[2], "count": len(samples)}


async def naive(site: Backend, samples: list[Any]) -> dict[str, Any]:
    """One message a sample. It goes where nobody listens, so that nothing but the broker is timed."""
    vehicle = secrets.token_hex(8)
    job = site.job(vehicle, topic=f"boitier/v1/{vehicle}/down/book", names=COLUMNS, rows=samples)
    path = Path(job["folder"]) / "job.json"
    path.write_text(json.dumps(job))
    up = site.link.upward
    argv = [sys.executable, "-m", "hil.benchmarks.rows", str(path)]
    process = await asyncio.create_subprocess_exec(*argv, cwd=ROOT, stdout=asyncio.subprocess.PIPE)
    told, _ = await process.communicate()
    return {**json.loads(told), "upward": site.link.upward - up, "count": len(samples)}


async def measure(quick: bool, say: Say) -> list[Figure]:
    """Facts, full runs of samples, runs of a minute, and the naive sender, one after the other."""
    size = Size(300, 6, 50) if quick else Size()
    async with backend() as site:
        say(f"drain: {size.facts:,} facts")
        facts = await drained(site, size.facts, [])
        say(f"drain: {size.runs} runs of {BLOB} samples, {size.runs} of {SECONDLY}")
        full = await drained(site, 0, rows(size.runs * BLOB, 590))
        minute = await drained(site, 0, rows(size.runs * SECONDLY, 1000))
        say(f"drain: {size.naive:,} samples, one message each, for comparison")
        other = await naive(site, rows(size.naive, 1000))
    return [*rates(facts, full, other), *sizes(full, minute, other)]


def rates(facts: dict[str, Any], full: dict[str, Any], other: dict[str, Any]) -> list[Figure]:
    plain = "one JSON message a sample by paho, PUBACK only, nothing stored"
    rate = other["count"] / other["seconds"]
    note = "{seconds:.1f} s, after a connection of {connect_s:.1f} s; {resent} sent again"
    facts_note = f"{note.format(**facts)}; {facts['upward'] / facts['held_facts']:.0f} bytes a fact on the wire"
    return [
        Figure("drain_facts_per_s", "facts drained, acknowledged by the backend after its commit",
               facts["held_facts"] / facts["seconds"], "rows/s", plain, rate, note=facts_note),
        Figure("drain_samples_per_s", "samples drained, acknowledged in the same way", full["count"] / full["seconds"],
               "rows/s", plain, rate, RATE_LIMIT, at_least=True, note=f"{note.format(**full)}; {full['runs']} runs"),
    ]  # fmt: skip


def sizes(full: dict[str, Any], minute: dict[str, Any], other: dict[str, Any]) -> list[Figure]:
    plain, plain_wire = other["bytes"] / other["count"], other["upward"] / other["count"]
    found = []
    for key, what, told in (("", f"{BLOB} in a run", full), ("_minute", f"{SECONDLY} in a run, one a second", minute)):
        runs = f"{told['count']:,} samples of ten signals in {told['runs']} runs, of a computed drive (road.py)"
        found += [
            Figure(f"payload{key}_bytes", f"payload of a sample, {what}", told["payload"] / told["count"], "bytes",
                   "JSON with names", plain, PAYLOAD_LIMIT, note=runs),
            Figure(f"wire{key}_bytes", f"the same with MQTT and TLS, {what}", told["upward"] / told["count"], "bytes",
                   "one such JSON message a sample", plain_wire, WIRE_LIMIT,
                   note=f"all that the box sent, handshake included; {told['downward']:,} bytes came back"),
        ]  # fmt: skip
    return found
