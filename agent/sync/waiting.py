"""A bounded line of things that wait in memory. When it is full the oldest of the lesser ones goes, else the oldest,
and is counted."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

_T = TypeVar("_T")


class Waiting(Generic[_T]):
    """lesser: tells what may go before anything else. lost: how many went because there was no room."""

    def __init__(self, most: int, lesser: Callable[[_T], bool] | None = None) -> None:
        self._things: deque[_T] = deque()
        self._most, self._lesser = most, lesser
        self.lost = 0

    def __len__(self) -> int:
        return len(self._things)

    @property
    def oldest(self) -> _T:
        return self._things[0]

    def add(self, thing: _T) -> None:
        self._things.append(thing)
        self._make_room()

    def take(self) -> tuple[_T, ...]:
        """All of them; they wait no longer, unless given back."""
        things = tuple(self._things)
        self._things.clear()
        return things

    def give_back(self, things: Sequence[_T]) -> None:
        """Put what was taken before everything that came since."""
        self._things.extendleft(reversed(things))
        self._make_room()

    def _make_room(self) -> None:
        while len(self._things) > self._most:
            lesser = self._lesser
            del self._things[next((i for i, one in enumerate(self._things) if lesser(one)), 0) if lesser else 0]
            self.lost += 1
