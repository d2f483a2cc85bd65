"""The whole bench around one box: broker, receiver, desk, mobile link, world, machine, and in the machine the box.

It starts and stops things and offers the verbs that stories are told with. What is not here: any story (`story.py`,
`scenarios/`), and any judgement of what the backend holds (`backend/ledger.py`).
"""

from __future__ import annotations

import asyncio
import json
import secrets
import shutil
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from . import machine as machines
from . import provision, tokens
from .backend.broker import Broker
from .backend.ca import Authority
from .backend.desk import Desk
from .backend.pipe import Address
from .backend.receiver import ReceiverProcess
from .control import MachineGone
from .link import Link
from .truth import CarTruth
from .world import World

Message = dict[str, Any]
READY_TIMEOUT_S = 30.0
LOG_LINES = 400
LISTENS = "the car is listened to"  # the door can be opened sooner (D24)


class AgentFailed(RuntimeError):
    """The agent did not become ready; the text has the end of its log."""


class Bench:
    """car: a folder under config/cars. machine: as `hil.machine.choose`. say: progress in words, for a person.

    Use it as an async context manager, or `start` and `stop`. Nothing is left behind: no process, no folder.
    """

    def __init__(
        self, car: str = "zoe-ph1", machine: str = "auto", say: Callable[[str], None] = machines.nothing, **changes: Any
    ) -> None:
        self.car, self.say = car, say
        self.folder = Path(tempfile.mkdtemp(prefix="boitier-bench-"))
        self.machine = machines.choose(machine, car)
        self.authority = Authority(self.folder / "ca")
        self.broker = Broker(self.folder / "broker", self.authority)
        self.database = self.folder / "backend.db"
        self.receiver = ReceiverProcess(self._address("receiver"), self.database)
        self.roots = tokens.Roots.fresh()
        self.issuer = tokens.Issuer("bench")
        self.desk = Desk(self._address("desk"), self.issuer)
        self.link = Link(self.broker.host, self.broker.port)
        self.vehicle = provision.Vehicle(secrets.token_bytes(8), car, **changes)
        physics = provision.physics(self.vehicle)
        # R8: every rental starts with the car plugged in.
        parked = CarTruth(plugged=True, charging=True, charge_status="charging", awake=True)
        truth = physics["battery"].filled(parked, 17.2)
        self.world = World(self.machine.call, truth, wiring=provision.wiring(self.vehicle), **physics)
        self.log: deque[str] = deque(maxlen=LOG_LINES)
        self.ready_ms = 0.0  # from exec to READY, as the inside saw it
        self._toml = ""
        self._stopping = False
        self.machine.listeners.extend([self.world.saw, self._heard])

    async def __aenter__(self) -> Self:
        try:
            await self.start()
        except BaseException:
            await self.stop()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    # --- life ---------------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Everything up, the box ready to open its car."""
        await self.broker.start()
        await self.receiver.start()
        await self.desk.open()
        await self.link.start()
        self.machine.forward("broker", self.link.host, self.link.port)
        await self.machine.boot(self.say)
        await self.world.start()
        self._toml = provision.write(self)
        await self.start_agent()

    async def stop(self) -> None:
        """In the reverse order; may be called after a start that failed half way."""
        if self._stopping:
            return
        self._stopping = True
        try:
            await self.world.stop()
        finally:
            await self.machine.close()
            await self.link.stop()
            await self.desk.close()
            await self.receiver.stop()
            await self.broker.stop()
            shutil.rmtree(self.folder, ignore_errors=True)

    async def start_agent(self, **env: str) -> None:
        """Raises AgentFailed when it is not READY in time."""
        events = self.machine.events()
        began = time.monotonic()
        argv = [sys.executable, "-m", "agent", "--config", "{config}"]
        await self.machine.call({"do": "agent", "op": "start", "toml": self._toml, "argv": argv, "env": env})
        try:
            async with asyncio.timeout(READY_TIMEOUT_S):
                event = await events.until(lambda e: e["saw"] == "agent" and ("exit" in e or "READY=1" in e["notify"]))
        except TimeoutError:
            raise AgentFailed(self.tail("not ready in time")) from None
        finally:
            events.close()
        if "exit" in event:
            raise AgentFailed(self.tail(f"ended with {event['exit']}"))
        self.ready_ms = 1000 * (time.monotonic() - began)
        self.world.note("agent", "ready")

    async def stop_agent(self) -> int:
        """Asked to stop; its exit code."""
        code: int = (await self.machine.call({"do": "agent", "op": "stop"}))["exit"]
        self.world.note("agent", "stopped")
        return code

    async def kill_agent(self) -> None:
        """SIGKILL."""
        await self.machine.call({"do": "agent", "op": "kill"})
        self.world.note("agent", "killed")

    async def cut_power(self) -> None:
        """The box and its machine lose power this instant; the car and the world go on."""
        self.world.note("power", "cut")
        await self.machine.cut()
        self.world.card.unpowered()  # its relay board hangs on the same fuse

    async def restore_power(self) -> None:
        """Boot on the same disk and start the agent, as systemd would."""
        await self.machine.boot(self.say)
        self.world.note("power", "back")
        await self.start_agent()

    def cut_link(self) -> None:
        self.world.note("link", "cut")
        self.link.cut()

    def mend_link(self) -> None:
        self.world.note("link", "back")
        self.link.mend(forget=True)

    @property
    def config(self) -> str:
        """The settings file, seen from inside."""
        return f"{self.machine.run}/agent.toml"

    @property
    def socket(self) -> str:
        """The box's control socket, seen from inside."""
        return f"{self.machine.run}/control.sock"

    # --- verbs --------------------------------------------------------------------------------------------------------

    def order(
        self, booking: int, badge: bytes, kind: str = "staff", hours: float = 2.0, **changes: Any
    ) -> tokens.Order:
        """A booking that runs from a minute ago for so many hours, for this car and badge."""
        now = int(time.time())
        values: dict[str, Any] = {
            "vehicle": self.vehicle.ident, "booking": booking, "start_s": now - 60,
            "end_s": now + int(hours * 3600), "issued_s": now - 120, "badge": badge, "kind": kind,
        }  # fmt: skip
        return tokens.Order(**(values | changes))

    async def boitier(self, *argv: str) -> tuple[int, str]:
        """The command line inside: its exit code and output."""
        command = [str(Path(sys.executable).with_name("boitier")), *argv]
        found = await self.machine.call({"do": "run", "argv": command})
        return found["exit"], found["output"]

    async def status(self) -> Message:
        """`boitier status --json`."""
        code, output = await self.boitier("status", "--config", self.config, "--json")
        if code:
            raise AgentFailed(self.tail(f"status said {code}: {output}"))
        found: Message = json.loads(output)
        return found

    async def waiting(self) -> int:
        """Records in the box that the backend has not acknowledged."""
        records = (await self.status())["records"]
        return int(records["facts"] or 0) + int(records["samples"] or 0)

    async def drained(self, timeout_s: float = 90.0) -> int:
        """Wait until everything is acknowledged; what still waits when the time is up."""
        deadline = time.monotonic() + timeout_s
        while (waiting := await self.waiting()) and time.monotonic() < deadline:
            await asyncio.sleep(1)
        return waiting

    async def feedback(self, code: str, timeout_s: float = 20.0) -> None:
        """Wait until the reader shows that; start waiting before the tap with `asyncio.create_task`."""
        events = self.machine.events()
        try:
            async with asyncio.timeout(timeout_s):
                await events.until(lambda event: event["saw"] == "feedback" and event["code"] == code)
        finally:
            events.close()

    async def tap(self, uid: bytes, expect: str, timeout_s: float = 20.0) -> str:
        """Hold a badge to the reader and wait for what it shows. Raises AssertionError when it shows another thing."""
        events = self.machine.events()
        try:
            await self.world.tap(uid)
            async with asyncio.timeout(timeout_s):
                shown = (await events.until(lambda event: event["saw"] == "feedback"))["code"]
        except TimeoutError:
            raise AssertionError(self.tail(f"the reader showed nothing for {timeout_s:g} s")) from None
        finally:
            events.close()
        if shown not in expect:
            raise AssertionError(self.tail(f"the reader showed {shown}, not {expect}"))
        return str(shown)

    def tail(self, what: str) -> str:
        """What went wrong, with the end of the agent's log."""
        return "\n".join([what, *list(self.log)[-30:]])

    def _heard(self, event: Message) -> None:
        if event["saw"] == "log":
            self.log.append(event["line"])
            if LISTENS in event["line"]:
                self.world.note("agent", "listens")
        elif event["saw"] == "agent" and "exit" in event:
            self.log.append(f"the agent ended with {event['exit']}")

    def _address(self, name: str) -> Address:
        return Address(self.broker.host, self.broker.port, self.authority.certificate, self.authority.issue(name))


__all__ = ["AgentFailed", "Bench", "MachineGone"]
