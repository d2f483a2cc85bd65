"""The file itself: how it is opened, what makes it be set aside, and what a refusing disk gets."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from buffer import db, outbox, schema, vault
from buffer.errors import StorageDamaged, StorageUnavailable
from tests.buffer_bench import (  # noqa: F401 (fixtures)
    BIG,
    add,
    the_database,
    the_path,
)


def pragma(database: db.Database, name: str) -> object:
    return database.connection.execute(f"PRAGMA {name}").fetchone()[0]


def test_every_open_asserts_what_durability_rests_on(path: Path) -> None:
    for _ in range(2):  # synchronous is a matter of the connection, not of the file
        opened = db.open_or_replace(path, BIG).database
        assert pragma(opened, "journal_mode") == "wal"
        assert pragma(opened, "synchronous") == 2
        assert pragma(opened, "mmap_size") == 0
        assert pragma(opened, "max_page_count") == BIG // 1024
        opened.close()


def test_d25_pages_are_1_kib(database: db.Database) -> None:
    assert pragma(database, "page_size") == 1024


KILLED = f"""
import os, signal, sys
from pathlib import Path
from buffer import db, outbox
database = db.open_or_replace(Path(sys.argv[1]), {BIG}).database
with database.write() as connection:
    outbox.append_fact(connection, "on the disk")
