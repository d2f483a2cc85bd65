"""The mobile link, on the host: a listener that forwards to the broker, and can fall silent as a dead zone does.

What is not here: loss of single packets; TCP hides it anyway, as delay.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field

CHUNK = 16_384
QUEUE = 64  # chunks on the way in each direction of a connection


@dataclass(slots=True, eq=False)
class _Connection:
    """One connection of a car. open: bytes may pass. Forgotten ones stay silent for ever."""

    near: asyncio.StreamWriter
    open: asyncio.Event
    far: asyncio.StreamWriter | None = None
    tasks: list[asyncio.Task[None]] = field(default_factory=list)


class Link:
    """Start it, and give the car `port`. While cut, nothing passes and nobody is told: no reset, no end.

    upward, downward: bytes forwarded to and from the broker. delay_s: added in each direction; may change at any time.
    """

    host = "127.0.0.1"

    def __init__(self, target_host: str, target_port: int, port: int = 0) -> None:
        self._target = (target_host, target_port)
        self.port = port
        self.up = True
        self.delay_s = 0.0
        self.upward = 0
        self.downward = 0
        self.accepted = 0
        self._server: asyncio.Server | None = None
        self._connections: set[_Connection] = set()

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._accept, self.host, self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Everything is closed and every task has ended on return."""
        if self._server is not None:
            self._server.close()
            self._server = None
        tasks = [task for connection in self._connections for task in connection.tasks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for connection in list(self._connections):
            await self._drop(connection)

    @property
    def connections(self) -> int:
        return len(self._connections)

    def cut(self) -> None:
        """A silent black hole, for the connections that stand and for new ones."""
        self.up = False
        for connection in self._connections:
            connection.open.clear()

    def mend(self, *, forget: bool = False) -> None:
        """forget: the network has lost track of old connections, as after a long silence; they stay silent."""
        self.up = True
        for connection in self._connections:
            if not forget or connection.far is None:
                connection.open.set()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = _Connection(writer, asyncio.Event())
        if self.up:
            connection.open.set()
        self.accepted += 1
        self._connections.add(connection)
        task = asyncio.current_task()
        assert task is not None
        connection.tasks.append(task)
        try:
            await connection.open.wait()
            far_reader, connection.far = await asyncio.open_connection(*self._target)
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pump(connection, reader, connection.far, upward=True))
                group.create_task(self._pump(connection, far_reader, writer, upward=False))
        except (OSError, asyncio.CancelledError, ExceptionGroup):
            pass  # either end is gone, or the link is being stopped
        finally:
            await self._drop(connection)

    async def _pump(
        self, connection: _Connection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, upward: bool
    ) -> None:
        """One direction. An end of stream passes like the bytes before it: late, and not during a cut."""
        way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(QUEUE)
        loop = asyncio.get_running_loop()

        async def enter() -> None:
            while True:
                data = await _read(reader)
                await way.put((loop.time() + self.delay_s, data))
                if not data:
                    return

        entering = asyncio.create_task(enter())
        try:
            while True:
                due, data = await way.get()
                await asyncio.sleep(due - loop.time())
                await connection.open.wait()
                if not data:
                    raise ConnectionResetError
                writer.write(data)
                self._count(len(data), upward)
                await writer.drain()
        finally:
            entering.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await entering

    def _count(self, size: int, upward: bool) -> None:
        if upward:
            self.upward += size
        else:
            self.downward += size

    async def _drop(self, connection: _Connection) -> None:
        self._connections.discard(connection)
        for writer in (connection.near, connection.far):
            if writer is not None:
                writer.close()
                with contextlib.suppress(OSError):
                    await writer.wait_closed()


async def _read(reader: asyncio.StreamReader) -> bytes:
    """Bytes, or nothing when the other end is gone."""
    try:
        return await reader.read(CHUNK)
    except OSError:
        return b""
