"""Pure: the range of a car that does not tell it: available energy over the mean consumption of the last kilometres.

What is not here: which cars need it (`config.car.ComputedRange`) and who is told (`tending.py`).
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from config.car import ComputedRange

from ..sync import stored

PIECE_KM: Final = 5.0  # consumption is remembered by pieces of at least this length
LEAST_KM: Final = 1.0  # or the rest of a drive, if it is worth anything
LONGEST_KM: Final = 50.0  # a jump of the odometer while nobody looked is no drive
PLAUSIBLE: Final = (4.0, 60.0)  # kWh/100km of a piece; beyond it something was charged, or a value was wrong
MOST_KM: Final = 800.0


@dataclass(frozen=True, slots=True)
class Consumption:
    """pieces: (km, kWh) driven, oldest first. since, last: odometer in km and energy in kWh where the present piece
    began, and at the last look.
    """

    pieces: tuple[tuple[float, float], ...] = ()
    since: tuple[float, float] | None = None
    last: tuple[float, float] | None = None

    def to_bytes(self) -> bytes:
        return json.dumps([list(piece) for piece in self.pieces], separators=(",", ":")).encode()


def restored(data: bytes | None) -> Consumption:
    """From the vault; what cannot be read is as if nothing had been driven."""
    try:
        pieces = tuple(stored.value(list[tuple[float, float]], data or b"[]"))
    except ValueError:
        return Consumption()
    return Consumption(pieces) if all(_plausible(km, kwh) for km, kwh in pieces) else Consumption()


def step(
    state: Consumption, odometer_km: float | None, energy_kwh: float | None, driving: bool, over_km: float
) -> Consumption:
    """One look. odometer_km, energy_kwh: as the car says now, `None` while it does not. driving: ignition on and not
    charging; what happens between drives (charging, heating on the plug) is nobody's consumption.
    """
    if not driving:
        return Consumption(_with(state, LEAST_KM, over_km))
    if odometer_km is None or energy_kwh is None:
        return state
    now = odometer_km, energy_kwh
    if state.since is None:
        return replace(state, since=now, last=now)
    begun_km = state.since[0]
    state = replace(state, last=now)
    if 0 <= odometer_km - begun_km < PIECE_KM:
        return state
    return Consumption(_with(state, PIECE_KM, over_km), now, now)


def mean(state: Consumption, told: ComputedRange) -> float:
    """kWh/100km over the last `over_km`; kilometres that this box has not seen count as the folder says."""
    km, kwh = sum(piece[0] for piece in state.pieces), sum(piece[1] for piece in state.pieces)
    unseen_km = max(0.0, told.over_km - km)
    return 100 * (kwh + unseen_km * told.kwh_per_100km / 100) / (km + unseen_km)


def range_km(energy_kwh: float, state: Consumption, told: ComputedRange) -> float:
    """Whole kilometres, as a dashboard shows them."""
    return float(min(MOST_KM, max(0, int(100 * energy_kwh / mean(state, told)))))


def _with(state: Consumption, least_km: float, over_km: float) -> tuple[tuple[float, float], ...]:
    """The pieces with the present one, where that is long enough and makes sense."""
    if state.since is None or state.last is None:
        return state.pieces
    km, kwh = round(state.last[0] - state.since[0], 3), round(state.since[1] - state.last[1], 3)
    if km < least_km or not _plausible(km, kwh):
        return state.pieces
    return _newest((*state.pieces, (km, kwh)), over_km)


def _plausible(km: float, kwh: float) -> bool:
    return 0 < km <= LONGEST_KM and PLAUSIBLE[0] <= 100 * kwh / km <= PLAUSIBLE[1]


def _newest(pieces: Iterable[tuple[float, float]], over_km: float) -> tuple[tuple[float, float], ...]:
    """So many of the newest pieces as cover `over_km`."""
    kept: list[tuple[float, float]] = []
    km = 0.0
    for piece in reversed(tuple(pieces)):
        if km >= over_km:
            break
        kept.append(piece)
        km += piece[0]
    return tuple(reversed(kept))
