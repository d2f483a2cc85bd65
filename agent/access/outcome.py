"""What became of a movement: for whoever asked beside the car, and for a remote command.

What is not here: how it is judged and written down (`lockwork.py`).
"""

from __future__ import annotations

from typing import Final, TypedDict

from msgspec import Struct

from drivers.ports import LockOutcome

UNPROVEN: Final = "the lock signal is not proven on this car"
UNTOLD: Final = "the car does not tell"
CONTRADICTED: Final = "the car's own signal says the opposite"


class Moved(Struct, frozen=True):
    """facts: their numbers, the last one is the result of a remote command; empty while the database is broken.

    receipt: what the car signs for whoever asked (docs/keyless.md 1.7); `None` where there is none.
    """

    outcome: LockOutcome
    why: str
    facts: tuple[int, ...] = ()
    receipt: bytes | None = None

    @property
    def undone(self) -> bool:
        """As far as anybody can tell it did not happen: the relay is dead, or the car says the opposite (R9)."""
        return self.outcome is LockOutcome.FAILED or self.why == CONTRADICTED

    @property
    def surprising(self) -> bool:
        """Failed, or unknown although this car can tell: worth showing to the driver."""
        return self.outcome is LockOutcome.FAILED or (
            self.outcome is LockOutcome.UNKNOWN and self.why not in (UNPROVEN, UNTOLD)
        )


class Answer(TypedDict):
    """What became of a remote command. until: the command's own end, seconds."""

    code: str
    why: str
    until: int | None
