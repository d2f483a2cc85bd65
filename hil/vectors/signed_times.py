"""Signed time, as the backend answers a question of the car's."""

from __future__ import annotations

from typing import Final

from .. import tokens
from ..cbor import Value, encode
from ..vouchers import CNONCE
from . import broken
from .world import (
    DAY,
    ISSUER,
    LIMITED,
    NEXT,
    NOW,
    OLD,
    OPERATOR,
    PHONE,
    ROOTS,
    STRANGER,
    Case,
    case_of,
    cose,
    flipped,
    key_id,
    refused,
    signed,
)

NONCE: Final = bytes.fromhex("a1a2a3a4a5a6a7a8")
OTHER: Final = bytes.fromhex("b1b2b3b4b5b6b7b8")
ASKED_MS: Final = 100_000
# asked: nonces of the open questions, with the milliseconds of a monotonic clock at which they went out. arrived_ms: of
# the same clock, when the answer is judged. built: the date of the software.
USUAL: Final[Case] = {
    "trust": "usual",
    "operator": OPERATOR,
    "revoked": [],
    "asked": {NONCE.hex(): ASKED_MS},
    "arrived_ms": ASKED_MS + 2_000,
    "built": 1_767_225_600,
    "list_iat": None,
}
case: Final = case_of("answer", USUAL)


def said(**changes: Value) -> dict[int, Value]:
    numbers = {"iss": 1, "iat": 6, "nonce": CNONCE}
    usual: dict[int, Value] = {1: OPERATOR, 6: NOW, CNONCE: NONCE}
    return {**usual, **{numbers[name]: value for name, value in changes.items()}}


def accepted(time: int = NOW, waited_ms: int = 2_000) -> Case:
    return {"accept": True, "code": None, "time": time, "within_ms": waited_ms + 1_000}


def cases() -> list[Case]:
    """In the order of the steps; then what is accepted."""
    return [
        *_too_big(), *_malformed(), *_alg(), *_unknown_key(), *_signature(), *_issuer_role(), *_revoked(), *_replay(),
        *_expired(), *_too_early(), *_accepted(),
    ]  # fmt: skip


def _too_big() -> list[Case]:
    code, good = refused("too_big"), signed(said())
    return [
        case("257 bytes: a good one and zeros", good, code, zeros=257 - len(good)),
        case("257 bytes: a tag and zeros", b"\xd2", code, zeros=256),
        case("257 bytes: an operator that is too long", signed(said(iss="p" * 151)), code),
    ]


def _malformed() -> list[Case]:
    good = said()
    header: dict[int, Value] = {1: tokens.ED25519, 4: ISSUER.kid}
    listed = [
        ("iss as bytes", said(iss=b"perche")),
        ("iat of 2^36", said(iat=1 << 36)),
        ("iat is true", said(iat=True)),
        ("nonce of 7 bytes", said(nonce=NONCE[:7])),
        ("nonce of 16 bytes", said(nonce=bytes(16))),
        ("nonce as text", said(nonce="abcdefgh")),
        ("without nonce", {key: value for key, value in good.items() if key != CNONCE}),
    ]
    whole = broken.sign1(ISSUER.key, encode(good), header)
    inner = [*broken.payloads(good, 6), *((name, encode(bad)) for name, bad in listed)]
    whole += [(f"payload: {name}", signed(data)) for name, data in inner]
    return [
        case("256 bytes: a good one and zeros", signed(good), refused("malformed"), zeros=256 - len(signed(good))),
        *(case(name, data, refused("malformed")) for name, data in whole),
    ]


def _alg() -> list[Case]:
    code, payload = refused("alg"), encode(said())
    return [
        case("ESP256 by a P-256 key", cose(PHONE, payload, {1: -9, 4: ISSUER.kid}), code),
        case("ES256 by a P-256 key", cose(PHONE, payload, {1: -7, 4: ISSUER.kid}), code),
        case("order: and a kid that nobody knows", cose(STRANGER.key, payload, {1: -53, 4: STRANGER.kid}), code),
    ]


def _unknown_key() -> list[Case]:
    code = refused("unknown_key")
    dead, dying = "expired 90 days and a second ago", "expired 90 days ago"
    return [
        case("key of nobody", signed(said(), STRANGER), code),
        case("a root's key", cose(ROOTS[0], encode(said()), {1: -19, 4: key_id(ROOTS[0])}), code),
        case("key ended a second before the time", signed(said(iat=NOW + 1), OLD), code),
        case("key begins a second after the time", signed(said(iat=NOW + 3), NEXT), code),
        case("key set expired 90 days and a second before", signed(said()), code, trust=dead),
        case("key set expired 90 days before, a second later", signed(said(iat=NOW + 1)), code, trust=dying),
        case("order: an old key and another operator", signed(said(iat=NOW + 1, iss="orne"), OLD), code),
        case("order: and a signature that is none", flipped(signed(said(), STRANGER)), code),
    ]


