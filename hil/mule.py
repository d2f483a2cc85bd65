"""What a phone carries, by the bench's own encoder: objects in pieces to the car, parcels in pieces from it.

Written from docs/keyless.md section 6.2. What is not here: the conversation (`beside.py`), and opening a parcel
(`parcels.py`).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, Final

from .cbor import Value, encode
from .cbor_read import decode

PIECE: Final = 1000
MESSAGE: Final = 1024


def name_of(whole: bytes) -> bytes:
    return hashlib.sha256(b"piece" + whole).digest()[:8]


def carried(whole: bytes, size: int = PIECE) -> list[bytes]:
    """The bodies of the carry messages for one signed object: itself where it fits, else pieces in order."""
    if len(whole) <= MESSAGE:
        return [whole]
    name, total = name_of(whole), len(whole)
    pieces: list[list[Value]] = [[name, at, total, whole[at : at + size]] for at in range(0, total, size)]
    return [encode(piece) for piece in pieces]


def taken(body: bytes) -> str | None:
    """`None`: taken; else the code of the refusal."""
    found: Any = decode(body)
    assert found[1] in ("taken", "refused"), found
    return None if found[1] == "taken" else str(found[4])


@dataclass(slots=True)
class Pocket:
    """What a phone has of a parcel; it goes on on any link, of any day."""

    name: bytes = b""
    data: bytes = b""
    total: int | None = None

    @property
    def whole(self) -> bool:
        return self.total == len(self.data)

    def fetch(self) -> bytes:
        """The body of the next fetch."""
        wish: list[Value] = [self.name, len(self.data)]
        return b"" if self.total is None else encode(wish)

    def put(self, body: bytes) -> None:
        """A parcel message. Raises `ValueError` where the pieces do not make what they are called."""
        piece: Any = decode(body)
        name, at, total, data = piece
        if self.total is None:
            self.name, self.total = name, total
        if (name, at, total) != (self.name, len(self.data), self.total):
            raise ValueError("not the piece that was asked for")
        self.data += data
        if self.whole and name_of(self.data) != self.name:
            raise ValueError("another parcel than it is called")
