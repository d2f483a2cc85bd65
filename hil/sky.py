"""The sky: what a satellite receiver on the car's roof would say, as NMEA lines along a route through the Orne.

Position is a function of the distance driven, time an argument. What is not here: the wire to the box (the harness) and
the car that drives (`world.py`). The sentences are written by code of this file's own, never by the product's.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from typing import Final

EARTH_M: Final = 6_371_008.8  # mean radius (IUGG)
KNOT_MPS: Final = 1852 / 3600

# Flers station by the D 962 and side roads to Domfront, then on to Bagnoles: names of places, coordinates rounded to
# about 10 m and thinned; good enough for a picture, no survey. Degrees WGS 84.
FLERS: Final = ("Flers, gare", 48.74390, -0.56470)
ROUTE: Final[tuple[tuple[str, float, float], ...]] = (
    FLERS,
    ("Flers, mairie", 48.74870, -0.56890),
    ("La Lande-Patry", 48.75060, -0.59020),
    ("Saint-Georges-des-Groseillers, sud", 48.75910, -0.57630),
    ("Messei", 48.71250, -0.53780),
    ("Saint-André-de-Messei", 48.69720, -0.56310),
    ("Le Châtellier", 48.67640, -0.58250),
    ("Saint-Bômer-les-Forges", 48.64380, -0.61240),
    ("Champsecret, carrefour", 48.61810, -0.60410),
    ("Domfront, gare", 48.59930, -0.64180),
    ("Domfront, château", 48.59460, -0.65110),
    ("Perrou", 48.57110, -0.58190),
    ("Juvigny-sous-Andaine", 48.55300, -0.50450),
    ("Tessé-la-Madeleine", 48.55120, -0.42740),
    ("Bagnoles-de-l'Orne, lac", 48.55580, -0.41380),
)


@dataclass(frozen=True, slots=True)
class Place:
    """lat, lon: degrees WGS 84. course: degrees from true north, of the stretch this place lies on."""

    lat: float
    lon: float
    course: float


class Route:
    """Straight stretches between points. Beyond the end it comes back the same way, for ever: a car drives any distance
    and is home again after an even number of lengths.
    """

    def __init__(self, points: Sequence[tuple[str, float, float]] = ROUTE) -> None:
        if len(points) < 2:
            raise ValueError("a route has two points at least")
        self.points = tuple(points)
        self._lengths = [_metres(a[1:], b[1:]) for a, b in pairwise(points)]
        self.length_m = sum(self._lengths)

    def at(self, distance_m: float) -> Place:
        """Where the car is after that many metres from the first point."""
        along = distance_m % (2 * self.length_m)
        homeward = along > self.length_m
        along = 2 * self.length_m - along if homeward else along
        index = 0
        while index < len(self._lengths) - 1 and along > self._lengths[index]:
            along -= self._lengths[index]
            index += 1
        (_, lat1, lon1), (_, lat2, lon2) = self.points[index : index + 2]
        share = min(1.0, along / self._lengths[index])
        course = math.degrees(math.atan2((lon2 - lon1) * math.cos(math.radians(lat1)), lat2 - lat1))
        course = (course + 180 * homeward) % 360
        return Place(lat1 + (lat2 - lat1) * share, lon1 + (lon2 - lon1) * share, course)


@dataclass(slots=True)
class Sky:
    """What is overhead now; change the fields to change the weather.

    fix: whether a position is known (a tunnel, a roof: False). dated: whether the date is known (a cold start: False).
    satellites: how many are used. three_d: False for a two-dimensional fix. gga: False for a receiver that sends RMC
    and GSA alone. corrupt: every checksum is wrong.
    """

    fix: bool = True
    dated: bool = True
    satellites: int = 9
    three_d: bool = True
    gga: bool = True
    corrupt: bool = False

    def lines(self, utc: datetime, place: Place, speed_mps: float = 0.0) -> list[str]:
        """One epoch: GNRMC, GNGGA, GNGSA, without line ends. utc: aware; sent to the hundredth of a second."""
        bodies = [self._rmc(utc, place, speed_mps)]
        if self.gga:
            bodies.append(self._gga(utc, place))
        bodies.append(self._gsa())
        return [sentence(body, wrong=self.corrupt) for body in bodies]

    def _rmc(self, utc: datetime, place: Place, speed_mps: float) -> str:
        clock, day = _clock(utc) if self.dated else "", f"{utc.astimezone(UTC):%d%m%y}" if self.dated else ""
        if not self.fix:
            return f"GNRMC,{clock},V,,,,,,,{day},,,N"
        where = f"{_angle(place.lat, 'NS', 2)},{_angle(place.lon, 'EW', 3)}"
        return f"GNRMC,{clock},A,{where},{speed_mps / KNOT_MPS:.2f},{place.course:.1f},{day},,,A"

    def _gga(self, utc: datetime, place: Place) -> str:
        clock = _clock(utc) if self.dated else ""
        if not self.fix:
            return f"GNGGA,{clock},,,,,0,00,99.9,,M,,M,,"
        where = f"{_angle(place.lat, 'NS', 2)},{_angle(place.lon, 'EW', 3)}"
        altitude = "201.0" if self.three_d else ""
        return f"GNGGA,{clock},{where},1,{self.satellites:02d},0.9,{altitude},M,48.2,M,,"

    def _gsa(self) -> str:
        if not self.fix:
            return "GNGSA,A,1,,,,,,,,,,,,,99.9,99.9,99.9"
        used = [f"{number:02d}" for number in range(2, 2 + min(12, self.satellites))]
        return f"GNGSA,A,{3 if self.three_d else 2},{','.join(used + [''] * (12 - len(used)))},1.6,0.9,1.3"


def sentence(body: str, *, wrong: bool = False) -> str:
    """`$body*HH`, HH being the XOR of the body's characters (NMEA 0183); wrong: another one."""
    value = 0x5A if wrong else 0
    for char in body:
        value ^= ord(char)
    return f"${body}*{value:02X}"


def encode(lines: Sequence[str]) -> bytes:
    """As they go over the wire."""
    return "".join(f"{line}\r\n" for line in lines).encode("ascii")


def _clock(utc: datetime) -> str:
    there = utc.astimezone(UTC)
    return f"{there:%H%M%S}.{there.microsecond // 10_000:02d}"


def _angle(degrees: float, signs: str, width: int) -> str:
    """Degrees, minutes to a hundred-thousandth (2 cm), and a letter; rounded once, so that 60 minutes never appear."""
    units = round(abs(degrees) * 60 * 100_000)
    whole, rest = divmod(units, 60 * 100_000)
    return f"{whole:0{width}d}{rest // 100_000:02d}.{rest % 100_000:05d},{signs[degrees < 0]}"


def _metres(a: Sequence[float], b: Sequence[float]) -> float:
    """Great-circle distance by the haversine formula."""
    lat1, lon1, lat2, lon2 = (math.radians(value) for value in (*a, *b))
    half = math.sin((lat2 - lat1) / 2) ** 2 + math.cos(lat1) * math.cos(lat2) * math.sin((lon2 - lon1) / 2) ** 2
    return 2 * EARTH_M * math.asin(math.sqrt(half))
