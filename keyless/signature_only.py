"""The signature layer alone, for anybody's COSE_Sign1 and bare messages: key and message in, verdict out.

More is let in here than a car lets in (header fields of any kind, no tag, external data), so that public vectors can
judge `cose.verifies`, which is the car's own. No car calls this: a good signature says nothing about trust.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from . import cbor, cose
from .refusal import Code, Refusal, refused

MAX_MESSAGE: Final = 65_536
_TAG_18: Final = b"\xd2"
_ALG: Final = 1
_CRIT: Final = 2
_EMPTY_MAP: Final = b"\xa0"


class Signed(Struct, frozen=True):
    """A message whose signature is good. payload: what was signed."""

    alg: int
    payload: bytes


def compressed(public: bytes) -> bytes | None:
    """The form that the judges take: 32 bytes Ed25519 and 33 bytes compressed P-256 as they are, 65 bytes uncompressed
    P-256 made shorter; `None` for anything else, and for what is no point of the curve.
    """
    if len(public) == 32:
        return public
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    try:
        point = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), public)
    except ValueError:
        return None
    return point.public_bytes(Encoding.X962, PublicFormat.CompressedPoint)


def judge_sign1(data: bytes, public: bytes, *, external: bytes = b"") -> Signed | Refusal:
    """`too_big`, `malformed`, `alg` (not EdDSA or ES256, or not for this key) or `signature`.

    public: 32 bytes Ed25519, or 33 bytes compressed P-256. external: RFC 9052's external_aad.
    """
    if len(data) > MAX_MESSAGE:
        return refused(Code.TOO_BIG, f"{len(data)} bytes, at most {MAX_MESSAGE}")
    body = cbor.decode(data.removeprefix(_TAG_18))
    match body:
        case Refusal():
            return body
        case [bytes() as protected, dict() as unprotected, bytes() as payload, bytes() as signature]:
            pass
        case _:
            return refused(Code.MALFORMED, "not [protected, unprotected, payload, signature]")
    header = _read_protected(protected)
    if isinstance(header, Refusal):
        return header
    if not _are_labels(unprotected) or header.keys() & unprotected.keys():
        return refused(Code.MALFORMED, "a header field is there twice, or its label is neither number nor text")
    if _CRIT in header or _CRIT in unprotected:
        return refused(Code.MALFORMED, "fields are called critical, and none is known here")
    # RFC 9052 section 4.4: a protected header without fields is signed as no bytes, however it is written.
    message = cose.to_be_signed(protected if header else b"", payload, external=external)
    return judge_bare(message, signature, public, header.get(_ALG, unprotected.get(_ALG)), payload)


def judge_bare(
    message: bytes, signature: bytes, public: bytes, alg: object, payload: bytes | None = None
) -> Signed | Refusal:
    """`alg` or `signature`. payload: what to give back instead of the message."""
    algs = cose.ISSUER_ALGS if len(public) == 32 else cose.P256_ALGS
    if type(alg) is not int or alg not in algs:
        return refused(Code.ALG, f"alg {alg!r} with a key of {len(public)} bytes")
    if not cose.verifies(public, alg, signature, message):
        return refused(Code.SIGNATURE)
    return Signed(alg, message if payload is None else payload)


def _read_protected(protected: bytes) -> dict[object, object] | Refusal:
    header = cbor.decode(protected or _EMPTY_MAP)
    if isinstance(header, Refusal):
        return header
    if not isinstance(header, dict) or not _are_labels(header):
        return refused(Code.MALFORMED, "the protected header is no map of labels")
    return header


def _are_labels(header: Mapping[object, object]) -> bool:
    """RFC 9052 section 1.4: whole numbers and texts; Python would also take `true` for 1."""
    return all(type(label) in (int, str) for label in header)
