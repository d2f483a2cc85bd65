"""Pure: is the car at one of its stations? Answered inside the car, so that coordinates need not leave it (P3).

What is not here: where the fix comes from (`position.py`) and what an answer means for a booking
(`agent/access/booking.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import asin, cos, radians, sin, sqrt
from typing import Final

from config.settings import Station

EARTH_M: Final = 6_371_008.8  # mean radius, IUGG
# Under a roof the last fix is the one on the ramp: half a kilometre around the circle still counts as "may well be
# there".
NEAR_M: Final = 500.0


@dataclass(frozen=True, slots=True)
class Where:
    """at: yes, no, or `None` for not known. name: the station when at is yes.

    presumed: the station the car was driving into when the position was lost (R1, "no position under a roof"); set only
    while at is not known. It may end a booking, with the flag that the position is unknown; it refuses nothing.

    anywhere: nobody can ask for a station here, because the settings name none or no receiver is fitted. What needs a
    station may then happen anywhere (R1: what is unknown never blocks an end); at stays `None`, so that the open
    booking's driver keeps the rights of one who is away from it (R5).

    lost: there was no fix for so long (`state.py`) that waiting for one would block an end; like anywhere, for hands
    only.
    """

    at: bool | None = None
    name: str | None = None
    presumed: str | None = None
    anywhere: bool = False
    lost: bool = False

    @property
    def ends_here(self) -> bool:
        """At a station, or where none can be asked for. Somebody stands there and asks: never by itself (R2)."""
        return self.at is True or self.anywhere or self.lost


def distance_m(lat_a: float, lon_a: float, lat_b: float, lon_b: float) -> float:
    """Great circle distance in metres (haversine)."""
    half_lat, half_lon = radians(lat_b - lat_a) / 2, radians(lon_b - lon_a) / 2
    chord = sin(half_lat) ** 2 + cos(radians(lat_a)) * cos(radians(lat_b)) * sin(half_lon) ** 2
    return 2 * EARTH_M * asin(min(1.0, sqrt(chord)))


def locate(stations: Sequence[Station], lat: float, lon: float, moved_m: float | None = 0.0) -> Where:
    """Judge a position that was true `moved_m` metres of driving ago (0: it is true now, `None`: nobody knows how far).

    A car that drove at most `moved_m` since cannot be at a station that lies further away than that.
    """
    ranked = sorted((distance_m(lat, lon, it.lat, it.lon) - it.radius_m, it.name) for it in stations)
    if not ranked:
        return Where(anywhere=True)
    beyond_m, name = ranked[0]
    if moved_m is None:
        return Where()
    if moved_m == 0.0:
        return Where(True, name) if beyond_m <= 0 else Where(False)
    if beyond_m > moved_m:
        return Where(False)
    return Where(presumed=name if beyond_m <= NEAR_M and moved_m <= 2 * NEAR_M + 500 else None)
