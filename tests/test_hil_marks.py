"""What is received stands in the database alone: receivers that die, two at once, and what cars say they dropped."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hil.backend import payload
from hil.backend.holdings import Holdings
from hil.backend.payload import Item
from hil.backend.receiver import Receiver
from hil.backend.store import Mark
from tests.hil_backend import (
    BOOT,
    STREAM,
    VEHICLE,
    BareVehicle,
    address,
    connected,
    fact,
    facts,
    rows,
    running_broker,
    until,
)

OLD, NEW = "00000000000000cc", "00000000000000dd"  # two databases of one car: their streams of samples


@pytest.fixture(name="path")
def the_path(tmp_path: Path) -> Path:
    return tmp_path / "held.sqlite"


@pytest.fixture(name="holdings")
def the_holdings(path: Path) -> Iterator[Holdings]:
    with closing(Holdings(path)) as one:
        yield one


def told(*numbers: int, stream: str = STREAM) -> list[Item]:
    return payload.read(f"boitier/v1/{VEHICLE}/up/facts", facts(*map(fact, numbers), stream=stream))


def run(n: int, stream: str) -> list[Item]:
    blob = {"v": 1, "vehicle": VEHICLE, "stream": stream, "n": n, "columns": 1, "booking": None, "boot": BOOT, "at": 1}
    sealed = {**blob, "wall": None, "source": "none", "t": [0], "c": []}
    return payload.read(f"boitier/v1/{VEHICLE}/up/samples", json.dumps(sealed).encode())


def dropped(n: int, name: str, low: object, high: object, stream: str = STREAM, **more: object) -> list[Item]:
    one = fact(n, "dropped", stream=name, why="aged", **{"from": low, "to": high}, **more)
    return payload.read(f"boitier/v1/{VEHICLE}/up/facts", facts(one, stream=stream))


def mark(holdings: Holdings, stream: str = STREAM) -> tuple[int, list[tuple[int, int]]]:
    (found,) = [it for it in holdings.marks() if it.stream == (VEHICLE, stream)]
    return found.upto, list(found.ranges)


# --- one database, receivers that come and go


def test_two_receivers_with_one_database_say_the_same(path: Path) -> None:
    """One that began before the other stored something would never have counted it, and held the car up for ever."""
    with closing(Holdings(path)) as one, closing(Holdings(path)) as other:
        one.commit(told(1), 0)
        assert other.commit(told(1, 2), 0) == [Mark((VEHICLE, STREAM), 2, (), ())]
        assert one.commit(told(4), 0) == [Mark((VEHICLE, STREAM), 2, ((4, 4),), ())]
        assert other.commit(told(3), 0) == [Mark((VEHICLE, STREAM), 4, (), ())]
        assert one.marks() == other.marks() == [Mark((VEHICLE, STREAM), 4, (), ())]


async def test_a_receiver_that_dies_between_commit_and_acknowledgement_says_it_afterwards(
    tmp_path: Path, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dies(receiver: Receiver, mark: Mark) -> None:
        raise ConnectionError("before a word got out")

    async with running_broker(tmp_path) as broker, connected(BareVehicle(address(broker, VEHICLE))) as car:
        with monkeypatch.context() as patched:
            patched.setattr(Receiver, "_tell", dies)
            async with connected(Receiver(address(broker, "receiver"), path)):
                await car.send("facts", facts(fact(1)))
                await until(lambda: rows(path, "SELECT n FROM facts") == [(1,)])
        assert car.ack() is None
        async with connected(Receiver(address(broker, "receiver"), path)):
            await until(lambda: (car.ack() or {}).get("upto") == 1)
    assert rows(path, "SELECT n FROM facts") == [(1,)]


def test_a_group_that_is_not_stored_leaves_no_mark(path: Path, holdings: Holdings) -> None:
    holdings.commit(told(1), 0)
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        full = "CREATE TRIGGER full BEFORE INSERT ON facts WHEN new.n = 3 BEGIN SELECT RAISE(ABORT, 'full'); END"
        database.execute(full)
        with pytest.raises(ConnectionError, match="full"):
            holdings.commit(told(2, 3), 0)
        database.execute("DROP TRIGGER full")
    assert mark(holdings) == (1, [])
    assert holdings.commit(told(2), 0) == [Mark((VEHICLE, STREAM), 2, (), ())]


def test_a_database_of_an_earlier_receiver_is_counted_once(path: Path) -> None:
    with closing(Holdings(path)) as holdings:
        holdings.commit([*told(1, 3), *run(1, OLD), *dropped(2, "samples", 2, 4, stream_id=OLD)], 0)
        before = holdings.marks()
    with closing(sqlite3.connect(path)) as database:
        database.execute("DROP TABLE received")
    with closing(Holdings(path)) as holdings:
        assert holdings.marks() == before != []


@settings(max_examples=10)
@given(st.lists(st.tuples(st.booleans(), st.lists(st.integers(1, 12), max_size=4)), max_size=8))
def test_whoever_of_two_receivers_gets_what_their_marks_are_those_of_a_plain_set(
    groups: list[tuple[bool, list[int]]],
) -> None:
    plain = set[int]()
    with TemporaryDirectory() as folder, ExitStack() as stack:
        both = [stack.enter_context(closing(Holdings(Path(folder) / "held.sqlite"))) for _ in range(2)]
        for first, numbers in groups:
            plain.update(numbers)
            for found in both[first].commit(told(*numbers), 0):
                spans = [(1, found.upto), *found.ranges]
                assert {n for low, high in spans for n in range(low, high + 1)} == plain
                assert found.upto + 1 not in plain


# --- which stream it was that numbers are gone of


def test_d11_a_new_database_says_of_which_stream_numbers_are_gone(holdings: Holdings) -> None:
    """Without its name those of the new stream were taken for some of the old one: the one was held up for ever, and
    what the other had lost was hidden."""
    holdings.commit([*run(1, OLD), *run(5, OLD)], 0)
    holdings.commit(dropped(1, "samples", 1, 3, stream_id=NEW), 1)
    holdings.commit(run(4, NEW), 2)
    assert mark(holdings, NEW) == (4, [])
    assert mark(holdings, OLD) == (1, [(5, 5)])


def test_d11_what_a_phone_brings_late_of_an_old_database_is_not_counted_in_the_new_one(holdings: Holdings) -> None:
    holdings.commit([*run(1, OLD), *run(1, NEW)], 0)
    holdings.commit(dropped(1, "samples", 2, 3, stream_id=OLD), 1)
    holdings.commit(dropped(2, "facts", 2, 9, stream="e" * 16, stream_id=STREAM), 1)
    assert (mark(holdings, OLD), mark(holdings, NEW)) == ((3, []), (1, []))
    assert (mark(holdings), mark(holdings, "e" * 16)) == ((9, []), (0, [(2, 2)]))


@pytest.mark.parametrize("more", [{}, {"stream_id": None}, {"stream_id": "CC"}, {"stream_id": 7}])
def test_d11_a_car_that_names_no_stream_means_its_newest(holdings: Holdings, more: dict[str, object]) -> None:
    holdings.commit(run(1, OLD), 0)
    holdings.commit(run(4, NEW), 1)
    holdings.commit(dropped(1, "samples", 1, 3, **more), 2)
    assert mark(holdings, NEW) == (4, [])


@pytest.mark.parametrize(("low", "high"), [(3, 2), (0, 2), (-1, 2), (1, 1 << 70), (1, None), ("1", "2"), (1.0, 2)])
def test_numbers_that_cannot_be_drop_nothing(holdings: Holdings, low: object, high: object) -> None:
    holdings.commit(dropped(1, "samples", low, high, stream_id=NEW), 0)
    assert [it.stream for it in holdings.marks()] == [(VEHICLE, STREAM)]
