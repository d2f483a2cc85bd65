"""The operator's side of the signed objects: booking tokens, commands, key sets; written by the bench's own encoder.

What is not here: anything that reads or judges them. That is the box's work, and the box's code is not used here.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from .cbor import Tag, Value, encode

ED25519: Final = -19  # RFC 9864, fully specified
ESP256: Final = -9  # RFC 9864
BOOKING_CLAIM: Final = -65537  # private-use range, RFC 8392

ROLES: Final = {"driver": 1, "agent": 2, "technician": 3, "emergency": 4, "backend": 5}
ACTIONS: Final = {
    "unlock": 1,
    "lock": 2,
    "start": 4,
    "end": 8,
    "find": 16,
    "release_cable": 32,
    "read_state": 64,
    "read_logs": 128,
    "write_config": 256,
    "firmware": 512,
    "clear_fault": 1024,
    "extend": 2048,
    "garage_on": 4096,
    "garage_off": 8192,
    "locate_theft": 16384,
    "locate_assistance": 32768,
    "immobilise_theft": 65536,
    "release_immobiliser": 131072,
}
LOCATE_ACTIONS: Final = ACTIONS["locate_theft"] | ACTIONS["locate_assistance"]
IMMOBILISER_ACTIONS: Final = ACTIONS["immobilise_theft"] | ACTIONS["release_immobiliser"]
BACKEND_ACTIONS: Final = (
    ACTIONS["unlock"] | ACTIONS["lock"] | ACTIONS["end"] | ACTIONS["find"] | ACTIONS["read_state"] | LOCATE_ACTIONS
    | IMMOBILISER_ACTIONS
)
KINDS: Final = {"private": 0, "staff": 1, "relocation": 2, "maintenance": 3}  # the low two bits of flags
REVOCATION_CLAIM: Final = -65538
TECHNICIAN_ACTIONS: Final = ACTIONS["garage_on"] | ACTIONS["garage_off"]
DRIVER_ACTIONS: Final = ACTIONS["unlock"] | ACTIONS["lock"] | ACTIONS["start"] | ACTIONS["end"]


def derived(kind: bytes, value: bytes) -> bytes:
    """An id of 8 bytes: SHA-256(kind | value)[:8] (D1)."""
    return hashlib.sha256(kind + value).digest()[:8]


def badge_id(uid: bytes) -> bytes:
    """The credential id of a badge, so that a token never carries the badge's own number."""
    return derived(b"badge", uid)


def raw_public(key: Ed25519PrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)


def sign1(key: Ed25519PrivateKey | ec.EllipticCurvePrivateKey, payload: bytes, kid: bytes | None = None) -> bytes:
    """COSE_Sign1 (RFC 9052 section 4.2), tagged 18, unprotected header empty."""
    header: dict[int, Value] = {1: ED25519 if isinstance(key, Ed25519PrivateKey) else ESP256}
    if kid is not None:
        header[4] = kid
    protected = encode(header)
    return encode(Tag(18, [protected, {}, payload, signature(key, protected, payload)]))


def signature(
    key: Ed25519PrivateKey | ec.EllipticCurvePrivateKey, protected: bytes, payload: bytes, context: str = "Signature1"
) -> bytes:
    """64 bytes over what RFC 9052 section 4.4 says; P-256 as r | s, by RFC 6979: same input, same bytes."""
    signed = encode([context, protected, b"", payload])
    if isinstance(key, Ed25519PrivateKey):
        return key.sign(signed)
    r, s = decode_dss_signature(key.sign(signed, ec.ECDSA(hashes.SHA256(), deterministic_signing=True)))
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def compressed(key: ec.EllipticCurvePrivateKey) -> dict[int, Value]:
    """COSE_Key of a P-256 public key with a compressed point: y is its sign bit (RFC 9053 section 7.1.1)."""
    numbers = key.public_key().public_numbers()
    return {1: 2, -1: 1, -2: numbers.x.to_bytes(32, "big"), -3: bool(numbers.y & 1)}


