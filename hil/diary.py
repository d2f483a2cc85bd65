"""What really happened, moment by moment, and what the car's instruments truly showed then.

What is not here: any opinion of the box or the backend.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass

from .truth import CarTruth


@dataclass(frozen=True, slots=True)
class Moment:
    """at_ms: milliseconds since 1970. what and value: for instance ("lock", "unlocked"), ("plug", "in"), ("tap", uid).

    detail: who or why; for a lock "relay", "diagnostic" or "hand". truth: the car just after it. position: lat, lon.
    """

    at_ms: int
    what: str
    value: str
    detail: str
    truth: CarTruth
    position: tuple[float, float]


class Diary:
    """In the order of time. Between two moments the car is taken to change evenly."""

    def __init__(self) -> None:
        self.moments: list[Moment] = []

    def write(
        self, at_ms: int, what: str, value: str, detail: str, truth: CarTruth, position: tuple[float, float]
    ) -> None:
        if self.moments:
            at_ms = max(at_ms, self.moments[-1].at_ms)  # a stepped wall clock must not turn the order round
        self.moments.append(Moment(at_ms, what, value, detail, truth, position))

    def of(self, *what: str) -> list[Moment]:
        return [moment for moment in self.moments if moment.what in what]

    def odometer_km(self, at_ms: float) -> float:
        return self._between(at_ms, "odometer_km")

    def energy_kwh(self, at_ms: float) -> float:
        return self._between(at_ms, "energy_kwh")

    def soc_percent(self, at_ms: float) -> float:
        return self._between(at_ms, "soc_percent")

    def truth(self, at_ms: float) -> CarTruth:
        """As it stood then: the last moment not after it (the first one, before all)."""
        return self.moments[self._index(at_ms)].truth

    def spread(self, name: str, low_ms: float, high_ms: float) -> tuple[float, float]:
        """The least and the greatest value of an instrument in that stretch of time."""
        inside = self.moments[self._index(low_ms) + 1 : self._index(high_ms) + 1]
        values = [self._between(low_ms, name), self._between(high_ms, name)]
        values += [float(getattr(moment.truth, name)) for moment in inside]
        return min(values), max(values)

    def _index(self, at_ms: float) -> int:
        return max(0, bisect_right(self.moments, at_ms, key=lambda moment: moment.at_ms) - 1)

    def _between(self, at_ms: float, name: str) -> float:
        if not self.moments:
            raise ValueError("nothing has happened yet")
        index = self._index(at_ms)
        here = self.moments[index]
        value = float(getattr(here.truth, name))
        if index + 1 == len(self.moments) or at_ms <= here.at_ms:
            return value
        there = self.moments[index + 1]
        share = (at_ms - here.at_ms) / max(1, there.at_ms - here.at_ms)
        return value + (float(getattr(there.truth, name)) - value) * min(1.0, share)
