"""The pages of a damaged database file, and the rows on them: each page for itself, without the tree above it.

SQLite finds a row through the pages above; where one of those is broken, all below it is lost to it. Here every page of
the file is looked at, with what was committed to its log laid over it, and each that is a leaf of a table gives its
rows. The layout is that of sqlite.org/fileformat2.html; tables are told apart by the caller, by what a row looks like.

Pure: bytes in, rows out; no bytes raise. What is not here: which row is to be believed (`salvage.py`).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from typing import Final, TypeAlias

PAGE_BYTES: Final = 1024  # as `db.py` makes them; where the first page cannot be asked
_MAGIC: Final = b"SQLite format 3\x00"
_LEAF: Final = b"\x0d"
_LOG_MAGIC: Final = (0x377F0682, 0x377F0683)
_LOG_HEAD: Final = 32
_FRAME_HEAD: Final = 24
_MASK: Final = 0xFFFFFFFF
_FIXED: Final = (0, 1, 2, 3, 4, 6, 8, 8, 0, 0)  # bytes of a value, by its serial type up to 9

Value: TypeAlias = int | float | bytes | str | None
Pages: TypeAlias = Mapping[int, bytes]


def pages(file: bytes, log: bytes) -> Pages:
    """Whole pages by number, from 1: of the file, and over them the newest of each that the log has committed."""
    size = page_size(file)
    found = {at // size + 1: file[at : at + size] for at in range(0, len(file) - size + 1, size)}
    return found | _committed(log, size)


def page_size(file: bytes) -> int:
    size = int.from_bytes(file[16:18], "big") if file[:16] == _MAGIC else 0
    size = 65536 if size == 1 else size
    return size if 512 <= size <= 65536 and size & (size - 1) == 0 else PAGE_BYTES


def rows(found: Pages) -> Iterator[tuple[int, tuple[Value, ...]]]:
    """Number and values of each row on a leaf page that reads; pages that are of something else give none."""
    for number, page in found.items():
        start = 100 if number == 1 else 0
        if page[start : start + 1] != _LEAF or len(page) < start + 8:
            continue
        count = int.from_bytes(page[start + 3 : start + 5], "big")
        first = start + 8 + 2 * count
        if first > len(page):
            continue
        for at in struct.unpack_from(f">{count}H", page, start + 8):
            row = _row(found, page, at) if first <= at < len(page) else None
            if row is not None:
                yield row


# --- the log ---------------------------------------------------------------------------------------------------------


def _committed(log: bytes, size: int) -> dict[int, bytes]:
    """Pages of the log up to its last commit; SQLite itself stops at the first frame whose sum is wrong."""
    found, waiting = dict[int, bytes](), dict[int, bytes]()
    if len(log) < _LOG_HEAD:
        return found
    magic, _, told, _, *salts = struct.unpack_from(">6I", log)
    order = ">" if magic & 1 else "<"
    sums = _sums(log[:24], (0, 0), order)
    if magic not in _LOG_MAGIC or told != size or sums != struct.unpack_from(">2I", log, 24):
        return found
    for at in range(_LOG_HEAD, len(log) - _FRAME_HEAD - size + 1, _FRAME_HEAD + size):
        number, commit, *rest = struct.unpack_from(">6I", log, at)
        page = log[at + _FRAME_HEAD : at + _FRAME_HEAD + size]
        sums = _sums(page, _sums(log[at : at + 8], sums, order), order)
        if rest != [*salts, *sums] or number == 0:
            break
        waiting[number] = page
        if commit:
            found |= waiting
            waiting.clear()
            found = {one: data for one, data in found.items() if one <= commit}
    return found


def _sums(data: bytes, sums: tuple[int, int], order: str) -> tuple[int, int]:
    a, b = sums
    words = struct.unpack(f"{order}{len(data) // 4}I", data)
    for x, y in zip(words[::2], words[1::2], strict=True):
        a = (a + x + b) & _MASK
        b = (b + y + a) & _MASK
    return a, b


# --- one row ---------------------------------------------------------------------------------------------------------


def _row(found: Pages, page: bytes, at: int) -> tuple[int, tuple[Value, ...]] | None:
    length, at = _varint(page, at)
    number, at = _varint(page, at)
    if not 0 < length <= len(found) * len(page):
        return None
    body = _body(found, page, at, length)
    values = None if body is None else _values(body)
    return None if values is None else (number, values)


def _body(found: Pages, page: bytes, at: int, length: int) -> bytes | None:
    """A record, with what of it lies on other pages."""
    usable = len(page)
    most, least = usable - 35, (usable - 12) * 32 // 255 - 23
    local = least + (length - least) % (usable - 4)
    here = length if length <= most else local if local <= most else least
    if at + here > usable:
        return None
    body = page[at : at + here]
    if here == length:
        return body
    following, seen = int.from_bytes(page[at + here : at + here + 4], "big"), set[int]()
    while len(body) < length:
        rest = found.get(following)
        if rest is None or following in seen:
            return None
        seen.add(following)
        body += rest[4 : 4 + length - len(body)]
        following = int.from_bytes(rest[:4], "big")
    return body


def _values(body: bytes) -> tuple[Value, ...] | None:
    end, at = _varint(body, 0)
    if not at <= end <= len(body):
        return None
    kinds = []
    while at < end:
        kind, at = _varint(body, at)
        kinds.append(kind)
    found, at = list[Value](), end
    for kind in kinds:
        size = _FIXED[kind] if kind < 10 else (kind - 12) // 2
        if size < 0 or at + size > len(body):
            return None
        try:
            found.append(_value(kind, body[at : at + size]))
        except ValueError:
            return None
        at += size
    return tuple(found) if at == len(body) else None


def _value(kind: int, data: bytes) -> Value:
    """Raises ValueError for text that is none."""
    if kind == 0:
        return None
    if kind == 7:
        return float(struct.unpack(">d", data)[0])
    if kind in (8, 9):
        return kind - 8
    if kind < 7:
        return int.from_bytes(data, "big", signed=True)
    return data.decode() if kind % 2 else data


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """A number of up to nine bytes, and where the next thing begins; bytes that are missing count as zeros."""
    value = 0
    for end in range(at, at + 8):
        byte = data[end] if end < len(data) else 0
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            return value, end + 1
    byte = data[at + 8] if at + 8 < len(data) else 0
    return value << 8 | byte, at + 9
