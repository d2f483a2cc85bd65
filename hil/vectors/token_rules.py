"""Well-signed booking tokens: those that are refused for what they say, or for the time, and those that are taken."""

from __future__ import annotations

from typing import Any

from .. import tokens
from ..cbor import encode
from . import guests
from .token_shapes import case
from .world import (
    BADGE,
    DAY,
    HOUR,
    ISSUER,
    LAPTOP_HOLDER,
    LIMITED,
    NEXT,
    NO_HOLDER,
    NOW,
    OLD,
    OTHER_PHONE,
    PHONE,
    TOKEN_ID,
    VEHICLE,
    Case,
    accepted,
    claims,
    cose,
    flipped,
    key_id,
    refused,
    revoked_booking,
    revoked_token,
    signed,
    window,
    with_booking,
)

LONGEST = {"driver": 31 * DAY, "agent": DAY, "technician": 12 * HOUR, "emergency": 1_800, "backend": 31 * DAY}
TOLERANCE = {"driver": 900, "agent": 900, "technician": 3_600, "emergency": 86_400, "backend": 900}
EVERY_ACTION = (1 << 18) - 1
UNSURE, AFTER = "clock_unsure_accepted", "after_end_open_booking"


def cases() -> list[Case]:
    """In the order of the steps, `wrong_vehicle` to `expired`; then what is accepted."""
    return [
        *_wrong_vehicle(), *_issuer_role(), *_revoked(), *_superseded(), *_clock_unsure(), *_too_early(), *_expired(),
        *_accepted(), *_accepted_roles(), *_accepted_edges(), *_accepted_open(),
        *guests.accepted(taken),
    ]  # fmt: skip


def _wrong_vehicle() -> list[Case]:
    code = refused("wrong_vehicle")
    other, near = signed(claims(vehicle=bytes(8))), signed(claims(vehicle=flipped(VEHICLE)))
    return [
        case("vehicle of zeros", other, code),
        case("one bit of the vehicle differs", near, code),
        case("no operator is asked for", other, code, operator=None),
        case("R5 the booking is open", other, code, open_booking=42),
        case("order: and another operator", signed({**claims(vehicle=bytes(8)), 1: "orne"}), code),
        case("order: and revoked, superseded, expired", other, code, now=[NOW + DAY, NOW + DAY],
             revoked=[revoked_token()], superseded={"42": 4}),
    ]  # fmt: skip


def _issuer_role() -> list[Case]:
    code = refused("issuer_role")
    agent = claims(window(NOW - 60, NOW + 600, role="agent"))
    too_long = [
        case(f"{role} for a second too long", signed(claims(window(NOW - 60, NOW - 59 + longest, role=role))), code)
        for role, longest in LONGEST.items()
    ]
    return [
        *too_long,
        case("another operator", signed({**claims(), 1: "orne"}), code),
        case("operator in other letters", signed({**claims(), 1: "Perche"}), code),
        case("agent by a key for drivers", signed(agent, LIMITED), code),
        case("backend by a key for drivers", signed(claims(role="backend", booking=0), LIMITED), code),
        case("agent, and the key set has expired", signed(agent), code, trust="expired"),
        case("backend, and the key set has expired", signed(claims(role="backend", booking=0)), code, trust="expired"),
        case("R5 another operator, the booking is open", signed({**claims(), 1: "orne"}), code, open_booking=42),
        case("R5 agent by a key for drivers, the booking is open", signed(agent, LIMITED), code, open_booking=42),
        case("order: and revoked, superseded, expired", signed({**claims(), 1: "orne"}), code,
             now=[NOW + DAY, NOW + DAY], revoked=[revoked_token()], superseded={"42": 4}),
        *guests.refusals(case),
    ]  # fmt: skip


