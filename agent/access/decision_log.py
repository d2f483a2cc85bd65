"""The last decisions with their inputs, in the car alone: durable with the intent or the refusal they belong to.

Two rings of places in the vault, so that somebody who plays with the reader pushes out refusals and never what opened
the car. What is not here: the bytes of a record (`decision_record.py`), and who asks for them (`boitier token`).
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, Final

import msgspec
from msgspec import Struct

from keyless.claims import Interval
from keyless.refusal import Refusal

from ..sync.store import Store, StoreBroken
from ..sync.tags import DECISION_KEY as PREFIX
from .commanded import Commanded
from .deciding import Known, Verdict
from .decision_record import MOST_BYTES, Presented, decided_as, read, record

log = logging.getLogger(__name__)

PLACES: Final = 64  # a ring; at some 24 decisions a shared car a day, what moved it in the last three days at least
KEPT_S: Final = 30 * 86_400  # as samples at most (P5): a bill is disputed within the month


class Head(Struct):
    """What is looked at of a stored record before all of it is read."""

    n: int
    now: Interval


class DecisionLog:
    """software: the version whose rules decide. At most 2 x 64 records of 8 KiB: 1 MiB; usually 150 KiB."""

    def __init__(self, store: Store, software: str) -> None:
        self._store, self._software = store, software
        self._next = {"moved": 0, "refused": 0}  # place in each ring
        self._n = 1
        self.counters = {"decisions": 0, "decisions_too_big": 0, "decisions_failed": 0}

    def load(self, vault: Mapping[str, bytes]) -> None:
        """What does not read is overwritten when its place comes."""
        newest: dict[str, tuple[int, int]] = {}
        for name, data in vault.items():
            ring, _, place = name.removeprefix(PREFIX).partition("/")
            head = _head(data) if name.startswith(PREFIX) else None
            if head is not None and ring in self._next and place.isdecimal():
                newest[ring] = max(newest.get(ring, (0, 0)), (head.n, int(place)))
        for ring, (_, at) in newest.items():
            self._next[ring] = (at + 1) % PLACES
        self._n = max((n for n, _ in newest.values()), default=0) + 1

    def keep(self, presented: Presented, known: Known, came_out: Commanded | Verdict) -> dict[str, bytes]:
        """What is to be written with the intent or the refusal. Never raises: a record keeps no door shut."""
        try:
            data = record(self._n, self._software, presented, known, came_out)
        except Exception:
            self.counters["decisions_failed"] += 1
            log.exception("a decision is not recorded")
            return {}
        if len(data) > MOST_BYTES:
            self.counters["decisions_too_big"] += 1
            return {}
        verdict = came_out.verdict if isinstance(came_out, Commanded) else came_out
        ring = "moved" if verdict.refusal is None else "refused"
        place = self._next[ring]
        self._next[ring], self._n = (place + 1) % PLACES, self._n + 1
        self.counters["decisions"] += 1
        return {f"{PREFIX}{ring}/{place}": data}

    async def purge(self, lo_s: float) -> None:
        """lo_s: the earliest it can be now."""
        try:
            vault = await self._store.read(PREFIX)
            heads = {name: _head(data) for name, data in vault.items()}
            old = [name for name, head in heads.items() if head is None or head.now.lo_s + KEPT_S < lo_s]
            if old:
                await self._store.commit(drop=old)
        except StoreBroken:
            log.warning("the database is broken; old decisions go later")


def answer(vault: Mapping[str, bytes], request: Mapping[str, object]) -> dict[str, Any]:
    """What `boitier token decisions` asks: all of them in short, oldest first, or with `n` that one as text. Raises
    ValueError.
    """
    held = {name: data for name, data in vault.items() if name.startswith(PREFIX)}
    wanted = request.get("n")
    if wanted is None:
        told = (_in_short(data) for data in held.values())
        return {"decisions": sorted((it for it in told if it is not None), key=lambda it: int(it["n"]))}
    for data in held.values():
        head = _head(data)
        if head is not None and head.n == wanted:
            return {"record": data.decode()}
    raise ValueError(f"there is no decision {wanted}; boitier token decisions lists them")


def _head(data: bytes) -> Head | None:
    try:
        return msgspec.json.decode(data, type=Head)
    except (ValueError, RecursionError):
        return None


def _in_short(data: bytes) -> dict[str, Any] | None:
    found = read(data)
    decided = None if isinstance(found, Refusal) else decided_as(bytes(found.decision))
    if isinstance(found, Refusal) or decided is None:
        return None
    return {
        "n": found.n, "lo_s": found.now.lo_s, "hi_s": found.now.hi_s, "source": found.now.source,
        "via": found.presented.via, "booking": decided.booking, "action": decided.action, "code": decided.code,
    }  # fmt: skip
