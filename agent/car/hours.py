"""Pure: is this working time, in the time of Paris?

What is not here: what follows for privacy (`privacy.py`), and how far Paris is from UTC (`keyless/paris.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from config.privacy import DAYS, Work
from keyless.paris import offset_s

WIDEST_MS: Final = 900_000  # of an interval that still says what time it is


def working(work: Work, wall: Sequence[int] | None) -> bool:
    """wall: [lo, hi] in ms since 1970, `None` while nobody knows. Only what is surely working time counts: both ends of
    a narrow interval in the same stretch of work.
    """
    if wall is None or wall[1] - wall[0] > WIDEST_MS:
        return False
    begun = _stretch(work, paris(wall[0] / 1000))
    return begun is not None and begun == _stretch(work, paris(wall[1] / 1000))


def paris(at_s: float) -> datetime:
    """The time of Paris without its zone: a clock on the wall there. at_s: seconds since 1970 UTC."""
    return datetime.fromtimestamp(at_s + offset_s(at_s), UTC).replace(tzinfo=None)


def _stretch(work: Work, here: datetime) -> int | None:
    """The day (counted from year 1) on which the stretch of work began that this moment lies in, `None` for none."""
    begin, end, at = minutes(work.from_), minutes(work.to), here.hour * 60 + here.minute
    today = here.date().toordinal()
    if begin < end:
        begun = today if begin <= at < end else None
    else:
        begun = today if at >= begin else today - 1 if at < end else None
    return begun if begun is not None and DAYS[(begun - 1) % 7] in work.days else None


def minutes(text: str) -> int:
    """ "07:30" as minutes since midnight."""
    hour, minute = text.split(":")
    return int(hour) * 60 + int(minute)
