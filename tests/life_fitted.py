"""What is around the door of `life_bench.py`: phones and whatever they bring, the card's supply on its relay, a keypad,
cards that prove themselves, and who asks for the time. The conversations are the product's, the bytes of phones, codes
and cards the bench's own (`hil/`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

from agent.access.beside import Beside
from agent.access.mule import Mule
from agent.access.phones import Phones
from agent.access.switching import Held, supply_wanted
from agent.run import nearby
from drivers.credentials import Credential, SunTap
from drivers.fitted import SwitchAction
from drivers.ports import BadgeTap, CodeEntered, Feedback
from hil import beside, mule
from tests.fakes.door import Cut
from tests.fakes.phones import StandInPort
from tests.life_bench import LifeBench
from tests.supply_bench import Relay

SUPPLY = SwitchAction.SUPPLY_ON, SwitchAction.SUPPLY_OFF


class FittedBench(LifeBench):
    """relay: lets the card have its supply while the box is dark. Every link ends with the power."""

    serving: asyncio.Task[None]

    async def power_on(self) -> None:
        self.relay = Relay()
        await super().power_on()
        self.provisioning.timed = lambda data: self.timekeeper.answered(data, self.authority)
        lockwork, clock = self.lockwork, self.clock
        self.supply = Held(
            "card_supply", self.relay, SUPPLY, lambda: supply_wanted(lockwork.remembered.may_start, False), clock,
            lockwork, self.scene,
        )  # fmt: skip
        lockwork.fit(self.supply.moves(SUPPLY))
        self.port = StandInPort(clock)
        commands = Beside(
            self.store, self.authority, self.bookings, self.scene, self.decisions, self.door.locked,
            self.heard.append,
        )  # fmt: skip
        house: Any = SimpleNamespace(
            timekeeper=self.timekeeper, authority=self.authority, provisioning=self.provisioning,
            receipts=self.receipts, time_question=lambda by_phone: self.question(by_phone=by_phone),
        )  # fmt: skip
        self.phones = Phones(
            clock, self.port, self.door, self.bookings, commands, hello=lambda nonce: nearby.hello(house, nonce),
            tag=lambda: b"", words=lambda refusal, language: nearby.words(house, refusal, language),
            random=self._random, past_s=self.timekeeper.settled_lo_s,
            mule=Mule(clock, self.store, self.provisioning.brought, None),
        )  # fmt: skip
        self.serving = asyncio.create_task(self.phones.run())

    async def crash(self) -> None:
        self.serving.cancel()
        await asyncio.gather(self.serving, return_exceptions=True)
        await super().crash()

    def _random(self, size: int) -> bytes:
        return next(self._serial).to_bytes(size, "big")

    # --- waiting

    async def until(self, condition: Any, *, door_may_end: bool = False) -> None:
        """Raises `Cut` as soon as the power is gone: nothing that was asked is answered any more."""
        for _ in range(20_000):
            if condition():
                return
            if self.dead:
                raise Cut
            for task in (self.task, self.serving):
                if task is not None and task.done():
                    task.result()
            await asyncio.sleep(0)
        raise TimeoutError("it never happened")  # no finding of the oracle's: a broken guard is not found by it

    async def wait(self, seconds: float) -> None:
        def idle() -> bool:
            return self.clock.sleepers >= 2  # the door's ticks, the name on the air

        await self.until(idle)
        await self.clock.advance(seconds)
        await self.until(idle)

    async def follow(self) -> None:
        """What hangs on the lock's movements has followed them."""
        if not self.lockwork.unsettled:
            await self.door.wish(self.supply.follow)

    # --- by the windscreen

    async def tap(self, uid: bytes) -> Feedback:
        return await self.present(BadgeTap(uid, self.clock.now()))

    async def type(self, digits: str) -> Feedback:
        return await self.present(CodeEntered(digits, self.clock.now()))

    async def prove_card(self, message: bytes) -> Feedback:
        return await self.present(SunTap(message, self.clock.now()))

    async def present(self, shown: Credential) -> Feedback:
        before = len(self.reader.shown)
        self.reader.presented.put_nowait(shown)
        await self.until(lambda: len(self.reader.shown) > before)
        return self.reader.shown[-1]

    # --- phones

    async def connect(self) -> tuple[int, beside.Hello]:
        link = self.port.connect()
        _, body = (await self.heard_on(link, 0))[0]
        return link, beside.read_hello(body)

    async def told(self, link: int, *messages: tuple[int, bytes]) -> list[tuple[int, bytes]]:
        """What the car says to the last of these messages."""
        before = len(self.port.said[link])
        for kind, body in messages:
            self.port.write(link, kind, body)
        return await self.heard_on(link, before)

    async def heard_on(self, link: int, before: int) -> Sequence[tuple[int, bytes]]:
        said = self.port.said[link]
        await self.until(lambda: len(said) > before)
        return said[before:]

    async def brought(self, data: bytes) -> str | None:
        """By a phone that the car does not know: the refusal's code, `None` when it was taken."""
        link, _ = await self.connect()
        (kind, body), *_ = await self.told(link, *((beside.CARRY, piece) for piece in mule.carried(data)))
        self.port.leave(link)
        assert kind == beside.TAKEN
        return mule.taken(body)

    # --- time

    def question(self, *, by_phone: bool) -> bytes | None:
        """As the state message or a hello carries it."""
        keyset, keeper = self.authority.keyset, self.timekeeper
        if keyset is None or not keeper.wants_time:
            return None
        return keeper.question(keyset.version, by_phone=by_phone)
