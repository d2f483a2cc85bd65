"""Badges that prove themselves: one message of an NTAG 424 DNA (SUN, "secure unique NFC") in, which badge it is out.

Such a card writes its number and a counter into each reading, encrypted, with a MAC by a key of its own; a copied
number makes no MAC. Layout and examples: NXP AN12196 (encrypted PICCData, MAC over no file data); keys of cards: NXP
AN10922.
Pure. The highest counter of each badge is the caller's to remember: a message that was seen once is somebody's copy.
"""

from __future__ import annotations

import hmac
from typing import Final

from msgspec import Struct

from .claims import derived_id
from .refusal import Code, Refusal, refused

KEY_BYTES: Final = 16
MESSAGE_BYTES: Final = 24  # PICCData (16), SDMMAC (8)
_BOTH: Final = 0xC7  # PICCDataTag: the number (7 bytes) and the counter are there
_SESSION: Final = bytes.fromhex("3CC300010080")  # SV2: session key of the MAC
_SYSTEM: Final = b"boitier sun"  # AN10922's free part; long enough that its padding is CMAC's own


class SunBadge(Struct, frozen=True):
    """id: what a token names it by, see `sun_id`. counter: readings of this card, below 2^24."""

    id: bytes
    counter: int


def sun_id(uid: bytes) -> bytes:
    """Another id than the badge's (`claims.badge_id`), so that a card that only shows this number is nobody."""
    return derived_id(b"sun", uid)


def card_key(master: bytes, uid: bytes) -> bytes:
    """The card's own SDMFileReadKey, 16 bytes. master: the operator's, 16 bytes. uid: 7 bytes."""
    return _cmac(master, b"\x01" + uid + _SYSTEM)


def read_sun(message: bytes, meta_key: bytes, master: bytes) -> SunBadge | Refusal:
    """`malformed` (its length) or `signature`: not written by a card of this operator. meta_key: SDMMetaReadKey, the
    same in all cards. Whether the counter is new is not judged here.
    """
    if len(message) != MESSAGE_BYTES:
        return refused(Code.MALFORMED, f"{len(message)} bytes; a badge's message has {MESSAGE_BYTES}")
    told = _decrypted(message[:16], meta_key)
    uid, counter = told[1:8], told[8:11]
    made = _cmac(_cmac(card_key(master, uid), _SESSION + uid + counter), b"")[1::2]
    if not hmac.compare_digest(made, message[16:]) or told[0] != _BOTH:
        return refused(Code.SIGNATURE, "not a badge of this operator")
    return SunBadge(sun_id(uid), int.from_bytes(counter, "little"))


def _decrypted(block: bytes, key: bytes) -> bytes:
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes  # only where such badges are used

    decryptor = Cipher(algorithms.AES(key), modes.CBC(bytes(16))).decryptor()
    return decryptor.update(block) + decryptor.finalize()


def _cmac(key: bytes, message: bytes) -> bytes:
    from cryptography.hazmat.primitives.ciphers.algorithms import AES
    from cryptography.hazmat.primitives.cmac import CMAC

    mac = CMAC(AES(key))
    mac.update(message)
    return mac.finalize()
