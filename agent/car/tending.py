"""Service: what is learnt of the car beside the journeys, once a second: its 12 V battery, its consumption; the garage
switch ends here. Each is kept in the vault when it changes.

What is not here: the arithmetic (`supply.py`, `range.py`), and hearing or asking the car.
"""

from __future__ import annotations

import logging
from typing import Final

from config.car import CarModel
from config.vocabulary import ENERGY, IGNITION, ODOMETER, RANGE, VOLTAGE_12V, Signal
from drivers.ports import Clock

from ..sync.store import Store, StoreBroken
from . import range as reach
from . import supply
from .garage import Garage
from .range import Consumption
from .state import CarState
from .supply import Supply
from .vehicle import Vehicle

log = logging.getLogger(__name__)

TICK_S: Final = 1.0
SUPPLY_KEY: Final = "car/supply"
CONSUMPTION_KEY: Final = "car/consumption"
AGAIN_NS: Final = 600_000_000_000  # a disk that refused is tried again


class Tending:
    name = "tending"
    vital = False

    def __init__(self, clock: Clock, store: Store, car: CarState, vehicle: Vehicle, garage: Garage) -> None:
        self._clock, self._store, self._car, self._vehicle = clock, store, car, vehicle
        self._garage = garage
        self._model: CarModel | None = None
        self._supply, self._consumption = Supply(), Consumption()
        self._kept: dict[str, bytes] = {}
        self._retry_ns = 0
        self.ticked_ns = clock.now().ns

    async def load(self) -> None:
        """What earlier runs left. Before the car may be asked anything."""
        await self._garage.load()
        try:
            vault = await self._store.read("car/")
        except StoreBroken:
            vault = {}
        self._supply = supply.restored(vault.get(SUPPLY_KEY))
        self._consumption = reach.restored(vault.get(CONSUMPTION_KEY))
        self._kept = self._worth()

    def learn(self, model: CarModel) -> None:
        self._model = model
        if model.computed_range is not None:
            self._car.computed = frozenset((RANGE,))

    async def run(self) -> None:
        while True:
            await self.tick()
            self.ticked_ns = self._clock.now().ns
            await self._clock.sleep(TICK_S)

    async def close(self) -> None:
        await self._keep()

    @property
    def low(self) -> bool:
        """R16's early warning."""
        return self._supply.low

    def forbidden(self) -> str:
        """Why the car may not be asked anything: "garage" (R17), "supply" (R16), or "" when it may."""
        if self._garage.on:
            return "garage"
        return "supply" if self._supply.low and not self._vehicle.used else ""

    def status(self) -> dict[str, object]:
        found: dict[str, object] = {
            "supply": {
                "low": self._supply.low, "limit_v": self._supply.limit, "reference_v": self._supply.reference,
                "nights": len(self._supply.nights),
            },
        }  # fmt: skip
        told = self._model.computed_range if self._model is not None else None
        if told is not None:
            found["kwh_per_100km"] = round(reach.mean(self._consumption, told), 2)
        return found

    async def tick(self) -> None:
        now_ns = self._clock.now().ns
        ignition, charging = self._car.on(IGNITION), self._vehicle.charging
        resting = ignition is False and not charging
        self._supply = supply.step(self._supply, self._number(VOLTAGE_12V), resting, now_ns)
        self._range(ignition is True and not charging, now_ns)
        await self._garage.look()
        if self._worth() != self._kept and now_ns >= self._retry_ns:
            await self._keep()

    # --- inside

    def _range(self, driving: bool, now_ns: int) -> None:
        told = self._model.computed_range if self._model is not None else None
        if told is None:
            return
        energy = self._number(ENERGY)
        self._consumption = reach.step(self._consumption, self._number(ODOMETER), energy, driving, told.over_km)
        if energy is None:
            self._car.silent((RANGE,))
        else:
            self._car.update(Signal(RANGE, reach.range_km(energy, self._consumption, told), now_ns))

    def _number(self, name: str) -> float | None:
        signal = self._car.fresh(name)
        return None if signal is None or isinstance(signal.value, str) else float(signal.value)

    def _worth(self) -> dict[str, bytes]:
        """What is worth a place on the disk, as bytes."""
        return {SUPPLY_KEY: self._supply.to_bytes(), CONSUMPTION_KEY: self._consumption.to_bytes()}

    async def _keep(self) -> None:
        worth = self._worth()
        changed = {key: data for key, data in worth.items() if self._kept.get(key) != data}
        if not changed:
            return
        try:
            await self._store.commit(put=changed)
            self._kept = worth
        except StoreBroken:
            self._retry_ns = self._clock.now().ns + AGAIN_NS
            log.warning("the database is broken; what was learnt of the car waits")
