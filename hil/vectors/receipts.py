"""Receipts, as the car's own key signs them."""

from __future__ import annotations

import hashlib
from typing import Any, Final

from .. import tokens
from ..cbor import Value, encode
from ..vouchers import EVENTS, LOCKS, RECEIPT_CLAIM, REMARKS
from . import broken
from .world import (
    CAR,
    CAR_HEADER,
    ISSUER,
    NEIGHBOUR,
    NOW,
    OPERATOR,
    PHONE,
    VEHICLE,
    Case,
    by_car,
    case_of,
    claims,
    cose,
    flipped,
    key_id,
    refused,
    signed,
)

TOKEN: Final = signed(claims())
START: Final[list[Value]] = [NOW - 3_600, NOW - 3_596, 48_211_370, 873]
END: Final[list[Value]] = [NOW, NOW + 4, 48_240_120, 641]
FIELDS: Final = (
    "vehicle", "number", "booking", "token", "event", "lock", "start", "end", "states", "remarks",
)  # fmt: skip
# public: the key that the vehicle told at commissioning. vehicle: whose it is, null for any. token: null for any.
USUAL: Final[Case] = {"public": tokens.raw_public(CAR).hex(), "vehicle": VEHICLE.hex(), "token": None}
case: Final = case_of("receipt", USUAL)


def said(**changes: Value) -> dict[int, Value]:
    """An end with every field known; changes by name of the field."""
    values: list[Value] = [
        VEHICLE, 512, 42, hashlib.sha256(TOKEN).digest()[:16], EVENTS["ended"], LOCKS["done"], START, END,
        [True, True, True], 0,
    ]  # fmt: skip
    usual = dict(zip(FIELDS, values, strict=True))
    inner: dict[int, Value] = {FIELDS.index(name) + 1: value for name, value in {**usual, **changes}.items()}
    return {1: OPERATOR, RECEIPT_CLAIM: inner}


def accepted(payload: dict[int, Any]) -> Case:
    inner = dict(zip(FIELDS, (payload[RECEIPT_CLAIM][number] for number in range(1, 11)), strict=True))
    token = inner["token"]
    whole = {"iss": payload[1], **inner, "vehicle": inner["vehicle"].hex(), "token": token and token.hex()}
    return {"accept": True, "code": None, "said": whole}


def cases() -> list[Case]:
    """In the order of the steps; then what is accepted."""
    return [
        *_too_big(), *_malformed(), *_alg(), *_unknown_key(), *_signature(), *_wrong_vehicle(), *_holder(),
        *_accepted(),
    ]  # fmt: skip


def _too_big() -> list[Case]:
    code, good = refused("too_big"), by_car(said())
    return [
        case("513 bytes: a good one and zeros", good, code, zeros=513 - len(good)),
        case("513 bytes: a tag and zeros", b"\xd2", code, zeros=512),
        case("order: and of another vehicle", by_car(said(vehicle=bytes(8))), code, zeros=400),
    ]


def _malformed() -> list[Case]:
    good = said()
    inner = good[RECEIPT_CLAIM]
    assert isinstance(inner, dict)
    short = {key: value for key, value in inner.items() if key != 10}
    listed: list[tuple[str, dict[int, Value]]] = [
        ("iss of no bytes", {**good, 1: ""}),
        ("iss of 65 bytes", {**good, 1: "é" * 32 + "e"}),
        ("iss as bytes", {**good, 1: b"perche"}),
        ("a field less", {**good, RECEIPT_CLAIM: short}),
        ("a field more", {**good, RECEIPT_CLAIM: {**inner, 11: 0}}),
        ("the receipt as an array", {**good, RECEIPT_CLAIM: list(inner.values())}),
        ("vehicle of 7 bytes", said(vehicle=VEHICLE[:7])),
        ("number of 0", said(number=0)),
        ("number of 2^53", said(number=1 << 53)),
        ("booking of 2^53", said(booking=1 << 53)),
        ("token of 15 bytes", said(token=bytes(15))),
        ("token is false", said(token=False)),
        ("event 0", said(event=0)),
        ("event 7", said(event=7)),
        ("event is true", said(event=True)),
        ("lock 4", said(lock=4)),
        ("lock is null", said(lock=None)),
        ("start is null", said(start=None)),
        ("start of three", said(start=START[:3])),
        ("start ends before it begins", said(start=[NOW, NOW - 1, 0, 0])),
        ("start of 2^40", said(start=[1 << 40, None, 0, 0])),
        ("odometer of 2^32", said(end=[NOW, NOW, 1 << 32, 0])),
        ("odometer below zero", said(end=[NOW, NOW, -1, 0])),
        ("charge of 1001", said(end=[NOW, NOW, 0, 1001])),
        ("charge is true", said(end=[NOW, NOW, 0, True])),
        ("an end without its reading", said(end=None)),
        ("opened, with an end", said(event=EVENTS["opened"])),
        ("two states", said(states=[True, True])),
        ("a state is 1", said(states=[True, True, 1])),
        ("remarks of 2^32", said(remarks=1 << 32)),
        ("remarks are null", said(remarks=None)),
    ]
    whole = broken.sign1(CAR, encode(good), CAR_HEADER)
    whole += [(f"payload: {name}", by_car(bad)) for name, bad in listed]
    whole += [("payload: empty", by_car(b"")), ("payload: one byte after the end", by_car(encode(good) + b"\x00"))]
    whole += [("payload: a token's claims", by_car(claims()))]
    return [case(name, data, refused("malformed")) for name, data in whole]


