"""Sealed parcels, as a car hands them to any phone. Each is sealed with an ephemeral key of its own, fixed here."""

from __future__ import annotations

import hashlib
from typing import Final

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from .. import parcels, tokens
from ..cbor import Value, encode
from . import broken
from .world import (
    CAR,
    CAR_HEADER,
    ISSUER,
    NEIGHBOUR,
    OPERATOR,
    PHONE,
    VEHICLE,
    Case,
    by_car,
    case_of,
    cose,
    flipped,
    refused,
)

SECRET, OTHER_SECRET = bytes([31]) * 32, bytes([32]) * 32
RECIPIENT: Final = X25519PrivateKey.from_private_bytes(SECRET).public_key().public_bytes_raw()
FACTS: Final = b'{"v":1,"vehicle":"1122334455667788","stream":"51aa0c9d77e3f012","facts":[]}'
# secret: of the key that parcels are sealed for. public, vehicle: of the car for which it is tried.
USUAL: Final[Case] = {"secret": SECRET.hex(), "public": tokens.raw_public(CAR).hex(), "vehicle": VEHICLE.hex()}
case: Final = case_of("parcel", USUAL)


def said(vehicle: Value = VEHICLE, facts: Value = FACTS, operator: Value = OPERATOR) -> dict[int, Value]:
    inside: list[Value] = [vehicle, facts]
    return {1: operator, parcels.PARCEL_CLAIM: inside}


def sealed(plain: bytes, vehicle: bytes = VEHICLE, purpose: bytes = parcels.PURPOSE, aad: bytes = b"") -> bytes:
    ephemeral = hashlib.sha256(b"ephemeral" + plain).digest()  # another for each, and the same in each run
    return parcels.hpke_seal(plain, RECIPIENT, purpose + vehicle, ephemeral, aad)


def packed(content: bytes, size: int | None = None) -> bytes:
    return sealed(parcels.plain(content, size))


def accepted(operator: str = OPERATOR, facts: bytes = FACTS) -> Case:
    return {"accept": True, "code": None, "iss": operator, "facts": facts.hex()}


def cases() -> list[Case]:
    """In the order of the steps; then what is accepted."""
    return [
        *_too_big(), *_length(), *_unknown_key(), *_zeros(), *_malformed(), *_alg(), *_signature(), *_wrong_vehicle(),
        *_accepted(),
    ]  # fmt: skip


def _too_big() -> list[Case]:
    code = refused("too_big")
    return [
        case("16385 bytes of zeros", b"", code, zeros=16_385),
        case("a good one and zeros", packed(by_car(said())), code, zeros=15_361),
        case("order: and for another key", packed(by_car(said())), code, zeros=20_000, secret=OTHER_SECRET.hex()),
    ]


def _length() -> list[Case]:
    code, good = refused("malformed"), packed(by_car(said()))
    return [
        case("nothing", b"", code),
        case("one byte short", good[:-1], code),
        case("one byte after the end", good, code, zeros=1),
        case("512 bytes: half a parcel", good[:512], code),
        case("3072 bytes: none of the lengths", good, code, zeros=2048),
        case("order: one byte short, for another key", good[:-1], code, secret=OTHER_SECRET.hex()),
    ]


def _unknown_key() -> list[Case]:
    code, content = refused("unknown_key"), by_car(said())
    good, plain = packed(content), parcels.plain(content)
    return [
        case("for another key", good, code, secret=OTHER_SECRET.hex()),
        case("of another vehicle", good, code, vehicle="00" * 8),
        case("sealed for another purpose", sealed(plain, purpose=b"boitier parcel 2"), code),
        case("with data that is authenticated along", sealed(plain, aad=b"x"), code),
        case("last bit turned over", flipped(good), code),
        case("first bit turned over", flipped(good, 0), code),
        case("bit of the text turned over", flipped(good, 40), code),
        case("an ephemeral key of zeros", bytes(32) + good[32:], code),
        case("2048 bytes: zeros behind it", good, code, zeros=1024),
        case("nothing but zeros", b"", code, zeros=1024),
        case("order: and a content that is none", sealed(bytes(976)), code, vehicle="00" * 8),
        case("inside: of a neighbour's key", packed(by_car(said(), NEIGHBOUR)), code),
        case("inside: of an issuer's key", packed(by_car(said(), ISSUER.key)), code),
        case("inside: judged by a neighbour's key", good, code, public=tokens.raw_public(NEIGHBOUR).hex()),
        case("order: inside, and a signature that is none", packed(flipped(by_car(said(), NEIGHBOUR))), code),
    ]


