"""The bench's own encoder, judged by public libraries: cbor2 reads it, cryptography verifies it."""

from __future__ import annotations

import hashlib

import cbor2
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from hypothesis import given
from hypothesis import strategies as st

from hil import tokens
from hil.cbor import Tag, encode

VEHICLE = bytes.fromhex("1122334455667788")
BADGE = bytes.fromhex("0102030405")
NOW = 1_800_000_000

values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.binary(max_size=300) | st.text(max_size=300),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.integers(0, 70_000), inner, max_size=5),
    max_leaves=20,
)


@given(values)
def test_writer_is_canonical_and_read_back_by_another_library(value: object) -> None:
    assert cbor2.loads(encode(value)) == value
    assert encode(value) == cbor2.dumps(value, canonical=True)


def test_writer_refuses_floats() -> None:
    with pytest.raises(TypeError):
        encode(1.5)  # type: ignore[arg-type]


def order(**changes: object) -> tokens.Order:
    times = {"start_s": NOW, "end_s": NOW + 3600, "issued_s": NOW - 60}
    given = {"vehicle": VEHICLE, "booking": 42, "badge": BADGE, **times}
    return tokens.Order(**{**given, **changes})  # type: ignore[arg-type]


def parts(token: bytes) -> tuple[dict[int, object], bytes, bytes, bytes]:
    tag = cbor2.loads(token)
    assert tag.tag == 18
    protected, unprotected, payload, signature = tag.value
    assert unprotected == {}
    return cbor2.loads(protected), payload, signature, cbor2.dumps(["Signature1", protected, b"", payload])


def test_token_verifies_and_carries_the_claims_of_the_profile() -> None:
    issuer = tokens.Issuer("perche")
    token = issuer.token(order(kind="staff"))
    header, payload, signature, signed = parts(token)
    assert header == {1: -19, 4: issuer.kid}
    Ed25519PublicKey.from_public_bytes(issuer.public).verify(signature, signed)
    claims = cbor2.loads(payload)
    assert claims[1] == "perche"
    assert claims[3] == VEHICLE
    assert (claims[5], claims[4]) == (NOW - 900, NOW + 3600 + 1800)
    assert claims[8] == {3: hashlib.sha256(b"badge" + BADGE).digest()[:8]}
    assert claims[-65537] == {1: 1, 2: 15, 3: [900, 1800], 4: 42, 5: 1, 6: 1}
    assert token[0] == 0xD2
    assert len(token) < 200


def test_altered_token_does_not_verify() -> None:
    issuer = tokens.Issuer("perche")
    _, payload, signature, signed = parts(issuer.token(order()))
    with pytest.raises(InvalidSignature):
        Ed25519PublicKey.from_public_bytes(issuer.public).verify(signature, signed.replace(payload[:4], b"\0\0\0\0"))


def test_d12_command_is_bound_to_its_token_and_verifies_with_the_holders_key() -> None:
    holder = ec.generate_private_key(ec.SECP256R1())
    token = tokens.Issuer("perche").token(order(badge=None, holder=holder, role="backend", booking=0))
    both = cbor2.loads(tokens.command(holder, token, "unlock", 7, NOW + 60, b"\x01" * 16))
    assert both[0] == token
    header, payload, signature, signed = parts(both[1])
    assert header == {1: -9}
    body = {1: hashlib.sha256(token).digest()[:16], 2: b"\x01" * 16, 3: 1, 4: 7, 5: NOW + 60}
    assert cbor2.loads(payload) == body
    raw = encode_dss_signature(int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big"))
    holder.public_key().verify(raw, signed, ec.ECDSA(hashes.SHA256()))
    x, odd = tokens.compressed(holder)[-2], tokens.compressed(holder)[-3]
    point = bytes([3 if odd else 2]) + x
    assert ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point) == holder.public_key()


def test_key_set_is_signed_by_exactly_the_threshold() -> None:
    roots = tokens.Roots.fresh(3, threshold=2)
    issuer = tokens.Issuer("perche")
    payload, signatures = cbor2.loads(tokens.keyset(roots, [(issuer, ["driver", "backend"])], 3, NOW, NOW + 86_400))
    assert cbor2.loads(payload) == {1: 3, 2: NOW + 86_400, 3: [[issuer.kid, issuer.public, NOW, NOW + 86_400, 2 | 32]]}
    assert len(signatures) == 2
    for (kid, signature), public in zip(signatures, roots.public, strict=False):
        assert kid == hashlib.sha256(b"key" + bytes.fromhex(public)).digest()[:8]
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(public)).verify(
            signature, encode(["Signature", b"", b"", payload])
        )


def test_revocation_list_carries_its_sequence_and_ids() -> None:
    issuer = tokens.Issuer("perche")
    one = tokens.derived(b"token", b"\x07" * 16)
    header, payload, signature, signed = parts(tokens.revocations(issuer, 5, [one, one], NOW, NOW + 86_400))
    assert header == {1: -19, 4: issuer.kid}
    Ed25519PublicKey.from_public_bytes(issuer.public).verify(signature, signed)
    assert cbor2.loads(payload) == {1: "perche", 4: NOW + 86_400, 6: NOW, -65538: [5, one + one]}


def test_tag_is_written_in_front() -> None:
    assert encode(Tag(18, [])) == b"\xd2\x80"
