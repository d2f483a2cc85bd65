"""Single stored records that the disk damaged, or that the backend cannot read: the rest goes on, and nothing is lost
from sight. Whole files that are damaged: `test_store_faults.py`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.sync import facts, holdings, wire
from agent.sync.disk import Disk
from agent.sync.record import When
from agent.sync.store import Fact
from buffer import outbox, retention
from buffer.errors import StorageFull
from hil.backend import payload
from hil.backend.holdings import Holdings
from tests.uplink_bench import TOPIC, VEHICLE, Bench, the_bench  # noqa: F401 (fixtures)

DAY_MS = 86_400_000


@pytest.fixture(name="backend")
def the_backend(tmp_path: Path) -> Iterator[Holdings]:
    with closing(Holdings(tmp_path / "backend.db")) as one:
        yield one


async def damage(bench: Bench, old: bytes, new: bytes) -> None:
    """On the card, under the running store, with nothing of it left in memory."""
    assert len(old) == len(new)
    await bench.store.ask(lambda disk, _: disk.database.checkpoint())
    path = bench.store._disk.path
    data = path.read_bytes()
    assert data.count(old) == 1
    with path.open("r+b") as file:
        file.seek(data.index(old))
        file.write(new)
    await bench.store.ask(lambda disk, _: disk.database.connection.execute("PRAGMA shrink_memory").fetchall())


async def three(bench: Bench) -> None:
    await bench.store.commit([Fact("booking", {"event": "closed", "booking": n, "how": "ended"}) for n in (31, 32, 33)])


async def told(bench: Bench, kind: str) -> list[dict[str, object]]:
    _, rows = await bench.store.next_facts(0, 1 << 20)
    return [json.loads(row.body)["body"] for row in rows if json.loads(row.body)["kind"] == kind]


async def spoken(bench: Bench, backend: Holdings) -> None:
    """All that was sent reaches the backend, and its word the box, until neither has any more to say."""
    done = 0
    while done < len(bench.pipe.sent):
        new, done = bench.pipe.sent[done:], len(bench.pipe.sent)
        items = [item for topic, data, _ in new for item in payload.read(topic, data)]
        for mark in backend.commit(items, 0):
            said = wire.read_ack(payload.pack(mark.acknowledgement))
            assert said is not None
            await bench.uplink.acknowledge(said)
        await bench.settle()


def purged(disk: Disk, when: When) -> None:
    """Long after everything was acknowledged."""
    with disk.database.write() as connection:
        retention.purge(connection, 0, 0)  # what was acknowledged at an unknown time ages from here on
        retention.purge(connection, 100 * DAY_MS, 7 * DAY_MS)


async def rows_of(bench: Bench, sql: str) -> list[tuple[int, bytes]]:
    return await bench.store.ask(lambda disk, _: disk.database.connection.execute(sql).fetchall())


async def aside(bench: Bench, name: str = "facts") -> list[tuple[int, bytes]]:
    return await rows_of(bench, f"SELECT n, CAST(body AS BLOB) FROM {name} WHERE aside IS NOT NULL")


REST = b'"wall":null,"source":"none","body":{"event":"closed","booking":32'
DAMAGES = {
    "no JSON any more": (b'"booking":32,', b'"booking":3",'),
    "no text any more": (b'"booking":32,', b'"booking":\xff2,'),
    "a byte of nothing": (b'"booking":32,', b'"booking":\0002,'),
    "a number that is a text": (b'"at":1000,' + REST, b'"at":"10",' + REST),
    "a key of another name": (REST, REST.replace(b"body", b"bodi")),
}


@pytest.mark.parametrize("how", DAMAGES)
async def test_a_damaged_fact_is_told_and_kept_and_holds_nobody_up(bench: Bench, backend: Holdings, how: str) -> None:
    await three(bench)
    await damage(bench, *DAMAGES[how])
    await bench.start()
    assert bench.pipe.numbers() == [1, 3, 4, 5]
    stream = bench.store._disk.database.streams["facts"]
    assert await told(bench, "damaged") == [facts.damaged("facts", 2, 2, stream)]
    (alarm,) = await told(bench, "alarm")
    assert alarm == {"name": "record_damaged", "event": "raised", "detail": "facts 2"}
    await spoken(bench, backend)
    (mark,) = backend.marks()
    assert (mark.upto, mark.ranges, mark.poison) == (5, (), ())
    assert (await bench.store.pending()).facts == 0
    ((number, body),) = await aside(bench)
    assert number == 2
    assert DAMAGES[how][1] in body


async def test_a_damaged_run_of_samples_is_told_and_kept_as_well(bench: Bench, backend: Holdings) -> None:
    await bench.blobs(3)
    _, blobs = await bench.store.next_samples(0, 10)
    part = blobs[1].body[80:90]
    await damage(bench, part, bytes(byte ^ 1 for byte in part))
    await bench.start()
    stream = bench.store._disk.database.streams["samples"]
    assert await told(bench, "damaged") == [facts.damaged("samples", 2, 2, stream)]
    await spoken(bench, backend)
    assert [(mark.upto, mark.ranges) for mark in backend.marks() if mark.stream[1] == stream] == [(3, ())]
    assert [number for number, _ in await aside(bench, "samples")] == [2]
    assert bench.store.counters()["record_damaged"] == 1


async def test_what_is_set_aside_outlives_the_purge_and_is_handed_out_with_its_booking(
    bench: Bench, backend: Holdings
) -> None:
    await three(bench)
    await damage(bench, b'"event":"closed","booking":32,"how"', b'"event":"closed","booking":32,"\xffow"')
    await bench.start()
    await spoken(bench, backend)
    await bench.store.ask(purged)
    assert await rows_of(bench, "SELECT n FROM facts") == [(2,)]
    page = await bench.store.ask(lambda disk, _: holdings.page(disk, 32))
    assert [fact["n"] for fact in page["facts"]] == [2]
    assert "\\xffow" in page["facts"][0]["unreadable"]
    shown = await bench.store.ask(lambda disk, _: holdings.show(disk))
    assert (shown["facts"]["rows"], shown["facts"]["aside"]) == (1, 1)


async def test_damage_that_cannot_be_told_for_want_of_room_stops_nothing_and_is_told_later(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise StorageFull("no room")

    await three(bench)
    await damage(bench, b'"booking":31,', b'"booking":3",')
    await damage(bench, b'"booking":32,', b'"booking":3",')
    with monkeypatch.context() as patched:
        patched.setattr(outbox, "put_aside", full)
        _, rows = await bench.store.next_facts(0, 1 << 20, 2)
        assert [row.n for row in rows] == [3]
    assert not bench.store.broken
    _, rows = await bench.store.next_facts(0, 1 << 20)
    assert [row.n for row in rows] == [3]
    (hole,) = await told(bench, "damaged")
    assert (hole["from"], hole["to"]) == (1, 2)


async def test_d10_what_the_backend_cannot_read_is_kept_and_told_once(bench: Bench) -> None:
    await three(bench)
    await bench.start()
    stream = bench.store._disk.database.streams["facts"]
    for poison in ((2,), (2, 3), (2, 3)):
        await bench.uplink.acknowledge(wire.Ack(stream, 3, (), poison))
    assert [number for number, _ in await aside(bench)] == [2, 3]
    assert [alarm["detail"] for alarm in await told(bench, "alarm")] == ["facts 2"]
    assert bench.store.counters()["record_refused"] == 2
    await bench.uplink.acknowledge(wire.Ack(stream, 1))
    _, rows = await bench.store.next_facts(0, 1 << 20)
    assert [row.n for row in rows] == [2, 3, 4], "it took its word back"


@given(st.binary(max_size=40), st.integers(0, 200))
def test_whatever_a_disk_makes_of_a_fact_it_is_whole_or_it_is_not(noise: bytes, at: int) -> None:
    """What passes can be read where it stands in a message, and its neighbours with it."""
    good = wire.fact("booking", "b0070000000000a1", 5, None, "none", {"event": "closed", "booking": 32}).encode()
    text = (good[:at] + noise + good[at + len(noise) :]).decode(errors="surrogateescape")
    if facts.whole(text):
        message = wire.facts(VEHICLE, "51aa0c9d77e3f012", [(1, good.decode()), (2, text), (3, good.decode())])
        found = payload.read(TOPIC[wire.Kind.FACTS], message)
        assert [getattr(item, "n", None) for item in found] == [1, 2, 3]
    assert facts.whole(good.decode())
