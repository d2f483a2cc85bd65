"""One interface for both benches: a machine with a virtual CAN that boots, obeys, reaches the world, and loses power.

`GuestMachine` is the user-mode kernel; `HostMachine` runs the same inside directly where this machine's own kernel has
CAN (its "power cut" kills processes only: what was written but not flushed survives). The world outside is not here.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import sys
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from . import packages
from .control import Control, Events, MachineGone
from .forward import Targets
from .frames import LineBroken
from .guest import Guest, GuestFailed, session_members
from .mux import Mux, Stream

Message = dict[str, Any]
BOOT_TIMEOUT_S = 90.0  # a machine under full load was seen to need a tenth of it
HALT_TIMEOUT_S = 30.0
BROKER_PORT = 8883  # inside, where the agent looks for its broker


def nothing(text: str) -> None:
    """Progress that nobody wants to read."""


class Machine(ABC):
    """What both have in common. data: folder inside that outlives a cut. ports, run: as told at the last boot."""

    data: str
    results: Path  # host folder; `results_inside` is its name inside
    results_inside: str

    def __init__(self) -> None:
        self.ports: dict[str, int] = {}
        self.run = ""
        self.channel = "vcan0"
        self.boot_s = 0.0  # how long the last boot took, until the inside was ready
        self._control = Control()
        self._targets = Targets()
        self._mux: Mux | None = None
        self._attached = asyncio.Event()

    async def __aenter__(self) -> Self:
        await self.boot()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @property
    def running(self) -> bool:
        """Is the line to the inside alive?"""
        return self._mux is not None and not self._mux.lost.is_set()

    @property
    def listeners(self) -> list[Callable[[Message], None]]:
        """Functions called with every event, through all boots."""
        return self._control.listeners

    def events(self) -> Events:
        """Events from now until the end of this boot: `async for`, or `await events.until(lambda event: …)`."""
        return self._control.events()

    async def call(self, message: Message) -> Message:
        """Ask the inside, for example `{"do": "tap", "uid": "…"}`. Raises Refused (its reason), MachineGone."""
        return await self._control.call(message)

    def forward(self, name: str, host: str, port: int) -> None:
        """From now on, connections to the inside's port `name` go to this TCP address of the host."""
        self._targets.set(name, host, port)

    def hold(self, name: str) -> None:
        """Freeze a forwarded name without closing anything."""
        self._targets.hold(name)

    def release(self, name: str) -> None:
        """End `hold`."""
        self._targets.release(name)

    async def boot(self, say: Callable[[str], None] = nothing) -> float:
        """Start; seconds until the inside was ready. say: progress in words. Raises GuestFailed with the console."""
        if self.running:
            raise GuestFailed("the machine is running already")
        began = time.monotonic()
        self._targets.vanish(False)
        self._attached.clear()
        ready = self._control.events()
        try:
            async with asyncio.timeout(BOOT_TIMEOUT_S):
                self._mux = Mux(await self._launch(say), host=True, accept=self._accept)
                await self._mux.start()
                say(f"its kernel is up after {time.monotonic() - began:.1f} s")
                await self._control_or_lost()
                told = await ready.until(lambda event: event["saw"] == "ready")
        except (TimeoutError, LineBroken, MachineGone) as error:
            await self.cut()
            raise self._failure(f"the machine did not start ({type(error).__name__} {error})") from error
        finally:
            ready.close()
        self.ports, self.run, self.channel = told["ports"], told["run"], told["channel"]
        self.boot_s = time.monotonic() - began
        say(f"ready after {self.boot_s:.1f} s")
        return self.boot_s

    async def halt(self) -> None:
        """Orderly end: agent stopped, disk flushed and unmounted, power off."""
        await self.call({"do": "halt"})
        try:
            async with asyncio.timeout(HALT_TIMEOUT_S):
                await self._control.ended()
                await self._ended()
        except TimeoutError:
            await self.cut()
            raise self._failure("the machine did not halt") from None
        self._drop_line()

    async def cut(self) -> None:
        """Power cut, at once. Nothing of the machine lives afterwards; `boot` starts it again on the same disk."""
        self._targets.vanish(True)
        await self._kill()
        self._drop_line()
        await self._control.ended()

    async def close(self) -> None:
        """Cut when running, close connections, delete the machine's folder."""
        await self.cut()
        await self._targets.close()
        self._remove()

    async def _control_or_lost(self) -> None:
        assert self._mux is not None
        waiting = {asyncio.create_task(event.wait()) for event in (self._attached, self._mux.lost)}
        _, late = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for task in late:
            task.cancel()
        if not self._attached.is_set():
            raise LineBroken(self._mux.why)

    def _drop_line(self) -> None:
        if self._mux is not None:
            self._mux.close()

    def _accept(self, stream: Stream) -> None:
        if stream.name == "control":
            self._control.attach(stream)
            self._attached.set()
        else:
            self._targets.accept(stream)

    @abstractmethod
    async def _launch(self, say: Callable[[str], None]) -> int:
        ...

    @abstractmethod
    async def _ended(self) -> None:
        ...

    @abstractmethod
    async def _kill(self) -> None:
        ...

    @abstractmethod
    def _remove(self) -> None:
        ...

    def _failure(self, what: str) -> GuestFailed:
        return GuestFailed(what)


