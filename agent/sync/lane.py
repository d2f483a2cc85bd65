"""What one stream's sender remembers: how far it has sent, what waits for the backend's word, and when to begin again.

Pure and in memory only: after a restart or a lost connection everything not acknowledged is simply sent again.
"""

from __future__ import annotations

import random
from bisect import bisect_right
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

RESEND_S: Final = 30.0
RESEND_MOST_S: Final = 600.0
AWAITED: Final = 64  # batches sent beyond the last word: a backend that is away must not cost a month of data volume


@dataclass(slots=True)
class Lane:
    """cursor: highest number sent. awaited: of each batch sent the numbers not acknowledged. missed: the backend took
    back its word for some, so that they are to be sent again."""

    rng: random.Random
    stream: str = ""
    cursor: int = 0
    awaited: deque[list[int]] = field(default_factory=deque)
    missed: bool = False
    resend_s: float = RESEND_S
    resend_at_ns: int = 0
    resent: int = 0

    @property
    def open(self) -> bool:
        return len(self.awaited) < AWAITED

    def on_stream(self, stream: str) -> bool:
        """False when the stream is another one than last time (the database was replaced): begin from its first
        number."""
        if stream == self.stream:
            return True
        self.stream = stream
        self.rewind()
        return False

    def sent(self, numbers: Sequence[int], now_ns: int) -> None:
        """A batch went out: its numbers, rising."""
        if not self.awaited and not self.missed:
            self._wait(now_ns)
        self.cursor = numbers[-1]
        self.awaited.append(list(numbers))

    def acknowledged(self, spans: Sequence[tuple[int, int]], reopened: bool, now_ns: int) -> None:
        """All that the backend has, as spans in order, and whether it had more before. Patience starts anew when the
        oldest is among it: progress with what came later must not keep that one from being sent again.
        """
        starts, oldest = [first for first, _ in spans], self._oldest

        def lacks(number: int) -> bool:
            place = bisect_right(starts, number)
            return place == 0 or spans[place - 1][1] < number

        left = [[number for number in batch if lacks(number)] for batch in self.awaited]
        self.awaited = deque(batch for batch in left if batch)
        if self._oldest != oldest:
            self.resend_s = RESEND_S
        if not self.missed and (reopened or self._oldest != oldest):
            self._wait(now_ns)
        self.missed = self.missed or reopened

    def overdue(self, now_ns: int) -> bool:
        """True when everything is to be sent again, because no word came for too long; the next patience is twice as
        long."""
        if not (self.awaited or self.missed) or now_ns < self.resend_at_ns:
            return False
        self.resend_s = min(RESEND_MOST_S, self.resend_s * 2)
        self.resent += 1
        self.rewind()
        return True

    def rewind(self) -> None:
        """Begin again with the oldest that is not acknowledged."""
        self.cursor, self.missed = 0, False
        self.awaited.clear()

    def fresh(self) -> None:
        """A new connection: begin again, with the first patience."""
        self.rewind()
        self.resend_s = RESEND_S

    @property
    def _oldest(self) -> int:
        return self.awaited[0][0] if self.awaited else 0

    def _wait(self, now_ns: int) -> None:
        self.resend_at_ns = now_ns + round(self.resend_s * self.rng.uniform(0.8, 1.2) * 1e9)
