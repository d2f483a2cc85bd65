"""Signatures by public vectors; key sets by 2 of 3 roots; revocation lists whose sequence never falls; state guards."""

from __future__ import annotations

from typing import Any

import pytest

from keyless import cbor, cose, issue, trust
from keyless.claims import HolderKey, Interval, booking_revocation_id, key_id
from keyless.refusal import Code, Refusal
from tests.keyless_world import (
    DAY,
    ISSUER,
    KEYS,
    KEYSET,
    LIMITED,
    NOW,
    OPERATOR,
    PHONE,
    PUBLIC_ROOTS,
    ROOTS,
    SURE,
    believe,
    code,
    forged,
    keyset,
    token,
)

# RFC 8032 section 7.1, tests 1 to 3: secret, public, message, signature.
RFC_8032 = [
    (
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24"
        "655141438e7a100b",
    ),
    (
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aee"
        "b00d291612bb0c00",
    ),
    (
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28d"
        "c027beceea1ec40a",
    ),
]


@pytest.mark.parametrize("vector", RFC_8032)
def test_ed25519_agrees_with_rfc_8032(vector: tuple[str, str, str, str]) -> None:
    secret, public, message, signature = (bytes.fromhex(part) for part in vector)
    key = issue.SigningKey(secret)
    assert key.public == public
    assert key.sign(message) == signature
    assert cose.verifies(public, cose.ED25519, signature, message)
    assert not cose.verifies(public, cose.ED25519, signature, message + b"\x00")
    assert not cose.verifies(public, cose.ED25519, signature[:-1], message)
    assert not cose.verifies(public[:-1], cose.ED25519, signature, message)
    assert not cose.verifies(public, cose.ESP256, signature, message)
    order = 2**252 + 27742317777372353535851937790883648493
    grown = signature[:32] + (int.from_bytes(signature[32:], "little") + order).to_bytes(32, "little")
    assert not cose.verifies(public, cose.ED25519, grown, message), "RFC 8032 section 5.1.7: S below the order"


def test_p256_takes_r_and_s_inside_their_bounds_only() -> None:
    signature = PHONE.sign(b"m")
    assert cose.verifies(PHONE.public, cose.ESP256, signature, b"m")
    assert not cose.verifies(PHONE.public, cose.ESP256, signature, b"n")
    assert not cose.verifies(PHONE.public, cose.ESP256, signature + b"\x00", b"m")
    assert not cose.verifies(PHONE.public, cose.ED25519, signature, b"m")
    for bad in (bytes(64), bytes(32) + signature[32:], signature[:32] + bytes(32), b"\xff" * 64):
        assert not cose.verifies(PHONE.public, cose.ESP256, bad, b"m")
    assert not cose.verifies(b"\x04" + PHONE.public[1:], cose.ESP256, signature, b"m")


# --- key set ---------------------------------------------------------------------------------------------------------


def _keyset(signers: Any = ROOTS[:2], version: int = 5) -> bytes:
    return issue.keyset(version, NOW + DAY, KEYS, signers)


def test_two_of_three_roots_make_a_key_set() -> None:
    for signers in (ROOTS[:2], ROOTS[1:], ROOTS[::2], ROOTS):
        read = trust.Trust(PUBLIC_ROOTS).read(_keyset(signers))
        assert isinstance(read, trust.KeySet)
        assert (read.version, read.expires, dict(read.keys)) == (
            5,
            NOW + DAY,
            {ISSUER.kid: KEYS[0], LIMITED.kid: KEYS[1]},
        )
    assert read.expired(Interval(NOW + DAY + 1, None, "none"))
    assert not read.expired(SURE)


def test_one_stolen_root_is_not_enough_however_often_it_signs() -> None:
    for signers in (ROOTS[:1], (ROOTS[0], ROOTS[0], ROOTS[0]), (ROOTS[0], ISSUER), ()):
        assert code(trust.read_keyset(_keyset(signers), PUBLIC_ROOTS, 2)) is Code.SIGNATURE
    with pytest.raises(ValueError, match="anybody"):
        trust.read_keyset(_keyset(()), PUBLIC_ROOTS, 0)