def _signature() -> list[Case]:
    code, good = refused("signature"), signed(said())
    usual: dict[int, Value] = {1: tokens.ED25519, 4: ISSUER.kid}
    return [
        case("last bit turned over", flipped(good), code),
        case("another nonce", good.replace(NONCE, OTHER), code, asked={OTHER.hex(): ASKED_MS}),
        case("made by another key of the set", cose(LIMITED.key, encode(said()), usual), code),
        case("order: and a payload that is no CBOR", flipped(signed(b"\xff")), code),
        case("order: and a key that was old by then", flipped(signed(said(iat=NOW + 1), OLD)), code),
    ]


def _issuer_role() -> list[Case]:
    code = refused("issuer_role")
    return [
        case("another operator", signed(said(iss="orne")), code),
        case("an operator of no bytes", signed(said(iss="")), code),
        case("by a key for drivers", signed(said(), LIMITED), code),
        case("order: and no open question", signed(said(), LIMITED), code, asked={}),
    ]


def _revoked() -> list[Case]:
    code, kid = refused("revoked"), ISSUER.kid.hex()
    return [
        case("its key", signed(said()), code, revoked=[kid]),
        case("its key among others", signed(said()), code, revoked=["00" * 8, kid, LIMITED.kid.hex()]),
        case("order: and no open question", signed(said()), code, revoked=[kid], asked={}),
    ]


def _replay() -> list[Case]:
    code, good = refused("replay"), signed(said())
    return [
        case("no question is open", good, code, asked={}),
        case("another question is open", good, code, asked={OTHER.hex(): ASKED_MS}),
        case("a nonce of zeros", signed(said(nonce=bytes(8))), code),
        case("order: and before the build", good, code, asked={}, built=NOW + DAY),
    ]


def _expired() -> list[Case]:
    code, good = refused("expired"), signed(said())
    return [
        case("a millisecond more than a minute", good, code, arrived_ms=ASKED_MS + 60_001),
        case("a day", good, code, arrived_ms=ASKED_MS + 86_400_000),
        case("before it was asked", good, code, arrived_ms=ASKED_MS - 1),
        case("order: and before the build", good, code, arrived_ms=ASKED_MS + 60_001, built=NOW + DAY),
    ]


def _too_early() -> list[Case]:
    code, good = refused("too_early"), signed(said())
    return [
        case("the second before the build", good, code, built=NOW + 1),
        case("a day before the build", good, code, built=NOW + DAY),
        case("the second before the list of the revoked", good, code, list_iat=NOW + 1),
        case("by a key of then, before the list", signed(said(iat=NOW - 30 * DAY), OLD), code, list_iat=NOW - 2 * DAY),
        case("years before the build", signed(said(iat=NOW - 200 * DAY)), code, built=NOW + 3_000 * DAY),
    ]


def _accepted() -> list[Case]:
    good = signed(said())
    eddsa = cose(ISSUER.key, encode(said()), {1: -8, 4: ISSUER.kid})
    two = {OTHER.hex(): ASKED_MS + 1_000, NONCE.hex(): ASKED_MS}
    later = NOW + 200 * DAY
    return [
        case("two seconds after the question", good, accepted()),
        case("at once", good, accepted(waited_ms=0), arrived_ms=ASKED_MS),
        case("after a minute", good, accepted(waited_ms=60_000), arrived_ms=ASKED_MS + 60_000),
        case("algorithm -8", eddsa, accepted()),
        case("the older of two questions", good, accepted(), asked=two),
        case("the newer of two questions", signed(said(nonce=OTHER)), accepted(waited_ms=1_000), asked=two),
        case("R19: long before what the clock may say", signed(said(iat=NOW - 200 * DAY)), accepted(NOW - 200 * DAY)),
        case("long after it", signed(said(iat=later)), accepted(later)),
        case("in the second of the build", good, accepted(), built=NOW),
        case("in the second of the list of the revoked", good, accepted(), list_iat=NOW),
        case("key in its last second", signed(said(), OLD), accepted()),
        case("key in its first second", signed(said(iat=NOW + 4), NEXT), accepted(NOW + 4)),
        case("key set expired 90 days before", good, accepted(), trust="expired 90 days ago"),
        case("another key is revoked", good, accepted(), revoked=[LIMITED.kid.hex()]),
    ]
