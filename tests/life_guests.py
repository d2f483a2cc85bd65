"""The second issuer of the machine: its key, and its calendar as docs/keyless.md section 1.4 tells it, by the time zone
data of the system instead of `keyless/paris.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from keyless import issue
from keyless.guest import Guest

PARIS = ZoneInfo("Europe/Paris")
GUEST = issue.SigningKey(b"\x13" * 32)
NAME = "mairie.example"
LONGEST_GRACE_S = 3_600


@dataclass(frozen=True)
class Calendar:
    """days: of the week, Monday is 0. begin, end: minutes since midnight on the wall; an end that is not later lies on
    the next day.
    """

    issuer: str
    days: frozenset[int]
    begin: int
    end: int
    numbers: range

    def signed(self) -> Guest:
        bits = sum(1 << day for day in self.days)
        return Guest(self.issuer, bits, self.begin, self.end, self.numbers.start, self.numbers.stop - 1)

    def admits(self, paid_from: int, paid_to: int, early: int, late: int) -> bool:
        if max(early, late) > LONGEST_GRACE_S:
            return False
        first, last = (datetime.fromtimestamp(at, PARIS).replace(tzinfo=None) for at in (paid_from, paid_to))
        return any(self._stretch(first.date() - timedelta(back), first, last) for back in (0, 1))

    def _stretch(self, day: date, first: datetime, last: datetime) -> bool:
        midnight = datetime.combine(day, time())
        opens, shuts = (midnight + timedelta(minutes=at) for at in (self.begin, self.end))
        shuts += timedelta(days=int(self.end <= self.begin))
        return day.weekday() in self.days and opens <= first and last <= shuts


NUMBERS = range(7, 10)
MAIRIE = Calendar(NAME, frozenset(range(6)), 6 * 60, 2 * 60, NUMBERS)  # from six until two at night, not on Sundays
OFFICE = Calendar(NAME, frozenset(range(5)), 8 * 60, 18 * 60, NUMBERS)
