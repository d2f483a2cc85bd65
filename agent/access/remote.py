"""Remote commands: verified, made durable with their counter, carried out once, answered always (D12, D13).

What is not here: the topic they come by (`agent/sync/downlink.py`).
"""

from __future__ import annotations

import functools
import json
import logging
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from drivers.ports import LockAction
from keyless.claims import Action, Booking, Command
from keyless.refusal import Code, Refusal, refused
from keyless.token import read_remote, token_hash

from ..sync import facts, stored
from ..sync.store import Fact, Store, StoreBroken
from . import locate
from .authority import Authority
from .booking import Closing
from .bookings import Bookings
from .choice import may_start
from .commanded import GARAGE, SWITCHES, Commanded, Far, by_command
from .decision_log import DecisionLog
from .decision_record import commanded_from, shown
from .lockwork import RESULT, Lockwork
from .outcome import Answer
from .pending import Asked, Movement
from .saying import said
from .scene import Scene
from .unbelieved import addressed, signed

if TYPE_CHECKING:
    from ..car.garage import Garage

log = logging.getLogger(__name__)

COUNTER: Final = "command/counter/"
MOVEMENTS: Final[dict[Action, Movement]] = {
    Action.UNLOCK: LockAction.UNLOCK, Action.LOCK: LockAction.LOCK, Action.END: LockAction.LOCK, **SWITCHES,
}  # fmt: skip
MOST: Final = 1_024  # stored answers to refused commands; beyond them the counter alone guards against a replay
KEPT_S: Final = 86_400  # an answer outlives its command by a day: the backend may ask again, the network may be slow
SPENT: Final = (2**63 - 1, 2**63 - 1)  # above every counter: nobody knows any more which commands were obeyed
Result = Callable[[str, str, str, "int | None"], None]


