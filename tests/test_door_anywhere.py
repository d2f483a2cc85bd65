"""A car without stations, or without a receiver: bookings end at the car all the same (R1), and R5 holds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from drivers.ports import Feedback
from tests.door_bench import ALICE, BOB, HOUR, DoorBench


@pytest.mark.parametrize("fitted", [{"stations": ()}, {"receiver": False}])
async def test_r1_a_booking_ends_by_tap_and_takeover_and_r5_not_by_itself(
    tmp_path: Path, fitted: Any
) -> None:
    bench = DoorBench(tmp_path, **fitted)
    await bench.boot()
    bench.say(ignition="off", speed=0.0, door="no")
    await bench.book(7, ALICE, 0, HOUR)
    await bench.book(8, BOB, HOUR, 2 * HOUR)
    assert [await bench.tap(ALICE), await bench.tap(ALICE)] == [Feedback.OPENED, Feedback.ENDED]
    await bench.tap(ALICE)
    bench.clock.move(HOUR)
    assert await bench.tap(BOB) is Feedback.OPENED
    bench.clock.move(HOUR)
    await bench.until(lambda: bench.clock.sleepers > 0)
    await bench.wait(4)
    closed = await bench.facts("booking", event="closed")
    assert [it["how"] for it in closed] == ["ended", "takeover"]
    assert {tuple(it["soft"]) for it in closed} == {("position_unknown",)}
    assert {it["end"]["at_station"] for it in closed} == {None}
    await bench.off()


async def test_r5_without_a_receiver_the_driver_under_way_is_never_refused_however_late(tmp_path: Path) -> None:
    bench = DoorBench(tmp_path, receiver=False)
    await bench.boot()
    await bench.prove()
    await bench.book(7, ALICE, 0, HOUR)
    await bench.tap(ALICE)
    bench.say(ignition="on", speed=0.0, locked="yes")
    bench.clock.move(3 * 86_400)
    assert await bench.tap(ALICE) is Feedback.OPENED
    await bench.off()


async def test_r1_ten_minutes_without_any_fix_end_a_booking_by_hand_and_never_by_itself(tmp_path: Path) -> None:
    bench = DoorBench(tmp_path)
    await bench.boot()
    bench.say(ignition="off", speed=0.0, door="no")
    await bench.prove()
    await bench.book(7, ALICE, 0, HOUR)
    await bench.book(8, BOB, HOUR, 2 * HOUR)
    assert [await bench.tap(ALICE), await bench.tap(ALICE)] == [Feedback.OPENED, Feedback.PAUSED]
    bench.clock.move(601)
    assert [await bench.tap(ALICE), await bench.tap(ALICE)] == [Feedback.OPENED, Feedback.ENDED]
    assert await bench.tap(ALICE) is Feedback.OPENED
    bench.clock.move(HOUR)
    await bench.until(lambda: bench.clock.sleepers > 0)
    await bench.wait(4)
    assert bench.door.status()["booking"] == 7, "R5: nobody asked"
    assert await bench.tap(BOB) is Feedback.OPENED
    closed = await bench.facts("booking", event="closed")
    assert [(it["how"], it["soft"]) for it in closed] == [
        ("ended", ["position_unknown"]), ("takeover", ["position_unknown"]),
    ]  # fmt: skip
    await bench.off()


async def test_r1_a_receiver_that_fell_silent_blocks_no_end_once_the_car_stood_ten_minutes(tmp_path: Path) -> None:
    bench = DoorBench(tmp_path)
    await bench.boot()
    bench.say(odometer=100.0)
    bench.park(home=False)
    bench.clock.move(HOUR)
    bench.say(ignition="on", speed=40.0, odometer=190.0)
    bench.say(speed=0.0, ignition="off")
    assert not bench.car.station(bench.clock.now().ns).ends_here, "it only just stopped"
    bench.clock.move(599)
    assert not bench.car.station(bench.clock.now().ns).ends_here
    bench.clock.move(1)
    where = bench.car.station(bench.clock.now().ns)
    assert (where.at, where.ends_here) == (None, True)
    bench.park(home=False)
    where = bench.car.station(bench.clock.now().ns)
    assert (where.at, where.ends_here) == (False, False)
    await bench.off()


async def test_r5_an_end_by_mistake_where_nobody_knows_the_place_is_undone_in_the_grace(tmp_path: Path) -> None:
    bench = DoorBench(tmp_path, receiver=False)
    await bench.boot()
    bench.say(ignition="off", speed=0.0, door="no")
    await bench.book(7, ALICE, 0, HOUR)
    assert [await bench.tap(ALICE), await bench.tap(ALICE)] == [Feedback.OPENED, Feedback.ENDED]
    bench.clock.move(HOUR + 300)
    assert await bench.tap(ALICE) is Feedback.OPENED
    assert await bench.tap(ALICE) is Feedback.ENDED
    await bench.book(8, BOB, HOUR, 2 * HOUR)
    assert await bench.tap(ALICE) is Feedback.OPENED, "what lies in the car is still his"
    assert bench.under.booking is None, "and the next one's paid time has begun"
    assert await bench.tap(BOB) is Feedback.OPENED
    await bench.off()
