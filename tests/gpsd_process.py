"""The real gpsd of Debian on loopback, reading a pty that the test fills; ended by its own id."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from hil import packages
from tests.serial_bench import Socket

GREETING = b"$GPTXT,01,01,02,hello*2F\r\n"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Gpsd:
    """wall: the receiver's hole in the wall, whose link gpsd opens. port: where it answers.

    -b: gpsd writes nothing to the receiver. -s: it does not hunt for the baud rate, which on a pty means throwing away
    what was just sent. -n: it opens the receiver at once. No -G: loopback only.
    """

    def __init__(self, folder: Path, port: int | None = None) -> None:
        self.wall, self.port = Socket(folder / "receiver"), port or free_port()
        self.wall.plug()
        self.path = os.readlink(self.wall.device)
        os.chmod(self.path, 0o666)  # started by root it becomes its own user, and opens the line once more
        self._log = (folder / "gpsd.log").open("ab")
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        program = packages.find("gpsd")
        if program is None:
            pytest.skip("gpsd is not on this machine: python3 -m hil.packages gpsd")
        self.process = subprocess.Popen(
            [str(program), "-N", "-n", "-b", "-s", "9600", "-S", str(self.port), self.path],
            env=packages.environment(program), stdout=self._log, stderr=self._log,
        )  # fmt: skip

    async def hears(self) -> None:
        """Until it has answered and taken a first sentence from the receiver: what came before, it throws away."""
        reader, writer = await self._connected()
        writer.write(b'?WATCH={"enable":true,"json":true};\n')
        greeting = asyncio.create_task(self._greet())
        while b'"driver":"NMEA0183"' not in (line := await reader.readline()):
            assert line, "gpsd ended by itself"
        greeting.cancel()
        await asyncio.gather(greeting, return_exceptions=True)
        writer.transport.abort()

    async def _connected(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        while True:
            assert self.process is not None
            assert self.process.poll() is None, "gpsd ended by itself"
            with suppress(OSError):
                return await asyncio.open_connection("127.0.0.1", self.port)
            await asyncio.sleep(0.01)

    async def _greet(self) -> None:
        while True:
            await self.wall.send(GREETING)
            await asyncio.sleep(0.02)

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(10)
            self.process = None

    def close(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
        self.wall.unplug()
        self._log.close()


@asynccontextmanager
async def running(folder: Path) -> AsyncIterator[Gpsd]:
    gpsd = Gpsd(folder)
    try:
        gpsd.start()
        await gpsd.hears()
        yield gpsd
    finally:
        gpsd.close()
