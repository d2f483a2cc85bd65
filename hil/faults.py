"""A bench for scenarios: verbs that break one thing, and what must hold after every scenario.

What is not here: the scenarios (`scenarios/`), the day with power cuts (`cuts.py`), the bench itself (`bench.py`).
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from config import car as cars
from config import vocabulary as v

from . import autopsy, provision
from .backend.held import Holding, read
from .backend.ledger import Expected, judge
from .bench import Bench

Message = dict[str, Any]
BETWEEN_TAPS_S = 2.3  # the reader takes two sightings within two seconds for one
CALM_S = 90.0
ANSWER_S = 30.0  # a box that answers nobody is a failure, not a reason to wait
# What a part prints that was never stopped, or that died of what it should have counted.
BAD_LINES = re.compile(r"Traceback|leftover|left over|never retrieved|never awaited|destroyed but it is pending")


class Rig:
    """`bench` underneath. log: every line of the agent. expected: what the scenarios know of their bookings."""

    def __init__(self, machine: str, car: str, changes: Mapping[str, Any]) -> None:
        self.bench = Bench(car, machine, **changes)
        self.vehicle = self.bench.vehicle.ident
        self.desk, self.world = self.bench.desk, self.bench.world
        self.log: list[str] = []
        self.expected: dict[int, Expected] = {}
        self.forgiven: dict[str, str] = {}  # a finding's pattern, and which fault of the scenario explains it
        self._numbers = iter(range(81_001, 90_000))
        self._since = 0
        self._usual: Message = {}
        self.bench.machine.listeners.append(self._heard)

    # --- life ---------------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Up; the lock signal proven where the car has one (D18); the car has told its numbers once."""
        await self.bench.start()
        if cars.lock_block(cars.find(self.bench.car)) is not None:
            code, output = await self.bench.boitier("check", "lock", "--socket", self.bench.socket)
            assert code == 0, output
            await self.wakes()
        await self.calm()
        self._usual = await self.bench.machine.call({"do": "proc"})

    def begin(self) -> None:
        self._since = len(self.log)

    async def end(self) -> None:
        """After every scenario: all acknowledged, no number missing, no frame lost, nothing left over in the agent."""
        status = await self.calm()
        bad = [line for line in self.log[self._since :] if BAD_LINES.search(line)]
        assert not bad, self.bench.tail(f"the agent complains of itself: {bad}")
        dropped = {name: n for name, n in status["can"]["counters"].items() if name.startswith("bus_dropped")}
        assert not any(dropped.values()), dropped
        held = self.held()
        assert not [(a.stream, a.numbers.gaps) for a in held.accounts if a.numbers.gaps]
        assert not held.conflicts
        assert not held.poison
        await self._nothing_left()

    async def _nothing_left(self) -> None:
        deadline = time.monotonic() + 10
        while True:
            now = await self.bench.machine.call({"do": "proc"})
            more = {what: now[what] for what in ("fds", "threads") if now[what] > self._usual[what]}
            if not more:
                return
            assert time.monotonic() < deadline, f"left over: {more}, usual {self._usual}"
            await asyncio.sleep(1)

    async def conclude(self) -> Holding:
        """After the last scenario: an ordered stop, a sound file, and the whole diary against the backend."""
        bench = self.bench
        assert await bench.stop_agent() == 0
        found = await autopsy.look(bench.machine)
        assert found.integrity == ("ok",)
        numbered = {"facts": found.facts, "samples": found.samples}
        last = {name: stream.highest for name, stream in numbered.items() if stream is not None}
        allowed = provision.tolerance(bench.vehicle)
        vehicle = self.vehicle.hex()
        verdict = judge(
            self.world.diary, bench.database, vehicle, list(self.expected.values()), tolerance=allowed, last=last
        )
        findings = [text for text in verdict.findings if not any(re.search(it, text) for it in self.forgiven)]
        assert not findings, "\n".join(findings)
        return self.held()

    # --- looking ------------------------------------------------------------------------------------------------------

    def held(self) -> Holding:
        return read(self.bench.database, self.vehicle.hex())

    async def status(self) -> Message:
        """`boitier status --json`; an alarm that stands is an answer too."""
        async with asyncio.timeout(ANSWER_S):
            code, output = await self.bench.boitier("status", "--socket", self.bench.socket, "--json")
        assert code in (0, 1), output
        found: Message = json.loads(output)
        return found

    async def until(self, holds: Callable[[Message], object], timeout_s: float = 45.0) -> Message:
        """The first status for which it holds."""
        deadline = time.monotonic() + timeout_s
        while True:
            status = await self.status()
            if holds(status):
                return status
            assert time.monotonic() < deadline, self.bench.tail(json.dumps(status, indent=1))
            await asyncio.sleep(0.5)

    async def calm(self) -> Message:
        """Connected, the database whole, and everything acknowledged."""

        def is_calm(status: Message) -> bool:
            records = status["records"]
            waits = records["facts"] or records["samples"] or records["broken"] or records["counters"]["kept_facts"]
            return not waits and bool(status["link"]["connected"])

        return await self.until(is_calm, CALM_S)

    async def stored(self, kind: str, timeout_s: float = 90.0, **body: Any) -> None:
        """Until the backend holds such a fact. The desk, which listens as anybody does, misses what an emptied broker
        handed on before it was back.
        """
        async with asyncio.timeout(timeout_s):
            while not self.held().of(kind, **body):
                await asyncio.sleep(0.5)

    def told(self, pattern: str) -> list[str]:
        """Lines of the agent's log since the scenario began."""
        return [line for line in self.log[self._since :] if re.search(pattern, line)]

    # --- people -------------------------------------------------------------------------------------------------------

    async def booked(self, kind: str = "staff", **changes: Any) -> int:
        """A booking that the car has stored; its badge is `badge(number)`."""
        number = next(self._numbers)
        self.desk.book(self.bench.order(number, badge(number), kind, **changes))
        fact = await self.desk.booked(number, 60)
        assert fact.body["event"] == "stored", fact.body
        self.expected[number] = Expected(number, kind, opened=False, how=(), badge=badge(number).hex())
        return number

    async def opens(self, number: int, expect: str = "O") -> None:
        """The door opens by badge, and the booking begins."""
        before = self.world.truth.locked
        await self.bench.tap(badge(number), expect)
        assert before
        assert not self.world.truth.locked
        self.expected[number] = replace(self.expected[number], opened=True, how=())
        await asyncio.sleep(BETWEEN_TAPS_S)

    async def ends(self, number: int, expect: str = "E") -> None:
        """At the station, doors shut: the tap ends the booking and locks (R3)."""
        await self.bench.tap(badge(number), expect)
        assert self.world.truth.locked
        self.expected[number] = replace(self.expected[number], how=("ended",))
        await asyncio.sleep(BETWEEN_TAPS_S)

    async def serves(self, number: int) -> None:
        """A whole short booking at the door, whatever is broken elsewhere."""
        await self.opens(number)
        await self.ends(number)

    async def wakes(self) -> None:
        """The ignition is on for a moment, until the box has heard the car's numbers."""
        await self.world.ignition(True)
        await self.until(lambda it: any(s["name"] == v.ODOMETER and s["fresh"] for s in it["signals"]))
        await asyncio.sleep(1.5)
        await self.world.ignition(False)
        await asyncio.sleep(1)

    # --- breaking -----------------------------------------------------------------------------------------------------

    async def can(self, operation: str) -> None:
        self.world.note("can", operation)
        await self.bench.machine.call({"do": "can", "op": operation})

    async def sky(self, **what: Any) -> Message:
        return await self.bench.machine.call({"do": "sky", **what})

    async def inside(self, script: str, *arguments: str) -> str:
        """Run a few lines of Python in the machine of the box."""
        async with asyncio.timeout(ANSWER_S):
            done = await self.bench.machine.call({"do": "run", "argv": [sys.executable, "-c", script, *arguments]})
        assert done["exit"] == 0, done["output"]
        return str(done["output"])

    async def restart(self, toml: str | None = None) -> None:
        """With other settings, from the stopped state."""
        usual = self.bench._toml
        self.bench._toml = usual if toml is None else toml
        try:
            await self.bench.start_agent()
        finally:
            self.bench._toml = usual

    @property
    def toml(self) -> str:
        return self.bench._toml

    def _heard(self, event: Message) -> None:
        if event["saw"] == "log":
            self.log.append(event["line"])


def badge(number: int) -> bytes:
    """The badge that belongs to a booking of these scenarios."""
    return number.to_bytes(5, "big")
