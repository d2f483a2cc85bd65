"""The file of the booking under way by itself: any bytes in it, a disk that refuses it, a damaged value beside it."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.access.open_file import AGAIN_NS, OPEN_FILE, OpenFile
from agent.car.reading import Reading
from agent.car.under_way import OpenBooking
from agent.run.records import erase_all
from tests.door_bench import ALICE, DoorBench
from tests.test_wiping import WHEN, disk
from tests.vault_bench import Disk


@given(st.binary(max_size=300))
def test_no_bytes_make_a_booking_or_an_error(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    folder = tmp_path_factory.mktemp("bookings")
    (folder / OPEN_FILE).write_bytes(data)
    assert OpenFile(folder).read()[0] is None


READING = Reading(
    odometer_km=1.5, soc_percent=None, energy_kwh=None, range_km=None, plugged="yes", at_station=None, boot="b", at=7,
    wall=None,
)  # fmt: skip


def test_what_is_written_is_read_and_the_same_is_not_written_twice(tmp_path: Path) -> None:
    one, file = OpenFile(tmp_path), tmp_path / OPEN_FILE
    one.follow(None, 0)
    assert not file.exists(), "nobody had the car, and nothing says otherwise"
    booking = OpenBooking(33, "aa", None, "private", 1, 2, READING)
    one.follow(booking, 0)
    assert OpenFile(tmp_path).read() == (booking, None)
    before = file.stat()
    for again in (one, OpenFile(tmp_path)):
        again.follow(booking, 0)
    assert file.stat() == before
    one.follow(None, 0)
    assert OpenFile(tmp_path).read() == (None, None)
    file.unlink()
    file.symlink_to(OPEN_FILE)  # reading it is refused, as with a bad sector
    late = OpenFile(tmp_path)
    assert late.read() == (None, None)
    late.follow(booking, 0)
    assert OpenFile(tmp_path).read() == (booking, None)


def test_a_disk_that_refuses_is_asked_again_after_a_minute_or_for_another_booking(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, asked = OpenFile(tmp_path), list[int]()

    def fsync(_: int) -> None:
        asked.append(1)
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as broken:
        broken.setattr(os, "fsync", fsync)
        booking = OpenBooking(33, "aa", None, "private", 1, 2, READING)
        for at_ns in (0, 1, AGAIN_NS - 1):
            one.follow(booking, at_ns)
        assert len(asked) == 1
        one.follow(OpenBooking(34, "bb", None, "private", 1, 2, READING), 2)
        one.follow(booking, AGAIN_NS + 2)
        assert len(asked) == 3
    one.follow(booking, AGAIN_NS + 3)
    assert one.read() == (None, None), "not yet"
    one.follow(booking, 2 * AGAIN_NS + 3)
    assert one.read() == (booking, None)


@pytest.mark.parametrize(
    ("damaged", "other", "kept"),
    [(b"{", b"", True), (b'{"booking":33,"token":"', b"", True), (b'{"booking":34,', b"", False), (b"{", b"x", False)],
)
async def test_r5_a_damaged_booking_is_what_its_file_says_where_that_is_whole_and_does_not_name_another(
    tmp_path: Path, damaged: bytes, other: bytes, kept: bool
) -> None:
    bench = DoorBench(tmp_path)
    await bench.boot()
    bench.park()
    bench.say(odometer=90.0)
    await bench.book(33, ALICE)
    await bench.tap(ALICE)
    before = bench.under.booking
    await bench.off()
    Disk(tmp_path).put("booking/open", damaged)
    file = tmp_path / "bookings" / OPEN_FILE
    file.write_bytes(other + file.read_bytes())
    await bench.boot()
    assert bench.under.booking == (before if kept else None)
    [alarm] = await bench.facts("alarm", name="booking_damaged")
    assert (alarm["detail"]["kept"], alarm["detail"]["lost"]) == (kept, [] if kept else ["all"])
    await bench.off()


def test_p8_r5_a_booking_that_only_its_file_knows_of_keeps_everything_from_being_erased(tmp_path: Path) -> None:
    one = OpenFile(tmp_path / "bookings")
    (tmp_path / "bookings").mkdir()
    one.follow(OpenBooking(33, "aa", None, "private", 1, 2, READING), 0)
    with pytest.raises(ValueError, match="under way"):
        erase_all(tmp_path, disk, WHEN, lose_unsent=True)
    assert one.read()[0] is not None
    file = tmp_path / "bookings" / OPEN_FILE
    file.write_bytes(b"{" + file.read_bytes())  # a start would still say that somebody has the car
    with pytest.raises(ValueError, match="under way"):
        erase_all(tmp_path, disk, WHEN, lose_unsent=True)
    one = OpenFile(tmp_path / "bookings")
    one.follow(None, 0)
    erase_all(tmp_path, disk, WHEN, lose_unsent=True)
    assert not list((tmp_path / "bookings").iterdir())
