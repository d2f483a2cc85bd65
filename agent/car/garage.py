"""The garage switch (R17): while it is on, this box asks and sends nothing on the car's bus but the door's own command.

It ends by itself. What is not here: who may turn it (`agent/access/remote.py`, the control socket), who obeys it
(`polling.py`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from drivers.ports import Clock, Instant
from keyless.claims import Interval

from ..sync import stored
from ..sync.store import Fact, Store, StoreBroken

log = logging.getLogger(__name__)

KEY: Final = "car/garage"
HOURS: Final = 12.0  # R17


class Visit(Struct, frozen=True):
    """boot, at_ns: when it was turned on. wall_s: the latest it can have been then, `None` where no clock knew.

    by: "local" (somebody at the box) or "command" (a technician's, signed).
    """

    by: str
    hours: float
    boot: str
    at_ns: int
    wall_s: float | None

    def left_s(self, now: Instant, time: Interval) -> float:
        """Seconds until it ends; 0 or less: it is over. In another boot by the trusted time, where both ends of it are
        known, and after its hours of that boot in any case.
        """
        whole_s = self.hours * 3_600
        if now.boot == self.boot:
            # A beginning that is still to come is a damaged one, and would keep it on for as long as it likes.
            return whole_s - (now.ns - self.at_ns) / 1e9 if self.at_ns <= now.ns else 0.0
        left_s = whole_s - now.ns / 1e9
        if self.wall_s is not None and time.hi_s is not None:
            left_s = min(left_s, self.wall_s + whole_s - time.lo_s)
        return left_s

    def to_bytes(self) -> bytes:
        return msgspec.json.encode(self)


def restored(data: bytes | None) -> Visit | None:
    """From the vault; what cannot be read is as if it were off."""
    try:
        found = None if data is None else stored.value(Visit, data)
        return None if found is None else replace(found, hours=min(HOURS, found.hours))
    except ValueError:
        return None


class Turn(Struct, frozen=True):
    """A turn of the switch that waits to be written. visit: `None` turns it off."""

    visit: Visit | None
    fact: Fact
    put: dict[str, bytes]
    drop: tuple[str, ...]


class Garage:
    """interval: the trusted clock's answer for an instant."""

    def __init__(self, clock: Clock, store: Store, interval: Callable[[Instant], Interval]) -> None:
        self._clock, self._store, self._interval = clock, store, interval
        self._visit: Visit | None = None

    async def load(self) -> None:
        """What earlier runs left; while the database is broken, what memory knows."""
        try:
            self._visit = restored((await self._store.read(KEY)).get(KEY))
        except StoreBroken:
            self._visit = None

    @property
    def on(self) -> bool:
        return self._left_s() > 0

    def status(self) -> dict[str, object]:
        left_s = self._left_s()
        on = self._visit is not None and left_s > 0
        return {"on": on, "by": self._visit.by if on and self._visit else None, "left_s": round(left_s) if on else 0}

    def turn(self, on: bool, by: str, hours: float = HOURS) -> Turn:
        """Prepared, for whoever writes it together with something of his own; `turned` makes it so."""
        now = self._clock.now()
        if not on:
            return Turn(None, _fact("off", by, None), {}, (KEY,))
        visit = Visit(by, min(hours, HOURS), now.boot, now.ns, self._interval(now).hi_s)
        return Turn(visit, _fact("on", by, visit.hours), {KEY: visit.to_bytes()}, ())

    def turned(self, turn: Turn) -> None:
        self._visit = turn.visit

    async def switch(self, on: bool, by: str, hours: float = HOURS) -> dict[str, object]:
        """Turn and write. With the database broken it holds until the next start."""
        turn = self.turn(on, by, hours)
        self.turned(turn)
        try:
            await self._store.commit((turn.fact,), put=turn.put, drop=turn.drop)
        except StoreBroken:
            log.warning("the database is broken; the garage switch is kept in memory")
        return self.status()

    async def look(self) -> None:
        """Once a second: it ends by itself."""
        if self._visit is not None and not self.on:
            log.info("the garage switch is over")
            await self.switch(False, "time")

    def _left_s(self) -> float:
        now = self._clock.now()
        return self._visit.left_s(now, self._interval(now)) if self._visit is not None else 0.0


def _fact(event: str, by: str, hours: float | None) -> Fact:
    return Fact("garage", {"event": event, "by": by, "hours": hours})
