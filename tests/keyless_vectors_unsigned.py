"""What keyless/ says to the published cases of what nobody signs: pieces, questions, badges, names on the air."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from keyless import pieces, signed_time, sun, tag
from keyless.claims import Interval
from keyless.refusal import Refusal

Case = dict[str, Any]


def _told(refusal: Refusal) -> Case:
    return {"accept": False, "code": str(refusal.code)}


def _good(**said: object) -> Case:
    return {"accept": True, "code": None, **said}


def _piece(state: Case, data: bytes) -> Case:
    so_far = pieces.Joining()
    found: bytes | Refusal | None = None
    for body in (*(bytes.fromhex(one) for one in state["before"]), data):
        piece = pieces.read_piece(body)
        so_far, found = (pieces.Joining(), piece) if isinstance(piece, Refusal) else pieces.joined(so_far, piece)
    return _told(found) if isinstance(found, Refusal) else _good(whole=None if found is None else len(found))


def _fetch(_: Case, data: bytes) -> Case:
    read = pieces.read_fetch(data)
    if isinstance(read, Refusal):
        return _told(read)
    return _good(parcel=None, at=0) if read is None else _good(parcel=read[0].hex(), at=read[1])


def _question(_: Case, data: bytes) -> Case:
    read = signed_time.read_question(data)
    return _told(read) if isinstance(read, Refusal) else _good(nonce=read.nonce.hex(), version=read.keyset_version)


def _sun(state: Case, data: bytes) -> Case:
    read = sun.read_sun(data, bytes.fromhex(state["meta_key"]), bytes.fromhex(state["master"]))
    return _told(read) if isinstance(read, Refusal) else _good(badge=read.id.hex(), counter=read.counter)


def _tag(state: Case, _: bytes) -> Case:
    lo, hi = state["now"]
    now = Interval(lo, hi, "none" if hi is None else "gnss")
    return _good(tag=tag.tag_now(bytes.fromhex(state["secret"]), now).hex())


# file: the field of its input, and who decides.
UNSIGNED: dict[str, tuple[str | None, Callable[[Case, bytes], Case]]] = {
    "piece.json": ("piece", _piece),
    "fetch.json": ("fetch", _fetch),
    "question.json": ("question", _question),
    "sun.json": ("message", _sun),
    "tag.json": (None, _tag),
}
