"""Revocation lists, as the backend's key signs them."""

from __future__ import annotations

from typing import Any, Final

from .. import tokens
from ..cbor import Value, encode
from ..tokens import REVOCATION_CLAIM
from . import broken
from .world import (
    BADGE,
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
    SURE,
    Case,
    case_of,
    cose,
    flipped,
    key_id,
    refused,
    revoked_booking,
    revoked_token,
    signed,
)

# min_sequence: the highest that was accepted. accepted_before: this box accepted this list when its key was in force.
USUAL: Final[Case] = {
    "trust": "usual",
    "operator": OPERATOR,
    "now": SURE,
    "min_sequence": 0,
    "accepted_before": False,
}
case: Final = case_of("list", USUAL)
IDS: Final = [
    bytes.fromhex(name) for name in (revoked_token(), revoked_booking(), tokens.badge_id(BADGE).hex(), "00" * 8)
]


def said(ids: bytes = b"".join(IDS), sequence: Value = 17, **changes: Value) -> dict[int, Value]:
    numbers = {"iss": 1, "exp": 4, "iat": 6}
    usual: dict[int, Value] = {1: OPERATOR, 4: NOW + 14 * DAY, 6: NOW - 60, REVOCATION_CLAIM: [sequence, ids]}
    return {**usual, **{numbers[name]: value for name, value in changes.items()}}


def accepted(payload: dict[int, Any]) -> Case:
    sequence, ids = payload[REVOCATION_CLAIM]
    names = sorted({ids[at : at + 8].hex() for at in range(0, len(ids), 8)})
    return {"accept": True, "code": None, "sequence": sequence, "exp": payload[4], "iat": payload[6], "ids": names}


def cases() -> list[Case]:
    """In the order of the steps; then what is accepted."""
    return [
        *_too_big(), *_malformed(), *_alg(), *_unknown_key(), *_signature(), *_issuer_role(), *_superseded(),
        *_accepted(),
    ]  # fmt: skip


def _too_big() -> list[Case]:
    code, good = refused("too_big"), signed(said())
    return [
        case("16385 bytes: a good one and zeros", good, code, zeros=16_385 - len(good)),
        case("16385 bytes: a tag and zeros", b"\xd2", code, zeros=16_384),
        case("16385 bytes: the head of an array and zeros", b"\x82", code, zeros=16_384),
    ]


def _malformed() -> list[Case]:
    good = said()
    header: dict[int, Value] = {1: tokens.ED25519, 4: ISSUER.kid}
    outer = broken.sign1(ISSUER.key, encode(good), header)
    listed: list[tuple[str, dict[int, Value]]] = [
        ("ids of 12 bytes", said(bytes(12))),
        ("ids of 1 byte", said(b"\x00")),
        ("ids as an array", {**good, REVOCATION_CLAIM: [17, list(IDS)]}),
        ("ids as text", {**good, REVOCATION_CLAIM: [17, "00" * 4]}),
        ("sequence alone", {**good, REVOCATION_CLAIM: [17]}),
        ("three items", {**good, REVOCATION_CLAIM: [17, b"", 0]}),
        ("sequence of 2^53", said(sequence=1 << 53)),
        ("sequence below zero", said(sequence=-1)),
        ("sequence is true", said(sequence=True)),
        ("iss as bytes", said(iss=b"perche")),
        ("iat of 2^40", said(iat=1 << 40)),
        ("iat is null", said(iat=None)),
    ]
    inner = [*broken.payloads(good, 4), *((name, encode(bad)) for name, bad in listed)]
    whole = [*outer, *((f"payload: {name}", signed(data)) for name, data in inner)]
    return [
        case("16384 bytes: a good one and zeros", signed(good), refused("malformed"), zeros=16_384 - len(signed(good))),
        *(case(name, data, refused("malformed")) for name, data in whole),
    ]


def _alg() -> list[Case]:
    code, payload = refused("alg"), encode(said())
    return [
        case("ESP256 by a P-256 key", cose(PHONE, payload, {1: -9, 4: ISSUER.kid}), code),
        case("ES256 by a P-256 key", cose(PHONE, payload, {1: -7, 4: ISSUER.kid}), code),
        case("HMAC", cose(ISSUER.key, payload, {1: 5, 4: ISSUER.kid}), code),
        case("order: and a kid that nobody knows", cose(STRANGER.key, payload, {1: -53, 4: STRANGER.kid}), code),
    ]


