"""The vault as memory has it, and how it comes together with the one in the file (D14).

What is not here: who writes the file (`disk.py`).
"""

from __future__ import annotations

from collections.abc import Mapping

from buffer import db, vault

from . import tags
from .record import Batch


class Known:
    """loaded: a file was read and written, from then on memory is the newer of the two. stale: the first file to be
    whole after the start holds other values than were read at the start; what was made of those has to be made anew.
    """

    def __init__(self) -> None:
        self.values: dict[str, bytes] = {}
        self.loaded = self.stale = False
        self._seen: dict[str, bytes] | None = None  # read before, while nothing could be written
        self._dropped: set[str] = set()

    def see(self, found: Mapping[str, bytes]) -> None:
        """What can be read although nothing can be written, empty where not even that. At the start only: what is found
        later has been made use of by nobody.
        """
        if self.loaded or self._seen is not None:
            return
        self._seen = dict(found)
        self.values = {key: value for key, value in found.items() if key not in self._dropped} | self.values

    def remember(self, batch: Batch) -> None:
        """As it should be; on its own, it is what is written once a file can be opened again."""
        for key in batch.drop:
            self.values.pop(key, None)
        self._dropped.update(batch.drop)
        self._dropped.difference_update(batch.put)
        self.values.update(batch.put)

    def settle(self, connection: db.Connection, rescued: Mapping[str, bytes]) -> dict[str, bytes]:
        """Make file and memory say the same, inside a transaction; what both say then, for `settled`."""
        stored = vault.read(connection, "")
        known = dict(self.values) if self.loaded else self._first({**rescued, **stored})
        for key in self._dropped:
            known.pop(key, None)
        changed = {key: value for key, value in known.items() if stored.get(key) != value}
        vault.change(connection, changed, [key for key in stored if key not in known])
        return known

    def settled(self, known: dict[str, bytes]) -> None:
        """The transaction is on the disk."""
        self.values, self.loaded = known, True
        self._dropped.clear()

    def written(self, batch: Batch) -> None:
        """The same, of a batch."""
        self.remember(batch)
        self._dropped.clear()

    def _first(self, found: dict[str, bytes]) -> dict[str, bytes]:
        """Whoever had the file meanwhile may have erased: what was seen counts only where nothing is found at all."""
        seen = self._seen or {}
        self.stale = self._seen is not None and bool(found) and _of_others(found) != _of_others(seen)
        own = {key: value for key, value in self.values.items() if seen.get(key) != value}
        return (found or seen) | own


def _of_others(values: Mapping[str, bytes]) -> dict[str, bytes]:
    """Without what each opening of a file writes into it."""
    return {key: value for key, value in values.items() if key != tags.LIVED_KEY}
