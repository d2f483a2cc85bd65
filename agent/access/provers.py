"""Badges that prove themselves, as this car has seen them: each reading counts once, over restarts and cuts.

What is not here: the cryptography (`keyless/sun.py`), and whether the badge may open (`deciding.py`).
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Final

from keyless.refusal import Code, Refusal, refused
from keyless.sun import SunBadge, read_sun

from ..sync import stored

log = logging.getLogger(__name__)

COUNTER: Final = "sun/"


class Provers:
    """meta_key, master: the operator's two keys of 16 bytes; empty where such badges are not used."""

    def __init__(self, meta_key: bytes = b"", master: bytes = b"") -> None:
        self._meta_key, self._master = meta_key, master
        self._seen: dict[str, int] = {}  # badge id in hex -> highest counter
        self.counters = {"sun_forged": 0, "sun_replayed": 0, "sun_damaged": 0}

    def load(self, vault: Mapping[str, bytes]) -> None:
        """What earlier runs left. A damaged counter is forgotten: the badge still opens, and counts from its next
        reading on.
        """
        for name, data in vault.items():
            if name.startswith(COUNTER):
                counter = stored.number(data.decode("ascii", "replace"))
                if counter is None:
                    self.counters["sun_damaged"] += 1
                    log.error("the counter of a badge cannot be read")
                else:
                    self._seen[name.removeprefix(COUNTER)] = counter

    def read(self, message: bytes) -> tuple[SunBadge, dict[str, bytes]] | Refusal:
        """The badge, and its counter for the vault, which belongs on the disk with whatever follows; or why none."""
        if not self._meta_key:
            return refused(Code.NOT_STORED, "this car has no keys for such badges")
        badge = read_sun(message, self._meta_key, self._master)
        if isinstance(badge, Refusal):
            self.counters["sun_forged"] += 1
            return badge
        name = badge.id.hex()
        if badge.counter <= self._seen.get(name, -1):
            self.counters["sun_replayed"] += 1
            return refused(Code.REPLAY, f"reading {badge.counter}, seen {self._seen[name]}")
        self._seen[name] = badge.counter
        return badge, {COUNTER + name: str(badge.counter).encode()}