def _revoked() -> list[Case]:
    code, good = refused("revoked"), signed(claims())
    phone = signed(claims(badge=None, holder=PHONE))
    station: dict[str, Any] = {"open_booking": 42, "at_station": True}
    backend = signed(claims(role="backend"))
    return [
        case("the token", good, code, revoked=[revoked_token()]),
        case("the booking", good, code, revoked=[revoked_booking()]),
        case("the badge", good, code, revoked=[tokens.badge_id(BADGE).hex()]),
        case("the holder's key", phone, code, revoked=[key_id(PHONE).hex()]),
        case("the issuer's key", good, code, revoked=[ISSUER.kid.hex()]),
        case("one id of several", good, code, revoked=[bytes(8).hex(), revoked_booking(), "ff" * 8]),
        case("D20 the booking is open, at a station", good, code, revoked=[revoked_token()], **station),
        case("D20 another booking is open, away from a station", good, code, revoked=[revoked_token()], open_booking=7),
        case("D20 the backend's token of the open booking", backend, code, revoked=[revoked_token()], open_booking=42),
        case("order: and superseded, expired", good, code, now=[NOW + DAY, NOW + DAY], revoked=[revoked_token()],
             superseded={"42": 4}),
    ]  # fmt: skip


def _superseded() -> list[Case]:
    code, good = refused("superseded"), signed(claims())
    return [
        case("revision 3, 4 was seen", good, code, superseded={"42": 4}),
        case("revision 0, 1 was seen", signed(with_booking(revision=0)), code, superseded={"42": 1}),
        case("revision 3, the highest was seen", good, code, superseded={"41": 1, "42": (1 << 32) - 1}),
        case("D20 the booking is open, at a station", good, code, superseded={"42": 4}, open_booking=42,
             at_station=True),
        case("D20 another booking is open", good, code, superseded={"42": 4}, open_booking=7),
        case("order: and expired", good, code, superseded={"42": 4}, now=[NOW + DAY, NOW + DAY]),
        case("order: and too early", good, code, superseded={"42": 4}, now=[NOW - DAY, NOW - DAY]),
    ]  # fmt: skip


def straddling(role: str, width: int) -> tuple[dict[int, Any], list[int]]:
    """Claims of this role and an interval of this width that reaches ten seconds over the end of the window."""
    return claims(window(NOW - 1_000, NOW, role=role)), [NOW + 10 - width, NOW + 10]


def _clock_unsure() -> list[Case]:
    code = refused("clock_unsure")
    wide = []
    for role in ("agent", "technician", "emergency", "backend"):
        said, now = straddling(role, TOLERANCE[role] + 1)
        wide.append(case(f"{role}: reaches over the end and is a second too wide", signed(said), code, now=now))
    later = signed(claims(window(NOW, NOW + HOUR)))
    agent = signed(claims(window(NOW - 60, NOW + 600, role="agent")))
    backend = signed(claims(window(NOW - 60, NOW + 600, role="backend")))
    return [
        *wide,
        case("agent: reaches over the beginning and is a second too wide", agent, code, now=[NOW - 501, NOW + 400]),
        case("agent without a clock", agent, code, now=[NOW - HOUR, None]),
        case("agent without a clock, inside as far as is known", agent, code, now=[NOW, None]),
        case("R18 driver, begins a day and a second after the floor", later, code, now=[NOW - DAY - 1, None]),
        case("R18 driver, the same with an end two days later", later, code, now=[NOW - DAY - 1, NOW + DAY]),
        case("R5 agent without a clock, another booking is open", agent, code, now=[NOW, None], open_booking=7),
        case("R5 the backend's token of the open booking", backend, code, now=[NOW, None], open_booking=42),
    ]


def _too_early() -> list[Case]:
    code = refused("too_early")
    said = claims()
    start = said[5]
    assert isinstance(start, int)
    emergency = claims(window(start, start + 1_800, role="emergency"))
    return [
        case("surely a second before nbf", signed(said), code, now=[start - 5, start - 1]),
        case("a month before", signed(said), code, now=[NOW - 30 * DAY, NOW - 30 * DAY]),
        case("emergency, a second before nbf", signed(emergency), code, now=[start - 1, start - 1]),
        case("inside the paid time of nobody: early counts from nbf", signed(claims(early_s=0)), code,
             now=[start, start + 4]),
        case("R5 another booking is open", signed(said), code, now=[start - 5, start - 1], open_booking=7),
        case("R5 the backend's token of the open booking", signed(claims(role="backend")), code,
             now=[start - 5, start - 1], open_booking=42),
    ]  # fmt: skip


