"""Names of signals as people type and read them: ends of names in, short forms out. Nothing is decoded here."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import Final

import click

from config import vocabulary as v
from config.vocabulary import POSITION, UNSHOWN, VOCABULARY

HIDDEN: Final = UNSHOWN | POSITION
"""Never in a picture or a status: a VIN names an owner (P6), a position tells where somebody went (R27)."""

EVERYTHING: Final = "*"
SIGNS: Final = {"percent": "%", "celsius": "°C", "degrees": "°", "kOhm": "kΩ", "kWh/100km": "kWh/100 km"}
PLAIN: Final = {
    v.IGNITION: "ignition", v.PLUGGED: "plugged", v.CHARGING: "charging", v.LOCKED: "locked",
    v.DOOR_FRONT_LEFT: "front left door open", v.DOOR_FRONT_RIGHT: "front right door open",
    v.DOOR_REAR_LEFT: "rear left door open", v.DOOR_REAR_RIGHT: "rear right door open", v.TRUNK: "boot open",
    v.HANDBRAKE: "handbrake", v.CHARGE_STATUS: "charge status", v.GEAR: "gear",
}  # fmt: skip
"""States that a picture calls by what people say."""


def unit_of(name: str) -> str:
    """As people write it."""
    unit = VOCABULARY[name].unit
    return SIGNS.get(unit, unit)


def text_of(value: float | str) -> str:
    """A value as a table has it."""
    if isinstance(value, str):
        return value
    return f"{value:.2f}" if abs(value) >= 1e5 else f"{value:g}"


def pick(names: Iterable[str], patterns: str) -> list[str]:
    """The names that end in one of the comma-separated patterns, in their own order; upper and lower case are one.

    A pattern begins where a part of the name begins: `speed` means `Vehicle.Speed` and no `…WheelSpeed`.
    """
    wanted = [pattern.strip().lower() for pattern in patterns.split(",") if pattern.strip()]
    return [name for name in names if any(_ends_in(name.lower(), pattern) for pattern in wanted)]


def pick_or_explain(names: Collection[str], patterns: str, car: str) -> list[str]:
    """As `pick`; a pattern that means nothing in this car is wrong use, and what may have been meant is said."""
    for pattern in filter(None, (pattern.strip() for pattern in patterns.split(","))):
        if not pick(names, pattern):
            raise click.UsageError(f"{car} tells nothing that ends in {pattern!r}; {_meant(names, pattern)}")
    return pick(names, patterns)


def short(name: str, width: int) -> str:
    """A name in `width` characters: the end tells most, so parts go from the front; the last one is cut."""
    name = name.removeprefix("Vehicle.")
    parts = name.split(".")
    while len(parts) > 1 and len(name) > width:
        parts = parts[1:]
        name = "…" + ".".join(parts)
    return name if len(name) <= width else name[: max(width - 1, 0)] + "…"


def tails(names: Collection[str]) -> dict[str, str]:
    """For each name its shortest end, of two parts or more, that no other of them shares."""
    return {name: _tail(name, names) for name in names}


def _tail(name: str, names: Collection[str]) -> str:
    parts = name.split(".")
    for count in range(2, len(parts) + 1):
        end = ".".join(parts[-count:])
        if all(other == name or not other.endswith("." + end) for other in names):
            return end.removeprefix("Vehicle.")
    return name


def _ends_in(name: str, pattern: str) -> bool:
    parts = name.split(".")
    return any(fnmatchcase(".".join(parts[start:]), pattern) for start in range(len(parts)))


def _meant(names: Collection[str], pattern: str) -> str:
    """Names with the word inside, names whose capitals it is (soc: StateOfCharge), or what is spelt nearly so."""
    word = pattern.strip("*.").lower()
    near = [name for name in names if word and (word in name.lower() or word in map(_capitals, name.split(".")))]
    ends = {name.split(".")[-1].lower(): name for name in names}
    near = near or [ends[end] for end in get_close_matches(word, ends, n=3, cutoff=0.7)]
    if not near:
        return "`boitier car show` lists what it tells"
    return f"did you mean {', '.join(name.removeprefix('Vehicle.') for name in near[:3])}? (* stands for anything)"


def _capitals(part: str) -> str:
    return "".join(letter for letter in part if letter.isupper()).lower()
