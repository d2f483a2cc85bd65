"""Commands that are sound and signed by the holder: refused for their token, for the time or for a right, or obeyed."""

from __future__ import annotations

from typing import Any

from ..cbor import encode
from ..tokens import ACTIONS
from .command_shapes import IDENT, P256_ORDER, case, for_phone, obeyed, pair
from .token_rules import EVERY_ACTION, TOLERANCE, straddling
from .world import (
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


def cases() -> list[Case]:
    """In the order of the steps; state guards are in `guards.py`."""
    return [*_by_their_token(), *_by_time(), *_replay(), *_role_action(), *_obeyed()]


def repeated(ident: bytes = IDENT) -> Case:
    """A replay names the command, whose stored result is the answer."""
    return refused("replay", command_id=ident.hex())


def _by_their_token() -> list[Case]:
    """Good commands on tokens that are not believed."""
    usual, driver = for_phone(), for_phone(role="driver", booking=42, actions=EVERY_ACTION)
    good, dead = signed(usual), "expired 90 days and a second ago"
    agent = signed(for_phone(role="agent"))
    listed: list[tuple[str, str, bytes, Case]] = [
        ("unknown_key", "token by a key of nobody", signed(usual, STRANGER), {}),
        ("unknown_key", "token by a key that ended", signed(usual, OLD), {"now": [NOW + 1, NOW + 5]}),
        ("unknown_key", "key set expired 90 days and a second ago", good, {"trust": dead}),
        ("signature", "last bit of the token turned over", flipped(good), {}),
        ("signature", "token by another key of the set", cose(LIMITED.key, encode(usual), {1: -19, 4: ISSUER.kid}), {}),
        ("signature", "token signed by its holder", cose(LAPTOP, encode(usual), {1: -19, 4: ISSUER.kid}), {}),
        ("wrong_vehicle", "another car", signed(for_phone(vehicle=bytes(8))), {}),
        ("wrong_vehicle", "another car, driver", signed({**driver, 3: b"\xff" * 8}), {}),
        ("wrong_vehicle", "another car, its booking is open", signed({**driver, 3: bytes(8)}), {"open_booking": 42}),
        ("issuer_role", "another operator", signed({**usual, 1: "orne"}), {}),
        ("issuer_role", "backend by a key for drivers", signed(usual, LIMITED), {}),
        ("issuer_role", "backend, and the key set has expired", good, {"trust": "expired"}),
        ("revoked", "the token", good, {"revoked": [revoked_token()]}),
        ("revoked", "the holder", good, {"revoked": [key_id(PHONE).hex()]}),
        ("revoked", "the booking", signed(driver), {"revoked": [revoked_booking()]}),
        ("stale_list", "a list of 7 days and a second", agent, {"list_iat": NOW - 7 * DAY - 1}),
        ("stale_list", "a list of 1970", agent, {"list_iat": 0}),
        ("stale_list", "technician, a list of 1970", signed(for_phone(role="technician")), {"list_iat": 0}),
        ("superseded", "revision 3, 4 was seen", signed(driver), {"superseded": {"42": 4}}),
        ("superseded", "and open at a station", signed(driver),
         {"superseded": {"42": 4}, "open_booking": 42, "at_station": True}),
        ("superseded", "backend's token of a booking", signed(for_phone(booking=42)), {"superseded": {"42": 9}}),
        ("too_early", "token begins later", signed(for_phone(start_s=NOW + HOUR, end_s=NOW + DAY)), {}),
        ("too_early", "token begins a second later",
         signed(claims(window(NOW + 5, NOW + 50, badge=None, holder=PHONE))), {}),
        ("too_early", "R5 backend's token of the open booking",
         signed(for_phone(booking=42, start_s=NOW + HOUR, end_s=NOW + DAY)), {"open_booking": 42}),
    ]  # fmt: skip
    return [case(name, pair(token), refused(code), **more) for code, name, token, more in listed]


def _by_time() -> list[Case]:
    unsure, expired, good = refused("clock_unsure"), refused("expired"), signed(for_phone())
    over, now = straddling("backend", TOLERANCE["backend"] + 1)
    over[8] = for_phone()[8]
    driver = signed(for_phone(role="driver", booking=42, actions=EVERY_ACTION))
    late: dict[str, Any] = {"now": [NOW + 30 * DAY, NOW + 30 * DAY], "open_booking": 42}
    return [
        case("token reaches over its end, a second too wide", pair(signed(over), exp=NOW + DAY), unsure, now=now),
        case("command may have come a second late", pair(good, exp=NOW + 3), unsure),
        case("no clock", pair(good), unsure, now=[NOW, None]),
        case("R18 driver without a clock: his command has an end too", pair(driver), unsure, now=[NOW, None]),
        case("command a second late", pair(good, exp=NOW - 1), expired),
        case("R18 driver without a clock, the command is late", pair(driver, exp=NOW - 1), expired, now=[NOW, None]),
        case("token has ended", pair(good, exp=NOW + 40 * DAY), expired, now=[NOW + DAY, NOW + DAY]),
        case("R5 token ended, its booking is open, the command is late too", pair(driver), expired, **late),
        case("order: token has ended, and another holder", pair(good, OTHER_PHONE), expired, now=[NOW + DAY, None]),
        case("order: and beyond the role", pair(good, action=ACTIONS["firmware"], exp=NOW - 1), expired),
        case("order: may be late, and beyond the role", pair(good, action=ACTIONS["firmware"], exp=NOW), unsure),
    ]


def _replay() -> list[Case]:
    good = signed(for_phone())
    return [
        case("the same command again", pair(good), repeated(), counter=5),
        case("a lower counter, another id", pair(good, counter=1, ident=bytes(16)), repeated(bytes(16))),
        case("counter 1, the highest was seen", pair(good, counter=1), repeated(), counter=(1 << 63) - 1),
        case("order: and late", pair(good, exp=NOW - 1), repeated(), counter=5),
        case("order: and beyond the role", pair(good, action=ACTIONS["firmware"]), repeated(), counter=5),
    ]


def _role_action() -> list[Case]:
    code, good = refused("role_action"), signed(for_phone())
    everything = signed(for_phone(actions=EVERY_ACTION))
    driver = signed(for_phone(role="driver", booking=42, actions=EVERY_ACTION))
    agent = for_phone(role="agent", booking=42, actions=EVERY_ACTION)
    late: dict[str, Any] = {"now": [NOW + DAY, NOW + DAY], "open_booking": 42}
    return [
        case("not in the token, beyond the role", pair(good, action=ACTIONS["firmware"]), code),
        case("in the token, beyond the role", pair(everything, action=ACTIONS["start"]), code),
        case("in the role, not in the token", pair(signed(for_phone(actions=1)), action=ACTIONS["lock"]), code),
        case("driver asks for a technician's right", pair(driver, action=ACTIONS["garage_on"]), code),
        case("R5 agent after the end has a driver's rights",
             pair(signed(agent), action=ACTIONS["locate_theft"], exp=NOW + 2 * DAY), code, **late),
        case("order: and the car moves", pair(good, action=ACTIONS["firmware"]), code,
             car={"moving": "yes", "ignition": True}),
    ]  # fmt: skip


def _obeyed() -> list[Case]:
    said = for_phone()
    good = signed(said)
    other = for_phone(holder=OTHER_PHONE)
    driver = for_phone(role="driver", booking=42, actions=EVERY_ACTION)
    last = (1 << 63) - 1
    _, command = pair(good)
    twin = P256_ORDER - int.from_bytes(command[-32:], "big")
    after = {"now": [NOW + DAY, NOW + DAY], "open_booking": 42}
    by_laptop = signed({**said, 8: LAPTOP_HOLDER})
    return [
        case("P-256, y even", pair(good), obeyed()),
        case("P-256, y odd", pair(signed(other), OTHER_PHONE), obeyed()),
        case("P-256 as ES256", pair(good, alg=-7), obeyed()),
        case("P-256, the other s", (good, command[:-32] + twin.to_bytes(32, "big")), obeyed()),
        case("Ed25519", pair(by_laptop, LAPTOP), obeyed()),
        case("Ed25519 as EdDSA", pair(by_laptop, LAPTOP, alg=-8), obeyed()),
        case("first command on its token", pair(good, counter=1), obeyed(counter=1), counter=None),
        case("highest counter", pair(good, counter=last), obeyed(counter=last), counter=last - 1),
        case("in its last second", pair(good, exp=NOW + 4), obeyed(exp=NOW + 4)),
        case("lock", pair(good, action=2), obeyed(action=2)),
        case("driver", pair(signed(driver)), obeyed()),
        case("R5 driver after the end, the booking is open", pair(signed(driver), exp=NOW + DAY),
             obeyed("after_end_open_booking", exp=NOW + DAY), **after),
    ]  # fmt: skip
