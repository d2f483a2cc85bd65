"""Power cuts at exact points of a phone's command: what was said before moves nothing after it, and its holder does.

The machine has no Bluetooth. A message bus of its own and a stand-in for bluetoothd (`tests/bluez_inside.py`) carry the
bytes; what takes them is the real daemon. The brake is that of `cuts_exact.py`.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import sys
import time
from contextlib import suppress
from typing import Any, ClassVar

from cryptography.hazmat.primitives.asymmetric import ec

from . import beside, packages, tokens
from .backend.held import read
from .control import MachineGone
from .cuts import Say
from .cuts_exact import AFTER_INTENT, ANSWER_S, PULSE, ExactCuts

Said = tuple[int, bytes]


class PhoneCuts(ExactCuts):
    """One driver beside the car."""

    points: ClassVar[tuple[str, ...]] = (AFTER_INTENT, PULSE)
    of: ClassVar[str] = "two points of a phone's command"

    def __init__(self, machine: str, rounds: int, say: Say) -> None:
        air = {"adapter": "hci0", "secret": secrets.token_hex(16)}
        super().__init__(machine, rounds, say, extra={"bluetooth": air})
        self._key, now = ec.generate_private_key(ec.SECP256R1()), int(time.time())
        order = tokens.Order(self.bench.vehicle.ident, 42, now - 60, now + 7200, now - 120, holder=self._key)
        self._token = self.bench.issuer.token(order)
        self._link, self._counter, self._nonce = 0, 0, b""
        self._until_cut: set[asyncio.Task[object]] = set()

    @property
    def _folder(self) -> str:
        return f"{self.bench.machine.run}/bluez"

    @property
    def _env(self) -> dict[str, str]:
        return {**super()._env, "DBUS_SYSTEM_BUS_ADDRESS": f"unix:path={self._folder}/bus"}

    async def _start_agent(self) -> None:
        """After the stack, which ended with the machine."""
        await self._inside("import os, sys; os.makedirs(sys.argv[1], exist_ok=True)", self._folder)
        events = self.bench.machine.events()
        self._meanwhile(live=True)
        async with asyncio.timeout(ANSWER_S):
            await events.until(lambda event: event["saw"] == "run" and event["line"] == "ready")
        events.close()
        await super()._start_agent()

    def _meanwhile(self, *words: str, **more: Any) -> None:
        """What nobody waits for: it ends with the machine."""

        async def run() -> None:
            with suppress(MachineGone):
                await self._run(*words, **more)

        self._until_cut = {task for task in self._until_cut if not task.done()} | {asyncio.create_task(run())}

    async def _run(self, *words: str, **more: Any) -> str:
        argv = [sys.executable, "-m", "tests.bluez_inside", self._folder, *words]
        told = await self.bench.machine.call({"do": "run", "argv": argv, "cwd": str(packages.ROOT), **more})
        assert told["exit"] == 0, self.bench.tail(told["output"])
        return str(told["output"])

    def _said(self, *messages: Said) -> str:
        return json.dumps({"phone": self._link, "say": [[kind, body.hex()] for kind, body in messages]}) + "\n"

    async def _hears(self, *messages: Said) -> Said:
        async with asyncio.timeout(ANSWER_S):
            kind, body = json.loads(await self._run("ask", input=self._said(*messages)))
        return int(kind), bytes.fromhex(body)

    async def _connects(self) -> None:
        self._link += 1
        kind, body = await self._hears()
        assert kind == beside.HELLO
        self._nonce = beside.read_hello(body).nonce

    async def _asks(self, *messages: Said) -> beside.Answer:
        kind, body = await self._hears(*messages)
        while kind == beside.RECEIPT:  # of the command before
            kind, body = await self._hears()
        answer = beside.read_answer(body)
        self._nonce = answer.nonce
        return answer

    def _signs(self, action: str, counter: int) -> Said:
        return beside.COMMAND, beside.command(self._key, self._token, self._nonce, action, counter)

    async def _cut(self, point: str) -> str:
        """One command, cut there; its bytes again, its counter again, and then the holder's next tap."""
        world, token = self.bench.world, (beside.TOKEN, self._token)
        wanted, before = not world.truth.locked, len(world.diary.of("press"))
        action = "lock" if wanted else "unlock"
        await self._connects()
        self._counter += 1
        command = self._signs(action, self._counter)
        await self._cut_at(point, lambda: self._meanwhile("ask", input=self._said(token, command)))
        await self._connects()
        again = await self._asks(token, command)
        under_its_counter = await self._asks(self._signs(action, self._counter))
        pressed = len(world.diary.of("press")) - before
        self._judge(point, again.refusal or again.code, pressed, world.truth.locked == wanted)
        told = (again.refusal, again.counter, under_its_counter.refusal, under_its_counter.counter)
        if told != ("replay", None, "replay", self._counter):
            self.outcome.findings.append(f"{point}: its bytes and its counter again were {told}")
        self._counter += 1
        tap = await self._asks(self._signs(action, self._counter))
        if tap.code not in ("done", "unknown") or len(world.diary.of("press")) - before != pressed + 1:
            self.outcome.findings.append(f"{point}: the next tap was {tap.code} {tap.refusal}")
        return f"{point}: {again.refusal}, moved {pressed} times"

    async def _conclude(self) -> None:
        """Of each intent one outcome on record."""
        await super()._conclude()
        held = read(self.bench.database, self.bench.vehicle.ident.hex())
        intents = held.of("access", event="intent", via="phone")
        outcomes = [len(held.of("access", event="outcome", access=it.body["access"])) for it in intents]
        if outcomes != [1] * 2 * self.outcome.cuts:
            self.outcome.findings.append(f"{self.outcome.cuts} cuts and taps left intents with outcomes: {outcomes}")
