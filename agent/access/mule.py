"""The phone as a mule: it brings signed objects in and carries sealed facts out. Anybody's phone: it needs no trust.

What is not here: the conversation (`phones.py`), what is believed of an object (`agent/run/provisioning.py`), and the
bytes of pieces and parcels (`keyless/pieces.py`, `keyless/parcel.py`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from msgspec import Struct

from buffer.outbox import FactRow
from drivers.ports import Clock
from keyless import pieces
from keyless.near import Kind
from keyless.parcel import Parcel, fits, sealed, signed
from keyless.pieces import Joining
from keyless.refusal import Code, Refusal, refused
from keyless.vehicle_key import VehicleKey

from ..sync import wire
from ..sync.store import StoreBroken

log = logging.getLogger(__name__)

OBJECTS: Final = 8  # a link: key set, list, roots, time and as many again
BUILT_EVERY_NS: Final = 5_000_000_000  # who fetches anew before that gets the same parcel
KEPT: Final = 4  # parcels in memory: more than there are links
FACTS: Final = 150  # looked at for one parcel, and so many bytes of them
FACTS_BYTES: Final = 48 * 1024

Accept = Callable[[bytes], "Refusal | None"]


class Facts(Protocol):
    """What is needed of `agent.sync.store.Store`."""

    async def next_facts(
        self, after: int, limit_bytes: int, limit_rows: int = 50
    ) -> tuple[str, tuple[FactRow, ...]]: ...


class Sealing(Struct, frozen=True):
    """operator, vehicle (16 hex digits): whose parcels. recipient: the backend's X25519 key. key: the vehicle's own,
    `None` while there is none.
    """

    operator: str
    vehicle: str
    recipient: bytes
    key: Callable[[], VehicleKey | None]


class Ready(Struct, frozen=True):
    """A parcel as it goes out, the same bytes for whoever goes on with it. last: number of its newest fact."""

    name: bytes
    data: bytes
    stream: str
    last: int


class Bag:
    """Of one link: a whole that is still coming in pieces, and how many came."""

    def __init__(self) -> None:
        self.joining, self.objects = Joining(), 0


class Mule:
    """accept: the one entrance for key sets, roots, lists and signed time. sealing: `None` where the settings name no
    key to seal for; then phones carry nothing out.
    """

    def __init__(self, clock: Clock, store: Facts, accept: Accept, sealing: Sealing | None) -> None:
        self._clock, self._store, self._accept, self._sealing = clock, store, accept, sealing
        self._ready: list[Ready] = []
        self._built_ns = -BUILT_EVERY_NS
        self._after, self._stream = 0, ""
        self.counters = dict.fromkeys(("brought", "not_taken", "parcels", "carried_out", "not_sealed"), 0)

    # --- in

    def carry(self, body: bytes, bag: Bag) -> bytes | None:
        """What became of it, as a message for the phone; `None` while pieces are missing."""
        whole = self._whole(body, bag)
        if whole is None:
            return None
        refusal = whole if isinstance(whole, Refusal) else self._take(whole, bag)
        self.counters["brought" if refusal is None else "not_taken"] += 1
        return pieces.write_taken(None if refusal is None else refusal.code)

    def _whole(self, body: bytes, bag: Bag) -> bytes | Refusal | None:
        if body[:1] != bytes([pieces.HEAD]):
            return body
        piece = pieces.read_piece(body)
        if isinstance(piece, Refusal):
            bag.joining = Joining()
            return piece
        bag.joining, whole = pieces.joined(bag.joining, piece)
        return whole

    def _take(self, whole: bytes, bag: Bag) -> Refusal | None:
        if bag.objects >= OBJECTS:
            return refused(Code.OCCUPIED, "so many objects on one link are not looked at")
        bag.objects += 1
        try:
            return self._accept(whole)
        except OSError as error:
            log.error("what a phone brought cannot be kept: %s", error)
            return refused(Code.STORE_BROKEN, str(error))

    # --- out

    async def fetch(self, body: bytes) -> tuple[Kind, bytes]:
        """A piece of a parcel, or why there is none."""
        asked = pieces.read_fetch(body)
        if isinstance(asked, Refusal):
            return Kind.TAKEN, pieces.write_taken(asked.code)
        if asked is None:
            found, at = await self._newest(), 0
        else:
            found, at = next((it for it in self._ready if it.name == asked[0]), None), asked[1]
        if not isinstance(found, Ready) or at >= len(found.data):
            return Kind.TAKEN, pieces.write_taken(found.code if isinstance(found, Refusal) else Code.NOT_STORED)
        piece = pieces.cut(found.data, at)
        if at + len(piece.data) == len(found.data):
            self.counters["carried_out"] += 1
            self._after, self._stream = found.last, found.stream
        return Kind.PARCEL, pieces.write_piece(piece)

    async def _newest(self) -> Ready | Refusal | None:
        """The one of just now, or a new one. Each goes on where the last that was fetched whole has ended, and begins
        anew after the newest fact: nobody says here what has arrived, `down/ack` does.
        """
        now_ns = self._clock.now().ns
        if self._ready and now_ns - self._built_ns < BUILT_EVERY_NS:
            return self._ready[-1]
        try:
            built = await self._build()
        except StoreBroken as error:
            return refused(Code.STORE_BROKEN, str(error))
        except ValueError as error:
            log.error("nothing can be sealed with keyless.parcel_key: %s", error)
            self.counters["not_sealed"] += 1
            return None
        if built is not None:
            self._built_ns = now_ns
            self._ready = [*self._ready, built][-KEPT:]
            self.counters["parcels"] += 1
        return built

    async def _build(self) -> Ready | None:
        sealing, key = self._sealing, None if self._sealing is None else self._sealing.key()
        if sealing is None or key is None:
            return None
        stream, rows = await self._store.next_facts(self._after, FACTS_BYTES, FACTS)
        if self._after and (not rows or stream != self._stream):
            stream, rows = await self._store.next_facts(0, FACTS_BYTES, FACTS)
        content, last = fitting(rows, lambda some: _content(sealing, key, stream, some))
        if not content:
            return None
        data = sealed(content, bytes.fromhex(sealing.vehicle), sealing.recipient)
        return Ready(pieces.name_of(data), data, stream, last)


def fitting(rows: Sequence[FactRow], content: Callable[[Sequence[FactRow]], bytes]) -> tuple[bytes, int]:
    """The content of the oldest rows that fit together, and the number of the last; empty where none fits.

    One row that is too large by itself is left to MQTT.
    """
    while rows:
        made = content(rows)
        if fits(made):
            return made, rows[-1].n
        rows = rows[: len(rows) // 2] if len(rows) > 1 else ()
    return b"", 0


def _content(sealing: Sealing, key: VehicleKey, stream: str, rows: Sequence[FactRow]) -> bytes:
    facts = wire.facts(sealing.vehicle, stream, ((row.n, row.body) for row in rows))
    return signed(Parcel(sealing.operator, bytes.fromhex(sealing.vehicle), facts), key.public, key.sign)
