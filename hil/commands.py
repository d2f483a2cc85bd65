"""The verbs behind the prompt: each does one thing to a running bench and says in plain words what came of it.

What is not here: their grammar (`grammar.py`), what the person at the wheel does (`driving.py`), what only asks
(`questions.py`), terminals and sockets (`prompt.py`, `remote.py`), and what happens by itself (`happenings.py`).
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from typing import Final

from . import grammar
from .bench import AgentFailed, Bench
from .control import Events, MachineGone, Refused
from .driving import Driver, Failed
from .grammar import Misunderstood, Value
from .guest import GuestFailed
from .happenings import Voices
from .questions import Questions
from .story import CLERK_BADGE, EVENING_BADGE, STRANGER_BADGE
from .words import Words

FEEDBACK_S: Final = 10.0
ANSWER_S: Final = 12.0
FIRST_BOOKING: Final = 61_001
BADGES: Final = {"clerk": CLERK_BADGE, "private": EVENING_BADGE, "stranger": STRANGER_BADGE}
ALONGSIDE: Final = ("drive", "wait", "help", "quit")  # need not wait until the command before is done


class Commands:
    """sold: booking numbers and kinds that the desk has sold already. quitting: set when somebody said so."""

    def __init__(
        self, bench: Bench, words: Words, voices: Voices, sold: Mapping[int, str] | None = None, colour: bool = False
    ) -> None:
        self.bench, self.world, self.words, self._voices = bench, bench.world, words, voices
        self.quitting = asyncio.Event()
        self.sold = dict(sold or {})
        self._questions = Questions(bench, words, voices, self.sold, colour)
        self._driver = Driver(bench, words, voices)
        self._lane = asyncio.Lock()

    async def do(self, line: str) -> bool:
        """One line; whether it could be done. Never raises for what a person typed or a fault caused."""
        try:
            wish = grammar.parse(line, self.words)
            if wish and wish[0] in ALONGSIDE:
                await self._obey(wish)
            elif wish:
                async with self._lane:
                    await self._obey(wish)
        except (Misunderstood, Failed) as error:
            self._voices(str(error))
            return False
        except MachineGone:
            self.say("p_no_power")
            return False
        except (AgentFailed, GuestFailed, Refused, OSError, RuntimeError, TimeoutError, ValueError) as error:
            self.say("p_failed", why=f"{type(error).__name__}: {error}")
            return False
        return True

    def place(self) -> str:
        """Where the car is, in words."""
        return self._driver.place()

    def say(self, key: str, **values: object) -> None:
        self._voices(self.words(key, **values))

    async def _obey(self, wish: tuple[Value, ...]) -> None:
        match wish:
            case ("drive", where, *back):
                await self._driver.drive(where, bool(back))
            case ("badge", "tap", *who):
                await self.tap(who[0] if who else "clerk")
            case ("book", str(kind), *time):
                await self.book(kind, float(time[0]) if time else 7200.0)
            case ("command", str(action)):
                await self.command(action)
            case ("lock", "prove"):
                await self.prove()
            case ("power", str(op)) | ("fault", "power", str(op)):
                await self.power(op)
            case ("fault", "link", *op):
                self.link(*op)
            case ("fault", str(part), str(op)):
                await self.fault(part, op)
            case ("agent", str(op)):
                await self.agent(op)
            case ("wait", *time):
                await (asyncio.sleep(float(time[0])) if time else self._driver.stands.wait())
            case ("quit",):
                self.quitting.set()
            case ("ignition" | "plug" | "charge" | "door" | "key", *_):
                await self._driver.hand(*wish)
            case _:
                await self._questions.answer(wish)

    # --- badges, bookings, commands -----------------------------------------------------------------------------------

    async def tap(self, who: Value) -> None:
        uid = who if isinstance(who, bytes) else BADGES[str(who)]
        name = {"clerk": "clerk", "private": "driver", "stranger": "stranger"}.get(str(who))
        self.say("p_tap", who=self.words(name) if name else uid.hex())
        if not await self._agent_runs():
            self.say("p_shows_nothing")
            raise Failed(self.words("p_agent_off"))
        events = self.bench.machine.events()
        try:
            await self.world.tap(uid)
            async with asyncio.timeout(FEEDBACK_S):
                code, why = await _shown(events)
        except TimeoutError:
            raise Failed(self.words("p_shows_nothing")) from None
        finally:
            events.close()
        self.say(f"p_shows_{code}")
        if why:
            self.say("p_because", why=self.words.refusal(why), code=why)

    async def book(self, kind: str, seconds: float) -> None:
        desk = self.bench.desk
        number = max([FIRST_BOOKING - 1, *self.sold, *desk.tokens]) + 1
        badge = CLERK_BADGE if kind == "staff" else EVENING_BADGE
        hours = seconds / 3600
        self.sold[number] = kind
        desk.book(self.bench.order(number, badge, kind, hours))
        self.say("p_booking", number=number, kind=self.words(kind), hours=hours, badge=badge.hex())
        try:
            answer = await desk.booked(number, ANSWER_S if self._reachable else 1.0)
        except TimeoutError:
            self.say("p_booking_later", number=number)
            return
        if answer.body["event"] == "refused":
            why = self.words.refusal(str(answer.body["code"]))
            raise Failed(self.words("p_booking_refused", number=number, why=why))
        self.say("p_booking_stored", number=number)

    async def command(self, action: str) -> None:
        self.say("p_command", action=action)
        ident = self.bench.desk.command(self.bench.vehicle.ident, action)
        try:
            result = await self.bench.desk.result(ident, ANSWER_S if self._reachable else 1.0)
        except TimeoutError:
            raise Failed(self.words("p_command_silent")) from None
        self.say("p_command_done", **result)

    async def prove(self) -> None:
        self.say("p_proving")
        code, output = await self.bench.boitier("check", "lock", "--socket", self.bench.socket)
        if code:
            raise Failed(self.words("not_proven", why=" ".join(output.split()[-30:])))
        self.say("proven")

    @property
    def _reachable(self) -> bool:
        return self.bench.machine.running and self.bench.link.up

    async def _agent_runs(self) -> bool:
        """Raises MachineGone without power."""
        try:
            await self.bench.machine.call({"do": "proc"})
        except Refused:
            return False
        return True

    # --- what breaks --------------------------------------------------------------------------------------------------

    async def power(self, op: str) -> None:
        if op == "cut":
            if not self.bench.machine.running:
                raise Failed(self.words("p_no_power"))
            await self.bench.cut_power()
            self.say("p_power_cut")
            return
        if self.bench.machine.running:
            raise Failed(self.words("p_has_power"))
        await self.bench.restore_power()
        self.say("p_power_back", ms=round(self.bench.ready_ms))

    def link(self, *op: Value) -> None:
        match op:
            case ("delay", float(seconds)):
                self.bench.link.delay_s = seconds
                self.say("p_link_delay", seconds=seconds)
            case ("cut",):
                self.bench.cut_link()
                self.say("p_link_cut")
            case _:
                self.bench.mend_link()
                self.say("p_link_back")

    async def fault(self, part: str, op: str) -> None:
        broker, call = self.bench.broker, self.bench.machine.call
        match part, op:
            case "can", _:
                await call({"do": "can", "op": op})
            case "gnss", "plug" | "unplug":
                await call({"do": "sky", "plug": op == "plug"})
            case "gnss", _:
                self.world.sky.fix = op == "clear"
            case "broker", "kill":
                await broker.kill()
            case "broker", "restart":
                await broker.restart()
            case "broker", "lie" | "honest":
                broker.lie(op == "lie")
            case "broker", _:
                broker.freeze() if op == "freeze" else broker.thaw()
        self.world.note(part, op)
        self.say("p_done", what=f"{part} {op}")

    async def agent(self, op: str) -> None:
        runs = await self._agent_runs()
        if runs == (op == "start"):
            raise Failed(self.words("p_agent_on" if runs else "p_agent_off"))
        if op == "start":
            await self.bench.start_agent()
            self.say("p_agent_start", ms=round(self.bench.ready_ms))
        elif op == "stop":
            self.say("p_agent_stop", code=await self.bench.stop_agent())
        else:
            await self.bench.kill_agent()
            self.say("p_agent_kill")


async def _shown(events: Events) -> tuple[str, str]:
    """What the reader shows, and the refusal code that the box logs beside it. Raises MachineGone."""
    code = why = ""
    async for event in events:
        if event["saw"] == "feedback":
            code = event["code"]
        elif event["saw"] == "log" and (found := re.search(r"badge refused: (\w+)", event["line"])):
            why = found[1]
        if code and (why or code != "R"):
            return code, why
    raise MachineGone("no power")
