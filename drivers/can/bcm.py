"""The broadcast manager's wire form (`struct bcm_msg_head`, linux/can/bcm.h) as bytes and back. No socket here."""

from __future__ import annotations

import struct
from typing import Final

from msgspec import Struct

from ..ports import Subscription

RX_SETUP: Final = 5
RX_DELETE: Final = 6
RX_TIMEOUT: Final = 11
RX_CHANGED: Final = 12
SETTIMER: Final = 0x0001
STARTTIMER: Final = 0x0002
RX_FILTER_ID: Final = 0x0020
RX_ANNOUNCE_RESUME: Final = 0x0100
CAN_EFF_FLAG: Final = 0x8000_0000
CAN_EFF_MASK: Final = 0x1FFF_FFFF

HEAD: Final = struct.Struct("@3I4l2I")
"""opcode, flags, count, ival1 and ival2 as (seconds, microseconds), can_id, nframes; native alignment."""
HEAD_SIZE: Final = (HEAD.size + 7) // 8 * 8
"""The frames that follow are aligned to eight bytes; on 32-bit machines that adds four bytes."""
CAN_FRAME: Final = struct.Struct("=IB3x8s")
RECEIVE_SIZE: Final = HEAD_SIZE + CAN_FRAME.size


class BcmEvent(Struct, frozen=True):
    """One message of the kernel. data: as long as the frame was, `None` where the message carries no frame."""

    opcode: int
    can_id: int
    extended: bool
    data: bytes | None


def setup(wanted: Subscription) -> bytes:
    """RX_SETUP: the mask is the content filter, ival1 the silence, ival2 the smallest distance of two events.

    RX_ANNOUNCE_RESUME: without it a frame that comes back unchanged after a silence is never reported. RX_FILTER_ID:
    by id alone, for a subscription without a mask; the rate holds there as well.
    """
    can_id = _flagged(wanted.can_id, wanted.extended)
    silence, interval = _timeval(wanted.silence_ms), _timeval(wanted.min_interval_ms)
    flags = SETTIMER | STARTTIMER | RX_ANNOUNCE_RESUME
    if not wanted.mask:
        return _head(RX_SETUP, flags | RX_FILTER_ID, can_id, 0, silence, interval)
    mask = CAN_FRAME.pack(can_id, 8, wanted.mask.ljust(8, b"\0"))
    return _head(RX_SETUP, flags, can_id, 1, silence, interval) + mask


def delete(can_id: int, extended: bool) -> bytes:
    return _head(RX_DELETE, 0, _flagged(can_id, extended), 0, (0, 0), (0, 0))


def parse(message: bytes) -> BcmEvent | None:
    """None: shorter than a header, or than the frame it announces."""
    if len(message) < HEAD_SIZE:
        return None
    opcode, _flags, _count, _s1, _us1, _s2, _us2, can_id, frames = HEAD.unpack_from(message)
    extended = bool(can_id & CAN_EFF_FLAG)
    if not frames:
        return BcmEvent(opcode, can_id & CAN_EFF_MASK, extended, None)
    if len(message) < HEAD_SIZE + CAN_FRAME.size:
        return None
    _id, length, data = CAN_FRAME.unpack_from(message, HEAD_SIZE)
    return BcmEvent(opcode, can_id & CAN_EFF_MASK, extended, data[: min(length, 8)])


def _flagged(can_id: int, extended: bool) -> int:
    return can_id | CAN_EFF_FLAG if extended else can_id


def _timeval(milliseconds: int) -> tuple[int, int]:
    return milliseconds // 1000, milliseconds % 1000 * 1000


def _head(opcode: int, flags: int, can_id: int, frames: int, ival1: tuple[int, int], ival2: tuple[int, int]) -> bytes:
    return HEAD.pack(opcode, flags, 0, *ival1, *ival2, can_id, frames).ljust(HEAD_SIZE, b"\0")
