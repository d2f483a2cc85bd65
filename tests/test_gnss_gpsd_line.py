"""The connection to gpsd, against a server that behaves as it likes. What reports mean: test_gnss_gpsd."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from drivers.errors import DeviceGone
from drivers.gnss.gpsd import WATCH, Gpsd
from tests.serial_bench import StepClock, until
from tests.test_gnss_gpsd import tpv


class Server:
    """Whatever answers where gpsd should."""

    def __init__(self) -> None:
        self.heard, self.port = b"", 0
        self.lines: list[asyncio.StreamWriter] = []

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.lines.append(writer)
        while data := await reader.read(100):
            self.heard += data

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Server]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            for writer in self.lines:
                writer.transport.abort()
            self.lines.clear()
            await asyncio.sleep(0.01)

    def port_of(self, jitter: Callable[[], float] = lambda: 1.0) -> tuple[Gpsd, StepClock]:
        clock = StepClock()
        return Gpsd(f"127.0.0.1:{self.port}", clock, jitter), clock


async def test_it_asks_to_watch_and_survives_that_gpsd_is_started_again() -> None:
    server = Server()
    async with server.open():
        gpsd, clock = server.port_of()
        waiting = asyncio.create_task(gpsd.next_fix())
        await until(lambda: server.heard == WATCH)
        assert not gpsd.plugged
        server.lines[0].write(tpv(0) + tpv(1)[:40])
        await until(lambda: gpsd.plugged)
    await until(waiting.done)
    assert waiting.result().valid  # what was pending comes out; the half report is finished by nobody
    waiting = asyncio.create_task(gpsd.next_fix())
    await until(lambda: len(clock.slept) >= 6)
    assert clock.slept[:6] == [0.5, 1.0, 2.0, 4.0, 5.0, 5.0]
    assert not gpsd.plugged
    async with server.open():
        await until(lambda: bool(server.lines))
        server.lines[0].write(tpv(1)[40:] + tpv(2) + tpv(3))
        assert (await waiting).time_ms is not None
        counters = gpsd.counters()
        assert (counters["opened"], counters["lost"], counters["malformed"]) == (2, 1, 1)
        assert counters["absent"] >= 5
        gpsd.close()
        await asyncio.sleep(0)


async def test_pauses_are_jittered_so_that_all_do_not_come_at_once() -> None:
    server = Server()
    async with server.open():
        pass
    gpsd, clock = server.port_of(lambda: 0.0)
    waiting = asyncio.create_task(gpsd.next_fix())
    await until(lambda: len(clock.slept) >= 3)
    assert clock.slept[:3] == [0.25, 0.5, 1.0]
    gpsd.close()
    with pytest.raises(DeviceGone):
        await waiting


async def test_closing_ends_a_waiting_reader() -> None:
    async with Server().open() as server:
        gpsd, _ = server.port_of()
        waiting = asyncio.create_task(gpsd.next_fix())
        await until(lambda: server.heard == WATCH)
        gpsd.close()
        with pytest.raises(DeviceGone):
            await waiting
        gpsd.close()


async def test_a_server_that_is_no_gpsd_gives_nothing_and_is_counted() -> None:
    async with Server().open() as server:
        gpsd, _ = server.port_of()
        waiting = asyncio.create_task(gpsd.next_fix())
        await until(lambda: bool(server.lines))
        server.lines[0].write(b"HTTP/1.1 400 Bad Request\r\n\r\n" + b"\0" * 40_000)
        await until(lambda: gpsd.counters()["too_long"] == 1)
        assert not gpsd.plugged
        assert gpsd.counters()["malformed"] == 1
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        gpsd.close()
        await asyncio.sleep(0)
