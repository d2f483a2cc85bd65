"""Logs with one frame a line that python-can does not read, or reads slowly: candump, CANARY, GVRET, CRTD.

A line becomes a `Row`, a comment becomes nothing, anything else a `ValueError` that says what is wrong with it. What
does not live here: files, and the order of frames (`recording.py`).
"""

from __future__ import annotations

import re
from binascii import unhexlify
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

Row = tuple[int, str, int, bool, bytes]
"""Nanoseconds of the log's own time, channel as the log names it, CAN id, 29-bit id?, data."""

SECONDS_DIGITS: Final = 15  # thirty million years
STANDARD_MAX: Final = 0x7FF
EXTENDED_MAX: Final = 0x1FFF_FFFF
FD_BYTES: Final = 64

CANDUMP_MANY: Final = re.compile(
    rb"^\((\d{1,15})\.(\d{6})\) (\S+) ([0-9A-Fa-f]{3}|[01][0-9A-Fa-f]{7})#((?:[0-9A-Fa-f]{2}){0,8})(?: [RT])?\r?$",
    re.MULTILINE,
)
"""A whole line as `candump -L` writes it: seconds, microseconds, channel, id, data. For many lines at once."""

_CANDUMP: Final = re.compile(r"\((\d+\.\d+)\)\s+(\S+)\s+([0-9A-Fa-f]{1,8})#(\S*)(?:\s+[RrTt])?$")
_SCREEN: Final = re.compile(
    r"\((\d+\.\d+)\)\s+(\S+)\s+(?:[RT]X [-BE ]*)?([0-9A-F]{3}|[0-9A-F]{8})\s+\[(\d+)\]((?: +[0-9A-F]{2})*|\s+remote.*)"
)
_TIMELESS: Final = re.compile(r"\s*\S+\s+([0-9A-F]{3}|[0-9A-F]{8})\s+\[\d+\](\s+[0-9A-F]{2})*\s*$")
_CANARY: Final = re.compile(r"(\d+\.\d+) (?:(\d+) )?([0-9A-F]{8}) ([0-9A-F]{2}) ([0-8])((?: [0-9A-F]{2})*)$")
_CRTD: Final = re.compile(r"(\d+\.\d+) (\d?)([RTC])(11|29|[A-Z]{2})(?: ([0-9A-Fa-f]+)((?: [0-9A-Fa-f]{2})*)|\b.*)$")
_GVRET: Final = ("Time Stamp", "ID", "Extended")


@dataclass(frozen=True, slots=True)
class Form:
    """name: as people know it. row: of one line without its end; None for an error or a remote frame.

    comment: how a line begins that tells no frame, nor anything that is missing.
    """

    name: str
    row: Callable[[str], Row | None]
    comment: str = "#"


def recognise(head: list[str]) -> Form | None:
    """The form that the first lines of a log tell; None: none of these. Raises `ValueError`: known, and of no use."""
    for line in head:
        text = line.strip()
        if text.startswith(";CANARY"):
            return Form("CANARY", _canary, ";")
        if tuple(text.split(",")[:3]) == _GVRET:
            return _gvret(text)
        if _CANDUMP.match(text) or _SCREEN.match(text):
            return Form("candump", candump)
        if (found := _CRTD.match(text)) and found[5]:
            return Form("CRTD", _crtd)
        if _TIMELESS.match(line):
            raise ValueError("is what candump shows on a screen and has no times; record with candump -L")
    return None


def nanoseconds(stamp: str) -> int:
    """Decimal seconds, exactly: a float of today's seconds has no nanoseconds left. Raises ValueError."""
    seconds, _, fraction = stamp.partition(".")
    if len(seconds) > SECONDS_DIGITS:
        raise ValueError(f"seconds of {len(seconds)} digits are no time")
    return int(seconds) * 1_000_000_000 + int(fraction[:9].ljust(9, "0"))


def candump(line: str) -> Row | None:
    """The log form (-L) and the screen form with times (-ta, -tz); CAN FD in the log form.

    It takes what python-can takes, save half a byte at the end of a cut line, of which python-can makes a whole one.
    """
    if found := _CANDUMP.match(line):
        stamp, channel, can_id, data = found.groups()
        if data[:1] in ("R", "r"):
            return None
        return _row(stamp, channel, can_id, data[2:] if data[:1] == "#" else data)
    if found := _SCREEN.match(line):
        stamp, channel, can_id, length, data = found.groups()
        if "remote" in data or "ERRORFRAME" in line:
            return None
        if len(data.split()) != int(length):
            raise ValueError(f"{len(data.split())} bytes where {length} are announced")
        return _row(stamp, channel, can_id, data)
    raise ValueError("no candump line")


def _row(stamp: str, channel: str, can_id: str, data: str) -> Row | None:
    """An id with bits above the 29 is an error frame (linux/can/error.h)."""
    number = int(can_id, 16)
    digits = data.replace(" ", "")
    if len(digits) % 2:
        raise ValueError("half a byte at the end of the data")
    row = (nanoseconds(stamp), channel, number, len(can_id) > 3, unhexlify(digits))
    return row if number <= EXTENDED_MAX else None


def _canary(line: str) -> Row | None:
    found = _CANARY.match(line)
    if found is None:
        raise ValueError("no CANARY line")
    stamp, channel, can_id, flags, length, data = found.groups()
    if int(flags, 16):
        raise ValueError(f"flags {flags} are not known")
    if len(data.split()) != int(length):
        raise ValueError(f"{len(data.split())} bytes where {length} are announced")
    number = int(can_id, 16)
    return nanoseconds(stamp), channel or "", number, number > STANDARD_MAX, bytes.fromhex(data)


def _crtd(line: str) -> Row | None:
    """As OVMS writes it: `seconds [bus]R11 id data`. Records of type C are comments, events and statistics."""
    found = _CRTD.match(line)
    if found is None or (found[3] != "C" and found[5] is None):
        raise ValueError("no CRTD line")
    stamp, bus, kind, width, can_id, data = found.groups()
    if kind == "C":
        return None
    return nanoseconds(stamp), bus or "1", int(can_id, 16), width == "29", bytes.fromhex(data)


def _gvret(header: str) -> Form:
    """As SavvyCAN and GVRET write it; their columns vary, so the header says where things stand."""
    columns: Mapping[str, int] = {name.strip(): index for index, name in enumerate(header.split(","))}
    missing = [name for name in ("Bus", "LEN", "D1") if name not in columns]
    if missing:
        raise ValueError(f"is a GVRET log without the columns {', '.join(missing)}")

    def row(line: str) -> Row | None:
        cells = line.split(",")
        length, first = int(cells[columns["LEN"]]), columns["D1"]
        digits = [cell for cell in cells[first : first + length] if len(cell) == 2]
        if len(digits) != length:
            raise ValueError(f"{len(digits)} bytes where {length} are announced")
        wide = cells[columns["Extended"]].lower() in ("true", "1")
        at_ns = int(cells[columns["Time Stamp"]]) * 1000
        return at_ns, cells[columns["Bus"]], int(cells[columns["ID"]], 16), wide, unhexlify("".join(digits))

    return Form("GVRET", row, _GVRET[0])
