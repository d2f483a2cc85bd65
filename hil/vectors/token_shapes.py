"""Booking tokens that are refused for their bytes or their signature, before anything that they say counts."""

from __future__ import annotations

from typing import Final

from .. import tokens
from ..cbor import Value, encode
from ..tokens import BOOKING_CLAIM
from . import broken
from .world import (
    DAY,
    ISSUER,
    LAPTOP,
    LIMITED,
    NEXT,
    NOW,
    OLD,
    OTHER_PHONE,
    PHONE,
    ROOTS,
    STRANGER,
    USUAL,
    VEHICLE,
    Case,
    case_of,
    claims,
    cose,
    flipped,
    key_id,
    refused,
    signed,
    with_booking,
)

ED25519_ORDER: Final = 2**252 + 27742317777372353535851937790883648493
case: Final = case_of("token", USUAL)


def cases() -> list[Case]:
    """In the order of the steps: `too_big malformed alg unknown_key signature`."""
    return [*_too_big(), *_malformed(), *_alg(), *_unknown_key(), *_signature()]


def _too_big() -> list[Case]:
    good = signed(claims())
    long = {**claims(), 1: "p" * 780}
    long[1] = "p" * (780 + 1025 - len(signed(long)))
    return [
        case("1025 bytes: a good token and zeros", good, refused("too_big"), zeros=1025 - len(good)),
        case("1025 bytes: well signed, with a long operator id", signed(long), refused("too_big")),
        case("1025 bytes: a tag and zeros", b"\xd2", refused("too_big"), zeros=1024),
    ]


def _malformed() -> list[Case]:
    payload = encode(claims())
    header: dict[int, Value] = {1: tokens.ED25519, 4: ISSUER.kid}
    outer = broken.sign1(ISSUER.key, payload, header, all_=True)
    good = signed(payload)
    inside = [*broken.payloads(claims(), 4, all_=True), *_claims()]
    whole = [*outer, *((f"payload: {name}", signed(bad)) for name, bad in inside)]
    return [
        case("1024 bytes: a good token and zeros", good, refused("malformed"), zeros=1024 - len(good)),
        *(case(name, token, refused("malformed")) for name, token in whole),
    ]


def _claims() -> list[tuple[str, bytes]]:
    """Claims whose CBOR is sound and whose content is not."""
    usual = claims()
    start, end = usual[5], usual[4]
    assert isinstance(start, int)
    assert isinstance(end, int)
    changed: list[tuple[str, dict[int, Value]]] = [
        ("iss of no bytes", {**usual, 1: ""}),
        ("iss of 65 bytes", {**usual, 1: "p" * 65}),
        ("iss of 33 letters, 66 bytes", {**usual, 1: "é" * 33}),
        ("iss as bytes", {**usual, 1: b"perche"}),
        ("aud of 7 bytes", {**usual, 3: VEHICLE[:7]}),
        ("aud as text", {**usual, 3: VEHICLE.hex()}),
        ("cti of 15 bytes", {**usual, 7: bytes(15)}),
        ("nbf below zero", {**usual, 5: -1}),
        ("nbf as text", {**usual, 5: str(start)}),
        ("nbf as late as exp", {**with_booking(grace=[0, 0]), 5: end}),
        ("nbf after exp", {**with_booking(grace=[0, 0]), 4: start, 5: end}),
        ("early + late longer than the window by a second", with_booking(grace=[900, end - start - 899])),
        ("iat of 2^40", {**usual, 6: 1 << 40}),
        ("iat is true", {**usual, 6: True}),
        ("booking map with a key too many", with_booking() | {BOOKING_CLAIM: {**_booking(usual), 7: 0}}),
        *((f"without key {key}", _without(usual, key)) for key in (1, 3, 5, 6, 7, 8, BOOKING_CLAIM)),
        ("booking map without flags", {**usual, BOOKING_CLAIM: _without(_booking(usual), 6)}),
        ("booking map is an array", {**usual, BOOKING_CLAIM: list(_booking(usual).values())}),
        ("role 0", with_booking(role=0)),
        ("role 6", with_booking(role=6)),
        ("role true", with_booking(role=True)),
        ("action bits of 2^32", with_booking(actions=1 << 32)),
        ("action bits below zero", with_booking(actions=-1)),
        ("grace of one number", with_booking(grace=[900])),
        ("grace of three numbers", with_booking(grace=[900, 1800, 0])),
        ("grace below zero", with_booking(grace=[-1, 0])),
        ("grace is a map", with_booking(grace={0: 900, 1: 1800})),
        ("booking number of 2^53", with_booking(booking=1 << 53)),
        ("revision of 2^32", with_booking(revision=1 << 32)),
        ("flags of 2^32", with_booking(flags=1 << 32)),
        *((f"cnf {name}", {**usual, 8: value}) for name, value in _confirmations()),
    ]
    bad_text = encode(usual).replace(b"\x66perche", b"\x66perch\xff")
    return [("iss is no UTF-8", bad_text), *((name, encode(value)) for name, value in changed)]


def _booking(said: dict[int, Value]) -> dict[int, Value]:
    inside = said[BOOKING_CLAIM]
    assert isinstance(inside, dict)
    return inside


def _without(said: dict[int, Value], key: int) -> dict[int, Value]:
    return {one: value for one, value in said.items() if one != key}


