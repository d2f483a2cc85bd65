"""Eight digits at a keypad, and what they stand for: a stored booking, a slot of a day, the end of the open booking, or
nothing (`code`).
"""

from __future__ import annotations

from typing import Any, Final

from .. import codes
from ..tokens import ROLES
from .world import DAY, HOUR, NOW, SURE, Case, different, refused

KEY: Final = bytes(range(32))
OTHER: Final = bytes(range(1, 33))
TODAY: Final = NOW // DAY
MORNING: Final = TODAY * DAY  # NOW is eight hours later
MANY: Final = (1 << 52) - 1
USUAL: Final[Case] = {
    "code_key": KEY.hex(),
    "stored": [
        {"booking": 42, "revision": 3, "role": ROLES["driver"], "nbf": NOW - HOUR, "exp": NOW + HOUR},
        {"booking": 43, "revision": 0, "role": ROLES["agent"], "nbf": NOW + HOUR, "exp": NOW + 5 * HOUR},
        {"booking": 44, "revision": 1, "role": ROLES["technician"], "nbf": NOW - HOUR, "exp": NOW + HOUR},
        {"booking": 0, "revision": 0, "role": ROLES["driver"], "nbf": NOW - HOUR, "exp": NOW + HOUR},
        {"booking": MANY, "revision": 2**32 - 1, "role": ROLES["driver"], "nbf": NOW - HOUR, "exp": NOW + HOUR},
    ],
    "now": SURE,
    "open_booking": None,
}


def _case(name: str, digits: str, expect: Case, **state: Any) -> Case:
    return {"name": name, "digits": digits, "state": different(USUAL, state), "expect": expect}


def _stands(booking: int, kind: int) -> Case:
    return {"accept": True, "code": None, "booking": booking, "kind": kind}


def _booking(name: str, booking: int, revision: int, kind: int = 1, **state: Any) -> Case:
    return _case(name, codes.of_booking(KEY, booking, revision, kind), _stands(booking, kind), **state)


def _slot(name: str, day: int, slot: int, **state: Any) -> Case:
    expect = {"accept": True, "code": None, "booking": codes.number_of(day, slot), "kind": None}
    return _case(name, codes.of_day(KEY, day, slot), expect, **state)


def _end(name: str, booking: int, day: int, **state: Any) -> Case:
    state = {"open_booking": booking, **state}
    return _case(name, codes.to_end(KEY, booking, day), _stands(booking, codes.TO_END), **state)


def _nothing(name: str, digits: str, **state: Any) -> Case:
    return _case(name, digits, refused("code"), **state)


