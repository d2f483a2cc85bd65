"""A disk that refuses: in the way, full, limited. Whole transactions or nothing, and reading goes on."""

from __future__ import annotations

import contextlib
import os
import resource
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from buffer import db, outbox, retention
from buffer.errors import StorageFull, StorageUnavailable
from tests.buffer_bench import (  # noqa: F401 (fixtures)
    BIG,
    add,
    the_database,
    the_path,
)

# --- a disk that refuses ---------------------------------------------------------------------------------------------


def test_a_folder_in_the_place_of_the_file_is_unavailable(path: Path) -> None:
    path.mkdir(parents=True)
    with pytest.raises(StorageUnavailable):
        db.open_or_replace(path, BIG)
    assert path.is_dir()  # nothing was set aside: it may be somebody's


def test_a_file_in_the_place_of_the_folder_is_unavailable(path: Path) -> None:
    path.parent.write_text("")
    with pytest.raises(StorageUnavailable):
        db.open_or_replace(path, BIG)


@pytest.mark.parametrize("name", ["upto", "holds", "acked_at", "last"])
def test_a_schema_that_lost_a_name_is_damage_and_no_mistake_of_ours(path: Path, name: str) -> None:
    """One bit of the first page: the file opens, is sound to SQLite, and takes none of our statements."""
    opened = db.open_or_replace(path, BIG).database
    add(opened)
    opened.close()
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute("UPDATE sqlite_master SET sql = replace(sql, ?, ?)", (f" {name} ", f" {name[:-1]}q "))
    again = db.open_or_replace(path, BIG)
    assert again.quarantined == "buffer.db.broken-1"
    add(again.database)
    again.database.close()


def test_a_migration_that_does_not_fit_the_file_is_damage_too(path: Path) -> None:
    db.open_or_replace(path, BIG).database.close()
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 1")
    again = db.open_or_replace(path, BIG)
    assert again.quarantined == "buffer.db.broken-1"
    again.database.close()


def fill(database: db.Database) -> int:
    """Facts until there is no room; how many went in."""
    done = 0
    while True:
        try:
            add(database, 20, 400)
        except StorageFull:
            return done
        done += 20


def test_quota_refuses_whole_transactions_and_reading_goes_on(path: Path) -> None:
    opened = db.open_or_replace(path, 200 * 1024).database
    done = fill(opened)
    assert outbox.pending(opened.connection).facts == done
    assert opened.quick_check() == ()
    opened.close()


def test_disk_full_on_a_small_file_system_is_survived_by_the_ballast(tmp_path: Path) -> None:
    """12 MiB of file system, a foreign filler, and the ballast as the only reserve."""
    mount = tmp_path / "small"
    mount.mkdir()
    if os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=12m", "t", mount]).returncode:
        pytest.skip("only root may mount a small file system; the quota test covers the same statements")
    try:
        opened = db.open_or_replace(mount / "buffer.db", BIG).database
        add(opened, 10)
        assert retention.place_ballast(opened.path)
        with (mount / "filler").open("wb", buffering=0) as filler, contextlib.suppress(OSError):
            while True:
                filler.write(b"f" * 4096)
        done = 10 + fill(opened)
        assert retention.make_room(opened, lambda *dropped: "{}")
        for _ in range(400):
            add(opened)
        assert outbox.pending(opened.connection).facts == done + 400
        assert opened.quick_check() == ()
        assert not retention.place_ballast(opened.path)  # no room for it, and it does not take the facts' room
        opened.close()
        again = db.open_or_replace(mount / "buffer.db", BIG)
        assert not again.created
        again.database.close()
    finally:
        subprocess.run(["umount", "--lazy", mount], check=True)


def test_a_file_size_limit_is_a_full_or_failing_disk_and_rolls_back(path: Path) -> None:
    """RLIMIT_FSIZE makes the kernel refuse every write beyond it, as a dying card does."""
    code = f"""
import resource, signal, sys
from pathlib import Path
from buffer import db, outbox
from buffer.errors import StorageError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
database = db.open_or_replace(Path({str(path)!r}), {BIG}).database
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
done = 0
try:
    while True:
        with database.write() as connection:
            outbox.append_fact(connection, "x" * 400)
        done += 1
except StorageError:
    print(done)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    again = db.open_or_replace(path, BIG)
    assert not again.created
    assert outbox.pending(again.database.connection).facts >= int(done.stdout) > 0
    assert again.database.quick_check() == ()
    again.database.close()
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY
