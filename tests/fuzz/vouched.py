"""Signed time, the car's receipt and its parcel, and the signature layer alone, in the same two ways as `signed.py`."""

from __future__ import annotations

from typing import Final

from hil import parcels
from keyless import cbor, cose, issue, parcel, pieces, receipt, signed_time
from keyless.refusal import Code, Refusal
from keyless.signature_only import MAX_MESSAGE, judge_sign1
from tests.fuzz.published import published
from tests.fuzz.signed import payload, payloads
from tests.fuzz.target import Target, goes_on
from tests.keyless_world import ISSUER, KEYSET, NOW, OPERATOR, VEHICLE
from tests.test_hil_parcels import EPHEMERAL, RECIPIENT, SECRET
from tests.test_keyless_parcel import FACTS, content
from tests.test_keyless_receipt import CAR, ENDED, OPENED
from tests.test_keyless_signature_only import signed

NONCE: Final = bytes(range(8))
ANSWER: Final = issue.signed_time(OPERATOR, NONCE, NOW, ISSUER)
QUESTION: Final = signed_time.write_question(signed_time.Question(NONCE, 7))
RECEIPTS: Final = tuple(receipt.signed(one, CAR.public, CAR.sign) for one in (ENDED, OPENED))
SIGNED: Final = (signed(), signed(b"\xa0", {1: -19}), signed(payload=b""))
TIMES: Final = published("signed_time.json", "answer")
CONTENT: Final = content()
PARCEL: Final = parcels.hpke_seal(parcels.plain(CONTENT), RECIPIENT, parcels.PURPOSE + VEHICLE, EPHEMERAL)
BILLS: Final = published("receipt.json", "receipt")


def _believe(answer: bytes) -> signed_time.SignedTime | Refusal:
    return signed_time.believe_time(
        answer, {NONCE: 10**9}, KEYSET, operator=OPERATOR, revoked=frozenset(), now_ns=2 * 10**9
    )


def judge_time(data: bytes) -> bool:
    found = _believe(data)
    assert isinstance(found, Refusal) or data in (ANSWER, *TIMES), "believed without a signature"
    assert isinstance(found, Refusal) or signed_time.is_answer(data), "it would be taken for a list"
    signed_time.is_answer(data)
    return not isinstance(found, Refusal)


def judge_answer(data: bytes) -> bool:
    """data: what the backend signs."""
    if isinstance(signed_time._read_answer(data), Refusal) and not goes_on(data):
        return False
    found = _believe(issue.sign1(data, ISSUER))
    if isinstance(found, Refusal):
        assert found.code not in (Code.SIGNATURE, Code.ALG)
        return False
    assert found.nonce == NONCE
    assert signed_time.write_answer(OPERATOR, NONCE, found.time_s) == data
    return True


def judge_question(data: bytes) -> bool:
    found = signed_time.read_question(data)
    assert isinstance(found, Refusal) or signed_time.write_question(found) == data
    return not isinstance(found, Refusal)


def judge_receipt(data: bytes) -> bool:
    found = receipt.believe_receipt(data, CAR.public, vehicle=VEHICLE)
    assert isinstance(found, Refusal) or data in (*RECEIPTS, *BILLS), "believed without a signature"
    return not isinstance(found, Refusal)


def judge_report(data: bytes) -> bool:
    """data: what the car signs."""
    found = receipt.read_receipt(data)
    if isinstance(found, Refusal):
        assert found.code is Code.MALFORMED
        return False
    assert receipt.write_receipt(found) == data
    assert (found.event is receipt.Event.OPENED) == (found.end is None)
    again = receipt.believe_receipt(issue.sign1(data, CAR), CAR.public, vehicle=None)
    assert again == found or (isinstance(again, Refusal) and again.code is Code.TOO_BIG)
    return True


def judge_parcel(data: bytes) -> bool:
    found = parcel.opened(data, SECRET, CAR.public, vehicle=VEHICLE)
    assert isinstance(found, Refusal) or data == PARCEL, "opened, and nobody sealed it"
    return not isinstance(found, Refusal)


def judge_content(data: bytes) -> bool:
    """data: what is inside of the seal, where anybody may have put it."""
    if isinstance(parcel._believed(data, CAR.public, VEHICLE), Refusal) and not goes_on(data):
        return False
    plain = (len(data).to_bytes(2, "big") + data).ljust(parcel.SIZES[2] - 48, b"\x00")
    sent = parcels.hpke_seal(plain, RECIPIENT, parcels.PURPOSE + VEHICLE, EPHEMERAL)
    found = parcel.opened(sent, SECRET, CAR.public, vehicle=VEHICLE)
    assert isinstance(found, Refusal) or (data == CONTENT and found.facts == FACTS), "believed without a signature"
    return not isinstance(found, Refusal)


def judge_signature(data: bytes) -> bool:
    found = judge_sign1(data, ISSUER.public)
    if isinstance(found, Refusal):
        return False
    assert found.payload in (b"content", b""), "good without a signature"
    assert found.alg in cose.ISSUER_ALGS
    return True


def judge_piece(data: bytes) -> bool:
    """data: a piece that a phone brings, after one that was begun."""
    found = pieces.read_piece(data)
    if isinstance(found, Refusal):
        assert found.code in (Code.MALFORMED, Code.TOO_BIG)
        return False
    assert pieces.write_piece(found) == data
    so_far, whole = pieces.joined(pieces.Joining(found.name, bytes(min(found.at, pieces.LONGEST))), found)
    assert len(so_far.data) <= pieces.LONGEST
    assert not isinstance(whole, bytes) or pieces.name_of(whole) == found.name, "not what it is called"
    return True


def judge_fetch(data: bytes) -> bool:
    found = pieces.read_fetch(data)
    assert found is None or isinstance(found, Refusal) or cbor.encode(list(found)) == data
    return not isinstance(found, Refusal)


TARGETS: Final = (
    Target("time", judge_time, (ANSWER,), signed_time.MAX_ANSWER + 9, corpus=TIMES),
    Target("answer", judge_answer, (payload(ANSWER),), signed_time.MAX_ANSWER - 100, corpus=payloads(TIMES)),
    Target("question", judge_question, (QUESTION,), signed_time.MAX_QUESTION + 9),
    Target("receipt", judge_receipt, RECEIPTS, receipt.MAX_RECEIPT + 9, corpus=BILLS),
    Target("report", judge_report, [payload(one) for one in RECEIPTS], receipt.MAX_RECEIPT, corpus=payloads(BILLS)),
    Target("parcel", judge_parcel, (PARCEL,), parcel.SIZES[-1] + 9),
    Target("content", judge_content, (CONTENT,), parcel.SIZES[2] - 50),
    Target("piece", judge_piece, (pieces.write_piece(pieces.cut(PARCEL, 1000)),), 1024),
    Target("fetch", judge_fetch, (b"", cbor.encode([NONCE, 1000])), 1024),
    Target("signature", judge_signature, SIGNED, MAX_MESSAGE + 9),
)
