"""What passed between Bluetooth stack and controller, as a btsnoop file, and how many round trips a phone needed.

The file is what Wireshark and btmon read: RFC 1761 with data link 1002 (HCI UART, "H4"). Nothing here trusts what the
phones say of themselves: round trips are counted in the bytes.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Final

HEAD: Final = b"btsnoop\0" + struct.pack(">LL", 1, 1002)
_RECORD: Final = struct.Struct(">IIIIQ")  # original length, kept length, flags, drops, microseconds
_EPOCH_US: Final = 0x00DCDDB30F2F8000  # of 1970, counted from the year 0
_COMMAND, _ACL, _EVENT = 1, 2, 4
_DISCONNECTED: Final = 0x05  # event, Bluetooth Core 5.4, volume 4, part E, 7.7.5
_ATT: Final = 4  # fixed channel, volume 3, part A, 2.1
_ERROR, _READ, _BLOB, _WRITE = 0x01, 0x0A, 0x0C, 0x12  # opcodes, volume 3, part F, 3.4
_REQUESTS: Final = (0x02, 0x04, 0x06, 0x08, _READ, _BLOB, 0x0E, 0x10, _WRITE, 0x16, 0x18, 0x20)


class Snoop:
    """Writes at once, so that a machine which ends badly leaves what it had."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        file.write(HEAD)

    def note(self, packet: bytes, *, received: bool) -> None:
        """received: by the stack, from its controller."""
        flags = int(received) | (2 if packet[:1] in (bytes([_COMMAND]), bytes([_EVENT])) else 0)
        at = time.time_ns() // 1000 + _EPOCH_US
        self._file.write(_RECORD.pack(len(packet), len(packet), flags, 0, at) + packet)


def packets(path: Path) -> Iterator[tuple[bool, bytes]]:
    """(received, packet with its H4 type byte), in order. Raises ValueError for another kind of file."""
    data = path.read_bytes()
    if not data.startswith(HEAD):
        raise ValueError(f"{path} is no btsnoop file of HCI packets")
    at = len(HEAD)
    while at + _RECORD.size <= len(data):
        _, kept, flags, _, _ = _RECORD.unpack_from(data, at)
        at += _RECORD.size
        yield bool(flags & 1), data[at : at + kept]
        at += kept


@dataclass(slots=True)
class Trips:
    """What one connection's phone asked and was answered: `found` until it knows the service, `talked` after that.

    refused: ATT error codes that answered a read or write.
    """

    found: int = 0
    talked: int = 0
    refused: list[int] = field(default_factory=list)
    asked: int = 0  # the opcode that waits for its answer


def round_trips(path: Path) -> list[Trips]:
    """One entry a connection on which a phone asked something, in the order of first questions."""
    every: list[Trips] = []
    living: dict[int, Trips] = {}
    for received, packet in packets(path):
        if packet[0] == _EVENT and packet[1] == _DISCONNECTED:
            living.pop(int.from_bytes(packet[4:6], "little") & 0x0FFF, None)
        pdu = _att(packet)
        if pdu is None:
            continue
        handle, opcode = int.from_bytes(packet[1:3], "little") & 0x0FFF, pdu[0]
        if received and opcode in _REQUESTS:
            if handle not in living:
                every.append(living.setdefault(handle, Trips()))
            living[handle].asked = opcode
        elif not received and handle in living:
            _answered(living[handle], pdu)
    return every


def _answered(trips: Trips, pdu: bytes) -> None:
    if not trips.asked or not (pdu[0] == trips.asked + 1 or (pdu[0] == _ERROR and pdu[1] == trips.asked)):
        return  # a question of the stack's own, or a notification
    if trips.asked in (_READ, _BLOB, _WRITE):
        trips.talked += 1
        trips.refused += [pdu[4]] if pdu[0] == _ERROR else []
    else:
        trips.found += 1
    trips.asked = 0


def _att(packet: bytes) -> bytes | None:
    """The start of an attribute PDU, or `None`; the rest of one that was cut (flag 1) is of no interest."""
    whole = packet[0] == _ACL and len(packet) > 9 and packet[2] >> 4 & 3 != 1
    return packet[9:] if whole and int.from_bytes(packet[7:9], "little") == _ATT else None