class Remote:
    """result(id, code, why, fact): the answer to the backend; fact is the number of the fact that records it, where one
    is on disk. language: of the log.
    """

    def __init__(
        self, store: Store, authority: Authority, bookings: Bookings, scene: Scene, lockwork: Lockwork, result: Result,
        kept: DecisionLog, language: str = "en",
    ) -> None:  # fmt: skip
        self._store, self._authority, self._bookings = store, authority, bookings
        self._scene, self._lockwork, self._result = scene, lockwork, result
        self._counters: dict[str, tuple[int, int]] = {}  # token hash -> highest counter, end of the token
        self._results, self._kept, self._language = lockwork.answers, kept, language
        self._told = locate.Told()
        self.garage: Garage | None = None  # composed after READY (D24), before the first command can come
        self.counters = {"taken": 0, "repeated": 0, "refused": 0}

    def load(self, vault: Mapping[str, bytes]) -> None:
        """What earlier runs left. An entry that does not read costs itself: its token's commands are refused from here
        on, its answer is not repeated; the door starts.
        """
        self._told.load(vault)
        for name, data in vault.items():
            try:
                if name.startswith(COUNTER):
                    self._counters[name.removeprefix(COUNTER)] = stored.value(tuple[int, int], data)
                elif name.startswith(RESULT):
                    self._results[name.removeprefix(RESULT)] = stored.value(Answer, data)
            except ValueError as error:
                log.error("%s cannot be read: %s", name, error)
                if name.startswith(COUNTER):
                    self._counters[name.removeprefix(COUNTER)] = SPENT

    async def obey(self, payload: bytes) -> None:
        """One message of `down/cmd`. Returns when nothing more is to be written about it."""
        if self._store.broken:
            await self._refuse(None, refused(Code.STORE_BROKEN, "remote commands wait until intents can be written"))
            return
        pair = read_remote(payload)
        if isinstance(pair, Refusal):
            await self._refuse(None, pair)
            return
        commanded, keep = self._judge(*pair)
        if self._lockwork.unsettled and commanded.command and commanded.command.id.hex() not in self._results:
            await self._lockwork.resolve(at_once=True)  # who has the car is known before anybody is judged
            commanded, keep = self._judge(*pair)
        command, refusal, booking = commanded.command, commanded.verdict.refusal, commanded.verdict.booking
        if command is None or booking is None:
            assert refusal is not None
            told = addressed(refusal, *pair)
            name = told.detail.get("command")
            if isinstance(name, str) and name in self._results:
                self._repeat(name)
            else:
                await self._turn_down(pair, told, name if isinstance(name, str) else None, keep())
            return
        name = command.id.hex()
        if name in self._results:  # the same id under another counter or token is still the same wish
            self._repeat(name)
            return
        key = token_hash(pair[0]).hex()
        used = (command.counter, max(booking.exp, command.exp))
        put, record = {COUNTER + key: _json(used)}, keep()
        if refusal is not None:
            self._counters[key] = used
            await self._refuse(name, refusal, booking, put, command.exp, record)
            return
        try:
            self.counters["taken"] += 1
            await self._act(commanded, booking, command, {**put, **record})
            self._counters[key] = used
        except StoreBroken:
            self._counters[key] = used
            why = refused(Code.STORE_BROKEN, "the intent could not be written")
            await self._refuse(name, why, booking, put, command.exp)

    async def purge(self, lo_s: float) -> None:
        """Forget commands and counters whose time is surely over: verification refuses them by then."""
        old = [name for name, answer in self._results.items() if (answer["until"] or 0) + KEPT_S < lo_s]
        dead = [name for name, (_, exp) in self._counters.items() if exp + KEPT_S < lo_s]
        if not old and not dead:
            return
        try:
            await self._store.commit(drop=(*(RESULT + name for name in old), *(COUNTER + name for name in dead)))
        except StoreBroken:
            return
        for name in old:
            self._results.pop(name, None)
        self._counters = {name: used for name, used in self._counters.items() if name not in dead}

    # --- inside

    def _judge(self, token: bytes, command: bytes) -> tuple[Commanded, Callable[[], dict[str, bytes]]]:
        """What came out, and what makes its record: a repeat has none."""
        key, scene = token_hash(token).hex(), self._scene
        far = Far(
            counter=self._counters[key][0] if key in self._counters else None,
            garage=self.garage is not None,
            told=self._told.lately(scene.under.booking, scene.reading()),
            switches=self._lockwork.switches.keys(),
        )
        known = self._bookings.known(scene.now(), scene.car(), (shown(token),))
        found = by_command(command, far, known)
        return found, functools.partial(self._kept.keep, commanded_from(command, far), known, found)

    async def _turn_down(
        self, pair: tuple[bytes, bytes], refusal: Refusal, name: str | None, record: Mapping[str, bytes]
    ) -> None:
        """Who was answered "refused" must not find it done later: a command that its holder signed is used up, also
        where its token is refused now and would be good at a replay.
        """
        command = signed(self._authority, refusal, *pair)
        if command is None or refusal.claims is None or refusal.code is Code.REPLAY:
            await self._refuse(name, refusal, record=record)
            return
        key = token_hash(pair[0]).hex()
        counter, until = self._counters.get(key, (-1, 0))
        self._counters[key] = max(counter, command.counter), max(until, refusal.claims.exp, command.exp)
        put = {COUNTER + key: _json(self._counters[key])}
        await self._refuse(command.id.hex(), refusal, None, put, command.exp, record)

    async def _act(
        self, commanded: Commanded, booking: Booking, command: Command, put: Mapping[str, bytes]
    ) -> None:
        if command.action in locate.REASONS:
            await self._locate(booking, command, put)
            return
        if commanded.verdict.opens:
            self._bookings.judge(booking.booking)
        name, starts = command.id.hex(), may_start(booking, self._bookings.believed())
        asked = replace(
            Asked.by(booking, "command", self._scene.now().source, starts=starts),
            booking=booking.booking or self._scene.open_number, command=name, until=command.exp,
        )  # fmt: skip
        if command.action in GARAGE:
            await self._switch(asked, GARAGE[command.action], put)
            return
        # Until the outcome is known a repeat, also one after a power cut, is told so and moves nothing.
        self._results[name] = Answer(code="unknown", why="under way", until=command.exp)
        put = {**put, RESULT + name: _json(self._results[name])}
        verdict, closes = commanded.verdict, None
        if verdict.closes is not None:
            closes = self._scene.closing(verdict.closes, verdict.overridden)
            if commanded.closes_only:
                await self._close_only(asked, closes, put)
                return
        opens = self._scene.opening(booking, self._bookings.believed()) if verdict.opens else None
        plan = self._scene.plan(opens, closes, booking)
        try:
            await self._lockwork.move(MOVEMENTS[command.action], asked, plan, put=put)
        except StoreBroken:
            self._results.pop(name, None)
            raise

    async def _switch(self, asked: Asked, on: bool, put: Mapping[str, bytes]) -> None:
        """R17: the switch, its fact, the command's and its counter are one transaction. Raises `StoreBroken`."""
        assert self.garage is not None
        name, turn = str(asked.command), self.garage.turn(on, "command")
        word = "on" if on else "off"
        answer = Answer(code="done", why=f"the garage switch is {word}", until=asked.until)
        result = {"code": "done", "why": answer["why"]}
        facts = (turn.fact, Fact("command", {"id": name, "action": f"garage_{word}", "result": result}))
        numbers = await self._store.commit(facts, put={**put, **turn.put, RESULT + name: _json(answer)}, drop=turn.drop)
        self.garage.turned(turn)
        self._results[name] = answer
        self._result(name, "done", answer["why"], numbers[-1])

    async def _locate(self, booking: Booking, command: Command, put: Mapping[str, bytes]) -> None:
        """P2: the position, who asked and why, the answer and the counter are one transaction, or one piece of memory
        while the disk refuses: it moves nothing, so it need not wait.
        """
        name, place = command.id.hex(), self._scene.declared()
        facts = locate.told(booking, command, self._scene.under.booking, place)
        code, why = locate.code(place), locate.KEPT if place is not None else locate.UNKNOWN
        answer = Answer(code=code, why=why, until=command.exp)
        self._results[name] = answer
        if place is not None:
            put = {**put, **self._told.note(command, self._scene.under.booking, self._scene.reading())}
        try:
            numbers = await self._store.commit(facts, put={**put, RESULT + name: _json(answer)})
        except StoreBroken:
            numbers = ()
        self._result(name, code, why, numbers[-1] if numbers else None)

    async def _close_only(self, asked: Asked, closing: Closing, put: Mapping[str, bytes]) -> None:
        """A forced end of a car that stands open or runs: the record ends, the lock is left alone."""
        why = "ended without locking: " + ", ".join(closing.hard_overridden)
        name = str(asked.command)
        self._results[name] = Answer(code="done", why=why, until=asked.until)
        put = {**put, RESULT + name: _json(self._results[name])}
        fact = Fact("command", {"id": name, "action": "end", "result": {"code": "done", "why": why}})
        numbers = await self._lockwork.conclude(self._scene.plan(closes=closing), asked, (fact,), put)
        self._result(name, "done", why, numbers[-1] if numbers else None)

    def _repeat(self, name: str) -> None:
        self.counters["repeated"] += 1
        stored = self._results[name]
        self._result(name, stored["code"], stored["why"], None)

    async def _refuse(
        self,
        name: str | None,
        refusal: Refusal,
        booking: Booking | None = None,
        put: Mapping[str, bytes] | None = None,
        until: int | None = None,
        record: Mapping[str, bytes] | None = None,
    ) -> None:
        """A refusal is a fact, and where the command's id is known an answer; `put` keeps the counter that it used up.
        """
        self.counters["refused"] += 1
        log.info("command refused: %s (%s)", refusal.code.value, said(refusal, self._language))
        why = str(refusal.detail.get("why", "")) or refusal.code.value
        body = facts.refused("command", refusal, booking, **({"command": name} if name else {}))
        vault = {**(put or {}), **(record or {})}
        if name is not None and put is not None and len(self._results) < MOST:
            self._results[name] = Answer(code="refused", why=f"{refusal.code.value}: {why}", until=until)
            vault[RESULT + name] = _json(self._results[name])
        try:
            numbers = await self._store.commit((Fact("refused", body),), put=vault)
        except StoreBroken:
            numbers = ()
        if name is not None:
            self._result(name, "refused", f"{refusal.code.value}: {why}", numbers[-1] if numbers else None)


def _json(found: object) -> bytes:
    return json.dumps(found, separators=(",", ":")).encode()
