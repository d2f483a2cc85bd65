"""A bounded line of things that wait in memory. When it is full the oldest goes, and is counted."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Generic, TypeVar

_T = TypeVar("_T")


class Waiting(Generic[_T]):
    """lost: how many went because there was no room."""

    def __init__(self, most: int) -> None:
        self._things: deque[_T] = deque(maxlen=most)
        self._most = most
        self.lost = 0

    def __len__(self) -> int:
        return len(self._things)

    @property
    def oldest(self) -> _T:
        return self._things[0]

    def add(self, thing: _T) -> None:
        self.lost += int(len(self._things) == self._most)
        self._things.append(thing)

    def take(self) -> tuple[_T, ...]:
        """All of them; they wait no longer, unless given back."""
        things = tuple(self._things)
        self._things.clear()
        return things

    def give_back(self, things: Sequence[_T]) -> None:
        """Put what was taken before everything that came since."""
        every = [*things, *self._things]
        self.lost += max(0, len(every) - self._most)
        self._things = deque(every, maxlen=self._most)