def _alg() -> list[Case]:
    code, payload = refused("alg"), encode(said())
    return [
        case("ESP256 by a P-256 key", cose(PHONE, payload, {**CAR_HEADER, 1: -9}), code),
        case("ES256 by a P-256 key", cose(PHONE, payload, {**CAR_HEADER, 1: -7}), code),
        case("order: and the kid of another car", cose(NEIGHBOUR, payload, {1: -53, 4: key_id(NEIGHBOUR)}), code),
    ]


def _unknown_key() -> list[Case]:
    code, other = refused("unknown_key"), tokens.raw_public(NEIGHBOUR).hex()
    return [
        case("of a neighbour's key", by_car(said(), NEIGHBOUR), code),
        case("of an issuer's key", by_car(said(), ISSUER.key), code),
        case("judged by a neighbour's key", by_car(said()), code, public=other),
        case("order: and a signature that is none", flipped(by_car(said(), NEIGHBOUR)), code),
    ]


def _signature() -> list[Case]:
    code, good = refused("signature"), by_car(said())
    return [
        case("last bit turned over", flipped(good), code),
        case("another vehicle", good.replace(VEHICLE, bytes(8)), code),
        case("made by a neighbour's key", cose(NEIGHBOUR, encode(said()), CAR_HEADER), code),
        case("order: and a payload that is no CBOR", flipped(by_car(b"\xff")), code),
        case("order: and of another vehicle", flipped(by_car(said(vehicle=bytes(8)))), code),
    ]


def _wrong_vehicle() -> list[Case]:
    code = refused("wrong_vehicle")
    return [
        case("a car signs for its neighbour", by_car(said(vehicle=bytes(8))), code),
        case("another vehicle is asked for", by_car(said()), code, vehicle="00" * 8),
        case("order: and for another token", by_car(said()), code, vehicle="00" * 8, token="00"),
    ]


def _holder() -> list[Case]:
    code = refused("holder")
    return [
        case("another token is asked for", by_car(said()), code, token=signed(claims(revision=4)).hex()),
        case("a token less its last byte", by_car(said()), code, token=TOKEN[:-1].hex()),
        case("the box acted by itself", by_car(said(token=None)), code, token=TOKEN.hex()),
    ]


def _accepted() -> list[Case]:
    unknown: list[Value] = [NOW, None, None, None]
    opened = said(event=EVENTS["opened"], end=None, states=[None, None, None])
    blank = said(event=EVENTS["auto_closed"], token=None, lock=LOCKS["unknown"], start=unknown, end=unknown)
    forced = said(event=EVENTS["forced"], lock=LOCKS["not_moved"], states=[False, False, False],
                  remarks=sum(REMARKS.values()))  # fmt: skip
    widest: list[Value] = [(1 << 40) - 1, (1 << 40) - 1, (1 << 32) - 1, 1000]
    largest = said(number=(1 << 53) - 1, booking=(1 << 53) - 1, start=widest, end=widest, remarks=(1 << 32) - 1)
    smallest = said(number=1, booking=0, start=[0, 0, 0, 0], end=[0, 0, 0, 0])
    every = [(name, said(event=number)) for name, number in EVENTS.items() if name not in ("opened", "ended")]
    longest = {**said(), 1: "é" * 32}
    backwards = said(end=[NOW - 9_999, None, 0, None])
    return [
        case("an end with every field", by_car(said()), accepted(said())),
        case("for the token that is asked for", by_car(said()), accepted(said()), token=TOKEN.hex()),
        case("of any vehicle", by_car(said(vehicle=bytes(8))), accepted(said(vehicle=bytes(8))), vehicle=None),
        case("algorithm -8", cose(CAR, encode(said()), {**CAR_HEADER, 1: -8}), accepted(said())),
        case("an opening", by_car(opened), accepted(opened)),
        case("R2: the box acted by itself, nothing is known", by_car(blank), accepted(blank)),
        case("R1: forced, every remark", by_car(forced), accepted(forced)),
        *(case(name, by_car(payload), accepted(payload)) for name, payload in every),
        case("the lock failed", by_car(said(lock=LOCKS["failed"])), accepted(said(lock=LOCKS["failed"]))),
        case("the largest numbers, unknown remarks", by_car(largest), accepted(largest)),
        case("the smallest numbers", by_car(smallest), accepted(smallest)),
        case("an operator of 64 bytes", by_car(longest), accepted(longest)),
        case("an end before its start: the clock was put right", by_car(backwards), accepted(backwards)),
    ]
