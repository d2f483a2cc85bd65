"""Pieces of what is longer than a message, as a car takes them one by one, and what a phone asks for (section 6.2)."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, Final

from .. import mule
from ..cbor import Value, encode, head
from .world import Case, case_of, different, refused

LONGEST: Final = 16_384
WHOLE: Final = bytes(range(48, 108))
NAME: Final = mule.name_of(WHOLE)
TOTAL: Final = len(WHOLE)
ELSE: Final = bytes(range(60, 0, -1))
# before: the bodies that came before on this link, in order; each was taken or refused as it was due.
USUAL: Final[Case] = {"before": []}


def piece(at: Value = 0, data: Value = None, *, name: Value = NAME, total: Value = TOTAL) -> bytes:
    return encode([name, at, total, WHOLE[:20] if data is None else data])


def parts(whole: bytes, size: int = 20) -> list[bytes]:
    name = mule.name_of(whole)
    return [encode([name, at, len(whole), whole[at : at + size]]) for at in range(0, len(whole), size)]


def _case(name: str, data: bytes, expect: Case, before: Sequence[bytes] = ()) -> Case:
    state: dict[str, Any] = {"before": [body.hex() for body in before]} if before else {}
    return {"name": name, "piece": data.hex(), "state": different(USUAL, state), "expect": expect}


def _taken(whole: int | None) -> Case:
    return {"accept": True, "code": None, "whole": whole}


def cases() -> list[Case]:
    """In the order of the steps: `malformed` (its shape), `too_big`, `malformed` (its place)."""
    return [*_malformed(), *_too_big(), *_misplaced(), *_accepted()]


def _malformed() -> list[Case]:
    good, code = piece(), refused("malformed")
    inner = good[1:]
    listed: list[tuple[str, bytes]] = [
        ("nothing", b""),
        ("one byte short", good[:-1]),
        ("one byte after the end", good + b"\x00"),
        ("a longer head than needed", b"\x98\x04" + inner),
        ("an array of no stated length", b"\x9f" + inner + b"\xff"),
        ("three items", encode([NAME, 0, len(WHOLE)])),
        ("five items", encode([NAME, 0, len(WHOLE), WHOLE, 0])),
        ("a map", encode({1: NAME, 2: 0, 3: len(WHOLE), 4: WHOLE})),
        ("a name of 7 bytes", piece(name=NAME[:7])),
        ("a name of text", piece(name="12345678")),
        ("begins below zero", piece(at=-1)),
        ("begins at true", piece(at=True)),
        ("begins at 65536", piece(at=1 << 16)),
        ("a total of 65536", piece(total=1 << 16)),
        ("a total of null", encode([NAME, 0, None, WHOLE])),
        ("a total of nothing", piece(total=0)),
        ("no bytes", piece(data=b"")),
        ("its bytes as text", piece(data="0123456789")),
        ("goes beyond the total", piece(at=41)),
        ("longer than the total", piece(total=19)),
    ]
    return [_case(name, data, code) for name, data in listed]


def _too_big() -> list[Case]:
    code = refused("too_big")
    return [
        _case("a total of 16385", piece(total=LONGEST + 1), code),
        _case("a total of 65535", piece(total=(1 << 16) - 1), code),
        _case("a total of 16385, in the middle", piece(at=20, total=LONGEST + 1), code, parts(WHOLE)[:1]),
        _case("order: and goes beyond the total", piece(at=(1 << 16) - 1, total=LONGEST + 1), code),
    ]


def _misplaced() -> list[Case]:
    code, (first, second, third) = refused("malformed"), parts(WHOLE)
    bare = hashlib.sha256(WHOLE).digest()[:8]
    other = parts(ELSE)
    wrong = [*parts(WHOLE)[:2], piece(at=40, data=ELSE[40:])]
    return [
        _case("does not follow: the second comes first", second, code),
        _case("does not follow: the third after the first", third, code, [first]),
        _case("does not follow: the second comes twice", second, code, [first, second]),
        _case("does not follow: of another whole", other[1], code, [first]),
        _case("does not follow: what was begun was dropped at the last refusal", second, code, [first, third]),
        _case("does not follow: nothing is left of a whole that is complete", third, code, [first, second, third]),
        _case("does not follow: it overlaps by one byte", piece(at=19, data=WHOLE[19:40]), code, [first]),
        _case("is not what it is called: another end", wrong[2], code, wrong[:2]),
        _case("is not what it is called: in one", piece(data=ELSE), code),
        _case("is not what it is called: a name without the word in front", piece(name=bare, data=WHOLE), code),
    ]


def _accepted() -> list[Case]:
    first, second, third = parts(WHOLE)
    size, other, longest = len(WHOLE), parts(ELSE), mule.carried(bytes(LONGEST))
    return [
        _case("the first", first, _taken(None)),
        _case("the second", second, _taken(None), [first]),
        _case("the third, which is the last", third, _taken(size), [first, second]),
        _case("in one", piece(data=WHOLE), _taken(size)),
        _case("one byte", parts(b"\xd2")[0], _taken(1)),
        _case("of unequal size", piece(at=1, data=WHOLE[1:]), _taken(size), [piece(data=WHOLE[:1])]),
        _case("begun anew", first, _taken(None), [first, second]),
        _case("begun anew, and gone on with", second, _taken(None), [first, second, first]),
        _case("another whole is begun in the middle", other[0], _taken(None), [first]),
        _case("again after a refusal", third, _taken(size), [first, third, first, second]),
        _case("the same whole a second time", third, _taken(size), [first, second, third, first, second]),
        _case("the last of 16384 bytes", longest[-1], _taken(LONGEST), longest[:-1]),
    ]


# --- what a phone asks for -------------------------------------------------------------------------------------------

FETCH_USUAL: Final[Case] = {}
_fetch: Final = case_of("fetch", FETCH_USUAL)


def fetches() -> list[Case]:
    """`malformed`, or from where on of which parcel; a `null` name asks for a new one."""
    code, good = refused("malformed"), encode([NAME, 1000])
    bad: list[tuple[str, bytes]] = [
        ("one byte short", good[:-1]),
        ("one byte after the end", good + b"\x00"),
        ("a longer head than needed", b"\x98\x02" + good[1:]),
        ("its name alone", encode([NAME])),
        ("its name, not in an array", encode(NAME)),
        ("three items", encode([NAME, 0, 0])),
        ("a name of no bytes", encode([b"", 0])),
        ("a name of 7 bytes", encode([NAME[:7], 0])),
        ("begins below zero", encode([NAME, -1])),
        ("begins at null", encode([NAME, None])),
        ("begins at 65536", encode([NAME, 1 << 16])),
        ("begins in a longer head than needed", head(4, 2) + encode(NAME) + b"\x19\x00\x01"),
        ("a map", encode({1: NAME, 2: 0})),
    ]
    asked = {"accept": True, "code": None, "parcel": NAME.hex()}
    return [
        *(_fetch(name, data, code) for name, data in bad),
        _fetch("a new one", b"", {"accept": True, "code": None, "parcel": None, "at": 0}),
        _fetch("from its begin", encode([NAME, 0]), {**asked, "at": 0}),
        _fetch("the second piece", good, {**asked, "at": 1000}),
        _fetch("the last byte of the longest", encode([NAME, LONGEST - 1]), {**asked, "at": LONGEST - 1}),
        _fetch("behind every end: what is there is not judged here", encode([NAME, 65_535]), {**asked, "at": 65_535}),
    ]
