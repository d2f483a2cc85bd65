"""What the person at the wheel does: ignition, cable, doors, key, and driving, with what has to be done first.

What is not here: badges and everything else of the box (`commands.py`), and the car's physics (`world.py`).
"""

from __future__ import annotations

import asyncio
from typing import Final

from .bench import Bench
from .grammar import Value
from .happenings import Voices
from .words import Words

PACE: Final = 10.0  # on the road so many seconds pass in one: 12 km take about a minute
TOLD_S: Final = 5.0  # between two lines about a drive
STATION_KM: Final = 0.08  # as the bench's settings draw it


class Failed(RuntimeError):
    """A command that could not be done; the text says why."""


class Driver:
    """stands: set while no drive is under way."""

    def __init__(self, bench: Bench, words: Words, voices: Voices) -> None:
        self.world, self.words, self._voices = bench.world, words, voices
        self.stands = asyncio.Event()
        self.stands.set()

    def say(self, key: str, **values: object) -> None:
        self._voices(self.words(key, **values))

    async def hand(self, *wish: Value) -> None:
        """Ignition, cable, what the charge point does, doors, and the car's own key."""
        match wish:
            case ("ignition", op):
                self._standing(op == "off")
                await self.world.ignition(op == "on")
            case ("plug", op):
                self._standing(op == "in")
                await self.world.plug(op == "in")
            case ("charge", op):
                await self.world.charge(str(op))
            case ("door", str(name), op):
                await self.world.door(name, op == "open")
            case ("key", op):
                await self.world.lock_by_hand(op == "lock")
        self.say("p_done", what=" ".join(map(str, wish)))

    def _standing(self, needed: bool) -> None:
        if needed and not self.stands.is_set():
            raise Failed(self.words("p_drives_now"))

    async def drive(self, where: Value, back: bool) -> None:
        """where: kilometres, or "home". Does first what a driver would do first, and says so."""
        self._standing(True)
        along_km = self.world.along_m / 1000
        km = abs(along_km) if where == "home" else float(where)
        if where == "home":
            back = along_km > 0
        if km < 0.001:
            raise Failed(self.words("p_at_home"))
        if km > self.world.truth.range_km:
            raise Failed(self.words("p_range", km=km, range=self.world.truth.range_km))
        self.stands.clear()
        try:
            await self._sit_down()
            self.say("p_driving", km=km)
            await self._roll(km, back)
        finally:
            self.stands.set()
        truth = self.world.truth
        self.say("p_arrived", km=km, odometer=truth.odometer_km, soc=truth.soc_percent)

    async def _sit_down(self) -> None:
        truth = self.world.truth
        if truth.locked:
            self.say("p_own_key")
            await self.world.lock_by_hand(False)
        for door in [name for name, opened in truth.doors.items() if opened]:
            self.say("p_door_shut", door=door)
            await self.world.door(door, False)
        if truth.plugged:
            self.say("p_unplugged")
            await self.world.plug(False)
        if not truth.ignition:
            self.say("p_ignition_on")
            await self.world.ignition(True)
            await asyncio.sleep(1)  # the bus wakes up with "not available" first

    async def _roll(self, km: float, back: bool) -> None:
        begun = self.world.truth.odometer_km
        drive = asyncio.create_task(self.world.drive(km, pace=PACE, back=back))
        try:
            while not (await asyncio.wait({drive}, timeout=TOLD_S))[0]:
                truth = self.world.truth
                far = {"km": truth.odometer_km - begun, "total": km, "speed": truth.speed_kmh, "soc": truth.soc_percent}
                self.say("p_on_the_road", **far, left=self.place())
            await drive
        finally:
            drive.cancel()

    def place(self) -> str:
        """Where the car is, in words."""
        km = abs(self.world.along_m) / 1000
        return self.words("p_here") if km < STATION_KM else self.words("p_away", km=km)
