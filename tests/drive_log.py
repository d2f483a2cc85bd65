"""A made-up candump log of a Zoé: driven, silent for a while, plugged in and charged. For what people look at.

It is encoded with the car's own DBC, so it proves pictures and words, and no bit (D34).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path

from config import car as cars

START_S = 1_700_000_000.0  # 14 November 2023, 22:13:20 UTC
DRIVE_S, SILENT_S, CHARGE_S = 600, 120, 480


def write(path: Path, pace_s: float = 0.5) -> int:
    """One frame of every message each `pace_s`; returns how many frames there are."""
    model = cars.load(cars.find("zoe-ph1"))
    lines = []
    for at_s, told in _day(pace_s):
        for message in model.messages:
            frame = model.database.get_message_by_name(message.name)
            raw = {it.name: _raw(it, told.get(f"{message.name}.{it.name}", 0.0)) for it in frame.signals}
            data = frame.encode(raw, scaling=False, strict=False)
            lines.append(f"({START_S + at_s:.6f}) can0 {message.can_id:03X}#{data.hex().upper()}")
    path.write_text("\n".join(lines) + "\n")
    return len(lines)


def _raw(field: object, value: float) -> int:
    conversion = field.conversion  # type: ignore[attr-defined]
    return round((value - conversion.offset) / conversion.scale)


def _day(pace_s: float) -> Iterator[tuple[float, Mapping[str, float]]]:
    km, percent = 41_230.0, 74.0
    at_s = 0.0
    while at_s < DRIVE_S + SILENT_S + CHARGE_S:
        driving, charging = 20 <= at_s < DRIVE_S - 10, at_s >= DRIVE_S + SILENT_S + 20
        speed = _speed(at_s) if driving else 0.0
        km += speed / 3600 * pace_s
        percent += (-speed * 0.00006 if driving else 0.012 if charging else 0.0) * pace_s
        if not DRIVE_S <= at_s < DRIVE_S + SILENT_S:
            yield at_s, _told(at_s, speed, km, percent, driving, charging)
        at_s += pace_s


def _speed(at_s: float) -> float:
    hills = 45 + 30 * math.sin(at_s / 40) + 12 * math.sin(at_s / 7)
    return max(0.0, min(hills, (at_s - 20) * 3, (DRIVE_S - 10 - at_s) * 3))


def _told(at_s: float, speed: float, km: float, percent: float, driving: bool, charging: bool) -> dict[str, float]:
    plugged = at_s >= DRIVE_S + SILENT_S + 12
    return {
        "DashEnergy.StateOfCharge": math.floor(percent), "DashEnergy.Range": math.floor(percent * 1.3),
        "DashEnergy.PlugPresent": plugged, "DashEnergy.TimeToFull": 140 if charging else 0,
        "BatteryHealth.ChargeActive": charging, "BatteryHealth.StateOfHealth": 91,
        "ChargeState.ChargeStatus": 3 if charging else 0, "BatteryEnergy.EnergyAvailable": percent * 0.37,
        "BatteryEnergy.ChargePowerAvailable": 21 if plugged else 0,
        "BatteryState.Temperature": 14 + at_s / 200, "BatteryState.StateOfCharge": percent,
        "BatteryState.Voltage": 380 - speed / 8 + (9 if charging else 0), "RoadSpeed.Speed": speed,
        "Odometer.Distance": km, "Supply.Ignition": driving, "Supply.Voltage12": 14.1 if driving or charging else 12.6,
        "BodyState.LockedOutside": not 5 < at_s < DRIVE_S + SILENT_S + 15,
        "Doors.FrontLeft": 8 < at_s < 14, "Doors.Trunk": DRIVE_S - 8 < at_s < DRIVE_S - 2, "Outside.Temperature": 8,
        "Handbrake.HandbrakeState": 1 if driving else 2,
    }  # fmt: skip
