"""What the car last said, and what may still be believed of it: the one mutable view that every rule looks at.

What is not here: who tells it (`vehicle.py`, `position.py`) and what follows from it (`agent/access/booking.py`,
`legs.py`).

Three degrees, because a sleeping car says nothing (R10): *fresh*, the message still comes; *held*, the bus went to
sleep with the ignition off, so the last word stands (a door that moves wakes the bus); *unknown*, everything else.
Unknown never blocks an end.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from enum import StrEnum
from typing import Final

from msgspec.structs import replace

from config.settings import Station
from config.vocabulary import (
    DOORS,
    ENERGY,
    IGNITION,
    LOCKED,
    ODOMETER,
    PLUGGED,
    RANGE,
    SOC,
    SOC_FINE,
    SPEED,
    Signal,
)
from drivers.ports import Clock, Fix, Instant

from .heard import CREEP_KMH, Turns, fields, shows_movement
from .reading import Reading
from .silence import Silence
from .stations import Where, locate

FIX_FRESH_NS: Final = 30_000_000_000
NO_FIX_NS: Final = 600_000_000_000  # without a fix for so long, an end waits for none (R1)
ROLLS: Final = 3  # fast fixes in a row: one alone may be a reflection, and a sleeping car must not be asked for it
GNSS_MOVES_MPS: Final = 3.0  # a standing receiver's speed noise stays well below
STANDS_MPS: Final = 1.0
STANDS_NS: Final = 120_000_000_000  # of slow fixes in a row: longer than most traffic lights
UNASKED_NS: Final = 600_000_000_000  # without a receiver: so long after this box stopped asking
ODOMETER_SLACK_M: Final = 1_000.0  # some cars count whole kilometres


class Moving(StrEnum):
    NO = "no"
    MAYBE = "maybe"
    YES = "yes"


class CarState:
    """Written by the services of the car, read by everybody. Values outlive silence; belief does not.

    receiver: whether one is fitted; without it, or without stations, a booking may end anywhere (`stations.py`).
    """

    def __init__(self, clock: Clock, stations: Iterable[Station] = (), *, receiver: bool = True) -> None:
        self._clock = clock
        self._stations, self._receiver = tuple(stations), receiver
        self._nowhere = Where(anywhere=not (self._stations and receiver))
        self._signals: dict[str, Signal] = {}
        self._silence = Silence()
        self._turns = Turns()
        self._lost = False
        self._fix: Fix | None = None
        self._fix_odometer: float | None = None
        self._began_ns = self._moved_ns = clock.now().ns
        self._waiting: list[tuple[str, asyncio.Future[None]]] = []
        self.asked_for: frozenset[str] = frozenset()  # what the car says only when asked (`polling.py`)
        self.computed: frozenset[str] = frozenset()  # what this box works out because the car does not say it
        self.lock_wanted = asyncio.Event()  # somebody waits for the lock to read back
        self.acted_ns: int | None = None  # when this box last moved the lock
        self.rolled_ns: int | None = None  # when satellites last showed that the car drives
        self._rolls = 0
        self._watched_ns: int | None = None  # since when fixes come without a gap
        self._stands_ns: int | None = None  # since when satellites show, without a gap, that the car stands

    # --- what comes in

    def update(self, signal: Signal) -> None:
        before = self._signals.get(signal.name)
        self._signals[signal.name] = signal
        self._silence.heard(signal.name)
        self._lost = False
        self._turns.heard(before, signal)
        if shows_movement(before, signal):
            self._moved_ns = signal.at_ns
        if signal.name == LOCKED:
            for wanted, future in self._waiting:
                if wanted == signal.value and not future.done():
                    future.set_result(None)

    def acted(self) -> None:
        """This box moved the lock: whatever slept in the car is awake for a while."""
        self.acted_ns = self._clock.now().ns

    def silent(self, names: Iterable[str], *, unasked: bool = False) -> None:
        """These signals come no more; what they said last is kept. unasked: because this box may not ask the car."""
        self._silence.fell(names, self._clock.now().ns, ignition_on=self._ignition() == "on", unasked=unasked)

    def lost(self) -> None:
        """The bus itself is gone: nothing it said may be held against anybody until it speaks again."""
        self._silence.lost(self._signals, self._clock.now().ns)
        self._lost = True

    def recall(self, signals: Iterable[Signal]) -> None:
        """What was known before the power was cut: numbers to start from, stale from the first moment
        and provisional until heard.
        """
        for signal in signals:
            if signal.name not in self._signals:
                self._signals[signal.name] = signal
                self._silence.recall(signal.name)

    def fix(self, fix: Fix) -> None:
        """A void epoch changes nothing: the last good fix ages."""
        if not fix.valid or fix.mode < 2 or fix.lat is None or fix.lon is None:
            return
        fast = fix.speed_mps is not None and fix.speed_mps >= GNSS_MOVES_MPS
        self._rolls = self._rolls + 1 if fast else 0
        if fast:
            self._moved_ns = max(self._moved_ns, fix.at.ns)
        if self._rolls >= ROLLS:
            self.rolled_ns = fix.at.ns
        if self._late(fix.at.ns):
            self._watched_ns, self._stands_ns = fix.at.ns, None
        if fix.speed_mps is None or fix.speed_mps >= STANDS_MPS:
            self._stands_ns = None
        elif self._stands_ns is None:
            self._stands_ns = fix.at.ns
        self._fix = fix
        self._fix_odometer = self._number(ODOMETER)

    # --- what may be believed

    def value(self, name: str) -> Signal | None:
        """The last word, however old."""
        return self._signals.get(name)

    def fresh(self, name: str) -> Signal | None:
        return None if name in self._silence.stale else self._signals.get(name)

    def on(self, name: str) -> bool | None:
        """A yes/no signal, or the ignition, as far as it may be believed (fresh or held)."""
        signal = self.fresh(name)
        if signal is None and not self._lost and self._ignition() == "off":
            signal = self._signals.get(name)
        return None if signal is None else signal.value in ("yes", "on")

    def moving(self, now_ns: int) -> Moving:
        """R10: only a stale speed with the ignition last seen on means "may be moving". Where this box itself stopped
        asking for them (R17), that is held against nobody once the satellites show that the car stands, or without a
        receiver after ten minutes.
        """
        speed = self.fresh(SPEED)
        if speed is not None and isinstance(speed.value, float | int):
            return Moving.YES if speed.value >= CREEP_KMH else Moving.NO
        return Moving.MAYBE if self._ignition() == "on" and not self._let_be(now_ns) else Moving.NO

    def doors_open(self) -> bool | None:
        known = [state for state in map(self.on, DOORS) if state is not None]
        return any(known) if known else None

    def locked(self, *, since_moved: bool = False) -> bool | None:
        """The car's own word; whether it counts is another question (R9). A word of before this box moved the lock is
        not held where it is stale, and with since_moved nowhere.
        """
        told = self._signals.get(LOCKED)
        before = told is not None and self.acted_ns is not None and told.at_ns <= self.acted_ns
        return None if before and (since_moved or LOCKED in self._silence.stale) else self.on(LOCKED)

    async def wait_locked(self, value: bool, timeout_s: float) -> bool:
        """Did the car's own lock signal read so within the time? Of a car that must be asked, an answer of before
        counts for nothing.
        """
        wanted = "yes" if value else "no"
        signal = self.fresh(LOCKED) if LOCKED not in self.asked_for else None
        if signal is not None and signal.value == wanted:
            return True
        heard: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        timer = asyncio.ensure_future(self._clock.sleep(timeout_s))
        entry = (wanted, heard)
        self._waiting.append(entry)
        self.lock_wanted.set()
        try:
            await asyncio.wait((heard, timer), return_when=asyncio.FIRST_COMPLETED)
            return heard.done()
        finally:
            self._waiting.remove(entry)
            if not self._waiting:
                self.lock_wanted.clear()
            heard.cancel()
            timer.cancel()

    def still_s(self, now_ns: int) -> float:
        """For how long nothing showed a movement."""
        return max(0, now_ns - self._moved_ns) / 1e9

    def position(self, now_ns: int) -> Fix | None:
        """The last fix while it is true: young, or the car has stood still with its ignition off ever since."""
        fix = self._fix
        if fix is None:
            return None
        standing = self._moved_ns < fix.at.ns and not self._lost and self._ignition() == "off"
        return fix if standing or now_ns - fix.at.ns <= FIX_FRESH_NS else None

    def station(self, now_ns: int) -> Where:
        fix = self.position(now_ns)
        moved_m: float | None = 0.0
        if fix is None:
            fix, moved_m = self._fix, self._moved_since_fix()
        if fix is None or fix.lat is None or fix.lon is None:
            return replace(self._nowhere, lost=now_ns - self._began_ns >= NO_FIX_NS)
        where = locate(self._stations, fix.lat, fix.lon, moved_m)
        stands = self.moving(now_ns) is Moving.NO and now_ns - self._moved_ns >= NO_FIX_NS
        return replace(where, lost=where.at is None and stands and now_ns - fix.at.ns >= NO_FIX_NS)

    def reading(self, now: Instant, wall: list[int] | None) -> Reading:
        """The car now, from the last words."""
        plugged = self._signals.get(PLUGGED)
        shown = self._number(SOC)
        return Reading(
            odometer_km=self._number(ODOMETER),
            soc_percent=shown if shown is not None else self._number(SOC_FINE),
            energy_kwh=self._number(ENERGY),
            range_km=self._number(RANGE),
            plugged=str(plugged.value) if plugged is not None else None,
            at_station=self.station(now.ns).name,
            boot=now.boot,
            at=now.ns // 1_000_000,
            wall=wall,
        )

    def provisional(self) -> tuple[str, ...]:
        """Fields of a reading that nobody vouches for: known before the power was cut, or silent for another reason
        than sleep (R10: a sleeping car's numbers are right).
        """
        return self._fields(self._silence.recalled | self._silence.unseen)

    def unseen(self, now_ns: int) -> tuple[str, ...]:
        """Fields that may have changed unseen: silent since the ignition was on, the bus was lost, or asking was
        forbidden; but not if it was off then and satellites, without a gap, or a short time make a drive impossible.
        """
        return self._fields(name for name in self._silence.unseen if not self._stood(name, now_ns))

    def since_ns(self, name: str) -> int | None:
        """Since when the ignition, or the cable, says what it says now; `None` before its first word."""
        return self._turns.at_ns.get(name)

    def settled(self) -> tuple[str, ...]:
        """Fields of a reading that the car told after its ignition was switched to what it says now."""
        return self._fields(self._turns.told - self._silence.stale)

    # --- inside

    def _fields(self, names: Iterable[str]) -> tuple[str, ...]:
        return fields(names, shown=SOC in self._signals)

    def _ignition(self) -> object:
        """Its last word."""
        ignition = self._signals.get(IGNITION)
        return None if ignition is None else ignition.value

    def _late(self, now_ns: int) -> bool:
        return self._fix is None or now_ns - self._fix.at.ns > FIX_FRESH_NS

    def _stood(self, name: str, now_ns: int) -> bool:
        cut_ns = self._silence.cut.get(name)
        since_ns = self._silence.unasked.get(name) if cut_ns is None else cut_ns
        if since_ns is None or self._ignition() != "off" or self._moved_ns > since_ns:
            return False
        watched = self._watched_ns is not None and self._watched_ns <= since_ns and not self._late(now_ns)
        return watched or (cut_ns is None and now_ns - since_ns <= STANDS_NS)

    def _let_be(self, now_ns: int) -> bool:
        unasked = self._silence.unasked
        since = [unasked[name] for name in (SPEED, IGNITION) if name in unasked]
        if not since or self._lost:
            return False
        if not self._receiver:
            return now_ns - max(since) >= UNASKED_NS
        return self._stands_ns is not None and not self._late(now_ns) and now_ns - self._stands_ns >= STANDS_NS

    def _number(self, name: str) -> float | None:
        signal = self._signals.get(name)
        return float(signal.value) if signal is not None and not isinstance(signal.value, str) else None

    def _moved_since_fix(self) -> float | None:
        odometer = self._number(ODOMETER)
        if odometer is None or self._fix_odometer is None:
            return None
        return max(0.0, odometer - self._fix_odometer) * 1000 + ODOMETER_SLACK_M
