"""The values of the access story. `Claims` are what a token says, a `Booking` is believed. Nothing verifies here."""

from __future__ import annotations

import hashlib
from enum import IntEnum, IntFlag
from typing import Final

from msgspec import Struct


class Interval(Struct, frozen=True):
    """Now, as a span: seconds since 1970 UTC, both ends included. hi_s: `None` when nothing bounds it.

    source: "signed", "gnss", "holdover" or "none".
    """

    lo_s: float
    hi_s: float | None
    source: str


class Role(IntEnum):
    DRIVER = 1
    AGENT = 2
    TECHNICIAN = 3
    EMERGENCY = 4
    BACKEND = 5


class Action(IntFlag):
    UNLOCK = 1
    LOCK = 2
    START = 4
    END = 8
    FIND_ME = 16
    RELEASE_CABLE = 32
    READ_STATE = 64
    READ_LOGS = 128
    WRITE_CONFIG = 256
    FIRMWARE = 512
    CLEAR_FAULT = 1024
    EXTEND = 2048
    GARAGE_ON = 4096
    GARAGE_OFF = 8192
    LOCATE_THEFT = 16384
    LOCATE_ASSISTANCE = 32768
    IMMOBILISE_THEFT = 65536
    RELEASE_IMMOBILISER = 131072


class BookingKind(IntEnum):
    """The low two bits of a token's flags."""

    PRIVATE = 0
    STAFF = 1
    RELOCATION = 2
    MAINTENANCE = 3


_USE: Final = Action(1 | 2 | 4 | 8 | 16 | 32 | 64) | Action.LOCATE_ASSISTANCE
_GARAGE: Final = Action.GARAGE_ON | Action.GARAGE_OFF
_SERVICE: Final = Action.READ_LOGS | Action.WRITE_CONFIG | Action.FIRMWARE | Action.CLEAR_FAULT | _GARAGE
_LOCATE: Final = Action.LOCATE_THEFT | Action.LOCATE_ASSISTANCE  # P2: the reason is part of the right

# What a role may hold at most, whatever its token says (docs/keyless.md section 1.2): held by the car.
CEILING: Final[dict[Role, Action]] = {
    Role.DRIVER: _USE | Action.EXTEND,
    Role.AGENT: _USE | Action.LOCATE_THEFT | Action.RELEASE_IMMOBILISER,
    Role.TECHNICIAN: _USE | _SERVICE | Action.LOCATE_THEFT | Action.RELEASE_IMMOBILISER,
    Role.EMERGENCY: Action.UNLOCK,
    Role.BACKEND: Action(1 | 2 | 8 | 16 | 64) | _LOCATE | Action.IMMOBILISE_THEFT | Action.RELEASE_IMMOBILISER,
}

# Longest exp - nbf in seconds: a leaked technician token must not last for a month.
LONGEST_S: Final[dict[Role, int]] = {
    Role.DRIVER: 31 * 86_400,
    Role.AGENT: 86_400,
    Role.TECHNICIAN: 12 * 3_600,
    Role.EMERGENCY: 1_800,
    Role.BACKEND: 31 * 86_400,
}

# Widest clock interval in seconds with which a token that straddles its window is still taken.
TOLERANCE_S: Final[dict[Role, int]] = {
    Role.DRIVER: 900,
    Role.AGENT: 900,
    Role.TECHNICIAN: 3_600,
    Role.EMERGENCY: 86_400,
    Role.BACKEND: 900,
}


def derived_id(kind: bytes, value: bytes) -> bytes:
    """Eight bytes that stand for a value (D1)."""
    return hashlib.sha256(kind + value).digest()[:8]


def badge_id(uid: bytes) -> bytes:
    """What a token names instead of a badge's own number, which could be written on a blank card."""
    return derived_id(b"badge", uid)


def key_id(public: bytes) -> bytes:
    """The kid of a public key: 32 bytes Ed25519, or 33 bytes compressed P-256."""
    return derived_id(b"key", public)


class HolderKey(Struct, frozen=True):
    """public: 32 bytes Ed25519, or 33 bytes compressed P-256; the length tells which."""

    public: bytes

    @property
    def id(self) -> bytes:
        return key_id(self.public)


class BadgeId(Struct, frozen=True):
    """id: see `badge_id`."""

    id: bytes


class Claims(Struct, frozen=True):
    """What a token says, **not believed**. Times in seconds; actions as written, unknown bits and all."""

    iss: str
    aud: bytes
    exp: int
    nbf: int
    iat: int
    cti: bytes
    confirmation: HolderKey | BadgeId
    role: Role
    actions: int
    early_s: int
    late_s: int
    booking: int
    revision: int
    flags: int

    @property
    def kind(self) -> BookingKind:
        return BookingKind(self.flags & 3)

    @property
    def revocation_ids(self) -> tuple[bytes, bytes, bytes]:
        """Token, booking and holder, as a revocation list names them."""
        return token_revocation_id(self.cti), booking_revocation_id(self.booking), self.confirmation.id


def token_revocation_id(cti: bytes) -> bytes:
    return derived_id(b"token", cti)


def booking_revocation_id(booking: int) -> bytes:
    return derived_id(b"booking", booking.to_bytes(8, "big"))


class Booking(Claims, frozen=True):
    """A believed token; only `keyless.verify` makes one, and `code.py` for what a code stands for.

    actions: cut to the role's ceiling; ignored: the bits that were cut off. paid_from_s, paid_to_s: seconds, without
    grace. token: the bytes as presented. note: `None`, "clock_unsure_accepted" (R18), "after_end_open_booking" (R5),
    "just_ended" (R4), or of a code "hotline_code" or "hotline_end".
    """

    ignored: int
    paid_from_s: int
    paid_to_s: int
    token: bytes
    note: str | None = None


class Command(Struct, frozen=True):
    """A believed command. id: the backend's 16 bytes. exp: its own end in seconds."""

    id: bytes
    action: Action
    counter: int
    exp: int
