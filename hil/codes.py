"""The desk's side of the keypad: 8-digit codes by the bench's own hand, from docs/keyless.md section 1.9.

What is not here: what a code stands for; that is the box's work.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Final

WITH_THE_BOOKING: Final = 1
TO_END: Final = 3
SLOTS: Final = range(8)


def of_booking(code_key: bytes, booking: int, revision: int, kind: int = WITH_THE_BOOKING) -> str:
    message = b"".join((b"code", kind.to_bytes(1, "big"), booking.to_bytes(8, "big"), revision.to_bytes(4, "big")))
    return _eight(hmac.digest(code_key, message, hashlib.sha256))


def to_end(code_key: bytes, booking: int, day: int) -> str:
    """day: days since 1970 in UTC; it stands where the others have the revision."""
    return of_booking(code_key, booking, day, TO_END)


def of_day(code_key: bytes, day: int, slot: int) -> str:
    """day: days since 1970 in UTC."""
    key_of_day = hmac.digest(code_key, b"code day" + day.to_bytes(4, "big"), hashlib.sha256)
    return _eight(hmac.digest(key_of_day, b"slot" + slot.to_bytes(1, "big"), hashlib.sha256))


def number_of(day: int, slot: int) -> int:
    """The booking number of a slot, for the bill."""
    return 2**52 + 32 * day + slot


def _eight(mac: bytes) -> str:
    text = str(int(mac[:8].hex(), 16))
    return ("0" * 8 + text)[-8:]
