"""Phones in any order: two drivers, a stranger who hears everything, slow fingers and power cuts. What a holder signed
on a good nonce moves the lock once; nothing else ever does.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from hil import beside
from tests.phone_bench import Phone, PhoneBench, moves

STEPS = 60
KINDS = ("ask", "ask", "ask", "again", "overheard", "junk", "slow", "low", "leave", "cut")


@dataclass
class World:
    """due: what the lock must have done by now. answered: by the command's bytes, while the car remembers."""

    bench: PhoneBench
    dice: random.Random
    drivers: list[tuple[Phone, bytes]]
    stranger: Phone
    due: list[str] = field(default_factory=list)
    answered: dict[bytes, str] = field(default_factory=dict)
    taken: dict[str, int] = field(default_factory=dict)

    async def step(self) -> None:
        kind = self.dice.choice(KINDS)
        self.taken[kind] = self.taken.get(kind, 0) + 1
        await getattr(self, kind)(*self.dice.choice(self.drivers))
        assert moves(self.bench) == self.due, kind

    async def ask(self, phone: Phone, token: bytes) -> None:
        action = self.dice.choice(("unlock", "lock"))
        answer = await phone.ask(token, action)
        if answer.refusal == "replay":  # an old link's nonce has grown old: one round trip more
            answer = await phone.ask(token, action)
        assert answer.code == "unknown", answer
        self.due.append(action)
        self.answered[phone.sent] = answer.code

    async def again(self, phone: Phone, token: bytes) -> None:
        if not phone.sent:
            return
        if not phone.link or self.dice.random() < 0.5:
            await phone.connect()
            phone.say(beside.TOKEN, token)
        answer = await phone.again()
        assert (answer.refusal or answer.code) == self.answered.get(phone.sent, "replay")

    async def overheard(self, phone: Phone, token: bytes) -> None:
        if not self.stranger.link:
            await self.stranger.connect()
        self.stranger.say(beside.TOKEN, token)
        self.stranger.sent = phone.sent or b"nothing"
        answer = await self.stranger.again()
        assert (answer.refusal or answer.code) in (self.answered.get(phone.sent), "replay", "malformed")
        assert (await self.stranger.ask(token, "unlock")).refusal == "holder"

    async def junk(self, phone: Phone, token: bytes) -> None:
        if not self.stranger.link:
            await self.stranger.connect()
        for _ in range(5):
            kind = self.dice.choice((0, 2, 4, 5, 9, 77))
            self.stranger.say(kind, self.dice.randbytes(self.dice.randrange(300)))
        self.stranger.sent = self.dice.randbytes(self.dice.randrange(130))
        assert (await self.stranger.again()).code == "refused"

    async def slow(self, phone: Phone, token: bytes) -> None:
        """Signed, and then not sent for half a minute."""
        await phone.connect()
        phone.say(beside.TOKEN, token)
        late = phone.sign(token, "unlock")
        await self.bench.clock.advance(31)
        phone.say(beside.COMMAND, late)
        assert (await phone.answer()).refusal == "replay"

    async def low(self, phone: Phone, token: bytes) -> None:
        """Another app on the same phone that has lost count."""
        highest = max((phone.counter, 0))
        if not any(phone.sent == sent for sent in self.answered):
            return
        answer = await phone.ask(token, "unlock", counter=1)
        assert answer.refusal == "replay"
        phone.counter, phone.sent = max(highest, answer.counter or 0), b""

    async def leave(self, phone: Phone, token: bytes) -> None:
        if phone.link:
            phone.leave()
            phone.link = 0

    async def cut(self, phone: Phone, token: bytes) -> None:
        await self.bench.cut()
        self.bench.park()
        self.answered.clear()
        for one in (*(driver for driver, _ in self.drivers), self.stranger):
            one.link = 0


@pytest.mark.parametrize("seed", range(4))
async def test_only_what_a_holder_signs_on_a_good_nonce_moves_the_lock_and_only_once(tmp_path: Path, seed: int) -> None:
    bench = PhoneBench(tmp_path)
    await bench.boot()
    bench.park()
    drivers = [(phone, phone.token()) for phone in (bench.pocket(), bench.pocket())]
    world = World(bench, random.Random(seed), drivers, bench.pocket())
    try:
        for _ in range(STEPS):
            await world.step()
    finally:
        await bench.off()
    assert len(world.due) > 5
    assert set(world.taken) >= {"ask", "again", "overheard", "junk", "cut"}
    assert bench.lock.seen_pending
    assert all(bench.lock.seen_pending), "the intent is on disk before every movement"
