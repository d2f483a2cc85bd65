"""Questions for the time (section 1.6), as the backend reads them: nobody signs one."""

from __future__ import annotations

from typing import Final

from ..cbor import Value, encode
from ..vouchers import time_question
from .signed_times import NONCE
from .world import Case, case_of, refused

MOST: Final = 32
USUAL: Final[Case] = {}
case: Final = case_of("question", USUAL)


def _accepted(nonce: bytes, version: int) -> Case:
    return {"accept": True, "code": None, "nonce": nonce.hex(), "version": version}


def cases() -> list[Case]:
    """In the order of the steps: `too_big malformed`."""
    good = time_question(NONCE, 1)
    big, bad = refused("too_big"), refused("malformed")
    last = (1 << 32) - 1
    values: list[tuple[str, Value]] = [
        ("the nonce alone", [NONCE]),
        ("three items", [NONCE, 1, 0]),
        ("a map", {1: NONCE, 2: 1}),
        ("a nonce of 7 bytes", [NONCE[:7], 1]),
        ("a nonce of 16 bytes", [bytes(16), 1]),
        ("a nonce of text", ["abcdefgh", 1]),
        ("version of 2^32", [NONCE, last + 1]),
        ("version below zero", [NONCE, -1]),
        ("version is true", [NONCE, True]),
        ("version is null", [NONCE, None]),
    ]
    return [
        case("33 bytes: a good one and zeros", good, big, zeros=MOST + 1 - len(good)),
        case("33 zeros", b"", big, zeros=MOST + 1),
        case("33 bytes: a nonce that is too long", encode([bytes(29), 1]), big),
        case("nothing", b"", bad),
        case("one byte short", good[:-1], bad),
        case("one byte after the end", good + b"\x00", bad),
        case("32 bytes: a good one and zeros", good, bad, zeros=MOST - len(good)),
        case("a longer head than needed", b"\x98\x02" + good[1:], bad),
        case("an array of no stated length", b"\x9f" + good[1:] + b"\xff", bad),
        *(case(name, encode(value), bad) for name, value in values),
        case("usual", good, _accepted(NONCE, 1)),
        case("of a car without a key set", time_question(NONCE, 0), _accepted(NONCE, 0)),
        case("of the last version", time_question(NONCE, last), _accepted(NONCE, last)),
        case("a nonce of noughts", time_question(bytes(8), 70_000), _accepted(bytes(8), 70_000)),
    ]
