"""Pure: which question is asked next, and what an answer, a refusal or silence means for the next time.

What is not here: asking (`polling.py`) and whether the car may be asked at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from config.car import Phase, Poll

MOST_PER_S: Final = 10  # for safety; OVMS asks the older cars at most five a second, the newer ones more
GAP_NS: Final = 1_000_000_000 // MOST_PER_S
UNSUPPORTED_MOST_S: Final = 3_600.0
OTHER_MOST_S: Final = 300.0
MOST_DOUBLED: Final = 16
BUSY_S: Final = 2.0
STALE_PERIODS: Final = 3
STALE_SLACK_NS: Final = 2_000_000_000  # questions wait for each other


class Outcome(StrEnum):
    """What became of a question. UNSUPPORTED: 7F xx 11, 12, 31. BUSY: 7F xx 21. REFUSED: any other refusal.

    LOST: the bus was not there, which is nobody's answer.
    """

    ANSWERED = "answered"
    UNSUPPORTED = "unsupported"
    BUSY = "busy"
    REFUSED = "refused"
    SILENT = "silent"
    LOST = "lost"


REFUSALS: Final[Mapping[int, Outcome]] = {
    0x11: Outcome.UNSUPPORTED, 0x12: Outcome.UNSUPPORTED, 0x31: Outcome.UNSUPPORTED, 0x21: Outcome.BUSY,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Entry:
    """One question's past. failures: in a row, each of which doubles its pause. why: its last outcome.

    wanted: asked before all others, whenever it was asked last.
    """

    asked_ns: int | None = None
    answered_ns: int | None = None
    failures: int = 0
    why: Outcome | None = None
    wanted: bool = False

    def pause_s(self, every_s: float) -> float:
        """Seconds from one question to the next: up to an hour for what the unit does not know, up to five minutes for
        other refusals and silence. A busy unit is asked again soon.
        """
        if self.why is Outcome.BUSY:
            return min(every_s, BUSY_S)
        most_s = max(every_s, UNSUPPORTED_MOST_S if self.why is Outcome.UNSUPPORTED else OTHER_MOST_S)
        return min(every_s * 2.0 ** min(self.failures, MOST_DOUBLED), most_s)


def after(entry: Entry, outcome: Outcome, asked_ns: int, now_ns: int) -> Entry:
    """What an outcome leaves behind. Being busy, or a lost bus, is no failure of the question."""
    if outcome is Outcome.ANSWERED:
        return Entry(asked_ns, now_ns, 0, outcome)
    failed = outcome not in (Outcome.BUSY, Outcome.LOST)
    return Entry(asked_ns, entry.answered_ns, entry.failures + failed, outcome)


def woken(entry: Entry) -> Entry:
    """The car woke up: silence of before counts no more; what a unit does not know it will not have learnt."""
    return entry if entry.why is Outcome.UNSUPPORTED else Entry(entry.asked_ns, entry.answered_ns)


def wanted(entry: Entry) -> Entry:
    """The car was switched or plugged: what is read of it now is of this moment. What a unit refuses again and again is
    no better known for it; a single refusal may have been meant for another tester on the bus.
    """
    return replace(entry, wanted=entry.failures <= 1)


def due_ns(poll: Poll, entry: Entry, phase: Phase) -> int | None:
    """When it should be asked next; `None`: not in this phase. What was never asked was due from the beginning, and
    what is wanted before that.
    """
    every_s = poll.every_s.get(phase)
    if every_s is None:
        return None
    if entry.wanted:
        return -1
    if entry.asked_ns is None:
        return 0
    return entry.asked_ns + round(entry.pause_s(every_s) * 1e9)


def choose(
    polls: Iterable[Poll], book: Mapping[str, Entry], phase: Phase, now_ns: int
) -> tuple[Poll | None, int | None]:
    """The question that is overdue longest, else when the next one is due (`None`: never in this phase).

    The oldest due time goes first, so that nothing starves when there is more to ask than there is room.
    """
    best: tuple[int, Poll] | None = None
    for poll in polls:
        due = due_ns(poll, book.get(poll.name, Entry()), phase)
        if due is not None and (best is None or due < best[0]):
            best = due, poll
    if best is None:
        return None, None
    return (best[1], None) if best[0] <= now_ns else (None, best[0])


def stale(poll: Poll, entry: Entry, phase: Phase, phase_since_ns: int, now_ns: int) -> bool:
    """Whether what it answered last may not be believed any more: three periods without an answer, or not asked now.

    A faster rate counts from when the phase began, else each change of phase would make everything stale.
    """
    every_s = poll.every_s.get(phase)
    if every_s is None or entry.answered_ns is None:
        return True
    since_ns = max(entry.answered_ns, phase_since_ns)
    return now_ns - since_ns > STALE_PERIODS * every_s * 1e9 + STALE_SLACK_NS
