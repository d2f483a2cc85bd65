"""Extension, early return and a change of holder are a token of a higher revision: it does all that is asked of it."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from keyless import issue, verify
from keyless.claims import BadgeId, Booking, Claims, HolderKey, Interval, badge_id
from keyless.refusal import Code
from tests.keyless_world import (
    BACKEND,
    CLAIMS,
    DAY,
    ISSUER,
    LEVEL_0,
    NOW,
    PHONE,
    UID,
    believe,
    believe_command,
    code,
    command,
    situation,
    token,
)

FIRST = CLAIMS  # revision 3, ends at NOW + 3600
LONGER = replace(CLAIMS, revision=4, exp=NOW + 9000, cti=bytes(16))
SHORTER = replace(CLAIMS, revision=4, exp=NOW + 600, late_s=0, cti=bytes(16))


def minted(claims: Claims) -> bytes:
    return issue.token(claims, ISSUER)


def at(second: int) -> Interval:
    return Interval(second, second + 4, "gnss")


def seen(*stored: Claims) -> dict[int, int]:
    """What a car that stored these knows of revisions."""
    return {one.booking: max(other.revision for other in stored if other.booking == one.booking) for one in stored}


def test_an_extension_opens_after_the_first_end_and_the_first_token_no_more() -> None:
    after = {"now": at(NOW + 5000)}
    assert code(believe(minted(FIRST), **after)) is Code.EXPIRED
    longer = believe(minted(LONGER), **after)
    assert isinstance(longer, Booking)
    assert (longer.booking, longer.paid_to_s) == (FIRST.booking, LONGER.exp - LONGER.late_s)
    assert code(believe(minted(FIRST), superseded=seen(FIRST, LONGER))) is Code.SUPERSEDED
    assert isinstance(believe(minted(LONGER), superseded=seen(FIRST, LONGER)), Booking)


def test_an_extension_is_stored_before_it_is_needed_and_by_a_car_without_a_clock() -> None:
    assert isinstance(verify.store_check(minted(LONGER), situation()), Booking)
    assert isinstance(verify.store_check(minted(LONGER), situation(now=LEVEL_0)), Booking)
    assert isinstance(believe(minted(LONGER), now=LEVEL_0, open_booking=FIRST.booking), Booking)


def test_an_early_return_ends_at_its_own_end_and_an_older_revision_cannot_undo_it() -> None:
    known = seen(FIRST, SHORTER)
    assert isinstance(believe(minted(SHORTER), superseded=known), Booking)
    later = {"now": at(NOW + 601), "superseded": known}
    assert code(believe(minted(SHORTER), **later)) is Code.EXPIRED
    assert code(believe(minted(FIRST), **later)) is Code.SUPERSEDED


def test_r5_an_early_return_that_comes_while_they_drive_strands_nobody_away_from_a_station() -> None:
    driving: dict[str, Any] = {
        "now": at(NOW + 601), "superseded": seen(FIRST, SHORTER), "open_booking": FIRST.booking,
    }  # fmt: skip
    for claims in (FIRST, SHORTER):
        assert isinstance(believe(minted(claims), **driving), Booking)
    assert code(believe(minted(FIRST), **driving, at_station=True)) is Code.SUPERSEDED


def test_r12_a_higher_revision_moves_the_booking_to_another_phone() -> None:
    old = replace(FIRST, confirmation=BadgeId(badge_id(UID)))
    new = replace(FIRST, revision=4, confirmation=HolderKey(PHONE.public), cti=bytes(16))
    known = seen(old, new)
    assert code(believe(minted(old), superseded=known)) is Code.SUPERSEDED
    moved = believe(minted(new), superseded=known)
    assert isinstance(moved, Booking)
    assert moved.confirmation == HolderKey(PHONE.public)


def test_r6_two_drivers_carry_the_same_revision_and_both_are_extended() -> None:
    second = replace(LONGER, confirmation=HolderKey(PHONE.public), cti=bytes([1]) * 16)
    after = {"now": at(NOW + 5000), "superseded": seen(FIRST, LONGER, second)}
    for claims in (LONGER, second):
        assert isinstance(believe(minted(claims), **after), Booking)


def test_r14_an_extension_for_another_car_opens_the_other_car_only() -> None:
    moved = minted(replace(LONGER, aud=b"neighbor"))
    assert code(believe(moved)) is Code.WRONG_VEHICLE
    assert isinstance(believe(moved, vehicle=b"neighbor"), Booking)


def test_a_revision_of_one_booking_supersedes_no_other_booking() -> None:
    other = minted(replace(FIRST, booking=43, revision=0))
    assert isinstance(believe(other, superseded=seen(FIRST, LONGER)), Booking)


def test_a_command_goes_with_its_own_revision() -> None:
    """A command is bound to the bytes of its token, so a captured one does not pass to the next revision."""
    held = replace(BACKEND, booking=42, revision=3)
    pair = command(held)
    assert code(believe_command(pair)) is None
    assert code(believe_command(pair, superseded={42: 4})) is Code.SUPERSEDED
    assert code(believe_command((minted(replace(held, revision=4)), pair[1]))) is Code.HOLDER


def test_a_forged_revision_supersedes_nothing() -> None:
    """The caller learns a revision from what `store_check` believes, and from nothing else."""
    stolen = issue.token(replace(LONGER, revision=99), PHONE)
    assert code(verify.store_check(stolen, situation())) is Code.ALG


def test_sizes_are_a_tokens() -> None:
    extended = minted(replace(LONGER, confirmation=HolderKey(PHONE.public)))
    assert len(extended) <= 215
    assert len(extended) == len(token(confirmation=HolderKey(PHONE.public), cti=bytes(16), exp=NOW + 9000))
    assert LONGER.exp - LONGER.nbf < DAY
