"""Why not: one code for each step of the verification, in its order. The words for people live with the callers."""

from __future__ import annotations

from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING

from msgspec import Struct, field

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .claims import Claims

NOTHING: Mapping[str, object] = MappingProxyType({})


class Code(StrEnum):
    """In the order in which the steps are taken; an object that fails several gets the first one."""

    TOO_BIG = "too_big"
    MALFORMED = "malformed"
    ALG = "alg"
    UNKNOWN_KEY = "unknown_key"
    SIGNATURE = "signature"
    WRONG_VEHICLE = "wrong_vehicle"
    ISSUER_ROLE = "issuer_role"
    REVOKED = "revoked"
    SUPERSEDED = "superseded"
    CLOCK_UNSURE = "clock_unsure"
    TOO_EARLY = "too_early"
    EXPIRED = "expired"
    STALE_LIST = "stale_list"
    HOLDER = "holder"
    REPLAY = "replay"
    ROLE_ACTION = "role_action"
    STATE_GUARD = "state_guard"
    # Decided outside of the verifier, by the door, which knows what is stored and what is under way:
    OCCUPIED = "occupied"  # another booking is open (R7)
    NOT_STORED = "not_stored"  # a badge that no stored booking names
    CODE = "code"  # a wrong keypad code, or a keypad that is locked for a while (R11)
    STORE_BROKEN = "store_broken"  # remote commands wait until intents can be written (D14)


class Refusal(Struct, frozen=True):
    """detail: JSON-able, at least "why" where the code alone does not say it; never secret, never believed.

    claims: what the object says of itself, once its signature has verified; `None` before. Good for records and for
    raising the clock's floor by `claims.iat`, never for acting.
    """

    code: Code
    detail: Mapping[str, object] = field(default_factory=lambda: NOTHING)
    claims: Claims | None = None


def refused(code: Code, why: str = "", claims: Claims | None = None, **more: object) -> Refusal:
    """A `Refusal` with its reason in plain words for the log."""
    return Refusal(code, {"why": why, **more} if why else more, claims)
