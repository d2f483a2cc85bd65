"""Tokens that meet an old revocation list, well signed and in their time (docs/keyless.md section 2.1)."""

from __future__ import annotations

from .token_shapes import case
from .world import DAY, NOW, Case, accepted, claims, refused, revoked_token, signed, window


def cases() -> list[Case]:
    """The list of those who need a fresh one: seven days, to the second, and by the earliest that now may be."""
    code, week = refused("stale_list"), NOW - 7 * DAY
    agent, technician = (signed(claims(role=role)) for role in ("agent", "technician"))
    unsure, later = [NOW - 1, NOW + 4], {"list_iat": week - 4, "now": [NOW - 3, NOW]}
    barred = [
        case("agent, the list is 7 days and a second old", agent, code, list_iat=week - 1),
        case("technician, the same", technician, code, list_iat=week - 1),
        case("agent, a list of 1970", agent, code, list_iat=0),
        case("technician, a time from before the program was started again", technician, code, list_iat=week - 1,
             source="holdover"),
        case("agent, an agent's other booking is open", agent, code, list_iat=week - 1, open_booking=7),
        case("agent, at a station", agent, code, list_iat=week - 1, at_station=True),
        case("agent, by the earliest that now may be", agent, code, **later),
    ]  # fmt: skip
    order = [
        case("order: an old list, and revoked", agent, refused("revoked"), list_iat=0, revoked=[revoked_token()]),
        case("order: an old list, and over", agent, refused("expired"), list_iat=0, now=[NOW + DAY, NOW + DAY]),
        case("order: an old list, and no clock", agent, refused("clock_unsure"), list_iat=0, now=[NOW, None]),
    ]
    driver = claims()
    taken = [
        case("agent, the list is 7 days old", agent, accepted(claims(role="agent")), list_iat=week),
        case("agent, perhaps a second more", agent, accepted(claims(role="agent")), list_iat=week - 1, now=unsure),
        case("agent, an old list, but the time is signed", agent, accepted(claims(role="agent")), list_iat=0,
             source="signed"),
        case("technician, an old list, but the time is signed", technician, accepted(claims(role="technician")),
             list_iat=0, source="signed"),
        case("R5 agent, an old list, and the booking is open: a driver's rights", agent,
             accepted(claims(role="agent"), drivers_rights=True), list_iat=0, open_booking=42),
        case("driver, a list of 1970", signed(driver), accepted(driver), list_iat=0),
        *(case(f"{role}, a list of 1970", signed(said), accepted(said), list_iat=0)
          for role, said in (("emergency", claims(window(NOW - 900, NOW + 900, role="emergency"))),
                             ("backend", claims(role="backend")))),
    ]  # fmt: skip
    return [*barred, *order, *taken]
