"""The world: one car that really is somewhere, whoever watches; it drives, charges, locks, sleeps, and keeps a diary.

The box sees it only through the wires (`harness.py`). What is not here: the car's bits (`ecu.py`), the satellites'
words (`sky.py`), and the comparison with what the backend holds (`backend/ledger.py`).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from .control import MachineGone
from .diary import Diary
from .sky import Place, Route, Sky
from .truth import Battery, CarTruth, flowing
from .wiring import Card, Wiring

Message = dict[str, Any]
Ask = Callable[[Message], Awaitable[Message | None]]

STEP_S = 0.2
SKY_S = 1.0
TOP_KMH = 80.0
ACCELERATION = 4.0  # km/h gained in a second; braking the same
SHORTEST_PRESS_S = 0.08  # a key's button held shorter does nothing
LOCK_S = 0.25  # from the pressed button to the moved lock


@dataclass(slots=True)
class _Motion:
    """A drive under way. sign: +1 along the route, -1 back. pace: how many seconds of driving pass in one."""

    left_km: float
    cruise_kmh: float
    pace: float
    sign: int
    done: asyncio.Event = field(default_factory=asyncio.Event)


class World:
    """ask: sends a message to the inside and returns its answer; raises `MachineGone` while it has no power.

    Feed every event of the inside to `saw`. Times in the diary are milliseconds since 1970. lock_works: a broken
    actuator when False. sleep_s: quiet time after which the parked car's bus falls silent; None for never.
    """

    def __init__(
        self,
        ask: Ask,
        truth: CarTruth | None = None,
        *,
        battery: Battery | None = None,
        route: Route | None = None,
        wiring: Wiring | None = None,
        sleep_s: float | None = 60.0,
    ) -> None:
        self.battery = battery or Battery()
        self.truth = truth or self.battery.filled(CarTruth(), CarTruth().energy_kwh)
        self.route, self.sky = route or Route(), Sky()
        self.sky_on = True
        self.along_m = 0.0
        self.lock_works = True
        self.charge_pace = 1.0  # how many seconds of charging pass in one
        self.diary = Diary()
        self._ask, self._wiring, self.sleep_s = ask, wiring or Wiring(), sleep_s
        self.card = Card(self._wiring.supply)
        self._told = self.truth
        self._stale = True
        self._motion: _Motion | None = None
        self._pressed: dict[int, asyncio.Task[None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._failures: list[Exception] = []
        self._busy_until = 0.0

    async def start(self) -> None:
        self.note("begin", "world")
        for work in (self._live(), self._shine()):
            self._spawn(work)

    async def stop(self) -> None:
        """Raises an `ExceptionGroup` of what went wrong meanwhile."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.note("end", "world")
        if self._failures:
            raise ExceptionGroup("the world broke down", self._failures)

    # --- what a person does -------------------------------------------------------------------------------------------

    async def tap(self, uid: bytes) -> None:
        self.note("tap", uid.hex())
        await self._tell({"do": "tap", "uid": uid.hex()})

    async def keys(self, digits: str) -> None:
        self.note("keys", "code")
        await self._tell({"do": "keys", "digits": digits})

    async def ignition(self, on: bool) -> None:
        """Raises `ValueError` when the card inside has no battery: the car does not start."""
        if on and not self.card.lives:
            raise ValueError("the card is dead: the car does not start")
        await self._become("ignition", "on" if on else "off", ignition=on, handbrake=not on, awake=True)

    async def plug(self, plugged: bool) -> None:
        charging = plugged and self.truth.energy_kwh < self.battery.capacity_kwh
        status = "charging" if charging else "ended" if plugged else "none"
        changes: dict[str, Any] = {"plugged": plugged, "charging": charging, "charge_status": status, "awake": True}
        await self._become("plug", "in" if plugged else "out", **changes)

    async def charge(self, op: str) -> None:
        """What the charge point does to a plugged car: it "stop"s giving current, has a "fault", "start"s again.

        Raises `ValueError` when there is nothing to do that to.
        """
        able = self.truth.plugged and self.truth.energy_kwh < self.battery.capacity_kwh
        if not able or self.truth.charging is (op == "start"):
            raise ValueError("not plugged, full, or so already")
        status = {"start": "charging", "stop": "waiting", "fault": "failure"}[op]
        await self._become("charge", op, charging=op == "start", charge_status=status, awake=True)

    async def door(self, name: str, opened: bool) -> None:
        doors = {**self.truth.doors, name: opened}
        await self._become("door", f"{name} {'open' if opened else 'shut'}", doors=doors, awake=True)

    async def lock_by_hand(self, locked: bool) -> None:
        """With the car's own key; the box has nothing to do with it."""
        await self._move_lock(locked, "hand")

    async def drive(self, km: float, *, cruise_kmh: float = 70.0, pace: float = 1.0, back: bool = False) -> None:
        """Until the car stands again. Raises `ValueError` when it is switched off, plugged, or has too little charge.

        pace: time on the road passes that much faster than the clock; the speed shown stays the car's own.
        """
        if not self.truth.ignition or self.truth.plugged:
            raise ValueError("a car that is plugged or switched off does not drive")
        if km > self.truth.range_km:
            raise ValueError(f"{km} km is further than {self.truth.range_km:.0f} km of charge")
        self.note("drive", "start", f"{km} km")
        motion = self._motion = _Motion(km, min(cruise_kmh, TOP_KMH), pace, -1 if back else 1)
        await motion.done.wait()
        self.note("drive", "stop")

    def note(self, what: str, value: str, detail: str = "") -> None:
        """Write into the diary; for the scenario too: ("power", "cut"), ("link", "back"), …"""
        place = self.place
        self.diary.write(time.time_ns() // 1_000_000, what, value, detail, self.truth, (place.lat, place.lon))

    @property
    def place(self) -> Place:
        return self.route.at(self.along_m)

    # --- what the wires do --------------------------------------------------------------------------------------------

    def saw(self, event: Message) -> None:
        """Any event of the inside; those that move nothing are ignored."""
        match event.get("saw"):
            case "ready":
                self._stale = True  # a new machine knows nothing: everything is told again
            case "relay":
                self._button(event["channel"], bool(event["on"]))
                if self.card.relay(event["channel"], bool(event["on"])):
                    self.note("card", "lives" if self.card.lives else "dead")
            case "diagnostic":
                self._body_unit(event["request"], event["reply"])
            case "woken":
                self._spawn(self._become("woken", "bus", awake=True))
            case "feedback":
                self.note("feedback", event["code"])

    def _button(self, channel: int, pressed: bool) -> None:
        if channel not in (self._wiring.unlock, self._wiring.lock):
            return
        running = self._pressed.pop(channel, None)
        if not pressed:
            if running is not None:
                running.cancel()
            return
        if running is None:
            locked = channel == self._wiring.lock
            self.note("press", "lock" if locked else "unlock")
            self._pressed[channel] = self._spawn(self._press(channel, locked))

    async def _press(self, channel: int, locked: bool) -> None:
        await asyncio.sleep(SHORTEST_PRESS_S)
        self._pressed.pop(channel, None)  # from here letting go changes nothing
        await asyncio.sleep(LOCK_S)
        if self.lock_works:
            await self._move_lock(locked, "relay")

    def _body_unit(self, request: str, reply: str | None) -> None:
        wanted = {self._wiring.unlock_request: False, self._wiring.lock_request: True}
        if request and request in wanted and reply is not None and not reply.startswith("7f"):
            self.note("press", "lock" if wanted[request] else "unlock", "diagnostic")
            if self.lock_works:
                self._spawn(self._move_lock(wanted[request], "diagnostic", LOCK_S))

    async def _move_lock(self, locked: bool, by: str, after_s: float = 0.0) -> None:
        await asyncio.sleep(after_s)
        if self.truth.locked != locked:
            await self._become("lock", "locked" if locked else "unlocked", by, locked=locked, awake=True)
        else:
            await self._become("woken", "lock", by, awake=True)

    # --- time passes --------------------------------------------------------------------------------------------------

    async def _live(self) -> None:
        """The only place that changes the car by itself, about five times a second."""
        loop = asyncio.get_running_loop()
        last = loop.time()
        while True:
            await asyncio.sleep(STEP_S)
            now = loop.time()
            self._step(now - last, now)
            last = now
            await self._tell_car()

    def _step(self, seconds: float, now: float) -> None:
        before = self.truth
        if self._motion is not None:
            self._roll(self._motion, seconds)
        elif before.charging:
            self.truth = flowing(before, self.battery.charged(before, seconds * self.charge_pace), seconds)
            if not self.truth.charging:
                self.note("charge", "full")
        else:
            self.truth = replace(before, motor_kw=0.0, battery_a=0.0)
        parked = self._motion is None and not self.truth.ignition and not self.truth.charging
        if not parked:
            self._busy_until = now + (self.sleep_s or 0)
        elif self.sleep_s is not None and self.truth.awake and now > self._busy_until:
            self.truth = replace(self.truth, awake=False)
            self.note("sleep", "bus")

    def _roll(self, motion: _Motion, seconds: float) -> None:
        """One step on the road: speed up, cruise, and brake in time."""
        held = seconds * motion.pace
        braking = (2 * ACCELERATION * 3600 * motion.left_km) ** 0.5  # km/h from which it still stops in time
        speed = min(self.truth.speed_kmh + ACCELERATION * held, motion.cruise_kmh, max(braking, 3.0))
        km = min(speed * held / 3600, motion.left_km)
        motion.left_km -= km
        arrived = motion.left_km < 1e-6
        self.along_m += 1000 * km * motion.sign
        rolled = self.battery.rolled(self.truth, km, 0.0 if arrived else speed)
        self.truth = flowing(self.truth, rolled, seconds)
        self.note("road", f"{self.truth.speed_kmh:.0f} km/h")
        if arrived:
            self._motion = None
            motion.done.set()

    async def _shine(self) -> None:
        """The receiver's sentences, once a second."""
        while True:
            await asyncio.sleep(SKY_S - time.time() % SKY_S)
            if self.sky_on:
                lines = self.sky.lines(datetime.now(UTC), self.place, self.truth.speed_kmh / 3.6)
                await self._tell({"do": "sky", "lines": lines})

    async def _become(self, what: str, value: str, detail: str = "", **changes: Any) -> None:
        self.truth = replace(self.truth, **changes)
        self._busy_until = asyncio.get_running_loop().time() + (self.sleep_s or 0)
        self.note(what, value, detail)
        await self._tell_car()
        self.note("told", f"{what} {value}")  # so late the car itself heard of it, at most: a busy machine's doing

    async def _tell_car(self) -> None:
        state = self.truth.state() if self._stale else self.truth.changed_since(self._told)
        if not state:
            return
        told, self._told, self._stale = self.truth, self.truth, False
        if not await self._tell({"do": "car", "state": state}):
            self._stale, self._told = True, told

    async def _tell(self, message: Message) -> bool:
        try:
            await self._ask(message)
        except MachineGone:
            return False  # no power inside; the world goes on
        return True

    def _spawn(self, work: Any) -> asyncio.Task[None]:
        task: asyncio.Task[None] = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and isinstance(error := task.exception(), Exception):
            self._failures.append(error)
