"""The people of the day with power cuts. They do not know of cuts: who gets no answer tries again a little later.

What is not here: the cuts (`cuts.py`) and any judgement.
"""

from __future__ import annotations

import asyncio
import random
import time

from .backend.held import Holding
from .backend.ledger import Expected
from .bench import Bench
from .story import BETWEEN_TAPS_S

CLERK, BADGE, STRANGER = 71_001, bytes.fromhex("0a1b2c3d4e"), bytes.fromhex("6666666666")
FIRST_SOLD = 72_001
PACE = 5.0
AWAY_KM, LEG_KM = 0.7, 0.35
PATIENCE_S = 5.0  # until somebody who sees no change presents the badge again
ANSWER_S = 60.0


class Life:
    """`morning`, then `day` until `evening` is set, then `home`. rng: the same people with the same seed."""

    def __init__(self, bench: Bench, rng: random.Random) -> None:
        self.bench, self.world, self._rng = bench, bench.world, rng
        self.evening = asyncio.Event()
        self.sold: list[int] = []
        self._legs = 0
        self._taps = 0
        self._tapped = asyncio.Event()

    async def morning(self) -> None:
        """Commissioning (D18), the booking arrives, and the clerk leaves the station."""
        code, output = await self.bench.boitier("check", "lock", "--socket", self.bench.socket)
        if code:
            raise AssertionError(self.bench.tail(f"the lock signal was not proven: {output}"))
        self.bench.desk.book(self.bench.order(CLERK, BADGE))
        await self.bench.desk.booked(CLERK, ANSWER_S)
        await self.wants(locked=False)
        await self._gets_in()
        await self.world.drive(AWAY_KM, pace=PACE)

    async def day(self) -> None:
        """Drive, stop, lock, wait, unlock, drive: away from the station, so that no tap ends the booking (R3)."""
        while not self.evening.is_set():
            await self._gets_out()
            await self.wants(locked=True)
            await asyncio.sleep(self._rng.uniform(0.5, 1.5))
            if self._rng.random() < 0.5:
                await self._tap(STRANGER)
            if self._rng.random() < 0.4:
                self.bench.desk.command(self.bench.vehicle.ident, "lock")
            if self._rng.random() < 0.3:
                self.sell()
            await asyncio.sleep(BETWEEN_TAPS_S)
            await self.wants(locked=False)
            await self._gets_in()
            await self.world.drive(LEG_KM, pace=PACE, back=self._legs % 2 == 1)
            self._legs += 1

    async def home(self) -> None:
        """Back to the station, plugged in, ended; the power stays."""
        await self.world.ignition(True)
        await self.world.drive(self.world.along_m / 1000, pace=PACE, back=True)
        await self._gets_out()
        seen = len(self.bench.desk.facts)
        await self.world.plug(True)
        await asyncio.sleep(BETWEEN_TAPS_S)
        await self.bench.tap(BADGE, "E")
        await self.bench.desk.fact("booking", ANSWER_S, booking=CLERK, event="closed")
        await self.bench.desk.fact("plug", ANSWER_S, after=seen, event="plugged")  # believed once it has held

    def sell(self) -> None:
        """A booking for another badge; the desk repeats it until the car has answered."""
        number = FIRST_SOLD + len(self.sold)
        self.sold.append(number)
        self.bench.desk.book(self.bench.order(number, number.to_bytes(5, "big"), "private"))

    async def tapped(self) -> None:
        """Wait for the next time that anybody presents a badge."""
        self._tapped.clear()
        await self._tapped.wait()

    async def wants(self, *, locked: bool) -> None:
        """Present the badge until the lights say so."""
        while self.world.truth.locked != locked:
            await self._tap(BADGE)
            patient = time.monotonic() + PATIENCE_S
            while self.world.truth.locked != locked and time.monotonic() < patient:
                await asyncio.sleep(0.1)
        await asyncio.sleep(BETWEEN_TAPS_S)

    # --- afterwards ---------------------------------------------------------------------------------------------------

    async def unanswered(self) -> list[int]:
        """Bookings that were sold and never answered by the car."""
        found = []
        deadline = time.monotonic() + ANSWER_S
        for number in self.sold:
            try:
                await self.bench.desk.booked(number, max(0.1, deadline - time.monotonic()))
            except TimeoutError:
                found.append(number)
        return found

    def expected(self) -> list[Expected]:
        never = [Expected(number, opened=False, how=()) for number in self.sold]
        return [Expected(CLERK, "staff", badge=BADGE.hex()), *never]

    def repeated(self, held: Holding) -> list[str]:
        """A booking is stored once, and a command moves once, however often either arrived."""
        found = []
        for number in [CLERK, *self.sold]:
            if (count := len(held.of("booking", booking=number, event="stored"))) != 1:
                found.append(f"booking {number} is recorded as stored {count} times")
        for ident in self.bench.desk.commands:
            if (count := len(held.of("access", event="intent", command=ident))) > 1:
                found.append(f"command {ident} moved the lock {count} times")
        return found

    # --- small things -------------------------------------------------------------------------------------------------

    async def _tap(self, badge: bytes) -> None:
        self._tapped.set()
        await self.world.tap(badge)

    async def _gets_in(self) -> None:
        await self._door()
        if self.world.truth.plugged:
            await self.world.plug(False)
        await self.world.ignition(True)
        await asyncio.sleep(0.5)

    async def _gets_out(self) -> None:
        await self.world.ignition(False)
        await self._door()

    async def _door(self) -> None:
        await self.world.door("front_left", True)
        await asyncio.sleep(0.4)
        await self.world.door("front_left", False)
        await asyncio.sleep(0.6)
