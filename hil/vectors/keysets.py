"""Key sets: who may mint, as a threshold of the roots says."""

from __future__ import annotations

from typing import Any, Final

from .. import tokens
from ..cbor import Value, encode
from . import broken
from .world import (
    ALL_ROLES,
    DAY,
    GUEST_HOURS,
    ISSUER,
    LIMITED,
    NOW,
    OLD,
    PHONE,
    ROOTS,
    Case,
    case_of,
    ed25519,
    entry,
    flipped,
    guest_entry,
    key_id,
    keyset,
    public,
    refused,
)

# min_version: the highest version that was accepted.
USUAL: Final[Case] = {"roots": [public(root).hex() for root in ROOTS], "threshold": 2, "min_version": 0}
case: Final = case_of("keyset", USUAL)
KEY: Final = entry(ISSUER, NOW - DAY, NOW + 100 * DAY, ALL_ROLES)
KEY_FOR_DRIVERS: Final = entry(LIMITED, NOW, NOW + 50 * DAY, 2)


GUESTS: Final[dict[str, Value]] = {
    "is a map": {1: "mairie"},
    "of five items": GUEST_HOURS[:5],
    "of seven items": [*GUEST_HOURS, 0],
    "with no name": ["", *GUEST_HOURS[1:]],
    "with a name of 65 bytes": ["m" * 65, *GUEST_HOURS[1:]],
    "with a name in bytes": [b"mairie", *GUEST_HOURS[1:]],
    "with no day": ["mairie", 0, *GUEST_HOURS[2:]],
    "with an eighth day": ["mairie", 128, *GUEST_HOURS[2:]],
    "that begins at 24:00": ["mairie", 31, 1_440, *GUEST_HOURS[3:]],
    "that ends at 24:00": ["mairie", 31, 420, 1_440, *GUEST_HOURS[4:]],
    "whose first number is 0": [*GUEST_HOURS[:4], 0, 1_999],
    "whose last number is below the first": [*GUEST_HOURS[:4], 1_999, 1_998],
    "with a number of 2^52": [*GUEST_HOURS[:4], 1_000, 1 << 52],
}


def payload(*keys: Value, version: Value = 5) -> dict[int, Value]:
    return {1: version, 2: NOW + 100 * DAY, 3: list(keys)}


def accepted(said: dict[int, Any]) -> Case:
    names = ("issuer", "days", "begin", "end", "first", "last")
    keys = [
        {"kid": kid.hex(), "key": key.hex(), "not_before": start, "not_after": end, "roles": roles,
         "guest": dict(zip(names, guest[0], strict=True)) if guest else None}
        for kid, key, start, end, roles, *guest in said[3]
    ]  # fmt: skip
    return {"accept": True, "code": None, "version": said[1], "expires": said[2], "keys": keys}


def cases() -> list[Case]:
    """In the order of the steps: `too_big malformed signature malformed superseded`; then what is accepted."""
    return [*_too_big(), *_malformed(), *_signature(), *_superseded(), *_accepted()]


def _too_big() -> list[Case]:
    good, code = keyset(payload(KEY)), refused("too_big")
    return [
        case("4097 bytes: a good one and zeros", good, code, zeros=4097 - len(good)),
        case("4097 zeros", b"", code, zeros=4097),
        case("4097 bytes: the head of an array and zeros", b"\x82", code, zeros=4096),
    ]


def _malformed() -> list[Case]:
    said = payload(KEY)
    inside, good = encode(said), keyset(said)
    behind = good[1 + len(encode(inside)) :]  # the signatures
    kid = key_id(ROOTS[0])

    def with_signatures(value: Value) -> bytes:
        return encode([inside, value])

    outer = [
        ("nothing", b""),
        ("one byte short", good[:-1]),
        ("one byte after the end", good + b"\x00"),
        ("a tag in front", b"\xd2" + good),
        ("array with a longer head than needed", b"\x98\x02" + good[1:]),
        ("array of no stated length", b"\x9f" + good[1:] + b"\xff"),
        ("payload alone", b"\x81" + encode(inside)),
        ("three items", b"\x83" + good[1:] + b"\x00"),
        ("payload not in a byte string", b"\x82" + inside + behind),
        ("signatures are a map", with_signatures({1: kid})),
        ("a signature without a kid", with_signatures([bytes(64)])),
        ("a signature of 63 bytes", with_signatures([[kid, bytes(63)]])),
        ("a kid of 7 bytes", with_signatures([[kid[:7], bytes(64)]])),
        ("a signature with a third item", with_signatures([[kid, bytes(64), 0]])),
        ("order: a bad entry behind two good signatures", good[: -len(behind)] + b"\x83" + behind[1:] + b"\x00"),
    ]
    inner = [*broken.payloads(said, 2), *((name, encode(bad)) for name, bad in _payloads())]
    whole = [*outer, *((f"payload: {name}", keyset(data)) for name, data in inner)]
    return [
        case("4096 bytes: a good one and zeros", good, refused("malformed"), zeros=4096 - len(good)),
        *(case(name, data, refused("malformed")) for name, data in whole),
    ]


