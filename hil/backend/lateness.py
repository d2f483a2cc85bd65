"""How late a box may date what happened for reasons not its own: the bench told the car late, the car slept, or the box
had just started, and opens doors before it listens (D24).

What is not here: what it may be late with by itself (`journeys.py: Fine`).
"""

from __future__ import annotations

from ..diary import Diary
from .coverage import DARK, Span


def excused(diary: Diary, on: int, off: int, waking_ms: int) -> tuple[int, int]:
    """Milliseconds at either end of a leg: the ignition's own times. waking_ms: so long a car whose bus slept tells
    nothing yet.
    """
    place = next(n for n, it in enumerate(diary.moments) if it.what == "ignition" and it.at_ms == on)
    slept = not diary.moments[max(0, place - 1)].truth.awake
    begun = max(_told_ms(diary, "on", on) + (waking_ms if slept else 0), _deaf_ms(diary, on))
    return begun, max(_told_ms(diary, "off", off), _deaf_ms(diary, off))


def starting(diary: Diary) -> list[Span]:
    """When doors could be opened, and the car was not listened to yet. The two may be noted in either order."""
    spans, ready, listens = list[Span](), None, False
    for moment in diary.of("power", "agent"):
        if moment.value == "ready" and not listens:
            ready = moment.at_ms
        elif moment.value == "listens" or moment.value in DARK:
            spans += [] if ready is None else [(ready, moment.at_ms)]
            ready, listens = None, moment.value == "listens"
    return spans


def _told_ms(diary: Diary, value: str, at_ms: int) -> int:
    """How late the bench told the car of that, at most: until it had answered."""
    told = next((it.at_ms for it in diary.of("told") if it.value == f"ignition {value}" and it.at_ms >= at_ms), at_ms)
    again = any(at_ms < it.at_ms < told for it in diary.of("ignition"))  # then it was never told
    return 0 if again else told - at_ms


def _deaf_ms(diary: Diary, at_ms: int) -> int:
    return max((end - at_ms for begin, end in starting(diary) if begin <= at_ms < end), default=0)
