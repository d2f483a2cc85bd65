"""Tokens that arrive to be stored: a booking for tomorrow is taken today, one that ended days ago is not."""

from __future__ import annotations

from typing import Any, Final

from . import world
from .token_rules import EVERY_ACTION
from .world import (
    DAY,
    HOUR,
    ISSUER,
    LIMITED,
    NOW,
    OLD,
    STRANGER,
    Case,
    accepted,
    claims,
    different,
    flipped,
    named,
    refused,
    revoked_booking,
    revoked_token,
    signed,
    window,
)

# kept: it is stored already, and is judged again after a restart or with a new list.
USUAL: Final[Case] = {**world.USUAL, "kept": False}


def case(name: str, said: dict[int, Any], code: str | None = None, **more: Any) -> Case:
    token = signed(said, more.pop("issuer", ISSUER))
    token = flipped(token) if code == "signature" else token
    expect = refused(code) if code else accepted(said)
    return {"name": name, "token": token.hex(), "state": different(USUAL, more), "expect": expect}


def cases() -> list[Case]:
    """What differs from a token that is presented, and a few of what does not."""
    said = claims()
    end = said[4]
    assert isinstance(end, int)
    agent = claims(role="agent", actions=EVERY_ACTION)
    week = claims(window(NOW + 7 * DAY, NOW + 8 * DAY))
    ended: dict[str, Any] = {"now": [end + 2 * DAY + 1, end + 2 * DAY + 5]}
    barred: dict[str, Any] = {"revoked": [revoked_token()], "superseded": {"42": 4}}
    late_key: dict[str, Any] = {"issuer": OLD, "now": [NOW + 1, NOW + 5]}
    return [
        case("ended two days and a second ago", said, "expired", **ended),
        case("agent, ended two days and a second ago", agent, "expired", **ended),
        case("ended perhaps much longer ago", said, "expired", now=[end + 2 * DAY + 1, None]),
        case("R5 ended two days ago, another booking is open", said, "expired", open_booking=7, **ended),
        case("revoked", said, "revoked", revoked=[revoked_booking()]),
        case("D20 revoked, another booking is open", said, "revoked", open_booking=7, revoked=[revoked_token()]),
        case("R5 the backend's token, revoked, its booking is open", claims(role="backend"), "revoked", open_booking=42,
             revoked=[revoked_token()]),
        case("kept, and revoked", said, "revoked", kept=True, revoked=[revoked_token()]),
        case("revision 3, 4 was seen", said, "superseded", superseded={"42": 4}),
        case("kept, and superseded", said, "superseded", kept=True, superseded={"42": 4}),
        case("another revision of a booking that begins in a week", week, "superseded", superseded={"42": 5}),
        case("another car", claims(vehicle=bytes(8)), "wrong_vehicle"),
        case("agent by a key for drivers", claims(window(NOW, NOW + HOUR, role="agent")), "issuer_role",
             issuer=LIMITED),
        case("agent, and the key set has expired", agent, "issuer_role", trust="expired"),
        case("key of nobody", said, "unknown_key", issuer=STRANGER),
        case("key ended a second ago", said, "unknown_key", **late_key),
        case("kept, and key of nobody", said, "unknown_key", kept=True, issuer=STRANGER),
        case("D20 key of nobody, believed for a booking that is over", said, "unknown_key", issuer=STRANGER,
             carried=named(signed(said, STRANGER))),
        case("last bit turned over", said, "signature"),
        case("begins in a week", week),
        case("begins in a week, and no clock", week, now=[NOW, None]),
        case("agent without a clock: all its rights", agent, now=[NOW, None]),
        case("ended two days ago", said, now=[end + 2 * DAY, end + 2 * DAY + 4]),
        case("ended perhaps two days and a second ago", said, now=[end + 2 * DAY, None]),
        case("kept, and key ended a second ago: the tap judges that", said, kept=True, **late_key),
        case("kept, and ended long ago", said, kept=True, now=[NOW + 30 * DAY, NOW + 30 * DAY]),
        case("R5 the booking is open, ended two days and a second ago", said, open_booking=42, **ended),
        case("R5 the booking is open, its key has ended", agent, open_booking=42, **late_key),
        case("D20 kept, and its key has left the key set, believed for the open booking, at a station", said, kept=True,
             issuer=STRANGER, open_booking=42, at_station=True, carried=named(signed(said, STRANGER))),
        case("D20 the booking is open, revoked and superseded, at a station", said, open_booking=42, at_station=True,
             **barred),
    ]  # fmt: skip
