"""Samples of a drive, as the sampler would keep them: the world's battery, speed that varies, bends, noise.

Every value has the resolution that the car gives it. What is not here: the bus in between.
"""

from __future__ import annotations

import math
import random

from config import vocabulary as v

from ..truth import Battery, CarTruth

# Order on the wire, as docs/contract.md names the columns.
COLUMNS = (
    v.SOC_FINE, v.SOC, v.ENERGY, v.RANGE, v.ODOMETER, v.BATTERY_TEMPERATURE, v.VOLTAGE_12V, v.OUTSIDE_TEMPERATURE,
    v.LATITUDE, v.LONGITUDE,
)  # fmt: skip
Row = tuple[int, list[float]]
METRE = 0.000009  # degrees of latitude
WIDER = 1.5  # a metre to the east is so much more in degrees, in Normandy


def rows(count: int, every_ms: int, seed: int = 1) -> list[Row]:
    """So many samples, so far apart: milliseconds since the first (the loop that asks is up to 3 ms late), values."""
    chance, battery = random.Random(seed), Battery()
    truth = battery.filled(CarTruth(), 20.0)
    at = along = course = bend = speed = 0.0
    wanted, place, drift = 50.0, [48.7439, -0.5647], [0.0, 0.0]
    found: list[Row] = []
    for _ in range(count):
        if chance.random() < every_ms / 20_000:
            wanted = chance.choice((0, 30, 50, 50, 70, 80, 80))
        seconds = every_ms / 1000
        speed += max(-9.0 * seconds, min(6.0 * seconds, wanted - speed)) + chance.gauss(0, 0.5) * (wanted > 0)
        speed = max(0.0, speed)
        km = speed * seconds / 3600
        along += 1000 * km
        truth = battery.driven(truth, km * chance.choice((0.0, 1.0, 1.0, 2.0)))
        if truth.energy_kwh < 2:
            truth = battery.filled(truth, 20.0)  # the next rental
        bend = 0.9 * bend + chance.gauss(0, 0.02)  # radians a second: country roads
        course += bend * seconds * (speed > 5)
        place[0] += 1000 * km * math.cos(course) * METRE
        place[1] += 1000 * km * math.sin(course) * METRE * WIDER
        drift = [0.97 * each + chance.gauss(0, 0.4) for each in drift]  # metres: a receiver of a few euros
        soc = truth.soc_percent
        values = [
            stepped(soc, 0.02), stepped(soc, 0.5), stepped(truth.energy_kwh, 0.1), stepped(truth.range_km, 1),
            stepped(48_211.37 + along / 1000, 0.01), stepped(14 + at / 1_800_000 % 8, 1),
            stepped(14.1 + chance.gauss(0, 0.04), 0.0625), 9.0,
            stepped(place[0] + drift[0] * METRE, 1e-5), stepped(place[1] + drift[1] * METRE * WIDER, 1e-5),
        ]  # fmt: skip
        found.append((round(at), values))
        at += every_ms + chance.choice((0, 1, 1, 1, 2, 3))
    return found


def stepped(value: float, step: float) -> float:
    """To a multiple of that step, without the dust of floating point."""
    return round(round(value / step) * step, 6)
