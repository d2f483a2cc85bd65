"""The trusted clock's state between sources, stamps and the floor file (D14, D21, R19)."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from agent.run.timekeeper import Timekeeper
from drivers.ports import Fix
from keyless.claims import Interval
from keyless.clock import BUILD_S
from tests.door_bench import ALICE, HOUR, T0, DoorBench
from tests.fakes.clock import ManualClock, settle

NOW_S = BUILD_S + 30_000.0


def keeper(clock: ManualClock, path: Path) -> Timekeeper:
    found = Timekeeper(clock, path)
    found.load()
    return found


def fix(clock: ManualClock, at_s: float, satellites: int = 8, valid: bool = True) -> Fix:
    return Fix(clock.now(), round(at_s * 1000), 48.5, 0.5, 3, 0.0, satellites, valid)


def learn(clock: ManualClock, timekeeper: Timekeeper, at_s: float = NOW_S) -> None:
    for second in range(3):
        timekeeper.fix(fix(clock, at_s + second))
        clock.move(1)


def test_a_box_without_any_evidence_knows_its_build_date_as_the_floor(tmp_path: Path) -> None:
    clock = ManualClock()
    timekeeper = keeper(clock, tmp_path / "floor.json")
    assert timekeeper.interval().lo_s == BUILD_S
    assert timekeeper.stamp(clock.now()) == (None, "none")


def test_d2_a_stamp_is_integer_milliseconds_rounded_outwards_with_its_source(tmp_path: Path) -> None:
    clock = ManualClock()
    timekeeper = keeper(clock, tmp_path / "floor.json")
    learn(clock, timekeeper)
    wall, source = timekeeper.stamp(clock.now())
    assert source == "gnss"
    assert wall is not None
    assert all(isinstance(bound, int) for bound in wall)
    assert wall[0] <= (NOW_S + 3) * 1000 <= wall[1]


def test_a_position_without_a_date_is_never_a_time(tmp_path: Path) -> None:
    """Receivers that send GGA or GLL alone know where they are and not which day it is."""
    clock = ManualClock()
    timekeeper = keeper(clock, tmp_path / "floor.json")
    for _ in range(100):
        timekeeper.fix(Fix(clock.now(), None, 48.5, 0.5, 3, 0.0, 8, True))
        clock.move(1)
    assert timekeeper.stamp(clock.now()) == (None, "none")
    assert timekeeper.interval().lo_s == BUILD_S


def test_an_event_of_the_past_of_this_boot_is_stamped_with_its_own_time(tmp_path: Path) -> None:
    clock = ManualClock()
    timekeeper = keeper(clock, tmp_path / "floor.json")
    learn(clock, timekeeper)
    then = clock.now()
    clock.move(100)
    before, after = timekeeper.stamp(then)[0], timekeeper.stamp(clock.now())[0]
    assert before is not None
    assert after is not None
    assert after[0] - before[0] > 90_000


def test_void_fixes_teach_nothing(tmp_path: Path) -> None:
    clock = ManualClock()
    timekeeper = keeper(clock, tmp_path / "floor.json")
    for second in range(5):
        timekeeper.fix(fix(clock, NOW_S + second, valid=False))
        clock.move(1)
    assert timekeeper.interval().source == "none"


async def test_d14_the_floor_is_on_disk_after_a_gain_of_trust_and_holds_after_a_restart(tmp_path: Path) -> None:
    clock, path = ManualClock(), tmp_path / "floor.json"
    timekeeper = keeper(clock, path)
    running = asyncio.create_task(timekeeper.run())
    timekeeper.heard(int(NOW_S))
    await settle()
    assert path.is_file()
    running.cancel()
    later = keeper(ManualClock(boot="b0070000000000a2"), path)
    assert later.interval().lo_s == NOW_S
    assert later.interval().hi_s is None


async def test_the_floor_is_written_at_most_every_ten_minutes_otherwise(tmp_path: Path) -> None:
    clock = ManualClock()
    timekeeper = keeper(clock, tmp_path / "floor.json")
    running = asyncio.create_task(timekeeper.run())
    for second in range(1200):
        timekeeper.fix(fix(clock, NOW_S + second))
        clock.move(1)
        await asyncio.sleep(0)
    await settle()
    assert 1 <= int(str(timekeeper.status()["written"])) <= 4
    running.cancel()


FORGED = b'{"v":1,"floor_s":9e99,"boot":"x","anchor":null,"check":"0"}'


@pytest.mark.parametrize("content", [b"", b"{", b"[]", FORGED, b"\xff", b"[" * 100_000], ids=range(6))
def test_a_damaged_floor_file_is_the_build_date(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "floor.json"
    path.write_bytes(content)
    assert keeper(ManualClock(), path).interval().lo_s == BUILD_S


async def test_a_disk_that_refuses_is_tried_again_and_stops_nothing(tmp_path: Path) -> None:
    clock, folder = ManualClock(), tmp_path / "later"
    timekeeper = keeper(clock, folder / "floor.json")
    running = asyncio.create_task(timekeeper.run())
    timekeeper.heard(int(NOW_S))
    await settle()
    assert timekeeper.status()["write_failed"] == 1
    assert timekeeper.interval().lo_s == NOW_S
    folder.mkdir()
    await clock.advance(60)
    assert (folder / "floor.json").is_file()
    running.cancel()


def test_r19_three_wrong_epochs_move_neither_the_time_nor_what_may_be_erased(tmp_path: Path) -> None:
    clock = ManualClock()
    timekeeper = keeper(clock, tmp_path / "floor.json")
    timekeeper.heard(int(NOW_S))
    learn(clock, timekeeper, NOW_S + 5)
    before = timekeeper.interval()
    learn(clock, timekeeper, NOW_S + 1024 * 7 * 86_400)
    after = timekeeper.interval()
    assert after.lo_s - before.lo_s == pytest.approx(3, abs=0.1)
    assert timekeeper.settled_lo_s() == pytest.approx(after.lo_s)


def test_r19_a_wrong_first_date_erases_nothing(tmp_path: Path) -> None:
    clock = ManualClock()
    timekeeper = keeper(clock, tmp_path / "floor.json")
    timekeeper.heard(int(NOW_S))
    learn(clock, timekeeper, NOW_S + 1024 * 7 * 86_400)
    assert timekeeper.settled_lo_s() == int(NOW_S) + 86_400


def test_a_wrong_iat_is_not_heard_by_a_clock_that_knows_the_time(tmp_path: Path) -> None:
    clock = ManualClock()
    timekeeper = keeper(clock, tmp_path / "floor.json")
    learn(clock, timekeeper)
    timekeeper.heard(int(NOW_S) + 30 * 86_400)
    assert timekeeper.interval().source == "gnss"
    assert timekeeper.status()["floor_s"] == pytest.approx(NOW_S, abs=5)


async def test_r19_the_door_erases_by_what_is_settled_and_not_by_what_the_receiver_says(tmp_path: Path) -> None:
    bench = DoorBench(tmp_path)
    await bench.boot()
    await bench.book(7, ALICE, 0, HOUR)
    assert bench.task is not None
    bench.task.cancel()
    await asyncio.gather(bench.task, return_exceptions=True)
    bench.door._scene._interval = lambda _: Interval(T0 * 2, T0 * 2 + 4, "gnss")
    for past_s, left in ((float(T0), 1), (T0 * 2.0, 0)):
        asked: list[float] = []
        bench.door.past_s = lambda past_s=past_s, asked=asked: asked.append(past_s) or past_s  # type: ignore[misc,func-returns-value]
        bench.task = asyncio.create_task(bench.door._ticks())
        await bench.until(lambda asked=asked: asked)
        await settle()
        await bench.until(lambda: bench.clock.sleepers > 0)
        bench.task.cancel()
        await asyncio.gather(bench.task, return_exceptions=True)
        assert bench.door.status()["bookings"] == left
    await bench.off()
