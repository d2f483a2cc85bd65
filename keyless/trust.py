"""Whom the car believes: the key set that the roots sign, and the revocation list that the issuer signs.

Files, versions on disk and alarms are the caller's; whether a token is good is decided in verify.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final

from msgspec import Struct

from . import cbor, cose
from .claims import Interval, Role, key_id
from .guest import Guest, read_guest
from .refusal import Code, Refusal, refused
from .token import TIME_BITS

MAX_KEYSET: Final = 4096
MAX_LIST: Final = 16_384
GRACE_S: Final = 90 * 86_400  # how long an expired key set still serves drivers (docs/keyless.md section 1.4)
LIST_KEY: Final = -65538
_KEYSET: Final = frozenset({1, 2, 3})
_LIST: Final = frozenset({1, 4, 6, LIST_KEY})
KEYSET_CONTEXT: Final = "Signature"
Signature = tuple[bytes, bytes]
"""kid of a root and 64 bytes."""


class IssuerKey(Struct, frozen=True):
    """key: 32 bytes Ed25519. not_before, not_after: seconds, both included. role_ceiling: bits `1 << role`.

    guest: whose it is, when it is not the operator's.
    """

    key: bytes
    not_before: int
    not_after: int
    role_ceiling: int
    guest: Guest | None = None

    def may_mint(self, role: Role) -> bool:
        return bool(self.role_ceiling >> role & 1)

    def signs_as(self, iss: str, operator: str | None) -> bool:
        """Whether it may sign in this name. operator: the car's; `None` (any) only for a person at a desk."""
        if self.guest is not None:
            return iss == self.guest.issuer and iss != operator
        return operator is None or iss == operator

    def is_backend(self, iss: str, operator: str) -> bool:
        """What the operator's backend says to a car (lists, time) no guest says."""
        return self.guest is None and iss == operator and self.may_mint(Role.BACKEND)


class KeySet(Struct, frozen=True):
    """expires: seconds. keys: by kid."""

    version: int
    expires: int
    keys: Mapping[bytes, IssuerKey]

    def expired(self, now: Interval) -> bool:
        """Certainly expired: reason for an alarm; drivers go on for `GRACE_S`."""
        return now.lo_s > self.expires

    def may_number(self, key: IssuerKey, booking: int) -> bool:
        """Whether a booking of this number is that issuer's to give. Number 0, no booking, is the operator's."""
        guests = {one.guest.issuer for one in self.keys.values() if one.guest is not None and one.guest.owns(booking)}
        return guests == (set() if key.guest is None else {key.guest.issuer})


class Revocations(Struct, frozen=True):
    """sequence: never falls. expires: when the list is old; it goes on revoking. ids: docs/keyless.md section 1.1."""

    sequence: int
    expires: int
    iat: int
    ids: frozenset[bytes]


class Trust(Struct, frozen=True):
    """What is burned in at install. roots: Ed25519 public keys, 32 bytes each; threshold of them must have signed."""

    roots: tuple[bytes, ...]
    threshold: int = 2

    def read(self, data: bytes, *, min_version: int = 0) -> KeySet | Refusal:
        return read_keyset(data, self.roots, self.threshold, min_version=min_version)


def read_keyset(
    data: bytes, roots: tuple[bytes, ...] | list[bytes], threshold: int, *, min_version: int = 0
) -> KeySet | Refusal:
    """The key set, or `too_big`, `malformed`, `signature` (fewer roots than the threshold), `superseded` (old version).

    Raises `ValueError` for a threshold below 1: that is a mistake of the caller's, and would believe anybody.
    """
    if threshold < 1:
        raise ValueError("threshold below 1 would believe anybody")
    outer = _read_outer(data)
    if isinstance(outer, Refusal):
        return outer
    payload, signatures = outer
    good = good_signatures(roots, signatures, cose.to_be_signed(b"", payload, context=KEYSET_CONTEXT))
    if len(good) < threshold:
        return refused(Code.SIGNATURE, f"{len(good)} good root signatures, {threshold} needed")
    keyset = _read_keys(payload)
    if isinstance(keyset, KeySet) and keyset.version < min_version:
        return refused(Code.SUPERSEDED, f"version {keyset.version}, seen {min_version}")
    return keyset


def read_keyset_unverified(data: bytes) -> KeySet | Refusal:
    """The same with **no** signature checked: for a person at a desk who trusts the file itself, never for a car."""
    outer = _read_outer(data)
    return outer if isinstance(outer, Refusal) else _read_keys(outer[0])


def _read_outer(data: bytes) -> tuple[bytes, list[Signature]] | Refusal:
    if len(data) > MAX_KEYSET:
        return refused(Code.TOO_BIG, f"{len(data)} bytes, at most {MAX_KEYSET}")
    value = cbor.decode(data)
    if isinstance(value, Refusal):
        return value
    match value:
        case [bytes() as payload, list() as entries]:
            signatures = read_signatures(entries)
        case _:
            return refused(Code.MALFORMED, "not [payload, signatures]")
    if signatures is None:
        return refused(Code.MALFORMED, "a signature is not [kid, 64 bytes]")
    return payload, signatures


def read_signatures(entries: list[object]) -> list[Signature] | None:
    """`None` when one of them is not [kid, 64 bytes]."""
    found = [entry for entry in map(_read_signature, entries) if entry is not None]
    return found if len(found) == len(entries) else None


