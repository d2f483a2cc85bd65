"""Power cuts at five exact points of one remote command's movement, and the same command again after each.

The daemon has no hook for this: a copy of `sqlite3` in its own process stops it whole at the wanted commit, and then
its machine loses power (the relay's pulse is seen on its wire). What is not here: cuts at random moments (`cuts.py`),
and the same by a phone's path (`cuts_phone.py`).
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeVar

from . import autopsy
from .backend.held import read
from .bench import Bench
from .cuts import Say

BEFORE_INTENT, AFTER_INTENT, PULSE = "before the intent", "after the intent", "at the pulse"
BEFORE_OUTCOME, AFTER_OUTCOME = "before the outcome", "after the outcome"
POINTS = (BEFORE_INTENT, AFTER_INTENT, PULSE, BEFORE_OUTCOME, AFTER_OUTCOME)
LIFE_S, ANSWER_S, CLOCK_S = 300, 60.0, 60.0
_T = TypeVar("_T")
STOPPED = "stopped for a cut"
BRAKE = f"""
import os, signal, sqlite3, time

class Braked(sqlite3.Connection):
    moves = ""  # what this transaction writes of a movement

    def execute(self, sql, parameters=()):
        if sql.startswith("BEGIN"):
            self.moves = ""
        elif parameters and parameters[0] == "access/pending":
            self.moves = "intent" if sql.startswith("INSERT") else "outcome"
        if sql != "COMMIT":
            return super().execute(sql, parameters)
        self.stop("before")
        done = super().execute(sql)
        self.stop("after")
        return done

    def stop(self, when):
        path = os.environ["BRAKE"]
        if self.moves and os.path.exists(path) and open(path).read() == f"{{when}} the {{self.moves}}":
            os.write(2, b"{STOPPED}\\n")
            os.kill(os.getpid(), signal.SIGSTOP)
            time.sleep(3600)  # another thread may be the one that takes the signal, a moment later