def _expired() -> list[Case]:
    code, said = refused("expired"), claims()
    end = said[4]
    assert isinstance(end, int)
    good = signed(said)
    return [
        case("surely a second after exp", good, code, now=[end + 1, end + 5]),
        case("a month after", good, code, now=[NOW + 30 * DAY, NOW + 30 * DAY]),
        case("after, and no end of the interval", good, code, now=[end + 1, None]),
        case("agent, a second after exp", signed(claims(role="agent")), code, now=[end + 1, end + 1]),
        case("R5 another booking is open", good, code, now=[end + 1, end + 5], open_booking=7),
        case("R5 booking 0 is never open", signed(claims(booking=0)), code, now=[end + 1, end + 5], open_booking=0),
        case("R5 the backend's token of the open booking", signed(claims(role="backend")), code,
             now=[end + 1, end + 5], open_booking=42),
        case("R5 an emergency token of the open booking",
             signed(claims(window(NOW - 60, NOW, role="emergency"))), code, now=[NOW + 1, NOW + 1], open_booking=42),
    ]  # fmt: skip


def taken(name: str, said: dict[int, Any], note: str | None = None, **more: Any) -> Case:
    """The case of a token that is accepted. cut: it holds a driver's rights only."""
    issuer, cut = more.pop("issuer", ISSUER), more.pop("cut", False)
    return case(name, signed(said, issuer), accepted(said, note, drivers_rights=cut), **more)


def _accepted() -> list[Case]:
    said = claims()
    return [
        taken("driver with a badge", said),
        taken("driver with a phone, y even", claims(badge=None, holder=PHONE)),
        taken("driver with a phone, y odd", claims(badge=None, holder=OTHER_PHONE)),
        taken("driver with a laptop", {**said, 8: LAPTOP_HOLDER}),
        case("algorithm -8", cose(ISSUER.key, encode(said), {1: -8, 4: ISSUER.kid}), accepted(said)),
        taken("a holder's key that is on no curve: his commands will not verify", {**said, 8: NO_HOLDER}),
        taken("by a key for drivers only", said, issuer=LIMITED),
        *(taken(f"kind: {kind}", claims(kind=kind)) for kind in ("staff", "relocation", "maintenance")),
        taken("no operator is asked for", {**said, 1: "orne"}, operator=None),
        taken("others are revoked", said, revoked=[revoked_booking(41), bytes(8).hex(), TOKEN_ID[:8].hex()]),
        taken("a lower revision, and a higher one of another booking, were seen", said, superseded={"41": 9, "42": 2}),
        taken("its own revision was seen", said, superseded={"42": 3}),
        taken("revision 0", with_booking(revision=0)),
        taken("booking 0 has no revisions", claims(booking=0), superseded={"0": 9}),
    ]


def _accepted_roles() -> list[Case]:
    """Every action is asked for; the role's ceiling cuts. And each role for as long as it may."""
    whole = []
    for role, longest in LONGEST.items():
        said = claims(window(NOW - 60, NOW - 60 + longest, role=role, actions=EVERY_ACTION))
        whole.append(taken(f"{role}: all rights, as long as may be", said))
    unknown = claims(actions=(1 << 32) - 1)
    expired = claims(window(NOW - 60, NOW + 600))
    return [
        *whole,
        taken("unknown action bits are ignored", unknown),
        taken("no action at all", claims(actions=0)),
        taken("driver, and the key set has expired", expired, trust="expired"),
        taken("driver, and the key set expired 90 days ago", expired, trust="expired 90 days ago", now=[NOW, NOW + 4]),
        taken("agent, and the key set may have expired", claims(role="agent"), trust="expired", now=[NOW - 1, NOW + 3]),
        taken("R5 agent of the open booking, and the key set has expired",
              claims(role="agent", actions=EVERY_ACTION), trust="expired", open_booking=42, cut=True),
    ]  # fmt: skip


