"""The vehicle's own key, by which its receipts are known: it signs, and tells its public half to whoever asks.

What is not here: where the secret comes from and where it is kept, which is its owner's business.
"""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from .claims import key_id

SECRET_SIZE = 32


class VehicleKey:
    """secret: 32 random bytes of Ed25519; it is in no attribute and no text of this value. public: 32 bytes."""

    def __init__(self, secret: bytes) -> None:
        self._private = Ed25519PrivateKey.from_private_bytes(secret)
        self.public = self._private.public_key().public_bytes_raw()

    @property
    def kid(self) -> bytes:
        return key_id(self.public)

    def sign(self, message: bytes) -> bytes:
        """64 bytes."""
        return self._private.sign(message)
