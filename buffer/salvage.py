"""What can still be read of a file that was set aside: records with their old numbers, in their old streams.

A row is taken from each page that reads, wherever it lies (`pages.py`), and from the log beside the file. What a body
says is the caller's to judge: neither facts nor SQLite's pages carry a checksum. Nothing is written.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Generic, TypeVar

from . import outbox
from .pages import Value, pages, rows
from .schema import FACTS, SAMPLES

_ID: Final = re.compile("[0-9a-f]{16}")
MOST: Final = 1 << 53
Body = TypeVar("Body", str, bytes)


@dataclass(frozen=True, slots=True)
class Stream(Generic[Body]):
    """id: "" where it cannot be read. rows: bodies by number. last: highest number that was given out, as far as
    anything tells. upto: the backend's mark, 0 where it is not read. waiting: of the rows, those that the backend had
    not said it has.
    """

    id: str
    rows: dict[int, Body]
    last: int
    upto: int
    waiting: tuple[int, ...]

    @property
    def missing(self) -> tuple[tuple[int, int], ...]:
        """Numbers that are not here, as spans: broken with their pages, or gone before with good reason."""
        have: list[int] = sorted(self.rows)
        ends = zip([0, *have], [*have, self.last + 1], strict=True)
        return tuple((a + 1, b - 1) for a, b in ends if b > a + 1)


@dataclass(frozen=True, slots=True)
class Salvaged:
    """groups: samples that were not sealed, in order. conflicts: numbers that stood on two pages with different
    bodies, of which neither is taken.
    """

    facts: Stream[str]
    samples: Stream[bytes]
    groups: tuple[bytes, ...]
    conflicts: int


@dataclass(slots=True)
class _Found:
    facts: dict[int, set[str]] = field(default_factory=dict)
    blobs: dict[int, set[bytes]] = field(default_factory=dict)
    groups: dict[int, bytes] = field(default_factory=dict)
    ids: dict[str, set[tuple[str, int]]] = field(default_factory=dict)
    given: dict[str, int] = field(default_factory=dict)
    ahead: dict[str, list[tuple[int, int]]] = field(default_factory=dict)


def salvage(
    path: Path, is_fact: Callable[[str], bool], is_run: Callable[[int, bytes], bool], is_group: Callable[[bytes], bool]
) -> Salvaged:
    """is_fact, is_run, is_group: whether a body is whole; of a run of samples with that number. Raises OSError."""
    found = _Found()
    log = _log(path)
    try:
        file = path.read_bytes()
    except FileNotFoundError:
        if not log:
            raise
        file = b""
    for number, values in rows(pages(file, log)):
        match values:
            case (None, str(body), *_) if 0 < number < MOST and is_fact(body):
                found.facts.setdefault(number, set()).add(body)
            case (None, bytes(body), *_) if 0 < number < MOST and is_run(number, body):
                found.blobs.setdefault(number, set()).add(body)
            case (None, bytes(body)) if is_group(body):
                found.groups[number] = body
            case _:
                _note(found, values)
    clashes = sum(len(bodies) > 1 for table in (found.facts, found.blobs) for bodies in table.values())
    return Salvaged(
        _stream(found, FACTS, found.facts), _stream(found, SAMPLES, found.blobs),
        tuple(found.groups[number] for number in sorted(found.groups)), clashes,
    )  # fmt: skip


def _log(path: Path) -> bytes:
    try:
        return path.with_name(f"{path.name}-wal").read_bytes()
    except FileNotFoundError:
        return b""


def _note(found: _Found, values: tuple[Value, ...]) -> None:
    """Rows of the small tables: stream ids with the backend's mark, highest numbers, what the backend has above it."""
    match values:
        case (("facts" | "samples") as name, str(identity), int(mark)) if _ID.fullmatch(identity):
            found.ids.setdefault(name, set()).add((identity, mark))
        case (("facts" | "samples") as name, int(last)) if 0 <= last < MOST:
            found.given[name] = max(last, found.given.get(name, 0))
        case (("facts" | "samples") as name, int(first), int(last), int()):
            found.ahead.setdefault(name, []).append((first, last))


def _stream(found: _Found, name: str, table: dict[int, set[Body]]) -> Stream[Body]:
    sure: dict[int, Body] = {number: bodies.pop() for number, bodies in sorted(table.items()) if len(bodies) == 1}
    told = found.ids.get(name, set())
    identity, mark = next(iter(told)) if len(told) == 1 else ("", 0)
    spans = outbox.merged(found.ahead.get(name, []))
    waiting = tuple(n for n in sure if n > mark and not any(a <= n <= b for a, b in spans))
    return Stream(identity, sure, max([found.given.get(name, 0), mark, *sure]), mark, waiting)