_connect = sqlite3.connect
sqlite3.connect = lambda *a, **k: _connect(*a, **{{"factory": Braked, **k}})
"""


@dataclass(slots=True)
class Outcome:
    """of: what was cut. findings: one sentence each; empty when the promise held. answers: what was told at the end, by
    point.
    """

    of: str
    answers: dict[str, Counter[str]]
    cuts: int = 0
    pressed: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    findings: list[str] = field(default_factory=list)

    def line(self) -> str:
        """For `docs/results.md`."""
        told = "; ".join(
            f"{point}: {', '.join(f'{n} {code}' for code, n in sorted(codes.items()))}, "
            f"moved {self.pressed[point]} times"
            for point, codes in self.answers.items()
        )
        verdict = "each moved once at most and was answered" if not self.findings else f"{len(self.findings)} findings"
        what = f"{self.cuts} cuts at {self.of}, which came again after each"
        return f"{what}. {told}; {verdict}; {self.seconds:.0f} s"


class ExactCuts:
    """One bench, already started by nobody: `play` starts and stops it. rounds: cuts at each point. changes: of its
    vehicle.
    """

    points: ClassVar[tuple[str, ...]] = POINTS
    of: ClassVar[str] = "five points of a command"

    def __init__(self, machine: str, rounds: int, say: Say, **changes: Any) -> None:
        self.bench = Bench(machine=machine, **changes)
        self._rounds, self._say = rounds, say
        self.outcome = Outcome(self.of, {point: Counter() for point in self.points})

    async def play(self) -> Outcome:
        """Raises what broke down; what merely was wrong is in the findings."""
        began = time.monotonic()
        bench = self.bench
        try:
            await bench.start()
            folder = bench.machine.results / "brake"
            folder.mkdir()
            (folder / "sitecustomize.py").write_text(BRAKE)
            await bench.stop_agent()
            await self._start_agent()
            code, output = await bench.boitier("check", "lock", "--socket", bench.socket)
            assert code == 0, bench.tail(output)
            for number in range(self._rounds * len(self.points)):
                told = await self._cut(self.points[number % len(self.points)])
                self._say(f"{time.monotonic() - began:5.0f} s  cut {number + 1}, {told}")
            await self._conclude()
        finally:
            self.outcome.seconds = time.monotonic() - began
            await bench.stop()
        return self.outcome

    @property
    def _brake(self) -> str:
        """Inside, in memory: a cut takes it away."""
        return f"{self.bench.machine.run}/brake"

    @property
    def _env(self) -> dict[str, str]:
        return {"PYTHONPATH": f"{self.bench.machine.results_inside}/brake", "BRAKE": self._brake}

    async def _start_agent(self) -> None:
        await self.bench.start_agent(**self._env)

    async def _inside(self, program: str, *words: str) -> None:
        done = await self.bench.machine.call({"do": "run", "argv": [sys.executable, "-c", program, *words]})
        assert done["exit"] == 0, done["output"]

    async def _cut(self, point: str) -> str:
        """One command, cut there and sent again; what became of it in words."""
        bench, desk, vehicle = self.bench, self.bench.desk, self.bench.vehicle.ident
        await self._knows_the_time()
        wanted = not bench.world.truth.locked
        before = len(bench.world.diary.of("press"))
        ident = await self._cut_at(point, lambda: desk.command(vehicle, "lock" if wanted else "unlock", LIFE_S))
        code = await self._answered(ident, point)
        await self._used_up(point)
        pressed = len(bench.world.diary.of("press")) - before
        self._judge(point, code, pressed, bench.world.truth.locked == wanted)
        return f"{point}: {code}, moved {pressed} times"

    async def _cut_at(self, point: str, send: Callable[[], _T]) -> _T:
        """The power goes when what is sent has come to the point, and comes back."""
        bench = self.bench
        await self._inside("import sys; open(sys.argv[1], 'w').write(sys.argv[2])", self._brake, point)
        events = bench.machine.events()
        sent = send()
        try:
            async with asyncio.timeout(ANSWER_S):
                await events.until(lambda event: _is_there(event, point))
        except TimeoutError:
            raise AssertionError(bench.tail(f"the command never came to the point {point!r}")) from None
        finally:
            events.close()
        await bench.cut_power()
        await bench.machine.boot()
        bench.world.note("power", "back")
        if (found := await autopsy.look(bench.machine)).integrity != ("ok",):
            self.outcome.findings.append(f"{point}: integrity_check: {found.integrity}")
        await self._inside("import os, sys; os.path.exists(sys.argv[1]) and os.unlink(sys.argv[1])", self._brake)
        await self._start_agent()
        return sent

    async def _knows_the_time(self) -> None:
        """A box that does not know it refuses every remote command, and that is another test."""
        deadline = time.monotonic() + CLOCK_S
        while (await self.bench.status())["clock"]["hi_s"] is None:
            assert time.monotonic() < deadline, self.bench.tail("the box does not learn the time")
            await asyncio.sleep(0.5)

    async def _answered(self, ident: str, point: str) -> str:
        """Three times the very same bytes: as the broker still has them, and twice by hand. The last answer's code."""
        desk, vehicle = self.bench.desk, self.bench.vehicle.ident
        desk.send_raw(vehicle, "cmd", desk.commands[ident])
        await desk.result(ident, ANSWER_S)
        intent = next((it for it in desk.facts if it.kind == "access" and it.body.get("command") == ident), None)
        if point != BEFORE_INTENT or intent is not None:
            intent = intent or await desk.fact("access", ANSWER_S, event="intent", command=ident)
            await desk.fact("access", ANSWER_S, event="outcome", access=intent.body["access"])
        await asyncio.sleep(0.5)  # the lock needs its time
        desk.results.pop(ident)
        desk.send_raw(vehicle, "cmd", desk.commands[ident])
        return str((await desk.result(ident, ANSWER_S))["code"])

    async def _used_up(self, point: str) -> None:
        """Another wish under the counter that the cut command had: once the time is known, it alone stops that."""
        await self._knows_the_time()
        desk, vehicle = self.bench.desk, self.bench.vehicle.ident
        seen = len(desk.facts)
        action = "unlock" if self.bench.world.truth.locked else "lock"
        desk.send_raw(vehicle, "cmd", desk.command_again(vehicle, action, LIFE_S))
        try:
            code = (await desk.fact("refused", ANSWER_S, after=seen)).body["code"]
        except TimeoutError:
            code = "obeyed"
        if code != "replay":
            self.outcome.findings.append(f"{point}: another command under its counter was {code}")

    def _judge(self, point: str, code: str, pressed: int, moved: bool) -> None:
        outcome = self.outcome
        outcome.cuts += 1
        outcome.pressed[point] += pressed
        outcome.answers[point][code] += 1
        right = {AFTER_INTENT: 0, BEFORE_INTENT: int(code != "refused")}.get(point, 1)
        if pressed != right:
            outcome.findings.append(f"{point}: the lock was moved {pressed} times, not {right} ({code})")
        if (code == "done" and not moved) or (code in ("failed", "refused") and moved):
            is_so = "moved" if moved else "did not move"
            outcome.findings.append(f"{point}: the answer is {code}, and the lock {is_so}")

    async def _conclude(self) -> None:
        """Of each command one intent at most, and of each intent one outcome and one answer on record."""
        bench, findings = self.bench, self.outcome.findings
        if waiting := await bench.drained():
            findings.append(f"{waiting} records were never acknowledged")
        if code := await bench.stop_agent():
            findings.append(f"the ordered stop ended with {code}")
        held = read(bench.database, bench.vehicle.ident.hex())
        for ident in bench.desk.commands:
            intents = held.of("access", event="intent", command=ident)
            outcomes = [it for one in intents for it in held.of("access", event="outcome", access=one.body["access"])]
            told = held.of("command", id=ident)
            if not len(intents) == len(outcomes) == len(told) <= 1:
                findings.append(f"{ident}: {len(intents)} intents, {len(outcomes)} outcomes, {len(told)} results")


def _is_there(event: dict[str, object], point: str) -> bool:
    if point == PULSE:
        return event["saw"] == "relay" and bool(event["on"])
    return event["saw"] == "log" and event["line"] == STOPPED
