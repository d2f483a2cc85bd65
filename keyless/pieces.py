"""What is longer than a message, in pieces, in both directions; and what became of it (docs/keyless.md section 6.2).

Pure. What the whole is (a signed object that a phone brings, a sealed parcel that it takes along) is not asked here.
"""

from __future__ import annotations

import hashlib
from typing import Final

from msgspec import Struct

from . import cbor
from .parcel import SIZES
from .refusal import Code, Refusal, refused

LONGEST: Final = max(16_384, SIZES[-1])  # of a whole: a revocation list, a parcel
PIECE: Final = 1000  # bytes of the whole in one: with its head it fits a message of 1,024
HEAD: Final = 0x84  # of an array of four; no signed object begins so
NAME: Final = 8


class Piece(Struct, frozen=True):
    """name: of the whole, see `name_of`. at: where these bytes stand in it. total: how long it is."""

    name: bytes
    at: int
    total: int
    data: bytes


def name_of(whole: bytes) -> bytes:
    return hashlib.sha256(b"piece" + whole).digest()[:NAME]


def cut(whole: bytes, at: int) -> Piece:
    """The piece that begins at `at`."""
    return Piece(name_of(whole), at, len(whole), whole[at : at + PIECE])


def write_piece(piece: Piece) -> bytes:
    return cbor.encode([piece.name, piece.at, piece.total, piece.data])


def read_piece(body: bytes) -> Piece | Refusal:
    value = cbor.decode(body)
    if isinstance(value, Refusal):
        return value
    match value:
        case [name, at, total, bytes() as data] if (
            cbor.is_bytes(name, NAME) and cbor.is_uint(at, 16) and cbor.is_uint(total, 16) and data
        ):
            if total > LONGEST:
                return refused(Code.TOO_BIG, f"{total} bytes, at most {LONGEST}")
            if at + len(data) <= total:
                return Piece(name, at, total, data)
    return refused(Code.MALFORMED, "not [name, at, total, bytes]")


class Joining(Struct, frozen=True):
    """A whole that is still coming, in order from its begin. `data` never grows beyond `LONGEST`."""

    name: bytes = b""
    data: bytes = b""


def joined(so_far: Joining, piece: Piece) -> tuple[Joining, bytes | Refusal | None]:
    """What is there now, and: `None` while something is missing, the whole, or why there is none.

    A piece from the begin starts anew. One that does not follow is `malformed`, and so is a whole that is not the one
    it was called: then the phone begins again.
    """
    if piece.at == 0:
        so_far = Joining(piece.name)
    if piece.name != so_far.name or piece.at != len(so_far.data):
        return Joining(), refused(Code.MALFORMED, "not the piece that is due")
    data = so_far.data + piece.data
    if len(data) < piece.total:
        return Joining(piece.name, data), None
    if name_of(data) != piece.name:
        return Joining(), refused(Code.MALFORMED, "the pieces do not make what they are called")
    return Joining(), data


def read_fetch(body: bytes) -> tuple[bytes, int] | Refusal | None:
    """Name of the parcel that is asked for and from where on; `None` for a new one from its begin."""
    if not body:
        return None
    value = cbor.decode(body)
    if isinstance(value, Refusal):
        return value
    match value:
        case [name, at] if cbor.is_bytes(name, NAME) and cbor.is_uint(at, 16):
            return name, at
        case _:
            return refused(Code.MALFORMED, "neither empty nor [name, at]")


def write_taken(refusal: Code | None) -> bytes:
    """`None`: taken, or nothing new. The keys are those of an answer."""
    return cbor.encode({1: "taken"} if refusal is None else {1: "refused", 4: refusal.value})
