"""Facts of a whole fleet, gathered in any order and as often as they come, and when what they tell of happened. Pure.

Gathering is a union: the same facts in any order, in any batches, however often, make the same set. What is not here:
bills (`bills.py`) and charges (`charge_sessions.py`), which are read off that set.
"""

from __future__ import annotations

import json
import sqlite3
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from statistics import median_low
from typing import Any, Final

from .payload import Fact

Key = tuple[str, str, int]
Gathered = dict[Key, Fact]
WITNESSES: Final = 5  # the nearest words of a boot about the time; one that is wrong is outvoted
READINGS: Final = ("start", "end", "reading", "plug_in", "unplug")


@dataclass(frozen=True, slots=True)
class Moment:
    """Between lo and hi, milliseconds since 1970; the same where the boot itself knew the time."""

    lo: int
    hi: int

    @property
    def sure(self) -> bool:
        return self.lo == self.hi


def gather(facts: Iterable[Fact], into: Mapping[Key, Fact] | None = None) -> Gathered:
    """One fact a (vehicle, stream, number). A number with two contents is a broken promise; of these always the same
    one counts, whichever came first.
    """
    found = dict(into or {})
    for fact in facts:
        key = (fact.vehicle, fact.stream, fact.n)
        if key not in found or fact.item < found[key].item:
            found[key] = fact
    return found


def held_facts(database: Path) -> list[Fact]:
    """All that the receiver holds (`holdings.py`). Opens for reading only; raises `sqlite3.Error`."""
    sql = "SELECT vehicle, stream, n, kind, boot, at, wall_lo, wall_hi, source, body, item FROM facts"
    with closing(sqlite3.connect(f"{database.resolve().as_uri()}?mode=ro", uri=True)) as db:
        rows = db.execute(sql).fetchall()
    return [
        Fact(vehicle, stream, n, kind, boot, at, None if lo is None else (lo, hi), source, json.loads(body), item)
        for vehicle, stream, n, kind, boot, at, lo, hi, source, body, item in rows
    ]


class Clock:
    """When a car's readings were taken: by boot and milliseconds since then. A wall time alone decides nothing: a
    boot's own words about the time outvote one that is wrong, and within a boot only `at` counts (`lasted_ms`).
    """

    def __init__(self, gathered: Mapping[Key, Fact]) -> None:
        told: defaultdict[tuple[str, str], set[tuple[int, int]]] = defaultdict(set)
        streams: defaultdict[tuple[str, str], list[Fact]] = defaultdict(list)
        for fact in gathered.values():
            streams[fact.vehicle, fact.stream].append(fact)
            for boot, at, wall in _words(fact):
                told[fact.vehicle, boot].add((at, (wall[0] + wall[1]) // 2 - at))
        self._told = {boot: sorted(words) for boot, words in told.items()}
        self._streams = {name: sorted(facts, key=lambda it: it.n) for name, facts in streams.items()}

    def of(self, reading: object, told_by: Fact) -> Moment | None:
        """When a reading was taken; of a boot that never knew the time, between those before and after it, where there
        are such. told_by: the fact that it stands in.
        """
        if not isinstance(reading, dict) or not isinstance(reading.get("at"), int):
            return None
        boot, at = str(reading.get("boot")), reading["at"]
        when = self._when(told_by.vehicle, boot, at)
        return Moment(when, when) if when is not None else self._between(told_by, boot, at)

    def of_fact(self, fact: Fact) -> int | None:
        return self._when(fact.vehicle, fact.boot, fact.at)

    def heard_through(self, fact: Fact, until_ms: int) -> bool:
        """Whether everything that the car wrote from this fact to that time is held: no number is missing, and what
        follows is later.
        """
        facts = self._streams[fact.vehicle, fact.stream]
        n = fact.n
        for it in facts[bisect_left(facts, n, key=lambda it: it.n) :]:
            if it.n != n:
                return False
            n += 1
            when = self.of_fact(it)
            if when is not None and when >= until_ms:
                return True
        return False

    def after(self, fact: Fact) -> list[Fact]:
        """What its stream says later."""
        facts = self._streams[fact.vehicle, fact.stream]
        return facts[bisect_left(facts, fact.n + 1, key=lambda it: it.n) :]

    def _when(self, vehicle: str, boot: str, at: int) -> int | None:
        words = self._told.get((vehicle, boot))
        if not words:
            return None
        place = bisect_left(words, (at, 0))
        near = words[max(0, place - WITNESSES) : place + WITNESSES]
        near.sort(key=lambda word: (abs(word[0] - at), word))
        return at + median_low(offset for _, offset in near[:WITNESSES])

    def _between(self, told_by: Fact, boot: str, at: int) -> Moment | None:
        """Facts are numbered in the order of time, and a boot is over when the next one begins."""
        facts = self._streams[told_by.vehicle, told_by.stream]
        own = [place for place, it in enumerate(facts) if it.boot == boot]
        if not own:
            return None
        first, last = own[0], own[-1]
        earlier = (self.of_fact(it) for it in reversed(facts[:first]))
        later = (self._when(it.vehicle, it.boot, 0) for it in facts[last + 1 :])
        before = next((when for when in earlier if when is not None), None)
        after = next((when for when in later if when is not None), None)
        if before is None or after is None:
            return None
        lo = before + at
        return Moment(lo, max(lo, after - max(0, facts[last].at - at)))


def start_of(fact: Fact) -> object:
    """What tells one opening, or one charge, from another: the car, and where its boot's clock stood."""
    start = fact.body.get("start")
    if not isinstance(start, dict):
        return fact.vehicle, fact.stream, fact.n
    return fact.vehicle, str(start.get("boot")), str(start.get("at"))


def lasted_ms(start: object, end: object, begun: Moment | None, ended: Moment | None) -> int | None:
    """By the board's own clock within one boot. Across boots what can be proved, at the least: from the latest
    beginning to the earliest end; None when nothing can.
    """
    if isinstance(start, dict) and isinstance(end, dict) and start.get("boot") == end.get("boot"):
        first, last = start.get("at"), end.get("at")
        if isinstance(first, int) and isinstance(last, int):
            return max(0, last - first)
    return None if begun is None or ended is None else max(0, ended.lo - begun.hi)


def _words(fact: Fact) -> Iterator[tuple[str, int, tuple[int, int]]]:
    """Boot, milliseconds in it, and the true time's bounds then: of the fact, and of the readings in it."""
    if fact.wall is not None:
        yield fact.boot, fact.at, fact.wall
    for name in READINGS:
        reading: Any = fact.body.get(name)
        if isinstance(reading, dict) and isinstance(reading.get("at"), int) and _pair(reading.get("wall")):
            yield str(reading.get("boot")), reading["at"], (reading["wall"][0], reading["wall"][1])


def _pair(wall: object) -> bool:
    return isinstance(wall, list) and len(wall) == 2 and all(isinstance(end, int) for end in wall)
