"""Which numbers of a stream have been received: intervals, a contiguous mark, and what lies beyond it. Pure.

What is not here: what the numbers stand for.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable


class Numbers:
    """Numbers from 1. Adjacent and overlapping ranges melt together."""

    def __init__(self, ranges: Iterable[tuple[int, int]] = ()) -> None:
        self._ranges: list[tuple[int, int]] = []
        for low, high in ranges:
            self.add(low, high)

    def __contains__(self, n: int) -> bool:
        at = bisect_left(self._ranges, (n + 1, 0)) - 1
        return at >= 0 and self._ranges[at][0] <= n <= self._ranges[at][1]

    def add(self, low: int, high: int | None = None) -> None:
        """Both ends belong to the range; an empty or negative one is ignored."""
        low, high = max(low, 1), low if high is None else high
        if high < low:
            return
        first = bisect_left(self._ranges, (low, low))
        if first and self._ranges[first - 1][1] >= low - 1:
            first -= 1
        last = first
        while last < len(self._ranges) and self._ranges[last][0] <= high + 1:
            low, high = min(low, self._ranges[last][0]), max(high, self._ranges[last][1])
            last += 1
        self._ranges[first:last] = [(low, high)]

    @property
    def ranges(self) -> list[tuple[int, int]]:
        return list(self._ranges)

    @property
    def upto(self) -> int:
        """Everything from 1 to here was received; 0 while 1 is missing."""
        return self._ranges[0][1] if self._ranges and self._ranges[0][0] == 1 else 0

    @property
    def beyond(self) -> list[tuple[int, int]]:
        """Received ranges above the mark."""
        return self._ranges[1:] if self.upto else list(self._ranges)

    @property
    def gaps(self) -> list[tuple[int, int]]:
        """Missing ranges below the highest number."""
        ends = [0, *(high for _, high in self._ranges)]
        return [(end + 1, low - 1) for end, (low, _) in zip(ends, self._ranges, strict=False) if end + 1 <= low - 1]

    @property
    def highest(self) -> int:
        return self._ranges[-1][1] if self._ranges else 0
