"""The one-thread door to the database: awaitable, shielded, ordered, bounded. What is written lives in `disk.py`.

A write that was begun is finished, also when who waits for it is cancelled. While the disk refuses, facts wait (D14).
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, TypeVar

from msgspec.structs import replace

from buffer.errors import StorageError, StorageFull
from buffer.outbox import Acknowledged, FactRow, Pending, SampleBlob
from config.settings import Buffer
from drivers.ports import Clock, Instant

from . import delivery, wire
from .disk import Disk
from .facts import lesser
from .record import Batch, Columns, Fact, Opened, SampleRow, StoreBroken, Taken, When
from .waiting import Waiting
from .worker import Worker

__all__ = ["Fact", "Opened", "SampleRow", "Store", "StoreBroken"]

_T = TypeVar("_T")
_log = logging.getLogger(__name__)

KEEP_FACTS: Final = 1000
KEEP_SAMPLES: Final = 1000
ROUND_S: Final = 5.0  # samples are at most two rounds old when they are on disk (D25: 10 s)
RETRY_MOST_S: Final = 60.0
CHECK_AFTER_S: Final = 20.0  # the check of the file must not stand in the way of the first unlock
TIDY_EVERY_S: Final = 3600.0

Stamp = Callable[[Instant], tuple[list[int] | None, str]]


class Store:
    """stamp: wall interval and its source for an instant. version, car: for the `boot` fact of a stream begun while
    running.
    fresh: set whenever there is something new to send; the sender clears it. stale: the start knew less than the file
    that is whole by now; who loaded from here has to load again.
    """

    name = "store"
    vital = True

    def __init__(
        self, path: Path, clock: Clock, stamp: Stamp, vehicle: str, settings: Buffer, *,
        version: str | None = None, car: str | None = None,
    ) -> None:  # fmt: skip
        self._clock, self._stamp = clock, stamp
        self._keep_ms = round(settings.keep_days * 86_400_000)
        self._disk = Disk(path, settings.max_mib << 20, vehicle, version, car)
        self._worker = Worker("store")
        self._waiting: Waiting[SampleRow] = Waiting(KEEP_SAMPLES)
        self._kept: Waiting[str] = Waiting(KEEP_FACTS, lesser)
        self._riding: dict[str, bytes] = {}
        self._retry_ns, self._retry_s = 0, ROUND_S
        self._counts = dict.fromkeys(("commits", "facts", "failures", "acks", "odd_acks"), 0)
        self.fresh, self.stale = asyncio.Event(), asyncio.Event()
        self.broken, self.trouble, self.ticked_ns = False, "", 0

    # --- life ---

    async def open(self) -> Opened:
        """Raises StoreBroken when no file can be opened; `run` then keeps trying and everything else may be used."""
        self._worker.start()
        when = self._when()
        try:
            opened = await self._worker.do(lambda: self._disk.open(when))
        except StorageError as error:
            self._break(error)
            raise StoreBroken(str(error)) from error
        self.ticked_ns = self._clock.now().ns
        self.fresh.set()
        if opened.quarantined is not None:
            _log.error("database set aside as %s: %s", opened.quarantined, opened.detail)
        return Opened(opened.created, opened.quarantined)

    async def run(self) -> None:
        """Group commits, sealing, purging and recovery, until cancelled. The tick is a commit or a read that worked."""
        checked, due = False, self._clock.now().ns + CHECK_AFTER_S * 1e9
        while True:
            await self._clock.sleep(ROUND_S)
            now = self._clock.now().ns
            await self._round(now)
            if now >= due:
                await self._tidy(check=not checked)
                checked, due = True, now + TIDY_EVERY_S * 1e9
            self.ticked_ns = self._clock.now().ns

    async def close(self) -> None:
        """Write what waits, seal it and close the file. Idempotent; samples are what is lost when the disk refuses."""
        if not self._worker.started:
            return
        await self._worker.settle()
        if not self.broken:
            batch = Batch(self._when(), rows=self._taken(self._take_rows()), seal=True)
            try:
                await self._worker.do(lambda: self._disk.write(batch))
            except StorageError as error:
                _log.error("last commit failed: %s", error)
        await self._worker.do(self._disk.close)
        self._worker.close()

    # --- writing ---

    async def commit(
        self, facts: Sequence[Fact] = (), *, put: Mapping[str, bytes] | None = None, drop: Sequence[str] = (),
        seal: bool = False,
    ) -> tuple[int, ...]:  # fmt: skip
        """One durable transaction, waiting samples included; the numbers of the facts. seal: and no run stays open.
        Raises StoreBroken.

        When the quota is nearly used up, facts that tell only of a refusal are not stored and have no number.
        """
        texts = tuple(self._when(fact.at).fact(fact.kind, fact.body) for fact in facts)
        # The end of a booking seals its samples, so that they travel with the bill.
        seal = seal or any(fact.kind == "booking" and fact.body.get("event") == "closed" for fact in facts)
        riding, self._riding = self._riding, {}
        values = {key: value for key, value in riding.items() if key not in drop} | dict(put or {})
        batch = Batch(self._when(), texts, values, tuple(drop), seal=seal)
        return await self._worker.shielded(self._commit(batch))

    def sample(self, row: SampleRow) -> None:
        """Take a sample along with the next commit; never waits. The oldest goes when a thousand wait."""
        self._waiting.add(row)

    def ride(self, put: Mapping[str, bytes]) -> None:
        """Values for the vault that change all the time: the newest ones go along with the next commit, whoever's."""
        self._riding.update(put)

    async def use_columns(self, names: Sequence[str], steps: Sequence[float], units: Sequence[str]) -> int:
        """Say what the values of samples are; the number of the `columns` fact, a new one only when something changed.

        Samples wait until this was called once for the database. Raises StoreBroken.
        """
        wanted = Columns(0, tuple(names), tuple(steps), tuple(units))
        when = self._when()
        return await self._worker.shielded(
            self._writing(lambda rows: self._disk.use_columns(wanted, Batch(when, rows=rows)))
        )

    async def acknowledge(self, said: wire.Ack) -> Acknowledged:
        """Take the backend's word for what it has. Raises StoreBroken; the backend will say it again."""
        done = await self.ask(lambda disk, when: delivery.acknowledge(disk, said, when))
        self._retry_ns = 0  # room may have become free
        self._counts["acks"] += 1
        self._counts["odd_acks"] += int(done.beyond or not done.known)
        self.fresh.set()
        return done

    # --- reading ---

    async def read(self, prefix: str) -> dict[str, bytes]:
        """The vault by prefix; while the database is broken, what memory knows."""
        return await self._worker.do(lambda: self._disk.recall(prefix))

    async def next_facts(self, after: int, limit_bytes: int, limit_rows: int = 50) -> tuple[str, tuple[FactRow, ...]]:
        """Stream id, and facts above `after` that the backend lacks, oldest first. Raises StoreBroken."""
        return await self.ask(lambda disk, when: delivery.next_facts(disk, when, after, limit_bytes, limit_rows))

    async def next_samples(self, after: int, limit_rows: int = 1) -> tuple[str, tuple[SampleBlob, ...]]:
        """Stream id, and sealed blobs above `after` that the backend lacks, oldest first. Raises StoreBroken."""
        return await self.ask(lambda disk, when: delivery.next_samples(disk, when, after, limit_rows))

    async def pending(self) -> Pending:
        return await self.ask(lambda disk, _: delivery.pending(disk.database))

    async def check(self) -> tuple[str, ...]:
        """SQLite's own findings; a file with any is set aside and a new stream begins. Raises StoreBroken."""
        found = await self.ask(lambda disk, when: disk.check(when))
        if found:
            _log.error("database set aside: %s", found[0])
            self.fresh.set()
        return found

    def counters(self) -> dict[str, int]:
        kept = {"kept_facts": len(self._kept), "waiting_samples": len(self._waiting)}
        lost = {"lost_facts": self._kept.lost, "lost_samples": self._waiting.lost}
        return self._counts | kept | lost | self._disk.counts

    async def ask(self, work: Callable[[Disk, When], _T]) -> _T:
        """Work on the open file, in its thread (`delivery.py`, `holdings.py`). Raises StoreBroken."""
        when = self._when()
        return await self._reading(lambda: work(self._disk, when))

    # --- inside ---

    async def _reading(self, work: Callable[[], _T]) -> _T:
        try:
            return await self._worker.do(work)
        except StorageError as error:
            self._break(error)
            raise StoreBroken(str(error)) from error

    async def _writing(self, work: Callable[[tuple[Taken, ...]], _T]) -> _T:
        """Work that takes the waiting samples along, or leaves them waiting."""
        rows = self._take_rows()
        taken = self._taken(rows)
        try:
            done = await self._worker.do(lambda: work(taken))
        except BaseException as error:
            self._waiting.give_back(rows)
            if not isinstance(error, StorageError):
                raise
            self._break(error)
            raise StoreBroken(str(error)) from error
        self.fresh.set()
        return done

    async def _commit(self, batch: Batch) -> tuple[int, ...]:
        try:
            if self.broken:
                raise StoreBroken(self.trouble)
            numbers = await self._writing(lambda rows: self._disk.write(replace(batch, rows=rows)))
        except StoreBroken:
            self._keep(batch)
            raise
        self._counts["commits"] += 1
        self._counts["facts"] += len(numbers)
        return numbers

    async def _round(self, now_ns: int) -> None:
        """One of: try again, commit a group, or prove by a read that the thread and the file are alive."""
        waits = bool(self._waiting) and now_ns - self._waiting.oldest.at.ns >= ROUND_S * 1e9
        try:
            if self.broken:
                await self._recover(now_ns)
            elif (waits and self._disk.columns is not None) or self._disk.has_aged(now_ns // 1_000_000):
                await self.commit()
            else:
                await self._reading(self._disk.probe)
        except StoreBroken as error:
            _log.warning("samples wait: %s", error)

    async def _tidy(self, *, check: bool) -> None:
        with contextlib.suppress(StoreBroken):
            if check:
                await self.check()
            await self.ask(lambda disk, when: disk.tidy(when, self._keep_ms))

    async def _recover(self, now_ns: int) -> None:
        """Open what can be opened, and write what was kept; with doubling pauses."""
        if now_ns < self._retry_ns:
            return
        self._retry_s = min(RETRY_MOST_S, self._retry_s * 2)
        self._retry_ns = now_ns + round(self._retry_s * 1e9)
        when = self._when()
        await self._reading(lambda: self._disk.open(when))
        over = Batch(when, (when.alarm("storage", "cleared", self.trouble),))
        while kept := self._kept.take():
            try:
                await self._worker.do(functools.partial(self._disk.write_kept, Batch(when, kept)))
            except StorageError as error:
                self._kept.give_back(kept)
                self._break(error)
                return
            _log.warning("database whole again, %d kept facts written", len(kept))
        self.broken, self._retry_s = False, ROUND_S
        await self._commit(over)
        if self._disk.known.stale:
            self.stale.set()

    def _break(self, error: StorageError) -> None:
        """From now on in memory. A file that may be in an unknown state is closed, and opened anew later."""
        self._counts["failures"] += 1
        self.trouble = str(error)
        if not self.broken:
            self.broken = True
            self._retry_ns = self._clock.now().ns + round(self._retry_s * 1e9)
            self._kept.add(self._when().alarm("storage", "raised", self.trouble))
            _log.error("database broken: %s", error)
        # A full disk can still be read and drained.
        if not isinstance(error, StorageFull):
            self._worker.submit(self._disk.close)

    def _keep(self, batch: Batch) -> None:
        for text in batch.facts:
            self._kept.add(text)
        self._worker.submit(lambda: self._disk.known.remember(batch))

    def _take_rows(self) -> tuple[SampleRow, ...]:
        return self._waiting.take() if self._disk.columns is not None else ()  # or nobody said yet what they are

    def _taken(self, rows: tuple[SampleRow, ...]) -> tuple[Taken, ...]:
        return tuple(Taken(self._when(row.at), row.booking, row.values) for row in rows)

    def _when(self, at: Instant | None = None) -> When:
        moment = at or self._clock.now()
        wall, source = self._stamp(moment)
        return When(moment.boot, moment.ns // 1_000_000, wall, source)
