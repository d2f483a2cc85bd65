"""Commands beside the car: bound to their token, to a nonce of their link, and to their turn."""

from __future__ import annotations

from typing import Any, Final

from .. import beside, tokens
from ..cbor import Value, encode
from ..tokens import ACTIONS
from . import broken, world
from .command_shapes import P256_ORDER, wish
from .token_rules import EVERY_ACTION
from .world import (
    BADGE,
    DAY,
    HOUR,
    ISSUER,
    LAPTOP,
    LAPTOP_HOLDER,
    LIMITED,
    NOW,
    OLD,
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
    key_id,
    refused,
    revoked_booking,
    revoked_token,
    signed,
    window,
)

MOST: Final = 120
NONCE: Final = bytes(range(32, 48))
OLDER: Final = bytes(range(48, 64))
# nonces: the good ones of the link on which the command came. counter: the highest one taken for this token.
USUAL: Final[Case] = {**world.USUAL, "nonces": [NONCE.hex()], "counter": 4}
case: Final = case_of_pair(USUAL)


def driver(**changes: Any) -> dict[int, Value]:
    """A driver's token with all rights, held by a P-256 key."""
    return claims(**{"badge": None, "holder": PHONE, "actions": EVERY_ACTION, **changes})


def said(token: bytes, **changes: Value) -> dict[int, Value]:
    """What a command says: unlock, counter 5."""
    names = {"named": 1, "nonce": 2, "action": 3, "counter": 4}
    usual = beside.wish(token, NONCE, "unlock", 5)
    return {**usual, **{names[name]: value for name, value in changes.items()}}


def pair(token: bytes, holder: Key = PHONE, alg: int | None = None, **changes: Value) -> Made:
    return token, by_holder(said(token, **changes), holder, alg)


def obeyed(note: str | None = None, **changes: Any) -> Case:
    asked = {"nonce": NONCE.hex(), "action": ACTIONS["unlock"], "counter": 5, **changes}
    return {"accept": True, "code": None, "note": note, "command": asked}


def replayed(highest: int | None = None) -> Case:
    """By its counter, with the highest that was taken; or by its nonce."""
    return refused("replay", highest=highest)


def cases() -> list[Case]:
    """In the order of the steps."""
    return [
        *_too_big(), *_malformed(), *_alg(), *_by_their_token(), *_holder(), *_replay(), *_role_action(), *_obeyed(),
    ]  # fmt: skip


def _too_big() -> list[Case]:
    token, good = pair(signed(driver()))
    code = refused("too_big")
    remote = cose(PHONE, encode(wish(token)), {1: tokens.ESP256})
    return [
        case("121 bytes: a good one and zeros", (token, good + bytes(121 - len(good))), code),
        case("a remote command, which is longer", (token, remote), code),
        case("token of 1025 bytes", (token + bytes(1025 - len(token)), good), code),
        case("order: and a token that is none", (b"", bytes(121)), code),
    ]


def _malformed() -> list[Case]:
    token, good = pair(signed(driver()))
    code, right = refused("malformed"), said(token)
    short_remote = {**wish(token), 4: 5, 5: 7}
    listed: list[tuple[str, dict[int, Value]]] = [
        ("a remote command that is short enough", short_remote),
        ("without nonce", {key: value for key, value in right.items() if key != 2}),
        ("nonce of 15 bytes", {**right, 2: NONCE[:15]}),
        ("nonce as text", {**right, 2: "0123456789abcdef"}),
        ("token named by 8 bytes", {**right, 1: bytes(8)}),
        ("action 0", {**right, 3: 0}),
        ("two actions", {**right, 3: 3}),
        ("action is true", {**right, 3: True}),
        ("counter 0", {**right, 4: 0}),
        ("counter 65536", {**right, 4: 65536}),
        ("counter below zero", {**right, 4: -1}),
    ]
    whole = [
        *broken.sign1(PHONE, encode(right), {1: tokens.ESP256}),
        *((f"payload: {name}", cose(PHONE, encode(bad), {1: tokens.ESP256})) for name, bad in listed),
        ("payload: no CBOR", cose(PHONE, b"\xff", {1: tokens.ESP256})),
    ]
    return [
        *(case(name, (token, bad), code if len(bad) <= MOST else refused("too_big")) for name, bad in whole),
        case("order: command that is none, and a token of an unknown key", (signed(driver(), STRANGER), b""), code),
        case("order: token that is none", (b"", good), code),
        case("order: payload that is none, and no nonce is good", (token, cose(PHONE, b"\xff", {1: -9})), code,
             nonces=[]),
    ]  # fmt: skip


