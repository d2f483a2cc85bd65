"""The name a car has in the air for one day: only who was given it with a booking can tell which car it is.

"nearby", in what is hashed, is the talk with phones beside the car (docs/keyless.md section 6); the desk, which is the
operator's people, hands the tags out. A lasting name would let anybody follow the car. What is not here: who advertises
it, and whether the day is known.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Final

from .claims import Interval

TAG_BYTES: Final = 8
DAY_S: Final = 86_400


def day_tag(secret: bytes, at_s: int) -> bytes:
    """The tag of the UTC day that holds `at_s` (seconds since 1970, not below 0): HMAC-SHA-256(secret, "nearby" ‖ day
    as 4 bytes big-endian)[:8].

    secret: at least 16 bytes of the vehicle's own, known to the car and to the desk that hands out tags. Raises
    ValueError for a shorter one.
    """
    return _tag(secret, b"nearby" + (at_s // DAY_S).to_bytes(4, "big"))


def tags_with(secret: bytes, nbf: int, exp: int) -> list[tuple[int, bytes]]:
    """The tags that a token comes with, each with its day (since 1970): from the day before it begins, since the car
    may think so around midnight, to two days after its end, for who is late (R13). Raises ValueError as `day_tag`.
    """
    return [(day, day_tag(secret, day * DAY_S)) for day in range(max(0, nbf // DAY_S - 1), exp // DAY_S + 3)]


def fallback_tag(secret: bytes) -> bytes:
    """The tag of a car that does not know the day: always the same, HMAC-SHA-256(secret, "nearby fallback")[:8]."""
    return _tag(secret, b"nearby fallback")


def tag_now(secret: bytes, now: Interval) -> bytes:
    """The day's that holds the middle of `now`, which around midnight may be either; no day is known where nothing
    bounds it, or where it is a day wide or wider.
    """
    if now.hi_s is None or now.hi_s - now.lo_s >= DAY_S:
        return fallback_tag(secret)
    return day_tag(secret, int((now.lo_s + now.hi_s) / 2))


def _tag(secret: bytes, what: bytes) -> bytes:
    if len(secret) < 16:
        raise ValueError("the vehicle's secret has fewer than 16 bytes")
    return hmac.new(secret, what, hashlib.sha256).digest()[:TAG_BYTES]
