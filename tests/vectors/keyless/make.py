"""Writes decisions.json with the bench's own encoder, which shares no code with keyless/.

Run it as `python -m tests.vectors.keyless.make`.
The keys are fixed; the P-256 signatures differ at each run, so the file is made once and kept.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from hil import cbor, tokens

NOW, DAY = 1_800_000_000, 86_400
VEHICLE, BADGE = bytes.fromhex("1122334455667788"), bytes.fromhex("0102030405")


def ed25519(number: int) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32)


ROOTS = tokens.Roots((ed25519(1), ed25519(2), ed25519(3)))
ISSUER = tokens.Issuer("perche", ed25519(7))
LIMITED = tokens.Issuer("perche", ed25519(8))
STRANGER = tokens.Issuer("perche", ed25519(99))
PHONE = ec.derive_private_key(12345, ec.SECP256R1())
THIEF = ec.derive_private_key(54321, ec.SECP256R1())
SHORT = {"start_s": NOW - 60, "end_s": NOW + 600, "early_s": 0, "late_s": 0}


def order(**changes: Any) -> tokens.Order:
    times = {"start_s": NOW - 2700, "end_s": NOW + 1800, "issued_s": NOW - DAY}
    given = {"vehicle": VEHICLE, "booking": 42, "revision": 3, "token_id": bytes(range(16)), "badge": BADGE}
    return tokens.Order(**{**given, **times, **changes})


def case(name: str, data: bytes, code: str | None = None, **more: Any) -> dict[str, Any]:
    return {"name": name, "token": data.hex(), "now": [NOW, NOW + 4], "code": code, "note": None, **more}


def cases() -> list[dict[str, Any]]:
    good, key = ISSUER.token(order()), ISSUER.token(order(badge=None, holder=PHONE))
    agent = ISSUER.token(order(role="agent", **SHORT))
    late, level_0 = [NOW + 30 * DAY, NOW + 30 * DAY + 4], [NOW - 3600, None]
    odd = cbor.encode({3: BADGE, 1: 2})
    unsure, after = {"note": "clock_unsure_accepted"}, {"note": "after_end_open_booking"}
    claims = order().claims("perche")
    return [
        case("badge", good),
        case("P-256 holder", key),
        case("staff booking", ISSUER.token(order(kind="staff"))),
        case("agent with a sure clock", agent),
        case("1025 bytes", good + bytes(1025 - len(good)), "too_big"),
        case("one trailing byte", good + b"\x00", "malformed"),
        case("one byte short", good[:-1], "malformed"),
        case("tag 61 in front", b"\xd8\x3d" + good, "malformed"),
        case("claims that are none, well signed", tokens.sign1(ISSUER.key, odd, ISSUER.kid), "malformed"),
        case("one claim too many", tokens.sign1(ISSUER.key, cbor.encode({**claims, 2: "x"}), ISSUER.kid), "malformed"),
        case("P-256 issuer", tokens.sign1(PHONE, cbor.encode(claims), ISSUER.kid), "alg"),
        case("key of nobody", STRANGER.token(order()), "unknown_key"),
        case("key gone stale", good, "unknown_key", now=[NOW + 400 * DAY, NOW + 400 * DAY]),
        case("altered signature", good[:-1] + bytes([good[-1] ^ 1]), "signature"),
        case("altered payload", good.replace(VEHICLE, bytes(8)), "signature"),
        case("another car", ISSUER.token(order(vehicle=bytes(8))), "wrong_vehicle"),
        case("another operator", tokens.Issuer("orne", ISSUER.key).token(order()), "issuer_role"),
        case("agent by a driver's key", LIMITED.token(order(role="agent", **SHORT)), "issuer_role"),
        case("agent for 25 hours", ISSUER.token(order(role="agent", end_s=NOW + DAY)), "issuer_role"),
        case("booking revoked", good, "revoked", revoked=[tokens.derived(b"booking", (42).to_bytes(8, "big")).hex()]),
        case("token revoked", good, "revoked", revoked=[tokens.derived(b"token", bytes(range(16))).hex()]),
        case("badge revoked", good, "revoked", revoked=[tokens.badge_id(BADGE).hex()]),
        case("issuer's key revoked", good, "revoked", revoked=[ISSUER.kid.hex()]),
        case("revision 4 was seen", good, "superseded", superseded={"42": 4}),
        case("agent without a clock", agent, "clock_unsure", now=level_0),
        case("driver two days after the floor", good, "clock_unsure", now=[NOW - 2 * DAY, None]),
        case("an hour too early", good, "too_early", now=[NOW - 7200, NOW - 7196]),
        case("a month too late", good, "expired", now=late),
        case("R18 driver without a clock", good, now=level_0, **unsure),
        case("R5 open booking, a month late", good, now=late, open_booking=42, **after),
        case("R5 another booking is open", good, "expired", now=late, open_booking=41),
        case("D20 revoked, open, away", good, open_booking=42, revoked=[ISSUER.kid.hex()]),
        case(
            "D20 revoked, open, at station",
            good,
            "revoked",
            open_booking=42,
            at_station=True,
            revoked=[ISSUER.kid.hex()],
        ),
        *commands(),
    ]


def commands() -> list[dict[str, Any]]:
    backend = {"badge": None, "holder": PHONE, "role": "backend", "booking": 0, "actions": tokens.BACKEND_ACTIONS}
    data = ISSUER.token(order(**backend))

    def wish(name: str, code: str | None = None, **more: Any) -> dict[str, Any]:
        said = {"holder": PHONE, "token": data, "action": "unlock", "counter": 5, "expires_s": NOW + 60}
        said = {**said, "ident": b"i" * 16, **more.pop("said", {})}
        return case(name, data, code, **{"remote": tokens.command(**said).hex(), "counter": 4, **more})

    return [
        wish("command"),
        wish("first command of a token", counter=None),
        wish("command by another holder", "holder", said={"holder": THIEF}),
        wish("command repeated", "replay", counter=5),
        wish("command from the past", "replay", counter=6),
        wish("command that came late", "expired", now=[NOW + 61, NOW + 65]),
        wish("command that may have come late", "clock_unsure", now=[NOW + 58, NOW + 62]),
        wish("command without the right", "role_action", said={"action": "firmware"}),
    ]


def main() -> None:
    roles = tuple(tokens.ROLES)
    keyset = tokens.keyset(ROOTS, [(ISSUER, roles), (LIMITED, ("driver",))], 1, NOW - 300 * DAY, NOW + 200 * DAY)
    whole = {
        "vehicle": VEHICLE.hex(),
        "operator": "perche",
        "roots": ROOTS.public,
        "threshold": ROOTS.threshold,
        "keyset": keyset.hex(),
        "cases": cases(),
    }
    Path(__file__).with_name("decisions.json").write_text(json.dumps(whole, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
