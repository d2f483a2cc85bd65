"""What single words of the car mean for its readings: which field each fills, whether it shows movement, since when a
state says the same, what was told since, and which words of the odometer count.

What is not here: the words themselves and what may be believed of them (`state.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from config.vocabulary import ENERGY, IGNITION, ODOMETER, PLUGGED, RANGE, SOC, SOC_FINE, SPEED, Signal

from .reading import reach_km

CREEP_KMH: Final = 1.0
TIMED: Final = frozenset({IGNITION, PLUGGED})
READ: Final = frozenset({ODOMETER, SOC, SOC_FINE, ENERGY, RANGE})
"""What a reading is made of, beside the cable: asked for anew at each change of the car."""
STANDS_NS: Final = 10_000_000_000  # longer than any interval in which the kernel keeps a change back


class Turns:
    """at_ns: since when ignition and cable say what they say now, by the time of their word. told: what was heard of
    the readings since the ignition turned; by arrival, for the kernel hands out slow frames late.
    """

    def __init__(self) -> None:
        self.at_ns: dict[str, int] = {}
        self.told: set[str] = set()

    def heard(self, before: Signal | None, signal: Signal) -> None:
        if signal.name in READ:
            self.told.add(signal.name)
        elif signal.name in TIMED and (before is None or before.value != signal.value):
            self.at_ns[signal.name] = signal.at_ns
            if signal.name == IGNITION:
                self.told.clear()


class Odometer:
    """Which of its words count. One that says more than can have been driven since the last is held back: a unit may
    say anything for a moment. It counts once the car goes on from there, or, where the car tells each change by itself,
    once it said nothing else for ten seconds: a unit may also have been replaced. What falls is let through, for who
    reads it sees that it fell (`reading.driven_km`), but nothing is reckoned from it until the car goes on from there.

    held_back: so many were. A car that was silent meanwhile may have been driven all that time.
    """

    def __init__(self) -> None:
        self._last: Signal | None = None
        self._doubted: Signal | None = None
        self._silent = False
        self.held_back = 0

    def believed(self, signals: Iterable[Signal], asked: bool) -> Iterator[Signal]:
        """What is to be believed of these, in their order. asked: the car tells its odometer only when it is asked."""
        for signal in signals:
            if signal.name != ODOMETER:
                yield from () if asked else self._stood(signal.at_ns)
                yield signal
            elif self._counts(signal, asked):
                yield signal

    def silent(self) -> None:
        """It comes no more, or the bus was lost."""
        self._silent, self._doubted = True, None

    def _counts(self, signal: Signal, asked: bool) -> bool:
        last, doubted = self._last, self._doubted
        fell = last is not None and _km(signal) < _km(last)
        known = last is None or self._goes_on(last, signal, asked) or (
            doubted is not None and self._goes_on(doubted, signal, asked)
        )  # fmt: skip
        self._last, self._doubted = (signal, None) if known else (last, signal)
        self._silent = False
        self.held_back += not (known or fell)
        return known or fell

    def _goes_on(self, before: Signal, after: Signal, asked: bool) -> bool:
        """Without a silence, one that is not asked said the same all the time until now."""
        passed_ns = after.at_ns - before.at_ns
        passed_ns = passed_ns if asked or self._silent else min(passed_ns, STANDS_NS)
        return 0 <= _km(after) - _km(before) <= reach_km(passed_ns / 1e9)

    def _stood(self, now_ns: int) -> Iterator[Signal]:
        doubted = self._doubted
        if doubted is not None and now_ns - doubted.at_ns >= STANDS_NS:
            self._last, self._doubted = doubted, None
            yield doubted


def _km(signal: Signal) -> float:
    return float(signal.value)


def fields(names: Iterable[str], *, shown: bool) -> tuple[str, ...]:
    """Fields of a reading that these signals fill. shown: whether the dashboard's state of charge is known, which goes
    before the battery's own.
    """
    named = set(names)
    sources = {
        "odometer_km": ODOMETER, "soc_percent": SOC if shown else SOC_FINE, "energy_kwh": ENERGY, "range_km": RANGE,
        "plugged": PLUGGED,
    }  # fmt: skip
    return tuple(field for field, signal in sources.items() if signal in named)


def shows_movement(before: Signal | None, signal: Signal) -> bool:
    if isinstance(signal.value, str):
        return False
    if signal.name == SPEED:
        return signal.value >= CREEP_KMH
    return signal.name == ODOMETER and before is not None and signal.value != before.value
