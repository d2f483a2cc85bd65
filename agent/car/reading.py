"""Pure: the car at one moment, as facts carry it, and what two such moments tell: kilometres, energy, time.

What is not here: where a reading is taken (`state.py`). A reading has no coordinates, so that positions can be erased
without touching a fact that bills (R26); they are samples and facts of their own.
"""

from __future__ import annotations

from collections.abc import Collection
from math import inf
from typing import Final, TypedDict, TypeVar

Value = TypeVar("Value")

HEARD: Final = ("odometer_km", "soc_percent", "energy_kwh", "range_km", "plugged")
"""What the car itself tells of a reading; the rest is the box's."""
LATE_MS: Final = 2_500  # looks come once a second; a busy disk may make one late
LATE_KM: Final = 1.0  # more than a car may have kept to itself at the end of a drive: one whole count
MAX_MPS: Final = 70.0  # 252 km/h: faster than any car of ours
# What may be counted beside that: one whole count, and what a car drives in the half minute after which an odometer
# that is asked every ten seconds, and does not answer, is believed no more.
FREE_KM: Final = 3.0


class Reading(TypedDict):
    """at: ms since boot. wall: [lo, hi] in ms. plugged: "yes" or "no". at_station: its name, null when elsewhere or
    unknown.
    """

    odometer_km: int | float | None
    soc_percent: int | float | None
    energy_kwh: int | float | None
    range_km: int | float | None
    plugged: str | None
    at_station: str | None
    boot: str
    at: int
    wall: list[int] | None


def driven_km(start: Reading, end: Reading) -> float | None:
    """`counted_km`; null, too, where more was counted than can have been driven between the two: by a unit that lies,
    or was replaced.
    """
    km = counted_km(start, end)
    return None if km is None or km > reach_km(_most_ms(start, end) / 1000) else km


def counted_km(start: Reading, end: Reading) -> float | None:
    """Kilometres by the car's own odometer, rounded to its finest step (10 m); null where a reading is missing, or the
    odometer fell: one of the two words is wrong, and nobody knows which.
    """
    before, after = start["odometer_km"], end["odometer_km"]
    return None if before is None or after is None or after < before else round(after - before, 2)


def fell(start: Reading, end: Reading) -> bool:
    """Whether the odometer did: a unit that is switched on or off may say zero, or an old count, for a moment."""
    before, after = start["odometer_km"], end["odometer_km"]
    return before is not None and after is not None and after < before


def reach_km(seconds: float) -> float:
    """What an odometer may count in that time."""
    return FREE_KM + MAX_MPS * seconds / 1000


def _most_ms(start: Reading, end: Reading) -> float:
    """So much time lies between them at most; without end where nobody knows."""
    if start["boot"] == end["boot"]:
        return max(0, end["at"] - start["at"])
    if start["wall"] is None or end["wall"] is None:
        return inf
    return max(0, end["wall"][1] - start["wall"][0])


def spent_kwh(start: Reading, end: Reading) -> float | None:
    """How much less the battery holds at the end, by its energy signal (0.1 kWh or finer); negative when it was charged
    meanwhile. Never from the 1 % steps of the dashboard.
    """
    before, after = start["energy_kwh"], end["energy_kwh"]
    return None if before is None or after is None else round(before - after, 3)


def duration_ms(start: Reading, end: Reading) -> int | None:
    """By the board's own clock within one boot; across boots from the middles of the two wall intervals; null without
    those.
    """
    if start["boot"] == end["boot"]:
        return end["at"] - start["at"]
    begun, ended = middle(start), middle(end)
    return None if begun is None or ended is None else max(0, ended - begun)


def middle(reading: Reading) -> int | None:
    """The middle of its wall interval, ms since 1970."""
    wall = reading["wall"]
    return None if wall is None else sum(wall) // 2


def carried(last: Reading, now: Reading, recalled: Collection[str] = ()) -> Reading:
    """Now, with what the car does not say (any more, or nobody vouches for: `recalled`) as it was at last."""
    kept = {name: _of(last, name) for name in HEARD if _of(now, name) is None or name in recalled}
    return Reading(**{**now, **kept})  # type: ignore[typeddict-item]


def without(reading: Reading, unseen: Collection[str]) -> Reading:
    """With null for what nobody watched."""
    return Reading(**{**reading, **dict.fromkeys(unseen)})  # type: ignore[typeddict-item]


def dated(reading: Reading, at: int | None, floor: int | None = None) -> Reading:
    """The same, of the moment at which the word came that it is about, where one look earlier did not know it. at: ms
    since this boot; floor: no earlier than that.
    """
    if at is None:
        return reading
    before = reading["at"] - max(at, floor if floor is not None else at)
    if not 0 < before <= LATE_MS:
        return reading
    wall = reading["wall"]
    return {**reading, "at": reading["at"] - before, "wall": None if wall is None else [it - before for it in wall]}


def replaced(reading: Reading, seen: Reading, names: Collection[str]) -> Reading:
    """With these fields as they were seen."""
    return Reading(**{**reading, **{name: _of(seen, name) for name in names}})  # type: ignore[typeddict-item]


def completed(
    start: Reading, provisional: tuple[str, ...], seen: Reading, recalled: Collection[str]
) -> tuple[Reading, tuple[str, ...]]:
    """A start on a sleeping car: what it did not say then is taken from its first words.

    provisional: fields of `start` that nobody vouched for (`CarState.provisional`); the first words replace them, too.
    recalled: such fields of `seen`. They fill a gap and never replace anything.
    """
    told = {name for name in provisional if name not in recalled}
    first = {name: _of(seen, name) for name in HEARD if _of(start, name) is None or name in told}
    better = Reading(**{**start, **first})  # type: ignore[typeddict-item]
    return better, tuple(name for name in provisional if name not in told)


def _of(reading: Reading, name: str) -> object:
    value: object = reading[name]  # type: ignore[literal-required]
    return value
