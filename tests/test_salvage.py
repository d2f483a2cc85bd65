"""What comes back of a broken file: every row that lies on whole pages, byte for byte, and nothing that was not there.

Where a row lies is found by looking for pieces of its body in the raw pages, not by the reader that is judged.
"""

from __future__ import annotations

import base64
import contextlib
import json
import random
import re
import shutil
import sqlite3
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.sync import salvaging, samples, wire
from buffer import db, outbox, pages
from buffer.salvage import Salvaged
from hil.backend import payload
from hil.backend.holdings import Holdings
from hil.backend.salvaged import bring
from tests.buffer_bench import BIG, ack
from tests.test_cli import boitier

PAGE = db.PAGE_BYTES
PIECE, STEP = 12, 60  # of a body, at least 90 bytes lie on its leaf
OWN = re.compile(rb"[0-9a-f]{12}")  # in a fact only its boot and its detail are nobody else's
VEHICLE = "9f3c1a77e2b04d58"


@dataclass
class Written:
    """A file as it was before it broke. late: numbers of facts that are in its log alone."""

    path: Path
    streams: dict[str, str] = field(default_factory=dict)
    facts: dict[int, bytes] = field(default_factory=dict)
    runs: dict[int, bytes] = field(default_factory=dict)
    late: set[int] = field(default_factory=set)

    def places(self) -> dict[tuple[str, int], set[int]]:
        """Pages that each row lies on, from 0."""
        raw = self.path.read_bytes()
        whole = [raw[at : at + PAGE] for at in range(0, len(raw), PAGE)]
        found = {}
        for name, table in (("facts", self.facts), ("samples", self.runs)):
            for number, body in table.items():
                starts = [*range(22 if name == "facts" else 0, len(body) - PIECE, STEP), len(body) - PIECE - 4]
                pieces = [body[at : at + PIECE] for at in starts]
                own = [piece for piece in pieces if name == "samples" or OWN.fullmatch(piece)]
                found[name, number] = {at for at, page in enumerate(whole) if any(piece in page for piece in own)}
        return found


def write(database: db.Database, written: Written, dice: random.Random, rounds: int) -> None:
    for _ in range(rounds):
        with database.write() as connection:
            for _ in range(dice.randint(1, 4)):
                detail = dice.randbytes(dice.choice((10, 40, 400, 1600))).hex()
                text = wire.fact("alarm", dice.randbytes(8).hex(), 7, None, "none", {"name": "x", "detail": detail})
                written.facts[outbox.append_fact(connection, text)] = text.encode()
            if dice.random() < 0.5:
                rows = tuple((at, (dice.randrange(10**9), None)) for at in range(dice.randint(1, 200)))
                run = samples.Run(1, 33, "b" * 16, None, "none", rows)
                number = outbox.last(connection, "samples") + 1
                written.runs[number] = samples.seal(VEHICLE, database.streams["samples"], number, run)
                outbox.seal(connection, lambda _, number=number: written.runs[number])


def made(folder: Path, seed: int, *, hot: bool = False) -> Written:
    dice, path = random.Random(seed), folder / "records.db"
    database = db.open_or_replace(path, BIG).database
    written = Written(folder / "records.db.broken-1", dict(database.streams))
    write(database, written, dice, 40)
    ack(database, 5, [(8, 9)])
    with database.write() as connection:
        outbox.add_group(connection, samples.group(samples.Run(1, 33, "b" * 16, None, "none", ((1, (2, None)),))))
    database.checkpoint()
    if hot:
        before = set(written.facts)
        write(database, written, dice, 10)
        written.late = set(written.facts) - before
        shutil.copy(f"{path}-wal", f"{written.path}-wal")
    shutil.copy(path, written.path)
    database.close()
    return written


@pytest.fixture(name="written", scope="module")
def the_written(tmp_path_factory: pytest.TempPathFactory) -> Written:
    return made(tmp_path_factory.mktemp("whole"), 1)


@pytest.fixture(name="places", scope="module")
def the_places(written: Written) -> dict[tuple[str, int], set[int]]:
    return written.places()


def agree(written: Written, found: Salvaged) -> None:
    """Nothing was made up."""
    assert all(written.facts[number] == body.encode() for number, body in found.facts.rows.items())
    assert all(written.runs[number] == body for number, body in found.samples.rows.items())
    assert found.facts.id in ("", written.streams["facts"])
    assert found.samples.id in ("", written.streams["samples"])


