"""Service: frames and diagnostic replies become signals in the car's state. It never wakes a sleeping bus.

What is not here: bits and bytes (`drivers/can/decode.py`), asking (`polling.py`), what the car is doing (`phase.py`)
and what follows from a signal (`journey.py`, `agent/access/`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final

from config.car import PROMPT, Phase
from config.vocabulary import CHARGE_STATUS, CHARGING, IGNITION, LOCKED, ODOMETER, Signal
from drivers.errors import DeviceGone
from drivers.ports import BusState, CanWatch, Clock, Frame, Silence, Subscription

from .odometer import Odometer
from .state import CarState

if TYPE_CHECKING:
    from config.car import CarModel, LockBlock
    from drivers.can.decode import Decoder

    from .phase import Life

LOCK_SILENCE_MS: Final = 2_000  # before the car's folder is read nobody knows the period; body units send every 100 ms
TOWED_NS: Final = 300_000_000_000
TURN: Final = 64  # events after which everybody else has a turn: a flooded bus must not keep the loop from the door


class Vehicle:
    """lock: what tells the lock before the car's folder is read, and ever after (D24). `learn` brings the rest, after
    READY.
    """

    name = "vehicle"
    vital = False

    def __init__(self, clock: Clock, watch: CanWatch, car: CarState, lock: LockBlock | None) -> None:
        self._clock, self._watch, self._car, self._lock = clock, watch, car, lock
        self._model: CarModel | None = None
        self._decoder: Decoder | None = None
        self._phase: Phase | None = None
        self._life: Life | None = None
        self._wakes: frozenset[tuple[int, bool]] = frozenset()
        self._live: set[tuple[int, bool]] = set()
        self._ours: dict[int, int | None] = {}
        self._towed_until_ns = 0
        self._odometer = Odometer()
        self.ticked_ns = clock.now().ns
        self._counters = {"frames": 0, "signals": 0, "silences": 0, "phases": 0, "signs": 0, "asleep": 0}

    def learn(self, model: CarModel, decoder: Decoder) -> None:
        """The car's folder is read: from here on everything it maps is heard."""
        from .phase import Life

        self._model, self._decoder, self._life = model, decoder, Life()
        if model.wake is not None:
            self._wakes = frozenset((*model.wake.heard, *((it[0], it[1]) for it in model.wake.asleep)))
        self.follow()

    async def run(self) -> None:
        self._watch.subscribe(self._wanted())
        count = 0
        while True:
            event = await self._watch.next_event()
            self.ticked_ns = self._clock.now().ns
            match event:
                case Frame():
                    self._frame(event)
                case Silence():
                    self._silence(event)
                case BusState.CLOSED:
                    raise DeviceGone("the bus was closed")
                case BusState.LOST:
                    self._live.clear()
                    self._odometer.silent()
                    self._car.lost()
                    self.slept()
            count += 1
            if count % TURN == 0:
                await asyncio.sleep(0)

    async def close(self) -> None:
        self._watch.close()

    def counters(self) -> dict[str, int]:
        decoded = self._decoder.counters() if self._decoder is not None else {}
        return {
            **self._counters,
            "odometer_held_back": self._odometer.held_back,
            **{f"decode_{name}": count for name, count in decoded.items()},
            **{f"bus_{name}": count for name, count in self._watch.counters().items()},
        }

    @property
    def bus(self) -> BusState:
        return self._watch.state

    @property
    def bus_trouble(self) -> str:
        return self._watch.trouble

    @property
    def controller(self) -> str:
        """What the adapter says of itself: "active", "warning", "passive" or "bus_off"."""
        return self._watch.controller

    @property
    def phase(self) -> Phase:
        """What the car is doing; PARKED before its folder is read."""
        return self._phase if self._phase is not None else Phase.PARKED

    @property
    def used(self) -> bool:
        """Somebody has the car now, as far as can be told: its small battery is being charged or soon will be (R16)."""
        if self._said(IGNITION) == "on" or self.charging:
            return True
        return self._model is not None and self._model.wake is not None and self._handled()

    @property
    def charging(self) -> bool:
        from .phase import charging

        return charging(self._said(CHARGING), self._said(CHARGE_STATUS))

    # --- what comes in

    def _frame(self, frame: Frame) -> None:
        self._counters["frames"] += 1
        key = frame.can_id, frame.extended
        if key in self._wakes and self._sign(frame):
            return
        self._live.add(key)
        found = self._decoder.frame(frame) if self._decoder is not None else []
        if frame.held:  # its doors, lock, plug and ignition may be older than what was told already
            found = [signal for signal in found if signal.name not in PROMPT]
        elif self._tells_lock(*key) and self._lock is not None:
            found = [signal for signal in found if signal.name != LOCKED]
            locked = self._lock.reads(frame.data)
            if locked is not None:
                found.append(Signal(LOCKED, "yes" if locked else "no", frame.at.ns))
        self._take(found)

    def _silence(self, silence: Silence) -> None:
        self._counters["silences"] += 1
        self._live.discard((silence.can_id, silence.extended))
        if self._decoder is not None:
            names = self._decoder.names(silence.can_id, silence.extended)
            if ODOMETER in names:
                self._odometer.silent()
            self._car.silent(names)
        if self._tells_lock(silence.can_id, silence.extended):
            self._car.silent((LOCKED,))
        self.follow()

    def _take(self, signals: Sequence[Signal]) -> None:
        for signal in self._odometer.believed(signals, ODOMETER in self._car.asked_for):
            self._car.update(signal)
        self._counters["signals"] += len(signals)
        self.follow()

    def _tells_lock(self, can_id: int, extended: bool) -> bool:
        return self._lock is not None and (self._lock.can_id, self._lock.extended) == (can_id, extended)

    # --- a car that is silent unless asked

    def _sign(self, frame: Frame) -> bool:
        """A frame that tells whether the car is awake. False: it is one of the car's own messages as well."""
        from .phase import sleeps

        assert self._model is not None
        assert self._model.wake is not None
        assert self._life is not None
        if sleeps(self._model.wake, frame.can_id, frame.extended, frame.data):
            self._counters["asleep"] += 1
            self._life = self._life.slept(frame.at.ns)
        elif (frame.can_id, frame.extended) in self._model.wake.heard and not self._our_answer(frame):
            self._counters["signs"] += 1
            self._life = self._life.signed(frame.at.ns)
        self.follow()
        return self._decoder is not None and not self._decoder.names(frame.can_id, frame.extended)

    def _our_answer(self, frame: Frame) -> bool:
        """Whether it may be a question of ours, which the kernel echoes, or its answer: that proves nothing."""
        until_ns = self._ours.get(frame.can_id, 0)
        return until_ns is None or frame.at.ns <= until_ns

    def expect(self, ids: Iterable[int], until_ns: int | None) -> None:
        """Frames with these ids may be ours, or answers to us; until_ns: so long, `None` while a question is out."""
        self._ours |= dict.fromkeys(ids, until_ns)

    def answered(self, signals: Sequence[Signal]) -> None:
        """What the car answered. Ignition on, or charging, is a sign of life; an answer with the ignition off is none,
        so that asking lets the car sleep.
        """
        told = {signal.name: signal.value for signal in signals}
        alive = told.get(IGNITION) == "on" or told.get(CHARGING) == "yes" or told.get(CHARGE_STATUS) == "charging"
        if alive and self._life is not None:
            self._life = self._life.signed(self._clock.now().ns)
        self._take(signals)

    def slept(self, *, mute: bool = False) -> None:
        """Its bus is gone, or it answers nothing at all (mute): it is left alone until it shows a sign of life. A mute
        car that moves is towed, which is none for a while.
        """
        now_ns = self._clock.now().ns
        if self._life is not None:
            self._life = self._life.slept(now_ns)
        if mute:
            self._towed_until_ns = now_ns + TOWED_NS
        self.follow()

    def _rolled_ns(self) -> int | None:
        """When it was last seen to drive by itself."""
        rolled_ns = self._car.rolled_ns
        return None if rolled_ns is None or rolled_ns < self._towed_until_ns else rolled_ns

    def _handled(self) -> bool:
        """This box moved its lock, or satellites show that it drives, and not long ago."""
        from .phase import Life

        assert self._model is not None
        assert self._model.wake is not None
        handled = Life().signed(self._car.acted_ns).signed(self._rolled_ns())
        return handled.awake(self._model.wake.hold_s, self._clock.now().ns)

    # --- what is wanted

    def _wanted(self) -> tuple[Subscription, ...]:
        """What the car's folder wants in this phase; the lock's bits at every change in any case (D28)."""
        lock = self._lock
        wanted: tuple[Subscription, ...] = ()
        if self._model is not None and self._phase is not None:
            from drivers.can.frame import subscriptions

            wanted = subscriptions(self._model, self._phase)
        if lock is None:
            return wanted
        prompt = [it for it in wanted if self._tells_lock(it.can_id, it.extended) and it.min_interval_ms == 0]
        others = tuple(it for it in wanted if it not in prompt)
        mask = lock.mask
        for it in prompt:
            mask = bytes(a | b for a, b in zip(mask, it.mask, strict=True))
        silence_ms = max((it.silence_ms for it in prompt), default=LOCK_SILENCE_MS)
        return (*others, Subscription(lock.can_id, lock.extended, mask, 0, silence_ms))

    def follow(self) -> None:
        """Look at what the car is doing; another phase wants other rates. Also asked once a second, since a sign of
        life is believed for a time only.
        """
        model, life = self._model, self._life
        if model is None or life is None:
            return
        from .phase import phase

        awake = bool(self._live)
        if model.wake is not None:
            self._life = life = life.signed(self._car.acted_ns).signed(self._rolled_ns())
            awake = awake or life.awake(model.wake.hold_s, self._clock.now().ns)
        now = phase(awake, self._said(IGNITION), self.charging)
        if now is not self._phase:
            self._phase = now
            self._counters["phases"] += 1
            self._watch.subscribe(self._wanted())

    def _said(self, name: str) -> str | None:
        signal = self._car.fresh(name)
        return None if signal is None else str(signal.value)