def _alg() -> list[Case]:
    code, token = refused("alg"), signed(driver())
    return [
        case("ES384", pair(token, alg=-35), code),
        case("HMAC", pair(token, alg=5), code),
        case("order: and a token of an unknown key", pair(signed(driver(), STRANGER), alg=-257), code),
    ]


def _by_their_token() -> list[Case]:
    """Good commands on tokens that are not believed."""
    good, dead = signed(driver()), "expired 90 days and a second ago"
    listed: list[tuple[str, str, bytes, Case]] = [
        ("unknown_key", "by a key of nobody", signed(driver(), STRANGER), {}),
        ("unknown_key", "by a key that ended", signed(driver(), OLD), {"now": [NOW + 1, NOW + 5]}),
        ("unknown_key", "and the key set expired 90 days and a second ago", good, {"trust": dead}),
        ("signature", "last bit turned over", flipped(good), {}),
        ("signature", "first byte of the payload changed", flipped(good, 30), {}),
        ("signature", "by another key of the set", cose(LIMITED.key, encode(driver()), {1: -19, 4: ISSUER.kid}), {}),
        ("wrong_vehicle", "the neighbour's", signed(driver(vehicle=bytes(8))), {}),
        ("wrong_vehicle", "the neighbour's, its booking is open", signed(driver(vehicle=bytes(8))),
         {"open_booking": 42}),
        ("wrong_vehicle", "order: and another operator's", signed({**driver(vehicle=bytes(8)), 1: "orne"}), {}),
        ("issuer_role", "another operator's", signed({**driver(), 1: "orne"}), {}),
        ("issuer_role", "an agent's by a key for drivers", signed(driver(role="agent"), LIMITED), {}),
        ("issuer_role", "an agent's, and the key set has expired", signed(driver(role="agent")), {"trust": "expired"}),
        ("revoked", "a stolen phone", good, {"revoked": [key_id(PHONE).hex()]}),
        ("revoked", "the token itself", good, {"revoked": [revoked_token()]}),
        ("revoked", "the booking was cancelled, and is open at a station", good,
         {"revoked": [revoked_booking()], "open_booking": 42, "at_station": True}),
        ("superseded", "R12 another phone has it now", good, {"superseded": {"42": 4}}),
        ("superseded", "and its booking is open at a station", good,
         {"superseded": {"42": 4}, "open_booking": 42, "at_station": True}),
        ("superseded", "another booking is open", good, {"superseded": {"42": 4}, "open_booking": 7}),
        ("too_early", "begins later", signed(driver(start_s=NOW + HOUR, end_s=NOW + DAY)), {}),
        ("too_early", "begins later, another booking is open",
         signed(driver(start_s=NOW + HOUR, end_s=NOW + DAY)), {"open_booking": 7}),
        ("too_early", "begins in a second", signed(claims(window(NOW + 5, NOW + 50, badge=None, holder=PHONE))), {}),
        ("expired", "is over", good, {"now": [NOW + DAY, NOW + DAY]}),
        ("expired", "is over, another booking is open", good, {"now": [NOW + DAY, NOW + DAY], "open_booking": 7}),
        ("expired", "is over for certain", good, {"now": [NOW + DAY, None]}),
        ("clock_unsure", "an agent's without a clock", signed(driver(role="agent")), {"now": [NOW, None]}),
        ("clock_unsure", "R18 a driver's, begins 24 hours and a second after the floor",
         signed(claims(window(NOW + DAY + 1, NOW + 2 * DAY, badge=None, holder=PHONE))), {"now": [NOW, None]}),
        ("clock_unsure", "an agent's, the clock is an hour wide",
         signed(driver(role="agent")), {"now": [NOW + 1700, NOW + 5300]}),
        ("stale_list", "an agent's, the list is 7 days and a second old", signed(driver(role="agent")),
         {"list_iat": NOW - 7 * DAY - 1}),
        ("stale_list", "an agent's, the list is of 1970", signed(driver(role="agent")), {"list_iat": 0}),
        ("stale_list", "a technician's, the list is of 1970", signed(driver(role="technician")), {"list_iat": 0}),
    ]  # fmt: skip
    return [case(f"token {name}", pair(token), refused(code), **more) for code, name, token, more in listed]