def test_of_a_whole_file_all_comes_back_with_what_the_backend_has(written: Written) -> None:
    found = salvaging.read(written.path)
    agree(written, found)
    assert found.facts.rows.keys() == written.facts.keys()
    assert found.samples.rows.keys() == written.runs.keys()
    assert (found.facts.id, found.samples.id) == (written.streams["facts"], written.streams["samples"])
    assert set(written.facts) - set(found.facts.waiting) == {1, 2, 3, 4, 5, 8, 9}
    assert (found.facts.missing, found.facts.last) == ((), max(written.facts))
    assert (len(found.groups), found.conflicts) == (1, 0)


@pytest.mark.parametrize("seed", range(40))
def test_every_row_on_whole_pages_comes_back(
    seed: int, written: Written, places: dict[tuple[str, int], set[int]], tmp_path: Path
) -> None:
    dice, raw = random.Random(seed), bytearray(written.path.read_bytes())
    broken = set(dice.sample(range(len(raw) // PAGE), dice.choice((1, 3, 30, len(raw) // PAGE // 2))))
    for page in broken:
        start, end = (0, PAGE) if dice.random() < 0.7 else sorted(dice.sample(range(PAGE), 2))
        raw[page * PAGE + start : page * PAGE + end] = dice.randbytes(end - start)
    copy = tmp_path / "records.db.broken-1"
    copy.write_bytes(raw)
    found = salvaging.read(copy)
    agree(written, found)
    whole = {row for row, where in places.items() if not where & broken}
    back = {("facts", number) for number in found.facts.rows} | {("samples", number) for number in found.samples.rows}
    assert whole <= back
    assert all(a <= b <= found.facts.last for a, b in found.facts.missing)


@pytest.mark.parametrize("pages_left", [0, 1, 2, 50, 120])
def test_a_file_that_was_cut_short_gives_what_is_left_of_it(
    pages_left: int, written: Written, places: dict[tuple[str, int], set[int]], tmp_path: Path
) -> None:
    copy = tmp_path / "records.db.broken-1"
    copy.write_bytes(written.path.read_bytes()[: pages_left * PAGE + 100])
    found = salvaging.read(copy)
    agree(written, found)
    whole = {number for (name, number), where in places.items() if name == "facts" and max(where) < pages_left}
    assert whole <= found.facts.rows.keys()


def test_what_is_in_the_log_alone_comes_back_also_without_the_file(tmp_path: Path) -> None:
    hot = made(tmp_path, 2, hot=True)
    found = salvaging.read(hot.path)
    agree(hot, found)
    assert found.facts.rows.keys() == hot.facts.keys()
    hot.path.write_bytes(random.Random(3).randbytes(hot.path.stat().st_size))
    found = salvaging.read(hot.path)
    agree(hot, found)
    assert hot.late <= found.facts.rows.keys()
    log = hot.path.with_name(f"{hot.path.name}-wal")
    log.write_bytes(log.read_bytes()[:40])
    assert salvaging.read(hot.path).facts.rows == {}


@pytest.mark.parametrize("seed", range(12))
def test_of_a_damaged_log_as_much_counts_as_sqlite_itself_believes(seed: int, tmp_path: Path) -> None:
    """A frame that is torn, or of a commit that was not finished, ends it: nothing behind it was ever reported."""
    hot, dice = made(tmp_path, seed, hot=True), random.Random(seed)
    log = hot.path.with_name(f"{hot.path.name}-wal")
    raw = bytearray(log.read_bytes())
    at = dice.randrange(len(raw))
    if seed % 2:
        raw[at] ^= 1 << dice.randrange(8)
    else:
        del raw[at:]
    log.write_bytes(raw)
    found = salvaging.read(hot.path)
    agree(hot, found)
    with contextlib.closing(sqlite3.connect(hot.path)) as connection:
        assert found.facts.rows == dict(connection.execute("SELECT n, body FROM facts"))
        assert found.samples.rows == dict(connection.execute("SELECT n, body FROM samples"))


def test_a_number_with_two_bodies_is_told_as_neither(written: Written, tmp_path: Path) -> None:
    raw, boot = written.path.read_bytes(), json.loads(written.facts[7])["boot"].encode()
    at = raw.index(boot) // PAGE * PAGE
    copy = tmp_path / "records.db.broken-1"
    copy.write_bytes(raw + raw[at : at + PAGE].replace(boot, b"0" * 16))
    found = salvaging.read(copy)
    agree(written, found)
    assert (found.conflicts, written.facts.keys() - found.facts.rows.keys()) == (1, {7})


def test_numbers_that_are_gone_are_missing_and_not_made_up(tmp_path: Path) -> None:
    path = tmp_path / "records.db"
    database = db.open_or_replace(path, BIG).database
    write(database, Written(path), random.Random(5), 10)
    with database.write() as connection:
        connection.execute("DELETE FROM facts WHERE n IN (1, 2, 6)")
        last = outbox.last(connection, "facts")
        connection.execute("DELETE FROM facts WHERE n = ?", (last,))
    database.close()
    found = salvaging.read(path)
    assert found.facts.missing == ((1, 2), (6, 6), (last, last))


def test_a_file_of_the_release_before_reads_too() -> None:
    found = salvaging.read(Path(__file__).parent / "schemas" / "v1.db")
    assert (len(found.facts.rows), len(found.samples.rows), len(found.groups)) == (6, 3, 1)


@given(st.binary(max_size=3000), st.binary(max_size=3000))
def test_any_bytes_are_read_without_an_error(file: bytes, log: bytes) -> None:
    list(pages.rows(pages.pages(b"SQLite format 3\0" + file, b"\x37\x7f\x06\x82" + log)))
    list(pages.rows({1: bytes(100) + b"\x0d" + file, 2: b"\x0d" + file, 3: log}))


@given(st.lists(st.tuples(st.integers(0, 1 << 20), st.integers(0, 255)), max_size=60))
def test_flipped_bytes_are_read_without_an_error(written: Written, flips: list[tuple[int, int]]) -> None:
    raw = bytearray(written.path.read_bytes())
    for at, value in flips:
        raw[at % len(raw)] = value
    list(pages.rows(pages.pages(bytes(raw), b"")))


def test_the_command_writes_lines_that_say_what_was_stored(written: Written, tmp_path: Path) -> None:
    out = tmp_path / "left.jsonl"
    done = boitier("buffer", "salvage", str(written.path), "--into", str(out))
    assert done.returncode == 0, done.stderr
    assert f"{len(written.facts)} facts" in done.stderr
    head, *lines = map(json.loads, out.read_text().splitlines())
    assert (head["file"], head["facts"]["stream"]) == ("records.db.broken-1", written.streams["facts"])
    facts = {line["n"]: line for line in lines if "kind" in line}
    assert facts[7] == {"stream": written.streams["facts"], "n": 7, **json.loads(written.facts[7])}
    runs = {line["n"]: base64.b64decode(line["samples"]) for line in lines if "samples" in line}
    assert runs == written.runs
    assert out.stat().st_mode & 0o777 == 0o600
    again = boitier("buffer", "salvage", str(written.path), "--into", str(out))
    assert again.returncode == 1, "never over another file"


def test_the_command_finds_nothing_in_noise_and_says_so(tmp_path: Path) -> None:
    noise = tmp_path / "records.db.broken-1"
    noise.write_bytes(random.Random(1).randbytes(200_000))
    done = boitier("buffer", "salvage", str(noise))
    assert done.returncode == 1
    assert "No row could be read." in done.stderr


def test_what_is_salvaged_reaches_the_backend_once(written: Written, tmp_path: Path) -> None:
    """Some had arrived before, from the car itself; a file brought twice changes nothing."""
    database, found = tmp_path / "backend.db", salvaging.read(written.path)
    facts = wire.facts(VEHICLE, written.streams["facts"], ((n, written.facts[n].decode()) for n in (1, 2, 3)))
    holdings = Holdings(database)
    holdings.commit(payload.read(f"boitier/v1/{VEHICLE}/up/facts", facts), 1)
    holdings.close()
    lines = list(salvaging.lines("records.db.broken-1", found))
    every = len(written.facts) + len(written.runs)
    assert bring(database, VEHICLE, lines, 2) == {"new": every - 3, "known": 3, "unread": 0}
    assert bring(database, VEHICLE, lines, 3) == {"new": 0, "known": every, "unread": 0}
    with contextlib.closing(sqlite3.connect(database)) as connection:
        assert connection.execute("SELECT count(*) FROM conflicts").fetchone() == (0,)
        stored = dict(connection.execute("SELECT n, payload FROM blobs"))
    assert stored == written.runs
    with pytest.raises(ValueError, match="not written by salvage"):
        bring(database, VEHICLE, ['{"n":1}'], 4)
