"""Cards of the operator's: what an NTAG 424 DNA writes into a reading, and what a reader makes of it on its line.

By the bench's own hand, from docs/keyless.md section 1.12. What is not here: judging any of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

BLOCK: Final = 16


def encrypted(key: bytes, block: bytes) -> bytes:
    """AES-128-CBC, IV of noughts."""
    encryptor = Cipher(algorithms.AES(key), modes.CBC(bytes(BLOCK))).encryptor()
    return encryptor.update(block) + encryptor.finalize()


def _doubled(block: bytes) -> bytes:
    number = int.from_bytes(block, "big") << 1
    return (number & (1 << 128) - 1 ^ (0x87 if number >> 128 else 0)).to_bytes(BLOCK, "big")


def cmac(key: bytes, message: bytes) -> bytes:
    """RFC 4493, written out."""
    whole = len(message) % BLOCK == 0 and message != b""
    mask = _doubled(encrypted(key, bytes(BLOCK)))
    if not whole:
        mask = _doubled(mask)
        message += b"\x80" + bytes(-(len(message) + 1) % BLOCK)
    last = bytes(one ^ other for one, other in zip(message[-BLOCK:], mask, strict=True))
    return encrypted(key, message[:-BLOCK] + last)[-BLOCK:]


@dataclass(slots=True)
class Card:
    """uid: 7 bytes. key: its own SDMFileReadKey. counter: of readings."""

    uid: bytes
    meta_key: bytes
    key: bytes
    counter: int = 0

    @classmethod
    def made(cls, uid: bytes, meta_key: bytes, master: bytes) -> Card:
        """As the desk makes it, from the operator's two keys."""
        return cls(uid, meta_key, cmac(master, b"\x01" + uid + b"boitier sun"))

    def read(self, noise: bytes = b"noise") -> bytes:
        """One more reading: 24 bytes. noise: the card's own, 5 bytes."""
        self.counter += 1
        told = self.counter.to_bytes(3, "little")
        session = cmac(self.key, b"\x3c\xc3\x00\x01\x00\x80" + self.uid + told)
        return encrypted(self.meta_key, b"\xc7" + self.uid + told + noise) + cmac(session, b"")[1::2]


def frame(message: bytes) -> bytes:
    """A reading on the reader's line."""
    check = 0
    for byte in message:
        check ^= byte
    return b"\x02" + (message + bytes([check])).hex().upper().encode() + b"\x03"
