"""What the store's thread does: one transaction out of facts, samples and vault, and what follows when a disk refuses.

Synchronous and used by one thread only; waiting, bounding and remembering for later is the part of `store.py`.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Final

from msgspec.structs import replace

from buffer import aside, db, outbox, retention, vault
from buffer.errors import StorageDamaged, StorageError, StorageFull, StorageUnavailable

from . import facts, samples, tags
from .known import Known
from .record import Batch, Columns, Taken, When

COLUMNS_KEY: Final = "store.columns"
COUNTS: Final = (
    "set_aside", "odd_samples", "odd_groups", "unrecorded",
    "aged_positions", "aged_samples", "erased_positions", "erased_samples", "record_damaged", "record_refused",
)  # fmt: skip


class Disk:
    """version, car: for the `boot` fact of a new stream, `None` where not told."""

    def __init__(self, path: Path, max_bytes: int, vehicle: str, version: str | None, car: str | None) -> None:
        self.path, self._max_bytes, self._vehicle = path, max_bytes, vehicle
        self._program = {"version": version, "car": car, "sqlite": db.SQLITE_VERSION}
        self._database: db.Database | None = None
        self._open: samples.Run | None = None
        self._before: tuple[str, int] | None = None  # stream and last fact, as the newest write began
        self._doubt: tuple[str, int] | None = None  # the same, of the oldest write whose outcome is unknown
        self.lived = tags.Lived()
        self.known = Known()
        self.columns: Columns | None = None
        self.counts = dict.fromkeys(COUNTS, 0)

    @property
    def database(self) -> db.Database:
        if self._database is None:
            raise StorageUnavailable("the database is not open")
        return self._database

    @property
    def vault(self) -> dict[str, bytes]:
        """As it should be, whether or not a file took it."""
        return self.known.values

    @property
    def is_open(self) -> bool:
        return self._database is not None

    # --- opening and closing ---

    def open(self, when: When) -> db.Opened:
        """Open what is there or a new one, and seal what the last boot left unsealed; also again, after a mishap.

        Raises StorageFull or StorageUnavailable: the vault has what could be read all the same, and a full file stays
        open, to be drained.
        """
        self.close()
        try:
            return self._opened(when)
        except StorageError as error:
            if isinstance(error, StorageFull) and self._database is None and retention.drop_ballast(self.path):
                return self.open(when)
            if not self.known.loaded:
                self.known.see(aside.last_vault(self.path))
            raise

    def _opened(self, when: When) -> db.Opened:
        opened = db.open_or_replace(self.path, self._max_bytes)
        try:
            return self._start(opened, when)
        except StorageDamaged as error:  # the first pages were whole, one that is needed now is not
            if opened.created:
                opened.database.discard()
                raise StorageUnavailable(f"a new file is damaged at once: {error}") from error
            return self._start(db.replace(self.path, self._max_bytes, str(error)), when)

    def set_aside(self, when: When, detail: str) -> db.Opened:
        """Give up the file that is open and go on in a new one, with what is still known in memory."""
        self.close()
        return self._start(db.replace(self.path, self._max_bytes, detail), when)

    def _start(self, opened: db.Opened, when: When) -> db.Opened:
        self._database = opened.database
        try:
            if self.known.loaded:  # after a mishap: no later sync writes what a failed one left in the log
                with contextlib.suppress(StorageFull):
                    opened.database.checkpoint()
            try:
                known, odd = self._begin(opened, when)
            except StorageFull:
                if not retention.make_room(opened.database, self.describe(when)):
                    raise
                known, odd = self._begin(opened, when)
        except BaseException as error:
            if opened.rescued:  # the file that had it is set aside by now
                self.known.see(opened.rescued)
            if not isinstance(error, StorageFull):
                self.close()
            raise
        self._open = None
        self.known.settled(known)
        self.counts["odd_groups"] += odd
        self.columns = Columns.from_bytes(known.get(COLUMNS_KEY))
        return opened

    def _begin(self, opened: db.Opened, when: When) -> tuple[dict[str, bytes], int]:
        """The vault, and how many stored groups make no run."""
        with opened.database.write() as connection:
            known = self.known.settle(connection, opened.rescued)
            self.lived.begin(known.get(tags.LIVED_KEY), when)
            if opened.created:
                self._introduce(connection, opened, known, when)
                if self._open is not None and (columns := Columns.from_bytes(known.get(COLUMNS_KEY))) is not None:
                    # Its rows went away with the file; memory still has them.
                    self._seal(connection, replace(self._open, columns=columns.number), when)
            runs, odd = samples.join(outbox.groups(connection))
            for run in runs:
                self._seal(connection, run, when)
            outbox.clear_groups(connection)
        return known, odd

    def _introduce(self, connection: db.Connection, opened: db.Opened, known: dict[str, bytes], when: When) -> None:
        """First facts of a new stream: why it begins, and the columns its samples refer to."""
        if opened.quarantined is not None or opened.detail:
            self.counts["set_aside"] += 1
            boot = self._program | {"why": "new_stream", "vehicle_key": None}
            outbox.append_fact(connection, when.fact("boot", boot | {"quarantined": opened.quarantined}))
            outbox.append_fact(connection, when.alarm("database_broken", "raised", opened.detail))
        if (columns := Columns.from_bytes(known.get(COLUMNS_KEY))) is not None:
            self._columns(connection, columns, known, when)

    def close(self) -> None:
        if self._database is not None:
            self._database.close()
            self._database = None

    # --- writing ---

    def write(self, batch: Batch) -> tuple[int, ...]:
        """Numbers of the facts, all of the batch being durable. Raises StorageFull or StorageUnavailable."""
        self._before = None
        try:
            return self._persist(batch, 3)
        except StorageUnavailable:
            self._doubt = self._doubt or self._before
            raise

    def write_kept(self, batch: Batch) -> None:
        """Facts kept in memory since a write failed, without those that came to be on the disk all the same: a commit
        whose sync failed may have been written. Raises as `write`."""
        texts = list(batch.facts)
        if self._doubt is not None and self._doubt[0] == self.database.streams["facts"]:
            with self.database.read() as connection:
                for text in outbox.texts(connection, self._doubt[1]):
                    if text in texts:
                        texts.remove(text)
        self.write(replace(batch, facts=tuple(texts)))
        self._doubt = None

    def _persist(self, batch: Batch, tries: int) -> tuple[int, ...]:
        try:
            return self._write(batch)
        except StorageFull:
            if tries <= 1 or not retention.make_room(self.database, self.describe(batch.when)):
                raise
        except StorageDamaged as error:
            if tries <= 1:
                raise StorageUnavailable(str(error)) from error
            self.set_aside(batch.when, str(error))
        return self._persist(batch, tries - 1)

    def _write(self, batch: Batch) -> tuple[int, ...]:
        with self.database.write() as connection:
            self._before = self.database.streams["facts"], outbox.last(connection, "facts")
            run = self._flush(connection, batch)
            vault.change(connection, batch.put, batch.drop)
            told = self._affordable(connection, batch.facts)
            lived_ms = self.lived.ms(batch.when)
            numbers = tuple(outbox.append_fact(connection, text, tags.of_fact(text, lived_ms)) for text in told)
        self._open = run
        self.counts["unrecorded"] += len(batch.facts) - len(told)
        self.known.written(batch)
        return numbers

    def _affordable(self, connection: db.Connection, texts: tuple[str, ...]) -> tuple[str, ...]:
        """Without the lesser facts when the quota is nearly used up: what is left of it is for what moved the car."""
        if any(map(facts.lesser, texts)) and retention.usage(connection) > retention.LESSER_SHARE:
            return tuple(text for text in texts if not facts.lesser(text))
        return texts

    def _flush(self, connection: db.Connection, batch: Batch) -> samples.Run | None:
        """Put the waiting rows on disk, sealing every run that is complete; the run that stays open."""
        run, fresh, sealed = self._open, list[samples.Row](), False
        for taken in batch.rows:
            row = self._row(taken)
            if row is None or self.columns is None:
                continue
            if run is not None and run.takes(self.columns.number, taken.booking, taken.when.boot, row[0]):
                run = samples.extended(run, (row,))
                fresh.append(row)
                continue
            sealed = self._seal(connection, run, batch.when) or sealed
            when = taken.when
            wall = (when.wall[0], when.wall[1]) if when.wall is not None else None
            run = samples.Run(self.columns.number, taken.booking, when.boot, wall, when.source, (row,))
            fresh = [row]
        if run is not None and (batch.seal or run.complete(batch.when.at_ms)):
            sealed, run, fresh = self._seal(connection, run, batch.when), None, []
        if sealed:
            outbox.clear_groups(connection)
            self.note_lived(connection, batch.when)
            if retention.usage(connection) > retention.SAMPLES_SHARE:
                retention.thin(connection, self.describe(batch.when))
        if run is not None and fresh:
            outbox.add_group(connection, samples.group(run if sealed else replace(run, rows=tuple(fresh))))
        return run

    def _row(self, taken: Taken) -> samples.Row | None:
        if self.columns is None or len(taken.values) != len(self.columns.steps):
            self.counts["odd_samples"] += 1
            return None
        return taken.when.at_ms, samples.scale(taken.values, self.columns.steps)

    def _seal(self, connection: db.Connection, run: samples.Run | None, when: When) -> bool:
        if run is None:
            return False
        stream, tag = self.database.streams["samples"], tags.of_run(run, self.columns, self.lived.ms(when))
        outbox.seal(connection, lambda number: samples.seal(self._vehicle, stream, number, run), tag)
        return True

    def note_lived(self, connection: db.Connection, when: When) -> None:
        stored = self.lived.stored(when)
        self.vault.update(stored)
        vault.change(connection, stored, ())

    def recall(self, prefix: str) -> dict[str, bytes]:
        return {key: value for key, value in self.vault.items() if key.startswith(prefix)}

    def use_columns(self, wanted: Columns, batch: Batch) -> int:
        """Make `wanted` the list of columns from here on; the number of its fact, the old one when nothing changed."""
        have = self.columns
        if have is not None and replace(have, number=0) == replace(wanted, number=0):
            return have.number
        self.write(replace(batch, seal=True))
        with self.database.write() as connection:
            self.columns = self._columns(connection, wanted, self.vault, batch.when)
        return self.columns.number

    def _columns(self, connection: db.Connection, wanted: Columns, known: dict[str, bytes], when: When) -> Columns:
        number = outbox.append_fact(connection, when.fact("columns", wanted.body()))
        columns = replace(wanted, number=number)
        known[COLUMNS_KEY] = columns.to_bytes()
        vault.change(connection, {COLUMNS_KEY: known[COLUMNS_KEY]}, ())
        return columns

    def describe(self, when: When) -> retention.Describe:
        """The fact that numbers will never come, as text."""
        streams = self.database.streams
        return lambda name, first, last, why: when.fact("dropped", facts.dropped(name, first, last, why, streams[name]))

    # --- housekeeping ---

    def tidy(self, when: When, keep_ms: int) -> None:
        """Purge what was acknowledged long ago (only while the time is known), and put the ballast back."""
        if when.wall is not None:
            with self.database.write() as connection:
                retention.purge(connection, when.wall[0], keep_ms)
        retention.place_ballast(self.path)

    def check(self, when: When) -> tuple[str, ...]:
        """SQLite's findings; a database with any is set aside at once."""
        found = self.database.quick_check()
        if found:
            self.set_aside(when, found[0])
        return found

    def has_aged(self, now_ms: int) -> bool:
        """A run lies open and is due to be sealed."""
        return self._open is not None and self._open.complete(now_ms)

    def probe(self) -> None:
        """A read that proves the file and this thread alive."""
        with self.database.read() as connection:
            outbox.upto(connection, "facts")
