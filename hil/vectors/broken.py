"""Ways to write an object that no reader may take: CBOR that is not canonical, and wrong shapes of COSE_Sign1.

All of them are `malformed`. What an object's own fields may not hold stands with its cases.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from .. import tokens
from ..cbor import Value, encode, head
from .world import Key, cose

Named: TypeAlias = list[tuple[str, bytes]]

FLOAT_ONE = b"\xf9\x3c\x00"


def sign1(key: Key, payload: bytes, header: Mapping[int, Value], *, all_: bool = False) -> Named:
    """Around a good payload: what is wrong before a signature is looked at. header: the right one. all_: also what a
    reader of COSE that is shared by all objects would get wrong for all of them.
    """
    good = cose(key, payload, header)
    protected = encode(header)
    parts = [encode(protected), b"\xa0", encode(payload), encode(tokens.signature(key, protected, payload))]

    def body(*, start: bytes = b"\xd2\x84", end: bytes = b"", **changed: bytes) -> bytes:
        names = ("protected", "unprotected", "payload", "signature")
        return start + b"".join(changed.get(name, part) for name, part in zip(names, parts, strict=True)) + end

    few = [
        ("nothing", b""),
        ("one byte short", good[:-1]),
        ("one byte after the end", good + b"\x00"),
        ("no tag", good[1:]),
        ("array with a longer head than needed", body(start=b"\xd2\x98\x04")),
        ("algorithm in the unprotected header", cose(key, payload, header, unprotected={1: header[1]})),
        ("payload is null", body(payload=b"\xf6")),
        ("signature of 63 bytes", body(signature=encode(bytes(63)))),
    ]
    many = [
        ("tag 17", b"\xd1" + good[1:]),
        ("tag 18 in two bytes", b"\xd8\x12" + good[1:]),
        ("tag 61 in front of tag 18", b"\xd8\x3d" + good),
        ("array of no stated length", body(start=b"\xd2\x9f", end=b"\xff")),
        ("three items", body(start=b"\xd2\x83", signature=b"")),
        ("five items", body(start=b"\xd2\x85", end=b"\x00")),
        ("unprotected header is a byte string", body(unprotected=b"\x40")),
        ("payload is a map and not a byte string of one", body(payload=payload)),
        ("payload is a float", body(payload=FLOAT_ONE)),
        ("payload is tagged as encoded CBOR", body(payload=b"\xd8\x18" + encode(payload))),
        ("signature of 65 bytes", body(signature=encode(bytes(65)))),
        ("a hundred arrays in each other", b"\xd2" + b"\x81" * 100 + b"\x00"),
        ("protected header is a map and not a byte string of one", body(protected=protected)),
    ]
    headers = [(f"protected header: {name}", cose(key, payload, bad)) for name, bad in _headers(header, all_)]
    return [*few, *(many if all_ else []), *headers]


def _headers(right: Mapping[int, Value], all_: bool) -> Named:
    algorithm = right[1]
    assert isinstance(algorithm, int)
    without = {key: value for key, value in right.items() if key != 1}
    few = [
        ("empty byte string", b""),
        ("without algorithm", encode(without)),
        ("one key too many", encode({**right, 2: b""})),
        ("true in place of key 1", head(5, len(right)) + encode(without)[1:] + b"\xf5" + encode(algorithm)),
    ]
    if 4 not in right:
        return [*few, ("with a kid", encode({**right, 4: bytes(8)}))]
    kid = right[4]
    assert isinstance(kid, bytes)
    few += [("without kid", encode({1: algorithm})), ("kid of 7 bytes", encode({**right, 4: kid[:7]}))]
    many = [
        ("empty map", b"\xa0"),
        ("algorithm as text", encode({**right, 1: "EdDSA"})),
        ("algorithm in a longer head than needed", b"\xa2\x01\x38" + bytes([-1 - algorithm]) + encode(without)[1:]),
        ("a byte after the map", encode(right) + b"\x00"),
        ("kid as text", encode({**right, 4: "12345678"})),
        ("keys in the wrong order", b"\xa2\x04" + encode(kid) + b"\x01" + encode(algorithm)),
        ("kid twice", b"\xa3\x01" + encode(algorithm) + (b"\x04" + encode(kid)) * 2),
    ]
    return [*few, *(many if all_ else [])]


def payloads(right: Mapping[int, Value], number: int, *, all_: bool = False) -> Named:
    """Payloads of a signed object that carry the right values in a form that is not allowed, or lack one, or have one
    too many. number: a key of the map whose value is a time. all_: as of `sign1`.
    """
    pairs = sorted((encode(key), encode(value)) for key, value in right.items())
    whole, size = encode(right), len(pairs)
    time = right[number]
    assert isinstance(time, int)

    def changed(value: bytes) -> bytes:
        return head(5, size) + b"".join(key + (value if key == encode(number) else old) for key, old in pairs)

    last_is_true = b"".join(key + value for key, value in pairs[1:]) + b"\xf5" + pairs[0][1]
    few = [
        ("empty", b""),
        ("an array of its values", encode(list(right.values()))),
        ("one byte after the end", whole + b"\x00"),
        ("true in place of key 1", head(5, size) + last_is_true),
        ("time in a longer head than needed", changed(b"\x1b" + time.to_bytes(8, "big"))),
        ("time below zero", changed(encode(-1))),
        ("time of 2^40", changed(encode(1 << 40))),
        ("one key too many", encode({**right, 99: 0})),
        (f"without key {number}", encode({one: value for one, value in right.items() if one != number})),
    ]
    many = [
        ("one byte short", whole[:-1]),
        ("keys in the wrong order", head(5, size) + b"".join(key + value for key, value in reversed(pairs))),
        ("last key twice", head(5, size + 1) + b"".join(key + value for key, value in [*pairs, pairs[-1]])),
        ("map of no stated length", b"\xbf" + whole[1:] + b"\xff"),
        ("map with a longer head than needed", b"\xb8" + bytes([size]) + whole[1:]),
        ("time as a float", changed(b"\xfb" + _double(time))),
        ("time under tag 1", changed(b"\xc1" + encode(time))),
        ("time as text", changed(encode(str(time)))),
        ("time is null", changed(b"\xf6")),
    ]
    return [*few, *(many if all_ else [])]


def _double(number: int) -> bytes:
    """IEEE 754, for whole numbers that fit exactly."""
    shift = number.bit_length() - 1
    return ((1023 + shift) << 52 | (number << 52 - shift) & (1 << 52) - 1).to_bytes(8, "big")
