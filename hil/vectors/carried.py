"""D20: a key that leaves the key set, or may mint less, waits for a station. And tokens of what ended just now."""

from __future__ import annotations

from typing import Any

from .token_rules import AFTER, EVERY_ACTION, taken
from .token_shapes import case
from .world import DAY, LIMITED, NOW, OLD, STRANGER, Case, claims, flipped, named, refused, revoked_token, signed


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
        *_less(), *_just_ended(),
    ]  # fmt: skip


def _just_ended() -> list[Case]:
    """For ten minutes after its booking a token outlasts its own end, for what was forgotten in the car."""
    said, code, end = claims(), refused("expired"), NOW + DAY
    late: dict[str, Any] = {"now": [end, end + 4], "just_ended": 42}
    backend = signed(claims(role="backend"))
    return [
        taken("just ended: a day after exp", said, "just_ended", **late),
        taken("just ended: inside its window nothing is different", said, just_ended=42),
        taken("just ended: agent, a driver's rights", claims(role="agent", actions=EVERY_ACTION), "just_ended", **late),
        case("just ended: another booking", signed(said), code, **late | {"just_ended": 41}),
        case("just ended: booking 0", signed(claims(booking=0)), code, **late | {"just_ended": 0}),
        case("just ended: the backend's token", backend, code, **late),
        case("just ended: its key is out of date", signed(said, OLD), refused("unknown_key"), **late),
        case("just ended: revoked", signed(said), refused("revoked"), revoked=[revoked_token()], **late),
        case("just ended: superseded", signed(said), refused("superseded"), superseded={"42": 4}, **late),
    ]


def _less() -> list[Case]:
    agent, code = claims(role="agent", actions=EVERY_ACTION), refused("issuer_role")
    token = signed(agent, LIMITED)
    open_: dict[str, Any] = {"open_booking": 42, "carried": named(token)}
    return [
        taken("D20 the key may mint drivers only now: a driver's rights", agent, issuer=LIMITED, cut=True, **open_),
        case("D20 the key may mint drivers only now, at a station", token, code, at_station=True, **open_),
        case("D20 another operator's that was never believed", signed({**claims(), 1: "orne"}), code, **open_),
    ]
