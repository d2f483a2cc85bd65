"""What the store hands to its thread: moments, samples and transactions as values. What is done with them, in
`disk.py`."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct, field

from buffer.db import SQLITE_VERSION
from drivers.ports import Instant

from . import facts, stored, wire


class StoreBroken(Exception):
    """Not on disk. Facts are kept in memory and written when the disk is whole again."""


class Fact(Struct, frozen=True):
    """kind, body: as docs/contract.md lists them. at: when it happened; `None` is now."""

    kind: str
    body: Mapping[str, object]
    at: Instant | None = None


class SampleRow(Struct, frozen=True):
    """values: in the order and units of the columns last given to `Store.use_columns`; `None` where missing."""

    at: Instant
    booking: int | None
    values: tuple[float | None, ...]


class Opened(Struct, frozen=True):
    """created: a new file with new streams. quarantined: name of the file set aside. sqlite: version, for the `boot`
    fact."""

    created: bool
    quarantined: str | None
    sqlite: str = SQLITE_VERSION


class When(Struct, frozen=True):
    """The moment a fact carries. at_ms: since that boot. wall: [lo, hi] in ms or `None`. source: of the wall time."""

    boot: str
    at_ms: int
    wall: list[int] | None
    source: str

    def fact(self, kind: str, body: Mapping[str, object]) -> str:
        return wire.fact(kind, self.boot, self.at_ms, self.wall, self.source, facts.bounded(body))

    def alarm(self, name: str, event: str, why: str) -> str:
        """One of the store's own. event: "raised" or "cleared"."""
        return self.fact("alarm", {"name": name, "event": event, "detail": {"why": why}})


class Taken(Struct, frozen=True):
    """One sample as it came from the sampler, with the moment it carries."""

    when: When
    booking: int | None
    values: tuple[float | None, ...]


class Batch(Struct, frozen=True):
    """One transaction. facts: texts without number. rows: samples waiting. seal: seal whatever is open."""

    when: When
    facts: tuple[str, ...] = ()
    put: Mapping[str, bytes] = field(default_factory=dict)
    drop: tuple[str, ...] = ()
    rows: tuple[Taken, ...] = ()
    seal: bool = False


class Columns(Struct, frozen=True):
    """The list that samples refer to. number: of its fact, 0 before it is stored."""

    number: int
    names: tuple[str, ...]
    steps: tuple[float, ...]
    units: tuple[str, ...]

    def body(self) -> dict[str, object]:
        return {"names": list(self.names), "steps": list(self.steps), "units": list(self.units)}

    def to_bytes(self) -> bytes:
        return wire.text([self.number, self.names, self.steps, self.units]).encode()

    @classmethod
    def from_bytes(cls, data: bytes | None) -> Columns | None:
        """`None` when these bytes are no list of columns: it is said again before the next sample."""
        try:
            number, *lists = stored.value(list[object], data or b"")
            names, units = (stored.typed(tuple[str, ...], texts) for texts in lists[::2])
            found = cls(stored.typed(int, number), names, stored.typed(tuple[float, ...], lists[1]), units)
        except (ValueError, IndexError):
            return None
        fitting = len(names) == len(found.steps) == len(units) and all(step > 0 for step in found.steps)
        return found if fitting else None
