"""The highest revision seen of each booking: a token of a lower one is refused (docs/keyless.md section 5, step 9).

What is not here: the tokens (`bookings.py`), and who may still hold on to a lower revision (`keyless/verify.py`).
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from typing import Final

from ..sync import stored

log = logging.getLogger(__name__)

REVISION: Final = "revision/"
REVISED: Final = 1_024  # bookings whose revision is remembered after their tokens are gone: some years of extensions


class Revisions:
    """highest: booking to revision, both above 0, which needs no memory."""

    def __init__(self) -> None:
        self.highest: dict[int, int] = {}
        self._written: dict[int, int] = {}  # what the database knows of it

    def take(self, name: str, data: bytes) -> bool:
        """A row of the database; False where it cannot be read."""
        booking, revision = stored.number(name.removeprefix(REVISION)), stored.number(data.decode("ascii", "replace"))
        if booking is None or revision is None:
            log.error("revision %s of booking %s cannot be read", data, ascii(name))
            return False
        self.see(booking, revision)
        self._written[booking] = revision
        return True

    def see(self, booking: int, revision: int) -> None:
        if booking and revision:  # number 0 is "no booking": nothing supersedes there
            self.highest[booking] = max(revision, self.highest.get(booking, 0))

    def unwritten(self, booking: int | None = None) -> dict[int, int]:
        """What the database has yet to be told, of this booking or of all: a cut may leave a token's file alone, and
        its revision must outlive the token.
        """
        of = self.highest.items()
        return {n: it for n, it in of if booking in (None, n) and self._written.get(n, 0) < it}

    def written(self, known: Mapping[int, int]) -> None:
        self._written |= known

    def worn(self, needed: Collection[int]) -> list[int]:
        """Bookings that may be forgotten. needed: those with a token, which still needs its own. Numbers rise, so the
        lowest are the oldest.
        """
        return sorted(self.highest.keys() - needed)[: max(0, len(self.highest) - REVISED)]

    def forget(self, bookings: Collection[int]) -> None:
        for number in bookings:
            self.highest.pop(number, None)
            self._written.pop(number, None)


def rows(known: Mapping[int, int]) -> dict[str, bytes]:
    """As the database keeps them."""
    return {f"{REVISION}{booking}": str(revision).encode() for booking, revision in known.items()}
