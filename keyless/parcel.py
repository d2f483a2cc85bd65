"""The sealed parcel: facts that a box could not send, carried to the backend by anybody's phone, who cannot read them.

Signed inside by the vehicle's key, sealed outside by HPKE to the operator's (D30). Nothing outside of the seal names
the car: a signature there would let anybody follow it. What the facts say, and which go along, is the caller's affair.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite
from msgspec import Struct

from . import cbor, cose
from .claims import key_id
from .refusal import Code, Refusal, refused

SIZES: Final = (1024, 2048, 4096, 8192, 16_384)  # a parcel has one of these, so that its length tells little
PURPOSE: Final = b"boitier parcel 1"
PARCEL_KEY: Final = -65540
# RFC 9180 ids 0x0020, 0x0001, 0x0003. ChaCha20, because small ARM boards have no instructions for AES.
SUITE: Final = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.CHACHA20_POLY1305)
_SEAL: Final = 32 + 16  # bytes: the ephemeral key before, the tag behind
_LENGTH: Final = 2
_PAYLOAD: Final = frozenset({1, PARCEL_KEY})


class Parcel(Struct, frozen=True):
    """operator: whose car it is, 1 to 64 bytes. vehicle: 8 bytes. facts: a message of `up/facts`, byte for byte."""

    operator: str
    vehicle: bytes
    facts: bytes


def signed(parcel: Parcel, public: bytes, sign: Callable[[bytes], bytes]) -> bytes:
    """What will be sealed. public: the vehicle's Ed25519 key, 32 bytes; sign: 64 bytes of its signature."""
    payload = cbor.encode({1: parcel.operator, PARCEL_KEY: [parcel.vehicle, parcel.facts]})
    return cose.write_sign1(payload, cose.ED25519, key_id(public), sign)


def fits(content: bytes) -> bool:
    """Whether the largest parcel holds this."""
    return _SEAL + _LENGTH + len(content) <= SIZES[-1]


def sealed(content: bytes, vehicle: bytes, recipient: bytes) -> bytes:
    """content: as `signed` made it. recipient: the operator's X25519 key, 32 bytes.

    Other bytes each time. Raises `ValueError` when it does not fit, and for a key that no secret can be shared with.
    """
    size = next((size for size in SIZES if _SEAL + _LENGTH + len(content) <= size), None)
    if size is None:
        raise ValueError(f"{len(content)} bytes do not fit into a parcel")
    plain = (len(content).to_bytes(_LENGTH, "big") + content).ljust(size - _SEAL, b"\x00")
    return SUITE.encrypt(plain, X25519PublicKey.from_public_bytes(recipient), info=PURPOSE + vehicle)


def opened(data: bytes, secret: bytes, public: bytes, *, vehicle: bytes) -> Parcel | Refusal:
    """The backend's side: the parcel, or the first of `too_big malformed unknown_key malformed alg unknown_key
    signature malformed wrong_vehicle`.

    secret: the operator's X25519 key, 32 bytes. public: what this vehicle told at commissioning. Which vehicle it is, a
    parcel does not tell: the first `unknown_key` means that it is another's, so each is tried.
    """
    if len(data) > SIZES[-1]:
        return refused(Code.TOO_BIG, f"{len(data)} bytes, at most {SIZES[-1]}")
    if len(data) not in SIZES:
        return refused(Code.MALFORMED, f"{len(data)} bytes are the length of no parcel")
    try:
        plain = SUITE.decrypt(data, X25519PrivateKey.from_private_bytes(secret), info=PURPOSE + vehicle)
    except InvalidTag:
        return refused(Code.UNKNOWN_KEY, "sealed for another key or another vehicle, or altered")
    length = int.from_bytes(plain[:_LENGTH], "big")
    content, rest = plain[_LENGTH : _LENGTH + length], plain[_LENGTH + length :]
    if len(content) < length or any(rest):
        return refused(Code.MALFORMED, "not a length, so many bytes, and zeros")
    return _believed(content, public, vehicle)


def _believed(content: bytes, public: bytes, vehicle: bytes) -> Parcel | Refusal:
    outer = cose.read_signed_by(content, public, key_id(public), limit=SIZES[-1])
    if isinstance(outer, Refusal):
        return outer
    parcel = _read(outer.payload)
    if isinstance(parcel, Parcel) and parcel.vehicle != vehicle:
        return refused(Code.WRONG_VEHICLE, f"of vehicle {parcel.vehicle.hex()}")
    return parcel


def _read(payload: bytes) -> Parcel | Refusal:
    value = cbor.decode(payload)
    if isinstance(value, Refusal):
        return value
    if not cbor.has_keys(value, _PAYLOAD):
        return refused(Code.MALFORMED, "not the map of a parcel")
    match value[1], value[PARCEL_KEY]:
        case str() as operator, [vehicle, bytes() as facts] if cbor.is_bytes(vehicle, 8):
            if 1 <= len(operator.encode()) <= 64:
                return Parcel(operator, vehicle, facts)
    return refused(Code.MALFORMED, "iss, vehicle or facts are not what they should be")
