"""Keeps every part running, and ends the process in order (D23). Which parts there are is `app.py`.

Why not a `TaskGroup`: one failing member cancels its siblings, also the one that holds a relay. Here a failing part
never touches another; only a vital part ends the process, and only when no actuator is moving.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from enum import IntEnum, StrEnum
from typing import Protocol

from drivers.errors import DeviceError
from drivers.ports import Clock

log = logging.getLogger(__name__)

NANOSECONDS = 1_000_000_000
FIRST_BACKOFF_S, LAST_BACKOFF_S = 1.0, 60.0  # D23
UNEXPECTED_ALLOWED, UNEXPECTED_WINDOW_S = 3, 600.0  # D23: the third in ten minutes switches a part off
SETTLED_S = 60.0  # a part that ran this long starts again with the shortest back-off
MOVING_AT_MOST_S = 10.0  # longest pulse plus read-back; beyond it a hung actuation no longer holds up the restart


class Service(Protocol):
    """A part. run: until cancelled; a retryable `DeviceError` asks for a restart, anything else is a bug.

    vital: the car cannot be opened without it, so its failure ends the process and systemd starts a fresh one.
    A part may also have `async close()`; it is called once at the stop and must be idempotent.
    """

    @property
    def name(self) -> str: ...

    @property
    def vital(self) -> bool: ...

    async def run(self) -> None: ...


class Stage(IntEnum):
    """Order of the stop: what brings things in ends first, what makes them durable ends last."""

    SOURCES = 1
    LOGIC = 2
    CLOUD = 3
    STORE = 4


# Seconds each stage may take; with one second for a moving actuator they add up to the budget of five.
STAGE_S = {Stage.SOURCES: 0.3, Stage.LOGIC: 0.5, Stage.CLOUD: 1.9, Stage.STORE: 1.2}
ACTUATION_S = 1.0


class PartState(StrEnum):
    RUNNING = "running"
    WAITING = "waiting"  # for its back-off
    OFF = "off"  # switched off for good; the alarm says why
    STOPPED = "stopped"


class Actuation:
    """Entered while an actuator moves (`async with`): nothing ends the process meanwhile."""

    def __init__(self) -> None:
        self._held = 0
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def busy(self) -> bool:
        return self._held > 0

    async def __aenter__(self) -> None:
        self._held += 1
        self._idle.clear()

    async def __aexit__(self, *_exc: object) -> None:
        self._held -= 1
        if self._held == 0:
            self._idle.set()

    async def idle(self) -> None:
        await self._idle.wait()


class Part:
    """One service and what became of it."""

    def __init__(self, service: Service, stage: Stage) -> None:
        self.service, self.stage = service, stage
        self.state = PartState.RUNNING
        self.restarts = 0
        self.last_error: str | None = None
        self.unexpected: deque[int] = deque(maxlen=UNEXPECTED_ALLOWED)
        self.backoff_s = FIRST_BACKOFF_S
        self.task: asyncio.Task[None] | None = None


class Supervisor:
    """jitter: uniform in [0, 1). alarm(name, detail): raises an alarm that somebody sees; never blocks."""

    def __init__(
        self, clock: Clock, busy: Actuation, jitter: Callable[[], float], alarm: Callable[[str, str], None]
    ) -> None:
        self._clock, self._busy, self._jitter, self._alarm = clock, busy, jitter, alarm
        self._parts: list[Part] = []
        self._changed = asyncio.Event()

    def add(self, service: Service, stage: Stage) -> None:
        """Start a part now. It is owned from here on: restarted, counted, stopped."""
        part = Part(service, stage)
        part.task = asyncio.create_task(self._keep(part), name=service.name)
        self._parts.append(part)
        self._changed.set()

    def parts(self) -> dict[str, dict[str, object]]:
        """For `status`: state, restarts and last error of every part."""
        return {
            part.service.name: {
                "state": str(part.state), "vital": part.service.vital,
                "restarts": part.restarts, "last_error": part.last_error,
            }
            for part in self._parts
        }  # fmt: skip

    async def watch(self, stop: asyncio.Event) -> str | None:
        """Until `stop` is set (returns `None`) or a vital part failed (returns which and why, no actuator moving)."""
        stopping = asyncio.create_task(stop.wait(), name="stop requested")
        try:
            while not stop.is_set():
                self._changed.clear()
                changed = asyncio.create_task(self._changed.wait(), name="parts changed")
                tasks = {part.task for part in self._parts if part.task is not None and not part.task.done()}
                failed = self._failed()
                if failed is None:
                    await asyncio.wait({stopping, changed, *tasks}, return_when=asyncio.FIRST_COMPLETED)
                    failed = self._failed()
                changed.cancel()
                if failed is not None:
                    await self._within(MOVING_AT_MOST_S, self._busy.idle(), "the actuation under way")
                    return failed
        finally:
            stopping.cancel()
        return None

    async def stop(self) -> None:
        """Ordered and deadlined: a part that hangs is named and left behind. Correctness never depends on this."""
        for stage in Stage:
            members = [part for part in self._parts if part.stage is stage]
            await self._within(STAGE_S[stage], self._end(members), f"the stop of {stage.name.lower()}")
            if stage is Stage.SOURCES:
                await self._within(ACTUATION_S, self._busy.idle(), "the actuation under way")

    # --- one part ----------------------------------------------------------------------------------------------------

    async def _keep(self, part: Part) -> None:
        while True:
            part.state = PartState.RUNNING
            began = self._clock.now().ns
            try:
                await part.service.run()
                error: Exception = RuntimeError("ended without being asked to")
            except Exception as exc:  # every kind: one part's bug must not reach another part
                error = exc
            part.last_error = f"{type(error).__name__}: {error}"
            now = self._clock.now().ns
            if now - began >= SETTLED_S * NANOSECONDS:
                part.backoff_s = FIRST_BACKOFF_S
            if not self._may_restart(part, error, now):
                part.state = PartState.OFF
                return
            part.state = PartState.WAITING
            part.restarts += 1
            await self._clock.sleep(part.backoff_s * (0.5 + 0.5 * self._jitter()))
            part.backoff_s = min(LAST_BACKOFF_S, part.backoff_s * 2)

    def _may_restart(self, part: Part, error: Exception, now_ns: int) -> bool:
        name = part.service.name
        if isinstance(error, DeviceError) and error.retryable:
            log.info("%s: %s; will be started again", name, error)
            return True
        log.error("%s failed", name, exc_info=error)
        if part.service.vital:
            return False
        if isinstance(error, DeviceError):
            self._alarm(f"part_off:{name}", str(part.last_error))
            return False
        part.unexpected.append(now_ns)
        span_ns = part.unexpected[-1] - part.unexpected[0]
        if len(part.unexpected) == UNEXPECTED_ALLOWED and span_ns <= UNEXPECTED_WINDOW_S * NANOSECONDS:
            log.error("%s failed %d times in ten minutes and is switched off", name, UNEXPECTED_ALLOWED)
            self._alarm(f"part_off:{name}", str(part.last_error))
            return False
        return True

    def _failed(self) -> str | None:
        for part in self._parts:
            if part.service.vital and part.state is PartState.OFF:
                return f"{part.service.name}: {part.last_error}"
        return None

    # --- the end -----------------------------------------------------------------------------------------------------

    async def _end(self, members: list[Part]) -> None:
        tasks = [part.task for part in members if part.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for part in reversed(members):  # what was added first is what the others stand on
            part.state = PartState.STOPPED
            close: Callable[[], Awaitable[None]] | None = getattr(part.service, "close", None)
            if close is not None:
                try:
                    await close()
                except Exception:
                    log.exception("closing %s", part.service.name)

    async def _within(self, seconds: float, work: Awaitable[None], what: str) -> None:
        task = asyncio.ensure_future(work)
        timer = asyncio.create_task(self._clock.sleep(seconds), name=f"deadline of {what}")
        await asyncio.wait({task, timer}, return_when=asyncio.FIRST_COMPLETED)
        timer.cancel()
        if not task.done():
            log.warning("%s took longer than %.1f s and is left behind", what, seconds)
            task.cancel()