def good_signatures(roots: Iterable[bytes], signatures: Iterable[Signature], message: bytes) -> set[bytes]:
    """The kids of those roots that signed this message; others, and what does not verify, are passed over."""
    by_kid = {key_id(root): root for root in roots}
    return {
        kid
        for kid, signature in signatures
        if kid in by_kid and cose.verifies(by_kid[kid], cose.ED25519, signature, message)
    }


def _read_signature(value: object) -> Signature | None:
    match value:
        case [kid, signature] if cbor.is_bytes(kid, 8) and cbor.is_bytes(signature, 64):
            return kid, signature
        case _:
            return None


def _read_keys(payload: bytes) -> KeySet | Refusal:
    value = cbor.decode(payload)
    if isinstance(value, Refusal):
        return value
    if not cbor.has_keys(value, _KEYSET):
        return refused(Code.MALFORMED, "not the map of a key set")
    version, expires, entries = value[1], value[2], value[3]
    if not cbor.is_uint(version, 32) or not cbor.is_uint(expires, TIME_BITS) or not isinstance(entries, list):
        return refused(Code.MALFORMED, "version, expiry or keys are not what they should be")
    keys: dict[bytes, IssuerKey] = {}
    for entry in entries:
        read = _read_key(entry)
        if read is None or read[0] in keys:
            return refused(Code.MALFORMED, "a key is not as docs/keyless.md section 1.4 says, or is there twice")
        keys[read[0]] = read[1]
    return KeySet(version, expires, MappingProxyType(keys))


def _read_key(entry: object) -> tuple[bytes, IssuerKey] | None:
    if not isinstance(entry, list) or len(entry) not in (5, 6):
        return None
    kid, key, start, end, roles, *more = entry
    guest = read_guest(more[0]) if more else None
    if more and guest is None:
        return None
    if not cbor.is_bytes(key, 32) or kid != key_id(key):
        return None
    if not (cbor.is_uint(start, TIME_BITS) and cbor.is_uint(end, TIME_BITS) and cbor.is_uint(roles, 8)):
        return None
    return kid, IssuerKey(key, start, end, roles, guest)


def issuer_key(outer: cose.Sign1, keyset: KeySet) -> IssuerKey | Refusal:
    """Whose signature it should be: `alg`, `unknown_key`. Whether it is, and whether the key is in force, is next."""
    if outer.alg not in cose.ISSUER_ALGS:
        return refused(Code.ALG, f"alg {outer.alg}")
    key = keyset.keys.get(outer.kid)
    return refused(Code.UNKNOWN_KEY, f"kid {outer.kid.hex()}") if key is None else key


def key_is_stale(keyset: KeySet, key: IssuerKey, now: Interval) -> bool:
    """Certainly outside the key's validity, or past what an expired key set serves. Doubt is left to the window."""
    early = now.hi_s is not None and now.hi_s < key.not_before
    return early or now.lo_s > key.not_after or now.lo_s > keyset.expires + GRACE_S


def read_revocations(
    data: bytes,
    keyset: KeySet,
    *,
    operator: str,
    now: Interval,
    min_sequence: int = 0,
    accepted_before: bool = False,
) -> Revocations | Refusal:
    """The list, or the first of `too_big malformed alg unknown_key signature malformed issuer_role superseded`.

    An old list, past its own end, is returned all the same: doubt must not revive what was revoked. accepted_before:
    this box accepted the list when its key was in force; that key may be out of date by now.
    """
    outer = cose.read_sign1(data, limit=MAX_LIST, with_kid=True)
    if isinstance(outer, Refusal):
        return outer
    key = issuer_key(outer, keyset)
    if isinstance(key, Refusal):
        return key
    if not accepted_before and key_is_stale(keyset, key, now):
        return refused(Code.UNKNOWN_KEY, f"kid {outer.kid.hex()}")
    if not outer.is_by(key.key):
        return refused(Code.SIGNATURE)
    read = _read_list(outer.payload)
    if isinstance(read, Refusal):
        return read
    iss, revocations = read
    if not key.is_backend(iss, operator):
        return refused(Code.ISSUER_ROLE, "not this operator's, or its key may not act as the backend")
    if revocations.sequence < min_sequence:
        return refused(Code.SUPERSEDED, f"sequence {revocations.sequence}, seen {min_sequence}")
    return revocations


def _read_list(payload: bytes) -> tuple[str, Revocations] | Refusal:
    value = cbor.decode(payload)
    if isinstance(value, Refusal):
        return value
    if not cbor.has_keys(value, _LIST):
        return refused(Code.MALFORMED, "not the map of a revocation list")
    iss, exp, iat, entry = value[1], value[4], value[6], value[LIST_KEY]
    match entry:
        case [sequence, bytes() as ids] if cbor.is_uint(sequence, 53) and len(ids) % 8 == 0:
            pass
        case _:
            return refused(Code.MALFORMED, "not [sequence, ids]")
    if not isinstance(iss, str) or not cbor.is_uint(exp, TIME_BITS) or not cbor.is_uint(iat, TIME_BITS):
        return refused(Code.MALFORMED, "iss, exp or iat is not what it should be")
    return iss, Revocations(sequence, exp, iat, frozenset(ids[at : at + 8] for at in range(0, len(ids), 8)))
