"""What hangs on a relay beside the lock: a supply that is taken away while the relay is energised; a button.

Normally closed (R15): energised only to take away, so that a dead box, a dead board and a pulled plug leave the car
its supply. What is not here: the board (`board.py`), and when anything may be taken away.
"""

from __future__ import annotations

from .board import Board


class RelaySwitch:
    """A `SwitchPort`. inverted: for a board whose "on" lets the relay go."""

    def __init__(self, board: Board, channel: int, *, inverted: bool = False) -> None:
        self._board, self._channel, self._inverted = board, channel, inverted
        board.held(channel, released=inverted)

    async def turn(self, on: bool) -> None:
        await self._board.hold(self._channel, (not on) != self._inverted)

    @property
    def trouble(self) -> str:
        if self._board.trouble:
            self._board.open()  # one that came back is found before anything is asked of it
        return self._board.trouble

    def close(self) -> None:
        """The board is its owner's (`agent/run/switches.py`)."""
        self._board.let_go(self._channel)


class RelayPulse:
    """Presses a button once: the charge flap's or the cable's."""

    def __init__(self, board: Board, channel: int, pulse_ms: int) -> None:
        self._board, self._channel, self._pulse_s = board, channel, pulse_ms / 1000
        board.pulsed(channel)

    async def press(self) -> None:
        await self._board.pulse(self._channel, self._pulse_s)
