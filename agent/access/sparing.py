"""Pure: how many refusals of phones, and of badges and codes, become facts. Each is a row and a flush of the card, and
whoever has an old token, or any card, can ask without end; what is beyond is answered like any other, and counted.

What is not here: what a refusal is and who is told of it (`beside.py`, `decisions.py`).
"""

from __future__ import annotations

from typing import Final

from drivers.reader.badge import Limit

EACH: Final = 5  # of one token, badge or keypad at once, as many as a reader takes
ALL: Final = 20  # of all together, for who has many old tokens
AGAIN_NS: Final = 60_000_000_000  # then one a minute
TOKENS: Final = 64  # remembered, the longest unheard of goes first; what all have together is bounded all the same


class Sparing:
    """In memory only: nobody beside the car can start the program again."""

    def __init__(self) -> None:
        self._all = Limit(ALL, AGAIN_NS)
        self._each: dict[str, Limit] = {}

    def take(self, token: str, now_ns: int) -> bool:
        """Whether a refusal may be a fact now. token: its name, or of what was presented. now_ns: of monotonic time."""
        mine = self._each.pop(token, None) or Limit(EACH, AGAIN_NS)
        self._each[token] = mine
        while len(self._each) > TOKENS:
            del self._each[next(iter(self._each))]
        return mine.take(now_ns) and self._all.take(now_ns)
