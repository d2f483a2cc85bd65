"""Error frames: what the adapter says of the bus and of itself, counted. Raw CAN with an error filter and no other.

What does not live here: the car's frames (`watch.py`) and what follows from a controller that gave up.
"""

from __future__ import annotations

import socket
import struct
import sys
from typing import Final

from .bcm import CAN_FRAME

# linux/can/error.h and linux/can/raw.h
TX_TIMEOUT: Final = 0x001
CRTL: Final = 0x004
PROT: Final = 0x008
TRX: Final = 0x010
ACK: Final = 0x020
BUSOFF: Final = 0x040
BUSERROR: Final = 0x080
RESTARTED: Final = 0x100
WANTED: Final = TX_TIMEOUT | CRTL | PROT | TRX | ACK | BUSOFF | BUSERROR | RESTARTED
"""All but lost arbitration, which is how a CAN bus works."""
SOL_CAN_RAW: Final = 101
CAN_RAW_FILTER: Final = 1
CAN_RAW_ERR_FILTER: Final = 2
SO_RXQ_OVFL: Final = 40

OVERFLOW: Final = 0x03
WARNING: Final = 0x0C
PASSIVE: Final = 0x30
ACTIVE: Final = 0x40
NAMES: Final = (
    "error_frames", "error_passive", "bus_off", "restarts", "protocol", "no_ack", "controller_overflows",
    "dropped_errors",
)  # fmt: skip


class Errors:
    """counters: `NAMES`. state: "active", "warning", "passive" or "bus_off", as the adapter said last."""

    def __init__(self) -> None:
        self.counters = dict.fromkeys(NAMES, 0)
        self.state = "active"
        self._drops = 0

    def fresh(self) -> None:
        """A new socket on an interface that came up: it begins without errors, and so does its count of drops."""
        self.state = "active"
        self._drops = 0

    def take(self, can_id: int, data: bytes) -> None:
        """One error frame: its class bits in the id, details in the bytes."""
        count, detail = self.counters, data[1] if len(data) > 1 else 0
        count["error_frames"] += 1
        count["protocol"] += bool(can_id & (PROT | BUSERROR | TRX))
        count["no_ack"] += bool(can_id & (ACK | TX_TIMEOUT))
        if can_id & CRTL:
            count["controller_overflows"] += bool(detail & OVERFLOW)
            if detail & PASSIVE:
                count["error_passive"] += self.state != "passive"
                self.state = "passive"
            elif detail & WARNING:
                self.state = "warning"
            elif detail & ACTIVE:
                self.state = "active"
        if can_id & RESTARTED:
            count["restarts"] += 1
            self.state = "active"
        if can_id & BUSOFF:
            count["bus_off"] += 1
            self.state = "bus_off"

    def read(self, sock: socket.socket, most: int) -> None:
        """Take what waits, at most `most` frames in one go. Raises `OSError` when the bus is gone."""
        for _ in range(most):
            try:
                message, ancillary, _flags, _address = sock.recvmsg(CAN_FRAME.size, 64)
            except (BlockingIOError, InterruptedError):
                return
            for _level, kind, value in ancillary:
                if kind == SO_RXQ_OVFL and len(value) >= 4:
                    total = int.from_bytes(value[:4], sys.byteorder)
                    self.counters["dropped_errors"] += (total - self._drops) & 0xFFFF_FFFF
                    self._drops = total
            if len(message) == CAN_FRAME.size:
                can_id, length, data = CAN_FRAME.unpack(message)
                self.take(can_id, data[: min(length, 8)])


def connect(channel: str) -> socket.socket:
    """A raw socket that hears error frames alone. Raises `OSError`."""
    sock = socket.socket(socket.AF_CAN, socket.SOCK_RAW, socket.CAN_RAW)
    try:
        sock.setblocking(False)
        sock.setsockopt(SOL_CAN_RAW, CAN_RAW_FILTER, b"")
        sock.setsockopt(SOL_CAN_RAW, CAN_RAW_ERR_FILTER, struct.pack("=I", WANTED))
        sock.setsockopt(socket.SOL_SOCKET, SO_RXQ_OVFL, 1)
        sock.bind((channel,))
    except OSError:
        sock.close()
        raise
    return sock
