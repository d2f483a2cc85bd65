"""The oracle of the lock: which intent belongs to which movement, also where a box did not know the time."""

from __future__ import annotations

import pytest

from hil.backend import locks
from hil.backend.held import HeldFact, Holding, tied
from hil.diary import Diary
from hil.truth import CarTruth

T0 = 1_800_000_000_000
WIDE = (T0 + 600.0, T0 + 80_000.0)
MATCH_MS = 8_000


def intent(
    n: int, action: str, when: float | None, window: tuple[float, float] | None = None, at: int = 0, boot: str = "b"
) -> HeldFact:
    """when: its time, `None` for one that only its neighbours date, to that window."""
    around = (when, when) if when is not None else window
    body = {"event": "intent", "access": f"{n}", "action": action}
    return HeldFact("a", n, "access", body, boot, at, None, when, 0, around)


def outcome(n: int, word: str = "unknown", action: str = "lock", window: tuple[float, float] | None = None) -> HeldFact:
    """Of the intent that is ten numbers lower."""
    body = {"event": "outcome", "access": f"{n - 10}", "action": action, "outcome": word}
    return HeldFact("a", n, "access", body, "b", 0, None, None, 0, window)


def moved(*movements: tuple[int, str], power: tuple[tuple[int, str], ...] = ()) -> Diary:
    diary, locked = Diary(), True
    for at, value in sorted((*movements, *power)):
        locked = value == "locked" if (at, value) in movements else locked
        what = "lock" if (at, value) in movements else "power"
        diary.write(T0 + at, what, value, "relay", CarTruth(locked=locked), (48.7, -0.5))
    return diary


def compared(diary: Diary, *intents: HeldFact) -> tuple[int, list[str]]:
    """Each with an outcome."""
    held = Holding((*intents, *(outcome(fact.n + 10) for fact in intents)), (), (), (), (), ())
    return locks.compare(diary.of("lock"), held, diary, MATCH_MS)


def test_an_undated_intent_is_not_spent_on_a_movement_that_a_dated_one_fits() -> None:
    diary, window = moved((1_000, "locked"), (9_000, "unlocked"), (17_000, "locked")), (T0 + 600.0, T0 + 20_000.0)
    undated = (intent(2, "unlock", None, window, 3_000), intent(3, "lock", None, window, 11_000))
    assert compared(diary, intent(1, "lock", T0 + 600.0), *undated) == (3, [])


def test_of_two_undated_intents_the_one_that_cannot_be_of_a_later_movement_is_taken_first() -> None:
    """Two boots in a row were cut before they knew the time: only when their records arrived tells them apart."""
    diary = moved((12_000, "unlocked"), (20_000, "locked"), (37_000, "unlocked"))
    first, second = (T0, T0 + 11_700.0), (T0, T0 + 36_700.0)
    one = intent(1, "unlock", None, first, 2_000, "first")
    two, three = (intent(n, action, None, second, at, "second") for n, action, at in
                  ((2, "lock", 1_500), (3, "unlock", 18_500)))  # fmt: skip
    assert compared(diary, one, two, three) == (3, [])
    assert compared(diary, one, two)[1] == [f"unlocked at {T0 + 37_000} by relay has no intent"]


@pytest.mark.parametrize(("later_ms", "fits"), [(12_000, True), (15_500, True), (17_000, False), (30_000, False)])
def test_the_undated_intents_of_one_boot_are_as_far_apart_as_its_clock_says(later_ms: int, fits: bool) -> None:
    """A movement whose intent was lost does not pass by one that can only have been at another time."""
    diary = moved((20_000, "locked"), (20_000 + later_ms, "unlocked"))
    _, faults = compared(diary, intent(1, "lock", None, WIDE, 3_000), intent(2, "unlock", None, WIDE, 15_000))
    assert faults == ([] if fits else [f"unlocked at {T0 + 20_000 + later_ms} by relay has no intent"])


def test_a_boot_started_while_the_power_was_away() -> None:
    power = ((30_000, "cut"), (36_000, "back"), (60_000, "cut"), (66_000, "back"))
    near = moved((40_000, "locked"), power=power)
    far = moved((50_000, "locked"), power=power)
    assert compared(near, intent(1, "lock", None, WIDE, 5_000))[1] == []
    assert compared(far, intent(1, "lock", None, WIDE, 5_000))[1] == [f"locked at {T0 + 50_000} by relay has no intent"]


def test_an_undated_outcome_is_done_only_if_the_car_stood_so_at_any_time_that_it_can_have_been() -> None:
    diary = moved((1_000, "unlocked"), (50_000, "locked"))
    for high, found in ((40_000.0, ["outcome 11 says done, the car was the other way"]), (48_500.0, [])):
        said = outcome(11, "done", window=(T0 + 5_000.0, T0 + high))
        held = Holding((intent(1, "lock", T0 + 49_000.0), intent(2, "unlock", T0 + 500.0), said, outcome(12)),
                       (), (), (), (), ())  # fmt: skip
        assert locks.compare(diary.of("lock"), held, diary, MATCH_MS) == (2, found)


def test_what_one_fact_of_a_boot_leaves_open_another_may_close() -> None:
    """Its first cannot be before the boot before it ended, its last not after the boot after it began."""
    first, last = intent(1, "lock", None, WIDE, 1_000), intent(2, "unlock", None, WIDE, 61_000)
    dated, alone = intent(3, "lock", T0 + 90_000.0, at=9, boot="c"), intent(4, "lock", None, WIDE, 7, "d")
    found = tied((first, last, dated, alone))
    assert [(fact.window or (0, 0))[1] - (fact.window or (0, 0))[0] for fact in found[:2]] == [19_400.0, 19_400.0]
    assert (found[0].window, found[1].window) == ((T0 + 600.0, T0 + 20_000.0), (T0 + 60_600.0, T0 + 80_000.0))
    assert found[2:] == (dated, alone)
    held = Holding(found, (), (), (), (), ())
    assert held.window("b", 11_000) == (T0 + 10_600.0, T0 + 30_000.0)
    late = intent(5, "lock", None, WIDE, 99_000)
    assert tied((first, late))[1].window == (T0 + 80_000.0, T0 + 98_600.0), "clocks that contradict each other a little"
