"""The oracle of the lock: which intent belongs to which movement, also where a box did not know the time."""

from __future__ import annotations

from hil.backend import locks
from hil.backend.held import HeldFact, Holding
from hil.diary import Diary
from hil.truth import CarTruth

T0 = 1_800_000_000_000


def intent(n: int, action: str, when: float | None, window: tuple[float, float] | None = None) -> HeldFact:
    """when: its time, `None` for one that only its neighbours date, to that window."""
    around = (when, when) if when is not None else window
    body = {"event": "intent", "access": f"{n}", "action": action}
    return HeldFact("a", n, "access", body, "b", 0, None, when, 0, around)


def outcome(n: int) -> HeldFact:
    """Of the intent that is ten numbers lower."""
    return HeldFact("a", n, "access", {"event": "outcome", "access": f"{n - 10}"}, "b", 0, None, None, 0, None)


def moved(*movements: tuple[int, str]) -> Diary:
    diary = Diary()
    for at, value in movements:
        diary.write(T0 + at, "lock", value, "relay", CarTruth(locked=value == "locked"), (48.7, -0.5))
    return diary


def test_an_undated_intent_is_not_spent_on_a_movement_that_a_dated_one_fits() -> None:
    diary, window = moved((1_000, "locked"), (9_000, "unlocked"), (17_000, "locked")), (T0 + 600.0, T0 + 20_000.0)
    facts = (intent(1, "lock", T0 + 600.0), intent(2, "unlock", None, window), intent(3, "lock", None, window))
    held = Holding((*facts, *map(outcome, (11, 12, 13))), (), (), (), (), ())
    assert locks.compare(diary.of("lock"), held, diary, 8_000) == (3, [])


def test_of_two_undated_intents_the_one_that_cannot_be_of_a_later_movement_is_taken_first() -> None:
    """Two boots in a row were cut before they knew the time: only when their records arrived tells them apart."""
    diary = moved((12_000, "unlocked"), (20_000, "locked"), (37_000, "unlocked"))
    first, second = (T0, T0 + 11_700.0), (T0, T0 + 36_700.0)
    facts = (intent(1, "unlock", None, first), intent(2, "lock", None, second), intent(3, "unlock", None, second))
    held = Holding((*facts, *map(outcome, (11, 12, 13))), (), (), (), (), ())
    assert locks.compare(diary.of("lock"), held, diary, 8_000) == (3, [])
    missing = Holding((*facts[:2], *map(outcome, (11, 12))), (), (), (), (), ())
    assert locks.compare(diary.of("lock"), missing, diary, 8_000)[1] != []
