"""A full outbox drained to a real backend: `python -m tests.measured.drain JOB.json`; speaks JSON lines on its pipes.

The agent's own store, uplink, downlink and session in one process, as `agent/run/link.py` composes them. It fills the
outbox, waits for a line on standard input, drains until the backend has acknowledged everything, says what that took,
and ends with standard input. It lies here because it imports the product, which `hil/` may not.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Any

from agent.car.sampler import COLUMNS
from agent.sync import wire
from agent.sync.downlink import Downlink
from agent.sync.store import Fact, SampleRow, Store
from agent.sync.uplink import Uplink
from config.settings import Buffer
from config.vocabulary import VOCABULARY
from drivers.clock import SystemClock
from drivers.mqtt.session import Session
from drivers.ports import Instant

GROUP = 100
PATIENCE_S = 60.0


def stamp(at: Instant) -> tuple[list[int] | None, str]:
    now = 1_795_000_000_000 + at.ns // 1_000_000
    return [now - 50, now + 50], "gnss"


def a_fact(number: int) -> Fact:
    """As long as most are."""
    body = {
        "event": "outcome", "access": f"{number * 0x9E3779B97F4A7C15 & 0xFFFFFFFFFFFFFFFF:016x}", "action": "unlock",
        "booking": 61_000 + number % 50, "outcome": "done", "why": "read back", "resolved_at_boot": False,
    }  # fmt: skip
    return Fact("access", body)


async def fill(store: Store, clock: SystemClock, job: dict[str, Any]) -> None:
    """job: facts (how many) and rows: (milliseconds from the first, values in the order of the columns)."""
    for start in range(0, job["facts"], GROUP):
        await store.commit([a_fact(n) for n in range(start, min(start + GROUP, job["facts"]))])
    if not job["rows"]:
        return
    entries = [VOCABULARY[name] for name in COLUMNS]
    await store.use_columns(COLUMNS, [it.step for it in entries], [it.unit for it in entries])
    begin = clock.now().ns
    for number, (at_ms, values) in enumerate(job["rows"], 1):
        store.sample(SampleRow(Instant(clock.boot, begin + at_ms * 1_000_000), 61_001, tuple(values)))
        if number % GROUP == 0:
            await store.commit()


async def drain(store: Store, clock: SystemClock, job: dict[str, Any]) -> dict[str, Any]:
    """Seconds from the call and from the connection to the last acknowledgement."""
    vehicle: str = job["vehicle"]
    session = Session(
        (job["broker"],), job["ca"], job["certificate"], job["key"], vehicle,
        wire.topic(vehicle, wire.Kind.WILL), wire.will(vehicle), Downlink.topics(vehicle), 10, vehicle,
    )  # fmt: skip
    uplink = Uplink(session, store, clock, vehicle, dict, stamp, 3600)
    done, times = asyncio.Event(), [time.perf_counter()]

    async def acknowledge(said: wire.Ack) -> None:
        await uplink.acknowledge(said)
        pending = await store.pending()
        if not pending.facts and not pending.samples:
            times.append(time.perf_counter())
            done.set()

    def connection(up: bool) -> None:
        times.append(time.perf_counter())
        uplink.connection(up)

    async def nothing(_: bytes) -> None:
        return

    downlink = Downlink(
        session, clock, vehicle, acknowledge=acknowledge, book=nothing, command=nothing, trust=nothing,
        connection=connection,
    )  # fmt: skip
    session.open()
    running = [asyncio.create_task(part.run()) for part in (uplink, downlink)]
    try:
        async with asyncio.timeout(PATIENCE_S):
            await done.wait()
        print(json.dumps({
            "seconds": times[-1] - times[1], "connect_s": times[1] - times[0], "connections": len(times) - 2,
            "cpu_s": time.process_time(), **uplink.counters(),
        }), flush=True)  # fmt: skip
        await asyncio.to_thread(sys.stdin.readline)
    except TimeoutError:
        pending = await store.pending()
        told = (pending, uplink.counters(), downlink.counters(), session.counters(), session.trouble, times)
        raise SystemExit(f"not drained after {PATIENCE_S:g} s: {told}") from None
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        await uplink.close()
        await session.close()
    return {}


async def main(job: dict[str, Any]) -> None:
    clock = SystemClock()
    path = Path(job["folder"]) / "records.db"
    filling = Store(path, clock, stamp, job["vehicle"], Buffer())
    await filling.open()
    await fill(filling, clock, job)
    await filling.close()
    store = Store(path, clock, stamp, job["vehicle"], Buffer())
    await store.open()
    pending = await store.pending()
    print(json.dumps({"facts": pending.facts, "blobs": pending.samples}), flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    try:
        await drain(store, clock, job)
    finally:
        await store.close()


if __name__ == "__main__":
    asyncio.run(main(json.loads(Path(sys.argv[1]).read_text())))
