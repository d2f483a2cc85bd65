"""Two issuers on one car: whose key signs as whom, in which hours of the week, and with which booking numbers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from keyless import issue, signed_time, trust, verify
from keyless.claims import Booking, Role
from keyless.guest import Guest, read_guest, write_guest
from keyless.refusal import Code, Refusal
from tests.keyless_world import (
    ALL_ROLES,
    DAY,
    ISSUER,
    KEYS,
    NOW,
    OPERATOR,
    SURE,
    believe,
    code,
    keyset,
    situation,
    token,
)

PARIS = ZoneInfo("Europe/Paris")
COMMUNE = issue.SigningKey(bytes([13]) * 32)
HOURS = Guest("mairie", 0b11111, 7 * 60, 19 * 60, 1_000, 1_999)
NIGHTS = replace(HOURS, days=0b1_0000, begin_min=22 * 60, end_min=6 * 60)
BOTH = keyset(keys=(*KEYS, trust.IssuerKey(COMMUNE.public, NOW - DAY, NOW + DAY, ALL_ROLES, HOURS)))


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=PARIS).timestamp())


def commune(booking: int = 1_000, key: issue.SigningKey = COMMUNE, **changes: Any) -> bytes:
    return token(key, **{"iss": "mairie", "booking": booking, **changes})


def test_each_issuer_opens_with_its_own_name_and_numbers_and_with_nothing_of_the_others() -> None:
    for good in (commune(), commune(1_999), token()):
        assert isinstance(believe(good, keyset=BOTH), Booking)
    wrong = (
        commune(key=ISSUER), commune(iss=OPERATOR), token(iss="mairie"), commune(999), commune(2_000), commune(42),
        commune(0),
        token(booking=1_000),
    )  # fmt: skip
    for bad in wrong:
        assert code(believe(bad, keyset=BOTH)) is Code.ISSUER_ROLE
        assert code(verify.store_check(bad, situation(keyset=BOTH))) is Code.ISSUER_ROLE
    assert isinstance(believe(token(iss="orne"), keyset=BOTH, operator=None), Booking), "a person at a desk asks nobody"
    assert code(believe(token(COMMUNE), keyset=BOTH, operator=None)) is Code.ISSUER_ROLE, "a guest's key has one name"


def test_r5_nobody_drives_the_others_open_booking_and_nobody_is_stranded_by_the_hours() -> None:
    assert code(believe(commune(42), keyset=BOTH, open_booking=42)) is Code.ISSUER_ROLE
    night = {"nbf": at("2027-01-15T20:00"), "exp": at("2027-01-15T23:00")}
    inside = replace(SURE, lo_s=night["nbf"] + 60, hi_s=night["nbf"] + 64)
    assert code(believe(commune(**night), keyset=BOTH, now=inside)) is Code.ISSUER_ROLE
    assert isinstance(believe(commune(**night), keyset=BOTH, now=inside, open_booking=1_000), Booking)


@pytest.mark.parametrize("grace", ["early_s", "late_s"])
def test_grace_is_no_way_around_the_hours(grace: str) -> None:
    assert isinstance(believe(commune(**{grace: 3_600}), keyset=BOTH), Booking)
    assert code(believe(commune(**{grace: 3_601}), keyset=BOTH)) is Code.ISSUER_ROLE


def test_a_guest_that_calls_itself_as_the_operator_signs_nothing() -> None:
    keys = (*KEYS, trust.IssuerKey(COMMUNE.public, NOW - DAY, NOW + DAY, ALL_ROLES, replace(HOURS, issuer=OPERATOR)))
    assert code(believe(commune(iss=OPERATOR), keyset=keyset(keys=keys))) is Code.ISSUER_ROLE


def test_a_guests_key_speaks_for_no_backend() -> None:
    listed = issue.revocations(OPERATOR, 1, NOW + DAY, NOW, [], COMMUNE)
    assert code(trust.read_revocations(listed, BOTH, operator=OPERATOR, now=SURE)) is Code.ISSUER_ROLE
    own = issue.revocations("mairie", 1, NOW + DAY, NOW, [], COMMUNE)
    assert code(trust.read_revocations(own, BOTH, operator=OPERATOR, now=SURE)) is Code.ISSUER_ROLE
    answer = issue.signed_time(OPERATOR, bytes(8), NOW, COMMUNE)
    told = signed_time.believe_time(
        answer, {bytes(8): 0}, BOTH, operator=OPERATOR, revoked=frozenset(), now_ns=10**9, build_s=0.0
    )
    assert code(told) is Code.ISSUER_ROLE


def test_two_keys_of_one_guest_share_its_numbers() -> None:
    """While one key follows another, maybe with other hours."""
    following = issue.SigningKey(bytes([14]) * 32)
    later = replace(HOURS, end_min=20 * 60)
    keys = (
        *KEYS, trust.IssuerKey(COMMUNE.public, NOW - DAY, NOW + DAY, ALL_ROLES, HOURS),
        trust.IssuerKey(following.public, NOW - DAY, NOW + DAY, ALL_ROLES, later),
    )  # fmt: skip
    for key in (COMMUNE, following):
        assert isinstance(believe(commune(key=key), keyset=keyset(keys=keys)), Booking)


@pytest.mark.parametrize(
    ("begin", "end", "served"),
    [
        ("2027-01-15T07:00", "2027-01-15T19:00", True),
        ("2027-01-15T06:59", "2027-01-15T19:00", False),
        ("2027-01-15T07:00", "2027-01-15T19:01", False),
        ("2027-01-14T12:00", "2027-01-15T12:00", False),
        ("2027-01-16T08:00", "2027-01-16T09:00", False),
        ("2026-07-10T07:00", "2026-07-10T19:00", True),
    ],
)
def test_the_whole_paid_time_lies_in_one_stretch(begin: str, end: str, served: bool) -> None:
    assert HOURS.serves(at(begin), at(end)) is served


def test_hours_over_midnight_belong_to_the_day_on_which_they_begin() -> None:
    assert NIGHTS.serves(at("2027-01-15T22:00"), at("2027-01-16T06:00"))
    assert NIGHTS.serves(at("2027-01-16T01:00"), at("2027-01-16T02:00"))
    assert not NIGHTS.serves(at("2027-01-15T01:00"), at("2027-01-15T02:00")), "Thursday's night is nobody's"
    whole = replace(NIGHTS, begin_min=480, end_min=480)
    assert whole.serves(at("2027-01-15T08:00"), at("2027-01-16T08:00"))
    assert not whole.serves(at("2027-01-15T08:00"), at("2027-01-16T08:01"))


MINUTES = st.integers(0, 1_439)


@given(st.integers(978_307_200, 1 << 32), st.integers(0, 3 * DAY), MINUTES, MINUTES, st.integers(1, 127))
def test_hours_agree_with_a_list_of_time_zones(from_s: int, lasts: int, begin: int, end: int, days: int) -> None:
    here, there = (
        datetime.fromtimestamp(it, UTC).astimezone(PARIS).replace(tzinfo=None) for it in (from_s, from_s + lasts)
    )
    guest = Guest("mairie", days, begin, end, 1, 2)
    served = False
    for back in (0, 1):
        midnight = datetime.combine(here.date(), datetime.min.time()) - timedelta(days=back)
        opens, closes = midnight + timedelta(minutes=begin), midnight + timedelta(minutes=end)
        closes += timedelta(days=1) if closes <= opens else timedelta()
        served |= bool(days >> midnight.weekday() & 1) and opens <= here and there <= closes
    assert guest.serves(from_s, from_s + lasts) is served


@pytest.mark.parametrize(("begin", "end"), [(-1, 1), (2, 1), (1, 1 << 36), (1 << 39, 1 << 39)])
def test_a_time_that_no_calendar_knows_is_in_nobodys_hours(begin: int, end: int) -> None:
    assert not Guest("mairie", 0b111_1111, 0, 0, 1, 2).serves(begin, end)


@given(
    st.builds(
        Guest, st.text(min_size=1, max_size=16), st.integers(1, 127), st.integers(0, 1_439), st.integers(0, 1_439),
        st.integers(1, 1_000), st.integers(1_000, (1 << 52) - 1),
    )
)  # fmt: skip
def test_what_is_written_is_read_again(guest: Guest) -> None:
    assert read_guest(write_guest(guest)) == guest


@pytest.mark.parametrize("at_", range(6))
@pytest.mark.parametrize("bad", [None, True, -1, 1 << 52, b"", "", "m" * 65, []])
def test_a_guest_that_is_none_makes_no_key_set(at_: int, bad: object) -> None:
    said = write_guest(HOURS)
    said[at_] = bad
    assert read_guest(said) is None


def test_a_role_that_the_roots_did_not_give_is_none_of_the_guests() -> None:
    drivers = keyset(keys=(trust.IssuerKey(COMMUNE.public, NOW - DAY, NOW + DAY, 1 << Role.DRIVER, HOURS),))
    assert isinstance(believe(commune(), keyset=drivers), Booking)
    found = believe(commune(role=Role.AGENT), keyset=drivers)
    assert isinstance(found, Refusal)
    assert found.code is Code.ISSUER_ROLE


def test_it_is_the_paid_time_that_lies_in_the_hours_and_not_the_graces() -> None:
    """Friday 15 January 2027: graces from 06:50 to 19:10 in Paris, paid from 07:05 to 18:40."""
    around = {"nbf": NOW - 7_800, "exp": NOW + 36_600, "early_s": 900, "late_s": 1_800}
    assert isinstance(believe(token(COMMUNE, iss="mairie", booking=1_000, **around), keyset=BOTH), Booking)
    for name in ("early_s", "late_s"):
        found = believe(token(COMMUNE, iss="mairie", booking=1_000, **{**around, name: 0}), keyset=BOTH)
        assert code(found) is Code.ISSUER_ROLE
