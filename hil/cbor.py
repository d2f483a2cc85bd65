"""A small writer of canonical CBOR (RFC 8949 section 4.2.1), the bench's own, so that a wire mistake cannot cancel out.

What is not here: reading CBOR; the bench only issues.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Tag:
    """A tagged value (major type 6)."""

    number: int
    value: Value


Value: TypeAlias = "int | bytes | str | bool | Tag | Items | Mapping[int, Value] | Mapping[str, Value] | None"
Items: TypeAlias = "list[Value] | tuple[Value, ...]"


def head(major: int, argument: int) -> bytes:
    """The first byte of an item with its argument in the shortest form."""
    if argument < 24:
        return bytes([major << 5 | argument])
    for info, size in ((24, 1), (25, 2), (26, 4), (27, 8)):
        if argument < 1 << 8 * size:
            return bytes([major << 5 | info]) + argument.to_bytes(size, "big")
    raise ValueError(f"integer too big for CBOR: {argument}")


def encode(value: Value) -> bytes:
    """Canonical bytes; floats are refused, nothing that is signed here holds one."""
    match value:
        case None:
            return b"\xf6"
        case bool():
            return b"\xf5" if value else b"\xf4"
        case int():
            return head(0, value) if value >= 0 else head(1, -1 - value)
        case bytes():
            return head(2, len(value)) + value
        case str():
            text = value.encode()
            return head(3, len(text)) + text
        case Tag():
            return head(6, value.number) + encode(value.value)
        case list() | tuple():
            return head(4, len(value)) + b"".join(encode(item) for item in value)
        case Mapping():
            pairs = sorted((encode(key), encode(item)) for key, item in value.items())
            return head(5, len(pairs)) + b"".join(key + item for key, item in pairs)
    raise TypeError(f"no CBOR form for {type(value).__name__}")
