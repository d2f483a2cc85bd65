"""Topics and payloads, in both directions: values in, bytes out, and back. docs/contract.md is this file in words.

Pure: what is sent when, is decided in `uplink.py`; what the parts of a fact mean, in `facts.py`; columns of samples
are packed in `samples.py`. Bytes from outside never raise: a function that reads answers `None` for what it cannot
believe.
"""

from __future__ import annotations

import json
import math
import re
import zlib
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Any, Final

from msgspec import Struct

VERSION: Final = 1
PREFIX: Final = "boitier/v1"
PLAIN_BYTES: Final = 512  # D8: what is longer is compressed
ZLIB: Final = b"\x78"  # its first byte; that of JSON is 0x7B
STREAM: Final = re.compile("[0-9a-f]{16}")  # any other text never reaches the database
MOST_BYTES: Final = 1 << 20  # an honest payload is far smaller; a compressed bomb is not


class Kind(StrEnum):
    """Every kind of payload; the value is the end of its topic. WILL shares the topic of STATE."""

    FACTS = "up/facts"
    SAMPLES = "up/samples"
    STATE = "up/state"
    WILL = "up/state#will"
    RESULT = "up/result"
    ACK = "down/ack"
    BOOK = "down/book"
    COMMAND = "down/cmd"
    TRUST = "down/trust"
    CONFIG = "down/config"


DOWN: Final = (Kind.ACK, Kind.BOOK, Kind.COMMAND, Kind.TRUST, Kind.CONFIG)


class Ack(Struct, frozen=True):
    """What the backend says it has stored of one stream: all up to `upto`, `ranges` above it, `poison` set aside
    unread."""

    stream: str
    upto: int
    ranges: tuple[tuple[int, int], ...] = ()
    poison: tuple[int, ...] = ()


def topic(vehicle: str, kind: Kind) -> str:
    return f"{PREFIX}/{vehicle}/{kind.value.partition('#')[0]}"


def kind_of(vehicle: str, name: str) -> Kind | None:
    """Which kind arrives under a topic of ours; `None` for any other."""
    return next((kind for kind in DOWN if topic(vehicle, kind) == name), None)


# --- JSON, compressed where it is long -------------------------------------------------------------------------------


def text(value: object) -> str:
    """Compact JSON. NaN and infinities, which JSON does not have, become null: a fact must not be lost for one bad
    number."""
    try:
        return json.dumps(value, separators=(",", ":"), allow_nan=False)
    except ValueError:
        return json.dumps(_finite(value), separators=(",", ":"), allow_nan=False)


def _finite(value: object) -> object:
    match value:
        case float() if not math.isfinite(value):
            return None
        case Mapping():
            return {key: _finite(item) for key, item in value.items()}
        case list() | tuple():
            return [_finite(item) for item in value]
    return value


def squeeze(data: bytes) -> bytes:
    """As it is up to 512 bytes, zlib above (first byte 0x78; JSON begins with 0x7B)."""
    return data if len(data) <= PLAIN_BYTES else zlib.compress(data, 9)


def pack(value: Mapping[str, object]) -> bytes:
    return squeeze(text(value).encode())


def unpack(payload: bytes) -> dict[str, Any] | None:
    """The JSON object in a payload; `None` when it is none, or longer than 1 MiB."""
    data = payload
    try:
        if payload[:1] == ZLIB:
            engine = zlib.decompressobj()
            data = engine.decompress(payload, MOST_BYTES)
            if not engine.eof or engine.unused_data:
                return None
        value = json.loads(data)
    except (zlib.error, ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


# --- up --------------------------------------------------------------------------------------------------------------


def fact(
    kind: str, boot: str, at_ms: int, wall: Sequence[int] | None, source: str, body: Mapping[str, object]
) -> str:
    """A fact as it is stored: JSON text without its number. at_ms: since that boot. wall: [lo, hi] in ms or `None`."""
    return text({"kind": kind, "boot": boot, "at": at_ms, "wall": wall, "source": source, "body": body})


def facts(vehicle: str, stream: str, rows: Iterable[tuple[int, str]]) -> bytes:
    """Numbers and stored texts, as one payload; every row has the same bytes each time it is sent."""
    listed = ",".join(f'{{"n":{number},{body[1:]}' for number, body in rows)
    return squeeze(f'{{"v":{VERSION},"vehicle":"{vehicle}","stream":"{stream}","facts":[{listed}]}}'.encode())


def state(vehicle: str, boot: str, at_ms: int, wall: Sequence[int] | None, sent: Mapping[str, object]) -> bytes:
    """The newest state, for the retained message. sent: the rest of its fields."""
    head: dict[str, object] = {"v": VERSION, "vehicle": vehicle, "online": True}
    return pack({**head, "at": {"boot": boot, "ms": at_ms}, "wall": wall, **sent})


def will(vehicle: str) -> bytes:
    """What the broker says in our name when the connection breaks, and we say ourselves when we close it."""
    return pack({"v": VERSION, "vehicle": vehicle, "online": False})


def result(vehicle: str, identity: str, code: str, why: str, number: int | None) -> bytes:
    """The answer to a command. identity: its id, 32 hex digits. number: of the fact that says the same for good."""
    answer = {"code": code, "why": why}
    return pack({"v": VERSION, "vehicle": vehicle, "id": identity, "result": answer, "fact": number})


# --- down ------------------------------------------------------------------------------------------------------------


def read_ack(payload: bytes) -> Ack | None:
    """Unknown fields are ignored; `ranges` and `poison` may be absent."""
    said = unpack(payload)
    stream: Any = said.get("stream") if said is not None else None
    if said is None or said.get("v") != VERSION or not (isinstance(stream, str) and STREAM.fullmatch(stream)):
        return None
    upto: Any = said.get("upto")
    ranges, poison = said.get("ranges", []), said.get("poison", [])
    if not _number(upto) or not isinstance(ranges, list) or not isinstance(poison, list):
        return None
    if not all(isinstance(span, list) and len(span) == 2 and all(map(_number, span)) for span in ranges):
        return None
    if not all(map(_number, poison)):
        return None
    return Ack(stream, upto, tuple((a, b) for a, b in ranges), tuple(poison))


def _number(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 53
