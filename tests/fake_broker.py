"""A broker of bytes: speaks just enough MQTT 3.1.1 to misbehave exactly as told. No MQTT library on this side.

Plain TCP on loopback. Every connection is a `Link`; the test writes into it and reads what the client sent.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

CONNECT, CONNACK, PUBLISH, PUBACK, SUBSCRIBE, SUBACK, PINGREQ, PINGRESP, DISCONNECT = 1, 2, 3, 4, 8, 9, 12, 13, 14


@dataclass
class Habits:
    """How the broker behaves. close_after: it closes the connection in the middle of the n-th PUBLISH it was sent."""

    connack: int | None = 0
    suback: int | None = 1
    puback: bool = True
    pong: bool = True
    hold: bool = False
    close_after: int | None = None


@dataclass
class Packet:
    kind: int
    flags: int
    body: bytes

    @property
    def topic(self) -> str:
        size = int.from_bytes(self.body[:2], "big")
        return self.body[2 : 2 + size].decode()

    @property
    def number(self) -> int:
        start = 2 + len(self.topic.encode()) if self.kind == PUBLISH else 0
        return int.from_bytes(self.body[start : start + 2], "big")

    @property
    def payload(self) -> bytes:
        return self.body[4 + len(self.topic.encode()) :]


@dataclass
class Link:
    """One connection. seen: every packet the client sent, in order."""

    writer: asyncio.StreamWriter
    seen: list[Packet] = field(default_factory=list)
    some: asyncio.Condition = field(default_factory=asyncio.Condition)
    closed: bool = False

    def send(self, data: bytes) -> None:
        if not self.writer.is_closing():
            self.writer.write(data)

    def publish(self, topic: str, payload: bytes, number: int, *, retain: bool = False) -> None:
        name = topic.encode("utf-8", "surrogateescape")
        body = len(name).to_bytes(2, "big") + name + number.to_bytes(2, "big") + payload
        self.send(bytes([0x32 | int(retain)]) + length(len(body)) + body)

    def of(self, kind: int) -> list[Packet]:
        return [packet for packet in self.seen if packet.kind == kind]

    async def until(self, kind: int, count: int = 1) -> list[Packet]:
        """Wait for that many packets of a kind."""
        async with self.some:
            await asyncio.wait_for(self.some.wait_for(lambda: len(self.of(kind)) >= count or self.closed), 20)
        assert len(self.of(kind)) >= count, f"the link closed with {len(self.of(kind))} packets of kind {kind}"
        return self.of(kind)

    async def ended(self) -> None:
        async with self.some:
            await asyncio.wait_for(self.some.wait_for(lambda: self.closed), 20)

    def cut(self) -> None:
        self.writer.transport.abort()


class FakeBroker:
    def __init__(self) -> None:
        self.habits = Habits()
        self.links: list[Link] = []
        self.port = 0
        self._some = asyncio.Condition()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def published(self) -> list[Packet]:
        """Everything ever published to it, over all connections."""
        return [packet for link in self.links for packet in link.of(PUBLISH)]

    async def link(self, number: int = 1) -> Link:
        """The n-th connection, counted from 1."""
        async with self._some:
            await asyncio.wait_for(self._some.wait_for(lambda: len(self.links) >= number), 20)
        return self.links[number - 1]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        link = Link(writer)
        async with self._some:
            self.links.append(link)
            self._some.notify_all()
        try:
            while True:
                packet = await read(reader)
                async with link.some:
                    link.seen.append(packet)
                    link.some.notify_all()
                self.answer(link, packet)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            async with link.some:
                link.closed = True
                link.some.notify_all()
            writer.close()

    def answer(self, link: Link, packet: Packet) -> None:
        habits = self.habits
        if packet.kind == CONNECT and habits.connack is not None:
            link.send(bytes([0x20, 2, 0, habits.connack]))
        elif packet.kind == SUBSCRIBE and habits.suback is not None:
            topics = subscribed(packet.body)
            link.send(bytes([0x90, 2 + len(topics)]) + packet.body[:2] + bytes([habits.suback]) * len(topics))
        elif packet.kind == PUBLISH and habits.close_after is not None and len(link.of(PUBLISH)) >= habits.close_after:
            link.send(b"\x40")  # half a PUBACK
            link.cut()
        elif packet.kind == PUBLISH and habits.puback:
            link.send(b"\x40\x02" + packet.number.to_bytes(2, "big"))
        elif packet.kind == PINGREQ and habits.pong:
            link.send(b"\xd0\x00")


def subscribed(body: bytes) -> list[str]:
    topics, rest = [], body[2:]
    while rest:
        size = int.from_bytes(rest[:2], "big")
        topics.append(rest[2 : 2 + size].decode())
        rest = rest[3 + size :]
    return topics


async def read(reader: asyncio.StreamReader) -> Packet:
    head = (await reader.readexactly(1))[0]
    size, shift = 0, 0
    while True:
        byte = (await reader.readexactly(1))[0]
        size |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            break
    return Packet(head >> 4, head & 15, await reader.readexactly(size))


def length(size: int) -> bytes:
    encoded = b""
    while True:
        size, low = divmod(size, 128)
        encoded += bytes([low | (128 if size else 0)])
        if not size:
            return encoded


@asynccontextmanager
async def fake_broker(port: int = 0) -> AsyncIterator[FakeBroker]:
    broker = FakeBroker()
    server = await asyncio.start_server(broker.serve, "127.0.0.1", port)
    broker.port = server.sockets[0].getsockname()[1]
    try:
        yield broker
    finally:
        server.close()
        for link in broker.links:
            link.cut()
        await server.wait_closed()
        await asyncio.sleep(0)
