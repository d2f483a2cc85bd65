"""A measured number with what it was compared with, its target and the load of the machine at that moment.

What is not here: measuring (one module a subject) and the page (`page.py`).
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
Say = Callable[[str], None]


def load() -> float:
    """Runnable processes over the last minute; above the number of cores, times are those of a busy machine."""
    return round(os.getloadavg()[0], 2)


@dataclass(frozen=True, slots=True)
class Figure:
    """key: its name in JSON. value, beside_value: in `unit`. beside: what was measured in the same run.

    limit: of the value, or of the ratio value : beside_value where `of_ratio`; None for a figure without a target.
    at_least: the limit is a lower one. note: what a reader must know to believe the number.
    """

    key: str
    what: str
    value: float
    unit: str
    beside: str = ""
    beside_value: float | None = None
    limit: float | None = None
    of_ratio: bool = False
    at_least: bool = False
    note: str = ""
    load: float = field(default_factory=load)

    @property
    def ratio(self) -> float | None:
        """How many times the other one."""
        return self.value / self.beside_value if self.beside_value else None

    @property
    def met(self) -> bool | None:
        judged = self.ratio if self.of_ratio else self.value
        if self.limit is None or judged is None:
            return None
        return judged >= self.limit if self.at_least else judged <= self.limit

    @property
    def target(self) -> str:
        """In words, "" where there is none."""
        if self.limit is None:
            return ""
        sign = "≥" if self.at_least else "≤"
        if self.of_ratio:
            return f"{sign} 1/{1 / self.limit:.0f} of it" if self.limit < 1 else f"{sign} {self.limit:g} times it"
        return f"{sign} {number(self.limit)} {self.unit}"

    def asdict(self) -> dict[str, object]:
        """For JSON."""
        return {
            "what": self.what, "value": self.value, "unit": self.unit, "beside": self.beside,
            "beside_value": self.beside_value, "ratio": self.ratio, "target": self.target, "met": self.met,
            "load": self.load, "note": self.note,
        }  # fmt: skip


def number(value: float) -> str:
    """Three significant digits, thousands apart."""
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) < 100 else f"{value:.0f}"


def share(ratio: float) -> str:
    """A ratio as people say it: 3.2 times, or 1/80."""
    return f"{ratio:.2f} ×" if ratio >= 0.1 else f"1/{1 / ratio:.0f}"


def percentile(values: Sequence[float], percent: float) -> float:
    """The value that so many percent do not exceed (nearest rank)."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]
