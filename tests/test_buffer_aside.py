"""A power cut while a damaged file is set aside: nothing of it is lost, and its vault goes into the new one."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from buffer import aside, db, outbox, salvage, vault
from tests.buffer_bench import BIG, add, the_path  # noqa: F401 (fixtures)

VAULT = {"command/counter/aa": b"[7,9]"}


class Cut(BaseException):
    pass


def used(path: Path) -> None:
    """A file with ten facts and a value, of which half are in the log alone, as after a cut."""
    opened = db.open_or_replace(path, BIG).database
    add(opened, 5)
    opened.checkpoint()
    add(opened, 5)
    with opened.write() as connection:
        vault.change(connection, VAULT, ())
    for suffix in aside.SUFFIXES:
        Path(f"{path}{suffix}.kept").write_bytes(Path(f"{path}{suffix}").read_bytes())
    opened.close()
    for suffix in aside.SUFFIXES:
        os.replace(f"{path}{suffix}.kept", f"{path}{suffix}")


def facts_of(path: Path) -> int:
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        return int(connection.execute("SELECT count(*) FROM facts").fetchone()[0])


def cut_at(patch: pytest.MonkeyPatch, name: str, number: int) -> None:
    """The power goes after so many calls of that function of `os`."""
    real, left = getattr(os, name), number

    def counted(*values: object) -> object:
        nonlocal left
        if left == 0:
            raise Cut
        left -= 1
        return real(*values)

    patch.setattr(os, name, counted)


@pytest.mark.parametrize("names", [1, 2])
def test_a_cut_between_two_names_leaves_log_and_file_together(
    path: Path, names: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    used(path)
    with monkeypatch.context() as patch:
        cut_at(patch, "rename", names)
        with pytest.raises(Cut):
            db.replace(path, BIG, "damaged")
    opened = db.open_or_replace(path, BIG)
    assert (opened.created, opened.quarantined, opened.detail) == (True, "buffer.db.broken-1", db.CUT_OFF)
    assert opened.rescued == VAULT
    opened.database.close()
    assert facts_of(path.with_name("buffer.db.broken-1")) == 10


def test_a_new_file_that_nothing_was_committed_to_still_says_what_it_follows(path: Path) -> None:
    used(path)
    db.replace(path, BIG, "damaged").database.close()
    for _ in range(2):
        opened = db.open_or_replace(path, BIG)
        assert (opened.created, opened.quarantined, opened.rescued) == (True, "buffer.db.broken-1", VAULT)
        opened.database.close()
    opened = db.open_or_replace(path, BIG)
    add(opened.database)
    opened.database.close()
    again = db.open_or_replace(path, BIG)
    assert (again.created, again.quarantined) == (False, None)
    again.database.close()


def test_the_newest_of_ten_files_set_aside_is_the_tenth(path: Path) -> None:
    path.parent.mkdir()
    for number in range(1, 10):
        path.with_name(f"buffer.db.broken-{number}").write_bytes(b"")
    used(path)
    db.replace(path, BIG, "damaged").database.close()
    assert aside.newest(path) == path.with_name("buffer.db.broken-10")
    assert aside.last_vault(path) == {}
    path.unlink()
    assert aside.last_vault(path) == VAULT


def test_a_file_that_lost_all_its_bytes_is_set_aside_with_its_log(path: Path) -> None:
    used(path)
    path.write_bytes(b"")
    opened = db.open_or_replace(path, BIG)
    assert (opened.created, opened.quarantined) == (True, "buffer.db.broken-1")
    opened.database.close()
    found = salvage.salvage(path.with_name("buffer.db.broken-1"), lambda _: True, lambda *_: True, lambda _: True)
    assert set(range(6, 11)) <= found.facts.rows.keys()


def test_a_file_that_took_the_place_of_a_new_one_is_not_taken_away(path: Path) -> None:
    new = db.open_or_replace(path, BIG).database
    other = path.with_name("other.db")
    other.write_bytes(b"somebody's")
    os.replace(other, path)
    new.discard()
    assert path.read_bytes() == b"somebody's"


def test_a_log_of_nobody_is_not_read_into_a_new_file(path: Path) -> None:
    used(path)
    path.unlink()
    opened = db.open_or_replace(path, BIG)
    assert (opened.created, opened.quarantined) == (True, None)
    assert outbox.pending(opened.database.connection).facts == 0
    opened.database.close()
