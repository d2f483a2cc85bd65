"""The door's bench with phones beside it: a port in memory, and phones that write with the bench's own encoder."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from agent.access.beside import COUNTER, Beside, Heard
from agent.access.phones import Phones
from drivers.ports import LockAction
from hil import beside
from keyless.claims import HolderKey
from keyless.near import Hello
from tests.door_bench import HOUR, DoorBench, at_home
from tests.fakes.phones import StandInPort

QUESTION = bytes.fromhex("8248a1a2a3a4a5a6a7a801")
TAG = b"today's!"
MOVED = {LockAction.UNLOCK: "unlock", LockAction.LOCK: "lock"}


class PhoneBench(DoorBench):
    """With the service for phones beside the door."""

    async def boot(self, *given: object) -> None:  # type: ignore[override]
        await super().boot()
        self.port = StandInPort(self.clock)
        self.beside = Beside(
            self.store, self.authority, self.bookings, self.scene, self.decisions, self.door.locked,
            self.heard.append,
        )  # fmt: skip
        self.tag = TAG
        self.phones = Phones(
            self.clock, self.port, self.door, self.bookings, self.beside, hello=self.hello, tag=lambda: self.tag,
            words=self.words, random=secrets.token_bytes, past_s=self.at,
        )  # fmt: skip
        self.serving = asyncio.create_task(self.phones.run())

    async def off(self) -> None:
        self.serving.cancel()
        await asyncio.gather(self.serving, return_exceptions=True)
        await super().off()

    def hello(self, nonce: bytes) -> Hello:
        now = self.scene.now()
        hi_s = None if now.hi_s is None else int(now.hi_s) + 1
        return Hello(nonce, int(now.lo_s), hi_s, now.source, 1, 0, 0, QUESTION if self.unsure else None)

    @staticmethod
    def words(heard: Heard, language: str) -> str | None:
        told = heard.answer.reasons if heard.refusal is None else [heard.refusal.code.value]
        return f"{language}: {' '.join(told)}" if told else None

    def pocket(self) -> Phone:
        return Phone(self)


@dataclass(slots=True)
class Phone:
    """A P-256 key in somebody's pocket. link 0: not connected."""

    bench: PhoneBench
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    link: int = 0
    nonce: bytes = b""
    counter: int = 0
    sent: bytes = b""
    heard: int = 0
    receipts: list[bytes] = field(default_factory=list)

    @property
    def holder(self) -> HolderKey:
        return HolderKey(self.key.public_key().public_bytes(Encoding.X962, PublicFormat.CompressedPoint))

    def token(self, booking: int = 42, begin: float = 0, end: float = HOUR, **more: Any) -> bytes:
        """A booking of the bench's issuer for this phone."""
        return self.bench.mint(booking, None, begin, end, **{"confirmation": self.holder, **more})

    async def connect(self) -> beside.Hello:
        self.link, self.heard = self.bench.port.connect(), 0
        kind, body = await self.hear()
        assert kind == beside.HELLO
        hello = beside.read_hello(body)
        self.nonce = hello.nonce
        return hello

    async def reach(self) -> None:
        """Connects where there is no link."""
        if not self.link or self.link in self.bench.port.gone:
            await self.connect()

    def leave(self) -> None:
        self.bench.port.leave(self.link)

    def say(self, kind: int, body: bytes) -> None:
        self.bench.port.write(self.link, kind, body)

    async def hear(self) -> tuple[int, bytes]:
        said = self.bench.port.said[self.link]
        await self.bench.until(lambda: len(said) > self.heard or self.bench.serving.done())
        if len(said) <= self.heard:
            self.bench.serving.result()
        self.heard += 1
        return said[self.heard - 1]

    async def answer(self) -> beside.Answer:
        kind, body = await self.hear()
        while kind == beside.RECEIPT:  # of the command before
            self.receipts.append(body)
            kind, body = await self.hear()
        assert kind == beside.ANSWER
        found = beside.read_answer(body)
        self.nonce = found.nonce
        return found

    def sign(self, token: bytes, action: str, counter: int | None = None) -> bytes:
        self.counter = self.counter + 1 if counter is None else counter
        return beside.command(self.key, token, self.nonce, action, self.counter)

    async def ask(self, token: bytes, action: str, *, named: bool = False, counter: int | None = None) -> beside.Answer:
        """Token and command, as on the first tap; connects where there is no link."""
        await self.reach()
        self.say(beside.TOKEN, beside.name_of(token) if named else token)
        self.sent = self.sign(token, action, counter)
        return await self.again()

    async def again(self) -> beside.Answer:
        """The very same command once more."""
        self.say(beside.COMMAND, self.sent)
        return await self.answer()


def moves(bench: PhoneBench) -> list[str]:
    return [MOVED[move] for move in bench.lock.moves]


async def numbers(bench: PhoneBench) -> list[int]:
    return [json.loads(data)[0] for data in (await bench.store.read(COUNTER)).values()]


@pytest.fixture(name="bench")
async def the_phone_bench(tmp_path: Path) -> AsyncIterator[PhoneBench]:
    async with at_home(PhoneBench(tmp_path)) as it:
        yield it
