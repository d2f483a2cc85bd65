"""The numbered streams: numbers, acknowledgements, and that nothing acknowledged by `COMMIT` is ever lost to a kill."""

from __future__ import annotations

from pathlib import Path

import pytest

from buffer import db, outbox, retention, vault
from buffer.errors import StorageError
from tests.buffer_bench import (  # noqa: F401 (fixtures)
    ack,
    add,
    offered,
    the_database,
    the_path,
)


def test_numbers_rise_by_one_and_go_on_after_a_purge(database: db.Database) -> None:
    assert add(database, 5) == [1, 2, 3, 4, 5]
    ack(database, 5, at_ms=0)
    with database.write() as connection:
        assert retention.purge(connection, 10**12, 0) == 5
    assert add(database, 1) == [6]


def test_facts_are_offered_again_and_again_until_acknowledged(database: db.Database) -> None:
    add(database, 4)
    assert offered(database) == offered(database) == [1, 2, 3, 4]
    assert offered(database, after=2) == [3, 4]
    ack(database, 3)
    assert offered(database) == [4]


def test_batches_are_bounded_by_bytes_and_rows_but_never_empty(database: db.Database) -> None:
    with database.write() as connection:
        outbox.append_fact(connection, "x" * 50_000)
        outbox.append_fact(connection, "y" * 10)
    assert [row.n for row in outbox.next_facts(database.connection, 0, 1000, 50)] == [1]
    assert [row.n for row in outbox.next_facts(database.connection, 0, 10**6, 50)] == [1, 2]
    assert [row.n for row in outbox.next_facts(database.connection, 0, 10**6, 1)] == [1]


def test_ranges_above_the_mark_are_not_offered_and_replace_each_other(database: db.Database) -> None:
    add(database, 10)
    ack(database, 2, [(5, 6), (9, 9)])
    assert offered(database) == [3, 4, 7, 8, 10]
    ack(database, 2, [(9, 10)])  # a whole statement: 5 and 6 are not there any more
    assert offered(database) == [3, 4, 5, 6, 7, 8]


def test_the_same_statement_twice_says_the_same(database: db.Database) -> None:
    add(database, 10)
    assert ack(database, 2, [(5, 6), (9, 9)], [7]).progressed
    assert not ack(database, 2, [(5, 6), (9, 9)], [7]).progressed
    assert offered(database) == [3, 4, 8, 10]


def test_poison_counts_as_done_and_an_honest_statement_heals_a_forged_one(database: db.Database) -> None:
    add(database, 6)
    ack(database, 2, poison=[4])
    assert offered(database) == [3, 5, 6]
    ack(database, 2, poison=[3, 4, 5, 6])
    assert offered(database) == []
    ack(database, 2)
    assert offered(database) == [3, 4, 5, 6]


def test_no_flood_of_forged_acknowledgements_makes_the_outbox_slow(database: db.Database) -> None:
    """Told apart by steps of the database's machine, not by the clock: each number was once compared to each span."""
    with database.write() as connection:
        connection.executemany("INSERT INTO facts (body) VALUES (?)", [("{}",)] * 20_000)
    for start in range(1, 20_000, 2000):
        ack(database, 0, [(n, n) for n in range(start + 1, start + 2000, 2)], list(range(start + 1, start + 2000, 2)))
    kept = database.connection.execute("SELECT count(*) FROM ahead").fetchone()[0]
    assert kept <= outbox.MAX_SPANS
    steps = 0

    def step() -> int:
        nonlocal steps
        steps += 1000
        return 0

    database.connection.set_progress_handler(step, 1000)
    assert outbox.pending(database.connection).facts == 20_000 - kept
    assert len(outbox.next_facts(database.connection, 0, 1 << 30, 20_000)) == 20_000 - kept
    database.connection.set_progress_handler(None, 0)
    assert steps < 1_000_000


def test_overlapping_and_touching_spans_are_kept_as_one(database: db.Database) -> None:
    add(database, 20)
    ack(database, 1, [(3, 9), (5, 6), (10, 12), (2, 1), (7, 14)], [15, 18, 5])
    rows = database.connection.execute("SELECT first, last FROM ahead ORDER BY first").fetchall()
    assert rows == [(3, 15), (18, 18)]
    assert outbox.pending(database.connection).facts == 5
    assert offered(database, after=1) == [2, 16, 17, 19, 20]
    assert offered(database, after=4) == [16, 17, 19, 20]


def test_spans_that_an_older_release_left_are_read_without_overlaps(database: db.Database) -> None:
    add(database, 8)
    with database.write() as connection:
        connection.executemany(
            "INSERT INTO ahead (stream, first, last, poison) VALUES ('facts', ?, ?, ?)",
            [(2, 4, 0), (3, 5, 0), (4, 4, 1), (4, 4, 1)],
        )
    assert offered(database) == [1, 6, 7, 8]
    assert outbox.pending(database.connection).facts == 4


def test_d10_a_mark_that_moves_back_makes_rows_open_again(database: db.Database) -> None:
    add(database, 6)
    ack(database, 5)
    done = ack(database, 2)
    assert (done.moved_back, done.gone) == (True, ())
    assert offered(database) == [3, 4, 5, 6]


def test_d11_numbers_that_are_purged_and_missed_are_named(database: db.Database) -> None:
    add(database, 6)
    ack(database, 5, at_ms=0)
    with database.write() as connection:
        retention.purge(connection, 10**12, 0)
    assert ack(database, 2).gone == ((3, 5),)
    assert offered(database) == [6]


