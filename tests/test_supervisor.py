"""D23: what becomes of a part that fails, and that nothing ends while an actuator moves."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from agent.run.supervisor import Actuation, PartState, Stage, Supervisor
from drivers.errors import DeviceGone
from tests.fakes.clock import ManualClock, settle

LONG_S = 100_000.0


class Part:
    """Runs `act` each time it is started; counts starts and closes."""

    def __init__(self, name: str, act: Callable[[int], object], vital: bool = False) -> None:
        self.name, self.vital, self._act = name, vital, act
        self.starts = 0
        self.closed = 0
        self.cancelled = False

    async def run(self) -> None:
        self.starts += 1
        try:
            result = self._act(self.starts)
            if asyncio.iscoroutine(result):
                await result
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled = True
            raise

    async def close(self) -> None:
        self.closed += 1


def idle(_start: int) -> None:
    """A part that runs until it is stopped."""


def bug(_start: int) -> None:
    raise ValueError("a bug")


def gone(_start: int) -> None:
    raise DeviceGone("unplugged")


def beyond_repair(_start: int) -> None:
    raise DeviceGone("the wrong board", retryable=False)


class House:
    def __init__(self, jitter: float = 1.0) -> None:
        self.clock = ManualClock()
        self.busy = Actuation()
        self.alarms: list[tuple[str, str]] = []
        self.supervisor = Supervisor(self.clock, self.busy, lambda: jitter, lambda *alarm: self.alarms.append(alarm))
        self.stop = asyncio.Event()

    def add(self, part: Part, stage: Stage = Stage.LOGIC) -> Part:
        self.supervisor.add(part, stage)
        return part

    def state(self, part: Part) -> object:
        return self.supervisor.parts()[part.name]["state"]

    async def finish(self) -> None:
        ending = asyncio.create_task(self.supervisor.stop())
        await settle()
        while not ending.done():
            await self.clock.advance(0.1)
        await ending


async def test_d23_a_lost_device_is_retried_for_ever_with_back_off_from_1_to_60_s() -> None:
    house = House()
    part = house.add(Part("gnss", gone))
    await settle()
    for number, delay in enumerate((1, 2, 4, 8, 16, 32, 60, 60, 60), start=1):
        assert part.starts == number
        assert house.state(part) == PartState.WAITING
        await house.clock.advance(delay - 0.01)
        assert part.starts == number
        await house.clock.advance(0.01)
    assert house.alarms == []
    await house.finish()


async def test_d23_jitter_shortens_the_back_off_by_at_most_half() -> None:
    house = House(jitter=0.0)
    part = house.add(Part("gnss", gone))
    await house.clock.advance(0.5)
    assert part.starts == 2
    await house.finish()


async def test_d23_a_part_that_ran_well_starts_again_with_the_shortest_back_off() -> None:
    house = House()

    async def a_minute_then_gone() -> None:
        await house.clock.sleep(60)
        raise DeviceGone("unplugged")

    part = house.add(Part("gnss", lambda start: gone(start) if start < 6 else a_minute_then_gone()))
    await house.clock.advance(1 + 2 + 4 + 8 + 16)
    assert part.starts == 6
    await house.clock.advance(60 + 1)
    assert part.starts == 7
    await house.finish()


async def test_d23_three_bugs_in_ten_minutes_switch_a_part_off_with_an_alarm() -> None:
    house = House()
    part = house.add(Part("uplink", bug))
    await house.clock.advance(LONG_S)
    assert part.starts == 3
    assert house.state(part) == PartState.OFF
    assert house.alarms == [("part_off:uplink", "ValueError: a bug")]
    await house.finish()


async def test_d23_bugs_further_apart_than_ten_minutes_do_not_switch_a_part_off() -> None:
    house = House()

    async def a_bug_every_six_minutes() -> None:
        await house.clock.sleep(360)
        raise ValueError("a rare bug")

    part = house.add(Part("uplink", lambda _start: a_bug_every_six_minutes()))
    await house.clock.advance(3 * 3600)
    assert part.starts > 20
    assert house.alarms == []
    await house.finish()


async def test_d23_a_device_beyond_repair_is_switched_off_at_once() -> None:
    house = House()
    part = house.add(Part("reader", beyond_repair))
    await house.clock.advance(LONG_S)
    assert part.starts == 1
    assert [name for name, _ in house.alarms] == ["part_off:reader"]
    await house.finish()


async def test_d23_a_part_that_ends_unasked_counts_as_failed() -> None:
    house = House()

    class Quitter(Part):
        async def run(self) -> None:
            self.starts += 1

    part = house.add(Quitter("health", idle))
    await house.clock.advance(LONG_S)
    assert part.starts == 3
    assert house.state(part) == PartState.OFF
    await house.finish()


async def test_d23_one_failing_part_touches_no_other() -> None:
    house = House()
    good = house.add(Part("position", idle))
    house.add(Part("uplink", bug))
    watching = asyncio.create_task(house.supervisor.watch(house.stop))
    await house.clock.advance(LONG_S)
    assert (good.starts, good.cancelled) == (1, False)
    assert not watching.done()
    house.stop.set()
    assert await watching is None
    await house.finish()


async def test_d23_a_failing_vital_part_ends_the_watch_with_its_name_and_cause() -> None:
    house = House()
    house.add(Part("position", idle))
    house.add(Part("door", bug, vital=True))
    assert await house.supervisor.watch(house.stop) == "door: ValueError: a bug"
    await house.finish()


async def test_d23_a_lost_device_does_not_end_the_process_even_in_a_vital_part() -> None:
    house = House()
    door = house.add(Part("door", lambda start: gone(start) if start == 1 else None, vital=True))
    watching = asyncio.create_task(house.supervisor.watch(house.stop))
    await house.clock.advance(5)
    assert door.starts == 2
    assert not watching.done()
    house.stop.set()
    await watching
    await house.finish()


async def test_d23_a_vital_failure_never_ends_the_watch_in_the_middle_of_an_actuation() -> None:
    house = House()
    house.add(Part("store", bug, vital=True))
    async with house.busy:
        watching = asyncio.create_task(house.supervisor.watch(house.stop))
        await house.clock.advance(9)
        assert not watching.done()
    assert (await watching or "").startswith("store")
    await house.finish()


async def test_d23_an_actuation_that_hangs_cannot_hold_up_the_restart_for_ever() -> None:
    house = House()
    house.add(Part("store", bug, vital=True))
    async with house.busy:
        watching = asyncio.create_task(house.supervisor.watch(house.stop))
        await house.clock.advance(10)
        assert watching.done()
        await watching
    await house.finish()


async def test_a_part_added_later_is_watched_as_well() -> None:
    house = House()
    house.add(Part("store", idle, vital=True))
    watching = asyncio.create_task(house.supervisor.watch(house.stop))
    await settle()
    house.add(Part("watchdog", bug, vital=True))
    assert (await watching or "").startswith("watchdog")
    await house.finish()


async def test_the_stop_ends_sources_first_and_the_store_last_and_closes_each_once() -> None:
    house = House()
    order: list[str] = []

    class Ordered(Part):
        async def close(self) -> None:
            await super().close()
            order.append(self.name)

    parts = [
        house.add(Ordered(str(stage), idle), stage) for stage in (Stage.STORE, Stage.CLOUD, Stage.LOGIC, Stage.SOURCES)
    ]
    await settle()
    await house.finish()
    assert order == [str(stage) for stage in Stage]
    assert all(part.closed == 1 and part.cancelled for part in parts)


async def test_the_stop_waits_for_a_moving_actuator_before_it_cancels_the_door() -> None:
    house = House()
    moved: list[str] = []

    async def actuate() -> None:
        async with house.busy:
            await house.clock.sleep(0.8)
            moved.append("released")

    house.add(Part("door", lambda _start: actuate(), vital=True))
    await settle()
    await house.finish()
    assert moved == ["released"]


async def test_the_stop_keeps_its_budget_of_5_s_although_every_part_hangs() -> None:
    house = House()

    class Hanging(Part):
        async def close(self) -> None:
            await house.clock.sleep(LONG_S)

    for stage in Stage:
        house.add(Hanging(str(stage), idle), stage)
    await settle()
    began = house.clock.now().ns
    async with house.busy:
        await house.finish()
    assert (house.clock.now().ns - began) / 1e9 <= 5.0


async def test_a_part_whose_close_fails_does_not_keep_the_others_from_closing() -> None:
    house = House()

    class Failing(Part):
        async def close(self) -> None:
            raise OSError("no")

    house.add(Failing("reader", idle))
    other = house.add(Part("door", idle))
    await settle()
    await house.finish()
    assert other.closed == 1
