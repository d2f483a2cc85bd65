"""Strict CBOR: what is refused before anything is decoded, and that what is accepted goes round."""

from __future__ import annotations

import json
from pathlib import Path

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyless import cbor, near, receipt, signature_only, signed_time, token, trust, verify
from keyless.refusal import Code, Refusal
from tests.keyless_world import ISSUER, KEYSET, OPERATOR, PUBLIC_ROOTS, SURE, VEHICLE, believe, code, situation

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**64), 2**64 - 1) | st.binary(max_size=40) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.integers(-9, 70_000), inner, max_size=3),
    max_leaves=8,
)


def readers(data: bytes) -> list[object]:
    """Every parser of bytes from outside, on the same bytes."""
    return [
        believe(data),
        verify.store_check(data, situation()),
        verify.believe_command(data, data, situation(), None),
        trust.read_keyset(data, PUBLIC_ROOTS, 2),
        trust.read_keyset_unverified(data),
        trust.read_revocations(data, KEYSET, operator=OPERATOR, now=SURE),
        signed_time.read_question(data),
        signed_time.believe_time(data, {}, keyset=KEYSET, operator=OPERATOR, revoked=frozenset(), now_ns=0),
        receipt.believe_receipt(data, ISSUER.public, vehicle=VEHICLE),
        receipt.read_receipt(data),
        signature_only.judge_sign1(data, ISSUER.public),
        token.read_remote(data),
        token.read_claims(data),
        token.read_command(data, b""),
        near.believe_near(data, data, situation(), frozenset(), None),
        near.read_command(data, b""),
    ]


def test_every_bad_item_of_the_shared_set_is_malformed(shared: Path) -> None:
    items = json.loads((shared / "data/cbor/rfc8949-bad.json").read_text())
    assert len(items) >= 20
    for item in items:
        data = bytes.fromhex(item["hex"])
        assert code(cbor.decode(data)) is Code.MALFORMED, item
        for tail in (data, b"\xd2" + data, b"\x82" + data, b"\xd2\x84" + data):
            assert [code(one) for one in readers(tail)] == [Code.MALFORMED] * 16, item


def test_no_good_item_of_the_shared_set_is_a_token_and_none_raises(shared: Path) -> None:
    for item in json.loads((shared / "data/cbor/appendix_a.json").read_text()):
        data = bytes.fromhex(item["hex"])
        assert {code(one) for one in readers(data)} == {Code.MALFORMED}
        read = cbor.decode(data)
        if not isinstance(read, Refusal):
            assert cbor2.dumps(read, canonical=True) == data


@pytest.mark.parametrize(
    ("data", "why"),
    [
        ("", "ends early"),
        ("00 00", "bytes after the end"),
        ("a2 01 00 01 00", "Duplicate"),
        ("a2 01 00 f5 00", "Duplicate"),  # true equals 1 in Python
        ("9f 01 ff", "indefinite"),
        ("5f 41 00 ff", "indefinite"),
        ("bf ff", "indefinite"),
        ("7f ff", "indefinite"),
        ("1c", "reserved"),
        ("d2 80", "tag"),
        ("c1 00", "tag"),
        ("d8 1c 00", "tag"),
        ("c2 49 01 00 00 00 00 00 00 00 00", "tag"),
        ("81 81 81 81 81 81 81 00", "too deep"),
        ("a1 00 a1 00 a1 00 a1 00 a1 00 a1 00 a1 00 00", "too deep"),
        ("9b ff ff ff ff ff ff ff ff", "ends early"),  # a bomb: 2^64 items announced
        ("bb ff ff ff ff ff ff ff ff", "ends early"),
        ("5b ff ff ff ff ff ff ff ff", "ends early"),
        ("7b 7f ff ff ff ff ff ff ff", "ends early"),
        ("19 00", "ends early"),
        ("82 01", "ends early"),
        ("18 01", "not canonical"),
        ("19 00 01", "not canonical"),
        ("58 01 00", "not canonical"),
        ("a2 02 00 01 00", "not canonical"),  # keys out of order
        ("f9 3c 00", "float"),
        ("f7", "simple"),
        ("61 ff", "CBOR"),  # no UTF-8
    ],
)
def test_abuse_is_malformed_with_a_reason(data: str, why: str) -> None:
    read = cbor.decode(bytes.fromhex(data))
    assert code(read) is Code.MALFORMED
    assert why in str(read.detail["why"])  # type: ignore[attr-defined]


def test_six_containers_deep_is_still_read() -> None:
    assert cbor.decode(bytes.fromhex("81818181818100")) == [[[[[[0]]]]]]


@given(VALUES)
def test_what_is_written_is_read_back(value: object) -> None:
    data = cbor.encode(value)
    read = cbor.decode(data)
    if isinstance(read, Refusal):
        assert "deep" in str(read.detail["why"]) or "tag" in str(read.detail["why"])
    else:
        assert read == value


@given(st.binary(max_size=80))
def test_no_bytes_whatever_make_a_reader_raise(data: bytes) -> None:
    for prefix in (b"", b"\xd2\x84", b"\xd2\x84\x43\xa1\x01\x28\xa0", b"\x82"):
        for one in readers(prefix + data):
            assert not isinstance(one, verify.Booking)
    read = cbor.decode(data)
    assert isinstance(read, Refusal) or cbor.encode(read) == data


def test_true_is_no_number_and_no_key() -> None:
    assert not cbor.is_uint(True, 8)
    assert not cbor.has_keys({True: 0}, frozenset({1}))
    assert not cbor.has_keys([1], frozenset({1}))
    assert not cbor.is_uint(-1, 8)
    assert not cbor.is_uint(256, 8)
    assert cbor.is_uint(255, 8)