def _confirmations() -> list[tuple[str, Value]]:
    phone = tokens.compressed(PHONE)
    x = phone[-2]
    laptop: dict[int, Value] = {1: 1, -1: 6, -2: tokens.raw_public(LAPTOP)}
    return [
        ("is empty", {}),
        ("names a badge and a key", {1: phone, 3: bytes(8)}),
        ("badge id of 7 bytes", {3: bytes(7)}),
        ("key thumbprint of RFC 9679", {5: bytes(32)}),
        ("P-256 key with y in full", {1: {**phone, -3: bytes(32)}}),
        ("P-256 key with a number for the sign of y", {1: {**phone, -3: 1}}),
        ("P-256 key without y", {1: {1: 2, -1: 1, -2: x}}),
        ("P-256 key with x of 31 bytes", {1: {**phone, -2: bytes(31)}}),
        ("P-384 key", {1: {**phone, -1: 2}}),
        ("P-256 key with an algorithm", {1: {**phone, 3: -9}}),
        ("Ed25519 key of type EC2", {1: {**laptop, 1: 2}}),
        ("Ed25519 key with x of 33 bytes", {1: {**laptop, -2: bytes(33)}}),
        ("X25519 key", {1: {**laptop, -1: 4}}),
        ("key type true", {1: {**laptop, 1: True}}),
    ]


def _alg() -> list[Case]:
    payload = encode(claims())

    def told(number: int, kid: bytes = ISSUER.kid) -> bytes:
        return cose(ISSUER.key, payload, {1: number, 4: kid})

    by_phone = cose(PHONE, payload, {1: -9, 4: ISSUER.kid})
    return [
        case("ESP256 by a P-256 key", by_phone, refused("alg")),
        case("ES256 by a P-256 key", cose(PHONE, payload, {1: -7, 4: ISSUER.kid}), refused("alg")),
        case("Ed448", told(-53), refused("alg")),
        case("HMAC", told(5), refused("alg")),
        case("0", told(0), refused("alg")),
        case("order: ESP256 with a kid that nobody knows", told(-9, bytes(8)), refused("alg")),
        case("order: ESP256 and a payload that is none", cose(PHONE, b"\xff", {1: -9, 4: bytes(8)}), refused("alg")),
    ]


def _unknown_key() -> list[Case]:
    code, good = refused("unknown_key"), signed(claims())
    root = cose(ROOTS[0], encode(claims()), {1: -19, 4: key_id(ROOTS[0])})
    phone = cose(LAPTOP, encode(claims()), {1: -19, 4: key_id(LAPTOP)})
    by_old, by_next = signed(claims(), OLD), signed(claims(), NEXT)
    dead, after, before = "expired 90 days and a second ago", [NOW + 1, NOW + 5], [NOW - 1, NOW + 3]
    return [
        case("key of nobody", signed(claims(), STRANGER), code),
        case("a root's key", root, code),
        case("the holder's own key", phone, code),
        case("key ended a second ago", by_old, code, now=after),
        case("key ended a second ago, and no clock", by_old, code, now=[NOW + 1, None]),
        case("key begins in a second", by_next, code, now=before),
        case("key set expired 90 days and a second ago", good, code, trust=dead, now=[NOW, NOW]),
        case("R5 key ended, another booking is open", by_old, code, now=after, open_booking=41),
        case("R5 key ended, the booking is open, its token is the backend's",
             signed(claims(role="backend"), OLD), code, now=after, open_booking=42),
        case("R5 the booking is open, its key is in no key set", signed(claims(), STRANGER), code, open_booking=42),
        case("order: key of nobody, and a signature that is none", flipped(signed(claims(), STRANGER)), code),
        case("order: key ended, and a signature that is none", flipped(by_old), code, now=after),
        case("order: key ended, another car", signed(claims(vehicle=bytes(8)), OLD), code, now=after, open_booking=41),
        case("order: key ended, expired", by_old, code, now=[NOW + 40 * DAY, NOW + 40 * DAY]),
    ]  # fmt: skip


def _signature() -> list[Case]:
    code, good, payload = refused("signature"), signed(claims()), encode(claims())
    usual: dict[int, Value] = {1: tokens.ED25519, 4: ISSUER.kid}
    grown = int.from_bytes(good[-32:], "little") + ED25519_ORDER
    by_another = cose(LIMITED.key, payload, usual)
    other_alg = good.replace(b"\xa2\x01\x32\x04", b"\xa2\x01\x27\x04")
    by_old = signed(claims(), OLD)
    return [
        case("last bit turned over", flipped(good), code),
        case("first bit of the signature turned over", flipped(good, -64), code),
        case("signature of zeros", good[:-64] + bytes(64), code),
        case("another car written in", good.replace(VEHICLE, bytes(8)), code),
        case("made by another key of the set", by_another, code),
        case("made by the holder", cose(LAPTOP, payload, usual), code),
        case("made for a key set: context Signature", cose(ISSUER.key, payload, usual, context="Signature"), code),
        case("algorithm changed from -19 to -8 after signing", other_alg, code),
        case("S not below the order of the group", good[:-32] + grown.to_bytes(32, "little"), code),
        case("order: and a payload that is no CBOR", flipped(signed(b"\xff")), code),
        case("order: and another car", flipped(signed(claims(vehicle=bytes(8)))), code),
        case("order: and expired", flipped(good), code, now=[NOW + DAY, NOW + DAY]),
        case("R5 the booking is open", flipped(good), code, open_booking=42),
        case("R5 key ended, a booking is open", flipped(by_old), code, now=[NOW + 1, NOW + 5], open_booking=42),
        case("a phone's signature in place of the issuer's",
             good[:-64] + tokens.signature(OTHER_PHONE, encode(usual), payload), code),
    ]  # fmt: skip
