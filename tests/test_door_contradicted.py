"""R9: a proven signal that says the opposite of what was done. An end stands all the same, not shown as locked."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from msgspec.structs import replace

from agent.access.outcome import CONTRADICTED
from config.settings import Lock
from drivers.ports import Feedback
from keyless.claims import Action, Role
from tests.door_bench import ALICE, HOUR, DoorBench


async def ending(bench: DoorBench, how: str) -> Feedback | None:
    if how == "tap":
        return await bench.tap(ALICE)
    if how == "afar":
        hotline = bench.mint(0, None, 0, HOUR, role=Role.BACKEND)
        await bench.door.command(bench.command(hotline, Action.END, 1))
    else:
        await bench.wait(2)
    return None


@pytest.mark.parametrize("how", ["tap", "afar", "forgotten"])
async def test_an_end_that_the_car_contradicts_stands_flagged_and_is_not_shown_as_locked(
    tmp_path: Path, how: str
) -> None:
    bench = DoorBench(tmp_path)
    bench.settings = replace(bench.settings, lock=Lock(confirm_s=2.0))
    await bench.boot()
    bench.park()
    await bench.prove()
    await bench.book(7, ALICE)
    await bench.tap(ALICE)
    bench.lock.mode = "silent"
    if how == "forgotten":
        bench.clock.move(HOUR + 600)
        bench.park()
        bench.clock.move(600)
    end = asyncio.ensure_future(ending(bench, how))
    await bench.until(bench.car.lock_wanted.is_set)
    bench.clock.move(1)
    bench.say(locked="no")
    await bench.clock.advance(2)
    assert await end is (Feedback.UNSURE if how == "tap" else None)
    assert bench.under.booking is None, "it has ended all the same"
    last = (await bench.facts("access", event="outcome"))[-1]
    assert (last["action"], last["outcome"], last["why"]) == ("lock", "unknown", CONTRADICTED)
    assert (await bench.facts("booking", event="closed"))[0]["soft"] == ["not_locked"]
    [alarm] = await bench.facts("alarm")
    assert (alarm["name"], alarm["detail"]["soft"]) == ("ended_flagged", ["not_locked"])
    await bench.off()