class GuestMachine(Machine):
    """In the user-mode kernel. car: folder name of the simulated car, `-` for none. disk: an ext4 disk at /data.

    systemd: the first process inside is systemd (some 10 s more to boot), and `systemctl` works by `run`.
    """

    data = "/data"
    results_inside = "/results"

    def __init__(self, car: str = "-", *, disk: bool = True, systemd: bool = False) -> None:
        super().__init__()
        self._guest = Guest(["--car", car, "--forward", f"broker={BROKER_PORT}"], disk=disk, systemd=systemd)
        self.results = self._guest.results

    @property
    def console(self) -> list[str]:
        """The last lines of the kernel's console."""
        return list(self._guest.console)

    def processes(self) -> list[int]:
        """The host's processes that it consists of."""
        return self._guest.processes()

    async def _launch(self, say: Callable[[str], None]) -> int:
        say("starting the guest kernel")
        return await self._guest.start()

    async def _ended(self) -> None:
        await self._guest.ended()

    async def _kill(self) -> None:
        await self._guest.kill()

    def _remove(self) -> None:
        self._guest.remove()

    def _failure(self, what: str) -> GuestFailed:
        return self._guest.failure(what)


class HostMachine(Machine):
    """Directly on a host whose kernel has CAN. The channel is made when it is not there (root), and stays."""

    def __init__(self, car: str = "-", *, channel: str = "vcan0", create_channel: bool = True) -> None:
        super().__init__()
        self._folder = Path(tempfile.mkdtemp(prefix="boitier-"))
        self.results = self._folder / "results"
        self.results_inside = str(self.results)
        self.data = str(self._folder / "data")
        for name in ("results", "data"):
            (self._folder / name).mkdir()
        self._argv = [sys.executable, "-m", "hil.inside", "--channel", channel, "--car", car, "--forward", "broker=0"]
        self._argv += ["--run", str(self._folder / "run"), *(["--create-channel"] if create_channel else [])]
        self._process: asyncio.subprocess.Process | None = None

    async def _launch(self, say: Callable[[str], None]) -> int:
        say("starting on this machine's own CAN")
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = await asyncio.create_subprocess_exec(
                *self._argv,
                "--fd",
                str(theirs.fileno()),
                cwd=packages.ROOT,
                pass_fds=[theirs.fileno()],
                stdin=asyncio.subprocess.DEVNULL,
                start_new_session=True,
            )
        return ours.detach()

    async def _ended(self) -> None:
        if self._process is not None:
            await self._process.wait()

    async def _kill(self) -> None:
        if self._process is None:
            return
        while living := session_members(self._process.pid):
            for pid in living:
                os.kill(pid, signal.SIGKILL)
            await asyncio.sleep(0.005)
        await self._ended()

    def _remove(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)


def choose(bench: str = "auto", car: str = "-") -> Machine:
    """The machine for `--bench`: `host`, `guest`, a real adapter's channel, or `auto` (host where it can).

    `systemd` is a guest in which the box is installed as a unit.
    """
    if bench == "systemd":
        from .systemd_bench import SystemdMachine  # it is built from this file's machine

        return SystemdMachine(car)
    if bench == "guest" or (bench == "auto" and not packages.host_has_can()):
        return GuestMachine(car)
    if bench in ("host", "auto"):
        return HostMachine(car)
    return HostMachine(car, channel=bench, create_channel=False)
