"""A `PhonePort` in memory: links that a test opens, what was answered on each."""

from __future__ import annotations

import asyncio
import itertools
from collections import defaultdict

from drivers.phones import LinkClosed, LinkOpened, PhoneMessage
from drivers.ports import Clock


class StandInPort:
    """gone: links whose phone fetches nothing any more."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._events: asyncio.Queue[LinkOpened | PhoneMessage | LinkClosed] = asyncio.Queue()
        self._numbers = itertools.count(1)
        self.said: defaultdict[int, list[tuple[int, bytes]]] = defaultdict(list)
        self.tags: list[bytes] = []
        self.gone: set[int] = set()
        self.trouble = ""
        self.closed = False

    def connect(self) -> int:
        link = next(self._numbers)
        self._events.put_nowait(LinkOpened(link, self._clock.now()))
        return link

    def write(self, link: int, kind: int, body: bytes) -> None:
        self._events.put_nowait(PhoneMessage(link, kind, body, self._clock.now()))

    def leave(self, link: int) -> None:
        self.gone.add(link)
        self._events.put_nowait(LinkClosed(link))

    @property
    def waiting(self) -> int:
        """Events that nobody has taken yet."""
        return self._events.qsize()

    # --- the port

    async def next_event(self) -> LinkOpened | PhoneMessage | LinkClosed:
        return await self._events.get()

    def answer(self, link: int, kind: int, body: bytes) -> bool:
        if link in self.gone:
            return False
        self.said[link].append((kind, body))
        return True

    def advertise(self, tag: bytes) -> None:
        self.tags.append(tag)

    def counters(self) -> dict[str, int]:
        return {"links": 0}

    async def close(self) -> None:
        self.closed = True
