"""What one stream's sender remembers: how far it has sent, what waits for the backend's word, and when to begin again.

Pure and in memory only: after a restart or a lost connection everything not acknowledged is simply sent again.
"""

from __future__ import annotations

import random
from collections import deque
from dataclasses import dataclass, field
from typing import Final

RESEND_S: Final = 30.0
RESEND_MOST_S: Final = 600.0
AWAITED: Final = 64  # batches sent beyond the last word: a backend that is away must not cost a month of data volume


@dataclass(slots=True)
class Lane:
    """cursor: highest number sent. awaited: last number of each batch sent and not acknowledged."""

    rng: random.Random
    stream: str = ""
    cursor: int = 0
    awaited: deque[int] = field(default_factory=deque)
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

    def sent(self, last: int, now_ns: int) -> None:
        if not self.awaited:
            self._wait(now_ns)
        self.cursor = last
        self.awaited.append(last)

    def acknowledged(self, upto: int, now_ns: int) -> None:
        """The backend got on: patience starts anew."""
        while self.awaited and self.awaited[0] <= upto:
            self.awaited.popleft()
        self.resend_s = RESEND_S
        self._wait(now_ns)

    def overdue(self, now_ns: int) -> bool:
        """True when everything is to be sent again, because no word came for too long; the next patience is twice as
        long."""
        if not self.awaited or now_ns < self.resend_at_ns:
            return False
        self.resend_s = min(RESEND_MOST_S, self.resend_s * 2)
        self.resent += 1
        self.rewind()
        return True

    def rewind(self) -> None:
        """Begin again with the oldest that is not acknowledged."""
        self.cursor = 0
        self.awaited.clear()

    def fresh(self) -> None:
        """A new connection: begin again, with the first patience."""
        self.rewind()
        self.resend_s = RESEND_S

    def _wait(self, now_ns: int) -> None:
        self.resend_at_ns = now_ns + round(self.resend_s * self.rng.uniform(0.8, 1.2) * 1e9)
