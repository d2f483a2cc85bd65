"""Commands on a token: those that are refused for their bytes, their algorithm or their signature."""

from __future__ import annotations

import hashlib
from typing import Any, Final

from .. import tokens
from ..cbor import Value, encode
from ..tokens import ACTIONS
from . import broken, world
from .world import (
    ISSUER,
    LAPTOP,
    LAPTOP_HOLDER,
    NO_HOLDER,
    NOW,
    OTHER_PHONE,
    PHONE,
    STRANGER,
    Case,
    Key,
    Made,
    by_holder,
    case_of_pair,
    claims,
    cose,
    flipped,
    refused,
    signed,
)

# counter: the highest one taken for this token. car: what its guards see.
USUAL: Final[Case] = {**world.USUAL, "counter": 4, "car": {"moving": "no", "ignition": False}}
case: Final = case_of_pair(USUAL)
IDENT: Final = bytes(range(16, 32))
P256_ORDER: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def for_phone(**changes: Any) -> dict[int, Value]:
    """A backend's token with all its rights, held by a P-256 key."""
    usual = {"badge": None, "holder": PHONE, "role": "backend", "booking": 0, "actions": tokens.BACKEND_ACTIONS}
    return claims(**{**usual, **changes})


def wish(token: bytes, **changes: Value) -> dict[int, Value]:
    """What a command says: unlock, counter 5, good for a minute."""
    names = {"named": 1, "ident": 2, "action": 3, "counter": 4, "exp": 5}
    usual: dict[int, Value] = {
        1: hashlib.sha256(token).digest()[:16],
        2: IDENT,
        3: ACTIONS["unlock"],
        4: 5,
        5: NOW + 60,
    }
    return {**usual, **{names[name]: value for name, value in changes.items()}}


def pair(token: bytes, holder: Key = PHONE, alg: int | None = None, **changes: Value) -> Made:
    """A token and a command on it. alg: another than the one to emit."""
    return token, by_holder(wish(token, **changes), holder, alg)


def obeyed(note: str | None = None, **changes: Any) -> Case:
    """The decision on a good command on a good token."""
    asked = {"id": IDENT.hex(), "action": ACTIONS["unlock"], "counter": 5, "exp": NOW + 60, **changes}
    return {"accept": True, "code": None, "note": note, "command": asked}


def cases() -> list[Case]:
    """`too_big malformed alg`, and `holder`, which comes after all that is judged of the token."""
    return [*_too_big(), *_malformed(), *_alg(), *_holder()]


def _too_big() -> list[Case]:
    token, good = pair(signed(for_phone()))
    code = refused("too_big")
    return [
        case("command of 513 bytes: a good one and zeros", (token, good + bytes(513 - len(good))), code),
        case("command of 513 bytes of 0xff", (token, b"\xff" * 513), code),
        case("token of 1025 bytes", (token + bytes(1025 - len(token)), good), code),
        case("order: and a token that is none", (b"", bytes(513)), code),
        case("order: token of 1025 bytes and a command that is none", (bytes(1025), b""), code),
    ]


def _malformed() -> list[Case]:
    token, good = pair(signed(for_phone()))
    code, right = refused("malformed"), wish(token)
    outer = broken.sign1(PHONE, encode(right), {1: tokens.ESP256})
    inner = [*broken.payloads(right, 5), *((name, encode(bad)) for name, bad in _wishes(right))]
    whole = [
        ("512 bytes: a good command and zeros", good + bytes(512 - len(good))),
        *outer,
        *((f"payload: {name}", cose(PHONE, bad, {1: tokens.ESP256})) for name, bad in inner),
    ]
    by_unknown = signed(for_phone(), STRANGER)
    return [
        *(case(name, (token, bad), code) for name, bad in whole),
        case("token one byte short", (token[:-1], good), code),
        case("token without a tag", (token[1:], good), code),
        case("order: command that is none, and a token of an unknown key", (by_unknown, b""), code),
        case("order: token that is none, and a command by HMAC", (b"", cose(PHONE, b"", {1: 5})), code),
        case("order: payload that is none, and the counter was seen", (token, cose(PHONE, b"\xff", {1: -9})), code,
             counter=9),
    ]  # fmt: skip


def _wishes(right: dict[int, Value]) -> list[tuple[str, dict[int, Value]]]:
    return [
        ("action 0", {**right, 3: 0}),
        ("two actions", {**right, 3: 3}),
        ("action of bit 18", {**right, 3: 1 << 18}),
        ("action is true", {**right, 3: True}),
        ("action below zero", {**right, 3: -1}),
        ("id of 15 bytes", {**right, 2: bytes(15)}),
        ("id as text", {**right, 2: "0123456789abcdef"}),
        ("token named by 32 bytes", {**right, 1: bytes(32)}),
        ("token named by 15 bytes", {**right, 1: bytes(15)}),
        ("counter 0", {**right, 4: 0}),
        ("counter of 2^63", {**right, 4: 1 << 63}),
        ("counter is true", {**right, 4: True}),
    ]


def _alg() -> list[Case]:
    code, token = refused("alg"), signed(for_phone())
    phones_token = cose(PHONE, encode(for_phone()), {1: -9, 4: ISSUER.kid})
    by_unknown = signed(for_phone(), STRANGER)
    return [
        case("ES384", pair(token, alg=-35), code),
        case("HMAC", pair(token, alg=5), code),
        case("RS256", pair(token, alg=-257), code),
        case("token by ESP256", pair(phones_token), code),
        case("order: and a token of an unknown key", pair(by_unknown, alg=-257), code),
        case("order: and signed by another holder", pair(token, OTHER_PHONE, alg=-257), code),
    ]


def _holder() -> list[Case]:
    code, token = refused("holder"), signed(for_phone())
    badge = signed(claims(role="backend", booking=0, actions=tokens.BACKEND_ACTIONS))
    laptop = signed({**for_phone(), 8: LAPTOP_HOLDER})
    other = signed(for_phone(token_id=bytes(16)))
    _, good = pair(token)
    _, by_laptop = pair(laptop, LAPTOP)
    return [
        case("another phone", pair(token, OTHER_PHONE), code),
        case("last bit turned over", (token, flipped(good)), code),
        case("the issuer itself", pair(token, ISSUER.key), code),
        case("token of a badge, which signs nothing", pair(badge), code),
        case("a P-256 key's signature called Ed25519", pair(token, alg=-19), code),
        case("an Ed25519 key's signature called ESP256", pair(laptop, LAPTOP, alg=-9), code),
        case("the holder's key is on no curve", pair(signed({**for_phone(), 8: NO_HOLDER})), code),
        case("r is zero", (token, good[:-64] + bytes(32) + good[-32:]), code),
        case("s is zero", (token, good[:-32] + bytes(32)), code),
        case("s is the order of the curve", (token, good[:-32] + P256_ORDER.to_bytes(32, "big")), code),
        case("Ed25519, last bit turned over", (laptop, flipped(by_laptop)), code),
        case("bound to another token of the same holder", (token, pair(other)[1]), code),
        case("bound to no token", pair(token, named=bytes(16)), code),
        case("order: another phone, and a payload that is none", (token, cose(OTHER_PHONE, b"\xff", {1: -9})), code),
        case("order: another phone, and the counter was seen", pair(token, OTHER_PHONE), code, counter=9),
        case("order: bound to another token, late, and beyond the role",
             (token, pair(other, exp=NOW - 1, action=ACTIONS["firmware"])[1]), code),
    ]  # fmt: skip