def _payloads() -> list[tuple[str, Value]]:
    kid, key, start, end, roles = KEY
    p256 = [key_id(PHONE), public(PHONE), start, end, roles]
    return [
        ("version of 2^32", payload(KEY, version=1 << 32)),
        ("version below zero", payload(KEY, version=-1)),
        ("version is true", payload(KEY, version=True)),
        ("keys are a map", {**payload(), 3: {1: KEY}}),
        ("keys are a number", {**payload(), 3: 1}),
        ("a key is a map", payload({1: kid, 2: key})),
        ("a key of four items", payload([kid, key, start, end])),
        ("a key of six items", payload([kid, key, start, end, roles, 0])),
        ("a key of seven items", payload([*guest_entry(), 0])),
        *((f"a guest {name}", payload(guest_entry(said))) for name, said in GUESTS.items()),
        ("a kid that is not its key's", payload([bytes(8), key, start, end, roles])),
        ("the kid of another key", payload([LIMITED.kid, key, start, end, roles])),
        ("a key of 31 bytes", payload([tokens.derived(b"key", bytes(31)), bytes(31), start, end, roles])),
        ("a P-256 key", payload(p256)),
        ("not before of 2^40", payload([kid, key, 1 << 40, end, roles])),
        ("not after of 2^40", payload([kid, key, start, 1 << 40, roles])),
        ("not after is null", payload([kid, key, start, None, roles])),
        ("roles of 256", payload([kid, key, start, end, 256])),
        ("roles is true", payload([kid, key, start, end, True])),
        ("a key twice", payload(KEY, KEY)),
        ("a key twice, with other roles", payload(KEY, [kid, key, start, end, 2])),
        ("one key good and one not", payload(KEY, [kid, key])),
    ]


def _signature() -> list[Case]:
    code, said = refused("signature"), payload(KEY)
    inside, good = encode(said), keyset(said)
    first, second, _ = ROOTS
    crossed: list[Value] = [
        [key_id(second), tokens.signature(first, b"", inside, "Signature")],
        [key_id(first), tokens.signature(second, b"", inside, "Signature")],
    ]
    return [
        case("nobody signed", keyset(said, ()), code),
        case("one root", keyset(said, (first,)), code),
        case("one root three times", keyset(said, (first, first, first)), code),
        case("a root and the issuer", keyset(said, (first, ISSUER.key)), code),
        case("two keys that are no roots", keyset(said, (ISSUER.key, OLD.key)), code),
        case("last bit turned over", flipped(good), code),
        case("a bit of the payload turned over", flipped(good, 20), code),
        case("made for another structure: context Signature1", keyset(said, context="Signature1"), code),
        case("kids exchanged", encode([inside, crossed]), code),
        case("two of the three that are asked for", good, code, threshold=3),
        case("roots of another operator", good, code, roots=[public(ed25519(n)).hex() for n in (4, 5, 6)]),
        case("order: and a payload that is no CBOR", keyset(b"\xff", (first,)), code),
        case("order: and an old version", keyset(said, (first,)), code, min_version=6),
    ]


def _superseded() -> list[Case]:
    code = refused("superseded")
    return [
        case("version 5, 6 was accepted", keyset(payload(KEY)), code, min_version=6),
        case("version 0, 1 was accepted", keyset(payload(KEY, version=0)), code, min_version=1),
        case("the highest was accepted", keyset(payload(KEY)), code, min_version=(1 << 32) - 1),
    ]


def _accepted() -> list[Case]:
    said = payload(KEY)
    first, second, third = ROOTS
    both, none = payload(KEY, KEY_FOR_DRIVERS), payload()
    last: Value = (1 << 52) - 1
    guest, narrow = payload(KEY, guest_entry()), payload(guest_entry(["m" * 64, 127, 0, 0, last, last]))
    highest = payload(KEY, version=(1 << 32) - 1)
    ended = {**said, 2: NOW - 1_000 * DAY}
    no_roles = payload(entry(ISSUER, 0, (1 << 40) - 1, 0))
    all_bits = payload(entry(ISSUER, NOW, NOW - 1, 255))
    spoiled: list[Value] = [[key_id(third), bytes(64)], *_signatures(said, (first, second))]
    return [
        case("roots one and two", keyset(said), accepted(said)),
        case("roots two and three", keyset(said, (second, third)), accepted(said)),
        case("roots three and one, in this order", keyset(said, (third, first)), accepted(said)),
        case("all three roots", keyset(said, ROOTS), accepted(said)),
        case("two roots and a stranger", keyset(said, (ISSUER.key, first, second)), accepted(said)),
        case("two roots and a bad signature of the third", encode([encode(said), spoiled]), accepted(said)),
        case("one root of one", keyset(said, (first,)), accepted(said), threshold=1, roots=[public(first).hex()]),
        case("two keys", keyset(both), accepted(both)),
        case("no key", keyset(none), accepted(none)),
        case("a guest beside the operator", keyset(guest), accepted(guest)),
        case("a guest for one number, all day", keyset(narrow), accepted(narrow)),
        case("the version that was accepted", keyset(said), accepted(said), min_version=5),
        case("the highest version", keyset(highest), accepted(highest), min_version=6),
        case("expired: its age is judged with the tokens", keyset(ended), accepted(ended)),
        case("a key for no role, for ever", keyset(no_roles), accepted(no_roles)),
        case("unknown role bits, a validity turned round", keyset(all_bits), accepted(all_bits)),
    ]


def _signatures(said: dict[int, Value], signers: tuple[Any, ...]) -> list[Value]:
    return [[key_id(key), tokens.signature(key, b"", encode(said), "Signature")] for key in signers]
