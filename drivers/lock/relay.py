"""The lock through a relay board: one pulse for one act, and the "off" always follows the "on".

What is not here: the board's line and frames (`board.py`), whether the car obeyed (judged from the car's own signal,
R9), and when a relay may be pulsed.
"""

from __future__ import annotations

from ..ports import Clock, LockAction
from .board import Board


class RelayLock:
    """A `LockPort`. *_pulse_ms: how long the relay is held. board: for what else hangs on it."""

    def __init__(
        self,
        device: str,
        baud: int,
        unlock_channel: int,
        lock_channel: int,
        unlock_pulse_ms: int,
        lock_pulse_ms: int,
        clock: Clock,
    ) -> None:
        self._pulses = {
            LockAction.UNLOCK: (unlock_channel, unlock_pulse_ms / 1000),
            LockAction.LOCK: (lock_channel, lock_pulse_ms / 1000),
        }
        self.board = Board(device, baud, clock)
        self.board.pulsed(unlock_channel, lock_channel)

    def open(self) -> bool:
        return self.board.open()

    async def act(self, action: LockAction) -> None:
        """See `Board.pulse`."""
        await self.board.pulse(*self._pulses[action])

    @property
    def trouble(self) -> str:
        return self.board.trouble

    def counters(self) -> dict[str, int]:
        return self.board.counters()

    def close(self) -> None:
        self.board.close()
