"""The car's receipt: what it says comes back, what is altered is refused, and in which order."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from keyless import cbor, issue, receipt
from keyless.receipt import Event, LockOutcome, Reading, Receipt, Remark
from keyless.refusal import Code, Refusal
from keyless.token import token_hash
from keyless.vehicle_key import VehicleKey
from tests.keyless_world import ISSUER, NOW, OPERATOR, PHONE, VEHICLE, code, forged, token

CAR = issue.SigningKey(bytes([21]) * 32)
NEIGHBOUR = issue.SigningKey(bytes([22]) * 32)
ENDED = Receipt(
    operator=OPERATOR,
    vehicle=VEHICLE,
    number=512,
    booking=4242,
    token=token_hash(token()),
    event=Event.ENDED,
    lock=LockOutcome.DONE,
    start=Reading(NOW - 3600, NOW - 3596, 48_211_370, 873),
    end=Reading(NOW, NOW + 4, 48_240_120, 641),
    plugged=True,
    doors_shut=True,
    key_back=True,
    remarks=0,
)
OPENED = replace(ENDED, event=Event.OPENED, end=None, plugged=None, doors_shut=None, key_back=None)


def signed(**changes: Any) -> bytes:
    return receipt.signed(replace(ENDED, **changes), CAR.public, CAR.sign)


def believe(data: bytes, **changes: Any) -> Receipt | Refusal:
    usual = {"public": CAR.public, "vehicle": VEHICLE, **changes}
    return receipt.believe_receipt(data, **usual)


def test_a_receipt_is_believed_with_the_vehicles_key_alone() -> None:
    assert believe(signed()) == ENDED
    assert believe(signed(), token=token()) == ENDED
    assert believe(signed(), vehicle=None) == ENDED
    assert code(believe(signed(), public=NEIGHBOUR.public)) is Code.UNKNOWN_KEY


def test_sizes_are_those_of_the_page() -> None:
    ended, opened = len(signed()), len(receipt.signed(OPENED, CAR.public, CAR.sign))
    assert abs(ended - 187) <= 187 * 0.05
    assert abs(opened - 169) <= 169 * 0.05
    widest = replace(
        ENDED,
        operator="o" * 64,
        number=(1 << 53) - 1,
        booking=(1 << 53) - 1,
        start=Reading((1 << 40) - 1, (1 << 40) - 1, (1 << 32) - 1, 1000),
        end=Reading((1 << 40) - 1, (1 << 40) - 1, (1 << 32) - 1, 1000),
        remarks=(1 << 32) - 1,
    )
    data = receipt.signed(widest, CAR.public, CAR.sign)
    assert len(data) <= receipt.MAX_RECEIPT
    assert believe(data) == widest


def maybe(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | strategy


READINGS = st.builds(
    lambda lo, wide, odometer, soc: Reading(lo, None if wide is None else lo + wide, odometer, soc),
    st.integers(0, (1 << 39)),
    maybe(st.integers(0, 1 << 38)),
    maybe(st.integers(0, (1 << 32) - 1)),
    maybe(st.integers(0, 1000)),
)
RECEIPTS = st.builds(
    lambda event, end, **said: Receipt(event=event, end=None if event is Event.OPENED else end, **said),
    event=st.sampled_from(Event),
    end=READINGS,
    operator=st.text(min_size=1, max_size=16),
    vehicle=st.binary(min_size=8, max_size=8),
    number=st.integers(1, (1 << 53) - 1),
    booking=st.integers(0, (1 << 53) - 1),
    token=maybe(st.binary(min_size=16, max_size=16)),
    lock=st.sampled_from(LockOutcome),
    start=READINGS,
    plugged=maybe(st.booleans()),
    doors_shut=maybe(st.booleans()),
    key_back=maybe(st.booleans()),
    remarks=st.integers(0, (1 << 32) - 1),
)


@settings(deadline=None)
@given(RECEIPTS)
def test_every_receipt_comes_back_as_it_was_signed(said: Receipt) -> None:
    data = receipt.signed(said, CAR.public, CAR.sign)
    assert believe(data, vehicle=said.vehicle) == said
    assert believe(data, vehicle=None) == said


@settings(deadline=None)
@given(st.binary(max_size=600))
def test_no_bytes_raise(junk: bytes) -> None:
    assert isinstance(believe(junk), Refusal)
    assert isinstance(receipt.read_receipt(junk), Refusal)


# --- what is refused, and in which order -------------------------------------------------------------------------


@pytest.mark.parametrize("said", [ENDED, OPENED], ids=["ended", "opened"])
def test_every_single_bit_flip_is_refused_with_the_code_of_its_place(said: Receipt) -> None:
    data = receipt.signed(said, CAR.public, CAR.sign)
    kid, payload_at, signature_at = range(8, 16), 19, len(data) - 64
    for at in range(len(data) * 8):
        flipped = bytearray(data)
        flipped[at // 8] ^= 1 << at % 8
        found = code(believe(bytes(flipped)))
        if at // 8 in kid:
            assert found is Code.UNKNOWN_KEY, f"bit {at}"
        elif at // 8 >= signature_at or payload_at <= at // 8 < signature_at - 2:
            assert found is Code.SIGNATURE, f"bit {at}"
        else:
            assert found in (Code.MALFORMED, Code.ALG), f"bit {at}"


def test_every_truncation_and_every_tail_is_malformed() -> None:
    data = signed()
    for size in range(len(data)):
        assert code(believe(data[:size])) is Code.MALFORMED
    assert code(believe(data + b"\x00")) is Code.MALFORMED


def test_codes_come_in_the_order_of_the_steps() -> None:
    other = {"vehicle": bytes(8), "token": b"another token"}
    data = signed()
    assert code(believe(data + bytes(512), **other)) is Code.TOO_BIG
    assert code(believe(data[:-1], **other)) is Code.MALFORMED
    assert code(believe(forged(issue.sign1(receipt.write_receipt(ENDED), PHONE)), **other)) is Code.ALG
    assert code(believe(forged(data), **other, public=NEIGHBOUR.public)) is Code.UNKNOWN_KEY
    assert code(believe(forged(data), **other)) is Code.SIGNATURE
    assert code(believe(issue.sign1(b"\xa0", CAR), **other)) is Code.MALFORMED
    assert code(believe(data, **other)) is Code.WRONG_VEHICLE
    assert code(believe(data, token=b"another token")) is Code.HOLDER
    assert code(believe(signed(token=None), token=token())) is Code.HOLDER


def test_a_car_cannot_sign_for_its_neighbour_and_an_issuer_not_for_a_car() -> None:
    stolen = receipt.signed(replace(ENDED, vehicle=bytes(8)), CAR.public, CAR.sign)
    assert code(believe(stolen)) is Code.WRONG_VEHICLE
    assert code(believe(issue.sign1(receipt.write_receipt(ENDED), ISSUER))) is Code.UNKNOWN_KEY
    assert code(believe(receipt.signed(ENDED, CAR.public, NEIGHBOUR.sign))) is Code.SIGNATURE


def test_a_token_is_no_receipt_although_its_key_is_right() -> None:
    assert code(believe(token(key=CAR))) is Code.MALFORMED


WRONG: list[tuple[int, object]] = [
    (1, bytes(7)),
    (1, "12345678"),
    (2, 0),
    (2, 1 << 53),
    (2, True),
    (3, -1),
    (3, 1 << 53),
    (4, bytes(15)),
    (4, False),
    (5, 0),
    (5, 7),
    (5, True),
    (6, 4),
    (6, None),
    (6, False),
    (7, None),
    (7, [NOW, NOW, 1]),
    (7, [NOW, NOW - 1, 1, 1]),
    (7, [None, NOW, 1, 1]),
    (7, [1 << 40, None, 1, 1]),
    (7, [NOW, 1 << 40, 1, 1]),
    (7, [NOW, NOW, -1, 1]),
    (7, [NOW, NOW, 1 << 32, 1]),
    (7, [NOW, NOW, 1, 1001]),
    (7, [NOW, NOW, 1, True]),
    (8, None),
    (8, [NOW, NOW, 1]),
    (9, None),
    (9, [True, True]),
    (9, [True, True, 1]),
    (9, [True, True, True, True]),
    (10, None),
    (10, -1),
    (10, 1 << 32),
    (11, 0),
]


def inner() -> dict[int, Any]:
    value: Any = cbor.decode(receipt.write_receipt(ENDED))
    return dict(value[receipt.RECEIPT_KEY])


@pytest.mark.parametrize(("key", "value"), WRONG)
def test_a_signed_payload_out_of_bounds_is_malformed(key: int, value: object) -> None:
    body = {1: OPERATOR, receipt.RECEIPT_KEY: {**inner(), key: value}}
    assert code(believe(issue.sign1(cbor.encode(body), CAR))) is Code.MALFORMED


@pytest.mark.parametrize(
    "body",
    [
        {1: "", receipt.RECEIPT_KEY: inner()},
        {1: "é" * 33, receipt.RECEIPT_KEY: inner()},
        {1: b"perche", receipt.RECEIPT_KEY: inner()},
        {1: OPERATOR, receipt.RECEIPT_KEY: {key: value for key, value in inner().items() if key != 10}},
        {1: OPERATOR, receipt.RECEIPT_KEY: []},
        {1: OPERATOR},
        {1: OPERATOR, receipt.RECEIPT_KEY: inner(), 6: NOW},
        {1: OPERATOR, receipt.RECEIPT_KEY: inner() | {5: 1}},
    ],
    ids=[
        "empty iss",
        "long iss",
        "iss of bytes",
        "a field less",
        "no map",
        "no receipt",
        "a claim more",
        "opened, end",
    ],
)
def test_another_shape_is_malformed(body: object) -> None:
    assert code(believe(issue.sign1(cbor.encode(body), CAR))) is Code.MALFORMED


def test_r4_a_takeover_makes_two_receipts() -> None:
    before = signed(event=Event.TAKEOVER, token=None, number=513)
    after = receipt.signed(replace(OPENED, number=514, booking=43), CAR.public, CAR.sign)
    first, second = believe(before), believe(after)
    assert isinstance(first, Receipt)
    assert isinstance(second, Receipt)
    assert (first.event, first.booking, second.event, second.booking) == (Event.TAKEOVER, 4242, Event.OPENED, 43)
    assert second.end is None


def test_r1_remarks_are_soft_ones_below_256_and_hard_ones_above() -> None:
    found = believe(signed(event=Event.FORCED, remarks=Remark.NOT_PLUGGED | Remark.DOOR_OPEN | 1 << 20))
    assert isinstance(found, Receipt)
    assert Remark(found.remarks & 0xFFFF) == Remark.NOT_PLUGGED | Remark.DOOR_OPEN
    assert {remark for remark in Remark if remark < 256} == {1, 2, 4, 8}


def test_the_vehicles_own_key_signs_what_a_desk_with_its_public_half_believes() -> None:
    key = VehicleKey(CAR.secret)
    assert (key.public, key.kid) == (CAR.public, CAR.kid)
    data = receipt.signed(ENDED, key.public, key.sign)
    assert data == signed()
    assert believe(data, public=key.public) == ENDED
