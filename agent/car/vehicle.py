"""Service: frames and diagnostic replies become signals in the car's state. It never wakes a sleeping bus.

What is not here: bits and bytes (`drivers/can/decode.py`) and what follows from a signal (`journey.py`,
`agent/access/`).
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from config.car import PROMPT
from config.vocabulary import CHARGING, IGNITION, LOCKED, VOLTAGE_12V, Signal
from drivers.errors import DeviceError, DeviceGone
from drivers.ports import BusState, CanWatch, Clock, Frame, Silence, Subscription

from .state import CarState

if TYPE_CHECKING:
    from config.car import CarModel, LockBlock, Phase, Poll
    from drivers.can.decode import Decoder
    from drivers.can.diag import Diagnostics

log = logging.getLogger(__name__)

LOCK_SILENCE_MS: Final = 2_000  # before the car's folder is read nobody knows the period; body units send every 100 ms
POLL_LOOK_S: Final = 1.0
LOW_12V: Final = 12.4  # R16: while the battery's own reference is unknown
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
        self._diagnostics: Diagnostics | None = None
        self._phase: Phase | None = None
        self._live: set[tuple[int, bool]] = set()
        self._asked_ns: dict[str, int] = {}
        self.ticked_ns = clock.now().ns
        self._counters = {"frames": 0, "signals": 0, "silences": 0, "polls": 0, "poll_failures": 0}

    def learn(self, model: CarModel, decoder: Decoder, diagnostics: Diagnostics | None = None) -> None:
        """The car's folder is read: from here on everything it maps is heard, and polled where the car must be asked.
        """
        self._model, self._decoder, self._diagnostics = model, decoder, diagnostics
        self._follow_phase()

    async def run(self) -> None:
        self._watch.subscribe(self._wanted())
        polls = asyncio.create_task(self._ask(), name="vehicle polls")
        try:
            await self._listen()
        finally:
            polls.cancel()
            await asyncio.gather(polls, return_exceptions=True)

    async def close(self) -> None:
        self._watch.close()

    def counters(self) -> dict[str, int]:
        decoded = self._decoder.counters() if self._decoder is not None else {}
        return {
            **self._counters,
            **{f"decode_{name}": count for name, count in decoded.items()},
            **{f"bus_{name}": count for name, count in self._watch.counters().items()},
        }

    @property
    def bus(self) -> BusState:
        return self._watch.state

    @property
    def bus_trouble(self) -> str:
        return self._watch.trouble

    # --- what comes in

    async def _listen(self) -> None:
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
                    self._car.lost()
            count += 1
            if count % TURN == 0:
                await asyncio.sleep(0)

    def _frame(self, frame: Frame) -> None:
        self._counters["frames"] += 1
        self._live.add((frame.can_id, frame.extended))
        found = self._decoder.frame(frame) if self._decoder is not None else []
        if frame.held:  # its doors, lock, plug and ignition may be older than what was told already
            found = [signal for signal in found if signal.name not in PROMPT]
        elif self._tells_lock(frame.can_id, frame.extended) and self._lock is not None:
            found = [signal for signal in found if signal.name != LOCKED]
            locked = self._lock.reads(frame.data)
            if locked is not None:
                found.append(Signal(LOCKED, "yes" if locked else "no", frame.at.ns))
        self._take(found)

    def _silence(self, silence: Silence) -> None:
        self._counters["silences"] += 1
        self._live.discard((silence.can_id, silence.extended))
        if self._decoder is not None:
            self._car.silent(self._decoder.names(silence.can_id, silence.extended))
        if self._tells_lock(silence.can_id, silence.extended):
            self._car.silent((LOCKED,))

    def _take(self, signals: list[Signal]) -> None:
        for signal in signals:
            self._car.update(signal)
        self._counters["signals"] += len(signals)
        if signals:
            self._follow_phase()

    def _tells_lock(self, can_id: int, extended: bool) -> bool:
        return self._lock is not None and (self._lock.can_id, self._lock.extended) == (can_id, extended)

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

    def _follow_phase(self) -> None:
        if self._model is None:
            return
        from config.car import Phase

        phase = Phase.AWAKE if self._live else Phase.PARKED
        if self._car.on(IGNITION):
            phase = Phase.DRIVING
        elif self._car.on(CHARGING):
            phase = Phase.CHARGING
        if phase is not self._phase:
            self._phase = phase
            self._watch.subscribe(self._wanted())

    # --- what must be asked

    async def _ask(self) -> None:
        while True:
            await self._clock.sleep(POLL_LOOK_S)
            for poll in self._model.polls if self._model is not None else ():
                since_ns = self._clock.now().ns - self._asked_ns.get(poll.name, -(1 << 62))
                every_s = poll.every_s.get(self._phase) if self._phase is not None else None
                if every_s is not None and since_ns >= every_s * 1e9 and self._may_ask():
                    self._asked_ns[poll.name] = self._clock.now().ns
                    await self._poll(poll)

    def _may_ask(self) -> bool:
        """Only while the car talks by itself, and not when its small battery is weak (R16)."""
        in_use = self._car.on(IGNITION) is True or self._car.on(CHARGING) is True
        volts = self._car.value(VOLTAGE_12V)
        if volts is not None and not isinstance(volts.value, str) and volts.value < LOW_12V and not in_use:
            return False
        return bool(self._live)

    async def _poll(self, poll: Poll) -> None:
        if self._diagnostics is None or self._decoder is None:
            return
        self._counters["polls"] += 1
        try:
            reply = await self._diagnostics.request(poll.request_id, poll.reply_id, poll.payload, poll.timeout_s)
        except DeviceError as error:
            log.debug("poll %s: %s", poll.name, error)
            reply = None
        if isinstance(reply, bytes):
            self._take(self._decoder.payload(poll, reply, self._clock.now().ns))
        else:
            self._counters["poll_failures"] += 1
