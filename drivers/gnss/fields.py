"""The fields of the five sentences that matter (RMC, GGA, GLL, GSA, ZDA) as numbers; `ValueError` for what is not one.

What is not here: which sentence to believe (`nmea.py`). Field order: NMEA 0183 version 4.11.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

DAY_MS: Final = 86_400_000
_EPOCH: Final = date(1970, 1, 1)
KNOT_MPS: Final = 1852 / 3600  # the international nautical mile
# RMC mode indicator (from NMEA 2.3): not valid, estimated (dead reckoning), manual, simulator. None is a fix.
_NO_FIX_INDICATORS: Final = frozenset("NEMS")

Position = tuple[float, float]  # latitude, longitude in degrees WGS 84


@dataclass(frozen=True, slots=True)
class Rmc:
    """time_of_day: ms since midnight. day: days since 1970-01-01. bad_date: there is a date and it cannot be one."""

    time_of_day: int | None
    active: bool
    position: Position | None
    speed_mps: float | None
    day: int | None
    bad_date: bool


@dataclass(frozen=True, slots=True)
class Gga:
    """quality: 0 none. satellites: used. altitude: whether there is one, which a two-dimensional fix has not."""

    time_of_day: int | None
    quality: int
    position: Position | None
    satellites: int | None
    altitude: bool


@dataclass(frozen=True, slots=True)
class Gll:
    """A position and a time of day, from receivers that send nothing better."""

    time_of_day: int | None
    active: bool
    position: Position | None


def days(day: date) -> int:
    return (day - _EPOCH).days


def rmc(values: Sequence[str]) -> Rmc:
    active = _at(values, 1) == "A" and _at(values, 11) not in _NO_FIX_INDICATORS
    day, bad_date = None, False
    if text := _at(values, 8):
        try:
            day = _date(text)
        except ValueError:
            bad_date = True
    speed = _number(_at(values, 6)) if active else None
    return Rmc(
        time_of_day=_time_of_day(_at(values, 0)),
        active=active,
        position=_position(values[2:6]) if active else None,  # void sentences carry old or impossible coordinates
        speed_mps=None if speed is None else speed * KNOT_MPS,
        day=day,
        bad_date=bad_date,
    )


def gga(values: Sequence[str]) -> Gga:
    quality = _whole(_at(values, 5)) or 0
    return Gga(
        time_of_day=_time_of_day(_at(values, 0)),
        quality=quality,
        position=_position(values[1:5]) if quality else None,
        satellites=_whole(_at(values, 6)),
        altitude=_at(values, 8) != "",
    )


def gll(values: Sequence[str]) -> Gll:
    """The mode indicator is there from NMEA 2.3 on."""
    active = _at(values, 5) == "A" and _at(values, 6) not in _NO_FIX_INDICATORS
    return Gll(_time_of_day(_at(values, 4)), active, _position(values[0:4]) if active else None)


def gsa(values: Sequence[str]) -> tuple[int, int]:
    """(1 none, 2 or 3 dimensions; satellites used)"""
    mode = _whole(_at(values, 1))
    if mode not in (1, 2, 3):
        raise ValueError(f"no such mode: {mode}")
    return mode, sum(1 for satellite in values[2:14] if satellite)


def zda(values: Sequence[str]) -> tuple[int | None, int | None]:
    """(ms since midnight, days since 1970-01-01)"""
    day, month, year = (_whole(_at(values, index)) for index in (1, 2, 3))
    found = days(date(year, month, day)) if day and month and year else None
    return _time_of_day(_at(values, 0)), found


def _at(values: Sequence[str], index: int) -> str:
    return values[index].strip() if index < len(values) else ""


def _whole(text: str) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 9):  # int() would take "1_0", " 7" and foreign digits
        raise ValueError(f"not a whole number: {text!r}")
    return int(text)


def _number(text: str) -> float | None:
    if not text:
        return None
    if not set(text) <= set("0123456789."):  # float() would take "nan", "1e9" and "-1"
        raise ValueError(f"not a number: {text!r}")
    return float(text)


def _time_of_day(text: str) -> int | None:
    """hhmmss or hhmmss.s…; second 60 exists in the last minute of a day with a leap second."""
    if not text:
        return None
    whole, _, fraction = text.partition(".")
    if len(whole) != 6:
        raise ValueError(f"not a time: {text!r}")
    hour, minute, second = (_whole(whole[i : i + 2]) or 0 for i in (0, 2, 4))
    if hour > 23 or minute > 59 or second > (60 if (hour, minute) == (23, 59) else 59):
        raise ValueError(f"not a time: {text!r}")
    return (hour * 3600 + minute * 60 + second) * 1000 + (_whole((fraction + "000")[:3]) or 0)


def _date(text: str) -> int:
    """ddmmyy. Two-digit years from 80 are of the last century: GPS counts from 1980."""
    if len(text) != 6:
        raise ValueError(f"not a date: {text!r}")
    day, month, year = (_whole(text[i : i + 2]) or 0 for i in (0, 2, 4))
    return days(date(year + (1900 if year >= 80 else 2000), month, day))


def _position(values: Sequence[str]) -> Position | None:
    if len(values) < 4 or not all(values):
        return None
    return _angle(values[0], values[1], "NS", 90), _angle(values[2], values[3], "EW", 180)


def _angle(text: str, hemisphere: str, signs: str, limit: int) -> float:
    """(d)ddmm.mmmm and a letter to degrees."""
    degrees, minutes = divmod(_number(text) or 0.0, 100)
    value = degrees + minutes / 60
    if minutes >= 60 or value > limit or hemisphere not in tuple(signs):
        raise ValueError(f"not an angle: {text!r} {hemisphere!r}")
    return value if hemisphere == signs[0] else -value
