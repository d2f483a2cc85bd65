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
    "motor_kw": v.TRACTION_POWER,
    "battery_a": v.BATTERY_CURRENT,
}
SUPPLY = "Vehicle.LowVoltageSystemState.Detail"
DOOR_LOCKS = [name for name in v.VOCABULARY if name.endswith(".IsLocked") and name != v.LOCKED]

VOLTS = 378.5
LIGHT_KG = 1000.0  # light enough that also at five times the pace its instruments reach what the motor gives and takes

# What the bench never changes.
STANDING: dict[str, float | str] = {
    v.SOH: 91.0,
    v.OUTSIDE_TEMPERATURE: 9.0,
    v.BATTERY_VOLTAGE: VOLTS,
    v.TIME_TO_FULL: 0.0,
    v.CHARGE_POWER_MAX: 0.0,
}


def shut() -> dict[str, bool]:
    return dict.fromkeys(DOORS, False)


@dataclass(frozen=True, slots=True)
class CarTruth:
    """Units are in the names. doors: True is open. awake: the bus speaks. motor_kw: out of the battery, negative when
    braking; battery_a: positive flows into it. charge_status: in the vocabulary's words.

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
    charge_status: str = "none"
    locked: bool = True
    handbrake: bool = True
    doors: Mapping[str, bool] = field(default_factory=shut)
    voltage_12v: float = 12.7
    battery_celsius: float = 14.0
    motor_kw: float = 0.0
    battery_a: float = 0.0
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

    def rolled(self, truth: CarTruth, km: float, speed_kmh: float) -> CarTruth:
        """The same, and what it takes to gain speed; braking gives all of it back."""
        gained = kinetic_kwh(speed_kmh) - kinetic_kwh(truth.speed_kmh)
        rolled = self.driven(truth, km)
        return replace(self.filled(rolled, rolled.energy_kwh - gained), speed_kmh=speed_kmh)

    def charged(self, truth: CarTruth, seconds: float) -> CarTruth:
        """After so long at the plug; charging ends when it is full."""
        more = self.filled(truth, truth.energy_kwh + self.charge_kw * seconds / 3600)
        full = more.energy_kwh >= self.capacity_kwh
        return replace(more, charging=not full, charge_status="ended" if full else "charging")


def kinetic_kwh(speed_kmh: float) -> float:
    return LIGHT_KG * (speed_kmh / 3.6) ** 2 / 2 / 3.6e6


def flowing(before: CarTruth, after: CarTruth, seconds: float) -> CarTruth:
    """After so long, with the power that the change of its energy means, as its instruments show it."""
    kw = (before.energy_kwh - after.energy_kwh) / max(seconds, 1e-3) * 3600
    return replace(after, motor_kw=0.0 if before.charging else kw, battery_a=-1000 * kw / VOLTS)


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
        elif name == "charge_status":
            found[v.CHARGE_STATUS] = str(value)
        elif name not in ("awake", "body_unit"):
            raise KeyError(f"the car has no {name!r}")
    if "locked" in state:
        found |= dict.fromkeys(DOOR_LOCKS, found[v.LOCKED])
    if "speed_kmh" in state:
        found[v.GEAR] = "drive" if state["speed_kmh"] else "parked"
    return found
