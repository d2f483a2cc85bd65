"""Pure: which samples are worth keeping, and when. Speed itself is never among them (P10).

What is not here: batches and bytes (`agent/sync/store.py`) and who may have positions kept (`privacy.py`).
"""

from __future__ import annotations

from typing import Final

from config.vocabulary import (
    BATTERY_TEMPERATURE,
    ENERGY,
    LATITUDE,
    LONGITUDE,
    ODOMETER,
    OUTSIDE_TEMPERATURE,
    RANGE,
    SOC,
    SOC_FINE,
    VOLTAGE_12V,
)
from drivers.ports import Fix

from .privacy import Place
from .state import CarState

# The order is the order on the wire (contract: fact `columns`); cars that have only one of the two states of charge
# leave the other null.
COLUMNS: Final = (
    SOC_FINE,
    SOC,
    ENERGY,
    RANGE,
    ODOMETER,
    BATTERY_TEMPERATURE,
    VOLTAGE_12V,
    OUTSIDE_TEMPERATURE,
    LATITUDE,
    LONGITUDE,
)

DRIVING_MS: Final = 1_000
PARKED_MS: Final = 60_000
# The loop that asks wakes once a second, never to the millisecond: a sample is due a little early rather than a second
# late.
SLACK_MS: Final = 100
TRACK_FRESH_NS: Final = 3_000_000_000


def due(since_ms: int | None, driving: bool, in_booking: bool) -> bool:
    """since_ms: how long ago the last sample was kept, `None` for never. Parked outside of any booking nothing is
    sampled.
    """
    if not driving and not in_booking:
        return False
    return since_ms is None or since_ms >= (DRIVING_MS if driving else PARKED_MS) - SLACK_MS


def fresh_fix(car: CarState, now_ns: int) -> Fix | None:
    """Where the car is now, not where it was a while ago: a track without knots."""
    fix = car.position(now_ns)
    return None if fix is None or now_ns - fix.at.ns > TRACK_FRESH_NS else fix


def values(car: CarState, place: Place | None) -> tuple[float | None, ...] | None:
    """One row in the order of `COLUMNS`; `None` when the car says nothing at all, so that a sleeping car fills no disk.

    place: the position that privacy lets this row have, already made coarse.
    """
    row: list[float | None] = []
    for name in COLUMNS[:-2]:
        signal = car.fresh(name)
        row.append(None if signal is None or isinstance(signal.value, str) else float(signal.value))
    row += [place.lat, place.lon] if place is not None else [None, None]
    return tuple(row) if any(value is not None for value in row) else None
