"""A bus on which one unit says what the test wrote down, without any CAN: for questions and their answers."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Iterator

from tests.fakes.clock import ManualClock


class Line:
    """A bus line that says what it was given, frame by frame, and lets time go on where it says nothing."""

    def __init__(self, clock: ManualClock, frames: list[bytes], reply_id: int) -> None:
        self._clock, self._frames, self._reply_id = clock, deque(frames), reply_id
        self.inbox: deque[tuple[int, bytes]] = deque()
        self.sent = 0

    async def wait(self, timeout_s: float) -> None:
        if self._frames:
            self.inbox.append((self._reply_id, self._frames.popleft()))
            self._clock.move(0.001)
        else:
            self._clock.move(timeout_s)

    async def send(self, can_id: int, data: bytes, timeout_s: float = 0.5) -> None:
        assert len(data) <= 8
        self.sent += 1


class Bus:
    """frames: what the unit says under its id, one at each wait."""

    def __init__(self, frames: list[bytes], reply_id: int) -> None:
        self.clock = ManualClock()
        self.opened = Line(self.clock, frames, reply_id)

    @contextlib.contextmanager
    def line(self, hears: tuple[int, ...]) -> Iterator[Line]:
        yield self.opened
