"""The issuer's side: tokens, commands, key sets, revocation lists and signed time as bytes.

A backend mints a token in five lines. Randomness, clocks and files are the caller's. The car never imports this.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from . import cbor, cose, near
from .claims import Claims, Command, key_id
from .guest import write_guest
from .roots import ROOTS_CONTEXT, write_rootset
from .signed_time import write_answer
from .token import write_claims, write_command
from .trust import KEYSET_CONTEXT, LIST_KEY, IssuerKey, Trust

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey


@dataclass(frozen=True, slots=True)
class SigningKey:
    """secret: 32 bytes. kind: "ed25519" (issuers, roots, laptops) or "p256" (phones; the scalar, big-endian)."""

    secret: bytes
    kind: str = "ed25519"

    @property
    def public(self) -> bytes:
        """32 bytes Ed25519, or 33 bytes compressed P-256."""
        if self.kind == "ed25519":
            return Ed25519PrivateKey.from_private_bytes(self.secret).public_key().public_bytes_raw()
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        return _p256(self.secret).public_key().public_bytes(Encoding.X962, PublicFormat.CompressedPoint)

    @property
    def kid(self) -> bytes:
        return key_id(self.public)

    @property
    def alg(self) -> int:
        return cose.ED25519 if self.kind == "ed25519" else cose.ESP256

    def sign(self, message: bytes) -> bytes:
        """64 bytes; P-256 as r ‖ s."""
        if self.kind == "ed25519":
            return Ed25519PrivateKey.from_private_bytes(self.secret).sign(message)
        from cryptography.hazmat.primitives.asymmetric import ec, utils
        from cryptography.hazmat.primitives.hashes import SHA256

        r, s = utils.decode_dss_signature(_p256(self.secret).sign(message, ec.ECDSA(SHA256())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def new_key(kind: str = "ed25519") -> SigningKey:
    """A fresh key from the operating system's generator."""
    if kind == "ed25519":
        return SigningKey(Ed25519PrivateKey.generate().private_bytes_raw())
    from cryptography.hazmat.primitives.asymmetric import ec

    scalar = ec.generate_private_key(ec.SECP256R1()).private_numbers().private_value
    return SigningKey(scalar.to_bytes(32, "big"), kind)


def sign1(payload: bytes, key: SigningKey, *, with_kid: bool = True) -> bytes:
    """COSE_Sign1 with tag 18; protected is {1: alg, 4: kid}, or {1: alg} for a holder's command."""
    return cose.write_sign1(payload, key.alg, key.kid if with_kid else None, key.sign)


def token(claims: Claims, key: SigningKey) -> bytes:
    """A booking token. key: the issuer's."""
    return sign1(write_claims(claims), key)


def command(token: bytes, wish: Command, holder: SigningKey) -> bytes:
    """A command on a token, signed by the token's holder."""
    return sign1(write_command(token, wish), holder, with_kid=False)


def near_command(token: bytes, wish: near.NearCommand, holder: SigningKey) -> bytes:
    """A command beside the car, as a phone or a laptop signs it."""
    return sign1(near.write_command(token, wish), holder, with_kid=False)


def remote(token: bytes, command: bytes) -> bytes:
    """The message of `down/cmd` (D12)."""
    return cbor.encode([token, command])


def keyset(version: int, expires: int, keys: Iterable[IssuerKey], roots: Sequence[SigningKey]) -> bytes:
    """A key set signed by these roots; at least the car's threshold of them."""
    entries = [
        [key_id(one.key), one.key, one.not_before, one.not_after, one.role_ceiling]
        + ([] if one.guest is None else [write_guest(one.guest)])
        for one in keys
    ]
    payload = cbor.encode({1: version, 2: expires, 3: entries})
    message = cose.to_be_signed(b"", payload, context=KEYSET_CONTEXT)
    return cbor.encode([payload, [[root.kid, root.sign(message)] for root in roots]])


def rootset(version: int, trust: Trust, old: Sequence[SigningKey], new: Sequence[SigningKey]) -> bytes:
    """A change of the roots. old, new: at least the threshold of the roots in force, and of the new ones."""
    payload = write_rootset(version, trust)
    message = cose.to_be_signed(b"", payload, context=ROOTS_CONTEXT)
    return cbor.encode([payload, *([[root.kid, root.sign(message)] for root in roots] for roots in (old, new))])


def revocations(operator: str, sequence: int, expires: int, iat: int, ids: Iterable[bytes], key: SigningKey) -> bytes:
    """A revocation list. ids: 8 bytes each; sorted, so that the same list gives the same bytes."""
    payload = cbor.encode({1: operator, 4: expires, 6: iat, LIST_KEY: [sequence, b"".join(sorted(set(ids)))]})
    return sign1(payload, key)


def signed_time(operator: str, nonce: bytes, time_s: int, key: SigningKey) -> bytes:
    """The answer to a question for the time. time_s: the second that has begun, never rounded up."""
    return sign1(write_answer(operator, nonce, time_s), key)


def _p256(secret: bytes) -> EllipticCurvePrivateKey:
    from cryptography.hazmat.primitives.asymmetric import ec

    return ec.derive_private_key(int.from_bytes(secret, "big"), ec.SECP256R1())
