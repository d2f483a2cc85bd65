"""Service: sends what is committed until the backend says that it has it. Facts first, then the newest state, then
samples.

A PUBACK only frees the window. What counts as delivered is the backend's `down/ack`, which `downlink.py` brings here.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, Protocol

from buffer.outbox import Acknowledged, FactRow, Pending, SampleBlob
from drivers.errors import DeviceError
from drivers.ports import Clock, CloudPort, Instant

from . import wire
from .lane import Lane
from .record import StoreBroken

_log = logging.getLogger(__name__)

WINDOW: Final = 8
BATCH_BYTES: Final = 32 * 1024
BATCH_FACTS: Final = 50
ROUND_S: Final = 1.0
PROMPT: Final = ("plugged", "locked", "booking", "alarms")  # a change of these is told at once
RESULTS: Final = 64

State = Callable[[], Mapping[str, object]]
Stamp = Callable[[Instant], tuple[list[int] | None, str]]


class Outbox(Protocol):
    """What the uplink needs of `agent.sync.store.Store`."""

    fresh: asyncio.Event

    async def next_facts(
        self, after: int, limit_bytes: int, limit_rows: int = 50
    ) -> tuple[str, tuple[FactRow, ...]]: ...

    async def next_samples(self, after: int, limit_rows: int = 1) -> tuple[str, tuple[SampleBlob, ...]]: ...

    async def acknowledge(self, said: wire.Ack) -> Acknowledged: ...

    async def pending(self) -> Pending: ...


class Uplink:
    """state: the fields of `up/state` that the car and the booking give. stamp: wall interval of an instant. question:
    asks for signed time; `None` while there is no need. A new one goes out with each state.
    """

    name = "uplink"
    vital = False

    def __init__(
        self,
        cloud: CloudPort,
        store: Outbox,
        clock: Clock,
        vehicle: str,
        state: State,
        stamp: Stamp,
        state_every_s: float,
        *,
        question: Callable[[], bytes | None] = lambda: None,
    ) -> None:
        self._cloud, self._store, self._clock, self._vehicle = cloud, store, clock, vehicle
        self._state, self._stamp, self._state_every_ns = state, stamp, round(state_every_s * 1e9)
        self._question = question
        rng = random.Random(vehicle)  # a fleet must not send again in step
        self._facts, self._samples = Lane(rng), Lane(rng)
        self._window: set[asyncio.Future[None]] = set()
        self._results: deque[bytes] = deque(maxlen=RESULTS)
        self._state_due_ns = 0
        self._prompt: tuple[object, ...] = ()
        self._counts = dict.fromkeys(("batches", "facts", "samples", "states", "results", "lost", "bytes"), 0)
        self.ticked_ns = 0

    async def run(self) -> None:
        while True:
            try:
                await self._pump()
            except StoreBroken as error:
                _log.debug("nothing to read: %s", error)
            self.ticked_ns = self._clock.now().ns
            await self._pause()

    async def close(self) -> None:
        for future in self._window:
            future.cancel()

    # --- what others tell it ---

    def connection(self, up: bool) -> None:
        """The connection came up or went down: what is on its way is unknown, so all is sent again, newest state at
        once."""
        self._facts.fresh()
        self._samples.fresh()
        if up:
            self._state_due_ns = 0
        self._store.fresh.set()

    async def acknowledge(self, said: wire.Ack) -> None:
        """The backend's word; returns when it is durable. Raises StoreBroken."""
        done = await self._store.acknowledge(said)
        lane = next((lane for lane in (self._facts, self._samples) if lane.stream == said.stream), None)
        if lane is not None and done.moved_back:
            _log.warning("the backend went back to number %d: sending again from there", said.upto)
            lane.fresh()
        elif lane is not None and done.progressed:
            lane.acknowledged(done.have, done.reopened, self._clock.now().ns)
        self._store.fresh.set()

    def result(self, identity: str, code: str, why: str, number: int | None) -> None:
        """Answer a command, after the fact that says the same is committed. identity: 32 hex digits. number: of that
        fact."""
        self._results.append(wire.result(self._vehicle, identity, code, why, number))
        self._store.fresh.set()

    def counters(self) -> dict[str, int]:
        return self._counts | {"window": len(self._window), "resent": self._facts.resent + self._samples.resent}

    # --- inside ---

    async def _pause(self) -> None:
        """Until there is something new, at most a second."""
        tasks = [asyncio.ensure_future(self._store.fresh.wait()), asyncio.ensure_future(self._clock.sleep(ROUND_S))]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()

    async def _pump(self) -> None:
        """Send until the window is full or there is nothing left to send."""
        self._store.fresh.clear()
        now = self._clock.now()
        for lane in (self._facts, self._samples):
            if lane.overdue(now.ns):
                _log.info("no acknowledgement of %s: sending again", lane.stream)
        lost = self._counts["lost"]
        while self._cloud.connected and len(self._window) < WINDOW and self._counts["lost"] == lost:
            sent = self._send_result() or await self._send_facts(now)
            if not (sent or await self._send_state(now) or await self._send_samples(now)):
                break

    def _send_result(self) -> bool:
        if not self._results:
            return False
        payload = self._results.popleft()
        self._counts["results"] += 1
        self._publish(wire.Kind.RESULT, payload, lost=lambda: self._results.appendleft(payload))
        return True

    async def _send_facts(self, now: Instant) -> bool:
        lane = self._facts
        if not lane.open:
            return False
        stream, rows = await self._store.next_facts(lane.cursor, BATCH_BYTES, BATCH_FACTS)
        if not lane.on_stream(stream):
            stream, rows = await self._store.next_facts(0, BATCH_BYTES, BATCH_FACTS)
        if not rows:
            return False
        lane.sent([row.n for row in rows], now.ns)
        self._counts["facts"] += len(rows)
        payload = wire.facts(self._vehicle, stream, ((row.n, row.body) for row in rows))
        self._publish(wire.Kind.FACTS, payload, lost=lane.rewind)
        return True

    async def _send_samples(self, now: Instant) -> bool:
        lane = self._samples
        if not lane.open:
            return False
        stream, blobs = await self._store.next_samples(lane.cursor)
        if not lane.on_stream(stream):
            stream, blobs = await self._store.next_samples(0)
        if not blobs:
            return False
        lane.sent([blobs[0].n], now.ns)
        self._counts["samples"] += 1
        self._publish(wire.Kind.SAMPLES, blobs[0].body, lost=lane.rewind)
        return True

    async def _send_state(self, now: Instant) -> bool:
        fields = dict(self._state())
        prompt = tuple(fields.get(name) for name in PROMPT)
        if now.ns < self._state_due_ns and prompt == self._prompt:
            return False
        pending = await self._store.pending()
        counts: dict[str, object] = {"facts": pending.last_fact, "samples": pending.last_sample}
        counts["pending"] = {"facts": pending.facts, "samples": pending.samples}
        asked = self._question()
        counts["time_question"] = None if asked is None else asked.hex()
        wall, _ = self._stamp(now)
        self._state_due_ns, self._prompt = now.ns + self._state_every_ns, prompt
        self._counts["states"] += 1
        payload = wire.state(self._vehicle, now.boot, now.ns // 1_000_000, wall, counts | fields)
        self._publish(wire.Kind.STATE, payload, retain=True, lost=self._state_lost)
        return True

    def _state_lost(self) -> None:
        self._state_due_ns = 0

    def _publish(self, kind: wire.Kind, payload: bytes, *, lost: Callable[[], None], retain: bool = False) -> None:
        self._counts["batches"] += 1
        self._counts["bytes"] += len(payload)
        taken: Awaitable[None] = self._cloud.publish(wire.topic(self._vehicle, kind), payload, retain=retain)
        future = asyncio.ensure_future(taken)
        self._window.add(future)
        future.add_done_callback(lambda done: self._taken(done, lost))

    def _taken(self, done: asyncio.Future[None], lost: Callable[[], None]) -> None:
        self._window.discard(done)
        if done.cancelled():
            return
        error = done.exception()
        if error is None:
            self._store.fresh.set()
            return
        # The next round tries again; not at once, for a connection that fails fast.
        self._counts["lost"] += 1
        lost()
        if not isinstance(error, DeviceError):
            _log.error("publishing failed: %r", error)
