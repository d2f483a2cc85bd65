"""The oracle of money: what the diary says is due, and what it cannot say."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hil.backend.expected_bills import BY_THE_SECOND, MONTH_CENTS, compare, due, had, months, shown
from hil.backend.ledger import Expected
from hil.diary import Diary
from hil.truth import CarTruth
from tests.fleet_facts import Car, at

ONE, TWO = "0a0a0a0a0a", "0b0b0b0b0b"
T0 = at("2026-11-10 08:00")
SLACK = 2_500


def lived(*moments: tuple[float, str, str]) -> Diary:
    """Seconds after T0, what, value; "hand" as a value is the lock moved with the car's own key."""
    diary, truth = Diary(), CarTruth()
    for seconds, what, value in moments:
        by = {"lock": "relay", "hand": "hand"}.get(what, "")
        diary.write(T0 + round(1000 * seconds), what.replace("hand", "lock"), value, by, truth, (48.0, 0.0))
    return diary


def drive(begin: float, end: float, badge: str = ONE) -> list[tuple[float, str, str]]:
    """Opened and ended by a badge: a tap, a second later the lock, then the letter."""
    return [
        (begin - 1, "tap", badge), (begin, "lock", "unlocked"), (begin + 0.1, "feedback", "O"),
        (end - 1, "tap", badge), (end, "lock", "locked"), (end + 0.1, "feedback", "E"),
    ]  # fmt: skip


def told(car: Car, booking: int, begin: float, end: float, holder: str = "a" * 16) -> None:
    start = car.opens(booking, T0 + round(1000 * begin), holder)
    car.closes(booking, start, T0 + round(1000 * end))


def test_what_was_had_is_due_and_billed_by_the_second() -> None:
    diary, car = lived(*drive(10, 610), *drive(700, 900, TWO)), Car()
    told(car, 1, 10, 610)
    told(car, 2, 700, 900, "b" * 16)
    orders = [Expected(1, badge=ONE), Expected(2, badge=TWO), Expected(3, opened=False, how=())]
    wanted, holds, faults = compare(car.facts, diary, orders, SLACK)
    assert (holds, faults) == (f"{800 + 2 * MONTH_CENTS} cents", [])
    assert "not show" not in wanted


@pytest.mark.parametrize(
    ("begin", "end"), [(10, 640), (10, 580), (40, 610), (-20, 610)], ids=["longer", "shorter", "later", "earlier"]
)
def test_half_a_minute_more_or_less_is_found(begin: float, end: float) -> None:
    car = Car()
    told(car, 1, begin, end)
    faults = compare(car.facts, lived(*drive(10, 610)), [Expected(1, badge=ONE)], SLACK)[2]
    assert len(faults) == 2  # the booking's, and the sum


def test_a_bill_twice_a_bill_missing_and_a_month_too_few_are_found() -> None:
    diary, order = lived(*drive(10, 610)), [Expected(1, badge=ONE)]
    car = Car()
    told(car, 1, 10, 610)
    told(car, 1, 700, 1300)
    assert "is billed 1200 cents" in compare(car.facts, diary, order, SLACK)[2][0]
    assert "is in no bill" in compare(car.facts[:1], diary, order, SLACK)[2][0]
    nobody = [replace(fact, body={**fact.body, "holder": None}) for fact in car.facts[:3]]
    assert compare(nobody, diary, order, SLACK)[2] == ["600 cents in all, 100593 to 100607 are due"]
    never = [Expected(1, badge=ONE, opened=False, how=())]
    assert "billed 600 cents, 0 to 0" in compare(car.facts[:3], diary, never, SLACK)[2][0]


