"""What every part counts, in one place: alarms that are raised once and cleared once, and one status for people.

What is not here: who may ask (`control.py`), and what a part counts.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections import deque
from collections.abc import Callable, Mapping

from drivers.ports import Clock

from ..sync.store import Fact, Store, StoreBroken

log = logging.getLogger(__name__)

RECORD_EVERY_S = 60.0
WAITING_FACTS = 100  # alarms come by the dozen at worst; more means one that flaps

Source = Callable[[], object]


class Alarms:
    """Raise once, clear once. Never blocks: the facts are committed by `Health`."""

    def __init__(self) -> None:
        self._standing: dict[str, Mapping[str, object]] = {}
        self.news: deque[Fact] = deque(maxlen=WAITING_FACTS)
        self.wake = asyncio.Event()

    def raised(self, name: str, **detail: object) -> None:
        """name: a short word, or `word:part`. detail: JSON-able; no position, no token."""
        if name in self._standing:
            return
        self._standing[name] = detail
        log.warning("alarm %s: %s", name, detail)
        self._tell(name, "raised", detail)

    def cleared(self, name: str) -> None:
        if self._standing.pop(name, None) is not None:
            log.info("alarm %s is over", name)
            self._tell(name, "cleared", {})

    def judged(self, name: str, holds: bool, **detail: object) -> None:
        """Raised while it holds, cleared when it does not."""
        if holds:
            self.raised(name, **detail)
        else:
            self.cleared(name)

    def standing(self) -> dict[str, Mapping[str, object]]:
        return dict(self._standing)

    def _tell(self, name: str, event: str, detail: Mapping[str, object]) -> None:
        self.news.append(Fact("alarm", {"name": name, "event": event, "detail": dict(detail)}))
        self.wake.set()


class Health:
    """Service: writes alarms down as they come, looks at the conditions and logs one line a minute.

    sources: part → what it counts, for `status`. conditions: alarm → whether it holds now.
    """

    name = "health"
    vital = False

    def __init__(self, clock: Clock, store: Store, alarms: Alarms) -> None:
        self._clock, self._store, self._alarms = clock, store, alarms
        self.sources: dict[str, Source] = {}
        self.conditions: dict[str, Callable[[], bool]] = {}

    def status(self) -> dict[str, object]:
        """Everything that is counted, by part; a part that cannot tell says why instead of failing the rest."""
        return {name: self._tell(source) for name, source in self.sources.items()}

    def look(self) -> None:
        for name, holds in self.conditions.items():
            self._alarms.judged(name, holds())

    async def run(self) -> None:
        minute = asyncio.create_task(self._minutes(), name="a status line a minute")
        try:
            while True:
                await self._alarms.wake.wait()
                self._alarms.wake.clear()
                await self.write()
        finally:
            minute.cancel()

    async def write(self) -> None:
        """Alarms to disk; with the database broken the store keeps them, once, until it is whole again."""
        while self._alarms.news:
            facts = tuple(self._alarms.news)
            self._alarms.news.clear()
            with contextlib.suppress(StoreBroken):
                await self._store.commit(facts)

    async def close(self) -> None:
        await self.write()

    async def _minutes(self) -> None:
        while True:
            self.look()
            if self._alarms.news:
                self._alarms.wake.set()
            await self._clock.sleep(RECORD_EVERY_S)
            log.debug("%s", json.dumps(self.status(), separators=(",", ":"), default=str))

    @staticmethod
    def _tell(source: Source) -> object:
        try:
            return source()
        except Exception as exc:  # status is read when something is wrong: it must not be the next thing that fails
            log.exception("a part cannot tell its state")
            return {"error": f"{type(exc).__name__}: {exc}"}
