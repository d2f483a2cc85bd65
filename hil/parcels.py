"""Sealed parcels by the bench's own hand: HPKE (RFC 9180, base mode) from its parts, the car's side and the backend's.

Written from docs/keyless.md section 1.10. What is not here: what becomes of the facts in a parcel (`hil/backend/`).
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from .cbor import Value, encode
from .tokens import ED25519, derived, raw_public, sign1

PARCEL_CLAIM: Final = -65540
PURPOSE: Final = b"boitier parcel 1"
SIZES: Final = (1024, 2048, 4096, 8192, 16_384)
SEAL: Final = 48
KEM_ID: Final = b"KEM\x00\x20"
SUITE_ID: Final = b"HPKE\x00\x20\x00\x01\x00\x03"


# --- RFC 9180 ---------------------------------------------------------------------------------------------------------


def _extract(suite: bytes, salt: bytes, label: bytes, secret: bytes) -> bytes:
    return hmac.digest(salt or bytes(32), b"HPKE-v1" + suite + label + secret, "sha256")


def _expand(suite: bytes, key: bytes, label: bytes, info: bytes, length: int) -> bytes:
    """One block of HKDF: no output here is longer than 32 bytes."""
    whole = length.to_bytes(2, "big") + b"HPKE-v1" + suite + label + info
    return hmac.digest(key, whole + b"\x01", "sha256")[:length]


def schedule(shared: bytes, enc: bytes, recipient: bytes, info: bytes) -> tuple[bytes, bytes]:
    """Key and nonce of the one message. shared: of the two X25519 keys."""
    prk = _extract(KEM_ID, b"", b"eae_prk", shared)
    secret = _expand(KEM_ID, prk, b"shared_secret", enc + recipient, 32)
    context = b"\x00" + _extract(SUITE_ID, b"", b"psk_id_hash", b"") + _extract(SUITE_ID, b"", b"info_hash", info)
    key = _extract(SUITE_ID, secret, b"secret", b"")
    return _expand(SUITE_ID, key, b"key", context, 32), _expand(SUITE_ID, key, b"base_nonce", context, 12)


def hpke_seal(plain: bytes, recipient: bytes, info: bytes, ephemeral: bytes, aad: bytes = b"") -> bytes:
    """enc ‖ ciphertext. ephemeral: the secret that the sender makes for this one message."""
    key = X25519PrivateKey.from_private_bytes(ephemeral)
    enc = key.public_key().public_bytes_raw()
    shared = key.exchange(X25519PublicKey.from_public_bytes(recipient))
    secret, nonce = schedule(shared, enc, recipient, info)
    return enc + ChaCha20Poly1305(secret).encrypt(nonce, plain, aad)


def hpke_open(data: bytes, secret: bytes, info: bytes, aad: bytes = b"") -> bytes | None:
    """The plain bytes; `None` when they were sealed for somebody or something else, or altered."""
    key, enc = X25519PrivateKey.from_private_bytes(secret), data[:32]
    try:
        shared = key.exchange(X25519PublicKey.from_public_bytes(enc))
        opener, nonce = schedule(shared, enc, key.public_key().public_bytes_raw(), info)
        return ChaCha20Poly1305(opener).decrypt(nonce, data[32:], aad)
    except (InvalidTag, ValueError):
        return None


# --- the parcel -------------------------------------------------------------------------------------------------------


def content(operator: str, vehicle: bytes, facts: bytes, key: Ed25519PrivateKey) -> bytes:
    """What the car signs. facts: a message of `up/facts`; key: the vehicle's own."""
    inside: list[Value] = [vehicle, facts]
    payload: dict[int, Value] = {1: operator, PARCEL_CLAIM: inside}
    return sign1(key, encode(payload), derived(b"key", raw_public(key)))


def plain(content: bytes, size: int | None = None) -> bytes:
    """What is sealed: its length, itself, zeros up to the size of a parcel, the smallest that holds it."""
    size = size or next(size for size in SIZES if SEAL + 2 + len(content) <= size)
    return (len(content).to_bytes(2, "big") + content).ljust(size - SEAL, b"\x00")


@dataclass(frozen=True, slots=True)
class Car:
    """What the backend knows of one. public: the key that it told at commissioning."""

    operator: str
    vehicle: bytes
    public: bytes


def opened(data: bytes, secret: bytes, cars: list[Car]) -> tuple[Car, bytes] | None:
    """Whose parcel it is, and the message of `up/facts` in it; `None` for what no car of these has sent."""
    if len(data) not in SIZES:
        return None
    for car in cars:
        said = hpke_open(data, secret, PURPOSE + car.vehicle)
        if said is not None:
            length = int.from_bytes(said[:2], "big")
            facts = None if any(said[2 + length :]) else _facts(said[2 : 2 + length], car)
            return None if facts is None else (car, facts)
    return None


def _facts(content: bytes, car: Car) -> bytes | None:
    """All but the facts and the signature is known beforehand, so it is compared and not parsed."""
    protected = encode({1: ED25519, 4: derived(b"key", car.public)})
    begin = b"\xd2\x84" + encode(protected) + b"\xa0"
    payload = _taken(content.removeprefix(begin)[:-66]) if content.startswith(begin) else None
    inside: list[Value] = [car.vehicle, b""]
    known = encode({1: car.operator, PARCEL_CLAIM: inside})[:-1]
    facts = _taken(payload.removeprefix(known)) if payload is not None and payload.startswith(known) else None
    if facts is None or content[-66:-64] != b"\x58\x40":
        return None
    message = encode(["Signature1", protected, b"", payload])
    try:
        Ed25519PublicKey.from_public_bytes(car.public).verify(content[-64:], message)
    except InvalidSignature:
        return None
    return facts


def _taken(item: bytes) -> bytes | None:
    """The inside of a CBOR byte string that these bytes are, to their end and with the shortest head."""
    return next((item[head:] for head in (1, 2, 3) if encode(item[head:]) == item), None)
