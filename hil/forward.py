"""Ends of forwarded streams: a listener on one side of the line, a connection to the real target on the other.

`hold` freezes the traffic of one name without closing anything, as a dead radio link does: bytes wait (bounded by the
stream window), new connections hang. Delay and loss on the way to a broker are the business of `hil/link.py`.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import Callable

from .mux import Mux, Stream, StreamReset

CHUNK = 8_192  # bytes read from a socket at once


async def bridge(
    stream: Stream,
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    gate: asyncio.Event,
    broken: Callable[[asyncio.StreamWriter], None],
) -> None:
    """Carry bytes both ways until both directions ended; a reset of one side is told to the other by `broken`."""
    try:
        async with asyncio.TaskGroup() as both:
            both.create_task(_up(stream, reader, gate))
            both.create_task(_down(stream, writer, gate))
    except* (OSError, StreamReset):
        await stream.reset()
        broken(writer)
    except* asyncio.CancelledError:
        reset(writer)
        raise
    else:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def _up(stream: Stream, reader: asyncio.StreamReader, gate: asyncio.Event) -> None:
    while data := await reader.read(CHUNK):
        await gate.wait()
        await stream.write(data)
    await stream.end()


async def _down(stream: Stream, writer: asyncio.StreamWriter, gate: asyncio.Event) -> None:
    while data := await stream.read():
        await gate.wait()
        writer.write(data)
        await writer.drain()
    if writer.can_write_eof():
        writer.write_eof()


def reset(writer: asyncio.StreamWriter) -> None:
    """End a TCP connection with RST, so the peer sees a broken connection and not an orderly end."""
    sock = writer.get_extra_info("socket")
    if sock is not None:
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


class Outlet:
    """The listening side: every connection to 127.0.0.1:port becomes a stream called `name`."""

    def __init__(self, mux: Mux, name: str) -> None:
        self._mux = mux
        self._name = name
        self._open_gate = asyncio.Event()
        self._open_gate.set()
        self._server: asyncio.Server | None = None
        self._carrying: set[asyncio.Task[None]] = set()

    async def listen(self, port: int) -> int:
        """Start listening; port 0 takes a free one. Returns the port."""
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", port)
        bound: int = self._server.sockets[0].getsockname()[1]
        return bound

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._carrying.add(task)
        try:
            stream = await self._mux.open(self._name)
            await bridge(stream, reader, writer, self._open_gate, reset)
        except StreamReset:
            reset(writer)
        except asyncio.CancelledError:  # asyncio.streams would report a cancelled handler as an error
            reset(writer)
        finally:
            self._carrying.discard(task)

    async def close(self) -> None:
        """Stop listening and reset what is connected."""
        if self._server is not None:
            self._server.close()
        await _cancel(self._carrying)


class Targets:
    """The connecting side: streams by name go to a host TCP address. An unknown name is reset."""

    def __init__(self) -> None:
        self._where: dict[str, tuple[str, int]] = {}
        self._gates: dict[str, asyncio.Event] = {}
        self._carrying: set[asyncio.Task[None]] = set()
        self._vanished = False
        self._half_open: list[asyncio.StreamWriter] = []
        self.refused = 0  # streams reset because nothing answered at their target

    def set(self, name: str, host: str, port: int) -> None:
        """From now on, new streams of this name go there; open ones stay where they are."""
        self._where[name] = (host, port)

    def hold(self, name: str) -> None:
        """Freeze this name without closing anything."""
        self._gate(name).clear()

    def release(self, name: str) -> None:
        """Let the traffic of this name flow again."""
        self._gate(name).set()

    def accept(self, stream: Stream) -> None:
        """For `Mux(accept=…)`."""
        task = asyncio.create_task(self._carry(stream), name=f"stream {stream.name}")
        self._carrying.add(task)
        task.add_done_callback(self._carrying.discard)

    def vanish(self, gone: bool) -> None:
        """While gone, a broken line is a power cut: the targets are told nothing, their connections stay open."""
        self._vanished = gone

    async def close(self) -> None:
        """Reset every connection, the half-open ones too."""
        await _cancel(self._carrying)
        for writer in self._half_open:
            reset(writer)
        self._half_open.clear()

    def _gate(self, name: str) -> asyncio.Event:
        if name not in self._gates:
            self._gates[name] = asyncio.Event()
            self._gates[name].set()
        return self._gates[name]

    async def _carry(self, stream: Stream) -> None:
        gate = self._gate(stream.name)
        await gate.wait()
        target = self._where.get(stream.name)
        try:
            if target is None:
                raise ConnectionRefusedError(f"no target for {stream.name}")
            reader, writer = await asyncio.open_connection(*target)
        except OSError:
            self.refused += 1
            await stream.reset()
            return
        await bridge(stream, reader, writer, gate, self._broken)

    def _broken(self, writer: asyncio.StreamWriter) -> None:
        if self._vanished:
            self._half_open.append(writer)
        else:
            reset(writer)


async def _cancel(tasks: set[asyncio.Task[None]]) -> None:
    waiting = list(tasks)
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
