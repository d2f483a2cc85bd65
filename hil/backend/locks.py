"""Pairs what the lock did, and what was shown to the reader, with what the backend was told of it.

What is not here: everything else of the comparison (`ledger.py`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from ..diary import Diary, Moment
from .coverage import dark
from .held import HeldFact, Holding

REPEAT_MS = 2_000  # the box takes a badge that stays on the reader for one tap
UNDER_WAY_MS = 1_500  # a tap so shortly before the power went may not have been read yet; what moved is asked anyway


def compare(moved: Sequence[Moment], held: Holding, diary: Diary, match_ms: int) -> tuple[int, list[str]]:
    """(movements with an intent, faults). The intent is on disk before the lock moves, so each movement has one."""
    intents = held.of("access", event="intent")
    outcomes = held.of("access", event="outcome")
    faults = [f"{n} intents carry the id {access}" for access, n in _ids(intents).items() if n > 1]
    faults += [f"{n} outcomes carry the id {access}" for access, n in _ids(outcomes).items() if n > 1]
    by_id = {fact.body.get("access"): fact for fact in outcomes}
    faults += [f"intent {fact.n} has no outcome" for fact in intents if fact.body.get("access") not in by_id]
    free, pairs = [fact for fact in intents if fact.window is not None], 0
    for moment in moved:
        action = "lock" if moment.value == "locked" else "unlock"
        fits = [fact for fact in free if fact.body.get("action") == action and _before(fact, moment, match_ms)]
        if not fits:
            faults.append(f"{moment.value} at {moment.at_ms} by {moment.detail} has no intent")
            continue
        intent = min(fits, key=lambda fact: _nearness(fact, moment.at_ms))
        free.remove(intent)
        pairs += 1
        if (outcome := by_id.get(intent.body.get("access"))) and outcome.body.get("outcome") == "failed":
            faults.append(f"{moment.value} at {moment.at_ms} is held as failed")
    faults += [fault for fact in outcomes if (fault := _done_but_not(fact, diary))]
    return pairs, faults


def _done_but_not(outcome: HeldFact, diary: Diary) -> str | None:
    """`done` is a promise about the car: it must have stood so."""
    if outcome.body.get("outcome") != "done" or outcome.when_ms is None:
        return None
    wanted = outcome.body.get("action") == "lock"
    stood = {diary.truth(outcome.when_ms + shift).locked for shift in (-2_000, -500, 0, 2_000)}
    return None if wanted in stood else f"outcome {outcome.n} says done, the car was the other way"


def _before(intent: HeldFact, moment: Moment, match_ms: int) -> bool:
    """An intent lies before its movement; a wall interval may say a little after."""
    return intent.window is not None and (
        intent.window[0] - match_ms / 2 <= moment.at_ms <= intent.window[1] + match_ms
    )


def _nearness(fact: HeldFact, at_ms: float) -> tuple[bool, float, int]:
    """What is to be taken first: one that has a time, the nearest; of the undated ones, all of which may fit, the one
    that fits later events least.
    """
    low, high = fact.window or (0.0, 0.0)
    return (fact.when_ms is None, high if fact.when_ms is None else abs(at_ms - (low + high) / 2), fact.n)


def _ids(facts: Sequence[HeldFact]) -> Counter[object]:
    return Counter(fact.body.get("access") for fact in facts)


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


def _answers(fact: HeldFact, at_ms: int, match_ms: int) -> bool:
    low, high = fact.window or (0.0, 0.0)
    return low - match_ms <= at_ms <= high + 2_500


def _begins(fact: HeldFact) -> bool:
    return fact.kind == "access" and fact.body.get("event") == "intent" and fact.body.get("via") in ("badge", "code")
