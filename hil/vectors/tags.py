"""The name that a car has on the air (section 6): of its day, or the one that stays where the day is not known."""

from __future__ import annotations

from typing import Any, Final

from .. import beside
from .world import DAY, NOW, SURE, Case, different

SECRET: Final = bytes(range(32))
TODAY: Final = NOW // DAY
MIDNIGHT: Final = TODAY * DAY
# secret: of the vehicle.
USUAL: Final[Case] = {"secret": SECRET.hex(), "now": SURE}


def _case(name: str, day: int | None, secret: bytes = SECRET, **state: Any) -> Case:
    """day: whose tag is due, `None` for the fixed one."""
    more = {} if secret == SECRET else {"secret": secret.hex()}
    expect = {"accept": True, "code": None, "tag": beside.tag(secret, day).hex()}
    return {"name": name, "state": different(USUAL, {**state, **more}), "expect": expect}


def cases() -> list[Case]:
    """None is refused: a car always has a name."""
    last = MIDNIGHT + DAY - 1
    return [
        _case("of today", TODAY),
        _case("the first second of a day", TODAY, now=[MIDNIGHT, MIDNIGHT]),
        _case("the last second of a day", TODAY, now=[last, last]),
        _case("the next day", TODAY + 1, now=[last + 1, last + 1]),
        _case("the first day of all", 0, now=[0, 0]),
        _case("day 65536", 65_536, now=[65_536 * DAY, 65_536 * DAY]),
        _case("around midnight, most of it before", TODAY - 1, now=[MIDNIGHT - 10, MIDNIGHT + 4]),
        _case("around midnight, most of it after", TODAY, now=[MIDNIGHT - 4, MIDNIGHT + 10]),
        _case("its middle is half a second before midnight", TODAY - 1, now=[MIDNIGHT - 3, MIDNIGHT + 2]),
        _case("its middle is midnight", TODAY, now=[MIDNIGHT - 3, MIDNIGHT + 3]),
        _case("unsure by a day less a second", TODAY, now=[MIDNIGHT, last]),
        _case("unsure by a day: the fixed one", None, now=[MIDNIGHT, last + 1]),
        _case("unsure by a week: the fixed one", None, now=[MIDNIGHT, MIDNIGHT + 7 * DAY]),
        _case("no end to the time: the fixed one", None, now=[NOW, None]),
        _case("a secret of 16 bytes", TODAY, SECRET[:16]),
        _case("a secret of 64 bytes", TODAY, SECRET * 2),
        _case("another car", TODAY, SECRET[::-1]),
        _case("another car, no end to the time: the fixed one", None, SECRET[::-1], now=[NOW, None]),
    ]
