"""Which words of the odometer count, one after the other.

What is not here: what is billed of them (`reading.py: driven_km`), and the satellites beside it (`crosscheck.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from config.vocabulary import ODOMETER, Signal

from .reading import reach_km

STANDS_NS: Final = 10_000_000_000  # longer than any interval in which the kernel keeps a change back


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
