"""What one asks a running bench: status, records, the agent's log, the comparison, how to listen, help.

What is not here: whatever changes something (`commands.py`).
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from . import grammar, listen, provision
from .backend import held, ledger
from .bench import AgentFailed, Bench
from .control import MachineGone
from .demo import GREEN, PLAIN, RED, table
from .grammar import Value
from .happenings import Voices, summary
from .words import Words

DRAIN_S = 30.0
SEAL_S = 63.0
WIDTH = 110
WAYS = ("ended", "auto_closed", "takeover", "forced")  # a player may end a booking as he likes


class Questions:
    """sold: kinds of the bookings that the desk has sold, by their numbers; grows while the bench runs."""

    def __init__(
        self, bench: Bench, words: Words, voices: Voices, sold: Mapping[int, str], colour: bool = False
    ) -> None:
        self.bench, self.words, self._voices, self._sold, self._colour = bench, words, voices, sold, colour

    def say(self, key: str, **values: object) -> None:
        self._voices(self.words(key, **values))

    async def answer(self, wish: tuple[Value, ...]) -> None:
        match wish:
            case ("status",):
                await self.status()
            case ("records", *count):
                self.records(int(count[0]) if count else 10)
            case ("agent", "log", *count):
                self._voices("\n".join(list(self.bench.log)[-int(count[0] if count else 20) :]))
            case ("judge",):
                await self.judge()
            case ("listen",):
                self._voices(listen.command_line(self.bench) or self.words("p_no_mosquitto_sub"))
            case ("help", *word):
                self.help(str(word[0]) if word else "")

    async def status(self) -> None:
        """What `boitier status` says inside, on a line wide enough for a signal's name."""
        program = str(Path(sys.executable).with_name("boitier"))
        argv = ["env", f"COLUMNS={WIDTH}", program, "status", "--config", self.bench.config]
        found = await self.bench.machine.call({"do": "run", "argv": argv})
        self._voices("\n".join(line.rstrip() for line in found["output"].rstrip().splitlines()))

    def help(self, word: str) -> None:
        found = grammar.explain(word, self.words)
        width = max(len(form) for form, _ in found if len(form) < 60)
        self._voices("\n".join(f"  {form.ljust(width)}  {about}" for form, about in found))

    def records(self, count: int) -> None:
        """The latest facts at the backend."""
        facts = held.read(self.bench.database, self.bench.vehicle.ident.hex()).facts
        self.say("p_records", count=len(facts))
        for fact in facts[-count:]:
            when = "--:--:--"
            if fact.when_ms is not None:
                when = time.strftime("%H:%M:%S", time.localtime(fact.when_ms / 1000))
            self._voices(f"  {fact.n:>4}  {when}  {summary(fact.kind, fact.body)}")

    async def judge(self) -> None:
        """Hand over what waits, where that is possible; then hold the diary against the backend."""
        try:
            if self.bench.link.up and self.bench.machine.running:
                await self._sealed()
                self.say("p_drains")
            if waiting := await (self.bench.drained(DRAIN_S) if self.bench.link.up else self.bench.waiting()):
                self.say("p_undrained", count=waiting)
        except (AgentFailed, MachineGone):
            self.say("p_no_link_judged")
        if self.bench.world.truth.speed_kmh > 0:
            self.say("p_under_way")
        vehicle = self.bench.vehicle
        judgement = ledger.judge(
            self.bench.world.diary, self.bench.database, vehicle.ident.hex(), self.expected(),
            tolerance=provision.tolerance(vehicle),
        )  # fmt: skip
        self._voices(table(judgement.rows, self.words, self._colour))
        for finding in judgement.findings:
            self._voices(f"  - {finding}")
        verdict = self.words("agree" if judgement.agrees else "disagree")
        self._voices(f"{GREEN if judgement.agrees else RED}{verdict}{PLAIN}" if self._colour else verdict)

    async def _sealed(self) -> None:
        """The newest samples of a booking under way are sealed, and so on their way, within a minute."""
        diary = self.bench.world.diary
        roads, shown = diary.of("road"), diary.of("feedback")
        if not roads or self.bench.world.truth.speed_kmh > 0:
            return
        if shown and shown[-1].value == "E" and shown[-1].at_ms > roads[-1].at_ms:
            return  # the end of a booking seals them
        left_s = SEAL_S - (time.time() - roads[-1].at_ms / 1000)
        if left_s > 0:
            self.say("p_seals", seconds=left_s)
            await asyncio.sleep(left_s)

    def expected(self) -> list[ledger.Expected]:
        """What the desk has heard of each booking sold: the receiver, which hears for itself, must hold the same."""
        heard = [fact.body for fact in self.bench.desk.facts if fact.kind == "booking"]
        events = {(body["booking"], body["event"]) for body in heard}
        return [
            ledger.Expected(number, kind, (number, "opened") in events, WAYS if (number, "closed") in events else ())
            for number, kind in self._sold.items()
        ]
