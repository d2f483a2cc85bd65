"""The booking under way once more, in a file: for a start whose database cannot tell who has the car (D14, R5).

What is not here: its copy in the database, which counts wherever that can be read (`door.py`).
"""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path
from typing import Final

from drivers.local import files

from ..car.under_way import OpenBooking

log = logging.getLogger(__name__)

OPEN_FILE: Final = "open"  # in the folder of the stored bookings
NOBODY: Final = b"null"
AGAIN_NS: Final = 60_000_000_000  # a disk that refuses is not asked at each turn


class OpenFile:
    """folder: of the stored bookings. It is as old as the last turn of the door that could write it."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / OPEN_FILE
        self._written: bytes | None = None  # `None`: nobody looked yet
        self._refused: tuple[bytes, int] | None = None  # what could not be written, and when it is tried again

    def read(self) -> tuple[OpenBooking | None, bytes | None]:
        """The booking; or the bytes that are left of one, where they are damaged. Neither: nobody had the car, or
        nobody can tell.
        """
        try:
            data = files.read(self._path)
        except OSError as error:
            log.error("the file of the booking under way cannot be read: %s", error)
            return None, None
        told, whole = _opened(data or b"")
        if data is None or (whole and told == NOBODY):
            return None, None
        booking = OpenBooking.from_bytes(told) if whole else None
        return booking, None if booking is not None else data

    def follow(self, open_: OpenBooking | None, now_ns: int) -> None:
        """Write it down where it is another than before, and on the disk when this returns. Never raises: the database
        has it as well. now_ns: of monotonic time.
        """
        told = NOBODY if open_ is None else open_.to_bytes()
        if self._written is None:
            self._written = self._there()
        if told == self._written or (self._refused is not None and _waits(self._refused, told, now_ns)):
            return
        try:
            files.write_durably(self._path, _sealed(told))
        except OSError as error:
            log.error("the file of the booking under way cannot be written: %s", error)
            self._refused = told, now_ns + AGAIN_NS
            return
        self._written, self._refused = told, None

    def _there(self) -> bytes:
        """Where there is no file nobody has the car."""
        try:
            data = files.read(self._path)
        except OSError:
            return b""
        told, whole = (NOBODY, True) if data is None else _opened(data)
        return told if whole else b""


def _waits(refused: tuple[bytes, int], told: bytes, now_ns: int) -> bool:
    return refused[0] == told and now_ns < refused[1]


def _sealed(told: bytes) -> bytes:
    return told + b" " + _check(told)


def _opened(data: bytes) -> tuple[bytes, bool]:
    """What is told, and whether it is whole."""
    told, _, check = data.rpartition(b" ")
    return told, check == _check(told)


def _check(told: bytes) -> bytes:
    return hashlib.sha256(b"open booking" + told).hexdigest()[:16].encode()
