"""Service: once a second it looks at the car and writes down legs, charges, plug events and samples, as far as privacy
lets it.

What is not here: what a look means (`course.py`), opening and closing bookings (`agent/access/`), and hearing the car
(`vehicle.py`).
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import Final, TypeGuard

from config.privacy import Policy
from config.vocabulary import ENERGY, IGNITION, ODOMETER, PLUGGED, RANGE, SOC, SOC_FINE, VOCABULARY, Signal
from drivers.ports import Clock, Instant

from ..sync import stored
from ..sync.store import Fact, SampleRow, Store, StoreBroken
from . import course
from .look import look_at
from .privacy import Kept, Place, track
from .sampler import COLUMNS, due, fresh_fix, values
from .state import CarState, Moving
from .under_way import UnderWay

log = logging.getLogger(__name__)

TICK_S: Final = 1.0
KEEP_EVERY_NS: Final = 60_000_000_000  # the car's newest numbers, while they change: what a power cut may cost of them
SEEN_EVERY_NS: Final = 600_000_000_000  # that a plugged car which does nothing was watched all the same
CAR_KEY: Final = "car/last"
REMEMBERED: Final = (ODOMETER, SOC, SOC_FINE, ENERGY, RANGE, PLUGGED)


class Journey:
    """under: shared with the door, which opens and closes bookings; this moves on the rest. stamp: wall interval and
    its source.
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
        policy: Policy,
    ) -> None:
        self._clock, self._store, self._car, self._under = clock, store, car, under
        self._stamp, self._policy = stamp, policy
        self._track: Kept | None = None
        self._sampled_ns: int | None = None
        self._columns_said = False
        self._kept = b""
        self._kept_ns = clock.now().ns
        self.ticked_ns = clock.now().ns

    async def load(self) -> None:
        """The car's last numbers, and what was under way, from before the power was cut; booking and leg are loaded by
        the door.
        """
        vault = await self._store.read("")
        try:
            last = stored.value(dict[str, float | str | None], vault.get(CAR_KEY, b"{}"))
        except ValueError:
            last = {}
        said = ((name, last.get(name)) for name in REMEMBERED)
        self._car.recall([Signal(name, value, 0) for name, value in said if _fits(value, name)])
        self._kept = self._numbers()
        self._under.follow(course.from_vault(vault, self._under.booking, self._under.leg))

    async def run(self) -> None:
        while True:
            await self.tick()
            self.ticked_ns = self._clock.now().ns
            await self._clock.sleep(TICK_S)

    async def close(self) -> None:
        """A clean stop saves the newest of everything; a power cut loses at most ten seconds of a drive, and a minute
        of the numbers of a car that stands.
        """
        put, drop = course.changes(self._under.course(), self._under.course())
        await self._write([], put, drop)

    async def tick(self) -> None:
        now = self._clock.now()
        wall, _ = self._stamp(now)
        before = self._under.course()
        after, told = course.step(before, look_at(self._car, now, wall))
        self._under.follow(after)
        # No await until here, so that the door cannot come in between.
        put, drop = course.changes(before, after)
        if told or course.worth_a_commit(before, after) or self._due(now, len(drop) < 2):
            await self._write([Fact(kind, body, now) for kind, body in told], put, drop)
        elif len(drop) < 2:
            self._store.ride({**put, CAR_KEY: self._numbers()})
        await self._sample(now)

    # --- parts of a tick

    def _due(self, now: Instant, under_way: bool) -> bool:
        """Whether it is time to write what changed by itself."""
        since_ns = now.ns - self._kept_ns
        return since_ns >= KEEP_EVERY_NS and (
            self._numbers() != self._kept or (under_way and since_ns >= SEEN_EVERY_NS)
        )

    async def _sample(self, now: Instant) -> None:
        open_ = self._under.booking
        driving = self._car.on(IGNITION) is True or self._car.moving(now.ns) is not Moving.NO
        since_ms = None if self._sampled_ns is None else (now.ns - self._sampled_ns) // 1_000_000
        if not due(since_ms, driving, open_ is not None):
            return
        row = values(self._car, self._place(now))
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

    def _place(self, now: Instant) -> Place | None:
        """The next position of a track, where there may be one, and no sooner than the policy says (P4)."""
        open_, last, wall = self._under.booking, self._track, self._stamp(now)[0]
        number, kind = (open_.booking, open_.kind) if open_ is not None else (0, None)
        fix = fresh_fix(self._car, now.ns)
        self._track = track(last, number, kind, self._policy, wall, now.ns // 1_000_000, fix)
        return None if self._track is None or self._track is last else self._track.place

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


def _fits(value: float | str | None, name: str) -> TypeGuard[float | str]:
    """Whether this may be a value of the signal."""
    states = VOCABULARY[name].states
    return value in states if states else isinstance(value, int | float)
