"""The door's bench with a card supply beside its lock, on a relay that is closed at rest."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from agent.access.choice import may_start_now
from agent.access.switching import Held, SupplyFirst, Switching, supply_wanted
from drivers.errors import DeviceError
from drivers.fitted import SwitchAction
from tests.door_bench import DoorBench, at_home

SETTLED_S = 12


class Relay:
    """Normally closed: what it lets through without power. A cut of the box's power lets it go."""

    def __init__(self) -> None:
        self.through, self.there, self.turns = True, True, 0

    async def turn(self, on: bool) -> None:
        if not self.there:
            raise DeviceError("no such device")
        self.through, self.turns = on, self.turns + 1

    @property
    def trouble(self) -> str:
        return "" if self.there else "/dev/relay: is gone"

    def close(self) -> None:
        self.through = True


class SupplyBench(DoorBench):
    """The door's bench with a card supply beside its lock. card: whether the car would start."""

    def __init__(self, folder: Path, order: str = "lock_first") -> None:
        super().__init__(folder)
        self.relay, self.order, self.pressed = Relay(), order, 0
        self.delay_s = 0.0
        self.following: asyncio.Task[None] | None = None

    async def boot(self, *given: object) -> None:  # type: ignore[override]
        await super().boot()
        lockwork, actions = self.lockwork, (SwitchAction.SUPPLY_ON, SwitchAction.SUPPLY_OFF)

        def wanted() -> bool | None:
            now = may_start_now(self.under.booking, self.bookings.believed())
            return supply_wanted(lockwork.remembered.may_start, lockwork.remembered.immobilised, now)

        self.supply = Held("card_supply", self.relay, actions, wanted, self.clock, lockwork, self.scene)
        first = None
        if self.order == "supply_first":
            first = SupplyFirst(self.supply, self.clock, self.scene, 0.0, lambda: lockwork.remembered.immobilised)
        start = self.supply.moves((SwitchAction.RELEASE, SwitchAction.IMMOBILISE))
        lockwork.fit({**self.supply.moves(actions), **start, SwitchAction.RELEASE_CABLE: self.press}, first)
        self.switching = Switching(self.clock, self.door, lockwork, (self.supply,), self.delay_s)
        self.following = asyncio.create_task(self.switching.run())

    async def off(self) -> None:
        assert self.following is not None
        self.following.cancel()
        await asyncio.gather(self.following, return_exceptions=True)
        await super().off()

    async def cut(self) -> None:
        """The box and its board lose their power."""
        await self.off()
        self.relay.through = True
        await self.boot()

    async def press(self) -> None:
        self.pressed += 1

    async def settles(self, through: bool) -> None:
        await self.until(lambda: self.relay.through is through)

    async def idle(self) -> None:
        """Everything that is due now has been done."""
        await self.door.wish(self.switching._follow)


@contextlib.asynccontextmanager
async def settled(it: SupplyBench) -> AsyncIterator[SupplyBench]:
    """At home, for so long that the card's supply is as it shall be."""
    async with at_home(it):
        await it.wait(SETTLED_S)
        yield it


@pytest.fixture(name="bench")
async def the_bench(tmp_path: Path) -> AsyncIterator[SupplyBench]:
    async with settled(SupplyBench(tmp_path)) as it:
        yield it
