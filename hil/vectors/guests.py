"""Two issuers on one car: the operator, and the commune on working days from 7 to 19 in Paris, booking numbers 1000 to
1999. NOW is Friday, 15 January 2027, 9:00 there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from ..cbor import Value
from .world import GUEST, HOUR, NOW, OPERATOR, Case, claims, order, refused, signed

WINDOW: Final = {"from": NOW - 2 * HOUR, "to": NOW + 10 * HOUR}  # this Friday's


def guest(start: int = NOW - HOUR, end: int = NOW + HOUR, booking: int = 1_000, **changes: Any) -> dict[int, Value]:
    """A booking of the commune's. start, end: its paid time."""
    return {**claims(order(start_s=start, end_s=end, booking=booking, **changes)), 1: GUEST.operator}


def refusals(case: Callable[..., Case]) -> list[Case]:
    code = refused("issuer_role")
    two: dict[str, Any] = {"trust": "two issuers"}
    winter, summer = 1_795_327_200, 1_790_485_200  # Sundays 22 November and 27 September 2026, 7:00 in Paris
    wrong = [
        ("of a key that is the operator's", signed(guest())),
        ("in the operator's name", signed({**guest(), 1: OPERATOR}, GUEST)),
        ("a second before its hours", signed(guest(WINDOW["from"] - 1), GUEST)),
        ("a second after its hours", signed(guest(end=WINDOW["to"] + 1), GUEST)),
        ("over night", signed(guest(end=WINDOW["from"] + 24 * HOUR), GUEST)),
        ("a second too much grace before", signed(guest(early_s=HOUR + 1), GUEST)),
        ("a second too much grace after", signed(guest(late_s=HOUR + 1), GUEST)),
        ("no booking", signed(guest(booking=0), GUEST)),
        ("a number below its own", signed(guest(booking=999), GUEST)),
        ("a number above its own", signed(guest(booking=2_000), GUEST)),
    ]
    return [
        *(case(f"guest: {name}", data, code, **two) for name, data in wrong),
        case("guest: the operator with a number of the guest's", signed(claims(booking=1_000)), code, **two),
        case("guest: on a Sunday in winter", signed(guest(winter, winter + HOUR), GUEST), code,
             now=[winter, winter + 4], **two),
        case("guest: on a Sunday in summer", signed(guest(summer, summer + HOUR), GUEST), code,
             now=[summer, summer + 4], **two),
        case("guest: R5 another's number is open", signed(guest(booking=42), GUEST), code, open_booking=42, **two),
    ]  # fmt: skip


def accepted(taken: Callable[..., Case]) -> list[Case]:
    two: dict[str, Any] = {"trust": "two issuers", "issuer": GUEST}
    summer = 1_790_571_600  # Monday, 28 September 2026, 7:00 in Paris
    whole = guest(WINDOW["from"], WINDOW["to"])
    morning = guest(summer, summer + 12 * HOUR)
    late = guest(end=WINDOW["to"] + HOUR)
    graced = guest(WINDOW["from"], WINDOW["to"], early_s=HOUR, late_s=HOUR)
    return [
        taken("guest: all of its hours", whole, **two),
        taken("guest: all of its hours in summer", morning, now=[summer, summer + 4], **two),
        taken("guest: its last number", guest(booking=1_999), **two),
        taken("guest: R5 its open booking outlasts its hours", late, open_booking=1_000, **two),
        taken("guest: with an hour of grace on both sides", graced, **two),
        taken("guest: the operator as ever", claims(), trust="two issuers"),
    ]
