"""The car as it really is, its battery, and how that reads in the words of the vocabulary.

What is not here: how it changes (`world.py`) and how a car model says it in bits (`ecu.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from config import vocabulary as v

DOORS = {
    "front_left": v.DOOR_FRONT_LEFT,
    "front_right": v.DOOR_FRONT_RIGHT,
    "rear_left": v.DOOR_REAR_LEFT,
    "rear_right": v.DOOR_REAR_RIGHT,
    "trunk": v.TRUNK,
}
FLAGS = {"plugged": v.PLUGGED, "charging": v.CHARGING, "locked": v.LOCKED, "handbrake": v.HANDBRAKE}
NUMBERS = {
    "speed_kmh": v.SPEED,
    "odometer_km": v.ODOMETER,
    "energy_kwh": v.ENERGY,
    "range_km": v.RANGE,
    "voltage_12v": v.VOLTAGE_12V,
    "battery_celsius": v.BATTERY_TEMPERATURE,
}
SUPPLY = "Vehicle.LowVoltageSystemState.Detail"
DOOR_LOCKS = [name for name in v.VOCABULARY if name.endswith(".IsLocked") and name != v.LOCKED]

# What the bench never changes.
STANDING: dict[str, float | str] = {
    v.SOH: 91.0,
    v.OUTSIDE_TEMPERATURE: 9.0,
    v.BATTERY_VOLTAGE: 378.5,
    v.TIME_TO_FULL: 0.0,
    v.CHARGE_POWER_MAX: 0.0,
}


def shut() -> dict[str, bool]:
    return dict.fromkeys(DOORS, False)


@dataclass(frozen=True, slots=True)
class CarTruth:
    """Units are in the names. doors: True is open. awake: the bus speaks.

    body_unit: how the car answers the lock command by diagnostics: "obeys", "refuses" or "silent".
    """

    ignition: bool = False
    speed_kmh: float = 0.0
    odometer_km: float = 48_211.37
    soc_percent: float = 78.0
    energy_kwh: float = 17.16
    range_km: float = 114.4
    plugged: bool = False
    charging: bool = False
    locked: bool = True
    handbrake: bool = True
    doors: Mapping[str, bool] = field(default_factory=shut)
    voltage_12v: float = 12.7
    battery_celsius: float = 14.0
    awake: bool = False
    body_unit: str = "obeys"

    def state(self) -> dict[str, Any]:
        """As the message `car` carries it."""
        found = {each.name: getattr(self, each.name) for each in fields(self)}
        return {**found, "doors": dict(self.doors)}

    def changed_since(self, before: CarTruth) -> dict[str, Any]:
        """The part of `state` that differs."""
        old = before.state()
        return {name: value for name, value in self.state().items() if value != old[name]}


@dataclass(frozen=True, slots=True)
class Battery:
    """capacity_kwh: usable. kwh_per_100km: at the pace of a country road; a Zoé needs about fifteen."""

    capacity_kwh: float = 22.0
    kwh_per_100km: float = 15.0
    charge_kw: float = 7.4

    def filled(self, truth: CarTruth, energy_kwh: float) -> CarTruth:
        """The same car with that much energy, within what the battery can hold."""
        energy = min(max(energy_kwh, 0.0), self.capacity_kwh)
        percent = 100 * energy / self.capacity_kwh
        return replace(truth, energy_kwh=energy, soc_percent=percent, range_km=100 * energy / self.kwh_per_100km)

    def driven(self, truth: CarTruth, km: float) -> CarTruth:
        """After so many kilometres."""
        spent = self.filled(truth, truth.energy_kwh - km * self.kwh_per_100km / 100)
        return replace(spent, odometer_km=truth.odometer_km + km)

    def charged(self, truth: CarTruth, seconds: float) -> CarTruth:
        """After so long at the plug; charging ends when it is full."""
        full = self.filled(truth, truth.energy_kwh + self.charge_kw * seconds / 3600)
        return replace(full, charging=full.energy_kwh < self.capacity_kwh)


def signals(state: Mapping[str, Any]) -> dict[str, float | str]:
    """A part of `CarTruth.state` as names and values of the vocabulary. Unknown keys are refused with `KeyError`."""
    found: dict[str, float | str] = {}
    for name, value in state.items():
        if name in FLAGS:
            found[FLAGS[name]] = "yes" if value else "no"
        elif name in NUMBERS:
            found[NUMBERS[name]] = float(value)
        elif name == "soc_percent":
            found |= {v.SOC: float(value), v.SOC_FINE: float(value)}
        elif name == "ignition":
            found |= {v.IGNITION: "on" if value else "off", SUPPLY: "running" if value else "off"}
        elif name == "doors":
            found |= {DOORS[door]: "yes" if opened else "no" for door, opened in value.items()}
        elif name not in ("awake", "body_unit"):
            raise KeyError(f"the car has no {name!r}")
    if "locked" in state:
        found |= dict.fromkeys(DOOR_LOCKS, found[v.LOCKED])
    if "speed_kmh" in state:
        found[v.GEAR] = "drive" if state["speed_kmh"] else "parked"
    if "charging" in state:
        found[v.CHARGE_STATUS] = "charging" if state["charging"] else "none"
    return found
