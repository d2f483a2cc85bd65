"""Pure: energy that left the battery and energy that came back while driving, integrated from power once a second.

What is not here: which signals tell the power (`look.py`), and what the battery holds (`reading.py: spent_kwh`).
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct
from msgspec.structs import replace

WS_PER_KWH: Final = 3_600_000
UNKNOWN_SHARE: Final = 10  # more than a tenth of the time without a known power: the sum would say too little


class Flow(Struct, frozen=True):
    """used_ws, recovered_ws: watt-seconds out of the battery and back into it. known_ms, unknown_ms: for so long power
    was known, or was not although somebody looked. kw: at the newest look, positive out of the battery.
    """

    used_ws: int = 0
    recovered_ws: int = 0
    known_ms: int = 0
    unknown_ms: int = 0
    kw: int | float | None = None  # as it was said, so that it comes back from the disk byte for byte

    def look(self, kw: float | None, gap_ms: int | None) -> Flow:
        """One more look, so long after the last one; `None`: too long to say what was meanwhile."""
        if gap_ms is None:
            return replace(self, kw=kw)
        if kw is None or self.kw is None:
            return replace(self, kw=kw, unknown_ms=self.unknown_ms + gap_ms)
        out, back = areas(self.kw, kw, gap_ms)
        return Flow(
            self.used_ws + round(out), self.recovered_ws + round(back), self.known_ms + gap_ms, self.unknown_ms, kw
        )

    def enough(self, unseen_ms: int | None) -> bool:
        """Whether the sums may be told. unseen_ms: for so long nobody looked, `None` if that cannot be told."""
        if unseen_ms is None:
            return False
        unknown_ms = self.unknown_ms + unseen_ms
        return unknown_ms * UNKNOWN_SHARE <= self.known_ms + unknown_ms


def areas(before: float, after: float, width: float) -> tuple[float, float]:
    """The trapezoid above zero and the one below (as a positive number), of a line from `before` to `after`."""
    if before >= 0 <= after:
        return (before + after) / 2 * width, 0.0
    if before <= 0 >= after:
        return 0.0, -(before + after) / 2 * width
    share = before / (before - after)  # where the line crosses zero
    first, second = abs(before) * share * width / 2, abs(after) * (1 - share) * width / 2
    return (first, second) if before > 0 else (second, first)


def kwh(ws: int | None) -> float | None:
    """To 10 Wh."""
    return None if ws is None else round(ws / WS_PER_KWH, 2)