database.checkpoint()
database.connection.execute("PRAGMA synchronous = OFF")  # a commit that is killed before its sync is over
with database.write() as connection:
    outbox.append_fact(connection, "in the kernel's memory")
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_nothing_is_offered_that_a_power_cut_can_still_take_back(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a killed process did not live to sync is read back as committed. Told before it is synced, its number would
    be given to another fact after a cut. `disk` has each file as it was when it was synced last."""
    subprocess.run([sys.executable, "-c", KILLED, path], check=False, timeout=60)
    disk = tmp_path / "disk"
    disk.mkdir()
    shutil.copy(path, disk)
    real = os.fsync

    def fsync(descriptor: int) -> None:
        real(descriptor)
        if (file := Path(os.readlink(f"/proc/self/fd/{descriptor}"))).is_file():
            shutil.copy(file, disk)

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", fsync)
        opened = db.open_or_replace(path, BIG).database
    told = {row.n: row.body for row in outbox.next_facts(opened.connection, 0, 1 << 20, 10)}
    after_a_cut = db.open_or_replace(disk / path.name, BIG).database
    assert list(told.values()) == ["on the disk", "in the kernel's memory"]
    add(after_a_cut)
    held = {row.n: row.body for row in outbox.next_facts(after_a_cut.connection, 0, 1 << 20, 10)}
    assert {n: held[n] for n in told} == told
    for database in (opened, after_a_cut):
        database.close()


def test_every_table_is_strict_and_streams_never_reuse_a_number(database: db.Database) -> None:
    rows = database.connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'table'").fetchall()
    ours = {name: sql for name, sql in rows if name in schema.TABLES}
    assert ours.keys() == schema.TABLES
    assert all(sql.endswith("STRICT") for sql in ours.values())
    assert all("AUTOINCREMENT" in ours[name] for name in ("facts", "samples"))


def test_d3_each_stream_has_a_random_id_made_with_the_file(path: Path, tmp_path: Path) -> None:
    first = db.open_or_replace(path, BIG)
    ids = first.database.streams
    first.database.close()
    again = db.open_or_replace(path, BIG)
    other = db.open_or_replace(tmp_path / "other.db", BIG)
    assert (first.created, again.created) == (True, False)
    assert again.database.streams == ids
    assert all(len(bytes.fromhex(one)) == 8 for one in ids.values())
    assert len({*ids.values(), *other.database.streams.values()}) == 4
    again.database.close()
    other.database.close()


def test_d24_opening_an_existing_file_does_not_import_sqlite_utils(database: db.Database, path: Path) -> None:
    database.close()
    code = (
        "import sys; from pathlib import Path; from buffer import db;"
        f"db.open_or_replace(Path({str(path)!r}), 1 << 20).database.close();"
        "print([m for m in sys.modules if m.split('.')[0] in ('sqlite_utils', 'click', 'asyncio')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_second_process_is_kept_out(database: db.Database, path: Path) -> None:
    with pytest.raises(StorageUnavailable, match="in use"):
        db.open_or_replace(path, BIG)
    assert database.quick_check() == ()


def test_inspection_opens_the_file_read_only_meanwhile(database: db.Database, path: Path) -> None:
    add(database, 3)
    reader = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    assert reader.execute("SELECT count(*) FROM facts").fetchone() == (3,)
    reader.close()


def test_a_transaction_that_raises_leaves_nothing(database: db.Database) -> None:
    def fail() -> None:
        with database.write() as connection:
            outbox.append_fact(connection, "lost")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert add(database) == [1]
    assert outbox.pending(database.connection).facts == 1


# --- set aside -------------------------------------------------------------------------------------------------------


def test_a_file_that_is_no_database_is_set_aside_as_it_was(path: Path) -> None:
    path.parent.mkdir()
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).write_bytes(b"not a database at all " * 200)
    opened = db.open_or_replace(path, BIG)
    assert opened.created
    assert opened.quarantined == "buffer.db.broken-1"
    assert (path.parent / opened.quarantined).read_bytes() == b"not a database at all " * 200
    assert add(opened.database) == [1]  # and the old log and index do not leak into the new file
    assert opened.database.quick_check() == ()
    opened.database.close()


def test_names_of_files_set_aside_never_overwrite_each_other(path: Path) -> None:
    path.parent.mkdir()
    names = []
    for _ in range(3):
        path.write_bytes(b"junk" * 1000)
        opened = db.open_or_replace(path, BIG)
        names.append(opened.quarantined)
        opened.database.close()
    assert names == ["buffer.db.broken-1", "buffer.db.broken-2", "buffer.db.broken-3"]


def test_a_database_of_somebody_else_is_set_aside_untouched(path: Path) -> None:
    path.parent.mkdir()
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE theirs (x)")
    other.commit()
    other.close()
    opened = db.open_or_replace(path, BIG)
    assert opened.quarantined is not None
    assert "somebody else" in opened.detail
    opened.database.close()


def corrupt(path: Path, table: str) -> None:
    """Overwrite the root page of a table, as a worn card would."""
    connection = sqlite3.connect(path)
    page = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (table,)).fetchone()[0]
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    with path.open("r+b") as file:
        file.seek((page - 1) * 1024)
        file.write(b"\xa5" * 1024)


def test_a_corrupt_page_is_found_while_writing_and_the_vault_is_rescued(path: Path) -> None:
    opened = db.open_or_replace(path, BIG).database
    add(opened, 50)
    with opened.write() as connection:
        vault.change(connection, {"counter": b"41"}, ())
    old = opened.streams
    opened.close()
    corrupt(path, "facts")
    opened = db.open_or_replace(path, BIG).database  # the page is not looked at while opening
    assert opened.quick_check() != ()
    with pytest.raises(StorageDamaged):
        add(opened)
    opened.close()
    fresh = db.replace(path, BIG, "corrupt")
    assert fresh.rescued == {"counter": b"41"}
    assert fresh.quarantined == "buffer.db.broken-1"
    assert not set(fresh.database.streams.values()) & set(old.values())
    assert add(fresh.database) == [1]
    fresh.database.close()


def test_missing_tables_are_damage(path: Path) -> None:
    opened = db.open_or_replace(path, BIG).database
    opened.connection.execute("DROP TABLE marks")
    opened.close()
    again = db.open_or_replace(path, BIG)
    assert again.quarantined is not None
    again.database.close()


def test_a_newer_schema_still_opens_because_images_roll_back(path: Path) -> None:
    opened = db.open_or_replace(path, BIG).database
    opened.connection.execute("CREATE TABLE later (x INTEGER) STRICT")
    opened.connection.execute("PRAGMA user_version = 7")
    opened.close()
    again = db.open_or_replace(path, BIG)
    assert not again.created
    assert add(again.database) == [1]
    assert pragma(again.database, "user_version") == 7
    again.database.close()


def test_a_cut_while_the_schema_was_made_leaves_a_file_that_opens(path: Path) -> None:
    path.parent.mkdir()
    half = sqlite3.connect(path, isolation_level=None)
    half.execute("PRAGMA page_size = 1024")
    half.execute("PRAGMA journal_mode = WAL")
    half.execute("VACUUM")
    half.close()
    opened = db.open_or_replace(path, BIG)
    assert (opened.created, opened.quarantined) == (True, None)
    assert pragma(opened.database, "page_size") == 1024
    opened.database.close()


@pytest.mark.parametrize("how", ["removed", "replaced"])
def test_a_file_that_vanishes_under_us_is_damage_and_not_a_silent_loss(
    database: db.Database, path: Path, how: str
) -> None:
    add(database)
    path.unlink()
    if how == "replaced":
        path.write_bytes(b"")
    with pytest.raises(StorageDamaged):
        add(database)
