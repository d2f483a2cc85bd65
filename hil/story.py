"""The story of the demo: one working day of a shared Zoé, told as it happens; a method for each thing that people do.

What is not here: how the bench does it (`bench.py`), and whether both sides agree afterwards (`demo.py`).
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable

from .backend.ledger import Expected
from .bench import Bench
from .words import Words

CLERK_BADGE = bytes.fromhex("0a1b2c3d4e")
EVENING_BADGE = bytes.fromhex("51525354aa")
STRANGER_BADGE = bytes.fromhex("6666666666")
CLERK, EVENING = 61_001, 61_002
PACE = 5.0  # on the road, so many seconds pass in one
OUT_KM, EVENING_KM = 2.6, 0.9
BETWEEN_TAPS_S = 2.3  # the reader takes two sightings within two seconds for one
EXPECTED = (
    Expected(CLERK, "staff", badge=CLERK_BADGE.hex()), Expected(EVENING, "private", badge=EVENING_BADGE.hex()),
)  # fmt: skip

Tell = Callable[[str], None]


class Story:
    """tell: takes each sentence as it happens, in the language of the words. The bench has been started."""

    def __init__(self, bench: Bench, words: Words, tell: Tell) -> None:
        self.bench, self.world, self.words, self._tell = bench, bench.world, words, tell

    def tell(self, key: str, **values: object) -> None:
        self._tell(self.words(key, **values))

    async def day(self) -> None:
        """From the locked car in the morning to the locked car at night."""
        await self.commissioning()
        await self.booking_arrives(CLERK, CLERK_BADGE, "staff", "clerk")
        await self.opens_without_network()
        await self.drives_out()
        await self.pauses_in_the_village()
        await self.drives_home()
        await self.forgery()
        await self.remote_command()
        await self.restarts_in_order()
        await self.booking_arrives(EVENING, EVENING_BADGE, "private", "driver")
        await self.evening_drive()
        await self.drained()

    async def commissioning(self) -> None:
        """D18, R9: five cycles prove this car's own lock signal."""
        self.tell("prove")
        code, output = await self.bench.boitier("check", "lock", "--socket", self.bench.socket)
        if code:
            self.tell("not_proven", why=output.strip().splitlines()[-1])
        else:
            self.tell("proven")

    async def booking_arrives(self, number: int, badge: bytes, kind: str, who: str) -> None:
        self.tell("booking_arrives", who=self.words(who), number=number)
        self.bench.desk.book(self.bench.order(number, badge, kind))
        await self.bench.desk.booked(number, timeout_s=60)
        self.tell("booking_stored")

    async def opens_without_network(self) -> None:
        self.bench.cut_link()
        self.tell("link_cut")
        await self.refused_tap(STRANGER_BADGE, "stranger")
        self.tell("tap", who=self.words("clerk"))
        await self.bench.tap(CLERK_BADGE, "O")
        self.tell("opened")
        await self.gets_in()
        await self.link_comes_back()

    async def drives_out(self) -> None:
        """A dead zone, then the power fails in the middle of the road."""
        self.tell("drives", who=self.words("clerk"), km=OUT_KM)
        drive = asyncio.create_task(self.world.drive(OUT_KM, pace=PACE))
        try:
            await asyncio.sleep(6)
            self.bench.cut_link()
            self.tell("dead_zone_enter")
            await asyncio.sleep(9)
            await self.link_comes_back()
            await asyncio.sleep(3)
            await self.power_fails()
            await drive
        finally:
            drive.cancel()

    async def power_fails(self) -> None:
        await self.bench.cut_power()
        self.tell("power_cut")
        await asyncio.sleep(1)
        await self.bench.restore_power()
        under_way = (await self.bench.status())["door"]["booking"]
        number = under_way["booking"] if isinstance(under_way, dict) else under_way
        if number != CLERK:
            raise AssertionError(self.bench.tail(f"the box came back with booking {number}"))
        self.tell("power_back", number=number)

    async def pauses_in_the_village(self) -> None:
        """R3: away from the station a tap only locks; the next one opens again."""
        await self.gets_out()
        self.tell("tap", who=self.words("clerk"))
        await self.bench.tap(CLERK_BADGE, "P")
        self.tell("locked")
        await asyncio.sleep(BETWEEN_TAPS_S)
        await self.bench.tap(CLERK_BADGE, "O")

    async def drives_home(self) -> None:
        await self.gets_in(unplug=False)
        self.tell("drives", who=self.words("clerk"), km=OUT_KM)
        await self.world.drive(OUT_KM, pace=PACE, back=True)
        self.tell("at_home")
        await self.ends(CLERK, CLERK_BADGE, "clerk")

    async def ends(self, number: int, badge: bytes, who: str) -> None:
        """R3: at the station, doors shut, a tap ends the booking."""
        await self.gets_out()
        seen = len(self.bench.desk.facts)
        await self.world.plug(True)
        self.tell("plugged")
        await asyncio.sleep(BETWEEN_TAPS_S)
        self.tell("tap", who=self.words(who))
        await self.bench.tap(badge, "E")
        closed = await self.bench.desk.fact("booking", timeout_s=60, booking=number, event="closed")
        await self.bench.desk.fact("plug", timeout_s=60, after=seen, event="plugged")  # believed once it has held
        self.tell("ended", km=closed.body["km"], soc=closed.body["end"]["soc_percent"])

    async def forgery(self) -> None:
        """One flipped bit in a real booking."""
        self.tell("forged")
        seen = len(self.bench.desk.facts)
        token = bytearray(self.bench.desk.tokens[CLERK])
        token[-1] ^= 1
        self.bench.desk.send_raw(self.bench.vehicle.ident, "book", bytes(token))
        fact = await self.bench.desk.fact("booking", timeout_s=30, after=seen, event="refused")
        self.tell("refused", why=self.words.refusal(fact.body["code"]))

    async def remote_command(self) -> None:
        """A signed command, and the very same bytes again."""
        desk, vehicle = self.bench.desk, self.bench.vehicle.ident
        self.tell("remote", action="lock")
        ident = desk.command(vehicle, "lock")
        result = await desk.result(ident, timeout_s=30)
        self.tell("remote_done", code=result["code"])
        pressed = len(self.world.diary.of("press"))
        desk.results.pop(ident)
        desk.send_raw(vehicle, "cmd", desk.commands[ident])
        await desk.result(ident, timeout_s=30)
        if len(self.world.diary.of("press")) != pressed:
            raise AssertionError("the repeated command moved the lock")
        self.tell("repeat")

    async def restarts_in_order(self) -> None:
        code = await self.bench.stop_agent()
        if code:
            raise AssertionError(self.bench.tail(f"the ordered stop ended with {code}"))
        await self.bench.start_agent()
        self.tell("sleeps")

    async def evening_drive(self) -> None:
        self.tell("tap", who=self.words("driver"))
        await self.bench.tap(EVENING_BADGE, "O")
        await self.gets_in()
        self.tell("drives", who=self.words("driver"), km=2 * EVENING_KM)
        await self.world.drive(EVENING_KM, pace=PACE)
        await self.world.drive(EVENING_KM, pace=PACE, back=True)
        self.tell("at_home")
        await self.ends(EVENING, EVENING_BADGE, "driver")

    async def drained(self) -> None:
        waiting = await self.bench.drained()
        self.tell("not_drained" if waiting else "drain", count=waiting)

    # --- small things that people do ----------------------------------------------------------------------------------

    async def refused_tap(self, badge: bytes, who: str) -> None:
        self.tell("tap", who=self.words(who))
        await self.bench.tap(badge, "R")
        said = [found[1] for line in self.bench.log if (found := re.search(r"badge refused: (\w+)", line))]
        self.tell("refused", why=self.words.refusal(said[-1] if said else "not_stored"))

    async def gets_in(self, *, unplug: bool = True) -> None:
        await self.world.door("front_left", True)
        await asyncio.sleep(0.4)
        await self.world.door("front_left", False)
        if unplug:
            await self.world.plug(False)
        await self.world.ignition(True)
        await asyncio.sleep(0.8)

    async def gets_out(self) -> None:
        await self.world.ignition(False)
        await self.world.door("front_left", True)
        await asyncio.sleep(0.4)
        await self.world.door("front_left", False)
        await asyncio.sleep(0.6)

    async def link_comes_back(self) -> None:
        self.bench.mend_link()
        self.tell("link_back", waiting=await self.bench.waiting())
