"""Pure: how long nobody watched. What runs over minutes says for how many of them the box was dark (killed, cut).

What is not here: what was missed meanwhile (`legs.py`, `charging.py`).
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from .reading import LATE_MS, Reading, middle

BRIDGED_MS: Final = LATE_MS


class Watched(Struct, frozen=True):
    """boot, at, wall_ms: of the newest look; wall_ms is the middle of its interval.

    unseen_ms: so long in all nobody looked; `None` once it can never be told. dark_at: the first look after a power cut
    whose length is not known yet, for this boot does not know the time; dark_wall_ms: the last look before it.
    """

    boot: str
    at: int
    wall_ms: int | None
    unseen_ms: int | None = 0
    dark_at: int | None = None
    dark_wall_ms: int | None = None

    @classmethod
    def since(cls, now: Reading) -> Watched:
        return cls(now["boot"], now["at"], middle(now))

    def look(self, now: Reading) -> tuple[Watched, int | None]:
        """One more look; and the time since the last one in ms, or `None` when that was too long to say what was
        meanwhile.
        """
        here = replace(self, boot=now["boot"], at=now["at"], wall_ms=middle(now))
        if now["boot"] == self.boot:
            gap = now["at"] - self.at
            if gap > BRIDGED_MS:
                return here._lit(now)._unseen(gap), None
            return here._lit(now), gap
        if self.wall_ms is None:  # also when it is still dark from a cut before this one
            return replace(here, unseen_ms=None, dark_at=None, dark_wall_ms=None), None
        return replace(here, dark_at=now["at"], dark_wall_ms=self.wall_ms)._lit(now), None

    @property
    def told_ms(self) -> int | None:
        """So long nobody looked; `None` when that cannot be told (yet)."""
        return None if self.dark_at is not None else self.unseen_ms

    def _lit(self, now: Reading) -> Watched:
        """The time is known again: so the length of the dark is."""
        wall_ms = middle(now)
        if self.dark_at is None or self.dark_wall_ms is None or wall_ms is None:
            return self
        dark_ms = max(0, wall_ms - (now["at"] - self.dark_at) - self.dark_wall_ms)
        return replace(self, dark_at=None, dark_wall_ms=None)._unseen(dark_ms)

    def _unseen(self, more_ms: int) -> Watched:
        return self if self.unseen_ms is None else replace(self, unseen_ms=self.unseen_ms + more_ms)
