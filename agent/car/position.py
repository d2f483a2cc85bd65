"""Service: satellite fixes go to the car's state and to the trusted clock. Nothing is stored here (`journey.py` asks
privacy first).
"""

from __future__ import annotations

from collections.abc import Callable

from drivers.ports import Clock, Fix, GnssPort

from .state import CarState


class Position:
    """heard: the timekeeper; it gets every epoch, also those without a position, and judges them itself (R19)."""

    name = "position"
    vital = False

    def __init__(self, clock: Clock, port: GnssPort, car: CarState, heard: Callable[[Fix], None]) -> None:
        self._clock, self._port, self._car, self._heard = clock, port, car, heard
        self.ticked_ns = clock.now().ns

    async def run(self) -> None:
        while True:
            fix = await self._port.next_fix()
            self.ticked_ns = self._clock.now().ns
            self._heard(fix)
            self._car.fix(fix)

    async def close(self) -> None:
        self._port.close()
