"""The records' file of the release before: read, written and aged by this one, and the other way round."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

from agent.sync import holdings
from buffer import aging, db, outbox, schema
from tests.aging_bench import Box
from tests.buffer_bench import BIG, the_path  # noqa: F401 (fixtures)

V1 = Path(__file__).parent / "schemas" / "v1.db"  # written by version 0.1.0 before tags: three runs, six facts


def old(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(V1, path)
    return path


def test_a_file_of_version_1_is_migrated_and_nothing_is_lost(path: Path) -> None:
    opened = db.open_or_replace(old(path), BIG)
    assert (opened.created, opened.quarantined) == (False, None)
    connection = opened.database.connection
    assert connection.execute("PRAGMA user_version").fetchone()[0] == schema.VERSION
    assert outbox.pending(connection) == outbox.Pending(6, 3, 6, 3)
    assert len(aging.untagged(connection)) == 3
    assert len(outbox.groups(connection)) == 1
    opened.database.close()
    again = db.open_or_replace(path, BIG).database
    assert outbox.pending(again.connection) == outbox.Pending(6, 3, 6, 3)
    assert again.quick_check() == ()
    again.close()


def test_the_release_before_reads_and_writes_a_migrated_file(path: Path) -> None:
    """Images roll back and data does not: these are its statements."""
    db.open_or_replace(old(path), BIG).database.close()
    connection = sqlite3.connect(path)
    connection.execute("INSERT INTO facts (body) VALUES ('{}')")
    connection.execute("INSERT INTO samples (n, body) VALUES (4, x'00')")
    connection.execute("DELETE FROM samples WHERE n IN (SELECT n FROM samples WHERE n <= 1 ORDER BY n LIMIT 5)")
    connection.commit()
    connection.close()
    opened = db.open_or_replace(path, BIG).database
    assert outbox.pending(opened.connection) == outbox.Pending(7, 3, 7, 4)
    assert [number for number, _ in aging.untagged(opened.connection)] == [2, 3, 4]
    opened.close()


def test_rows_that_are_kept_for_salvage_are_as_all_others_to_the_release_before(path: Path) -> None:
    path.parent.mkdir()
    connection = sqlite3.connect(path)
    for number in (1, 2):
        for statement in schema._MIGRATIONS[number]:
            connection.execute(statement)
    connection.executemany("INSERT INTO streams (name, id) VALUES (?, ?)", [("facts", "a" * 16), ("samples", "b" * 16)])
    connection.execute("INSERT INTO facts (body) VALUES ('{}'), ('damaged'), ('{}')")
    connection.execute("PRAGMA user_version = 2")
    connection.commit()
    connection.close()
    opened = db.open_or_replace(path, BIG)
    assert (opened.created, opened.quarantined) == (False, None)
    with opened.database.write() as writing:
        assert outbox.put_aside(writing, "facts", [2], outbox.UNREADABLE) == (2,)
    assert outbox.pending(opened.database.connection).facts == 2
    opened.database.close()
    connection = sqlite3.connect(path)
    found = connection.execute("SELECT n FROM facts WHERE n > 0 AND n < 9 ORDER BY n LIMIT 9").fetchall()
    assert found == [(1,), (2,), (3,)]
    connection.close()


async def test_p5_p9_samples_of_the_release_before_go_like_all_others(tmp_path: Path) -> None:
    box = Box(old(tmp_path / "state" / "records.db"))
    await box.store.open()
    assert await box.bookings() == [33, 34, None, 35]
    done = await box.store.ask(lambda disk, when: holdings.erase(disk, when, 34))
    assert done.samples == 1
    assert await box.bookings() == [33, None, 35]
    box.clock.move(31 * 86_400)
    assert (await box.keeping().age()).samples == 3
    assert await box.facts("booking") == [{"event": "closed", "booking": number} for number in (33, 34, None)]
    await box.store.close()
