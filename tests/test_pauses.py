"""Staff who are not at work: nothing is kept of where they are, and the record says only that, and when (P7)."""

from __future__ import annotations

from agent.car.pauses import Pauses
from agent.car.privacy import place, track
from agent.sync.forms import problems
from config.privacy import KindPolicy, Policy
from drivers.ports import Fix, Instant
from tests.door_bench import ALICE, T0, DoorBench, the_bench  # noqa: F401 (fixtures)

# T0 is Friday 15 January 2027, 09:00 in Paris.
POLICY = Policy(staff=KindPolicy(track=True))
EVENING_S = 10 * 3600.0


def service(bench: DoorBench) -> Pauses:
    return Pauses(bench.clock, bench.store, bench.under, POLICY, bench.stamp)


async def pauses(bench: DoorBench) -> list[tuple[str, int]]:
    bodies = await bench.facts("pause")
    assert [problems("pause", body) for body in bodies] == [()] * len(bodies)
    return [(body["event"], body["booking"]) for body in bodies]


async def test_p7_a_pause_begins_after_work_and_ends_with_the_booking_and_says_no_more(bench: DoorBench) -> None:
    await bench.book(7, ALICE, flags=1, end=20 * 3600)
    await bench.tap(ALICE)
    watch = service(bench)
    await watch.tick()
    assert await pauses(bench) == []
    bench.clock.move(EVENING_S)
    await watch.tick()
    await watch.tick()
    assert await pauses(bench) == [("began", 7)]
    bench.park()
    await bench.tap(ALICE)
    await watch.tick()
    assert await pauses(bench) == [("began", 7), ("ended", 7)]


async def test_p7_a_pause_survives_a_power_cut_without_a_second_beginning(bench: DoorBench) -> None:
    await bench.book(7, ALICE, flags=1, end=20 * 3600)
    await bench.tap(ALICE)
    bench.clock.move(EVENING_S)
    await service(bench).tick()
    await bench.cut()
    watch = service(bench)
    await watch.load()
    await watch.tick()
    assert await pauses(bench) == [("began", 7)]
    bench.clock.move(12 * 3600 + 3 * 86_400)  # Monday, 07:00 and later
    await watch.tick()
    assert await pauses(bench) == [("began", 7), ("ended", 7)]


async def test_p7_a_private_booking_has_no_hours(bench: DoorBench) -> None:
    await bench.book(7, ALICE, end=20 * 3600)
    await bench.tap(ALICE)
    bench.clock.move(EVENING_S)
    await service(bench).tick()
    assert await pauses(bench) == []


async def test_p7_without_a_known_time_staff_pause_and_nothing_is_kept(bench: DoorBench) -> None:
    await bench.book(7, ALICE, flags=1)
    await bench.tap(ALICE)
    bench.unsure = True
    await service(bench).tick()
    assert await pauses(bench) == [("began", 7)]
    fix = Fix(Instant("00" * 8, 0), None, 48.4, 0.1, 3, 0.0, 9, True)
    assert track(None, 7, "staff", POLICY, None, 0, fix) is None
    assert place("end", "staff", POLICY, None, None, fix) is None
    assert T0 == 1_800_000_000
