"""The bench's own encoder of signed time and receipts against the car's: the same bytes, and each believes them."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from hil import tokens, vouchers
from keyless import issue, receipt, signed_time, trust
from keyless.receipt import Event, LockOutcome, Reading, Receipt, Remark
from keyless.refusal import Code, Refusal
from keyless.signed_time import Question, SignedTime
from keyless.token import token_hash

NOW = 1_800_000_000
S = 10**9
CAR = bytes.fromhex("1122334455667788")
NONCE = bytes.fromhex("00112233445566ff")
ROOTS = tokens.Roots.fresh()
ISSUER = tokens.Issuer("perche", Ed25519PrivateKey.from_private_bytes(bytes([7]) * 32))
SECRET = bytes([21]) * 32
KEY = Ed25519PrivateKey.from_private_bytes(SECRET)
TOKEN = b"any token's bytes"


@pytest.fixture(scope="module")
def keyset() -> trust.KeySet:
    data = tokens.keyset(ROOTS, [(ISSUER, ("driver", "backend"))], 3, NOW - 86_400, NOW + 86_400)
    read = trust.read_keyset(data, [bytes.fromhex(root) for root in ROOTS.public], 2)
    assert isinstance(read, trust.KeySet)
    return read


@pytest.mark.parametrize("version", [0, 3, 23, 24, 255, 256, 70_000, (1 << 32) - 1])
def test_both_write_the_same_question(version: int) -> None:
    ours = signed_time.write_question(Question(NONCE, version))
    assert vouchers.time_question(NONCE, version) == ours
    assert signed_time.read_question(vouchers.time_question(NONCE, version)) == Question(NONCE, version)


def test_the_car_believes_the_benchs_answer_to_its_own_question(keyset: trust.KeySet) -> None:
    question = signed_time.write_question(Question(NONCE, keyset.version))
    answer = vouchers.time_answer(ISSUER, question, NOW)
    assert answer == issue.signed_time("perche", NONCE, NOW, issue.SigningKey(bytes([7]) * 32))
    found = signed_time.believe_time(answer, {NONCE: 0}, keyset, operator="perche", revoked=frozenset(), now_ns=2 * S)
    assert found == SignedTime(NONCE, NOW, 3.0)


def test_every_altered_bit_of_the_benchs_answer_is_refused(keyset: trust.KeySet) -> None:
    answer = vouchers.time_answer(ISSUER, vouchers.time_question(NONCE, 3), NOW)
    for at in range(len(answer) * 8):
        altered = bytearray(answer)
        altered[at // 8] ^= 1 << at % 8
        found = signed_time.believe_time(
            bytes(altered), {NONCE: 0}, keyset, operator="perche", revoked=frozenset(), now_ns=S
        )
        assert isinstance(found, Refusal), f"bit {at}"


@pytest.mark.parametrize("junk", [b"", b"\x82\x48" + NONCE, b"\x82\x47" + NONCE + b"\x01", b"\x82\x48" + bytes(31)])
def test_the_bench_answers_nothing_but_a_question(junk: bytes) -> None:
    assert isinstance(signed_time.read_question(junk), Refusal)
    with pytest.raises(ValueError, match="no question"):
        vouchers.time_answer(ISSUER, junk, NOW)


def slip(event: str, **changes: object) -> vouchers.Slip:
    start, end = vouchers.Look(NOW, NOW + 4, 48_211_370, 873), vouchers.Look(NOW + 3600, None, None, 641)
    usual: dict[str, object] = {
        "operator": "perche", "vehicle": CAR, "number": 7, "booking": 42, "token": TOKEN, "event": event,
        "lock": "done", "start": start, "end": None if event == "opened" else end,
    }  # fmt: skip
    return vouchers.Slip(**{**usual, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize("event", vouchers.EVENTS)
@pytest.mark.parametrize("lock", vouchers.LOCKS)
def test_both_write_the_same_receipt_and_the_car_reads_the_benchs(event: str, lock: str) -> None:
    remarks = ("not_plugged", "key_missing")
    theirs = slip(event, lock=lock, plugged=False, doors_shut=True, remarks=remarks).signed(KEY)
    said = Receipt(
        "perche", CAR, 7, 42, token_hash(TOKEN), Event[event.upper()], LockOutcome[lock.upper()],
        Reading(NOW, NOW + 4, 48_211_370, 873), None if event == "opened" else Reading(NOW + 3600, None, None, 641),
        False, True, None, Remark.NOT_PLUGGED | Remark.KEY_MISSING,
    )  # fmt: skip
    key = issue.SigningKey(SECRET)
    assert theirs == receipt.signed(said, key.public, key.sign)
    assert receipt.believe_receipt(theirs, key.public, vehicle=CAR, token=TOKEN) == said


def test_both_have_the_same_words_for_the_same_numbers() -> None:
    assert {event.name.lower(): int(event) for event in Event} == vouchers.EVENTS
    assert {lock.name.lower(): int(lock) for lock in LockOutcome} == vouchers.LOCKS
    assert {str(remark.name).lower(): int(remark) for remark in Remark} == vouchers.REMARKS


def test_every_altered_bit_of_the_benchs_receipt_is_refused() -> None:
    data = slip("auto_closed", token=None).signed(KEY)
    public = issue.SigningKey(SECRET).public
    assert isinstance(receipt.believe_receipt(data, public, vehicle=CAR), Receipt)
    for at in range(len(data) * 8):
        altered = bytearray(data)
        altered[at // 8] ^= 1 << at % 8
        assert isinstance(receipt.believe_receipt(bytes(altered), public, vehicle=CAR), Refusal), f"bit {at}"
    assert receipt.believe_receipt(data, public, vehicle=bytes(8)) != receipt.believe_receipt(data, public, vehicle=CAR)
    other = receipt.believe_receipt(data, public, vehicle=CAR, token=TOKEN)
    assert isinstance(other, Refusal)
    assert other.code is Code.HOLDER