def _holder() -> list[Case]:
    code, good = refused("holder"), signed(driver())
    token, command = pair(good)
    return [
        case("signed by another phone", pair(good, OTHER_PHONE), code),
        case("of another token", (signed(driver(revision=4)), command), code),
        case("on a badge's token", pair(signed(driver(badge=BADGE, holder=None))), code),
        case("last bit turned over", (token, flipped(command)), code),
        case("order: and no nonce is good", pair(good, OTHER_PHONE), code, nonces=[]),
    ]


def _replay() -> list[Case]:
    good = signed(driver())
    return [
        case("no nonce is good: another link's, used, or older than 30 s", pair(good), replayed(), nonces=[]),
        case("another nonce is good", pair(good), replayed(), nonces=[OLDER.hex()]),
        case("a nonce of zeros", pair(good, nonce=bytes(16)), replayed()),
        case("the same counter again", pair(good), replayed(5), counter=5),
        case("a lower counter", pair(good, counter=1), replayed(65535), counter=65535),
        case("order: the nonce, then the counter", pair(good), replayed(), nonces=[], counter=9),
        case("order: and beyond the role", pair(good, action=ACTIONS["firmware"]), replayed(5), counter=5),
    ]


def _role_action() -> list[Case]:
    code, few = refused("role_action"), signed(driver(actions=1))
    backend = driver(role="backend", booking=0)
    after: dict[str, Any] = {"now": [NOW + DAY, NOW + DAY], "open_booking": 42}
    return [
        case("not in the token", pair(few, action=ACTIONS["lock"]), code),
        case("beyond the role", pair(signed(driver()), action=ACTIONS["garage_on"]), code),
        case("a backend's token acts from afar only", pair(signed(backend)), code),
        case("R5 agent after the end has a driver's rights",
             pair(signed(driver(role="agent")), action=ACTIONS["locate_theft"]), code, **after),
    ]  # fmt: skip


def _obeyed() -> list[Case]:
    good = signed(driver())
    _, command = pair(good)
    twin = P256_ORDER - int.from_bytes(command[-32:], "big")
    by_laptop = signed({**driver(), 8: LAPTOP_HOLDER})
    after: dict[str, Any] = {"now": [NOW + DAY, NOW + DAY], "open_booking": 42}
    away: dict[str, Any] = {"superseded": {"42": 4}, "open_booking": 42}
    longest = pair(good, action=ACTIONS["extend"], counter=65535)
    return [
        case("P-256", pair(good), obeyed()),
        case("P-256 as ES256", pair(good, alg=-7), obeyed()),
        case("P-256, the other s", (good, command[:-32] + twin.to_bytes(32, "big")), obeyed()),
        case("Ed25519", pair(by_laptop, LAPTOP), obeyed()),
        case("first command on its token", pair(good, counter=1), obeyed(counter=1), counter=None),
        case("the oldest of three nonces", pair(good), obeyed(), nonces=[NONCE.hex(), OLDER.hex(), "00" * 16]),
        case("120 bytes: extend, the highest counter", longest, obeyed(action=2048, counter=65535)),
        case("end", pair(good, action=8), obeyed(action=8)),
        case("R18 without a clock", pair(good), obeyed("clock_unsure_accepted"), now=[NOW, None]),
        case("R5 after the end, the booking is open", pair(good), obeyed("after_end_open_booking"), **after),
        case("D20 superseded, the booking is open away from a station", pair(good), obeyed(), **away),
    ]  # fmt: skip