def _zeros() -> list[Case]:
    code, content = refused("malformed"), by_car(said())
    good = parcels.plain(content)
    behind = good[: 2 + len(content)] + b"\x80"
    longer = (len(content) + 1).to_bytes(2, "big")
    return [
        case("its content stated one byte longer", sealed(longer + good[2:]), code),
        case("its content stated one byte shorter", sealed((len(content) - 1).to_bytes(2, "big") + good[2:]), code),
        case("its content stated longer than it is", sealed(b"\xff\xff" + good[2:]), code),
        case("the last byte is not zero", sealed(good[:-1] + b"\x01"), code),
        case("an 80 behind the content, and zeros", sealed(behind.ljust(976, b"\x00")), code),
        case("nothing inside", sealed(bytes(976)), code),
    ]


def _malformed() -> list[Case]:
    good = said()
    bare: Value = [VEHICLE, FACTS, 0]
    listed: list[tuple[str, Value]] = [
        ("iss of no bytes", said(operator="")),
        ("iss of 65 bytes", said(operator="é" * 32 + "e")),
        ("iss as bytes", said(operator=b"perche")),
        ("vehicle of 7 bytes", said(VEHICLE[:7])),
        ("vehicle is null", said(None)),
        ("facts as text", said(facts=FACTS.decode())),
        ("facts are null", said(facts=None)),
        ("three things", {1: OPERATOR, parcels.PARCEL_CLAIM: bare}),
        ("a field more", {**good, 6: 0}),
        ("no iss", {parcels.PARCEL_CLAIM: good[parcels.PARCEL_CLAIM]}),
        ("the claim of a receipt", {1: OPERATOR, -65539: good[parcels.PARCEL_CLAIM]}),
    ]
    outer = broken.sign1(CAR, encode(good), CAR_HEADER)
    whole = [(f"inside: {name}", data) for name, data in outer if name != "nothing"]
    whole += [(f"payload: {name}", by_car(bad)) for name, bad in listed]
    whole += [("payload: empty", by_car(b"")), ("payload: one byte after the end", by_car(encode(good) + b"\x00"))]
    return [case(name, packed(data), refused("malformed")) for name, data in whole]


def _alg() -> list[Case]:
    code, payload = refused("alg"), encode(said())
    return [
        case("ESP256 by a P-256 key", packed(cose(PHONE, payload, {**CAR_HEADER, 1: -9})), code),
        case("ES256 by a P-256 key", packed(cose(PHONE, payload, {**CAR_HEADER, 1: -7})), code),
        case("order: and the kid of another car", packed(cose(NEIGHBOUR, payload, {1: -53, 4: bytes(8)})), code),
    ]


def _signature() -> list[Case]:
    code, good = refused("signature"), by_car(said())
    return [
        case("inside: last bit turned over", packed(flipped(good)), code),
        case("inside: another vehicle", packed(good.replace(VEHICLE, bytes(8))), code),
        case("inside: made by a neighbour's key", packed(cose(NEIGHBOUR, encode(said()), CAR_HEADER)), code),
        case("order: and a payload that is no CBOR", packed(flipped(by_car(b"\xff"))), code),
    ]


def _wrong_vehicle() -> list[Case]:
    code, other = refused("wrong_vehicle"), bytes(8)
    return [
        case("a car signs for its neighbour", packed(by_car(said(other))), code),
        case("the neighbour's seal around it", sealed(parcels.plain(by_car(said())), other), code, vehicle="00" * 8),
        case("without any facts", packed(by_car(said(other, b""))), code),
    ]


def _accepted() -> list[Case]:
    longest = "é" * 32
    full = bytes(16_384 - 48 - 2 - len(by_car(said(facts=bytes(16_000)))) + 16_000)
    eddsa = cose(CAR, encode(said()), {**CAR_HEADER, 1: -8})
    return [
        case("usual", packed(by_car(said())), accepted()),
        case("larger than it need be", packed(by_car(said()), 2048), accepted()),
        case("no facts: what they are is not judged here", packed(by_car(said(facts=b""))), accepted(facts=b"")),
        case("1024 bytes to the last", packed(by_car(said(facts=bytes(861)))), accepted(facts=bytes(861))),
        case("2048 bytes, by one", packed(by_car(said(facts=bytes(862)))), accepted(facts=bytes(862))),
        case("16384 bytes to the last", packed(by_car(said(facts=full))), accepted(facts=full)),
        case("algorithm -8", packed(eddsa), accepted()),
        case("an operator of 64 bytes", packed(by_car(said(operator=longest))), accepted(longest)),
    ]
