"""A small reader of CBOR (RFC 8949), the bench's own: what a car says to a phone, as plain values.

What is not here: strictness. The car's bytes are compared with what the bench would write (`hil/cbor.py`).
"""

from __future__ import annotations

from .cbor import Value


def decode(data: bytes) -> Value:
    """Numbers, byte strings, texts, arrays, maps with whole-number keys, literals; `ValueError` for anything else."""
    value, end = _item(data, 0)
    if end != len(data):
        raise ValueError("bytes after the end")
    return value


def _item(data: bytes, at: int) -> tuple[Value, int]:
    if at >= len(data):
        raise ValueError("ends early")
    major, low = data[at] >> 5, data[at] & 0x1F
    at += 1
    if low > 27:
        raise ValueError("no definite length")
    wide = 1 << (low - 24) if low >= 24 else 0
    number = int.from_bytes(data[at : at + wide], "big") if wide else low
    at += wide
    if major in (0, 1):
        return (number if major == 0 else -1 - number), at
    if major in (2, 3):
        piece = data[at : at + number]
        if len(piece) != number:
            raise ValueError("ends early")
        return (piece if major == 2 else piece.decode()), at + number
    if major == 4:
        return _items(data, at, number)
    if major == 5:
        items, at = _items(data, at, 2 * number)
        return {key: item for key, item in zip(items[::2], items[1::2], strict=True) if isinstance(key, int)}, at
    if major == 7 and low in (20, 21, 22):
        return {20: False, 21: True, 22: None}[low], at
    raise ValueError(f"major type {major} is not expected here")


def _items(data: bytes, at: int, count: int) -> tuple[list[Value], int]:
    items: list[Value] = []
    for _ in range(count):
        item, at = _item(data, at)
        items.append(item)
    return items, at
