"""The oracle of the lock: which intent belongs to which movement, also where a box did not know the time."""

from __future__ import annotations

from hil.backend import locks
from hil.backend.held import HeldFact, Holding
from hil.diary import Diary
from hil.truth import CarTruth

T0 = 1_800_000_000_000


def test_an_undated_intent_is_not_spent_on_a_movement_that_a_dated_one_fits() -> None:
    diary = Diary()
    for at, value in ((1_000, "locked"), (9_000, "unlocked"), (17_000, "locked")):
        diary.write(T0 + at, "lock", value, "relay", CarTruth(locked=value == "locked"), (48.7, -0.5))

    def intent(n: int, action: str, when: float | None) -> HeldFact:
        window = (when, when) if when is not None else (T0 + 600.0, T0 + 20_000.0)
        body = {"event": "intent", "access": f"{n}", "action": action}
        return HeldFact("a", n, "access", body, "b", 0, None, when, 0, window)

    def outcome(n: int) -> HeldFact:
        return HeldFact("a", n, "access", {"event": "outcome", "access": f"{n - 10}"}, "b", 0, None, None, 0, None)

    facts = (intent(1, "lock", T0 + 600.0), intent(2, "unlock", None), intent(3, "lock", None))
    held = Holding((*facts, *map(outcome, (11, 12, 13))), (), (), (), (), ())
    assert locks.compare(diary.of("lock"), held, diary, 8_000) == (3, [])
