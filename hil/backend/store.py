"""What the receiver needs of a database, whichever it is: groups in, marks out, both of one transaction.

What is not here: a database (`holdings.py` is one SQLite file), and MQTT (`receiver.py`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol

from .payload import Item

Stream = tuple[str, str]  # vehicle and stream, 16 hex digits each


@dataclass(frozen=True, slots=True)
class Mark:
    """What of a stream is held: all numbers up to `upto`, and `ranges` above it, lowest first. poison: those of them
    that were set aside unread; they count as received, so that they never block the mark.
    """

    stream: Stream
    upto: int
    ranges: tuple[tuple[int, int], ...]
    poison: tuple[int, ...]

    @property
    def acknowledgement(self) -> dict[str, Any]:
        """The body of `down/ack`."""
        ranges = [list(pair) for pair in self.ranges]
        return {"v": 1, "stream": self.stream[1], "upto": self.upto, "ranges": ranges, "poison": list(self.poison)}


class NotStored(ConnectionError):
    """Nothing of the group is on the disk. Whoever sent it gets no answer, and sends it again."""


class Store(Protocol):
    """No mark is kept in memory between two calls: another receiver may write to the same database."""

    def marks(self) -> list[Mark]:
        """Of every stream. Raises NotStored where they cannot be read."""

    def commit(self, items: Iterable[Item], now_ms: int) -> list[Mark]:
        """Store a group in one transaction; the marks that it leaves of each stream it touched, repeats included: the
        first answer may be lost. Raises NotStored.
        """

    def close(self) -> None: ...
