"""A shared car's day in little: a clerk drives out and back, the car charges with a pause, sleeps, wakes, and is moved
by nobody known. The same steps for every car folder; waits come from the folder.

What is not here: what must be true of it afterwards (`scenarios/test_car_days.py`).
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

from config import car as cars
from config import vocabulary as v
from config.car import Phase

from . import exactness
from .ecu import TELEMATICS_EVERY_S, WAKING_S
from .faults import Rig

# Each drive crosses whole kilometres, the first and the last right at their end: who reads too early there is wrong.
BEGIN_KM, KM, ASIDE_KM = 48_211.53, 1.52, 0.48
DOWN_S = 1.5  # so long the bus is
STEP_KWH = 0.1  # charging begins and pauses near the middle of one, not where a second more shows another
PACE = 5.0  # on the road so many seconds pass in one, up to which instruments show what the motor gives (`truth.py`)
QUICK = 60.0  # and at the charge point, in the middle of a stretch: at its ends it gives what a charge point gives
QUICK_S = 4.0  # about
CONFIRM_S = 5.0  # so long a car must say the same before its word about charging counts (contract)
LOOK_S = 1.0
ASLEEP_S = 5.0
WHY = {"full": "full", "stop": "station_stopped", "fault": "fault", "out": "unplugged"}


class CarDay:
    """why: how its charge ends, a key of `WHY`. asked_asleep: questions that reached the car while it slept."""

    def __init__(self, machine: str, model: str, why: str) -> None:
        self.car, self.why = cars.load(cars.find(model)), why
        driver = "diagnostic" if self.car.diagnostic_lock is not None else "relay"
        self.rig = Rig(machine, model, {"driver": driver})
        self.world = self.rig.world
        self.world.sleep_s = None  # it sleeps when its day says so
        self.world.truth = replace(self.world.truth, odometer_km=BEGIN_KM)
        if why == "full":
            nearly = self.world.battery.capacity_kwh - 0.2
            self.world.truth = self.world.battery.filled(self.world.truth, nearly)
        self.booking = 0
        self.asked_asleep = -1

    def age_s(self, name: str, *phases: Phase) -> float:
        return exactness.age_s(self.car, name, *phases)

    @property
    def flag_s(self) -> float:
        """How old the car's word about charging may be."""
        return max(self.age_s(it, Phase.AWAKE, Phase.CHARGING) for it in (v.CHARGING, v.CHARGE_STATUS))

    @property
    def woken_s(self) -> float:
        """How long a car that slept says nothing yet: "not available" first, and behind a gateway until its telematics
        unit speaks.
        """
        return WAKING_S + (TELEMATICS_EVERY_S if self.car.wake is not None else 0.0)

    async def live(self) -> None:
        await self._begins()
        await self._drives_out()
        await self._drives_back_and_the_program_dies()
        await self._charges()
        await self._ends_the_charge()
        await self._is_moved()
        await self._is_settled()
        await self.rig.end()

    async def _begins(self) -> None:
        await self.rig.start()
        await self.rig.bench.machine.call({"do": "car", "moody": False})
        if cars.lock_block(self.car.folder) is None:
            code, output = await self.rig.bench.boitier("check", "lock", "--socket", self.rig.bench.socket)
            assert code == 0, output
            await self.rig.wakes()
        self.rig.begin()
        self.booking = await self.rig.booked("staff")
        await self.rig.opens(self.booking)

    async def _drives_out(self) -> None:
        await self.world.plug(False)
        await self._says(v.PLUGGED, "no")
        await self._leg(1, self._out())

    async def _out(self) -> None:
        """On the way the bus is down for a moment."""
        drive = asyncio.create_task(self.world.drive(KM, pace=PACE))
        while self.world.along_m < 300 * KM:
            await asyncio.sleep(0.1)
        await self.rig.can("down")
        await asyncio.sleep(DOWN_S)
        await self.rig.can("up")
        await drive

    async def _drives_back_and_the_program_dies(self) -> None:
        await self._leg(2, self._back())
        assert self.world.along_m < 1

    async def _back(self) -> None:
        drive = asyncio.create_task(self.world.drive(KM, pace=PACE, back=True))
        while self.world.along_m > 500 * KM:
            await asyncio.sleep(0.1)
        await self.rig.bench.kill_agent()
        await self.rig.bench.start_agent()
        await drive

    async def _leg(self, number: int | None, drive: Any) -> None:
        """number: of a leg of the booking, `None`: nobody's."""
        await self.rig.until(lambda it: it["can"]["phase"] != "driving")  # it knows that the last drive is over
        seen = len(self.rig.desk.facts)
        await self.world.ignition(True)
        await self.rig.until(lambda it: it["can"]["phase"] == "driving")
        await drive
        await self.world.ignition(False)  # at once: what it told while it drove is not what it says now
        if number is None:
            await self.rig.desk.fact("unbooked_leg", 60, after=seen, event="closed")
        else:
            await self.rig.desk.fact("leg", 60, booking=self.booking, leg=number, event="closed")

    async def _charges(self) -> None:
        """The charge point pauses, and meanwhile the booking ends."""
        self.world.truth = self.world.battery.filled(self.world.truth, self._whole_kwh(0.0))
        await self.world.plug(True)
        await self._stretch()
        await self.world.charge("stop")
        paused = asyncio.create_task(asyncio.sleep(self._sure_s))
        await self.rig.ends(self.booking)
        await paused
        await self.world.charge("start")
        await self._stretch()

    @property
    def _sure_s(self) -> float:
        return CONFIRM_S + self.flag_s + 2 * LOOK_S

    async def _stretch(self) -> None:
        """Quick between its first word, and what it tells of its energy last."""
        await asyncio.sleep(self.flag_s + 3 * LOOK_S)  # a look, and what a busy host may add
        enough = self._whole_kwh(self.world.battery.charge_kw * QUICK * QUICK_S / 3600)
        self.world.charge_pace = QUICK
        while self.world.truth.energy_kwh < enough:
            await asyncio.sleep(0.1)
        self.world.charge_pace = 1.0
        await asyncio.sleep(self.age_s(v.ENERGY, Phase.CHARGING) + LOOK_S)

    def _whole_kwh(self, more: float) -> float:
        return round((self.world.truth.energy_kwh + more) / STEP_KWH) * STEP_KWH

    async def _ends_the_charge(self) -> None:
        if self.why == "out":
            await self._unplugs()
            await self._sleeps()
            return
        if self.why == "full":
            await self._fills()
        else:
            await self.world.charge(self.why)
        await asyncio.sleep(self._sure_s)
        await self._sleeps()
        await self._unplugs()

    async def _fills(self) -> None:
        while self.world.truth.charging:
            left_kwh = self.world.battery.capacity_kwh - self.world.truth.energy_kwh
            self.world.charge_pace = QUICK if left_kwh > 0.1 else 5.0
            await asyncio.sleep(0.1)
        self.world.charge_pace = 1.0

    async def _unplugs(self) -> None:
        seen = len(self.rig.desk.facts)
        await self.world.plug(False)
        await self.rig.desk.fact("charge", 60, after=seen, event="closed")

    async def _sleeps(self) -> None:
        """It falls silent, is taken for parked, and is left alone."""
        self.world.sleep_s = 0.5
        before = await self.rig.until(lambda it: it["can"]["phase"] == "parked" and not self.world.truth.awake)
        quiet = await self._counters()
        await asyncio.sleep(ASLEEP_S)
        status, counters = await self.rig.status(), await self._counters()
        assert status["can"]["phase"] == "parked"
        assert status["polling"]["diagnostics"]["asked"] == before["polling"]["diagnostics"]["asked"]
        self.asked_asleep = counters["asked_asleep"] - quiet["asked_asleep"]
        self.world.sleep_s = None

    async def _counters(self) -> dict[str, int]:
        """Of the simulated car itself."""
        counters: dict[str, int] = (await self.rig.bench.machine.call({"do": "car"}))["counters"]
        return counters

    async def _is_settled(self) -> None:
        """An ordered stop seals the last run of samples, which is then sent."""
        assert await self.rig.bench.stop_agent() == 0
        await self.rig.bench.start_agent()
        await self.rig.calm()

    async def _is_moved(self) -> None:
        await self._leg(None, self.world.drive(ASIDE_KM, pace=PACE))

    async def _says(self, name: str, value: str) -> None:
        await self.rig.until(lambda it: any(s["name"] == name and s["value"] == value for s in it["signals"]))
