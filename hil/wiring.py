"""What hangs on the box's relays in the simulated car: the buttons of its lock, and the battery of the card inside it.

What is not here: the car (`world.py`), and the frames that switch a relay (`harness.py`).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Wiring:
    """What moves the lock. unlock, lock: relay channels. *_request: the body unit's commands in hex, "" for none.

    supply: the channel that takes the card's battery away while it is energised, 0 for none.
    """

    unlock: int = 1
    lock: int = 2
    unlock_request: str = ""
    lock_request: str = ""
    supply: int = 0


class Card:
    """The spare card. Its relay is closed at rest, so a board without power lets it live."""

    def __init__(self, channel: int) -> None:
        self._channel = channel
        self.lives = True

    def relay(self, channel: int, energised: bool) -> bool:
        """Whether that was this relay, and changed something."""
        if not self._channel or channel != self._channel or self.lives is not energised:
            return False
        self.lives = not energised
        return True

    def unpowered(self) -> None:
        self.lives = True
