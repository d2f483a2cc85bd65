"""The privacy policy from one TOML file; `privacy.toml` explains each key, and is the one that comes along.

What is not here: applying it (`agent/car/privacy.py`, before anything is stored).
"""

# No postponed annotations: msgspec reads them, and would compile each one while a door waits.
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from .errors import Problem
from .reading import Reading, Wrong, document
from .rules import Finding, Rule

SHIPPED: Final = Path(__file__).resolve().parent / "privacy.toml"
DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
CLOCK: Final = re.compile(r"([01]\d|2[0-3]):[0-5]\d|24:00")
MOST_DAYS: Final = 30


class KindPolicy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """For one kind of booking. track: keep positions while driving, at most one in every_s seconds. precision_m: how
    coarse a position is made. start, end: keep the place where it begins and ends, unless that is a station.
    """

    track: bool = False
    every_s: float = 60.0
    precision_m: int = 100
    start: bool = True
    end: bool = True


class Declared(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Of the one position that a signed command with a reason asks for."""

    precision_m: int = 10


class Retention(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How long positions, and samples without any, may lie in the car, whether a backend took them or not (P5)."""

    position_days: float = 7.0
    sample_days: float = 30.0


class Work(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """When staff work, "HH:MM" in the time of Paris; `to` before `from` runs into the next day."""

    days: list[str] = msgspec.field(default_factory=lambda: list(DAYS[:5]))
    from_: str = msgspec.field(default="07:00", name="from")
    to: str = "19:00"


class Policy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    private: KindPolicy = KindPolicy()
    staff: KindPolicy = KindPolicy()
    relocation: KindPolicy = KindPolicy()
    maintenance: KindPolicy = KindPolicy()
    declared: Declared = Declared()
    retention: Retention = Retention()
    work: Work = Work()


_NOTHING: Final = KindPolicy(start=False, end=False)
STRICTEST: Final = Policy(_NOTHING, _NOTHING, _NOTHING, _NOTHING)
"""While the file is broken: what nobody asked for by name is not kept."""


def examine(file: str) -> tuple[Policy, tuple[Problem, ...]]:
    """file: as the settings name it, "" for the one that comes along. The policy to go by, and every problem with it;
    with any problem it is the strictest one.
    """
    path = Path(file) if file else SHIPPED
    table, problems = document(path, None, f"copy {SHIPPED} there, or name no file in the settings")
    if table is None:
        return STRICTEST, problems
    reading = Reading(str(path), RULES, judge)
    policy = reading.struct(Policy, table, "", "")
    for key, (problem, right) in _together(reading.values):
        reading.note(key, problem, right)
    good = not reading.problems and not isinstance(policy, Wrong)
    return policy if good and isinstance(policy, Policy) else STRICTEST, tuple(reading.problems)


def judge(key: str, value: object) -> Finding | None:
    """One value by itself."""
    rule = RULES.get(key)
    return None if rule is None or rule.accepts(value) else (f"{value!r} does not fit", rule.right)


def _between(low: float, high: float, unit: str) -> Rule:
    return Rule(lambda value: low <= value <= high, f"must lie between {low:g} and {high:g} {unit}")


_KINDS: Final = ("private", "staff", "relocation", "maintenance")
_PRECISION: Final = _between(1, 100_000, "metres")
_RETENTION: Final = _between(0, MOST_DAYS, "days")
_HOUR: Final = 'must be a time of day such as "07:00"'

RULES: Final[Mapping[str, Rule]] = {
    "private.track": Rule(
        lambda on: on is False,
        "must be false: a car sharer was fined for the track of private drives (CNIL, SAN-2022-015); the place of a "
        "start or an end, and a declared theft or call for assistance, stay possible (R27)",
    ),
    **{f"{kind}.every_s": _between(1, 86_400, "seconds") for kind in _KINDS},
    **{f"{kind}.precision_m": _PRECISION for kind in (*_KINDS, "declared")},
    "retention.position_days": _RETENTION,
    "retention.sample_days": _RETENTION,
    "work.days": Rule(
        lambda days: len(set(days)) == len(days) and set(days) <= set(DAYS), f"must list days: {', '.join(DAYS)}"
    ),
    "work.from": Rule(lambda text: CLOCK.fullmatch(text) and text != "24:00", _HOUR),
    "work.to": Rule(CLOCK.fullmatch, _HOUR + ' or "24:00"'),
}


def _together(values: Mapping[str, Any]) -> Iterator[tuple[str, Finding]]:
    if "work.to" in values and values["work.to"] == values.get("work.from"):
        right = 'must differ from work.from; "00:00" to "24:00" is the whole day'
        yield "work.to", (f"{values['work.to']!r} is when work begins", right)