def test_the_bounds_of_a_key_set_belong_to_it() -> None:
    assert isinstance(trust.read_keyset(_keyset(ROOTS[:1]), PUBLIC_ROOTS, 1), trust.KeySet), "an operator with one root"
    assert code(trust.read_keyset(bytes(4096), PUBLIC_ROOTS, 2)) is Code.MALFORMED
    assert isinstance(trust.read_keyset(_keyset(version=(1 << 32) - 1), PUBLIC_ROOTS, 2), trust.KeySet)
    assert code(trust.read_keyset(_keyset(version=1 << 32), PUBLIC_ROOTS, 2)) is Code.MALFORMED


def test_version_of_the_key_set_never_falls() -> None:
    assert code(trust.read_keyset(_keyset(), PUBLIC_ROOTS, 2, min_version=6)) is Code.SUPERSEDED
    assert isinstance(trust.read_keyset(_keyset(), PUBLIC_ROOTS, 2, min_version=5), trust.KeySet)


def test_every_single_bit_flip_and_truncation_of_a_key_set_is_refused() -> None:
    data = _keyset()
    for at in range(len(data) * 8):
        flipped = bytearray(data)
        flipped[at // 8] ^= 1 << at % 8
        assert isinstance(trust.read_keyset(bytes(flipped), PUBLIC_ROOTS, 2), Refusal), f"bit {at}"
    for size in range(len(data)):
        assert code(trust.read_keyset(data[:size], PUBLIC_ROOTS, 2)) is Code.MALFORMED
    assert code(trust.read_keyset(bytes(4097), PUBLIC_ROOTS, 2)) is Code.TOO_BIG


HALVES = [[b"", [[bytes(8), b""]]], [b"", [[b"", bytes(64)]]]]


@pytest.mark.parametrize("outer", [*HALVES, [b"", [[b"", b""]]], [b"", [7]], [b"", {}], ["", []], [b""], {}])
def test_outer_shape_of_a_key_set(outer: Any) -> None:
    assert code(trust.read_keyset(cbor.encode(outer), PUBLIC_ROOTS, 2)) is Code.MALFORMED


ENTRY: list[Any] = [ISSUER.kid, ISSUER.public, 0, 1, 2]


@pytest.mark.parametrize(
    "payload",
    [
        b"\xff",
        {},
        {1: 1, 2: 1},
        {1: -1, 2: 1, 3: []},
        {1: 1, 2: 1 << 40, 3: []},
        {1: 1, 2: 1, 3: {}},
        {1: 1, 2: 1, 3: [ENTRY, ENTRY]},
        {1: 1, 2: 1, 3: [ENTRY[:4]]},
        {1: 1, 2: 1, 3: [[LIMITED.kid, *ENTRY[1:]]]},  # another key's name
        {1: 1, 2: 1, 3: [[key_id(bytes(31)), bytes(31), 0, 1, 2]]},
        {1: 1, 2: 1, 3: [[*ENTRY[:2], -1, 1, 2]]},
        {1: 1, 2: 1, 3: [[*ENTRY[:2], 0, None, 2]]},
        {1: 1, 2: 1, 3: [[*ENTRY[:2], 0, 1, 256]]},
    ],
)
def test_signed_nonsense_is_no_key_set(payload: Any) -> None:
    body = payload if isinstance(payload, bytes) else cbor.encode(payload)
    message = cose.to_be_signed(b"", body, context="Signature")
    data = cbor.encode([body, [[root.kid, root.sign(message)] for root in ROOTS]])
    assert code(trust.read_keyset(data, PUBLIC_ROOTS, 2)) is Code.MALFORMED
    assert code(trust.read_keyset_unverified(data)) is Code.MALFORMED


def test_a_desk_may_read_a_key_set_without_roots() -> None:
    assert isinstance(trust.read_keyset_unverified(_keyset(())), trust.KeySet)


# --- revocation list -------------------------------------------------------------------------------------------------

IDS = [booking_revocation_id(n) for n in range(1, 51)]


def _list(key: issue.SigningKey = ISSUER, sequence: int = 9, operator: str = OPERATOR, ids: Any = IDS) -> bytes:
    return issue.revocations(operator, sequence, NOW + 14 * DAY, NOW, ids, key)


def _read(data: bytes, **changes: Any) -> Any:
    keys = changes.pop("keyset", KEYSET)
    return trust.read_revocations(data, keys, **{"operator": OPERATOR, "now": SURE, **changes})


def test_revocation_list_is_read_and_stops_a_token() -> None:
    read = _read(_list())
    assert isinstance(read, trust.Revocations)
    assert (read.sequence, read.expires, read.iat, read.ids) == (9, NOW + 14 * DAY, NOW, frozenset(IDS))
    assert code(believe(token(), revoked=read.ids)) is Code.REVOKED
    assert len(_list()) <= 517 + 10


def test_revocation_list_gets_its_own_codes() -> None:
    assert code(_read(_list(), min_sequence=10)) is Code.SUPERSEDED
    assert isinstance(_read(_list(), min_sequence=9), trust.Revocations)
    assert code(_read(_list(LIMITED))) is Code.ISSUER_ROLE
    assert code(_read(_list(operator="orne"))) is Code.ISSUER_ROLE
    assert code(_read(_list(PHONE))) is Code.ALG
    assert code(_read(_list(ROOTS[0]))) is Code.UNKNOWN_KEY
    assert code(_read(_list(), now=Interval(NOW + 400 * DAY, None, "none"))) is Code.UNKNOWN_KEY
    assert code(_read(forged(_list()))) is Code.SIGNATURE
    assert code(_read(bytes(16_385))) is Code.TOO_BIG


def test_an_old_list_goes_on_revoking() -> None:
    assert isinstance(_read(_list(), now=Interval(NOW + 100 * DAY, NOW + 100 * DAY, "gnss")), trust.Revocations)


def test_a_token_is_no_list_and_a_list_is_no_token() -> None:
    assert code(_read(token())) is Code.MALFORMED
    assert code(believe(_list())) is Code.MALFORMED


@pytest.mark.parametrize(
    "changes",
    [{1: b""}, {4: -1}, {6: None}, {-65538: [1]}, {-65538: [1, bytes(7)]}, {-65538: [-1, b""]}, {-65538: b""}, {9: 9}],
)
def test_signed_nonsense_is_no_list(changes: dict[int, Any]) -> None:
    body = {1: OPERATOR, 4: NOW, 6: NOW, -65538: [1, b""], **changes}
    assert code(_read(issue.sign1(cbor.encode(body), ISSUER))) is Code.MALFORMED
    assert code(_read(issue.sign1(b"\xff", ISSUER))) is Code.MALFORMED


def test_the_number_of_a_list_has_53_bits() -> None:
    assert isinstance(_read(_list(sequence=(1 << 53) - 1)), trust.Revocations)
    assert code(_read(_list(sequence=1 << 53))) is Code.MALFORMED


def test_every_single_bit_flip_of_a_list_is_refused() -> None:
    data = _list(ids=IDS[:2])
    for at in range(len(data) * 8):
        flipped = bytearray(data)
        flipped[at // 8] ^= 1 << at % 8
        assert isinstance(_read(bytes(flipped)), Refusal), f"bit {at}"


def test_every_truncation_and_every_tail_of_a_list_is_malformed() -> None:
    data = _list(ids=IDS[:2])
    for size in range(len(data)):
        assert code(_read(data[:size])) is Code.MALFORMED
    for byte in range(256):
        assert code(_read(data + bytes([byte]))) is Code.MALFORMED


# --- the issuer's side -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["ed25519", "p256"])
def test_fresh_keys_sign(kind: str) -> None:
    key = issue.new_key(kind)
    assert cose.verifies(key.public, key.alg, key.sign(b"m"), b"m")
    assert key.kid == key_id(key.public) == HolderKey(key.public).id
    assert issue.new_key(kind) != key


def test_expired_key_set_is_known_for_the_alarm() -> None:
    assert keyset(expires=NOW - 1).expired(SURE)
    ending = keyset(expires=NOW)
    assert not ending.expired(Interval(NOW, NOW + 9, "gnss"))
    assert ending.expired(Interval(NOW + 1, NOW + 9, "gnss"))
