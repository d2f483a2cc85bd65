"""The steps of the verification and their order, each with its own code; what is altered is refused."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from keyless import cbor, claims, cose, issue, trust
from keyless import token as payloads
from keyless.claims import BadgeId, Booking, BookingKind, HolderKey, Interval, Role, badge_id
from keyless.refusal import Code, Refusal
from tests.keyless_world import (
    CLAIMS,
    DAY,
    ISSUER,
    KEYS,
    KEYSET,
    LAPTOP,
    LIMITED,
    NOW,
    PHONE,
    STRANGER,
    UID,
    believe,
    code,
    forged,
    keyset,
    token,
)


def test_good_token_becomes_a_booking_with_paid_time_and_kind() -> None:
    booking = believe(token(flags=3, actions=1 | 512 | 1 << 20))
    assert isinstance(booking, Booking)
    assert booking.kind is BookingKind.MAINTENANCE
    assert (booking.paid_from_s, booking.paid_to_s) == (NOW - 2700, NOW + 1800)
    assert (booking.actions, booking.ignored) == (1, 512 | 1 << 20)
    assert booking.note is None
    assert booking.token == token(flags=3, actions=1 | 512 | 1 << 20)
    assert booking.confirmation == BadgeId(badge_id(UID)) != BadgeId(badge_id(b"other"))


def test_sizes_stay_near_the_profile() -> None:
    """205 and 172 bytes in the profile; ours differ by the operator's name and the numbers, never by more than ten."""
    phone = token(confirmation=HolderKey(PHONE.public))
    assert len(phone) <= 215
    assert len(token()) <= 182


# --- the order of the steps ------------------------------------------------------------------------------------------


def _with_header(header: dict[Any, Any], key: issue.SigningKey = ISSUER, payload: bytes | None = None) -> bytes:
    protected = cbor.encode(header)
    body = payloads.write_claims(CLAIMS) if payload is None else payload
    signature = key.sign(cose.to_be_signed(protected, body))
    return b"\xd2" + cbor.encode([protected, {}, body, signature])


# In the order of the steps: each makes one fail and leaves the others alone, by the token or by the situation.
STEPS: list[tuple[Code, dict[str, Any], dict[str, Any]]] = [
    (Code.UNKNOWN_KEY, {"key": STRANGER}, {}),
    (Code.SIGNATURE, {"forge": True}, {}),
    (Code.WRONG_VEHICLE, {"aud": b"elsewher"}, {}),
    (Code.ISSUER_ROLE, {}, {"operator": "somebody"}),
    (Code.REVOKED, {}, {"revoked": frozenset({claims.booking_revocation_id(42)})}),
    (Code.SUPERSEDED, {}, {"superseded": {42: 4}}),
    (Code.EXPIRED, {}, {"now": Interval(NOW + 3601, NOW + 3605, "gnss")}),
]


@pytest.mark.parametrize("first", range(len(STEPS)))
@pytest.mark.parametrize("second", range(len(STEPS)))
def test_what_fails_two_steps_gets_the_earlier_code(first: int, second: int) -> None:
    changes: dict[str, Any] = {}
    around: dict[str, Any] = {}
    for index in (first, second):
        changes.update(STEPS[index][1])
        around.update(STEPS[index][2])
    key, forge = changes.pop("key", ISSUER), changes.pop("forge", False)
    data = token(key, **changes)
    refusal = believe(forged(data) if forge else data, **around)
    assert code(refusal) is STEPS[min(first, second)][0]
    assert isinstance(refusal, Refusal)
    assert (refusal.claims is None) == (min(first, second) < 2), (
        "claims are told only once their signature has verified"
    )


def test_too_big_comes_before_malformed_and_malformed_before_alg() -> None:
    assert code(believe(b"\xff" * 1025)) is Code.TOO_BIG
    assert code(believe(b"\xff" * 1024)) is Code.MALFORMED
    assert code(believe(_with_header({1: -7, 4: b"short"}))) is Code.MALFORMED
    assert code(believe(_with_header({1: -7, 4: STRANGER.kid}))) is Code.ALG


def test_a_signed_token_with_wrong_claims_is_malformed_after_the_signature() -> None:
    bad = _with_header({1: -19, 4: ISSUER.kid}, payload=b"\xa0")
    assert code(believe(bad)) is Code.MALFORMED
    assert code(believe(forged(bad))) is Code.SIGNATURE


# --- bytes -----------------------------------------------------------------------------------------------------------

TOKENS = {
    "badge": token(),
    "p256": token(confirmation=HolderKey(PHONE.public)),
    "ed25519": token(confirmation=HolderKey(LAPTOP.public)),
}


