"""D20: a key that leaves the key set, or may mint less, waits for a station as a revocation does."""

from __future__ import annotations

from typing import Any

from .token_rules import AFTER, EVERY_ACTION, taken
from .token_shapes import case
from .world import DAY, LIMITED, NOW, STRANGER, Case, claims, flipped, named, refused, revoked_token, signed


def cases() -> list[Case]:
    """`carried` names the token: this car believed it for the booking under way. Another by that key is nobody's."""
    said, code = claims(), refused("unknown_key")
    gone = signed(said, STRANGER)
    open_: dict[str, Any] = {"open_booking": 42, "carried": named(gone)}
    other, elsewhere = signed({**said, 7: bytes(16)}, STRANGER), signed(claims(vehicle=bytes(8)), STRANGER)
    return [
        taken("D20 the key has left the key set, away from a station", said, issuer=STRANGER, **open_),
        taken("D20 the same, a month late", said, AFTER, issuer=STRANGER,
              now=[NOW + 30 * DAY, NOW + 30 * DAY + 4], **open_),
        taken("D20 the same, revoked and superseded", said, issuer=STRANGER, revoked=[revoked_token()],
              superseded={"42": 4}, **open_),
        case("D20 the key has left the key set, at a station", gone, code, at_station=True, **open_),
        case("D20 the same, another booking is open", gone, code, **open_ | {"open_booking": 7}),
        case("D20 the same, no booking is open", gone, code, **open_ | {"open_booking": None}),
        case("D20 another token of the open booking by the key that left", other, code, **open_),
        case("D20 the same bytes but one bit", flipped(gone), code, **open_),
        case("D20 believed once, and of another car", elsewhere, code, open_booking=42, carried=named(elsewhere)),
        *_less(),
    ]  # fmt: skip


def _less() -> list[Case]:
    agent, code = claims(role="agent", actions=EVERY_ACTION), refused("issuer_role")
    token = signed(agent, LIMITED)
    open_: dict[str, Any] = {"open_booking": 42, "carried": named(token)}
    return [
        taken("D20 the key may mint drivers only now: a driver's rights", agent, issuer=LIMITED, cut=True, **open_),
        case("D20 the key may mint drivers only now, at a station", token, code, at_station=True, **open_),
        case("D20 another operator's that was never believed", signed({**claims(), 1: "orne"}), code, **open_),
    ]
