"""Service: once a second it looks at the car and writes down legs, plug events and samples, as far as privacy lets it.

What is not here: opening and closing bookings (`agent/access/`) and hearing the car (`vehicle.py`).
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from config.settings import Tracking
from config.vocabulary import ENERGY, IGNITION, ODOMETER, PLUGGED, RANGE, SOC, SOC_FINE, VOCABULARY, Signal
from drivers.ports import Clock, Instant

from ..sync.store import Fact, SampleRow, Store, StoreBroken
from .legs import Change, step
from .privacy import for_leg, may_keep_position
from .sampler import COLUMNS, due, values
from .state import CarState, Moving, Reading
from .under_way import BOOKING_KEY, LEG_KEY, UnderWay, completed

log = logging.getLogger(__name__)

TICK_S: Final = 1.0
KEEP_EVERY_NS: Final = 60_000_000_000  # the car's newest numbers, while they change: what a power cut may cost of them
CAR_KEY: Final = "car/last"
REMEMBERED: Final = (ODOMETER, SOC, SOC_FINE, ENERGY, RANGE, PLUGGED)


class Journey:
    """under: shared with the door, which opens and closes bookings; this writes legs. stamp: wall interval and its
    source.
    """

    name = "journey"
    vital = False

    def __init__(
        self,
        clock: Clock,
        store: Store,
        car: CarState,
        under: UnderWay,
        stamp: Callable[[Instant], tuple[list[int] | None, str]],
        tracking: Tracking,
    ) -> None:
        self._clock, self._store, self._car, self._under = clock, store, car, under
        self._stamp, self._tracking = stamp, tracking
        self._plugged: str | None = None
        self._sampled_ns: int | None = None
        self._unbooked = 0
        self._columns_said = False
        self._kept = b""
        self._kept_ns = clock.now().ns
        self.ticked_ns = clock.now().ns

    async def load(self) -> None:
        """The car's last numbers, from before the power was cut; what is under way is loaded by the door."""
        vault = await self._store.read(CAR_KEY)
        try:
            last = json.loads(vault.get(CAR_KEY, b"{}"))
            known = [Signal(name, last[name], 0) for name in REMEMBERED if last.get(name) is not None]
        except (ValueError, AttributeError):
            known = []
        self._car.recall(known)
        self._kept = self._numbers()
        plugged = self._last(PLUGGED)
        self._plugged = plugged if isinstance(plugged, str) else None

    async def run(self) -> None:
        while True:
            await self.tick()
            self.ticked_ns = self._clock.now().ns
            await self._clock.sleep(TICK_S)

    async def close(self) -> None:
        """A clean stop saves the newest numbers; a power cut loses at most a minute of them."""
        await self._write([], {}, ())

    async def tick(self) -> None:
        now = self._clock.now()
        reading = self._reading(now)
        facts = self._plug(reading)
        leg_facts, put, drop = self._legs(reading)
        put |= self._start(reading)
        stale = now.ns - self._kept_ns >= KEEP_EVERY_NS and self._numbers() != self._kept
        if facts or leg_facts or put or drop or stale:
            await self._write([*facts, *leg_facts], put, drop)
        await self._sample(now)

    # --- parts of a tick; no await between looking and writing, so that the door cannot come in between

    def _legs(self, reading: Reading) -> tuple[list[Fact], dict[str, bytes], tuple[str, ...]]:
        under, open_ = self._under, self._under.booking
        had = under.leg
        number = open_.legs + 1 if open_ is not None else self._unbooked + 1
        booking = open_.booking if open_ is not None else None
        shown = for_leg(open_.kind if open_ is not None else None, reading)
        under.leg, changes = step(had, self._car.on(IGNITION), booking, number, shown)
        if not changes:
            return [], {}, ()
        put: dict[str, bytes] = {}
        if any(it.change is Change.OPENED for it in changes):
            if open_ is not None:
                under.booking = replace(open_, legs=number)
                put[BOOKING_KEY] = under.booking.to_bytes()
            else:
                self._unbooked = number
        if under.leg is not None:
            put[LEG_KEY] = under.leg.to_bytes()
        facts = [Fact("leg", it.body()) for it in changes if it.change is not Change.CHECKPOINT]
        return facts, put, (LEG_KEY,) if under.leg is None else ()

    def _start(self, reading: Reading) -> dict[str, bytes]:
        """A start reading that the sleeping car could not give is completed before the first leg is over."""
        open_ = self._under.booking
        if open_ is None or open_.legs > 1 or (open_.legs == 1 and self._under.leg is None):
            return {}
        better = completed(open_, reading, self._car.provisional())
        if better == open_:
            return {}
        self._under.booking = better
        return {BOOKING_KEY: better.to_bytes()}

    def _plug(self, reading: Reading) -> list[Fact]:
        signal = self._car.fresh(PLUGGED)
        if signal is None or signal.value == self._plugged:
            return []
        before, self._plugged = self._plugged, str(signal.value)
        if before is None:
            return []
        open_ = self._under.booking
        event = "plugged" if self._plugged == "yes" else "unplugged"
        body = {"event": event, "booking": open_.booking if open_ is not None else None, "reading": reading}
        return [Fact("plug", body)]

    async def _sample(self, now: Instant) -> None:
        open_ = self._under.booking
        driving = self._car.on(IGNITION) is True or self._car.moving(now.ns) is not Moving.NO
        since_ms = None if self._sampled_ns is None else (now.ns - self._sampled_ns) // 1_000_000
        if not due(since_ms, driving, open_ is not None):
            return
        row = values(self._car, now.ns, self._position(now))
        if row is None:
            return
        await self._say_columns()
        self._sampled_ns = now.ns
        self._store.sample(SampleRow(now, open_.booking if open_ is not None else None, row))

    async def _say_columns(self) -> None:
        if self._columns_said or self._store.broken:
            return
        entries = [VOCABULARY[name] for name in COLUMNS]
        try:
            await self._store.use_columns(COLUMNS, [it.step for it in entries], [it.unit for it in entries])
            self._columns_said = True
        except StoreBroken:
            log.warning("the database is broken; samples wait")

    # --- inside

    def _position(self, now: Instant) -> bool:
        kind = self._under.booking.kind if self._under.booking is not None else None
        return may_keep_position(kind, self._tracking)

    def _reading(self, now: Instant) -> Reading:
        wall, _ = self._stamp(now)
        return self._car.reading(now, wall, self._position(now))

    def _numbers(self) -> bytes:
        return json.dumps({name: self._last(name) for name in REMEMBERED}, separators=(",", ":")).encode()

    def _last(self, name: str) -> float | str | None:
        signal = self._car.value(name)
        return signal.value if signal is not None else None

    async def _write(self, facts: list[Fact], put: dict[str, bytes], drop: tuple[str, ...]) -> None:
        """Always with the car's newest numbers."""
        self._kept, self._kept_ns = self._numbers(), self._clock.now().ns
        try:
            await self._store.commit(facts, put={**put, CAR_KEY: self._kept}, drop=drop)
        except StoreBroken:
            log.warning("the database is broken; %d facts are kept in memory", len(facts))
