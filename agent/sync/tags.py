"""Pure but for one counter: what a row holds of people, so that it goes in time (P5) and with its booking (P9).

What is not here: deleting (`buffer/aging.py`), and how long anything may stay (the privacy policy).
"""

from __future__ import annotations

import json
import re
from typing import Final

from buffer.outbox import POSITION, SAMPLE, Tag
from config.vocabulary import LATITUDE, LONGITUDE

from .record import Columns, When
from .samples import Run
from .stored import number

LIVED_KEY: Final = "store.lived"
DECISION_KEY: Final = "decision/"  # of the vault: records of decisions, JSON that names its bookings
POSITION_FACT: Final = '{"kind":"position",'


class Lived:
    """For how long this box has run in all, over every boot, in ms. It ages what was written while nobody knew the
    time: that much has surely passed. Never too high: a power cut costs what was not saved.
    """

    def __init__(self) -> None:
        self._base_ms, self._boot, self._since_ms = 0, "", 0

    def begin(self, stored: bytes | None, when: When) -> None:
        """Once for a run of the program, and again, without effect, when the file is opened anew."""
        if self._boot:
            return
        try:
            self._base_ms = number((stored or b"0").decode("ascii")) or 0
        except ValueError:
            self._base_ms = 0
        self._boot, self._since_ms = when.boot, when.at_ms

    def ms(self, when: When) -> int:
        return self._base_ms + (max(0, when.at_ms - self._since_ms) if when.boot == self._boot else 0)

    def stored(self, when: When) -> dict[str, bytes]:
        """For the vault."""
        return {LIVED_KEY: str(self.ms(when)).encode()}


def naming(booking: int) -> re.Pattern[bytes]:
    """Found in JSON that names a booking."""
    return re.compile(rb'"booking":%d[,}]' % booking)


def of_run(run: Run, columns: Columns | None, lived_ms: int) -> Tag:
    """columns: the newest list; of a run with another one nobody knows that there is no position in it."""
    width = len(run.rows[0][1])
    known = columns is not None and columns.number == run.columns and len(columns.names) == width
    places = [i for i, name in enumerate(columns.names) if name in (LATITUDE, LONGITUDE)] if columns and known else []
    placed = not known or any(values[i] is not None for _, values in run.rows for i in places)
    born_ms = None if run.wall is None else run.wall[1] + run.rows[-1][0] - run.rows[0][0]
    return Tag(POSITION if placed else SAMPLE, run.booking, born_ms, lived_ms)


def of_fact(text: str, lived_ms: int) -> Tag | None:
    """Of a stored text without its number; `None` for what holds no position."""
    if not text.startswith(POSITION_FACT):
        return None
    fact = json.loads(text)
    wall, booking = fact["wall"], fact["body"].get("booking")
    return Tag(POSITION, booking, None if wall is None else wall[1], lived_ms)
