"""The bench around a box that systemd runs: the same broker, desk, world and verbs, but the agent is `boitier.service`.

What is not here: how the box is laid out inside (`systemd_guest.py`).
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

from . import packages, provision
from .bench import AgentFailed, Bench
from .machine import GuestMachine, nothing
from .systemd_guest import CHANNEL, GIVEN, PREFIX, RUN

SERVICE = "boitier.service"


class SystemdMachine(GuestMachine):
    """As `GuestMachine`, with the box installed after each boot; it is controlled by `systemctl`."""

    data = "/var/lib/boitier"

    def __init__(self, car: str = "-") -> None:
        super().__init__(car, disk=False, systemd=True)
        self._guest._inside += ["--channel", CHANNEL, "--run", str(RUN)]

    async def boot(self, say: Callable[[str], None] = nothing) -> float:
        """Also installs the box; its unit is not started."""
        took = await super().boot(say)
        await self.python("-m", "hil.systemd_guest", "install")
        say("the box is installed")
        return took

    async def python(self, *argv: str) -> str:
        """The bench's own Python inside; its output. Raises AgentFailed."""
        return await self.shell(sys.executable, *argv)

    async def shell(self, *argv: str, check: bool = True) -> str:
        """A command inside, as root; its output. Raises AgentFailed when it ends with another code than 0."""
        answer = await self.call({"do": "run", "argv": list(argv), "cwd": str(packages.ROOT)})
        if check and answer["exit"] != 0:
            raise AgentFailed(f"{' '.join(argv)} ended with {answer['exit']}:\n{answer['output']}")
        return str(answer["output"])


class SystemdBench(Bench):
    """overrides: lines of a drop-in for the unit, such as "WatchdogSec=6"."""

    machine: SystemdMachine

    def __init__(self, *overrides: str, car: str = "zoe-ph1", say: Callable[[str], None] = nothing) -> None:
        super().__init__(car, "systemd", say)
        self._overrides = overrides

    @property
    def config(self) -> str:
        return f"{GIVEN}/agent.toml"

    async def start_agent(self, **env: str) -> None:
        """Give it its settings and start the unit: returns when systemd heard READY. Raises AgentFailed."""
        wires, state = f"{self.machine.run}/wires", "/var/lib/boitier"
        brokers = (f"127.0.0.1:{self.machine.ports['broker']}",)
        site = provision.Site(CHANNEL, wires, str(GIVEN), state, "/run/boitier/control.sock", brokers)
        text = provision.settings(self.vehicle, site, self.roots, self.issuer.operator)
        (self.machine.results / "given" / "agent.toml").write_text(text)
        lines = ["[Service]", *self._overrides, *(f'Environment="{name}={value}"' for name, value in env.items())]
        program = "import pathlib, sys; p = pathlib.Path(sys.argv[1]); p.mkdir(exist_ok=True)\n"
        program += "(p / 'bench.conf').write_text(sys.argv[2])"
        await self.machine.python("-c", program, f"/etc/systemd/system/{SERVICE}.d", "\n".join(lines) + "\n")
        await self.machine.python("-m", "hil.systemd_guest", "give", f"{self.machine.results_inside}/given")
        await self.machine.shell("systemctl", "daemon-reload")
        await self.systemctl("start")

    async def stop_agent(self) -> int:
        """Asked to stop by systemd; its exit code."""
        await self.systemctl("stop")
        return int((await self.shown())["ExecMainStatus"])

    async def kill_agent(self) -> None:
        """SIGKILL; systemd starts it again."""
        await self.signal("SIGKILL")

    async def systemctl(self, verb: str) -> None:
        """Wait until it is done. Raises AgentFailed with the unit's journal."""
        began = time.monotonic()
        answer = await self.machine.call({"do": "run", "argv": ["systemctl", verb, SERVICE]})
        if answer["exit"] != 0:
            raise AgentFailed(answer["output"] + await self.journal())
        self.ready_ms = 1000 * (time.monotonic() - began)
        self.world.note("agent", verb)

    async def signal(self, name: str) -> None:
        """To the main process alone."""
        await self.machine.shell("systemctl", "kill", "--kill-whom=main", f"--signal={name}", SERVICE)

    async def shown(self) -> dict[str, str]:
        """What systemd knows of the unit, by the names of `systemctl show`."""
        text = await self.machine.shell("systemctl", "show", SERVICE)
        return dict(line.partition("=")[::2] for line in text.splitlines())

    async def journal(self) -> str:
        """What the unit said, and what systemd said of it."""
        return await self.machine.shell("journalctl", "-b", "--no-pager", "-o", "short-monotonic", "-u", SERVICE)

    async def boitier(self, *argv: str) -> tuple[int, str]:
        """The installed command line, as root."""
        found = await self.machine.call({"do": "run", "argv": [f"{PREFIX}/bin/boitier", *argv], "cwd": "/"})
        return found["exit"], found["output"]
