"""Parts the bench's own tests share: a backend in a folder, and a bare vehicle that publishes whatever it is told."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

from hil.backend import payload
from hil.backend.broker import Broker
from hil.backend.ca import Authority
from hil.backend.pipe import Address, Courier

VEHICLE = "1122334455667788"
STREAM = "aabbccddeeff0011"
BOOT = "00000000000000b0"


def fact(n: int, kind: str = "boot", **body: object) -> dict[str, Any]:
    return {"n": n, "kind": kind, "boot": BOOT, "at": n * 1000, "wall": None, "source": "none", "body": body}


def facts(*items: dict[str, Any], vehicle: str = VEHICLE, stream: str = STREAM) -> bytes:
    return payload.pack({"v": 1, "vehicle": vehicle, "stream": stream, "facts": list(items)})


class BareVehicle(Courier):
    """Publishes bytes and remembers what came down."""

    keepalive_s = 2

    def __init__(self, address: Address) -> None:
        name = address.identity.name
        super().__init__(address, [f"boitier/v1/{name}/down/{leaf}" for leaf in ("ack", "book", "cmd", "trust")])
        self.name = name
        self.down: list[tuple[str, bytes]] = []

    def arrived(self, message: Any) -> None:
        self.down.append((message.topic.rpartition("/")[2], bytes(message.payload)))
        self.acknowledge(message)

    async def send(self, leaf: str, data: bytes, vehicle: str | None = None) -> None:
        taken = self.post(f"boitier/v1/{vehicle or self.name}/up/{leaf}", data)
        await asyncio.wait_for(asyncio.wrap_future(taken), 10)

    @property
    def acks(self) -> list[dict[str, Any]]:
        return [payload.unpack(data) for leaf, data in self.down if leaf == "ack"]

    def ack(self, stream: str = STREAM) -> dict[str, Any] | None:
        return next((ack for ack in reversed(self.acks) if ack["stream"] == stream), None)


async def until(look: Callable[[], object], timeout_s: float = 10.0) -> None:
    async with asyncio.timeout(timeout_s):
        while not look():
            await asyncio.sleep(0.01)


def address(broker: Broker, name: str, port: int | None = None) -> Address:
    return Address(broker.host, port or broker.port, broker.authority.certificate, broker.authority.issue(name))


@asynccontextmanager
async def running_broker(folder: Path) -> AsyncIterator[Broker]:
    broker = Broker(folder / "broker", Authority(folder / "ca"))
    await broker.start()
    try:
        yield broker
    finally:
        await broker.stop()


@asynccontextmanager
async def connected(pipe: Any) -> AsyncIterator[Any]:
    pipe.start()
    try:
        assert await pipe.is_ready()
        yield pipe
    finally:
        await pipe.close()


def rows(database: Path, sql: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as db:
        return db.execute(sql).fetchall()
