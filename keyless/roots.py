"""A change of the roots: the new set, signed by the threshold of the old ones **and** of its own.

So no single root decides alone, and no set comes into force that nobody holds. Whoever holds the threshold of the roots
in force decides: one that is lost or stolen has to be replaced before the next one is. What is not here: which roots a
box has now, and keeping the chain (`agent/run/`).
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from . import cbor, cose
from .claims import key_id
from .refusal import Code, Refusal, refused
from .trust import Trust, good_signatures, read_signatures

MAX_ROOTSET: Final = 2048
MOST_ROOTS: Final = 8
ROOTS_CONTEXT: Final = "Roots"  # neither a key set's "Signature" nor a token's "Signature1"
_SET: Final = frozenset({1, 2, 3})


class RootSet(Struct, frozen=True):
    """version: rises with each change; the roots given at install are 0."""

    version: int
    trust: Trust


def read_rootset(data: bytes, now: Trust, *, version: int) -> RootSet | Refusal:
    """The new roots, or the first of `too_big malformed signature malformed superseded`.

    now: the roots in force, of this version. Only the next version follows, so that none of a chain is left out, and
    none comes back. A set that needs fewer signatures than the one in force is `issuer_role`: it would weaken it.
    """
    if len(data) > MAX_ROOTSET:
        return refused(Code.TOO_BIG, f"{len(data)} bytes, at most {MAX_ROOTSET}")
    value = cbor.decode(data)
    if isinstance(value, Refusal):
        return value
    match value:
        case [bytes() as payload, list() as by_old, list() as by_new]:
            old, new = read_signatures(by_old), read_signatures(by_new)
        case _:
            return refused(Code.MALFORMED, "not [payload, signatures of the old roots, signatures of the new ones]")
    if old is None or new is None:
        return refused(Code.MALFORMED, "a signature is not [kid, 64 bytes]")
    message = cose.to_be_signed(b"", payload, context=ROOTS_CONTEXT)
    if len(good_signatures(now.roots, old, message)) < now.threshold:
        return refused(Code.SIGNATURE, f"fewer than {now.threshold} of the roots in force signed")
    found = _read_set(payload)
    if isinstance(found, Refusal):
        return found
    if len(good_signatures(found.trust.roots, new, message)) < found.trust.threshold:
        return refused(Code.SIGNATURE, f"fewer than {found.trust.threshold} of the new roots signed")
    if found.trust.threshold < now.threshold:
        return refused(Code.ISSUER_ROLE, f"asks for {found.trust.threshold} signatures, now {now.threshold} are needed")
    if found.version != version + 1:
        return refused(Code.SUPERSEDED, f"version {found.version}, {version + 1} is next")
    return found


def write_rootset(version: int, trust: Trust) -> bytes:
    """The payload as it is signed."""
    return cbor.encode({1: version, 2: trust.threshold, 3: list(trust.roots)})


def _read_set(payload: bytes) -> RootSet | Refusal:
    value = cbor.decode(payload)
    if isinstance(value, Refusal):
        return value
    if not cbor.has_keys(value, _SET):
        return refused(Code.MALFORMED, "not the map of a set of roots")
    version, threshold, roots = value[1], value[2], value[3]
    if not cbor.is_uint(version, 32) or not cbor.is_uint(threshold, 8) or not isinstance(roots, list):
        return refused(Code.MALFORMED, "version, threshold or roots are not what they should be")
    whole = tuple(root for root in roots if cbor.is_bytes(root, 32))
    if len(whole) != len(roots) or len({key_id(root) for root in whole}) != len(whole) or len(whole) > MOST_ROOTS:
        return refused(Code.MALFORMED, f"the roots are not at most {MOST_ROOTS} different keys of 32 bytes")
    if not 1 <= threshold <= len(whole):
        return refused(Code.MALFORMED, f"{threshold} of {len(whole)} roots can never sign")
    return RootSet(version, Trust(whole, threshold))
