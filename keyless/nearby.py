"""The name a car has in the air for one day: only who was given it with a booking can tell which car it is.

A lasting name would let anybody follow the car. What is not here: who advertises it, and whether the day is known.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Final

TAG_BYTES: Final = 8
DAY_S: Final = 86_400


def day_tag(secret: bytes, at_s: int) -> bytes:
    """The tag of the UTC day that holds `at_s` (seconds since 1970, not below 0): HMAC-SHA-256(secret, "nearby" ‖ day
    as 4 bytes big-endian)[:8].

    secret: at least 16 bytes of the vehicle's own, known to the car and to the desk that hands out tags. Raises
    ValueError for a shorter one.
    """
    if len(secret) < 16:
        raise ValueError("the vehicle's secret has fewer than 16 bytes")
    day = (at_s // DAY_S).to_bytes(4, "big")
    return hmac.new(secret, b"nearby" + day, hashlib.sha256).digest()[:TAG_BYTES]
