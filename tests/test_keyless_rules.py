"""The rules of real life that bend the steps: the open booking (R5, R6, D20), no clock (R18), the window, storing."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from keyless import claims, issue, trust, verify
from keyless.claims import Action, BadgeId, Booking, Interval, Role
from keyless.refusal import Code, Refusal
from keyless.token import token_hash
from tests.keyless_world import (
    ALL_ROLES,
    CLAIMS,
    DAY,
    ISSUER,
    LEVEL_0,
    NOW,
    STRANGER,
    UID,
    believe,
    code,
    forged,
    keyset,
    situation,
    token,
)

# --- the open booking ------------------------------------------------------------------------------------------------

AWAY: dict[str, Any] = {"open_booking": 42, "at_station": False}
MOMENTS = [
    Interval(NOW + 30 * DAY, NOW + 30 * DAY + 4, "gnss"),
    Interval(NOW + 4000 * DAY, NOW + 4000 * DAY, "signed"),
    Interval(NOW - 30 * DAY, NOW - 30 * DAY + 4, "gnss"),
    Interval(NOW - 400 * DAY, None, "none"),
    Interval(NOW + 400 * DAY, None, "none"),
    Interval(NOW - 3 * DAY, NOW + DAY, "holdover"),
]


@pytest.mark.parametrize("now", MOMENTS)
@pytest.mark.parametrize("role", [Role.DRIVER, Role.AGENT, Role.TECHNICIAN])
def test_r5_no_clock_whatever_refuses_the_driver_of_the_open_booking(now: Interval, role: Role) -> None:
    data = token(role=role, exp=NOW + 3000)
    for at_station in (False, True):
        booking = believe(data, now=now, open_booking=42, at_station=at_station)
        assert isinstance(booking, Booking)
        assert booking.note == (verify.AFTER_END if now.lo_s > NOW + 3000 else verify.UNSURE_ACCEPTED)
        assert booking.actions == CLAIMS.actions
    assert isinstance(believe(data, now=now), Refusal), "without the open booking none of these moments is good enough"


@given(st.floats(0, 1e10), st.none() | st.floats(0, 1e10), st.booleans())
def test_r5_holds_for_any_interval(lo: float, width: float | None, at_station: bool) -> None:
    now = Interval(lo, None if width is None else lo + width, "gnss")
    assert isinstance(believe(token(), now=now, open_booking=42, at_station=at_station), Booking)


def test_r5_is_for_that_booking_alone() -> None:
    late = MOMENTS[0]
    assert code(believe(token(), now=late, open_booking=41)) is Code.EXPIRED
    assert code(believe(token(booking=0), now=late, open_booking=0)) is Code.EXPIRED
    assert code(believe(token(role=Role.BACKEND), now=late, open_booking=42)) is Code.EXPIRED
    emergency = token(role=Role.EMERGENCY, nbf=NOW, exp=NOW + 60, early_s=0, late_s=0)
    assert code(believe(emergency, now=late, open_booking=42)) is Code.EXPIRED
    stale = MOMENTS[1]
    assert code(believe(token(), now=stale)) is Code.UNKNOWN_KEY
    assert code(believe(token(), now=stale, open_booking=41)) is Code.UNKNOWN_KEY
    assert code(believe(token(aud=b"elsewher"), now=late, **AWAY)) is Code.WRONG_VEHICLE
    assert code(believe(forged(token()), now=late, **AWAY)) is Code.SIGNATURE
    assert code(believe(token(STRANGER), now=late, **AWAY)) is Code.UNKNOWN_KEY


def test_r5_a_technician_keeps_only_a_drivers_rights_after_the_end() -> None:
    data = token(role=Role.TECHNICIAN, actions=4095)
    inside, after = believe(data, **AWAY), believe(data, now=MOMENTS[0], **AWAY)
    assert isinstance(inside, Booking)
    assert isinstance(after, Booking)
    assert inside.actions & Action.FIRMWARE
    assert not after.actions & Action.FIRMWARE
    assert after.actions & Action.UNLOCK
    expired = believe(data, keyset=keyset(expires=NOW - 1), **AWAY)
    assert isinstance(expired, Booking)
    assert not expired.actions & Action.FIRMWARE


def test_d20_revocation_and_supersession_beat_r5_only_at_a_station() -> None:
    for around, expected in (
        ({"revoked": frozenset({claims.badge_id(UID)})}, Code.REVOKED),
        ({"superseded": {42: 9}}, Code.SUPERSEDED),
    ):
        assert isinstance(believe(token(), **AWAY, **around), Booking)
        assert code(believe(token(), open_booking=42, at_station=True, **around)) is expected
        assert code(believe(token(), open_booking=41, at_station=False, **around)) is expected


@pytest.mark.parametrize("dropped", [{}, {"keys": []}, {"roles": 1 << Role.BACKEND}])
def test_d20_a_key_set_that_stands_for_it_no_more_beats_r5_only_at_a_station(dropped: dict[str, Any]) -> None:
    keys = dropped.get("keys", [trust.IssuerKey(ISSUER.public, 0, NOW + DAY, dropped.get("roles", ALL_ROLES))])
    data = token(role=Role.AGENT, actions=sum(Action), nbf=NOW - 60, exp=NOW + 60, early_s=0, late_s=0)
    around: dict[str, Any] = {"keyset": keyset(keys=keys), "carried": {token_hash(data).hex()}}
    found: Any = believe(data, **AWAY, **around)
    ceiling = claims.CEILING[Role.AGENT] & (claims.CEILING[Role.DRIVER] if dropped else -1)
    assert found.actions == ceiling
    late: Any = believe(data, **AWAY, **around | {"now": MOMENTS[0]})
    assert late.note == verify.AFTER_END
    if dropped:
        expected = Code.UNKNOWN_KEY if not keys else Code.ISSUER_ROLE
        assert code(believe(data, open_booking=42, at_station=True, **around)) is expected
        assert code(believe(data, open_booking=41, **around)) is expected
        assert code(believe(data, open_booking=None, **around)) is expected
        assert code(believe(data, **AWAY, **around | {"carried": frozenset()})) is expected
        assert code(believe(forged(data), **AWAY, **around)) in (expected, Code.SIGNATURE)
        anew = token(role=Role.AGENT, nbf=NOW - 60, exp=NOW + 61, early_s=0, late_s=0)
        assert code(believe(anew, **AWAY, **around)) is expected, "what the dropped key signs now"
        assert isinstance(verify.store_check(data, situation(open_booking=42, at_station=True, **around)), Booking)


def test_d20_what_was_believed_is_of_this_car_and_of_who_drives() -> None:
    for changes in ({"aud": b"elsewher"}, {"role": Role.BACKEND}, {"booking": 0}):
        data = token(**changes)
        around = {"keyset": keyset(keys=[]), "carried": {token_hash(data).hex()}}
        assert code(believe(data, **AWAY, **around)) is Code.UNKNOWN_KEY


def test_r6_two_drivers_of_one_booking_both_act_and_both_are_named() -> None:
    colleague = token(confirmation=BadgeId(claims.badge_id(b"colleague")), cti=bytes(16))
    for data in (token(), colleague):
        assert isinstance(believe(data, **AWAY), Booking)
        assert isinstance(believe(data, now=MOMENTS[0], **AWAY), Booking)
    second = believe(colleague, **AWAY)
    assert isinstance(second, Booking)
    assert second.confirmation.id != believe(token()).confirmation.id  # type: ignore[union-attr]


# --- the window ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lo", "hi", "expected"),
    [
        (-3600, 3600, None),  # both ends are inside
        (-3601, -3601, Code.TOO_EARLY),
        (-3605, -3601, Code.TOO_EARLY),
        (-3605, -3600, None),  # straddles, well within the tolerance
        (3600, 3604, None),
        (3601, 3601, Code.EXPIRED),
        (-3601, -2701, None),  # 900 s wide: the tolerance of a driver
    ],
)
def test_window_of_a_driver(lo: int, hi: int, expected: Code | None) -> None:
    booking = believe(token(), now=Interval(NOW + lo, NOW + hi, "gnss"))
    assert code(booking) is expected
    assert expected is not None or booking.note is None  # type: ignore[union-attr]


@pytest.mark.parametrize("role", [Role.AGENT, Role.TECHNICIAN, Role.EMERGENCY, Role.BACKEND])
def test_doubt_refuses_everybody_but_drivers(role: Role) -> None:
    """R18: agents and technicians need signed time or a fix."""
    short = {"role": role, "nbf": NOW - 10, "exp": NOW + 1000, "early_s": 0, "late_s": 0}
    width = claims.TOLERANCE_S[role]
    assert code(believe(token(**short), now=Interval(NOW, None, "none"))) is Code.CLOCK_UNSURE
    assert isinstance(believe(token(**short), now=Interval(NOW - width + 5, NOW + 5, "holdover")), Booking)
    assert code(believe(token(**short), now=Interval(NOW - width + 5, NOW + 6, "holdover"))) is Code.CLOCK_UNSURE


def test_r18_without_a_clock_a_drivers_end_is_not_before_the_floor() -> None:
    booking = believe(token(), now=Interval(NOW + 3600, None, "none"))
    assert isinstance(booking, Booking)
    assert booking.note == verify.UNSURE_ACCEPTED
    assert code(believe(token(), now=Interval(NOW + 3601, None, "none"))) is Code.EXPIRED


def test_r18_without_a_clock_a_drivers_start_is_at_most_a_day_after_the_floor() -> None:
    start = CLAIMS.nbf
    assert believe(token(), now=Interval(start - DAY, None, "none")).note == verify.UNSURE_ACCEPTED  # type: ignore[union-attr]
    assert code(believe(token(), now=Interval(start - DAY - 1, None, "none"))) is Code.CLOCK_UNSURE
    assert code(believe(token(), now=LEVEL_0)) is Code.CLOCK_UNSURE


def test_r18_a_wide_holdover_is_never_worse_than_no_clock_at_all() -> None:
    booking = believe(token(), now=Interval(NOW - DAY, NOW + DAY, "holdover"))
    assert isinstance(booking, Booking)
    assert booking.note == verify.UNSURE_ACCEPTED


@given(st.sampled_from(Role), st.integers(-5000, 5000), st.none() | st.integers(0, 100_000))
def test_acceptance_needs_a_moment_inside_both_the_interval_and_the_window(
    role: Role, lo: int, width: int | None
) -> None:
    data = token(role=role, nbf=NOW - 600, exp=NOW + 600, early_s=0, late_s=0)
    now = Interval(NOW + lo, None if width is None else NOW + lo + width, "gnss")
    if isinstance(believe(data, now=now), Booking):
        assert now.lo_s <= NOW + 600
        assert now.hi_s is None or now.hi_s >= NOW - 600
        if role is not Role.DRIVER:
            assert width is not None
            inside = lo >= -600 and lo + width <= 600  # however wide: there is no doubt
            assert inside or width <= claims.TOLERANCE_S[role]


def test_store_check_takes_tomorrow_and_refuses_all_that_never_becomes_good() -> None:
    tomorrow = token(nbf=NOW + DAY, exp=NOW + 2 * DAY)
    assert isinstance(verify.store_check(tomorrow, situation()), Booking)
    assert isinstance(verify.store_check(tomorrow, situation(now=Interval(0, None, "none"))), Booking)
    for data, changes, expected in (
        (tomorrow, {"vehicle": bytes(8)}, Code.WRONG_VEHICLE),
        (tomorrow, {"superseded": {42: 4}}, Code.SUPERSEDED),
        (tomorrow, {"revoked": frozenset({ISSUER.kid})}, Code.REVOKED),
        (forged(tomorrow), {}, Code.SIGNATURE),
        (tomorrow[:-1], {}, Code.MALFORMED),
        (bytes(2000), {}, Code.TOO_BIG),
    ):
        assert code(verify.store_check(data, situation(**changes))) is expected


def test_r13_what_ended_longer_ago_than_it_is_kept_is_not_stored_unless_it_is_there_already_or_open() -> None:
    ended = token()
    last = CLAIMS.exp + verify.KEPT_S
    long_after = Interval(last + 1, last + 2, "gnss")
    assert code(verify.store_check(ended, situation(now=long_after))) is Code.EXPIRED
    assert isinstance(verify.store_check(ended, situation(now=long_after), kept=True), Booking)
    assert isinstance(verify.store_check(ended, situation(now=long_after, open_booking=42)), Booking)
    assert isinstance(verify.store_check(ended, situation(now=Interval(last, last + 2, "gnss"))), Booking)


def test_who_has_just_ended_is_believed_after_the_end_and_nobody_else() -> None:
    """What was forgotten in the car; the door lets him unlock and lock and no more."""
    over: dict[str, Any] = {"now": Interval(CLAIMS.exp + 1, CLAIMS.exp + 5, "gnss")}
    found = believe(token(), **over, just_ended=42)
    assert isinstance(found, Booking)
    assert found.note == verify.JUST_ENDED
    assert code(believe(token(), **over, just_ended=41)) is Code.EXPIRED
    assert code(believe(token(), **over)) is Code.EXPIRED
    short: dict[str, Any] = {"nbf": CLAIMS.exp - 60, "early_s": 0, "late_s": 0}
    assert isinstance(believe(token(role=Role.AGENT, **short), **over, just_ended=42), Booking)
    assert code(believe(token(role=Role.BACKEND, **short), **over, just_ended=42)) is Code.EXPIRED
    assert code(believe(token(booking=0), **over, just_ended=0)) is Code.EXPIRED


def test_r5_store_check_keeps_the_open_bookings_tokens_wherever_the_car_stands() -> None:
    for at_station in (False, True):
        around = situation(open_booking=42, at_station=at_station, superseded={42: 9}, revoked=frozenset({ISSUER.kid}))
        assert isinstance(verify.store_check(token(), around), Booking)


def test_who_is_vouched_for_has_a_drivers_rights_while_the_time_is_in_doubt_and_his_roles_otherwise() -> None:
    short = {"nbf": NOW - 60, "exp": NOW + 60, "early_s": 0, "late_s": 0}
    agent = replace(CLAIMS, role=Role.AGENT, actions=sum(Action), **short)
    stored: Any = verify.store_check(issue.token(agent, ISSUER), situation())
    assert stored.actions == claims.CEILING[Role.AGENT]
    sure: Any = verify.believe_vouched(agent, situation())
    assert sure.actions == claims.CEILING[Role.AGENT]
    late = Interval(NOW + 61, NOW + 65, "gnss")
    over: Any = verify.believe_vouched(agent, situation(now=late, open_booking=42))
    assert over.actions == claims.CEILING[Role.AGENT] & claims.CEILING[Role.DRIVER]


def test_r5_a_key_that_is_out_of_date_leaves_the_open_booking_a_drivers_rights() -> None:
    """Although the token's own time is now, and key set and list are fresh."""
    ended = keyset(keys=[trust.IssuerKey(ISSUER.public, NOW - DAY, NOW - 1, ALL_ROLES)])
    data = token(role=Role.AGENT, actions=sum(Action), nbf=NOW - 60, exp=NOW + 60, early_s=0, late_s=0)
    fresh: Any = believe(data, **AWAY)
    stale: Any = believe(data, **AWAY, keyset=ended)
    assert (fresh.note, stale.note) == (None, None)
    assert fresh.actions == claims.CEILING[Role.AGENT]
    assert stale.actions == claims.CEILING[Role.AGENT] & claims.CEILING[Role.DRIVER]
