"""Service: satellite fixes go to the car's state, to the trusted clock and to the check against the odometer.

Nothing is stored here (`journey.py` asks privacy first).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

from config.vocabulary import IGNITION, ODOMETER
from drivers.ports import Clock, Fix, GnssPort

from . import crosscheck
from .state import CarState, Moving

ALARM: Final = "odometer_gnss_disagree"
SATELLITES: Final = 4  # with three the height is a guess, and the place with it


class Judged(Protocol):
    """Raises an alarm while it holds and clears it when it does not."""

    def __call__(self, name: str, holds: bool, **detail: object) -> None: ...


class Position:
    """heard: the timekeeper; it gets every epoch, also those without a position, and judges them itself (R19).

    judged: where the odometer and the satellites disagree; told with a ratio and kilometres, never a place (R27).
    """

    name = "position"
    vital = False

    def __init__(
        self, clock: Clock, port: GnssPort, car: CarState, heard: Callable[[Fix], None], judged: Judged
    ) -> None:
        self._clock, self._port, self._car, self._heard, self._judged = clock, port, car, heard, judged
        self._track = crosscheck.Track()
        self.ticked_ns = clock.now().ns

    async def run(self) -> None:
        while True:
            fix = await self._port.next_fix()
            self.ticked_ns = self._clock.now().ns
            self._heard(fix)
            self._car.fix(fix)
            self._compare(fix)

    async def close(self) -> None:
        self._port.close()

    def odometer(self) -> dict[str, object]:
        """How the odometer and the satellites agree, for `status`: counts and a ratio, no place (R27)."""
        track = self._track
        return {
            "windows": track.windows, "discarded": track.discarded, "outside": abs(track.outside),
            "ratio": None if track.ratio is None else round(track.ratio, 3),
        }  # fmt: skip

    def _compare(self, fix: Fix) -> None:
        before, self._track = self._track, crosscheck.step(self._track, self._look(fix))
        track = self._track
        if track.windows != before.windows and track.ratio is not None and track.disagrees is not None:
            self._judged(ALARM, track.disagrees, ratio=round(track.ratio, 3), km=round(track.row_km, 1))

    def _look(self, fix: Fix) -> crosscheck.Look:
        place = None
        if fix.valid and fix.lat is not None and fix.lon is not None:
            place = (fix.lat, fix.lon) if fix.satellites is None or fix.satellites >= SATELLITES else None
        told = self._car.fresh(ODOMETER)
        odometer = None if told is None or isinstance(told.value, str) else (float(told.value), told.at_ns)
        standing = self._car.moving(fix.at.ns) is Moving.NO
        return crosscheck.Look(fix.at.ns, place, odometer, self._car.on(IGNITION) is True, standing)