def cases() -> list[Case]:
    good, slot = codes.of_booking(KEY, 42, 3), codes.of_day(KEY, TODAY, 3)
    wrong = f"{(int(good) + 1) % 10**8:08}"
    noughts = next(key for key in range(256) if codes.of_booking(bytes([key]) * 32, 42, 3)[:2] == "00")
    begin, end = NOW - HOUR, NOW + HOUR
    noon = MORNING + 36 * HOUR
    open_slot, later = codes.number_of(TODAY, 3), NOW + 7 * DAY
    return [
        _booking("the booking's own code", 42, 3),
        _booking("the desk's code", 42, 3, 2),
        _booking("an agent's, which begins in an hour", 43, 0),
        _booking("an agent's, from the desk", 43, 0, 2),
        _booking("the highest numbers", MANY, 2**32 - 1),
        _booking("a day before it begins", 42, 3, now=[begin - DAY - 4, begin - DAY]),
        _booking("a day after its end", 42, 3, now=[end + DAY, end + DAY + 4]),
        _booking("no end to the time", 42, 3, now=[begin - 30 * DAY, None]),
        _booking("the open booking, a week later", 42, 3, now=[end + 7 * DAY, end + 7 * DAY + 4], open_booking=42),
        _case(
            "leading noughts", codes.of_booking(bytes([noughts]) * 32, 42, 3), _stands(42, 1),
            code_key=(bytes([noughts]) * 32).hex(),
        ),
        *[_slot(f"slot {number} of the day", TODAY, number) for number in codes.SLOTS],
        _slot("of yesterday, in the morning", TODAY - 1, 0),
        _slot("of yesterday, at its last second", TODAY, 7, now=[noon, noon]),
        _slot("of yesterday or today, near midnight", TODAY, 2, now=[MORNING - 2, MORNING + 2]),
        _slot("of the floor's day, no end to the time", TODAY, 1, now=[NOW, None]),
        _slot("of the day after the floor's, no end to the time", TODAY + 1, 1, now=[NOW, None]),
        _slot("of the open booking, a week later", TODAY, 3, now=[later, later], open_booking=open_slot),
        *_ends(),
        _nothing("one more than the code", wrong),
        _nothing("the code backwards", good[::-1]),
        _nothing("seven digits", good[:7]),
        _nothing("nine digits", good + "0"),
        _nothing("no digits", ""),
        _nothing("the revision before", codes.of_booking(KEY, 42, 2)),
        _nothing("a revision that the car has not heard of", codes.of_booking(KEY, 42, 4)),
        _nothing("a kind that is none", codes.of_booking(KEY, 42, 3, 4)),
        _nothing("of another car", codes.of_booking(OTHER, 42, 3)),
        _nothing("the day's, of another car", codes.of_day(OTHER, TODAY, 3)),
        _nothing("a technician's booking", codes.of_booking(KEY, 44, 1)),
        _nothing("booking 0", codes.of_booking(KEY, 0, 0)),
        _nothing("more than a day before it begins", good, now=[begin - DAY - 5, begin - DAY - 1]),
        _nothing("more than a day after its end", good, now=[end + DAY + 1, end + DAY + 5]),
        _nothing("no end to the time, and it ended before", good, now=[end + DAY + 1, None]),
        _nothing("of yesterday, after noon", slot, now=[noon + 1, noon + 5]),
        _nothing("of tomorrow", codes.of_day(KEY, TODAY + 1, 3)),
        _nothing("a ninth slot", codes.of_day(KEY, TODAY, 8)),
        _nothing("two days after the floor's, no end to the time", codes.of_day(KEY, TODAY + 2, 1), now=[NOW, None]),
        _nothing("of another open booking, a week later", slot, now=[later, later], open_booking=42),
    ]


def _ends() -> list[Case]:
    """R1: read out to end the open booking, stored or not, whatever its revision and its time."""
    midnight, slot = MORNING + DAY, codes.number_of(TODAY, 3)
    today, tomorrow = codes.to_end(KEY, 42, TODAY), codes.to_end(KEY, 42, TODAY + 1)
    return [
        _end("R1: the end of the open booking", 42, TODAY),
        _end("R1: the end of one that the car has no token of", 77, TODAY),
        _end("R1: the end of the highest number", 2**53 - 1, TODAY),
        _end("R1: the end of an open slot", slot, TODAY),
        _end("R1: an hour after its day", 42, TODAY, now=[midnight + HOUR, midnight + HOUR + 4]),
        _end("R1: near midnight", 42, TODAY + 1, now=[midnight - 2, midnight + 2]),
        _end("R1: of the floor's day, no end to the time", 42, TODAY, now=[NOW, None]),
        _end("R1: of the day after, no end to the time", 42, TODAY + 1, now=[NOW, None]),
        _nothing("R1: the end of it, and none is open", today),
        _nothing("R1: the end of it, and another is open", today, open_booking=43),
        _nothing("R1: the end of it, of another car", codes.to_end(OTHER, 42, TODAY), open_booking=42),
        _nothing("R1: more than an hour after", today, open_booking=42, now=[midnight + HOUR + 1, midnight + HOUR + 5]),
        _nothing("R1: of tomorrow", tomorrow, open_booking=42),
        _nothing("R1: of yesterday", codes.to_end(KEY, 42, TODAY - 1), open_booking=42),
    ]
