"""What the oracle of the machine speaks of: permits, car and clock at a moment, keys, orders, what must come of it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import Enum

from tests.life_guests import Calendar


class Verdict(Enum):
    MUST = "must"
    MUST_NOT = "must not"
    FREE = "free"


def short(kind: bytes, value: bytes) -> bytes:
    return hashlib.sha256(kind + value).digest()[:8]


@dataclass(eq=False)
class Permit:
    """One token as its issuer meant it. holder: a badge's or a phone's name. sound: nothing of it was forged.

    stored: whether the car has it: "yes", "no", or "maybe" where the power went meanwhile, or it may be erased by now.
    used: the highest counter that a command of it has surely used up; shown: the highest that was ever sent; near_used,
    near_shown: the same of those beside the car. early, late: its grace, seconds. spent: whether an
    emergency's one unlock is used up: "yes", "no", "maybe".
    """

    token: bytes
    iss: str
    number: int
    role: int
    holder: str
    kid: bytes
    nbf: int
    exp: int
    paid_from: int
    paid_to: int
    revision: int
    iat: int
    rights: int
    ids: frozenset[bytes]
    sound: bool
    early: int = 0
    late: int = 0
    stored: str = "no"
    used: int = 0
    shown: int = 0
    near_used: int = 0
    near_shown: int = 0
    spent: str = "no"


@dataclass(frozen=True)
class Look:
    """The car and its clock at one moment. hi_s: `None` without an end. place: at a station, away, or not known.
    just_ended: whose booking ended in the last ten minutes, none having begun since.
    """

    lo_s: float
    hi_s: float | None
    place: bool | None
    doors_open: bool | None
    moving: bool
    locked: bool | None
    source: str = "gnss"
    just_ended: int | None = None


@dataclass(frozen=True)
class Key:
    """calendar: of the second issuer's."""

    not_after: int
    roles: frozenset[int]
    calendar: Calendar | None = None


@dataclass(frozen=True)
class Order:
    """A remote command. by: the phone that signed it. known: whether its id has had an answer."""

    action: int
    counter: int
    exp: int
    by: str
    known: bool
