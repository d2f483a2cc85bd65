"""Which of the car's signals are silent, and why: asleep, or for a reason that lets the car be driven unseen.

What is not here: the words themselves and what may be believed of them (`state.py`).
"""

from __future__ import annotations

from collections.abc import Iterable


class Silence:
    """stale: comes no more. recalled: of these, known from before a power cut only. unseen: silent for another reason
    than sleep. unasked: silent because this box may not ask, and since when (ns). cut: the same of a bus that was lost.
    """

    def __init__(self) -> None:
        self.stale: set[str] = set()
        self.recalled: set[str] = set()
        self.unseen: set[str] = set()
        self.unasked: dict[str, int] = {}
        self.cut: dict[str, int] = {}

    def heard(self, name: str) -> None:
        for names in (self.stale, self.recalled, self.unseen):
            names.discard(name)
        self.unasked.pop(name, None)
        self.cut.pop(name, None)

    def fell(self, names: Iterable[str], now_ns: int, *, ignition_on: bool, unasked: bool) -> None:
        """ignition_on: as last heard; a car sleeps only after it was off (R10)."""
        fallen = tuple(names)
        self.stale.update(fallen)
        if unasked:
            self.unasked = {**dict.fromkeys(fallen, now_ns), **self.unasked}
        if unasked or ignition_on:
            self.unseen.update(fallen)

    def lost(self, names: Iterable[str], now_ns: int) -> None:
        fallen = tuple(names)
        self.cut = {**dict.fromkeys(fallen, now_ns), **self.cut}
        self.stale.update(fallen)
        self.unseen.update(fallen)

    def recall(self, name: str) -> None:
        self.stale.add(name)
        self.recalled.add(name)
