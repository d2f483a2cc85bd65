"""The control loop beside the box: in the guest, or directly on a host that has CAN.

It speaks JSON lines on the stream "control" of the line to the host: answers carry the question's `id`, everything else
is an event (`saw`). It starts the ends of the wires (`hil/harness.py`) and the agent as a child (`hil/child.py`), and
knows nothing of what the world is doing: that is the host's business.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tty
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Protocol

from . import links
from .child import Agent, run_command
from .forward import Outlet
from .mux import Mux, Stream, StreamReset

Message = dict[str, Any]
WIRES = ("car", "sky", "tap", "keys", "play")  # what the harness does


class Wires(Protocol):
    """What `hil.harness.Harness` offers."""

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    async def do(self, message: Message) -> Message | None: ...


class NoWires:
    """Stands in where no car was asked for: a machine just for commands."""

    async def start(self) -> None:
        return

    async def stop(self) -> None:
        return

    async def do(self, message: Message) -> Message | None:
        raise ValueError(f"{message['do']!r} needs a car; this machine was started without one")


class Inside:
    """Obeys the control stream until `halt` or until the host is gone."""

    def __init__(self, mux: Mux, options: argparse.Namespace) -> None:
        self._mux = mux
        self._channel: str = options.channel
        self._run = Path(options.run)
        self._forwards: list[str] = options.forward
        self._outlets: list[Outlet] = []
        self._outgoing: asyncio.Queue[Message | None] = asyncio.Queue()
        self._agent = Agent(self._run, self.send)
        self._wires = make_wires(self._channel, options.car, self.send, self._run / "wires")
        self._tasks: set[asyncio.Task[None]] = set()
        self._halted = asyncio.Event()
        self._one_by_one = asyncio.Lock()

    def send(self, message: Message) -> None:
        """Queue an event or an answer for the host."""
        self._outgoing.put_nowait(message)

    async def serve(self) -> None:
        """Until halted or the line ends."""
        control = await self._mux.open("control")
        sender = asyncio.create_task(self._send_all(control))
        listener = asyncio.create_task(self._listen(control))
        ending = asyncio.create_task(self._halted.wait())
        try:
            ports = await self._listen_on_ports()
            self._run.mkdir(parents=True, exist_ok=True)
            await self._wires.start()
            self.send({"saw": "ready", "ports": ports, "channel": self._channel, "run": str(self._run)})
            await asyncio.wait({ending, listener, sender}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await self._close(sender, listener, ending)

    async def _listen_on_ports(self) -> dict[str, int]:
        ports = {}
        for item in self._forwards:
            name, _, port = item.partition("=")
            outlet = Outlet(self._mux, name)
            self._outlets.append(outlet)
            ports[name] = await outlet.listen(int(port))
        return ports

    async def _close(self, sender: asyncio.Task[None], *others: asyncio.Task[Any]) -> None:
        for task in [*others, *self._tasks]:
            task.cancel()
        await asyncio.gather(*others, *self._tasks, return_exceptions=True)
        await self._agent.close()
        await self._wires.stop()
        for outlet in self._outlets:
            await outlet.close()
        os.sync()
        self.send({"saw": "end"})
        self._outgoing.put_nowait(None)
        await asyncio.gather(sender, return_exceptions=True)

    async def _send_all(self, control: Stream) -> None:
        while (message := await self._outgoing.get()) is not None:
            lines = [message]
            while not self._outgoing.empty() and len(lines) < 100:
                more = self._outgoing.get_nowait()
                if more is None:
                    self._outgoing.put_nowait(None)
                    break
                lines.append(more)
            await control.write(b"".join(json.dumps(line).encode() + b"\n" for line in lines))
        await control.end()

    async def _listen(self, control: Stream) -> None:
        waiting = b""
        try:
            while data := await control.read():
                *lines, waiting = (waiting + data).split(b"\n")
                for line in lines:
                    task = asyncio.create_task(self._answer(json.loads(line)))
                    self._tasks.add(task)
                    task.add_done_callback(self._tasks.discard)
        except StreamReset:
            return

    async def _answer(self, message: Message) -> None:
        number = message.get("id")
        try:
            if message["do"] == "run":  # may take long, and others may not wait for it
                result: Message | None = await run_command(message, self.send)
            else:
                async with self._one_by_one:
                    result = await self._do(message)
            self.send({"id": number, "ok": True, **(result or {})})
        except Exception as error:  # told to the host, which raises it there
            self.send({"id": number, "ok": False, "why": f"{type(error).__name__}: {error}"})
        if message.get("do") == "halt":
            self._halted.set()

    async def _do(self, message: Message) -> Message | None:
        what = message["do"]
        if what in WIRES:
            return await self._wires.do(message)
        plain: dict[str, Callable[[Message], Awaitable[Message | None]]] = {
            "agent": self._agent.do,
            "can": self._can,
            "proc": self._agent.statistics,
            "sync": _sync,
            "halt": _nothing,
        }
        if what not in plain:
            raise ValueError(f"unknown command {what!r}; known: {', '.join([*plain, 'run', *WIRES])}")
        return await plain[what](message)

    async def _can(self, message: Message) -> Message:
        op = message["op"]
        if op in ("up", "down"):
            links.switch(self._channel, op == "up")
        elif op == "delete":
            links.delete(self._channel)
        elif op == "create":
            links.create(self._channel)
            links.switch(self._channel, True)
        else:
            raise ValueError(f"can: unknown op {op!r}; known: up, down, delete, create")
        return {}


def make_wires(channel: str, car: str, send: Callable[[Message], None], folder: Path) -> Wires:
    """The wiring harness of this car, its devices in that folder; `-` is a machine without a car."""
    if car == "-":
        return NoWires()
    from .harness import Harness  # a machine for commands alone needs none of its libraries

    wires: Wires = Harness(channel, car, send, folder)
    return wires


async def _sync(_: Message) -> None:
    os.sync()


async def _nothing(_: Message) -> None:
    return


def read_options(argv: list[str]) -> argparse.Namespace:
    """The command line of `python -m hil.inside`."""
    parser = argparse.ArgumentParser(prog="python -m hil.inside", description="the bench's end beside the box")
    line = parser.add_mutually_exclusive_group(required=True)
    line.add_argument("--fd", type=int, help="the line to the host: an open socket or terminal")
    line.add_argument("--device", help="the line to the host: a terminal")
    parser.add_argument("--channel", default="vcan0")
    parser.add_argument("--create-channel", action="store_true", help="make the channel when it is not there")
    parser.add_argument("--car", default="-", help="folder name of the simulated car, - for none")
    parser.add_argument("--run", default="/run/boitier", help="folder for the agent's configuration and sockets")
    parser.add_argument("--forward", action="append", default=[], metavar="NAME=PORT")
    return parser.parse_args(argv)


async def amain(options: argparse.Namespace) -> None:
    """Open the line and serve it."""
    fd: int = options.fd if options.device is None else os.open(options.device, os.O_RDWR | os.O_NOCTTY)
    if os.isatty(fd):
        tty.setraw(fd)
    if options.create_channel and not links.exists(options.channel):
        links.create(options.channel)
        links.switch(options.channel, True)
    mux = Mux(fd, host=False, accept=_refuse)
    await mux.start()
    try:
        await Inside(mux, options).serve()
    finally:
        await mux.drain()
        mux.close()


def _refuse(stream: Stream) -> None:
    """The host opens no streams: everything begins inside, as in a car."""
    asyncio.get_running_loop().create_task(stream.reset())


def main(argv: list[str] | None = None) -> int:
    """Run until halted; exit code 0."""
    asyncio.run(amain(read_options(sys.argv[1:] if argv is None else argv)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
