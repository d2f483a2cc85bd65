"""Pure: is the car at one of its stations, and if not, roughly how far off? Answered inside the car, so that no
coordinates need leave it (P3).

What is not here: where the fix comes from (`position.py`), what an answer means for a booking
(`agent/access/booking.py`), and which polygons are sound (`config/polygon.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from math import asin, cos, hypot, radians, sin, sqrt
from typing import Final

from msgspec import Struct

from config.settings import Station

EARTH_M: Final = 6_371_008.8  # mean radius, IUGG
# Under a roof the last fix is the one on the ramp: half a kilometre around the circle still counts as "may well be
# there".
NEAR_M: Final = 500.0
BANDS: Final = ((0.0, "at"), (500.0, "<500 m"), (2_000.0, "<2 km"), (10_000.0, "<10 km"))
BEYOND: Final = "beyond"


class Where(Struct, frozen=True):
    """at: yes, no, or `None` for not known. name: the station when at is yes.

    presumed: the station the car was driving into when the position was lost (R1, "no position under a roof"); set only
    while at is not known. It may end a booking, with the flag that the position is unknown; it refuses nothing.

    anywhere: nobody can ask for a station here, because the settings name none or no receiver is fitted. What needs a
    station may then happen anywhere (R1: what is unknown never blocks an end); at stays `None`, so that the open
    booking's driver keeps the rights of one who is away from it (R5).

    lost: there was no fix for so long (`state.py`) that waiting for one would block an end; like anywhere, for hands
    only.

    distance: the band to the edge of the nearest station ("at", "<500 m", "<2 km", "<10 km", "beyond"), `None` when it
    cannot be told. charge_point: the station's, where the settings name exactly one.
    """

    at: bool | None = None
    name: str | None = None
    presumed: str | None = None
    anywhere: bool = False
    lost: bool = False
    distance: str | None = None
    charge_point: str | None = None

    @property
    def ends_here(self) -> bool:
        """At a station, or where none can be asked for. Somebody stands there and asks: never by itself (R2)."""
        return self.at is True or self.anywhere or self.lost


def distance_m(lat_a: float, lon_a: float, lat_b: float, lon_b: float) -> float:
    """Great circle distance in metres (haversine)."""
    half_lat, half_lon = radians(lat_b - lat_a) / 2, radians(lon_b - lon_a) / 2
    chord = sin(half_lat) ** 2 + cos(radians(lat_a)) * cos(radians(lat_b)) * sin(half_lon) ** 2
    return 2 * EARTH_M * asin(min(1.0, sqrt(chord)))


def edge_m(station: Station, lat: float, lon: float) -> float:
    """Metres from the station's edge, negative inside."""
    if station.lat is not None and station.lon is not None:
        return distance_m(lat, lon, station.lat, station.lon) - station.radius_m
    corners = [_plane(lat, lon, *corner) for corner in station.polygon]
    if not corners:
        return float("inf")
    sides = list(zip(corners, [*corners[1:], corners[0]], strict=True))
    nearest_m = min(_to_side_m(a, b) for a, b in sides)
    return -nearest_m if _inside(sides) else nearest_m


def band(edge: float, doubt_m: float = 0.0) -> str | None:
    """The band of a distance in metres; `None` when so many metres of doubt would put it in another."""
    least, most = (
        next((name for up_to, name in BANDS if it <= up_to), BEYOND) for it in (edge - doubt_m, edge + doubt_m)
    )
    return least if least == most else None


def locate(stations: Sequence[Station], lat: float, lon: float, moved_m: float | None = 0.0) -> Where:
    """Judge a position that was true `moved_m` metres of driving ago (0: it is true now, `None`: nobody knows how far).

    A car that drove at most `moved_m` since cannot be at a station that lies further away than that.
    """
    ranked = sorted(((edge_m(it, lat, lon), it.name, it.charge_points) for it in stations), key=lambda it: it[:2])
    if not ranked:
        return Where(anywhere=True)
    beyond_m, name, points = ranked[0]
    if moved_m is None:
        return Where()
    distance = band(beyond_m, moved_m)
    if moved_m == 0.0 and beyond_m <= 0:
        return Where(True, name, distance=distance, charge_point=points[0] if len(points) == 1 else None)
    if beyond_m > moved_m:
        return Where(False, distance=distance)
    near = beyond_m <= NEAR_M and moved_m <= 2 * NEAR_M + 500
    return Where(presumed=name if near else None, distance=distance)


# --- a polygon on the plane around the car, in metres: good to a thousandth over the ten kilometres that bands tell

Point = tuple[float, float]


def _plane(lat: float, lon: float, corner_lat: float, corner_lon: float) -> Point:
    """East and north of the car. A degree of longitude is shorter by the cosine of the latitude between the two."""
    east = radians((corner_lon - lon + 180) % 360 - 180) * cos(radians((lat + corner_lat) / 2))
    return east * EARTH_M, radians(corner_lat - lat) * EARTH_M


def _to_side_m(a: Point, b: Point) -> float:
    """From the car, which is the origin, to the nearest point of a side."""
    along = (b[0] - a[0], b[1] - a[1])
    length = along[0] ** 2 + along[1] ** 2
    share = 0.0 if length == 0 else max(0.0, min(1.0, -(a[0] * along[0] + a[1] * along[1]) / length))
    return hypot(a[0] + share * along[0], a[1] + share * along[1])


def _inside(sides: Sequence[tuple[Point, Point]]) -> bool:
    """An odd number of sides lies east of the car."""
    odd = False
    for (ax, ay), (bx, by) in sides:
        if (ay > 0) != (by > 0) and ax + (bx - ax) * -ay / (by - ay) > 0:
            odd = not odd
    return odd
