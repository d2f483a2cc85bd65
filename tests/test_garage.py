"""R17: the garage switch ends by itself, survives what a garage does to a car, and never stands between anybody and the
door.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from agent.car.garage import HOURS, KEY, Garage, Visit, restored
from agent.run.rest import Rest
from drivers.ports import Instant, LockAction
from keyless.claims import Action, Interval, Role
from tests.door_bench import HOUR, T0, DoorBench

H = 3_600
NOWHERE = Interval(0.0, None, "none")


def at(hours: float, boot: str = "a" * 16) -> Instant:
    return Instant(boot, round(hours * H * 1e9))


def known(hours: float) -> Interval:
    return Interval(T0 + hours * H, T0 + hours * H + 1, "gnss")


def test_it_ends_after_its_hours_of_this_boot_whatever_the_clock_says() -> None:
    visit = Visit("local", 12.0, "a" * 16, at(5).ns, None)
    assert visit.left_s(at(16.9), NOWHERE) > 0
    assert visit.left_s(at(17), known(500)) == 0


def test_across_a_restart_by_trusted_time_and_without_it_after_its_hours_of_that_boot() -> None:
    visit = Visit("local", 12.0, "a" * 16, at(5).ns, T0 + 5 * H)
    other = "b" * 16
    assert visit.left_s(at(0.1, other), known(16.9)) > 0
    assert visit.left_s(at(0.1, other), known(17.1)) <= 0
    assert visit.left_s(at(11.9, other), NOWHERE) > 0
    assert visit.left_s(at(12, other), NOWHERE) <= 0
    assert Visit("local", 12.0, "a" * 16, at(5).ns, None).left_s(at(12, other), known(0)) <= 0


def test_it_survives_as_bytes_and_junk_is_off() -> None:
    visit = Visit("command", 3.0, "a" * 16, 7, None)
    assert restored(visit.to_bytes()) == visit
    for junk in (None, b"", b"x", b"{}", b"[]", b"5", b'{"by":"x","hours":"x","boot":"","at_ns":0,"wall_s":null}'):
        assert restored(junk) is None
    for junk in (b"[" * 100_000, visit.to_bytes().replace(b"7", b"1e999"), visit.to_bytes().replace(b"7", b"9" * 40)):
        assert restored(junk) is None
    long = json.dumps({"by": "x", "hours": 500, "boot": "b", "at_ns": 0, "wall_s": None}).encode()
    found = restored(long)
    assert found is not None
    assert found.hours == HOURS


def test_a_damaged_beginning_in_the_future_keeps_nothing_on() -> None:
    assert Visit("local", 12.0, "a" * 16, at(5).ns, None).left_s(at(4), NOWHERE) <= 0


class Workshop(DoorBench):
    """The bench of a door, with the garage switch beside it."""

    async def boot(self) -> None:
        await super().boot()
        self.garage = Garage(self.clock, self.store, self.interval)
        await self.garage.load()
        self.door._remote.garage = self.garage


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Workshop]:
    it = Workshop(tmp_path)
    await it.boot()
    it.park()
    yield it
    await it.off()


async def technician(bench: Workshop, action: Action, counter: int, name: bytes | None = None) -> bytes:
    token = bench.mint(0, None, 0, HOUR, role=Role.TECHNICIAN, actions=16383)
    return bench.command(token, action, counter) if name is None else bench.command(token, action, counter, name=name)


async def test_on_and_off_at_the_car_are_facts_and_a_power_cut_forgets_nothing(bench: Workshop) -> None:
    assert (await bench.garage.switch(True, "local", 2.0))["left_s"] == 2 * H
    await bench.cut()
    assert bench.garage.on
    await bench.garage.switch(False, "local")
    await bench.cut()
    assert not bench.garage.on
    assert [(it["event"], it["by"], it["hours"]) for it in await bench.facts("garage")] == [
        ("on", "local", 2.0), ("off", "local", None),
    ]  # fmt: skip


async def test_it_ends_by_itself_once_and_says_so(bench: Workshop) -> None:
    await bench.garage.switch(True, "local")
    bench.clock.move(HOURS * H - 1)
    await bench.garage.look()
    assert bench.garage.on
    bench.clock.move(2)
    for _ in range(3):
        await bench.garage.look()
    assert not bench.garage.on
    assert [(it["event"], it["by"]) for it in await bench.facts("garage")] == [("on", "local"), ("off", "time")]
    assert KEY not in await bench.store.read(KEY)


async def test_a_technicians_signed_command_turns_it_and_a_repeat_gets_the_same_answer(bench: Workshop) -> None:
    message = await technician(bench, Action.GARAGE_ON, 1)
    await bench.door.command(message)
    assert bench.garage.on
    assert bench.answers[-1][:3] == (f"{1:032x}", "done", "the garage switch is on")
    assert bench.answers[-1][3] is not None
    await bench.garage.switch(False, "local")
    await bench.door.command(message)
    assert bench.answers[-1][:3] == (f"{1:032x}", "done", "the garage switch is on")
    await bench.cut()
    await bench.door.command(message)
    assert bench.answers[-1] == (f"{1:032x}", "done", "the garage switch is on", None)
    assert not bench.garage.on, "a repeat is answered and not done again"
    [command] = await bench.facts("command")
    assert command == {
        "id": f"{1:032x}", "action": "garage_on", "result": {"code": "done", "why": "the garage switch is on"},
    }  # fmt: skip
    assert bench.lock.moves == []


@pytest.mark.parametrize(
    ("ignition", "speed", "why"),
    [
        ("on", 0.0, "state_guard: the ignition is on: switch it off first"),
        ("off", 9.0, "state_guard: the car is moving"),
    ],
)
async def test_from_afar_it_is_not_turned_on_while_the_car_is_on_and_always_off(
    bench: Workshop, ignition: str, speed: float, why: str
) -> None:
    bench.say(ignition=ignition, speed=speed)
    await bench.door.command(await technician(bench, Action.GARAGE_ON, 1))
    assert bench.answers[-1][1:3] == ("refused", why)
    assert not bench.garage.on
    await bench.door.command(await technician(bench, Action.GARAGE_OFF, 2))
    assert bench.answers[-1][1] == "done", "a garage works with the ignition on"


@pytest.mark.parametrize(("ignition", "speed"), [("on", 0.0), ("off", 9.0)])
async def test_nor_at_the_car_which_says_what_to_do(bench: Workshop, ignition: str, speed: float) -> None:
    bench.say(ignition=ignition, speed=speed)
    rest: Any = SimpleNamespace(_house=SimpleNamespace(car=bench.car, clock=bench.clock), _garage=bench.garage)
    with pytest.raises(ValueError, match="switch it off, then"):
        await Rest._turn_garage(rest, {"on": True})
    assert not bench.garage.on
    assert (await Rest._turn_garage(rest, {"on": False}))["on"] is False
    bench.say(ignition="off", speed=0.0)
    assert (await Rest._turn_garage(rest, {"on": True}))["on"] is True


async def test_the_switch_its_answer_and_the_counter_survive_a_power_cut_together(bench: Workshop) -> None:
    await bench.door.command(await technician(bench, Action.GARAGE_ON, 5))
    await bench.cut()
    assert bench.garage.on
    off = await technician(bench, Action.GARAGE_OFF, 6)
    await bench.door.command(off)
    assert not bench.garage.on
    await bench.cut()
    assert not bench.garage.on


@pytest.mark.parametrize("role", [Role.DRIVER, Role.AGENT, Role.BACKEND])
async def test_nobody_else_may_turn_it_whatever_the_token_says(bench: Workshop, role: Role) -> None:
    token = bench.mint(0 if role is Role.BACKEND else 7, None, 0, HOUR, role=role, actions=16383)
    await bench.door.command(bench.command(token, Action.GARAGE_ON, 1))
    assert not bench.garage.on
    assert (await bench.facts("refused"))[-1]["code"] == "role_action"


async def test_it_never_disables_the_door(bench: Workshop) -> None:
    await bench.garage.switch(True, "local")
    await bench.door.command(bench.command(bench.mint(7, None, 0, HOUR), Action.UNLOCK, 1))
    assert bench.lock.moves == [LockAction.UNLOCK]


async def test_with_a_broken_disk_it_holds_in_memory_and_a_command_is_refused(bench: Workshop) -> None:
    bench.store.broken = True
    assert (await bench.garage.switch(True, "local"))["on"]
    await bench.door.command(await technician(bench, Action.GARAGE_OFF, 1))
    assert bench.garage.on
    bench.store.broken = False


@pytest.mark.parametrize("hours", [HOURS + 1, 500.0, float("inf")])
async def test_r17_nobody_turns_it_for_longer_than_its_hours(bench: Workshop, hours: float) -> None:
    assert (await bench.garage.switch(True, "local", hours))["left_s"] == HOURS * H
    assert [it["hours"] for it in await bench.facts("garage")] == [HOURS]
    bench.clock.move(HOURS * H + 1)
    assert not bench.garage.on