def _accepted_edges() -> list[Case]:
    """Both ends of everything belong to it."""
    said = claims()
    start, end = said[5], said[4]
    assert isinstance(start, int)
    assert isinstance(end, int)
    bounds = with_booking(booking=(1 << 53) - 1, revision=(1 << 32) - 1, flags=(1 << 32) - 1, grace=[0, end - start])
    wide = []
    for role in ("agent", "technician", "emergency", "backend"):
        over, now = straddling(role, TOLERANCE[role])
        wide.append(taken(f"{role}: reaches over the end, as wide as may be", over, now=now))
    driver, now = straddling("driver", 901)
    begin = [start - 501, start + 400]
    later = claims(window(NOW, NOW + HOUR))
    return [
        taken("at nbf", said, now=[start, start]),
        taken("at exp", said, now=[end, end]),
        taken("a whole window wide", said, now=[start, end]),
        taken("perhaps before nbf", said, now=[start - 2, start + 2]),
        taken("perhaps after exp", said, now=[end - 2, end + 2]),
        *wide,
        taken("R18 driver: reaches over the end and is a second too wide", driver, UNSURE, now=now),
        taken("R18 driver: reaches over the beginning and is a second too wide", said, UNSURE, now=begin),
        taken("R18 driver without a clock", said, UNSURE, now=[NOW - HOUR, None]),
        taken("R18 driver, begins a day after the floor", later, UNSURE, now=[NOW - DAY, None]),
        taken("key in its last second", said, issuer=OLD, now=[NOW, NOW + 4]),
        taken("key perhaps in its first second", said, issuer=NEXT, now=[NOW, NOW + 4]),
        taken("key perhaps begun, and no end of the interval", said, UNSURE, issuer=NEXT, now=[NOW - 9, None]),
        taken("the largest numbers", bounds),
        taken("operator id of 1 byte", {**said, 1: "p"}, operator="p"),
        taken("operator id of 64 bytes", {**said, 1: "é" * 32}, operator="é" * 32),
        taken("from the year 1970 on", {**said, 6: 0}),
    ]


def _accepted_open() -> list[Case]:
    """R5 and D20: no time refuses who drives; away from a station nothing else does either."""
    said = claims()
    agent = claims(role="agent", actions=EVERY_ACTION)
    technician = claims(role="technician", actions=EVERY_ACTION)
    late: dict[str, Any] = {"now": [NOW + 30 * DAY, NOW + 30 * DAY + 4], "open_booking": 42}
    everything: dict[str, Any] = {"revoked": [revoked_token(), ISSUER.kid.hex()], "superseded": {"42": 4}}
    return [
        taken("R5 a month late", said, AFTER, **late),
        taken("R5 a month late, at a station", said, AFTER, at_station=True, **late),
        taken("R5 agent a month late: a driver's rights", agent, AFTER, **late),
        taken("R5 technician a month late: a driver's rights", technician, AFTER, **late),
        taken("R5 agent without a clock: a driver's rights", agent, UNSURE, now=[NOW, None], open_booking=42),
        taken("R5 the clock was set back before the window", said, UNSURE, now=[NOW - DAY, NOW - DAY], open_booking=42),
        taken("R5 no clock, begins long after the floor", said, UNSURE, now=[NOW - 9 * DAY, None], open_booking=42),
        taken("R5 the key has ended: a driver's rights", agent, issuer=OLD, cut=True, now=[NOW + 1, NOW + 5],
              open_booking=42),
        taken("R5 the key set expired more than 90 days ago", said, trust="expired 90 days and a second ago",
              open_booking=42),
        taken("D20 revoked and superseded, away from a station", said, open_booking=42, **everything),
        taken("D20 agent, revoked, away from a station: all its rights", agent, open_booking=42, **everything),
        taken("R6 another holder's token of the open booking", claims(badge=None, holder=PHONE), AFTER, **late),
        taken("the booking is open, inside its window", agent, open_booking=42),
    ]  # fmt: skip
