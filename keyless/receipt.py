"""The receipt that a car signs with its own key: when, how far, how full, and what was back in its place at the end.

The signing key stays with its owner; here only a function that signs is asked. Which event makes a receipt is the
door's business. No position is in it, of no booking (R27).
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum, IntFlag
from typing import Final, TypeGuard

from msgspec import Struct

from . import cbor, cose
from .claims import key_id
from .refusal import Code, Refusal, refused
from .token import TIME_BITS, token_hash

MAX_RECEIPT: Final = 512
RECEIPT_KEY: Final = -65539
_OUTER: Final = frozenset({1, RECEIPT_KEY})
_INNER: Final = frozenset(range(1, 11))
_SOC_FULL: Final = 1000


class Event(IntEnum):
    """What the receipt is for. A takeover (R4) makes two: TAKEOVER for who had the car, OPENED for who has it now."""

    OPENED = 1
    PAUSED = 2
    ENDED = 3
    AUTO_CLOSED = 4
    TAKEOVER = 5
    FORCED = 6


class LockOutcome(IntEnum):
    """NOT_MOVED: the event needed no movement, or none was tried."""

    NOT_MOVED = 0
    DONE = 1
    FAILED = 2
    UNKNOWN = 3


class Remark(IntFlag):
    """Soft checks that failed, and from 256 on hard ones that a forced end passed over (R1)."""

    NOT_PLUGGED = 1
    NOT_AT_STATION = 2
    POSITION_UNKNOWN = 4
    CARD_MISSING = 8
    MOVING = 256
    IGNITION_ON = 512
    DOOR_OPEN = 1024
    KEY_MISSING = 2048


class Reading(Struct, frozen=True):
    """Seconds since 1970 UTC, an interval; hi_s: `None` when nothing bounds it. `None` for what the car did not tell.

    odometer_m: metres. soc_permille: tenths of a percent, at most 1000.
    """

    lo_s: int
    hi_s: int | None
    odometer_m: int | None
    soc_permille: int | None


class Receipt(Struct, frozen=True):
    """operator: whose booking. vehicle: 8 bytes. number: rises by receipt of this vehicle. booking: 0 for none.

    token: what a command names it by (16 bytes); `None` where the box acted by itself. end: `None` in an OPENED one
    alone. plugged, doors_shut, key_back: at the time of the receipt; `None` while unknown or not fitted. remarks: bits
    of `Remark`, unknown ones and all.
    """

    operator: str
    vehicle: bytes
    number: int
    booking: int
    token: bytes | None
    event: Event
    lock: LockOutcome
    start: Reading
    end: Reading | None
    plugged: bool | None
    doors_shut: bool | None
    key_back: bool | None
    remarks: int


def write_receipt(receipt: Receipt) -> bytes:
    """The payload as it is signed."""
    inner = {
        1: receipt.vehicle,
        2: receipt.number,
        3: receipt.booking,
        4: receipt.token,
        5: int(receipt.event),
        6: int(receipt.lock),
        7: _write_reading(receipt.start),
        8: None if receipt.end is None else _write_reading(receipt.end),
        9: [receipt.plugged, receipt.doors_shut, receipt.key_back],
        10: int(receipt.remarks),
    }
    return cbor.encode({1: receipt.operator, RECEIPT_KEY: inner})


def signed(receipt: Receipt, public: bytes, sign: Callable[[bytes], bytes]) -> bytes:
    """The receipt as bytes. public: the vehicle's Ed25519 key, 32 bytes; sign: 64 bytes of its signature."""
    return cose.write_sign1(write_receipt(receipt), cose.ED25519, key_id(public), sign)


def believe_receipt(
    data: bytes, public: bytes, *, vehicle: bytes | None, token: bytes | None = None
) -> Receipt | Refusal:
    """The receipt, or the first of `too_big malformed alg unknown_key signature malformed wrong_vehicle holder`.

    public: the key that this vehicle told at commissioning. vehicle: whose key that is; `None` (any) only for a person
    at a desk, since a car could else sign for its neighbour. token: the whole token that the receipt must be for.
    """
    outer = cose.read_signed_by(data, public, key_id(public), limit=MAX_RECEIPT)
    if isinstance(outer, Refusal):
        return outer
    receipt = read_receipt(outer.payload)
    if isinstance(receipt, Refusal):
        return receipt
    if vehicle is not None and receipt.vehicle != vehicle:
        return refused(Code.WRONG_VEHICLE, f"of vehicle {receipt.vehicle.hex()}")
    if token is not None and receipt.token != token_hash(token):
        return refused(Code.HOLDER, "for another token")
    return receipt


def read_receipt(payload: bytes) -> Receipt | Refusal:
    """Every type and bound checked, or `malformed`. No signature is looked at here."""
    value = cbor.decode(payload)
    if isinstance(value, Refusal):
        return value
    if not cbor.has_keys(value, _OUTER) or not cbor.has_keys(value[RECEIPT_KEY], _INNER):
        return refused(Code.MALFORMED, "not the map of a receipt")
    operator, inner = value[1], value[RECEIPT_KEY]
    vehicle, number, booking, token, event, lock, start, end, states, remarks = (inner[key] for key in range(1, 11))
    if not isinstance(operator, str) or not 1 <= len(operator.encode()) <= 64 or not cbor.is_bytes(vehicle, 8):
        return refused(Code.MALFORMED, "iss is not a text of 1 to 64 bytes, or the vehicle is not 8 bytes")
    if not (cbor.is_uint(number, 53) and number > 0 and cbor.is_uint(booking, 53)):
        return refused(Code.MALFORMED, "number or booking is out of bounds")
    if token is not None and not cbor.is_bytes(token, 16):
        return refused(Code.MALFORMED, "the token is not named by 16 bytes")
    if not _is_of(event, Event) or not _is_of(lock, LockOutcome) or not cbor.is_uint(remarks, 32):
        return refused(Code.MALFORMED, "event, outcome of the lock or remarks are not what they should be")
    began, ended = _read_reading(start), _read_reading(end)
    if began is None or (end is not None if event == Event.OPENED else ended is None):
        return refused(Code.MALFORMED, "start or end is not a reading, or an opened booking has an end")
    if not isinstance(states, list) or len(states) != 3 or not all(_is_state(state) for state in states):
        return refused(Code.MALFORMED, "plugged, doors shut and key back are not three of true, false and null")
    plugged, doors_shut, key_back = states
    return Receipt(
        operator, vehicle, number, booking, token, Event(event), LockOutcome(lock), began, ended,
        plugged, doors_shut, key_back, remarks,
    )  # fmt: skip


def _write_reading(reading: Reading) -> list[int | None]:
    return [reading.lo_s, reading.hi_s, reading.odometer_m, reading.soc_permille]


def _read_reading(value: object) -> Reading | None:
    match value:
        case [lo, hi, odometer, soc] if cbor.is_uint(lo, TIME_BITS) and (
            (hi is None or (cbor.is_uint(hi, TIME_BITS) and hi >= lo))
            and (odometer is None or cbor.is_uint(odometer, 32))
            and (soc is None or (cbor.is_uint(soc, 10) and soc <= _SOC_FULL))
        ):
            return Reading(lo, hi, odometer, soc)
        case _:
            return None


def _is_of(value: object, kind: type[IntEnum]) -> TypeGuard[int]:
    return cbor.is_uint(value, 8) and value in tuple(kind)


def _is_state(value: object) -> bool:
    return value is None or isinstance(value, bool)
