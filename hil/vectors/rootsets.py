"""Changes of the roots: signed by the threshold of the old ones and of the new."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from .. import tokens
from ..cbor import Value, encode
from . import broken
from .world import ISSUER, PHONE, ROOTS, Case, case_of, ed25519, flipped, key_id, public, refused

OLD: Final = ROOTS
NEW: Final = (ROOTS[0], ed25519(31), ed25519(32))  # the second and third are replaced
# version: of the roots in force.
USUAL: Final[Case] = {"roots": [public(root).hex() for root in OLD], "threshold": 2, "version": 0}
case: Final = case_of("rootset", USUAL)


def payload(version: Value = 1, threshold: Value = 2, roots: Value = None) -> dict[int, Value]:
    return {1: version, 2: threshold, 3: [public(root) for root in NEW] if roots is None else roots}


def signed(said: Value, old: Sequence[Any] = OLD[:2], new: Sequence[Any] = NEW[1:], context: str = "Roots") -> bytes:
    inner = said if isinstance(said, bytes) else encode(said)
    return encode([inner, *(tokens.root_signatures(keys, inner, context) for keys in (old, new))])


def accepted(said: dict[int, Any]) -> Case:
    roots = [root.hex() for root in said[3]]
    return {"accept": True, "code": None, "version": said[1], "threshold": said[2], "roots": roots}


def cases() -> list[Case]:
    """In the order of the steps: `too_big malformed signature malformed signature issuer_role superseded`."""
    return [*_too_big(), *_malformed(), *_signature(), *_issuer_role(), *_superseded(), *_accepted()]


def _too_big() -> list[Case]:
    good, code = signed(payload()), refused("too_big")
    return [
        case("2049 bytes: a good one and zeros", good, code, zeros=2049 - len(good)),
        case("2049 zeros", b"", code, zeros=2049),
        case("2049 bytes: the head of an array and zeros", b"\x83", code, zeros=2048),
    ]


def _malformed() -> list[Case]:
    said, code = payload(), refused("malformed")
    inside, good = encode(said), signed(said)
    kid = key_id(OLD[0])
    bad: list[Value] = [bytes(8), bytes(63)]
    outer: list[tuple[str, bytes]] = [
        ("nothing", b""),
        ("one byte short", good[:-1]),
        ("one byte after the end", good + b"\x00"),
        ("a key set's two items", encode([inside, []])),
        ("four items", encode([inside, [], [], 0])),
        ("payload not in a byte string", encode([said, [], []])),
        ("signatures of the old roots are a map", encode([inside, {1: kid}, []])),
        ("signatures of the new roots are a number", encode([inside, [], 1])),
        ("a signature of the old roots of 63 bytes", encode([inside, [bad], []])),
        ("a signature of the new roots of 63 bytes", encode([inside, [], [bad]])),
    ]
    roots: list[Value] = [public(root) for root in NEW]
    many: list[Value] = [public(ed25519(40 + n)) for n in range(9)]
    payloads: list[tuple[str, Value]] = [
        ("version of 2^32", payload(version=1 << 32)),
        ("version is true", payload(version=True)),
        ("threshold of 256", payload(threshold=256)),
        ("threshold of none", payload(threshold=0)),
        ("threshold above the number of roots", payload(threshold=4)),
        ("no root", payload(roots=[])),
        ("roots are a map", payload(roots={1: roots[0]})),
        ("a root of 31 bytes", payload(roots=[*roots, bytes(31)])),
        ("a P-256 root", payload(roots=[*roots, public(PHONE)])),
        ("a root twice", payload(roots=[*roots, roots[0]])),
        ("nine roots", payload(roots=many)),
    ]
    inner = [*broken.payloads(said, 2), *((name, encode(value)) for name, value in payloads)]
    whole = [*outer, *((f"payload: {name}", signed(data)) for name, data in inner)]
    return [case(name, data, code) for name, data in whole]


def _signature() -> list[Case]:
    code, said = refused("signature"), payload()
    first, second, _ = OLD
    good = signed(said)
    return [
        case("nobody signed", signed(said, (), ()), code),
        case("one of the old roots", signed(said, (first,)), code),
        case("one of the old roots three times", signed(said, (first,) * 3), code),
        case("an old root and the issuer", signed(said, (first, ISSUER.key)), code),
        case("the new roots alone", signed(said, NEW[1:]), code),
        case("the old roots alone", signed(said, OLD[:2], ()), code),
        case("one of the new roots", signed(said, OLD[:2], NEW[:1]), code),
        case("old roots where the new ones belong", signed(said, OLD[:2], (second, OLD[2])), code),
        case("last bit turned over", flipped(good), code),
        case("a bit of the payload turned over", flipped(good, 12), code),
        case("made for a key set: context Signature", signed(said, context="Signature"), code),
        case("two of the three that are asked for", good, code, threshold=3),
        case("order: roots of another operator, and a payload that is no CBOR", signed(b"\xff", (ISSUER.key,)), code),
        case("order: new roots that did not sign, and an old version", signed(payload(0), new=()), code),
    ]


def _issuer_role() -> list[Case]:
    code = refused("issuer_role")
    weaker, lone = payload(threshold=1), payload(threshold=1, roots=[public(NEW[1])])
    return [
        case("fewer signatures would be enough", signed(weaker), code),
        case("one root is left", signed(lone, new=NEW[1:2]), code),
        case("order: and an old version", signed(payload(0, 1)), code),
    ]


def _superseded() -> list[Case]:
    code = refused("superseded")
    return [
        case("the version in force", signed(payload(0)), code),
        case("one is left out", signed(payload(2)), code),
        case("version 1, 1 is in force", signed(payload()), code, version=1),
        case("version 2, 5 is in force", signed(payload(2)), code, version=5),
    ]


def _accepted() -> list[Case]:
    usual, stricter = payload(), payload(threshold=3)
    same = payload(roots=[public(root) for root in OLD])
    later, high = payload(version=8), payload(version=(1 << 32) - 1)
    one = payload(threshold=1, roots=[public(NEW[1])])
    eight = [ed25519(40 + n) for n in range(8)]
    many = payload(roots=[public(root) for root in eight])
    return [
        case("two of three are replaced", signed(usual), accepted(usual)),
        case("all signed", signed(usual, OLD, NEW), accepted(usual)),
        case("and a stranger", signed(usual, (ISSUER.key, *OLD[1:]), (ISSUER.key, *NEW[:2])), accepted(usual)),
        case("three are needed from now on", signed(stricter, new=NEW), accepted(stricter)),
        case("the same roots again", signed(same, new=OLD[1:]), accepted(same)),
        case("all new, eight of them", signed(many, new=eight[6:]), accepted(many)),
        case("one root follows one", signed(one, OLD[:1], NEW[1:2]), accepted(one), threshold=1),
        case("the eighth change", signed(later), accepted(later), version=7),
        case("the last version", signed(high), accepted(high), version=(1 << 32) - 2),
    ]