def test_pauses_end_nothing_and_a_booking_opened_again_adds_up() -> None:
    pause = [(99, "tap", ONE), (100, "lock", "locked"), (101, "feedback", "P"), (149, "tap", ONE),
             (150, "lock", "unlocked"), (151, "feedback", "O")]  # fmt: skip
    first, again = drive(10, 610), drive(700, 900)
    found = had(lived(*first[:3], *pause, *first[3:], *again), {ONE})
    assert [(it.begin[0] - T0, it.end and it.end[1] - T0) for it in found] == [(9_000, 610_100), (699_000, 900_100)]
    least, most = due(found, 0)
    assert least < 800 < most < 805


def test_strangers_hands_and_refusals_move_no_bill() -> None:
    noise = [(20, "tap", "66" * 5), (21, "lock", "unlocked"), (30, "hand", "locked"), (40, "tap", TWO),
             (41, "feedback", "R"), (42, "lock", "unlocked"), (200, "lock", "locked")]  # fmt: skip
    first = drive(10, 610)
    assert had(lived(*first[:3], *noise, *first[3:]), {ONE, TWO}) == had(lived(*first), {ONE, TWO})
    silent, by_hand = first[:-1], [(611, "hand", "unlocked"), (612, "hand", "locked")]
    assert had(lived(*silent, *by_hand), {ONE}) == had(lived(*silent), {ONE})


def test_a_letter_that_never_came_is_not_needed() -> None:
    """A lock that is not proven shows U, and a cut takes the letter away: what the lock did counts."""
    silent = [moment for moment in drive(10, 610) if moment[1] != "feedback"]
    car = Car()
    told(car, 1, 10, 610)
    assert compare(car.facts, lived(*silent), [Expected(1, badge=ONE)], SLACK)[2] == []


@pytest.mark.parametrize(
    "order",
    [
        Expected(1),
        Expected(1, badge=TWO),
        Expected(1, badge=ONE, how=("auto_closed",)),
        Expected(1, badge=ONE, how=("ended", "takeover")),
    ],
    ids=["no badge", "never seen", "not by the driver", "this way or that"],
)
def test_what_the_diary_does_not_show_is_left_out_on_both_sides_and_counted(order: Expected) -> None:
    car = Car()
    told(car, 1, 10, 99_999)
    wanted, holds, faults = compare(car.facts, lived(*drive(10, 610)), [order], SLACK)
    assert (holds, faults) == ("0 cents", [])
    assert "but for 1 bookings that the diary does not show" in wanted
    assert shown(lived(*drive(10, 610)), [Expected(1, badge=ONE), Expected(2, badge=ONE)]) == {}


def test_after_a_cut_what_cannot_be_proved_may_be_billed_shorter_never_longer() -> None:
    cut = [(60, "power", "cut"), (70, "power", "back"), (75, "agent", "ready")]
    first = drive(10, 610)
    diary, order = lived(*first[:3], *cut, *first[3:]), [Expected(1, badge=ONE)]
    car = Car()
    car.boot(T0, knows=False)
    start = car.opens(1, T0 + 10_000)
    car.boot(T0 + 70_000)
    car.closes(1, start, T0 + 610_000)
    assert compare(car.facts, diary, order, SLACK)[2] == []
    assert compare(car.facts, lived(*first), order, SLACK)[2]  # without a cut there is no excuse
    car = Car()
    car.boot(T0, knows=False)
    start = car.opens(1, T0 + 10_000)
    car.boot(T0 + 70_000)
    car.closes(1, start, T0 + 900_000)
    assert compare(car.facts, diary, order, SLACK)[2]


def test_r24_the_oracle_has_months_of_its_own() -> None:
    diary = lived(*drive(10, 610))
    assert months(had(diary, {ONE})) == {(ONE, "2026-11")}
    late = Diary()
    for moment in diary.moments:
        ms = moment.at_ms - T0 + at("2026-11-30 23:55")
        late.write(ms, moment.what, moment.value, moment.detail, moment.truth, moment.position)
    assert months(had(late, {ONE})) == {(ONE, "2026-11"), (ONE, "2026-12")}
    assert BY_THE_SECOND.months(at("2026-11-30 23:55"), at("2026-12-01 00:05")) == ("2026-11", "2026-12")
