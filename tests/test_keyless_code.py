"""8-digit codes: the digits that the page promises, what they stand for and when, and what a slot of the day is."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from keyless import code as codes
from keyless import verify
from keyless.claims import Action, BadgeId, Booking, BookingKind, HolderKey, Interval, Role, booking_revocation_id
from keyless.code import RIGHTS, SLOTS, CodeKind
from keyless.refusal import Code, Refusal
from tests.keyless_world import CLAIMS, DAY, LEVEL_0, NOW, OPERATOR, PHONE, SURE, VEHICLE, code, situation, token

KEY, OTHER = bytes(range(32)), bytes(32)
TODAY = NOW // DAY
SLOT = codes.hotline_number(TODAY, 3)
BOOKINGS, REVISIONS = st.integers(1, (1 << 52) - 1), st.integers(0, (1 << 32) - 1)


def admitted(kind: CodeKind = CodeKind.BOOKING, *, claims: dict[str, Any] | None = None, **changes: Any) -> Any:
    return codes.admitted(token(**(claims or {})), kind, situation(**changes))


def slot(number: int = SLOT, **changes: Any) -> Booking | Refusal:
    return codes.hotline_admitted(number, situation(**changes))


# --- digits


def test_the_digits_are_those_of_the_page_and_stay_so() -> None:
    mac = hmac.new(KEY, b"code\x01" + (42).to_bytes(8, "big") + (3).to_bytes(4, "big"), hashlib.sha256).digest()
    assert codes.booking_code(KEY, 42, 3) == f"{int.from_bytes(mac[:8], 'big') % 100_000_000:08}"
    key_of_day = hmac.new(KEY, b"code day" + TODAY.to_bytes(4, "big"), hashlib.sha256).digest()
    mac = hmac.new(key_of_day, b"slot\x03", hashlib.sha256).digest()
    assert codes.slot_code(codes.day_key(KEY, TODAY), 3) == f"{int.from_bytes(mac[:8], 'big') % 100_000_000:08}"


@given(st.binary(min_size=32, max_size=32), BOOKINGS, REVISIONS, st.sampled_from([CodeKind.BOOKING, CodeKind.DESK]))
def test_a_code_is_eight_digits_and_stands_for_its_own(key: bytes, number: int, rev: int, kind: CodeKind) -> None:
    digits = codes.booking_code(key, number, rev, kind)
    assert len(digits) == 8
    assert digits.isdecimal()
    assert codes.stands_for(key, digits, replace(CLAIMS, booking=number, revision=rev)) is kind


@given(BOOKINGS, REVISIONS, st.sampled_from(["booking", "revision", "key", "kind"]))
def test_another_key_booking_revision_or_kind_gives_other_digits(number: int, revision: int, what: str) -> None:
    def digits(key: bytes = KEY, n: int = number, r: int = revision, kind: CodeKind = CodeKind.BOOKING) -> str:
        return codes.booking_code(key, n, r, kind)

    other = {
        "booking": lambda: digits(n=number + 1), "revision": lambda: digits(r=revision ^ 1),
        "key": lambda: digits(key=OTHER), "kind": lambda: digits(kind=CodeKind.DESK),
    }[what]()  # fmt: skip
    assert other != digits(), "by chance once in 10^8"


@given(BOOKINGS, st.integers(0, 1 << 31))
def test_r1_what_ends_a_booking_stands_for_no_token_and_for_no_other_day_or_booking(number: int, day: int) -> None:
    digits = codes.end_code(KEY, number, day)
    begin = day * DAY
    assert codes.stands_for(KEY, digits, replace(CLAIMS, booking=number, revision=day)) is None, "it opens nothing"
    assert codes.ends(KEY, digits, Interval(begin, begin + 1, "gnss"), number) == day
    assert codes.ends(KEY, digits, Interval(begin + 2 * DAY, begin + 2 * DAY, "gnss"), number) is None
    assert codes.ends(KEY, digits, Interval(begin, begin + 1, "gnss"), number + 1) is None
    assert codes.ends(OTHER, digits, Interval(begin, begin + 1, "gnss"), number) is None


@pytest.mark.parametrize(
    ("now", "days"),
    [
        (Interval(TODAY * DAY + 3600, TODAY * DAY + 3600, "gnss"), {-1, 0}),
        (Interval(TODAY * DAY + 3601, TODAY * DAY + 3601, "gnss"), {0}),
        (Interval(TODAY * DAY + DAY - 2, TODAY * DAY + DAY + 2, "gnss"), {0, 1}),
        (Interval(NOW - DAY, NOW + 9 * DAY, "holdover"), {-1, 0, 1}),  # never more than three to guess among
        (Interval(NOW, None, "none"), {0, 1}),
    ],
)
def test_r1_it_is_asked_on_its_day_and_for_an_hour_more(now: Interval, days: set[int]) -> None:
    typed = {day: codes.end_code(KEY, 42, TODAY + day) for day in range(-12, 12)}
    assert {day for day, digits in typed.items() if codes.ends(KEY, digits, now, 42) is not None} == days


@pytest.mark.parametrize("number", [-1, 0, 1 << 53, 1 << 70])
def test_no_number_that_a_damaged_disk_gives_raises(number: int) -> None:
    assert codes.ends(KEY, "12345678", SURE, number) is None


def test_r1_who_ends_by_a_code_may_do_nothing_else() -> None:
    found = codes.ending(42, TODAY)
    assert (found.booking, found.actions, found.note, found.token) == (42, Action.END, "hotline_end", b"")
    assert found.cti == b"end\0" + TODAY.to_bytes(4, "big") + (42).to_bytes(8, "big")
    assert found.exp == codes.end_until(TODAY) == (TODAY + 1) * DAY + 3600
    assert codes.hotline_token(found.cti) is None


def test_what_is_no_code_of_a_booking_stands_for_nothing() -> None:
    digits = codes.booking_code(KEY, 42, 3)
    for typed in ("", digits[:7], digits + "0", digits[::-1], "é2345678"):
        assert codes.stands_for(KEY, typed, CLAIMS) is None
    assert codes.stands_for(OTHER, digits, CLAIMS) is None


@pytest.mark.parametrize("role", Role)
def test_r11_only_who_drives_has_a_code(role: Role) -> None:
    digits = codes.booking_code(KEY, 42, 3)
    has_one = codes.stands_for(KEY, digits, replace(CLAIMS, role=role)) is not None
    assert has_one is (role in (Role.DRIVER, Role.AGENT))
    assert codes.stands_for(KEY, codes.booking_code(KEY, 0, 3), replace(CLAIMS, booking=0)) is None


# --- of a stored booking


def test_r11_a_code_has_no_right_but_to_unlock_start_lock_and_end() -> None:
    found = admitted(claims={"actions": 0xFFFF})
    assert found.actions == RIGHTS
    assert (found.booking, found.note) == (42, None)
    assert admitted(claims={"actions": 1}).actions == 1  # nor any that the token has not


@pytest.mark.parametrize("kind", CodeKind)
def test_a_code_stops_where_its_token_does(kind: CodeKind) -> None:
    assert code(admitted(kind, now=Interval(NOW + DAY, NOW + DAY, "gnss"))) is Code.EXPIRED
    assert code(admitted(kind, now=Interval(NOW - DAY, NOW - DAY, "gnss"))) is Code.TOO_EARLY
    assert code(admitted(kind, superseded={42: 4})) is Code.SUPERSEDED
    assert code(admitted(kind, revoked=frozenset({booking_revocation_id(42)}))) is Code.REVOKED
    late = admitted(kind, now=Interval(NOW + DAY, NOW + DAY, "gnss"), open_booking=42)
    assert late.note == verify.AFTER_END  # R5


def test_r18_the_desk_vouches_for_the_time_where_the_clock_does_not() -> None:
    assert code(admitted(now=LEVEL_0)) is Code.CLOCK_UNSURE
    vouched = admitted(CodeKind.DESK, now=LEVEL_0)
    assert (vouched.booking, vouched.actions, vouched.note) == (42, RIGHTS, verify.UNSURE_ACCEPTED)
    wide = Interval(NOW - 3 * DAY, NOW + DAY, "holdover")
    assert admitted(CodeKind.DESK, now=wide).note == verify.UNSURE_ACCEPTED
    assert admitted(CodeKind.DESK).note is None  # a clock that knows needs nobody's word
    agent = {"role": Role.AGENT, "nbf": NOW - 60}
    assert code(admitted(CodeKind.DESK, claims=agent, now=LEVEL_0)) is Code.CLOCK_UNSURE
    assert code(admitted(CodeKind.DESK, now=LEVEL_0, revoked=frozenset({CLAIMS.confirmation.id}))) is Code.REVOKED


def test_a_key_that_ends_before_the_booking_begins_is_not_vouched_for() -> None:
    keyset = situation().keyset
    brief = replace(keyset, keys={kid: replace(one, not_after=NOW - 2 * DAY) for kid, one in keyset.keys.items()})
    assert code(codes.admitted(token(), CodeKind.DESK, situation(now=LEVEL_0, keyset=brief))) is Code.UNKNOWN_KEY


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (SURE, True), (LEVEL_0, True), (Interval(NOW - 3600 - DAY, NOW - 3600 - DAY, "gnss"), True),
        (Interval(NOW - 3601 - DAY, NOW - 3601 - DAY, "gnss"), False),
        (Interval(NOW + 3600 + DAY, NOW + 3600 + DAY, "gnss"), True),
        (Interval(NOW + 3601 + DAY, None, "none"), False),
    ],
)  # fmt: skip
def test_codes_of_bookings_that_are_far_off_are_wrong_codes(now: Interval, expected: bool) -> None:
    assert codes.within_a_day(CLAIMS, now) is expected


# --- of a slot


@given(st.integers(0, (1 << 32) - 1), st.integers(0, SLOTS - 1))
def test_a_slots_number_says_day_and_slot_and_is_exact_in_every_language(day: int, number: int) -> None:
    booking = codes.hotline_number(day, number)
    assert 1 << 52 <= booking < 1 << 53
    assert codes.hotline_slot(booking) == (day, number)
    claims = codes.hotline_claims(booking, VEHICLE, OPERATOR)
    assert codes.hotline_token(claims.cti) == booking
    assert claims.exp - claims.nbf <= verify.LONGEST_S[Role.DRIVER]


@pytest.mark.parametrize("number", [0, 42, (1 << 52) - 1, (1 << 52) | 8, (1 << 52) | (1 << 37)])
def test_other_numbers_are_no_slots(number: int) -> None:
    assert codes.hotline_slot(number) is None
    assert codes.hotline_token(b"hotline\0" + number.to_bytes(8, "big")) is None
    with pytest.raises(ValueError, match="no number of a slot"):
        codes.hotline_claims(number, VEHICLE, OPERATOR)


def test_a_tokens_own_id_is_no_slots() -> None:
    assert codes.hotline_token(bytes(range(16))) is None
    assert codes.hotline_token(codes.hotline_claims(SLOT, VEHICLE, OPERATOR).cti[:15]) is None


@pytest.mark.parametrize(
    ("now", "days"),
    [
        (SURE, {-1, 0}),  # eight in the morning
        (Interval(TODAY * DAY + 12 * 3600, TODAY * DAY + 12 * 3600 + 4, "gnss"), {-1, 0}),
        (Interval(TODAY * DAY + 12 * 3600 + 1, TODAY * DAY + 12 * 3600 + 4, "gnss"), {0}),
        (Interval(TODAY * DAY + DAY - 1, TODAY * DAY + DAY + 1, "gnss"), {0, 1}),
        (Interval(NOW - DAY, NOW + 9 * DAY, "holdover"), {-2, -1, 0}),  # never more than three days to guess among
        (Interval(NOW, None, "none"), {-1, 0, 1}),
    ],
)
def test_a_code_of_the_day_is_asked_on_its_day_and_the_next_morning(now: Interval, days: set[int]) -> None:
    found = set()
    for day in range(TODAY - 12, TODAY + 12):
        for number in range(SLOTS):
            digits = codes.slot_code(codes.day_key(KEY, day), number)
            if codes.hotline_booking(KEY, digits, now, None) == codes.hotline_number(day, number):
                found.add(day - TODAY)
    assert found == days


def test_r5_the_code_of_the_open_slot_is_asked_for_ever() -> None:
    digits = codes.slot_code(codes.day_key(KEY, TODAY), 3)
    later = Interval(NOW + 9 * DAY, NOW + 9 * DAY, "gnss")
    assert codes.hotline_booking(KEY, digits, later, None) is None
    assert codes.hotline_booking(KEY, digits, later, 42) is None
    assert codes.hotline_booking(KEY, digits, later, SLOT) == SLOT
    found = slot(now=later, open_booking=SLOT)
    assert isinstance(found, Booking)
    assert found.note == verify.AFTER_END


def test_r12_a_slot_is_a_private_drivers_booking_and_noted() -> None:
    found = slot()
    assert isinstance(found, Booking)
    assert (found.booking, found.kind, found.role, found.actions) == (SLOT, BookingKind.PRIVATE, Role.DRIVER, RIGHTS)
    assert (found.note, found.token, found.revision) == ("hotline_code", b"", 0)
    assert (found.paid_from_s, found.paid_to_s) == (TODAY * DAY, TODAY * DAY + 36 * 3600)


def test_a_slot_is_over_at_noon_of_the_next_day_and_can_be_revoked() -> None:
    noon = TODAY * DAY + 36 * 3600
    assert isinstance(slot(now=Interval(noon, noon, "gnss")), Booking)
    assert code(slot(now=Interval(noon + 1, noon + 1, "gnss"))) is Code.EXPIRED
    assert code(slot(now=Interval(NOW - DAY, NOW - DAY, "gnss"))) is Code.TOO_EARLY
    assert code(slot(revoked=frozenset({booking_revocation_id(SLOT)}))) is Code.REVOKED
    unsure = slot(now=Interval(NOW - DAY // 2, None, "none"))
    assert isinstance(unsure, Booking)
    assert unsure.note == verify.UNSURE_ACCEPTED


def test_slots_of_two_cars_are_two_holders() -> None:
    one, other = (codes.hotline_claims(SLOT, vehicle, OPERATOR) for vehicle in (VEHICLE, bytes(8)))
    assert one.confirmation != other.confirmation
    assert isinstance(one.confirmation, BadgeId)
    assert one.confirmation.id != HolderKey(PHONE.public).id