def test_a_claim_beyond_what_was_given_out_swallows_nothing_to_come(database: db.Database) -> None:
    add(database, 3)
    done = ack(database, 1000, [(2000, 3000)], [5000])
    assert done.beyond
    assert add(database, 2) == [4, 5]
    assert offered(database) == [4, 5]


@pytest.mark.parametrize(
    ("ranges", "poison"), [([(3, 1)], []), ([(0, 0)], [0]), ([(2, 2)] * 5000, [2] * 5000), ([(1, 10**15)], [])]
)
def test_nonsense_in_an_acknowledgement_breaks_nothing(
    database: db.Database, ranges: list[tuple[int, int]], poison: list[int]
) -> None:
    add(database, 3)
    ack(database, 0, ranges, poison)
    ack(database, 3)
    assert offered(database) == []


def test_an_unknown_stream_changes_nothing(database: db.Database) -> None:
    add(database, 3)
    with database.write() as connection:
        done = outbox.acknowledge(connection, "00" * 8, 3, [], [], None)
    assert not done.known
    assert offered(database) == [1, 2, 3]


def test_sealed_blobs_carry_their_own_number_and_never_change(database: db.Database) -> None:
    with database.write() as connection:
        assert outbox.seal(connection, lambda n: b"blob %d" % n) == 1
        assert outbox.seal(connection, lambda n: b"blob %d" % n) == 2
    blobs = outbox.next_samples(database.connection, 0, 10)
    assert [(blob.n, blob.body) for blob in blobs] == [(1, b"blob 1"), (2, b"blob 2")]


def test_pending_counts_what_the_backend_lacks(database: db.Database) -> None:
    add(database, 10)
    ack(database, 4, [(7, 8)], [10])
    assert outbox.pending(database.connection) == outbox.Pending(3, 0, 10, 0)


def test_rows_set_aside_are_neither_offered_nor_purged_nor_thinned(database: db.Database) -> None:
    add(database, 4)
    with database.write() as connection:
        outbox.seal(connection, lambda n: b"s" * 500)
        outbox.put_aside(connection, "samples", [1], outbox.UNREADABLE)
        assert outbox.put_aside(connection, "facts", [1, 2, 9], outbox.REFUSED) == (1, 2)
        assert outbox.put_aside(connection, "facts", [1, 3], outbox.UNREADABLE) == (1, 3)
        assert outbox.put_aside(connection, "facts", [1, 3], outbox.REFUSED) == ()
    assert offered(database) == [2, 4], "what the backend refused it may ask for again"
    assert outbox.pending(database.connection) == outbox.Pending(2, 0, 4, 1)
    ack(database, 4, at_ms=0)
    with database.write() as connection:
        assert retention.thin(connection, lambda *_: "d") == 1
        assert retention.purge(connection, 10**12, 0) == 0
    assert ack(database, 0).gone == ((1, 1), (3, 4))


def test_purge_keeps_rows_for_their_days_and_never_what_is_open(database: db.Database) -> None:
    day = 86_400_000
    add(database, 10)
    ack(database, 4, at_ms=10 * day)
    ack(database, 8, at_ms=15 * day)
    with database.write() as connection:
        assert retention.purge(connection, 17 * day, 7 * day) == 0
        assert retention.purge(connection, 18 * day, 7 * day) == 4
        assert retention.purge(connection, 30 * day, 7 * day, limit=3) == 3
        assert retention.purge(connection, 30 * day, 7 * day, limit=3) == 1
        assert retention.purge(connection, 99 * day, 0) == 0
    assert offered(database) == [9, 10]


def test_an_acknowledgement_of_unknown_time_starts_to_age_when_the_time_is_known(database: db.Database) -> None:
    add(database, 2)
    ack(database, 2, at_ms=None)
    with database.write() as connection:
        assert retention.purge(connection, 10**12, 1000) == 0
        assert retention.purge(connection, 10**12 + 1000 + outbox.MARK_MS, 1000) == 2


def test_thinning_takes_acknowledged_samples_first_and_says_so_for_the_rest(database: db.Database) -> None:
    said: list[tuple[str, int, int, str]] = []

    def describe(stream: str, first: int, last: int, why: str) -> str:
        said.append((stream, first, last, why))
        return '{"kind":"dropped"}'

    with database.write() as connection:
        for _ in range(40):
            outbox.seal(connection, lambda n: b"s" * 500)
        outbox.acknowledge(connection, database.streams["samples"], 10, [], [], None)
        assert retention.thin(connection, describe) == 10
        assert said == []
        assert retention.thin(connection, describe) == 3
    assert said == [("samples", 11, 13, "no_room")]
    assert len(offered(database)) == 1


def test_quota_full_makes_room_by_giving_up_samples_and_keeps_every_fact(tmp_path: Path) -> None:
    opened = db.open_or_replace(tmp_path / "buffer.db", 200 * 1024).database
    facts, dropped = 0, 0
    for _ in range(400):
        try:
            with opened.write() as connection:
                outbox.seal(connection, lambda n: b"s" * 900)
                outbox.append_fact(connection, "f" * 100)
            facts += 1
        except StorageError:
            assert retention.make_room(opened, lambda *a: "d")
            dropped += 1
    assert dropped > 3
    assert outbox.pending(opened.connection).facts == facts + dropped
    opened.close()


def test_the_vault_stores_replaces_forgets_and_reads_by_prefix(database: db.Database) -> None:
    with database.write() as connection:
        vault.change(connection, {"a.1": b"x", "a.2": b"y", "b": b"z"}, ())
        vault.change(connection, {"a.1": b"new"}, ["a.2", "never"])
    assert vault.read(database.connection, "a.") == {"a.1": b"new"}
    assert vault.read(database.connection, "") == {"a.1": b"new", "b": b"z"}
