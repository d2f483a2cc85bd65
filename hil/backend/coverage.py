"""Are there samples of every drive? One a second is promised, and at most ten seconds are lost at a cut (D25).

What is not here: whether a sample is true (`ledger.py`).
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right

from ..diary import Diary
from .held import Holding

LOST_AT_A_CUT_S = 11.0
SHARE = 0.8  # a busy machine comes late now and then; the loop that samples is no metronome
START_S = 3.0  # until ignition and speed were heard, and the last second
DARK = ("cut", "killed", "stopped")  # from here until the agent is "ready" again nobody listens
GONE = ("down", "delete")  # and from here until the bus is back nothing is heard

Span = tuple[int, int]


def dark(diary: Diary) -> list[Span]:
    """When the box had no power, or its agent did not run."""
    return _spans(diary, ("power", "agent"), DARK, ("ready",))


def busless(diary: Diary) -> list[Span]:
    """When the car's bus was gone."""
    return _spans(diary, ("can",), GONE, ("up", "create"))


def powerless(diary: Diary) -> list[Span]:
    """When the machine of the box had no power, or was starting."""
    return _spans(diary, ("power",), ("cut",), ("back",))


def _spans(diary: Diary, what: tuple[str, ...], begins: tuple[str, ...], ends: tuple[str, ...]) -> list[Span]:
    spans: list[Span] = []
    since: int | None = None
    for moment in diary.of(*what, "end"):
        if moment.value in begins and since is None:
            since = moment.at_ms
        elif since is not None and (moment.value in ends or moment.what == "end"):
            spans.append((since, moment.at_ms))
            since = None
    return spans


def drives(diary: Diary) -> list[Span]:
    """From start to stop, by the diary."""
    begun, found = None, []
    for moment in diary.of("drive"):
        if moment.value == "start":
            begun = moment.at_ms
        elif begun is not None:
            found.append((begun, moment.at_ms))
            begun = None
    return found


def check(held: Holding, diary: Diary) -> tuple[float, int, list[str]]:
    """(seconds driven with the box awake, samples held of them, faults)."""
    times = [sample.when_ms for sample in held.samples if sample.when_ms is not None]
    seconds, total, faults, spans = 0.0, 0, [], dark(diary)
    for low, high in drives(diary):
        overlaps = [min(high, end) - max(low, begin) for begin, end in spans]
        awake = (high - low - sum(max(0, overlap) for overlap in overlaps)) / 1000
        have = bisect_right(times, high) - bisect_left(times, low)
        need = SHARE * awake - START_S - LOST_AT_A_CUT_S * sum(overlap > 0 for overlap in overlaps)
        seconds, total = seconds + awake, total + have
        if have < need:
            faults.append(f"{have} samples of {awake:.0f} s driven at {low}")
    return seconds, total, faults
