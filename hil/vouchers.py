"""Signed time as the operator's backend answers it, and the receipt as a car would sign it, by the bench's own encoder.

Written from docs/keyless.md sections 1.6 and 1.7. What is not here: anything that judges either.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from .cbor import Value, encode
from .tokens import Issuer, derived, raw_public, sign1

CNONCE: Final = 39  # RFC 9200
RECEIPT_CLAIM: Final = -65539
EVENTS: Final = {"opened": 1, "paused": 2, "ended": 3, "auto_closed": 4, "takeover": 5, "forced": 6}
LOCKS: Final = {"not_moved": 0, "done": 1, "failed": 2, "unknown": 3}
REMARKS: Final = {
    "not_plugged": 1,
    "not_at_station": 2,
    "position_unknown": 4,
    "card_missing": 8,
    "moving": 256,
    "ignition_on": 512,
    "door_open": 1024,
    "key_missing": 2048,
}


def time_question(nonce: bytes, keyset_version: int) -> bytes:
    return encode([nonce, keyset_version])


def time_answer(issuer: Issuer, question: bytes, second: int) -> bytes:
    """Raises `ValueError` for bytes that are no question: `82 48`, the nonce, the version."""
    if question[:2] != b"\x82\x48" or not 11 <= len(question) <= 32:
        raise ValueError("no question for the time")
    payload: dict[int, Value] = {1: issuer.operator, 6: second, CNONCE: question[2:10]}
    return sign1(issuer.key, encode(payload), issuer.kid)


@dataclass(frozen=True, slots=True)
class Look:
    """What the car told at one moment. Seconds since 1970 (to_s `None`: no end), metres, tenths of a percent."""

    from_s: int
    to_s: int | None
    odometer_m: int | None = None
    charge: int | None = None

    def value(self) -> Value:
        return [self.from_s, self.to_s, self.odometer_m, self.charge]


@dataclass(frozen=True, slots=True)
class Slip:
    """A receipt to be. event, lock and remarks: keys of the tables above; token: the whole token, or `None`."""

    operator: str
    vehicle: bytes
    number: int
    booking: int
    token: bytes | None
    event: str
    lock: str
    start: Look
    end: Look | None
    plugged: bool | None = None
    doors_shut: bool | None = None
    key_back: bool | None = None
    remarks: Sequence[str] = ()

    def signed(self, key: Ed25519PrivateKey) -> bytes:
        """key: the vehicle's own."""
        inner: dict[int, Value] = {
            1: self.vehicle,
            2: self.number,
            3: self.booking,
            4: None if self.token is None else hashlib.sha256(self.token).digest()[:16],
            5: EVENTS[self.event],
            6: LOCKS[self.lock],
            7: self.start.value(),
            8: None if self.end is None else self.end.value(),
            9: [self.plugged, self.doors_shut, self.key_back],
            10: sum(REMARKS[name] for name in self.remarks),
        }
        payload: dict[int, Value] = {1: self.operator, RECEIPT_CLAIM: inner}
        return sign1(key, encode(payload), derived(b"key", raw_public(key)))