def _unknown_key() -> list[Case]:
    code, good = refused("unknown_key"), signed(said())
    root = cose(ROOTS[0], encode(said()), {1: -19, 4: key_id(ROOTS[0])})
    dead = "expired 90 days and a second ago"
    return [
        case("key of nobody", signed(said(), STRANGER), code),
        case("a root's key", root, code),
        case("key ended a second ago", signed(said(), OLD), code, now=[NOW + 1, NOW + 5]),
        case("key begins in a second", signed(said(), NEXT), code, now=[NOW - 1, NOW + 3]),
        case("key set expired 90 days and a second ago", good, code, trust=dead),
        case("accepted before, its key has left the key set", signed(said(), STRANGER), code, accepted_before=True),
        case("order: and a signature that is none", flipped(signed(said(), STRANGER)), code),
    ]


def _signature() -> list[Case]:
    code, good = refused("signature"), signed(said())
    usual: dict[int, Value] = {1: tokens.ED25519, 4: ISSUER.kid}
    for_keyset = cose(ISSUER.key, encode(said()), usual, context="Signature")
    return [
        case("last bit turned over", flipped(good), code),
        case("one id less", good.replace(IDS[0], bytes(8)), code),
        case("made by another key of the set", cose(LIMITED.key, encode(said()), usual), code),
        case("made for a key set: context Signature", for_keyset, code),
        case("accepted before", flipped(good), code, accepted_before=True),
        case("order: and a payload that is no CBOR", flipped(signed(b"\xff")), code),
        case("order: and another operator", flipped(signed(said(iss="orne"))), code),
    ]  # fmt: skip


def _issuer_role() -> list[Case]:
    code = refused("issuer_role")
    return [
        case("another operator", signed(said(iss="orne")), code),
        case("an operator of no bytes", signed(said(iss="")), code),
        case("an operator of 65 bytes", signed(said(iss="p" * 65)), code),
        case("by a key for drivers", signed(said(), LIMITED), code),
        case("order: and an old sequence", signed(said(), LIMITED), code, min_sequence=18),
    ]


def _superseded() -> list[Case]:
    code = refused("superseded")
    return [
        case("sequence 17, 18 was accepted", signed(said()), code, min_sequence=18),
        case("sequence 0, 1 was accepted", signed(said(sequence=0)), code, min_sequence=1),
        case("the highest was accepted", signed(said()), code, min_sequence=(1 << 53) - 1),
        case("accepted before, and a later one since", signed(said()), code, accepted_before=True, min_sequence=18),
    ]


def _accepted() -> list[Case]:
    usual, empty = said(), said(b"")
    old, twice = said(exp=NOW - DAY), said(IDS[2] + IDS[0] + IDS[2])
    highest = said(sequence=(1 << 53) - 1, exp=(1 << 40) - 1, iat=0)
    dead = "expired 90 days and a second ago"
    eddsa = cose(ISSUER.key, encode(usual), {1: -8, 4: ISSUER.kid})
    return [
        case("four ids", signed(usual), accepted(usual)),
        case("no id", signed(empty), accepted(empty)),
        case("an id twice, in any order", signed(twice), accepted(twice)),
        case("algorithm -8", eddsa, accepted(usual)),
        case("the sequence that was accepted", signed(usual), accepted(usual), min_sequence=17),
        case("the largest numbers", signed(highest), accepted(highest), min_sequence=18),
        case("past its own end: it goes on revoking", signed(old), accepted(old)),
        case("key in its last second", signed(usual, OLD), accepted(usual)),
        case("key perhaps begun, and no end of the interval", signed(usual, NEXT), accepted(usual), now=[NOW, None]),
        case("key set has expired", signed(usual), accepted(usual), trust="expired"),
        case("key set expired 90 days ago", signed(usual), accepted(usual), trust="expired 90 days ago"),
        case("accepted before, its key ended", signed(usual, OLD), accepted(usual), now=[NOW + 1, NOW + 5],
             accepted_before=True),
        case("accepted before, its key set expired long ago", signed(usual), accepted(usual), trust=dead,
             accepted_before=True),
    ]  # fmt: skip
