"""Guessing at the keypad (R11): what counts, for how long, and how many tries a day holds whatever somebody does."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from keyless.tries import LOCK_NS, WRONG, Tries, after_wrong, aged, locked, not_known

SECOND = 1_000_000_000
TEN_MINUTES = 600
DAY_S = 86_400


def test_r11_five_wrong_codes_lock_for_ten_minutes() -> None:
    tries = Tries()
    for count in range(5):
        assert not locked(tries, "a", count)
        tries = after_wrong(tries, "a", count)
    assert locked(tries, "a", 4)
    assert locked(tries, "a", 4 + LOCK_NS - 1)
    assert not locked(tries, "a", 4 + LOCK_NS)
    assert aged(tries, "a", 4 + LOCK_NS) == Tries()
    assert after_wrong(tries, "a", 4 + LOCK_NS).wrong == 1


def test_none_is_none_whenever_it_was() -> None:
    assert aged(Tries(0, "a", 5), "a", 6) == Tries()
    assert aged(Tries(1, "a", 5), "a", 6) == Tries(1, "a", 5)


def test_four_are_forgotten_ten_minutes_after_the_last() -> None:
    tries = Tries(4, "a", 100)
    assert locked(after_wrong(tries, "a", 99 + LOCK_NS), "a", 99 + LOCK_NS)
    assert after_wrong(tries, "a", 100 + LOCK_NS).wrong == 1


def test_a_power_cut_neither_forgets_nor_prolongs_beyond_ten_minutes() -> None:
    tries = Tries(5, "a", 7_000 * SECOND)
    assert locked(tries, "b", 0)
    assert locked(tries, "b", LOCK_NS - 1)
    assert not locked(tries, "b", LOCK_NS)
    assert after_wrong(Tries(4, "a", 7_000 * SECOND), "b", SECOND) == Tries(5, "b", SECOND)


def test_a_count_that_cannot_be_read_locks_from_now_on() -> None:
    tries = not_known("a", 9 * LOCK_NS)
    assert locked(tries, "a", 9 * LOCK_NS)
    assert locked(tries, "a", 10 * LOCK_NS - 1)
    assert not locked(tries, "a", 10 * LOCK_NS)


@given(st.integers(), st.sampled_from("ab"), st.integers(), st.integers(0, 1 << 62))
def test_no_damage_locks_for_longer_than_ten_minutes_of_this_boot(wrong: int, boot: str, at_ns: int, now: int) -> None:
    tries = Tries(wrong, boot, at_ns)
    assert not locked(tries, "a", now + LOCK_NS) or (boot == "a" and now < at_ns <= now + LOCK_NS)
    assert aged(tries, "a", now).wrong >= 0
    assert after_wrong(tries, "a", now).wrong <= WRONG


@given(st.lists(st.tuples(st.sampled_from(["try", "try", "try", "cut"]), st.integers(0, 700)), max_size=200))
def test_whatever_somebody_does_ten_minutes_hold_five_tries(steps: list[tuple[str, int]]) -> None:
    """Real seconds pass; a cut starts a new boot, whose nanoseconds begin again."""
    tries, real_s, booted_s, boot = Tries(), 0, 0, 0
    tried: list[int] = []
    for what, seconds in steps:
        real_s += seconds
        if what == "cut":
            boot, booted_s = boot + 1, real_s
            continue
        now_ns = (real_s - booted_s) * SECOND
        if not locked(tries, str(boot), now_ns):
            tries = after_wrong(tries, str(boot), now_ns)
            tried.append(real_s)
    for begin, end in zip(tried, tried[5:], strict=False):
        assert end - begin >= TEN_MINUTES


def test_a_day_of_guessing_without_a_pause_is_720_tries() -> None:
    tries, tried = Tries(), 0
    for second in range(DAY_S):
        if not locked(tries, "a", second * SECOND):
            tries, tried = after_wrong(tries, "a", second * SECOND), tried + 1
    assert tried == 720