@pytest.mark.parametrize("name", TOKENS)
def test_every_single_bit_flip_of_a_token_is_refused(name: str) -> None:
    data = TOKENS[name]
    assert isinstance(believe(data), Booking)
    for at in range(len(data) * 8):
        flipped = bytearray(data)
        flipped[at // 8] ^= 1 << at % 8
        assert isinstance(believe(bytes(flipped)), Refusal), f"bit {at}"


@pytest.mark.parametrize("name", TOKENS)
def test_every_truncation_and_every_trailing_byte_is_malformed(name: str) -> None:
    data = TOKENS[name]
    for size in range(len(data)):
        assert code(believe(data[:size])) is Code.MALFORMED
    for byte in range(256):
        assert code(believe(data + bytes([byte]))) is Code.MALFORMED


@pytest.mark.parametrize(
    "header",
    [
        {1: -19},
        {1: -19, 4: b"1234567"},
        {1: -19, 4: "12345678"},
        {1: "EdDSA", 4: ISSUER.kid},
        {1: -19, 4: ISSUER.kid, 2: []},
        {True: -19, 4: ISSUER.kid},
        {},
    ],
)
def test_protected_header_is_exactly_alg_and_kid(header: dict[Any, Any]) -> None:
    assert code(believe(_with_header(header))) is Code.MALFORMED


def test_outer_shape_is_exactly_that_of_a_sign1() -> None:
    protected, payload, signature = cbor.encode({1: -19, 4: ISSUER.kid}), payloads.write_claims(CLAIMS), bytes(64)
    for body in (
        [protected, {4: ISSUER.kid}, payload, signature],
        [protected, {}, payload],
        [protected, {}, payload, signature, 0],
        [protected, {}, None, signature],
        [protected, {}, payload, bytes(63)],
        [b"\x9f\xff", {}, payload, signature],
        {1: protected},
    ):
        assert code(believe(b"\xd2" + cbor.encode(body))) is Code.MALFORMED
    assert code(believe(token()[1:])) is Code.MALFORMED, "without its tag"
    assert code(believe(b"\xd2" + token())) is Code.MALFORMED, "with its tag twice"
    assert code(believe(b"\xd8\x3d" + token())) is Code.MALFORMED, "inside the CWT tag"


def test_old_algorithm_number_is_accepted_with_the_same_key() -> None:
    assert isinstance(believe(_with_header({1: -8, 4: ISSUER.kid})), Booking)


# --- keys, roles -----------------------------------------------------------------------------------------------------


def test_key_beyond_its_validity_is_unknown_also_before_a_bad_signature() -> None:
    late = Interval(NOW + 301 * DAY, NOW + 301 * DAY + 4, "gnss")
    early = Interval(NOW - 301 * DAY, NOW - 301 * DAY + 4, "gnss")
    for now in (late, early):
        assert code(believe(forged(token()), now=now)) is Code.UNKNOWN_KEY
    assert code(believe(forged(token()), now=replace(early, hi_s=None))) is Code.SIGNATURE, (
        "doubt is left to the window"
    )


def test_expired_key_set_serves_drivers_for_ninety_days_and_nobody_else() -> None:
    old = keyset(expires=NOW - 1)
    assert isinstance(believe(token(), keyset=old), Booking)
    agent = token(role=Role.AGENT, exp=NOW + 60, nbf=NOW - 60, early_s=0, late_s=0)
    assert isinstance(believe(agent), Booking)
    assert code(believe(agent, keyset=old)) is Code.ISSUER_ROLE
    assert code(believe(token(), keyset=keyset(expires=NOW - 90 * DAY - 1))) is Code.UNKNOWN_KEY


def test_key_of_the_booking_server_cannot_mint_technicians() -> None:
    short = {"exp": NOW + 60, "nbf": NOW - 60, "early_s": 0, "late_s": 0}
    assert isinstance(believe(token(LIMITED)), Booking)
    assert code(believe(token(LIMITED, role=Role.TECHNICIAN, **short))) is Code.ISSUER_ROLE
    assert isinstance(believe(token(role=Role.TECHNICIAN, **short)), Booking)


@pytest.mark.parametrize("role", Role)
def test_a_role_lasts_no_longer_than_it_may(role: Role) -> None:
    longest = claims.LONGEST_S[role]
    fits = {"role": role, "nbf": NOW - 10, "early_s": 0, "late_s": 0}
    assert isinstance(believe(token(**fits, exp=NOW - 10 + longest)), Booking)
    assert code(believe(token(**fits, exp=NOW - 9 + longest))) is Code.ISSUER_ROLE


EVERY = sum(claims.Action)


@pytest.mark.parametrize("role", Role)
def test_actions_beyond_the_role_are_ignored_and_told(role: Role) -> None:
    booking = believe(token(role=role, actions=EVERY, nbf=NOW - 10, exp=NOW + 1000, early_s=0, late_s=0))
    assert isinstance(booking, Booking)
    assert booking.actions == claims.CEILING[role]
    assert booking.actions | booking.ignored == EVERY


# --- revoked, superseded ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        claims.token_revocation_id(CLAIMS.cti),
        claims.booking_revocation_id(42),
        claims.badge_id(UID),
        ISSUER.kid,
    ],
)
def test_token_booking_holder_or_issuer_key_can_be_revoked(name: bytes) -> None:
    refusal = believe(token(), revoked=frozenset({name, bytes(8)}))
    assert code(refusal) is Code.REVOKED
    assert refusal.detail == {"ids": [name.hex()]}  # type: ignore[union-attr]
    assert isinstance(believe(token(), revoked=frozenset({bytes(8)})), Booking)


def test_lower_revision_is_superseded_and_booking_zero_never_is() -> None:
    assert isinstance(believe(token(), superseded={42: 3, 43: 9}), Booking)
    assert code(believe(token(), superseded={42: 4})) is Code.SUPERSEDED
    assert isinstance(believe(token(booking=0), superseded={0: 9}), Booking)


def test_any_operator_is_obeyed_only_where_it_is_asked_for() -> None:
    assert code(believe(token(iss="orne"))) is Code.ISSUER_ROLE
    assert isinstance(believe(token(iss="orne"), operator=None), Booking)


@settings(max_examples=200)
@given(st.binary(max_size=1100))
def test_no_bytes_open_the_door(data: bytes) -> None:
    assert isinstance(believe(data), Refusal)
    assert isinstance(believe(b"\xd2" + data), Refusal)


def test_keys_are_named_by_their_own_hash() -> None:
    assert set(KEYSET.keys) == {ISSUER.kid, LIMITED.kid}
    assert KEYS[0].may_mint(Role.BACKEND)
    assert not KEYS[1].may_mint(Role.BACKEND)
    assert isinstance(KEYSET, trust.KeySet)