@dataclass(frozen=True, slots=True)
class Order:
    """What an operator sells. Times: seconds since 1970; start_s to end_s is what is paid, the grace lies around it.

    badge: the card's own bytes; holder: a P-256 key instead of a badge. kind: a key of `KINDS`, role: a key of `ROLES`.
    """

    vehicle: bytes
    booking: int
    start_s: int
    end_s: int
    issued_s: int
    badge: bytes | None = None
    holder: ec.EllipticCurvePrivateKey | None = None
    kind: str = "private"
    role: str = "driver"
    actions: int = DRIVER_ACTIONS
    early_s: int = 900
    late_s: int = 1800
    revision: int = 1
    token_id: bytes = field(default_factory=lambda: secrets.token_bytes(16))

    def claims(self, operator: str) -> dict[int, Value]:
        """The canonical CWT map; nbf and exp are the outer bounds, grace included."""
        confirmation: dict[int, Value]
        if self.badge is not None:
            confirmation = {3: badge_id(self.badge)}
        elif self.holder is not None:
            confirmation = {1: compressed(self.holder)}
        else:
            raise ValueError("an order needs a badge or a holder key")
        booking: dict[int, Value] = {
            1: ROLES[self.role],
            2: self.actions,
            3: [self.early_s, self.late_s],
            4: self.booking,
            5: self.revision,
            6: KINDS[self.kind],
        }
        return {
            1: operator,
            3: self.vehicle,
            4: self.end_s + self.late_s,
            5: self.start_s - self.early_s,
            6: self.issued_s,
            7: self.token_id,
            8: confirmation,
            BOOKING_CLAIM: booking,
        }


@dataclass(frozen=True, slots=True)
class Issuer:
    """The booking server's key, under the operator's id."""

    operator: str
    key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)

    @property
    def public(self) -> bytes:
        return raw_public(self.key)

    @property
    def kid(self) -> bytes:
        return derived(b"key", self.public)

    def token(self, order: Order) -> bytes:
        return sign1(self.key, encode(order.claims(self.operator)), self.kid)


def command(
    holder: ec.EllipticCurvePrivateKey, token: bytes, action: str, counter: int, expires_s: int, ident: bytes
) -> bytes:
    """The payload of `down/cmd`: CBOR [token, command]; the nonce field carries the backend's 16-byte id (D12)."""
    return encode([token, bare_command(holder, token, action, counter, expires_s, ident)])


def bare_command(
    holder: ec.EllipticCurvePrivateKey, token: bytes, action: str, counter: int, expires_s: int, ident: bytes
) -> bytes:
    """The command without its token, as a phone writes it."""
    body: dict[int, Value] = {
        1: hashlib.sha256(token).digest()[:16],
        2: ident,
        3: ACTIONS[action],
        4: counter,
        5: expires_s,
    }
    return sign1(holder, encode(body))


def revocations(issuer: Issuer, sequence: int, ids: Sequence[bytes], issued_s: int, expires_s: int) -> bytes:
    """A revocation list. ids: 8 bytes each, made by `derived` with b"token" or b"booking", or a kid or badge id."""
    payload: dict[int, Value] = {
        1: issuer.operator,
        4: expires_s,
        6: issued_s,
        REVOCATION_CLAIM: [sequence, b"".join(ids)],
    }
    return sign1(issuer.key, encode(payload), issuer.kid)


@dataclass(frozen=True, slots=True)
class Roots:
    """The operator's offline keys; a threshold of them signs a key set."""

    keys: tuple[Ed25519PrivateKey, ...]
    threshold: int = 2

    @classmethod
    def fresh(cls, count: int = 3, threshold: int = 2) -> Roots:
        return cls(tuple(Ed25519PrivateKey.generate() for _ in range(count)), threshold)

    @property
    def public(self) -> list[str]:
        """As the settings want them: 64 hex digits each."""
        return [raw_public(key).hex() for key in self.keys]


def rootset(old: Roots, new: Roots, version: int) -> bytes:
    """A change of the roots, signed by exactly the threshold of both."""
    keys: list[Value] = [raw_public(key) for key in new.keys]
    payload = encode({1: version, 2: new.threshold, 3: keys})
    return encode([payload, *(root_signatures(it.keys[: it.threshold], payload, "Roots") for it in (old, new))])


def root_signatures(keys: Iterable[Ed25519PrivateKey], payload: bytes, context: str) -> list[Value]:
    return [[derived(b"key", raw_public(key)), signature(key, b"", payload, context=context)] for key in keys]


def keyset(
    roots: Roots, issuers: Sequence[tuple[Issuer, Sequence[str]]], version: int, not_before_s: int, expires_s: int
) -> bytes:
    """A key set in the file's form, signed by exactly the threshold. issuers: each with the roles it may mint."""
    keys: list[Value] = [
        [issuer.kid, issuer.public, not_before_s, expires_s, sum(1 << ROLES[role] for role in roles)]
        for issuer, roles in issuers
    ]
    payload = encode({1: version, 2: expires_s, 3: keys})
    return encode([payload, root_signatures(roots.keys[: roots.threshold], payload, "Signature")])
