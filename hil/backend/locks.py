"""Pairs what the lock did, and what was shown to the reader, with what the backend was told of it.

What is not here: everything else of the comparison (`ledger.py`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from ..diary import Diary, Moment
from .coverage import dark, powerless
from .held import HeldFact, Holding

REPEAT_MS = 2_000  # the box takes a badge that stays on the reader for one tap
UNDER_WAY_MS = 1_500  # a tap so shortly before the power went may not have been read yet; what moved is asked anyway

Pair = tuple[HeldFact, Moment]


def compare(moved: Sequence[Moment], held: Holding, diary: Diary, match_ms: int) -> tuple[int, list[str]]:
    """(movements with an intent, faults). The intent is on disk before the lock moves, so each movement has one."""
    intents = held.of("access", event="intent")
    outcomes = held.of("access", event="outcome")
    faults = [f"{n} intents carry the id {access}" for access, n in _ids(intents).items() if n > 1]
    faults += [f"{n} outcomes carry the id {access}" for access, n in _ids(outcomes).items() if n > 1]
    by_id = {fact.body.get("access"): fact for fact in outcomes}
    faults += [f"intent {fact.n} has no outcome" for fact in intents if fact.body.get("access") not in by_id]
    pairs = _pairs(moved, intents, diary, match_ms)
    for moment in moved:
        if all(moment is not it for _, it in pairs):
            faults.append(f"{moment.value} at {moment.at_ms} by {moment.detail} has no intent")
    for intent, moment in pairs:
        if (outcome := by_id.get(intent.body.get("access"))) and outcome.body.get("outcome") == "failed":
            faults.append(f"{moment.value} at {moment.at_ms} is held as failed")
    faults += [fault for fact in outcomes if (fault := _done_but_not(fact, diary))]
    return len(pairs), faults


# --- which intent belongs to which movement


def _pairs(moved: Sequence[Moment], intents: Sequence[HeldFact], diary: Diary, match_ms: int) -> list[Pair]:
    """Dated intents first, each movement the nearest. Those of a boot that never knew the time then all at once, by one
    start of that boot: whichever gives most of them a movement, the earliest of such.
    """
    free, found = [fact for fact in intents if fact.when_ms is not None], list[Pair]()
    for moment in moved:
        fits = [fact for fact in free if _fits(fact, moment, match_ms)]
        if fits:
            nearest = min(fits, key=lambda fact: abs(moment.at_ms - (fact.when_ms or 0.0)))
            free.remove(nearest)
            found.append((nearest, moment))
    undated = [fact for fact in intents if fact.when_ms is None and fact.window is not None]
    for boot in dict.fromkeys(fact.boot for fact in undated):
        mine = [fact for fact in undated if fact.boot == boot]
        left = [moment for moment in moved if all(moment is not it for _, it in found)]
        starts = {moment.at_ms - fact.at for fact in mine for moment in left if _fits(fact, moment, match_ms)}
        able = [start for start in sorted(starts) if _booted(diary, start, match_ms)]
        most: list[Pair] = max((_by_start(mine, left, start, match_ms) for start in able), key=len, default=[])
        found += most
    return found


def _by_start(intents: Sequence[HeldFact], moved: Sequence[Moment], start_ms: int, match_ms: int) -> list[Pair]:
    """The pairs, if their boot started then: what is left to differ is how long the lock took."""
    free, found = list(moved), list[Pair]()
    for fact in intents:
        near = [
            it for it in free if _action(it) == fact.body.get("action")
            and abs(it.at_ms - start_ms - fact.at) <= match_ms / 2
        ]  # fmt: skip
        if near:
            nearest = min(near, key=lambda it: abs(it.at_ms - start_ms - fact.at))
            free.remove(nearest)
            found.append((fact, nearest))
    return found


def _booted(diary: Diary, start_ms: int, match_ms: int) -> bool:
    """Whether a board can have started then: while its power was away, or before the diary began."""
    spans = powerless(diary)
    early = start_ms <= diary.moments[0].at_ms + match_ms / 2
    return not spans or early or any(a - match_ms / 2 <= start_ms <= b + match_ms / 2 for a, b in spans)


def _fits(intent: HeldFact, moment: Moment, match_ms: int) -> bool:
    """An intent lies before its movement; a wall interval may say a little after."""
    if intent.window is None or intent.body.get("action") != _action(moment):
        return False
    return intent.window[0] - match_ms / 2 <= moment.at_ms <= intent.window[1] + match_ms


def _action(moment: Moment) -> str:
    return "lock" if moment.value == "locked" else "unlock"


def _done_but_not(outcome: HeldFact, diary: Diary) -> str | None:
    """`done` is a promise about the car: it must have stood so, at that time, or where nobody knows the time, at any
    that it can have been.
    """
    moves = outcome.body.get("action") in ("lock", "unlock")
    if outcome.body.get("outcome") != "done" or not moves or outcome.window is None:
        return None
    wanted, (low, high) = outcome.body.get("action") == "lock", outcome.window
    stood = {diary.truth(edge + shift).locked for edge in (low, high) for shift in (-2_000, -500, 0, 2_000)}
    stood |= {moment.truth.locked for moment in diary.moments if low <= moment.at_ms <= high}
    return None if wanted in stood else f"outcome {outcome.n} says done, the car was the other way"


def _ids(facts: Sequence[HeldFact]) -> Counter[object]:
    return Counter(fact.body.get("access") for fact in facts)


# --- taps and their answers


def taps(held: Holding, diary: Diary, match_ms: int) -> tuple[int, list[str]]:
    """(taps and codes that the box must have noticed, those without an answer in the records)."""
    answers = [fact for fact in held.facts if fact.kind == "refused" or _begins(fact)]
    free, counted, missing = [fact for fact in answers if fact.window is not None], 0, []
    last: dict[str, int] = {}
    spans = dark(diary)
    for moment in diary.of("tap", "keys"):
        repeated = moment.at_ms - last.get(moment.value, -REPEAT_MS) < REPEAT_MS
        last[moment.value] = moment.at_ms
        if repeated or any(begin - UNDER_WAY_MS <= moment.at_ms <= end for begin, end in spans):
            continue
        counted += 1
        fits = [fact for fact in free if _answers(fact, moment.at_ms, match_ms)]
        if fits:
            free.remove(min(fits, key=lambda fact: _nearness(fact, moment.at_ms)))
        else:
            missing.append(f"{moment.what} at {moment.at_ms} left no record")
    return counted, missing


def _nearness(fact: HeldFact, at_ms: float) -> tuple[bool, float, int]:
    """What is to be taken first: one that has a time, the nearest; of the undated ones, all of which may fit, the one
    that fits later events least.
    """
    low, high = fact.window or (0.0, 0.0)
    return (fact.when_ms is None, high if fact.when_ms is None else abs(at_ms - (low + high) / 2), fact.n)


def _answers(fact: HeldFact, at_ms: int, match_ms: int) -> bool:
    low, high = fact.window or (0.0, 0.0)
    return low - match_ms <= at_ms <= high + 2_500


def _begins(fact: HeldFact) -> bool:
    return fact.kind == "access" and fact.body.get("event") == "intent" and fact.body.get("via") in ("badge", "code")
