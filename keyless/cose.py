"""COSE_Sign1 (RFC 9052) and the signatures themselves. Which key is trusted for what is decided elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from msgspec import Struct

from . import cbor
from .refusal import Code, Refusal, refused

ED25519: Final = -19  # RFC 9864
EDDSA: Final = -8
ESP256: Final = -9  # RFC 9864
ES256: Final = -7
_ED25519_ALGS: Final = (ED25519, EDDSA)
P256_ALGS: Final = (ESP256, ES256)
ISSUER_ALGS: Final = _ED25519_ALGS
HOLDER_ALGS: Final = _ED25519_ALGS + P256_ALGS

_HEADER: Final = frozenset({1})
_HEADER_WITH_KID: Final = frozenset({1, 4})
_TAG_18: Final = 0xD2
_SIGNATURE: Final = 64
_P256_ORDER: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


class Sign1(Struct, frozen=True):
    """A well-formed COSE_Sign1, nothing verified. kid: zeros where the header has none. payload: not parsed yet."""

    protected: bytes
    alg: int
    kid: bytes
    payload: bytes
    signature: bytes

    def is_by(self, public: bytes) -> bool:
        """Whether this key signed it, by its own algorithm; see `verifies`."""
        return verifies(public, self.alg, self.signature, to_be_signed(self.protected, self.payload))


def read_sign1(data: bytes, *, limit: int, with_kid: bool) -> Sign1 | Refusal:
    """Outer shape only: `too_big`, then `malformed`. with_kid: protected is exactly {1, 4}, otherwise exactly {1}."""
    if len(data) > limit:
        return refused(Code.TOO_BIG, f"{len(data)} bytes, at most {limit}")
    if not data or data[0] != _TAG_18:
        return refused(Code.MALFORMED, "not a COSE_Sign1 with tag 18")
    body = cbor.decode(data[1:])
    if isinstance(body, Refusal):
        return body
    match body:
        case [bytes() as protected, dict() as unprotected, bytes() as payload, bytes() as signature] if not unprotected:
            pass
        case _:
            return refused(Code.MALFORMED, "not [protected, {}, payload, signature]")
    if len(signature) != _SIGNATURE:
        return refused(Code.MALFORMED, f"signature of {len(signature)} bytes, not {_SIGNATURE}")
    header = _read_header(protected, with_kid)
    if isinstance(header, Refusal):
        return header
    alg, kid = header
    return Sign1(protected, alg, kid, payload, signature)


def read_signed_by(data: bytes, public: bytes, kid: bytes, *, limit: int) -> Sign1 | Refusal:
    """Signed by this Ed25519 key, or the first of `too_big malformed alg unknown_key signature`. kid: of that key."""
    outer = read_sign1(data, limit=limit, with_kid=True)
    if isinstance(outer, Refusal):
        return outer
    if outer.alg not in ISSUER_ALGS:
        return refused(Code.ALG, f"alg {outer.alg}")
    if outer.kid != kid:
        return refused(Code.UNKNOWN_KEY, f"kid {outer.kid.hex()}")
    return outer if outer.is_by(public) else refused(Code.SIGNATURE)


def write_sign1(payload: bytes, alg: int, kid: bytes | None, sign: Callable[[bytes], bytes]) -> bytes:
    """With tag 18. kid: `None` for a holder's command, whose header has none. sign: 64 bytes of the signature."""
    protected = cbor.encode({1: alg} if kid is None else {1: alg, 4: kid})
    return bytes([_TAG_18]) + cbor.encode([protected, {}, payload, sign(to_be_signed(protected, payload))])


@lru_cache(maxsize=32)
def _read_header(protected: bytes, with_kid: bool) -> tuple[int, bytes] | Refusal:
    """alg and kid. Remembered, because a box meets the same few headers again and again."""
    header = cbor.decode(protected)
    if isinstance(header, Refusal):
        return header
    if not cbor.has_keys(header, _HEADER_WITH_KID if with_kid else _HEADER):
        return refused(Code.MALFORMED, "protected header is not exactly what is asked for")
    alg, kid = header[1], header.get(4, bytes(8))
    if type(alg) is not int or not isinstance(kid, bytes) or len(kid) != 8:
        return refused(Code.MALFORMED, "alg is no number or kid is not 8 bytes")
    return alg, kid


def to_be_signed(protected: bytes, payload: bytes, *, context: str = "Signature1", external: bytes = b"") -> bytes:
    """RFC 9052 section 4.4. external: data that is signed along; none of our objects has any."""
    return cbor.encode([context, protected, external, payload])


def verifies(public: bytes, alg: int, signature: bytes, message: bytes) -> bool:
    """Whether this key made this signature. public: 32 bytes Ed25519, or 33 bytes compressed P-256. Odd input: no."""
    if len(public) == 32 and alg in _ED25519_ALGS:
        return _verifies_ed25519(public, signature, message)
    if len(public) == 33 and alg in P256_ALGS and len(signature) == _SIGNATURE:
        return _verifies_p256(public, signature, message)
    return False


def _verifies_ed25519(public: bytes, signature: bytes, message: bytes) -> bool:
    try:
        _ed25519(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


@lru_cache(maxsize=16)
def _ed25519(public: bytes) -> Ed25519PublicKey:
    """A box meets the same few issuers and roots again, and making a key of its bytes costs a third of a check."""
    return Ed25519PublicKey.from_public_bytes(public)


def _verifies_p256(public: bytes, signature: bytes, message: bytes) -> bool:
    # Imported here: a badge opens the car without it, and start-up time counts (D24).
    from cryptography.hazmat.primitives.asymmetric import ec, utils
    from cryptography.hazmat.primitives.hashes import SHA256

    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    if not (0 < r < _P256_ORDER and 0 < s < _P256_ORDER):
        return False
    try:
        key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), public)
        key.verify(utils.encode_dss_signature(r, s), message, ec.ECDSA(SHA256()))
    except (InvalidSignature, ValueError):
        return False
    return True
