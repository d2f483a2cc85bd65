"""A second issuer on one car: the commune by day, the public at all other hours. Its key stands in the operator's key
set with its name, the hours of the week and the booking numbers that are its own, so the roots sign who may book when.

Two issuers know nothing of each other's bookings. Hours that do not overlap keep them apart; numbers that do not keep
one's driver from passing for the driver of the other's open booking (R5).
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from . import cbor
from .paris import DAY_S, offset_s, weekday

DAY_MIN: Final = 1_440
MINUTE_S: Final = 60
GRACE_S: Final = 3_600  # before and after the paid time, at most
NUMBER_BITS: Final = 52  # from 2^52 on a number stands for a code of the day (`code.HOTLINE`)
LATEST_S: Final = 1 << 36  # the year 4147; a calendar knows no later one


class Guest(Struct, frozen=True):
    """issuer: the `iss` that its tokens carry. days: bits, the lowest is Monday. begin_min, end_min: minutes since
    midnight in Paris; an end at or before the beginning lies on the next day. first, last: its booking numbers, both
    included.
    """

    issuer: str
    days: int
    begin_min: int
    end_min: int
    first: int
    last: int

    def owns(self, booking: int) -> bool:
        return self.first <= booking <= self.last

    def may_book(self, nbf: int, early_s: int, late_s: int, exp: int) -> bool:
        """Whether a token of these claims keeps to the hours; its grace would else be a way around them."""
        return max(early_s, late_s) <= GRACE_S and self.serves(nbf + early_s, exp - late_s)

    def serves(self, from_s: int, to_s: int) -> bool:
        """Whether this paid time lies in one stretch of its hours. Both ends belong to a stretch."""
        if not 0 <= from_s <= to_s < LATEST_S:
            return False
        begin, end = from_s + offset_s(from_s), to_s + offset_s(to_s)
        today = begin // DAY_S
        return any(self._stretch(day, begin, end) for day in (today, today - 1))  # it may have begun on the day before

    def _stretch(self, day: int, begin: int, end: int) -> bool:
        """begin, end: in the time of Paris. Hours are those of the clock on the wall, also in the nights it is turned.
        """
        opens = day * DAY_S + self.begin_min * MINUTE_S
        lasts = (self.end_min - self.begin_min - 1) % DAY_MIN + 1
        return bool(self.days >> weekday(day) & 1) and opens <= begin and end <= opens + lasts * MINUTE_S


def read_guest(value: object) -> Guest | None:
    """The sixth item of a key in a key set: `[issuer, days, begin, end, first, last]`; `None` when it is not one."""
    match value:
        case [str() as issuer, days, begin, end, first, last] if (
            1 <= len(issuer.encode()) <= 64
            and (cbor.is_uint(days, 7) and days > 0)
            and (cbor.is_uint(begin, 11) and begin < DAY_MIN)
            and (cbor.is_uint(end, 11) and end < DAY_MIN)
            and (cbor.is_uint(first, NUMBER_BITS) and cbor.is_uint(last, NUMBER_BITS) and 0 < first <= last)
        ):
            return Guest(issuer, days, begin, end, first, last)
        case _:
            return None


def write_guest(guest: Guest) -> list[object]:
    return [guest.issuer, guest.days, guest.begin_min, guest.end_min, guest.first, guest.last]
