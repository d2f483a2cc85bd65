"""The one list of signal names: COVESA VSS paths (version 6 tree, our own leaves marked), units as strings, range in
km (D4).

low and high are plausible bounds: a value outside is counted and never reported. step is the resolution that is stored:
samples carry round(value / step) as an integer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Entry:
    """unit: "" for states. states: the allowed texts of an enumerated signal, empty for numbers."""

    unit: str
    low: float = 0.0
    high: float = 0.0
    step: float = 1.0
    states: tuple[str, ...] = ()


SOC: Final = "Vehicle.Powertrain.TractionBattery.StateOfCharge.Displayed"
SOC_FINE: Final = "Vehicle.Powertrain.TractionBattery.StateOfCharge.Current"
SOH: Final = "Vehicle.Powertrain.TractionBattery.StateOfHealth"
ENERGY: Final = "Vehicle.Powertrain.TractionBattery.StateOfCharge.CurrentEnergy"
RANGE: Final = "Vehicle.Powertrain.TractionBattery.Range"
BATTERY_TEMPERATURE: Final = "Vehicle.Powertrain.TractionBattery.Temperature.Average"
BATTERY_TEMPERATURE_MIN: Final = "Vehicle.Powertrain.TractionBattery.Temperature.Min"
BATTERY_TEMPERATURE_MAX: Final = "Vehicle.Powertrain.TractionBattery.Temperature.Max"
BATTERY_VOLTAGE: Final = "Vehicle.Powertrain.TractionBattery.CurrentVoltage"
BATTERY_CURRENT: Final = "Vehicle.Powertrain.TractionBattery.CurrentCurrent"
CELL_VOLTAGE_MIN: Final = "Vehicle.Powertrain.TractionBattery.CellVoltage.Min"
CELL_VOLTAGE_MAX: Final = "Vehicle.Powertrain.TractionBattery.CellVoltage.Max"
CHARGE_POWER_MAX: Final = "Vehicle.Powertrain.TractionBattery.Charging.MaxPower"
PLUGGED: Final = "Vehicle.Powertrain.TractionBattery.Charging.IsChargingCableConnected"
CHARGING: Final = "Vehicle.Powertrain.TractionBattery.Charging.IsCharging"
CHARGE_STATUS: Final = "Vehicle.Powertrain.TractionBattery.Charging.Status"
TIME_TO_FULL: Final = "Vehicle.Powertrain.TractionBattery.Charging.TimeToComplete"
ODOMETER: Final = "Vehicle.TraveledDistance"
SPEED: Final = "Vehicle.Speed"
IGNITION: Final = "Vehicle.LowVoltageSystemState"
VOLTAGE_12V: Final = "Vehicle.LowVoltageBattery.CurrentVoltage"
LOCKED: Final = "Vehicle.Cabin.IsLocked"
HANDBRAKE: Final = "Vehicle.Chassis.ParkingBrake.IsEngaged"
DOOR_FRONT_LEFT: Final = "Vehicle.Cabin.Door.Row1.Left.IsOpen"
DOOR_FRONT_RIGHT: Final = "Vehicle.Cabin.Door.Row1.Right.IsOpen"
DOOR_REAR_LEFT: Final = "Vehicle.Cabin.Door.Row2.Left.IsOpen"
DOOR_REAR_RIGHT: Final = "Vehicle.Cabin.Door.Row2.Right.IsOpen"
TRUNK: Final = "Vehicle.Body.Trunk.Rear.IsOpen"
OUTSIDE_TEMPERATURE: Final = "Vehicle.Exterior.AirTemperature"
LATITUDE: Final = "Vehicle.CurrentLocation.Latitude"
LONGITUDE: Final = "Vehicle.CurrentLocation.Longitude"

DOORS: Final = (DOOR_FRONT_LEFT, DOOR_FRONT_RIGHT, DOOR_REAR_LEFT, DOOR_REAR_RIGHT, TRUNK)

YES_NO: Final = ("no", "yes")
IGNITION_STATES: Final = ("off", "on")
CHARGE_STATES: Final = ("none", "planned", "ended", "charging", "failure", "waiting", "flap_open")

VOCABULARY: Final[dict[str, Entry]] = {
    SOC: Entry("percent", 0, 100, 0.5),
    SOC_FINE: Entry("percent", 0, 105, 0.02),
    SOH: Entry("percent", 0, 120),
    ENERGY: Entry("kWh", 0, 102.2, 0.1),
    RANGE: Entry("km", 0, 800),
    BATTERY_TEMPERATURE: Entry("celsius", -40, 80),
    BATTERY_TEMPERATURE_MIN: Entry("celsius", -40, 80),
    BATTERY_TEMPERATURE_MAX: Entry("celsius", -40, 80),
    BATTERY_VOLTAGE: Entry("V", 0, 510, 0.5),
    BATTERY_CURRENT: Entry("A", -500, 520, 0.25),
    CELL_VOLTAGE_MIN: Entry("V", 1.5, 4.6, 0.01),
    CELL_VOLTAGE_MAX: Entry("V", 1.5, 4.6, 0.01),
    CHARGE_POWER_MAX: Entry("kW", 0, 76.2, 0.3),
    PLUGGED: Entry("", states=YES_NO),
    CHARGING: Entry("", states=YES_NO),
    CHARGE_STATUS: Entry("", states=CHARGE_STATES),
    TIME_TO_FULL: Entry("min", 0, 1022),
    ODOMETER: Entry("km", 0, 2_000_000, 0.01),
    SPEED: Entry("km/h", 0, 250, 0.01),
    IGNITION: Entry("", states=IGNITION_STATES),
    VOLTAGE_12V: Entry("V", 6, 15.9, 0.01),
    LOCKED: Entry("", states=YES_NO),
    HANDBRAKE: Entry("", states=YES_NO),
    DOOR_FRONT_LEFT: Entry("", states=YES_NO),
    DOOR_FRONT_RIGHT: Entry("", states=YES_NO),
    DOOR_REAR_LEFT: Entry("", states=YES_NO),
    DOOR_REAR_RIGHT: Entry("", states=YES_NO),
    TRUNK: Entry("", states=YES_NO),
    OUTSIDE_TEMPERATURE: Entry("celsius", -40, 85),
    LATITUDE: Entry("degrees", -90, 90, 0.00001),
    LONGITUDE: Entry("degrees", -180, 180, 0.00001),
}


@dataclass(frozen=True, slots=True)
class Signal:
    """A believed value. name: a key of `VOCABULARY`. value: a number in the entry's unit, or one of its states.

    at_ns: nanoseconds since boot (see `drivers.ports.Instant`); in recordings, nanoseconds of the log's own time.
    """

    name: str
    value: float | str
    at_ns: int

    @property
    def unit(self) -> str:
        return VOCABULARY[self.name].unit
