"""The one list of signal names: COVESA VSS paths (version 6 tree, our own leaves marked), units as strings, range in
km (D4).

low and high are plausible bounds: a value outside is counted and never reported. step is the resolution that is stored:
samples carry round(value / step) as an integer.
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct


class Entry(Struct, frozen=True):
    """unit: "" for states and texts. states: the allowed texts of an enumerated signal, empty for numbers.

    text: the value is free text, as a VIN is.
    """

    unit: str
    low: float = 0.0
    high: float = 0.0
    step: float = 1.0
    states: tuple[str, ...] = ()
    text: bool = False


_BATTERY: Final = "Vehicle.Powertrain.TractionBattery."
_CHARGING: Final = _BATTERY + "Charging."
_MOTOR: Final = "Vehicle.Powertrain.ElectricMotor."
_AXLE: Final = "Vehicle.Chassis.Axle."

# Names that code speaks of. The others stand in the table alone.
SOC: Final = _BATTERY + "StateOfCharge.Displayed"
SOC_FINE: Final = _BATTERY + "StateOfCharge.Current"
SOH: Final = _BATTERY + "StateOfHealth"
ENERGY: Final = _BATTERY + "StateOfCharge.CurrentEnergy"
RANGE: Final = _BATTERY + "Range"
BATTERY_TEMPERATURE: Final = _BATTERY + "Temperature.Average"
BATTERY_TEMPERATURE_MIN: Final = _BATTERY + "Temperature.Min"
BATTERY_TEMPERATURE_MAX: Final = _BATTERY + "Temperature.Max"
BATTERY_VOLTAGE: Final = _BATTERY + "CurrentVoltage"
BATTERY_CURRENT: Final = _BATTERY + "CurrentCurrent"
CELL_VOLTAGE_MIN: Final = _BATTERY + "CellVoltage.Min"
CELL_VOLTAGE_MAX: Final = _BATTERY + "CellVoltage.Max"
CHARGE_POWER_MAX: Final = _CHARGING + "MaxPower"
PLUGGED: Final = _CHARGING + "IsChargingCableConnected"
CHARGING: Final = _CHARGING + "IsCharging"
CHARGE_STATUS: Final = _CHARGING + "Status"
TIME_TO_FULL: Final = _CHARGING + "TimeToComplete"
TRACTION_POWER: Final = _MOTOR + "Power"
ODOMETER: Final = "Vehicle.TraveledDistance"
SPEED: Final = "Vehicle.Speed"
IGNITION: Final = "Vehicle.LowVoltageSystemState"
VOLTAGE_12V: Final = "Vehicle.LowVoltageBattery.CurrentVoltage"
LOCKED: Final = "Vehicle.Cabin.IsLocked"
HANDBRAKE: Final = "Vehicle.Chassis.ParkingBrake.IsEngaged"
GEAR: Final = "Vehicle.Powertrain.Transmission.SelectedGear"
DOOR_FRONT_LEFT: Final = "Vehicle.Cabin.Door.Row1.Left.IsOpen"
DOOR_FRONT_RIGHT: Final = "Vehicle.Cabin.Door.Row1.Right.IsOpen"
DOOR_REAR_LEFT: Final = "Vehicle.Cabin.Door.Row2.Left.IsOpen"
DOOR_REAR_RIGHT: Final = "Vehicle.Cabin.Door.Row2.Right.IsOpen"
TRUNK: Final = "Vehicle.Body.Trunk.Rear.IsOpen"
OUTSIDE_TEMPERATURE: Final = "Vehicle.Exterior.AirTemperature"
VIN: Final = "Vehicle.VehicleIdentification.VIN"
VIN_TAIL: Final = "Vehicle.VehicleIdentification.VINTail"
LATITUDE: Final = "Vehicle.CurrentLocation.Latitude"
LONGITUDE: Final = "Vehicle.CurrentLocation.Longitude"

DOORS: Final = (DOOR_FRONT_LEFT, DOOR_FRONT_RIGHT, DOOR_REAR_LEFT, DOOR_REAR_RIGHT, TRUNK)
UNSHOWN: Final = frozenset({VIN, VIN_TAIL})
"""Read to be compared, never shown, stored or sent: a VIN names an owner (P6)."""
POSITION: Final = frozenset({LATITUDE, LONGITUDE})
"""Told by a satellite receiver, or by a car that has one; kept or not by the kind of booking, shown nowhere (R27)."""

YES_NO: Final = ("no", "yes")
IGNITION_STATES: Final = ("off", "on")
CHARGE_STATES: Final = ("none", "planned", "ended", "charging", "failure", "waiting", "flap_open", "preparing")
CHARGE_TYPES: Final = ("none", "ac", "ac_one_phase", "ac_three_phase", "dc", "chademo", "ccs")
GEARS: Final = ("parked", "reverse", "neutral", "drive", "moving")
TYRE_STATES: Final = ("ok", "low", "punctured", "no_signal", "high")
SUPPLY_STATES: Final = ("asleep", "off", "cut_off_pending", "on", "starting", "running", "technical_wake")

_CELSIUS: Final = Entry("celsius", -40, 120)
_FLAG: Final = Entry("", states=YES_NO)
_WHEELS: Final = ("Row1.Wheel.Left", "Row1.Wheel.Right", "Row2.Wheel.Left", "Row2.Wheel.Right")

VOCABULARY: Final[dict[str, Entry]] = {
    # state of charge and energy
    SOC: Entry("percent", 0, 100, 0.5),
    SOC_FINE: Entry("percent", 0, 105, 0.02),
    _BATTERY + "StateOfCharge.Cells": Entry("percent", 0, 105, 0.01),
    _BATTERY + "StateOfCharge.CellsMin": Entry("percent", 0, 105, 0.01),
    _BATTERY + "StateOfCharge.CellsMax": Entry("percent", 0, 105, 0.01),
    SOH: Entry("percent", 0, 120),
    ENERGY: Entry("kWh", 0, 102.2, 0.1),
    RANGE: Entry("km", 0, 800),
    _BATTERY + "RangeMin": Entry("km", 0, 800),
    _BATTERY + "RangeMax": Entry("km", 0, 800),
    "Vehicle.Powertrain.AverageConsumption": Entry("kWh/100km", 0, 100, 0.1),
    # the battery itself
    BATTERY_TEMPERATURE: Entry("celsius", -40, 80),
    BATTERY_TEMPERATURE_MIN: Entry("celsius", -40, 80),
    BATTERY_TEMPERATURE_MAX: Entry("celsius", -40, 80),
    **{f"{_BATTERY}Temperature.Module{number:02d}": Entry("celsius", -40, 80) for number in range(1, 15)},
    BATTERY_VOLTAGE: Entry("V", 0, 510, 0.5),
    BATTERY_CURRENT: Entry("A", -500, 524, 0.25),
    CELL_VOLTAGE_MIN: Entry("V", 1.5, 4.6, 0.001),
    CELL_VOLTAGE_MAX: Entry("V", 1.5, 4.6, 0.001),
    **{f"{_BATTERY}CellVoltage.Cell{number:02d}": Entry("V", 1.5, 4.6, 0.001) for number in range(1, 97)},
    _BATTERY + "IsolationResistance": Entry("kOhm", 0, 6553.5, 0.1),
    _BATTERY + "MaxInputPower": Entry("kW", 0, 160, 0.01),
    _BATTERY + "MaxOutputPower": Entry("kW", 0, 160, 0.01),
    _BATTERY + "Mileage": Entry("km", 0, 2_000_000, 0.1),
    _BATTERY + "AccumulatedConsumedEnergy": Entry("kWh", 0, 1_000_000, 0.001),
    _BATTERY + "AccumulatedChargedEnergy": Entry("kWh", 0, 1_000_000, 0.001),
    _BATTERY + "AccumulatedRecoveredEnergy": Entry("kWh", 0, 1_000_000, 0.001),
    # power
    TRACTION_POWER: Entry("kW", -80, 175),
    _MOTOR + "Temperature": _CELSIUS,
    _MOTOR + "CoolantTemperature": _CELSIUS,
    "Vehicle.Powertrain.AuxiliaryPower": Entry("kW", 0, 30),
    # charging
    PLUGGED: _FLAG,
    CHARGING: _FLAG,
    CHARGE_STATUS: Entry("", states=CHARGE_STATES),
    _CHARGING + "Type": Entry("", states=CHARGE_TYPES),
    TIME_TO_FULL: Entry("min", 0, 2550),
    CHARGE_POWER_MAX: Entry("kW", 0, 160, 0.3),
    _CHARGING + "AvailablePower": Entry("kW", 0, 160, 0.1),
    _CHARGING + "PilotCurrent": Entry("A", 0, 62),
    _CHARGING + "MainsPower": Entry("kW", -20, 51, 0.1),
    _CHARGING + "MainsVoltage": Entry("V", 0, 500, 0.5),
    _CHARGING + "MainsCurrent": Entry("A", 0, 100, 0.1),
    _CHARGING + "MainsPhases": Entry("", 1, 3),
    # the car
    ODOMETER: Entry("km", 0, 2_000_000, 0.01),
    SPEED: Entry("km/h", 0, 250, 0.01),
    IGNITION: Entry("", states=IGNITION_STATES),
    "Vehicle.LowVoltageSystemState.Detail": Entry("", states=SUPPLY_STATES),
    VOLTAGE_12V: Entry("V", 6, 15.9, 0.01),
    "Vehicle.LowVoltageBattery.CurrentCurrent": Entry("A", -500, 500, 0.1),
    "Vehicle.LowVoltageBattery.ConverterLoad": Entry("percent", 0, 100, 0.1),
    HANDBRAKE: _FLAG,
    GEAR: Entry("", states=GEARS),
    # doors and locks
    LOCKED: _FLAG,
    **{f"Vehicle.Cabin.Door.{door}.IsLocked": _FLAG for door in ("Row1.Left", "Row1.Right", "Row2.Left", "Row2.Right")},
    "Vehicle.Body.Trunk.Rear.IsLocked": _FLAG,
    **dict.fromkeys(DOORS, _FLAG),
    "Vehicle.Body.Hood.IsOpen": _FLAG,
    # wheels
    **{f"{_AXLE}{wheel}.Tire.Pressure": Entry("kPa", 0, 700, 0.1) for wheel in _WHEELS},
    **{f"{_AXLE}{wheel}.Tire.Temperature": Entry("celsius", -30, 120) for wheel in _WHEELS},
    **{f"{_AXLE}{wheel}.Tire.State": Entry("", states=TYRE_STATES) for wheel in _WHEELS},
    # around it
    OUTSIDE_TEMPERATURE: Entry("celsius", -40, 85),
    "Vehicle.Cabin.HVAC.AmbientAirTemperature": Entry("celsius", -40, 85, 0.1),
    # who and when
    VIN: Entry("", text=True),
    VIN_TAIL: Entry("", text=True),
    "Vehicle.MinuteOfDay": Entry("min", 0, 1439),
    "Vehicle.MinutesSinceFirstIgnition": Entry("min", 0, 16_777_214),
    LATITUDE: Entry("degrees", -90, 90, 0.00001),
    LONGITUDE: Entry("degrees", -180, 180, 0.00001),
}


class Signal(Struct, frozen=True):
    """A believed value. name: a key of `VOCABULARY`. value: a number in the entry's unit, or one of its states.

    at_ns: nanoseconds since boot (see `drivers.ports.Instant`); in recordings, nanoseconds of the log's own time.
    """

    name: str
    value: float | str
    at_ns: int

    @property
    def unit(self) -> str:
        return VOCABULARY[self.name].unit
