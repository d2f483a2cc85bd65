"""docs/keyless.cddl against the published cases, by a public library: it takes what is well shaped and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import cbor2
import pytest
from cddl_verifier import Validator, schema_diagnostics
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from hil import mule, parcels, tokens, vouchers
from hil.cbor import encode
from keyless import near, pieces, receipt
from keyless.refusal import Code, Refusal
from tests.keyless_vectors import FOLDER, cases, input_

TEXT = (FOLDER.parents[1] / "keyless.cddl").read_text(encoding="utf-8")
SCHEMA = Validator(TEXT)
OBJECTS = [  # file, input, rule
    ("token.json", "token", "token"),
    ("stored.json", "token", "token"),
    ("guard.json", "token", "token"),
    ("command.json", "command", "command"),
    ("near.json", "command", "near-command"),
    ("pair.json", "pair", "remote"),
    ("keyset.json", "keyset", "key-set"),
    ("rootset.json", "rootset", "root-set"),
    ("revocations.json", "list", "revocation-list"),
    ("signed_time.json", "answer", "signed-time"),
    ("receipt.json", "receipt", "receipt"),
    ("piece.json", "piece", "piece"),
    ("fetch.json", "fetch", "fetch"),
    ("question.json", "question", "time-question"),
]
TRUST = [bytes.fromhex(case["trust"]["keyset"]) for case in cases("token.json")]
OF_THE_SHAPE = ("malformed", "alg")
# CDDL describes values, not their encoding; it compares no two fields and computes no hash (the head of the file).
CANNOT_SAY = (
    "longer head", "no stated length", "in two bytes", "wrong order", "nbf as late", "nbf after", "early + late",
    "not its key's", "kid of another key", "a key twice", "ids of 12 bytes", "ids of 1 byte", "ends before it begins",
    "last number is below the first", "threshold above the number", "a root twice",
    "beyond the total", "longer than the total", "does not follow", "is not what it is called",
)  # fmt: skip


def of_the_shape(expected: bool) -> Iterator[tuple[str, dict[str, Any], str, str]]:
    for name, field, rule in OBJECTS:
        for case in cases(name):
            code, about = case["expect"]["code"], case["name"]
            of_its_token = name in ("command.json", "near.json") and ": token" in about
            if code == "too_big" or of_its_token or (code not in OF_THE_SHAPE and "payload that is n" in about):
                continue
            if code is None and not case[field]:  # the fetch of a new parcel
                continue
            if (code in OF_THE_SHAPE) == expected:
                yield name, case, field, rule


def test_the_file_itself_is_sound() -> None:
    assert schema_diagnostics(TEXT) == ()


def test_every_object_that_is_not_refused_for_its_shape_is_as_the_cddl_says() -> None:
    wrong, seen = [], 0
    for name, case, field, rule in of_the_shape(False):
        result = SCHEMA.validate(input_(case, field), rule)
        seen += 1
        if not result.valid:
            wrong.append((name, case["name"], result.errors))
    assert not wrong
    assert seen > 300


def test_every_object_that_is_refused_for_its_shape_is_not() -> None:
    taken = {
        (name, case["name"])
        for name, case, field, rule in of_the_shape(True)
        if SCHEMA.validate(input_(case, field), rule).valid
    }
    unexplained = {one for one in taken if not any(words in one[1] for words in CANNOT_SAY)}
    assert not unexplained
    assert all(any(words in name for _, name in taken) for words in CANNOT_SAY), "an excuse that nobody needs"


SECOND = 1_800_000_000
CAR_KEY = Ed25519PrivateKey.from_private_bytes(bytes([21]) * 32)
QUESTION = vouchers.time_question(bytes(8), 70_000)
START, END = vouchers.Look(SECOND, SECOND + 4, 48_211_370, 1000), vouchers.Look(SECOND + 60, None)
VOUCHERS = [("time-question", QUESTION)]
VOUCHERS += [("signed-time", vouchers.time_answer(tokens.Issuer("perche", CAR_KEY), QUESTION, SECOND))]
VOUCHERS += [
    ("receipt", vouchers.Slip(
        "perche", bytes(8), 7, 42, token, event, lock, START, None if event == "opened" else END, True, None, False,
        ["door_open"],
    ).signed(CAR_KEY))
    for event, lock, token in zip(vouchers.EVENTS, [*vouchers.LOCKS, "done", "done"], 3 * [b"token", None], strict=True)
]  # fmt: skip


VOUCHERS += [("parcel-content", parcels.content("perche", bytes(8), b"facts", CAR_KEY))]


@pytest.mark.parametrize(("rule", "data"), VOUCHERS)
def test_signed_time_receipts_and_parcels_are_as_the_cddl_says_and_nothing_else(rule: str, data: bytes) -> None:
    assert SCHEMA.validate(data, rule).valid
    for other in ({name for name, _ in VOUCHERS} | {"token", "revocation-list"}) - {rule}:
        assert not SCHEMA.validate(data, other).valid, other
    assert not SCHEMA.validate(data[:-1], rule).valid


@pytest.mark.parametrize("key", range(1, 11))
@pytest.mark.parametrize("value", [None, -1, 1 << 53, True, b"", "", [], {}, [SECOND, SECOND, 0, 1001]])
def test_a_receipt_is_of_the_shape_exactly_when_the_car_reads_it(key: int, value: Any) -> None:
    inner = dict(cbor2.loads(cbor2.loads(VOUCHERS[-2][1]).value[2])[vouchers.RECEIPT_CLAIM]) | {key: value}
    payload = encode({1: "perche", vouchers.RECEIPT_CLAIM: inner})
    read = not isinstance(receipt.read_receipt(payload), Refusal)
    assert SCHEMA.validate(payload, "receipt-said").valid is read


NEAR = [
    ("hello", near.write_hello(near.Hello(bytes(16), SECOND, None, "none", 0, 0, 0, QUESTION))),
    ("hello", near.write_hello(near.Hello(bytes(16), SECOND, SECOND + 4, "gnss", 3, 17, 4711))),
    ("answer", near.write_answer(near.Answer(near.Said.DONE, bytes(16), False))),
    ("answer", near.write_answer(
        near.Answer(near.Said.REFUSED, bytes(16), None, Code.STATE_GUARD, ("moving",), 1, 2, 3, 4, "Arrêtez-vous.")
    )),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "data"), NEAR)
def test_what_the_car_says_to_a_phone_is_as_the_cddl_says(rule: str, data: bytes) -> None:
    assert SCHEMA.validate(data, rule).valid
    assert not SCHEMA.validate(data, {"hello": "answer", "answer": "hello"}[rule]).valid
    assert not SCHEMA.validate(data[:-1], rule).valid


def next_fetch(parcel: bytes) -> bytes:
    """What a phone asks for when it has the first piece."""
    pocket = mule.Pocket()
    pocket.put(pieces.write_piece(pieces.cut(parcel, 0)))
    return pocket.fetch()


MULE = [
    ("piece", mule.carried(bytes(1025))[0]),
    ("piece", pieces.write_piece(pieces.cut(bytes(16_384), 16_000))),
    ("fetch", next_fetch(bytes(2000))),
    ("taken", pieces.write_taken(None)),
    ("taken", pieces.write_taken(Code.SUPERSEDED)),
]


@pytest.mark.parametrize(("rule", "data"), MULE)
def test_what_a_phone_carries_in_and_out_is_as_the_cddl_says_and_nothing_else(rule: str, data: bytes) -> None:
    assert SCHEMA.validate(data, rule).valid
    for other in {name for name, _ in MULE} - {rule}:
        assert not SCHEMA.validate(data, other).valid, other
    assert not SCHEMA.validate(data[:-1], rule).valid


@pytest.mark.parametrize("data", sorted(set(TRUST)))
def test_the_trust_sets_are_key_sets(data: bytes) -> None:
    assert SCHEMA.validate(data, "key-set").valid
    assert not SCHEMA.validate(data, "token").valid
    assert not SCHEMA.validate(data[:-1], "key-set").valid
