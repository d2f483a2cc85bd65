"""Service: what the car starts with follows the booking (R15): there while somebody has the car, away when nobody does.

Taken away only from a car that stands with its ignition off, and never by a clock (R5); given back at once, also after
a power cut. What is not here: the relays (`drivers/lock/switch.py`), and intent, movement, outcome (`lockwork.py`).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Final

from drivers.fitted import SwitchAction, SwitchPort
from drivers.ports import Clock, LockAction

from ..car.state import Moving
from ..sync.store import StoreBroken
from .booking import CarNow, Plan
from .door import Door
from .lockwork import Lockwork, Switches
from .pending import Asked
from .scene import Scene

LOOK_EVERY_S: Final = 2.0
SETTLING_NS: Final = 10_000_000_000  # for a car's first words after a start, before anything is taken away from it
AGAIN_NS: Final = 5_000_000_000  # after a failure; doubles up to
LONGEST_NS: Final = 300_000_000_000


def supply_wanted(may_start: bool | None, withheld: bool, now: bool = False) -> bool | None:
    """Whether the card has its supply; `None`: nobody knows who had the car, and it is left as it is.

    may_start: see `Remembered`. withheld: the car is immobilised by its card. now: see `may_start_now`.
    """
    return False if withheld else now or may_start


def may_take_away(car: CarNow) -> bool:
    return car.moving is Moving.NO and car.ignition_on is not True


class Held:
    """One thing that holds a state. wanted: on, away, or left as it is. is_on: as it was told last; `None` unknown."""

    def __init__(
        self,
        name: str,
        port: SwitchPort,
        actions: tuple[SwitchAction, SwitchAction],
        wanted: Callable[[], bool | None],
        clock: Clock,
        lockwork: Lockwork,
        scene: Scene,
    ) -> None:
        self.name, self._port, self._wanted = name, port, wanted
        self._clock, self._lockwork, self._scene = clock, lockwork, scene
        self._on, self._away = actions
        self._began_ns = clock.now().ns
        self._failing: bool | None = None  # the wish that failed last
        self._again_ns, self._wait_ns = 0, AGAIN_NS
        self.is_on: bool | None = None

    async def turn(self, on: bool) -> None:
        """The movement itself, for `Lockwork`. Raises `DeviceError`."""
        self.is_on = None
        await self._port.turn(on)
        self.is_on = on

    def moves(self, actions: tuple[SwitchAction, SwitchAction]) -> Switches:
        """For `Lockwork`, under these names of on and away."""
        on, away = actions
        return {on: lambda: self.turn(True), away: lambda: self.turn(False)}

    def is_stuck(self) -> bool:
        """It is not as it is wanted, and could not be made so."""
        return self._failing is not None and self._failing == self._wanted()

    def let_go(self) -> None:
        self.is_on = None
        self._port.close()

    def status(self) -> dict[str, object]:
        return {"on": self.is_on, "wanted": self._wanted(), "trouble": self._port.trouble}

    async def follow(self) -> None:
        wanted, now_ns = self._wanted(), self._clock.now().ns
        if self.is_on is not None and self._port.trouble:
            self.is_on = None  # a board that was pulled out holds nothing: the car has its supply
        if wanted is None or wanted == self.is_on:
            self._failing = None
        elif wanted or (now_ns - self._began_ns >= SETTLING_NS and may_take_away(self._scene.car())):
            await self.change(wanted)

    async def change(self, on: bool) -> None:
        """Intent, movement, outcome; a board that is not there is looked for without a record each time."""
        now_ns = self._clock.now().ns
        if on == self._failing and now_ns < self._again_ns:
            return
        if not self._port.trouble:
            asked = Asked.by_itself(self._scene.under.booking, self._scene.now().source)
            await self._lockwork.move(self._on if on else self._away, asked)
        if self.is_on == on:
            self._failing, self._wait_ns = None, AGAIN_NS
        else:
            self._wait_ns = AGAIN_NS if on != self._failing else min(self._wait_ns * 2, LONGEST_NS)
            self._failing, self._again_ns = on, now_ns + self._wait_ns


class Switching:
    """held: what is fitted. delay_s: between the lock and what follows it. Everything is done in the door's turns."""

    name = "switching"
    vital = False

    def __init__(self, clock: Clock, door: Door, lockwork: Lockwork, held: tuple[Held, ...], delay_s: float) -> None:
        self._clock, self._door, self._lockwork = clock, door, lockwork
        self._held, self._delay_s = held, delay_s

    async def run(self) -> None:
        try:
            await self._keep_following()
        except Exception:  # started again, or switched off for good: until then nobody is kept from driving
            await self.close()
            raise

    async def _keep_following(self) -> None:
        while True:
            with contextlib.suppress(StoreBroken):  # shut for good: all is being erased
                await self._door.wish(self._follow)
            await self._moved_within(LOOK_EVERY_S)
            while (rest_s := self._rest_s()) > 0:
                await self._clock.sleep(rest_s)

    async def close(self) -> None:
        for it in self._held:
            it.let_go()

    def status(self) -> dict[str, object]:
        return {it.name: it.status() for it in self._held}

    def conditions(self) -> dict[str, Callable[[], bool]]:
        """For the alarms: what is not as it is wanted, by name."""
        return {f"{it.name}_stuck": it.is_stuck for it in self._held}

    async def _follow(self) -> None:
        if self._rest_s() > 0:  # the lock moved while this waited for its turn
            return
        if self._lockwork.unsettled:  # whose car it is follows from an outcome that is still to come
            return
        for it in self._held:
            await it.follow()

    def _rest_s(self) -> float:
        """Of the delay after the lock's last movement."""
        if not self._lockwork.moved_ns:
            return 0.0
        return self._delay_s - (self._clock.now().ns - self._lockwork.moved_ns) / 1e9

    async def _moved_within(self, seconds: float) -> None:
        waits = (asyncio.ensure_future(self._lockwork.moved.wait()), asyncio.ensure_future(self._clock.sleep(seconds)))
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for it in waits:
                it.cancel()
        self._lockwork.moved.clear()


class SupplyFirst:
    """For a car that does not lock while a live card lies inside: the supply moves before the lock. withheld: see
    `supply_wanted`.
    """

    def __init__(
        self, supply: Held, clock: Clock, scene: Scene, delay_s: float, withheld: Callable[[], bool]
    ) -> None:
        self._supply, self._clock, self._scene = supply, clock, scene
        self._delay_s, self._withheld = delay_s, withheld

    async def __call__(self, action: LockAction, asked: Asked, plan: Plan) -> None:
        """A pause gives it back once the car is locked, because its booking is open (`Held.follow`)."""
        on = action is LockAction.UNLOCK
        if on and (self._withheld() or not asked.starts):
            return
        if self._supply.is_on == on or not (on or may_take_away(self._scene.car())):
            return
        await self._supply.change(on)
        await self._clock.sleep(self._delay_s)
