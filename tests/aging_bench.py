"""A store on a real file that drives, bills and ages: what tests of erasing begin with."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from agent.sync import samples, wire
from agent.sync.keeping import Keeping
from agent.sync.store import Fact, SampleRow, Store
from config.privacy import Retention
from config.settings import Buffer
from config.vocabulary import LATITUDE, LONGITUDE, SOC
from drivers.ports import Instant
from tests.fakes.clock import ManualClock
from tests.golden_payloads import BODIES

VEHICLE = "8f3a52c0d1e4b796"  # also of `tests/agent_process.py`
NAMES, STEPS, UNITS = (SOC, LATITUDE, LONGITUDE), (0.5, 1e-5, 1e-5), ("percent", "degrees", "degrees")
T0 = 1_795_000_000_000
HERE = (48.43123, 0.08865)
BILL = next(body for kind, body in BODIES if (kind, body.get("event")) == ("booking", "closed"))
SECRET = b'"lat":48.43123'
PLACE = {"lat": HERE[0], "lon": HERE[1], "precision_m": 100}


class Box:
    """A store on a real file and a clock that stands still. known: whether the car knows the time. off_s:
    for so long it was off.
    """

    def __init__(self, path: Path) -> None:
        self.clock, self.path, self.known, self.off_s = ManualClock(), path, True, 0
        self.store = self.fresh()

    def fresh(self) -> Store:
        return Store(self.path, self.clock, self.stamp, VEHICLE, Buffer(max_mib=4), version="1.0", car="zoe-ph1")

    def stamp(self, at: Instant) -> tuple[list[int] | None, str]:
        now = T0 + self.off_s * 1000 + at.ns // 1_000_000
        return ([now, now + 400], "gnss") if self.known else (None, "none")

    def keeping(self, position_days: float = 7, sample_days: float = 30) -> Keeping:
        return Keeping(self.clock, self.store, Retention(position_days, sample_days), self.past_s)

    def past_s(self) -> float:
        return (self.stamp(self.clock.now())[0] or [0])[0] / 1000

    async def start(self) -> None:
        await self.store.open()
        await self.store.use_columns(NAMES, STEPS, UNITS)

    async def reboot(self, boot: str) -> None:
        await self.store.close()
        self.clock = ManualClock(boot=boot)
        self.store = self.fresh()
        await self.start()

    async def drive(self, booking: int | None, place: tuple[float | None, float | None] = (None, None)) -> None:
        """Three samples, sealed."""
        for _ in range(3):
            self.clock.move(1)
            self.store.sample(SampleRow(self.clock.now(), booking, (57.0, *place)))
        await self.store.commit(seal=True)

    async def bill(self, booking: int, event: str = "end") -> None:
        """A fact that bills, and one with coordinates."""
        bill = Fact("booking", {**BILL, "booking": booking})
        await self.store.commit((bill, Fact("position", {"event": event, "booking": booking, **PLACE})))

    async def facts(self, kind: str) -> list[dict[str, object]]:
        _, rows = await self.store.next_facts(0, 1 << 20, 10_000)
        return [json.loads(row.body)["body"] for row in rows if json.loads(row.body)["kind"] == kind]

    async def bookings(self) -> list[int | None]:
        """Of the sealed runs that are left."""
        _, blobs = await self.store.next_samples(0, 10_000)
        found = [samples.unseal(blob.body) for blob in blobs]
        return [one[1].booking for one in found if one is not None]

    @property
    def streams(self) -> dict[str, str]:
        return self.store._disk.database.streams

    async def acknowledge(self, upto_fact: int, upto_run: int) -> None:
        await self.store.acknowledge(wire.Ack(self.streams["facts"], upto_fact))
        await self.store.acknowledge(wire.Ack(self.streams["samples"], upto_run))


@pytest.fixture(name="box")
async def the_box(tmp_path: Path) -> AsyncIterator[Box]:
    found = Box(tmp_path / "state" / "records.db")
    await found.start()
    yield found
    await found.store.close()
