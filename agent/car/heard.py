"""What single words of the car mean for its readings: which field each fills, whether it shows movement, since when a
state says the same, and what was told since.

What is not here: the words themselves and what may be believed of them (`state.py`, `odometer.py`).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from config.vocabulary import ENERGY, IGNITION, ODOMETER, PLUGGED, RANGE, SOC, SOC_FINE, SPEED, Signal

CREEP_KMH: Final = 1.0
TIMED: Final = frozenset({IGNITION, PLUGGED})
READ: Final = frozenset({ODOMETER, SOC, SOC_FINE, ENERGY, RANGE})
"""What a reading is made of, beside the cable: asked for anew at each change of the car."""


class Turns:
    """at_ns: since when ignition and cable say what they say now, by the time of their word. told: what was heard of
    the readings since the ignition turned; by arrival, for the kernel hands out slow frames late.
    """

    def __init__(self) -> None:
        self.at_ns: dict[str, int] = {}
        self.told: set[str] = set()

    def heard(self, before: Signal | None, signal: Signal) -> None:
        if signal.name in READ:
            self.told.add(signal.name)
        elif signal.name in TIMED and (before is None or before.value != signal.value):
            self.at_ns[signal.name] = signal.at_ns
            if signal.name == IGNITION:
                self.told.clear()


def fields(names: Iterable[str], *, shown: bool) -> tuple[str, ...]:
    """Fields of a reading that these signals fill. shown: whether the dashboard's state of charge is known, which goes
    before the battery's own.
    """
    named = set(names)
    sources = {
        "odometer_km": ODOMETER, "soc_percent": SOC if shown else SOC_FINE, "energy_kwh": ENERGY, "range_km": RANGE,
        "plugged": PLUGGED,
    }  # fmt: skip
    return tuple(field for field, signal in sources.items() if signal in named)


def shows_movement(before: Signal | None, signal: Signal) -> bool:
    if isinstance(signal.value, str):
        return False
    if signal.name == SPEED:
        return signal.value >= CREEP_KMH
    return signal.name == ODOMETER and before is not None and signal.value != before.value
