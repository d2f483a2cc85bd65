"""The booking under way once more, in a file: its driver gets home when the database is lost on the way (D14, R5)."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agent.access.open_file import AGAIN_NS, OPEN_FILE
from agent.car.under_way import OpenBooking
from buffer import db
from drivers.ports import Feedback
from tests.door_bench import ALICE, BOB, HOUR, T0, DoorBench, the_bench  # noqa: F401 (fixture)
from tests.test_door_code import code


def _gone(folder: Path) -> None:
    for file in folder.glob("boitier.db*"):
        file.unlink()


def _garbage(folder: Path) -> None:
    _gone(folder)
    (folder / "boitier.db").write_bytes(b"this is no database" * 1_000)


def _in_the_way(folder: Path) -> None:
    """No database can be opened there at all."""
    _gone(folder)
    (folder / "boitier.db" / "in the way").mkdir(parents=True)


LOST: dict[str, Callable[[Path], None]] = {"gone": _gone, "garbage": _garbage, "in the way": _in_the_way}


def opened(bench: DoorBench) -> OpenBooking:
    assert bench.under.booking is not None
    return bench.under.booking


async def away(bench: DoorBench) -> None:
    """Alice has the car, far from home, and two hours late."""
    await bench.prove()
    bench.say(odometer=90.0, locked="yes")
    await bench.book(33, ALICE)
    assert await bench.tap(ALICE) is Feedback.OPENED
    bench.say(odometer=100.0, locked="yes")
    bench.park(home=False)
    bench.clock.move(3 * HOUR)


async def without_database(bench: DoorBench, lose: Callable[[Path], None]) -> None:
    await bench.off()
    lose(bench.folder)
    await bench.boot()


@contextlib.contextmanager
def failing(monkeypatch: pytest.MonkeyPatch, name: str) -> Iterator[None]:
    """The card fails whenever the file of this name is written."""
    real, paths = os.fsync, dict[int, str]()

    def fsync(descriptor: int) -> None:
        paths[descriptor] = os.readlink(f"/proc/self/fd/{descriptor}")
        if f"/{name}" in paths[descriptor].replace("/.", "/"):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        real(descriptor)

    with monkeypatch.context() as broken:
        broken.setattr(os, "fsync", fsync)
        yield


# --- the database is lost on the way


@pytest.mark.parametrize("lost", LOST)
async def test_r5_a_late_driver_far_from_home_gets_in_although_the_database_is_lost(
    bench: DoorBench, lost: str
) -> None:
    await away(bench)
    for _ in range(2):
        await without_database(bench, LOST[lost])
        bench.park(home=False)
        assert opened(bench).booking == 33
        assert (opened(bench).start["odometer_km"], opened(bench).paid_to_s) == (90.0, T0 + HOUR)
        bench.say(locked="yes")
        assert await bench.tap(ALICE) is not Feedback.REFUSED
        if lost == "in the way":
            (bench.folder / "boitier.db" / "in the way").rmdir()
            (bench.folder / "boitier.db").rmdir()


@pytest.mark.parametrize("lost", ["gone", "garbage"])
async def test_no_booking_is_told_twice_because_the_database_was_lost(bench: DoorBench, lost: str) -> None:
    await away(bench)
    first = len(await bench.facts("booking", event="opened"))
    await without_database(bench, LOST[lost])
    await bench.store.commit(put={"car/last": b"{}"})  # so that the new database is not empty any more
    await bench.cut()
    bench.park()
    bench.say(odometer=120.0)
    assert await bench.tap(ALICE) is Feedback.OPENED, "nobody knows how the lock stands"
    assert await bench.tap(ALICE) is Feedback.ENDED
    closed, later = await bench.facts("booking", event="closed"), await bench.facts("booking", event="opened")
    assert (first, len(later)) == (1, 0)
    assert [(it["booking"], it["km"]) for it in closed] == [(33, 30.0)]
    await without_database(bench, LOST[lost])
    assert bench.under.booking is None, "what has ended does not come back"


async def test_what_was_learnt_since_is_in_it(bench: DoorBench) -> None:
    await away(bench)
    await bench.book(33, ALICE, 0, 5 * HOUR, revision=1)
    for speed in (0.0, 30.0, 40.0):
        bench.say(ignition="on", speed=speed, odometer=100.0)
        await bench.journey.tick()
        await bench.wait(2)
    was = opened(bench)
    assert (was.legs, was.paid_to_s) == (1, T0 + 5 * HOUR)
    await without_database(bench, _gone)
    assert opened(bench) == was


@pytest.mark.parametrize("lost", LOST)
async def test_a_first_start_and_one_with_nobody_in_the_car_open_nothing(tmp_path: Path, lost: str) -> None:
    bench = DoorBench(tmp_path)
    LOST[lost](tmp_path)
    await bench.boot()
    assert bench.under.booking is None
    await bench.wait(4)
    assert not (tmp_path / "bookings" / OPEN_FILE).exists()
    await bench.off()


# --- the database tells, so the file does not


async def test_d14_a_whole_database_counts_whatever_the_file_says(bench: DoorBench) -> None:
    await bench.prove()
    await bench.book(33, ALICE)
    await bench.book(34, BOB, 0, HOUR)
    file = bench.folder / "bookings" / OPEN_FILE
    await bench.tap(ALICE)
    alices = file.read_bytes()
    bench.say(locked="no")
    assert await bench.tap(ALICE) is Feedback.ENDED
    await bench.off()
    file.write_bytes(alices)
    await bench.boot()
    bench.park()
    assert bench.under.booking is None
    bench.say(locked="yes")
    assert await bench.tap(BOB) is Feedback.OPENED
    await bench.off()
    file.write_bytes(alices)
    await bench.boot()
    assert opened(bench).booking == 34
    await bench.wait(4)
    await without_database(bench, _gone)
    assert opened(bench).booking == 34, "what a cut left behind was put right at the start after it"


@pytest.mark.parametrize("act", ["open", "end"])
async def test_cut_between_the_database_and_the_file_the_database_counts_and_the_file_follows(
    bench: DoorBench, monkeypatch: pytest.MonkeyPatch, act: str
) -> None:
    await bench.prove()
    await bench.book(33, ALICE)
    if act == "end":
        await bench.tap(ALICE)
        bench.say(locked="no")
    with failing(monkeypatch, OPEN_FILE):
        assert await bench.tap(ALICE) is (Feedback.OPENED if act == "open" else Feedback.ENDED)
        await bench.off()
    await bench.boot()
    number = 33 if act == "open" else None
    assert bench.scene.open_number == number
    await bench.wait(4)
    await without_database(bench, _gone)
    assert bench.scene.open_number == number


async def test_a_card_that_fails_stops_nobody_and_the_file_is_written_later(
    bench: DoorBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    await bench.prove()
    await bench.book(33, ALICE)
    with failing(monkeypatch, OPEN_FILE):
        assert await bench.tap(ALICE) is Feedback.OPENED
        assert not (bench.folder / "bookings" / OPEN_FILE).exists()
    await bench.wait(AGAIN_NS / 1e9 + 4)
    await without_database(bench, _gone)
    assert opened(bench).booking == 33


# --- damage


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "another number": lambda data: data.replace(b'"booking":33', b'"booking":38'),
    "half": lambda data: data[: len(data) // 2],
    "without its check": lambda data: data.rpartition(b" ")[0],
    "paid for ever": lambda data: data.replace(b'"paid_to_s":18', b'"paid_to_s":98'),
}


@pytest.mark.parametrize("damage", DAMAGES)
async def test_a_damaged_file_is_rescued_by_its_token_or_is_no_booking(bench: DoorBench, damage: str) -> None:
    await away(bench)
    await bench.off()
    file = bench.folder / "bookings" / OPEN_FILE
    before = file.read_bytes()
    file.write_bytes(DAMAGES[damage](before))
    assert file.read_bytes() != before
    _gone(bench.folder)
    await bench.boot()
    [alarm] = await bench.facts("alarm", name="booking_damaged")
    kept = damage != "another number"
    assert alarm["detail"]["kept"] is kept
    assert bench.scene.open_number == (33 if kept else None)
    assert not kept or opened(bench).paid_to_s == T0 + HOUR
    await bench.cut()
    assert len(await bench.facts("alarm", name="booking_damaged")) == 1, "told once"


# --- the keypad


async def test_r11_a_count_of_wrong_codes_that_no_database_tells_rests_the_keypad_for_ten_minutes(
    bench: DoorBench,
) -> None:
    await bench.book(7, ALICE)
    await without_database(bench, _in_the_way)
    bench.park()
    assert bench.door.status()["keypad_locked"] is True
    assert await bench.type(code(7)) is Feedback.REFUSED
    assert await bench.tap(ALICE) is Feedback.OPENED, "and nothing else"
    bench.clock.move(600)
    assert bench.door.status()["keypad_locked"] is False


def test_what_is_lost_here_is_really_lost(tmp_path: Path) -> None:
    """The rescue of a damaged file (`buffer/db.py`) finds nothing in it."""
    _garbage(tmp_path)
    found = db.open_or_replace(tmp_path / "boitier.db", 1 << 20)
    assert found.quarantined
    assert found.rescued == {}
    found.database.close()
