"""The oracle of money: what ought to be billed by the diary alone, reckoned by code of its own, beside the bills.

A driver holds a badge to the reader, the lock moves, the reader shows a letter: from there to the letter for the end he
had the car. The tariff here prices every kind by the second and a month of use high, so that little can hide.
Nothing is demanded of bookings that the diary does not show whole: by code or phone, without a badge, not ended by the
driver (the box, the desk or the next driver did it), or two on one badge. They are counted and left out on both sides.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Protocol
from zoneinfo import ZoneInfo

from ..diary import Diary
from . import coverage
from .bills import Bill, account
from .payload import Fact
from .tariff import Tariff

PARIS: Final = ZoneInfo("Europe/Paris")
MONTH_CENTS: Final = 100_000
BY_THE_SECOND: Final = Tariff(
    name="bench", currency="EUR", zone=PARIS, cents=3_600, billed="used", late_free_ms=0, not_ended="closing",
    step_ms=1_000, rounding="nearest", minimum_ms=0, no_show="nothing", cent="half_up", month_cents=MONTH_CENTS,
    counts="touched", free=frozenset(),
)  # fmt: skip
ANSWER_MS: Final = 8_000  # so long after a tap what happens is its answer


class Ordered(Protocol):
    """What is known of one booking: `ledger.Expected`."""

    @property
    def booking(self) -> int: ...
    @property
    def opened(self) -> bool: ...
    @property
    def how(self) -> tuple[str, ...]: ...
    @property
    def badge(self) -> str: ...


@dataclass(slots=True)
class Had:
    """Who had the car. begin, end: from the tap to what answered it, milliseconds since 1970; end None: not shown."""

    badge: str
    begin: tuple[int, int]
    end: tuple[int, int] | None = None
    over: bool = False


def had(diary: Diary, badges: Container[str]) -> list[Had]:
    """By taps of these badges, the lock and the reader's letters, in the order of time."""
    found: list[Had] = []
    badge, tapped = "", 0
    for moment in diary.moments:
        if moment.what == "tap":
            badge, tapped = moment.value if moment.value in badges else "", moment.at_ms
        elif not badge or moment.at_ms - tapped > ANSWER_MS or moment.detail == "hand":
            continue
        answer, newest = (tapped, moment.at_ms), found[-1] if found and not found[-1].over else None
        mine = newest is not None and newest.badge == badge
        match moment.what, moment.value:
            case ("feedback", "R"):
                badge = ""
            case ("lock", "unlocked") | ("feedback", "O") if not mine:
                found.append(Had(badge, answer))
            case ("feedback", "O") if newest is not None and newest.begin[0] == tapped:
                newest.begin = answer
            case ("lock", "locked") if newest is not None and mine:
                newest.end = answer
            case ("feedback", "E") if newest is not None and mine:
                newest.end, newest.over = answer, True
    return found


def shown(diary: Diary, bookings: Sequence[Ordered]) -> dict[int, list[Had]]:
    """What the diary tells of each booking; nothing of one that must not be billed; those it cannot show are left out.
    """
    badges = Counter(one.badge for one in bookings if one.badge)
    told = had(diary, badges)
    found: dict[int, list[Had]] = {}
    for one in bookings:
        mine = [it for it in told if it.badge == one.badge]
        if not (one.opened and one.how):
            found[one.booking] = []
        elif one.how == ("ended",) and badges[one.badge] == 1 and mine and all(it.end for it in mine):
            found[one.booking] = mine
    return found


def due(periods: Sequence[Had], slack_ms: int) -> tuple[float, float]:
    """The least and the most that these cost by the second, in cents. Each has an end."""
    least = most = 0.0
    for one in periods:
        assert one.end is not None
        least += max(0.0, (one.end[0] - one.begin[1] - 2 * slack_ms) / 1000 - 1)
        most += (one.end[1] - one.begin[0] + 2 * slack_ms) / 1000 + 1
    return least, most


def months(periods: Iterable[Had]) -> set[tuple[str, str]]:
    """Who used which calendar month. No day of the bench lasts for one."""
    return {(one.badge, _month(at_ms)) for one in periods for at_ms in (one.begin[0], (one.end or one.begin)[1])}


def _month(at_ms: int) -> str:
    return f"{datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(PARIS):%Y-%m}"


def compare(
    facts: Iterable[Fact], diary: Diary, bookings: Sequence[Ordered], slack_ms: int
) -> tuple[str, str, list[str]]:
    """(what ought to be billed, what is billed, faults), in words. slack_ms: a reading's time may be off by so much.
    What cannot be proved after a power cut may be billed shorter, never longer.
    """
    periods = shown(diary, bookings)
    held = account(_of(facts, periods), BY_THE_SECOND)
    cut = bool(coverage.dark(diary))
    unsure = {bill.booking for bill in held.bills if cut and "time_unsure" in bill.notes}
    dues = {number: due(it, slack_ms) for number, it in periods.items()}
    dues |= {number: (0.0, dues[number][1]) for number in unsure}
    faults = [fault for bill in held.bills for fault in _differs(bill, *dues[bill.booking])]
    known = {bill.booking for bill in held.bills}
    faults += [f"booking {number} is in no bill" for number, it in periods.items() if it and number not in known]
    used = len(months(one for it in periods.values() for one in it)) * MONTH_CENTS
    least, most = (used + sum(it[end] for it in dues.values()) for end in (0, 1))
    if not least <= held.cents <= most:
        faults.append(f"{held.cents} cents in all, {least:.0f} to {most:.0f} are due")
    out = len(bookings) - len(periods)
    left = f", but for {out} bookings that the diary does not show" if out else ""
    return f"{least:.0f} to {most:.0f} cents{left}", f"{held.cents} cents", faults


def _of(facts: Iterable[Fact], numbers: Iterable[int]) -> Iterator[Fact]:
    """All facts but those of other bookings: the others tell the time."""
    known = {*numbers, None}
    yield from (fact for fact in facts if fact.kind != "booking" or fact.body.get("booking") in known)


def _differs(bill: Bill, least: float, most: float) -> Iterator[str]:
    if not least <= bill.cents <= most:
        yield f"booking {bill.booking} is billed {bill.cents} cents, {least:.0f} to {most:.0f} are due"
