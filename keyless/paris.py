"""How far a clock on the wall in Paris is ahead of UTC.

Computed (last Sundays of March and October, 01:00 UTC: directive 2000/84/EC), so that no list of time zones need be
installed or loaded on the way to an open door. True for the years from 2001 on.
"""

from __future__ import annotations

from typing import Final

DAY_S: Final = 86_400
WINTER_S: Final = 3_600
SUMMER_S: Final = 7_200
TURN_S: Final = 3_600  # 01:00 UTC of those Sundays
_MARCH_31, _OCTOBER_31 = 89, 303  # days after New Year, without a leap day


def offset_s(at_s: float) -> int:
    """Seconds to add to UTC. at_s: seconds since 1970 UTC, not below 0."""
    year = _year(int(at_s // DAY_S))
    begin, end = (_last_sunday(year, last) * DAY_S + TURN_S for last in (_MARCH_31, _OCTOBER_31))
    return SUMMER_S if begin <= at_s < end else WINTER_S


def weekday(day: int) -> int:
    """0 is Monday. day: days since 1970-01-01, which was a Thursday."""
    return (day + 3) % 7


def _year(day: int) -> int:
    """Of a day since 1970-01-01. 400 years have 146,097 days. New Year's Day may still count to the old year: in both
    years it is winter then.
    """
    year = 1970 + day * 400 // 146_097
    return year - 1 if _new_year(year) > day else year


def _new_year(year: int) -> int:
    """Its first day, in days since 1970-01-01: 477 leap days lie before 1970."""
    before = year - 1
    return (year - 1970) * 365 + before // 4 - before // 100 + before // 400 - 477


def _last_sunday(year: int, last: int) -> int:
    """Of a month whose last day is `last` days after New Year of a common year."""
    leap = _new_year(year + 1) - _new_year(year) - 365
    day = _new_year(year) + last + leap
    return day - (weekday(day) + 1) % 7
