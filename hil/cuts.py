"""The day with power cuts at random moments: after each one the box's disk is held against what was acknowledged, and
at the end the whole day against what the backend holds.

`python -m hil.cuts --count 30` is the long form. `--synchronous NORMAL` weakens the database by a copy of `sqlite3` in
the agent's own process (there is no setting for it): the same day must then fail, or the test has no teeth.
What is not here: the people who go on living meanwhile (`cuts_life.py`), the look at the disk (`autopsy.py`).
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from . import autopsy, results
from .autopsy import Losses
from .backend.held import Holding, read
from .backend.ledger import judge
from .bench import Bench
from .cuts_life import Life

Say = Callable[[str], None]
OUT = Path(__file__).resolve().parents[1] / "out"

# In this order, shuffled a hand at a time: what the box was doing when the power went.
HAND = ("relay", "tap", "any", "book", "relay", "any")
WEAK = """
import sqlite3

class Weak(sqlite3.Connection):
    def execute(self, sql, *more):
        if sql == "PRAGMA synchronous":
            return super().execute("SELECT 2")
        return super().execute(sql.replace("synchronous = FULL", "synchronous = NORMAL"), *more)

_connect = sqlite3.connect
sqlite3.connect = lambda *a, **k: _connect(*a, **{"factory": Weak, **k})
"""


@dataclass(slots=True)
class Outcome:
    """findings: one sentence each; empty when the promise held. moments: what the box was doing at each cut."""

    seed: int
    cuts: int = 0
    moments: list[str] = field(default_factory=list)
    losses: Losses = field(default_factory=Losses)
    twice: int = 0  # numbers that arrived with two contents
    facts: int = 0
    samples: int = 0
    orphans: int = 0  # intents whose outcome was found at the next boot
    seconds: float = 0.0
    findings: list[str] = field(default_factory=list)

    def line(self) -> str:
        """For `docs/results.md`."""
        verdict = "agrees" if not self.findings else f"{len(self.findings)} findings"
        return (
            f"{self.cuts} cuts, seed {self.seed}: {self.facts} facts and {self.samples} samples held, "
            f"{len(self.losses.lost)} acknowledged records lost, {len(self.losses.changed) + self.twice} twice, "
            f"integrity {'ok' if not self.losses.unsound else 'BROKEN'}, {self.orphans} intents resolved at boot; "
            f"{verdict}; {self.seconds:.0f} s"
        )


class CutDay:
    """One bench, already started by nobody: `play` starts and stops it. weak: with synchronous=NORMAL.

    evening: False ends after the last cut, without the oracle.
    """

    def __init__(
        self, machine: str, count: int, seed: int, say: Say, *, weak: bool = False, evening: bool = True
    ) -> None:
        self.bench = Bench(machine=machine)
        self._count, self._say, self._weak, self._whole = count, say, weak, evening
        self._rng = random.Random(seed)
        self.outcome = Outcome(seed)
        self.life = Life(self.bench, random.Random(seed + 1))

    async def play(self) -> Outcome:
        """Raises what broke down; what merely was wrong is in the findings."""
        began = time.monotonic()
        try:
            await self.bench.start()
            if self._weak:
                await self._weaken()
            await self.life.morning()
            self._say(f"{time.monotonic() - began:5.0f} s  the clerk drives away; seed {self.outcome.seed}")
            await self._cuts(began)
            if self._whole:
                self._say(f"{time.monotonic() - began:5.0f} s  the last cut is over; the clerk drives home")
                await self._evening()
        finally:
            self.outcome.seconds = time.monotonic() - began
            await self.bench.stop()
        return self.outcome

    async def _weaken(self) -> None:
        folder = self.bench.machine.results / "weak"
        folder.mkdir()
        (folder / "sitecustomize.py").write_text(WEAK)
        await self.bench.stop_agent()
        await self.bench.start_agent(**self._env)

    @property
    def _env(self) -> dict[str, str]:
        return {"PYTHONPATH": f"{self.bench.machine.results_inside}/weak"} if self._weak else {}

    # --- the cuts -----------------------------------------------------------------------------------------------------

    async def _cuts(self, began: float) -> None:
        living = asyncio.create_task(self.life.day())
        hand: list[str] = []
        try:
            for number in range(1, self._count + 1):
                if not hand:
                    hand = self._rng.sample(HAND, len(HAND))
                moment = hand.pop()
                waiting = asyncio.create_task(self._moment(moment))
                await asyncio.wait({waiting, living}, return_when=asyncio.FIRST_COMPLETED)
                if living.done():
                    waiting.cancel()
                    living.result()
                    raise AssertionError("the people went home before the last cut")
                await waiting
                await self.bench.cut_power()
                self.outcome.cuts, self.outcome.moments = number, [*self.outcome.moments, moment]
                await asyncio.sleep(self._rng.uniform(0.2, 1.5))
                losses = await self._power_back()
                self._say(f"{time.monotonic() - began:5.0f} s  cut {number} ({moment}): {_words(losses)}")
            self.life.evening.set()
            if self._whole:
                await living
        finally:
            living.cancel()
            await asyncio.gather(living, return_exceptions=True)

    async def _moment(self, kind: str) -> None:
        """Wait until the box is doing that, and a random moment more."""
        if kind == "relay":  # the intent is on disk, the outcome is not
            events = self.bench.machine.events()
            try:
                await asyncio.sleep(self._rng.uniform(0.5, 2))
                await events.until(lambda event: event["saw"] == "relay" and bool(event["on"]))
            finally:
                events.close()
            await asyncio.sleep(self._rng.choice((0.0, 0.1, 0.3)))
        elif kind == "tap":  # from the first look at the badge to the answer
            await asyncio.sleep(self._rng.uniform(0.5, 2))
            await self.life.tapped()
            await asyncio.sleep(self._rng.uniform(0.0, 0.5))
        elif kind == "book":  # between file, database, answer and PUBACK
            await asyncio.sleep(self._rng.uniform(2, 4))
            self.life.sell()
            await asyncio.sleep(self._rng.uniform(0.0, 0.6))
        else:
            await asyncio.sleep(self._rng.uniform(2, 12))

    async def _power_back(self) -> Losses:
        bench = self.bench
        await bench.machine.boot()
        bench.world.note("power", "back")
        losses = autopsy.compare(await autopsy.look(bench.machine), bench.database, bench.vehicle.ident.hex())
        self.outcome.losses += losses
        await bench.start_agent(**self._env)
        return losses

    # --- the end ------------------------------------------------------------------------------------------------------

    async def _evening(self) -> None:
        bench, outcome = self.bench, self.outcome
        try:
            await self.life.home()
        except (AssertionError, TimeoutError) as error:
            outcome.findings.append(
                f"the clerk's booking could not be ended: {type(error).__name__} {error}".splitlines()[0]
            )
        unanswered = await self.life.unanswered()
        outcome.findings += [f"booking {number} was sold, and the car never answered" for number in unanswered]
        if waiting := await bench.drained():
            outcome.findings.append(f"{waiting} records were never acknowledged")
        if code := await bench.stop_agent():
            outcome.findings.append(f"the ordered stop ended with {code}")
        found = await autopsy.look(bench.machine)
        outcome.losses += autopsy.compare(found, bench.database, bench.vehicle.ident.hex())
        numbered = {"facts": found.facts, "samples": found.samples}
        self._conclude({name: stream.highest for name, stream in numbered.items() if stream is not None})

    def _conclude(self, last: dict[str, int]) -> None:
        bench, outcome = self.bench, self.outcome
        losses = outcome.losses
        if losses.lost:
            outcome.findings.append(f"{len(losses.lost)} acknowledged records were lost")
        if losses.changed:
            outcome.findings.append(f"{len(losses.changed)} records differ on both sides")
        outcome.findings += [f"integrity_check: {word}" for word in losses.unsound]
        held = read(bench.database, bench.vehicle.ident.hex())
        outcome.twice, outcome.facts, outcome.samples = len(held.conflicts), len(held.facts), len(held.samples)
        outcome.orphans = len(held.of("access", event="outcome", resolved_at_boot=True))
        verdict = judge(bench.world.diary, bench.database, bench.vehicle.ident.hex(), self.life.expected(), last=last)
        outcome.findings += verdict.findings
        outcome.findings += self.life.repeated(held)
        if outcome.findings:
            self._keep_evidence(held)

    def _keep_evidence(self, held: Holding) -> None:
        """What happened beside what was told, in the order of time, for whoever looks into a finding."""
        lines = [
            (m.at_ms, f"          {m.what} {m.value} {m.detail} {m.truth.odometer_km:.2f} km")
            for m in self.bench.world.diary.moments
            if m.what != "road"
        ]
        for fact in held.facts:
            told = f"{fact.n:9d} {fact.kind} at {fact.at} of {fact.boot} wall {fact.wall}: {fact.body}"
            lines.append((round(fact.when_ms or fact.arrived_ms), told))
        OUT.mkdir(exist_ok=True)
        page = OUT / f"cuts-{self.outcome.seed}.txt"
        page.write_text("\n".join([*(f"{at} {line}" for at, line in sorted(lines)), *self.outcome.findings, ""]))
        self._say(f"the evidence is in {page}")


def _words(losses: Losses) -> str:
    sound = "integrity ok" if not losses.unsound else f"integrity: {losses.unsound[0]}"
    return f"{len(losses.lost)} acknowledged records lost, {len(losses.changed)} changed, {sound}"


def main(argv: list[str]) -> int:
    """0 when the promise held; 1 when it did not; with --synchronous NORMAL the other way round."""
    parser = argparse.ArgumentParser(prog="python -m hil.cuts", description="A day with power cuts at random moments.")
    parser.add_argument("--bench", default="auto", help="host, guest, the channel of a real adapter, or auto")
    parser.add_argument("--count", type=int, default=30)
    parser.add_argument("--seed", type=int, default=None, help="the same moments again, as far as a machine allows")
    parser.add_argument("--synchronous", choices=("FULL", "NORMAL"), default="FULL")
    parser.add_argument("--results", type=Path, default=results.PAGE, help="the page that keeps the last counts")
    options = parser.parse_args(argv)
    weak = options.synchronous == "NORMAL"
    seed = random.randrange(1 << 32) if options.seed is None else options.seed
    day = CutDay(options.bench, options.count, seed, lambda text: print(text, flush=True), weak=weak)
    outcome = asyncio.run(day.play())
    for finding in outcome.findings:
        print(f"  - {finding}")
    print(outcome.line())
    name = "power cuts, synchronous=NORMAL (must fail)" if weak else "power cuts"
    results.keep(options.results, name, outcome.line())
    return int(bool(outcome.findings) != weak)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
