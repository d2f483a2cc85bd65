"""The payloads of a token and of a command: bytes to values and back. Signatures are checked before this is called."""

from __future__ import annotations

import hashlib
from typing import Final

from . import cbor
from .claims import Action, BadgeId, Claims, Command, HolderKey, Role
from .refusal import Code, Refusal, refused

MAX_TOKEN: Final = 1024
MAX_COMMAND: Final = 512
MAX_REMOTE: Final = 2048

BOOKING_KEY: Final = -65537
_CLAIMS: Final = frozenset({1, 3, 4, 5, 6, 7, 8, BOOKING_KEY})
_BOOKING: Final = frozenset({1, 2, 3, 4, 5, 6})
_COMMAND: Final = frozenset({1, 2, 3, 4, 5})
_CNF_KEY: Final = frozenset({1})
_CNF_BADGE: Final = frozenset({3})
_EC2: Final = frozenset({1, -1, -2, -3})
_OKP: Final = frozenset({1, -1, -2})
_ACTIONS: Final = frozenset(map(int, Action))
_ROLES: Final = frozenset(map(int, Role))
TIME_BITS: Final = 40  # seconds until the year 36812: enough, and exact in every language's numbers
_NUMBER_BITS: Final = 53


def token_hash(token: bytes) -> bytes:
    """What a command names its token by: 16 bytes."""
    return hashlib.sha256(token).digest()[:16]


def write_claims(claims: Claims) -> bytes:
    """The payload as it is signed."""
    return cbor.encode(
        {
            1: claims.iss,
            3: claims.aud,
            4: claims.exp,
            5: claims.nbf,
            6: claims.iat,
            7: claims.cti,
            8: _write_confirmation(claims.confirmation),
            BOOKING_KEY: {
                1: int(claims.role),
                2: int(claims.actions),
                3: [claims.early_s, claims.late_s],
                4: claims.booking,
                5: claims.revision,
                6: claims.flags,
            },
        }
    )


def _write_confirmation(holder: HolderKey | BadgeId) -> object:
    if isinstance(holder, BadgeId):
        return {3: holder.id}
    if len(holder.public) == 32:
        return {1: {1: 1, -1: 6, -2: holder.public}}
    return {1: {1: 2, -1: 1, -2: holder.public[1:], -3: holder.public[0] == 3}}


def read_claims(payload: bytes) -> Claims | Refusal:
    """Claims with every type and bound checked, or `malformed`. Nothing is compared with the car or the clock here."""
    value = cbor.decode(payload)
    if isinstance(value, Refusal):
        return value
    if not cbor.has_keys(value, _CLAIMS):
        return refused(Code.MALFORMED, "claims are not exactly those of a booking token")
    iss, aud, cti = value[1], value[3], value[7]
    exp, nbf, iat = value[4], value[5], value[6]
    holder = _read_confirmation(value[8])
    if not isinstance(iss, str) or not 1 <= len(iss.encode()) <= 64:
        return refused(Code.MALFORMED, "iss is not a text of 1 to 64 bytes")
    if not cbor.is_bytes(aud, 8) or not cbor.is_bytes(cti, 16):
        return refused(Code.MALFORMED, "aud is not 8 bytes or cti is not 16")
    if not (cbor.is_uint(exp, TIME_BITS) and cbor.is_uint(nbf, TIME_BITS) and cbor.is_uint(iat, TIME_BITS)):
        return refused(Code.MALFORMED, "exp, nbf or iat is not a time")
    if holder is None:
        return refused(Code.MALFORMED, "cnf is neither a compressed P-256 key, an Ed25519 key nor a badge id")
    terms = _read_booking(value[BOOKING_KEY])
    if terms is None:
        return refused(Code.MALFORMED, "the booking map is not as it should be")
    role, actions, early, late, booking, revision, flags = terms
    if nbf >= exp or early + late > exp - nbf:
        return refused(Code.MALFORMED, "the window is turned round")
    return Claims(iss, aud, exp, nbf, iat, cti, holder, role, actions, early, late, booking, revision, flags)


def _read_booking(value: object) -> tuple[Role, int, int, int, int, int, int] | None:
    """Role, action bits, early s, late s, booking number, revision, flags."""
    if not cbor.has_keys(value, _BOOKING):
        return None
    role, actions, grace, booking, revision, flags = (value[key] for key in (1, 2, 3, 4, 5, 6))
    if not cbor.is_uint(role, 8) or role not in _ROLES or not isinstance(grace, list) or len(grace) != 2:
        return None
    early, late = grace
    if not (cbor.is_uint(early, TIME_BITS) and cbor.is_uint(late, TIME_BITS)):
        return None
    if not (cbor.is_uint(actions, 32) and cbor.is_uint(booking, _NUMBER_BITS)):
        return None
    if not (cbor.is_uint(revision, 32) and cbor.is_uint(flags, 32)):
        return None
    return Role(role), actions, early, late, booking, revision, flags


def _read_confirmation(value: object) -> HolderKey | BadgeId | None:
    if cbor.has_keys(value, _CNF_BADGE):
        badge = value[3]
        return BadgeId(badge) if cbor.is_bytes(badge, 8) else None
    if not cbor.has_keys(value, _CNF_KEY):
        return None
    key = value[1]
    if cbor.has_keys(key, _OKP) and cbor.encode([key[1], key[-1]]) == b"\x82\x01\x06":
        x = key[-2]
        return HolderKey(x) if cbor.is_bytes(x, 32) else None
    if cbor.has_keys(key, _EC2) and cbor.encode([key[1], key[-1]]) == b"\x82\x02\x01":
        x, odd = key[-2], key[-3]
        if cbor.is_bytes(x, 32) and isinstance(odd, bool):
            return HolderKey((b"\x03" if odd else b"\x02") + x)
    return None


def write_command(token: bytes, command: Command) -> bytes:
    """The payload as the holder signs it."""
    return cbor.encode(
        {1: token_hash(token), 2: command.id, 3: int(command.action), 4: command.counter, 5: command.exp}
    )


def read_command(payload: bytes, token: bytes) -> Command | Refusal:
    """`malformed`, or `holder` when it is bound to another token."""
    value = cbor.decode(payload)
    if isinstance(value, Refusal):
        return value
    if not cbor.has_keys(value, _COMMAND):
        return refused(Code.MALFORMED, "not the map of a command")
    bound, name, action, counter, exp = (value[key] for key in (1, 2, 3, 4, 5))
    if not cbor.is_bytes(bound, 16) or not cbor.is_bytes(name, 16):
        return refused(Code.MALFORMED, "token hash or id is not 16 bytes")
    if not cbor.is_uint(action, 32) or action not in _ACTIONS:
        return refused(Code.MALFORMED, "not exactly one known action")
    if not cbor.is_uint(counter, 63) or counter == 0 or not cbor.is_uint(exp, TIME_BITS):
        return refused(Code.MALFORMED, "counter or exp is out of bounds")
    if bound != token_hash(token):
        return refused(Code.HOLDER, "bound to another token")
    return Command(name, Action(action), counter, exp)


def read_remote(data: bytes) -> tuple[bytes, bytes] | Refusal:
    """The message of `down/cmd`: token and command as bytes, both still unread."""
    if len(data) > MAX_REMOTE:
        return refused(Code.TOO_BIG, f"{len(data)} bytes, at most {MAX_REMOTE}")
    value = cbor.decode(data)
    match value:
        case Refusal():
            return value
        case [bytes() as token, bytes() as command]:
            return token, command
        case _:
            return refused(Code.MALFORMED, "not [token, command]")
