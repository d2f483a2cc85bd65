"""The lock command of a car that has a public one (Kangoo Z.E.): open a session on the body unit, then tell it.

What does not live here: whether the car obeyed. That is read from the car's own signal (R9).
"""

from __future__ import annotations

from config.car import DiagnosticLock as Spec

from ..can.diag import Diagnostics, NegativeReply
from ..errors import DeviceError, DeviceTimeout
from ..ports import Clock, LockAction


class DiagnosticLock:
    """A `LockPort`. counters: commands, done, refused, silent, woken, session_refused."""

    def __init__(self, diagnostics: Diagnostics, spec: Spec, clock: Clock) -> None:
        self._diagnostics = diagnostics
        self._spec = spec
        self._clock = clock
        names = ("commands", "done", "refused", "silent", "woken", "session_refused")
        self._counters = dict.fromkeys(names, 0)

    @property
    def trouble(self) -> str:
        """Nothing is held open; whether the bus is there, the watch knows."""
        return ""

    def counters(self) -> dict[str, int]:
        return dict(self._counters)

    def close(self) -> None:
        """Nothing is held between commands."""

    async def act(self, action: LockAction) -> None:
        self._counters["commands"] += 1
        try:
            await self._open_session()
        except DeviceError as error:
            # Opening a session moves nothing, so whatever failed here, the door did not move.
            raise DeviceError(str(error), retryable=True, may_have_happened=False) from error
        command = self._spec.lock if action is LockAction.LOCK else self._spec.unlock
        reply = await self._ask(command)
        if reply is None:
            self._counters["silent"] += 1
            raise DeviceTimeout("the body unit did not answer the lock command", retryable=False)
        if isinstance(reply, NegativeReply):
            self._counters["refused"] += 1
            raise DeviceError(f"the body unit refused the lock command (code {reply.code:02X})", retryable=False)
        if reply[0] != self._spec.reply:
            raise DeviceError("the body unit answered something else", retryable=False, may_have_happened=True)
        self._counters["done"] += 1

    async def _open_session(self) -> None:
        """A refused session is no obstacle: the published procedure goes on without looking.

        The wake frames imitate another unit's message, so they go out only on a bus that does not answer.
        """
        reply = await self._ask(self._spec.session)
        if reply is None:
            await self._wake()
            reply = await self._ask(self._spec.session)
        if reply is None:
            self._counters["silent"] += 1
            raise DeviceTimeout("the body unit does not answer", may_have_happened=False)
        self._counters["session_refused"] += isinstance(reply, NegativeReply)

    async def _wake(self) -> None:
        self._counters["woken"] += 1
        for index, (can_id, data) in enumerate(self._spec.wake):
            if index:
                await self._clock.sleep(self._spec.wake_gap_ms / 1000)
            await self._diagnostics.send(can_id, data)
        await self._clock.sleep(self._spec.wake_wait_ms / 1000)

    async def _ask(self, payload: bytes) -> bytes | NegativeReply | None:
        spec = self._spec
        return await self._diagnostics.request(spec.request_id, spec.reply_id, payload, spec.timeout_s)
