"""Alarms are raised once and cleared once, and reach the disk also when it was broken for a while."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import cast

from agent.run.control import Control
from agent.run.health import RECORD_EVERY_S, Alarms, Health
from agent.sync.store import Fact, Store
from buffer.errors import StorageUnavailable
from tests.fakes.clock import ManualClock, settle
from tests.store_bench import (  # noqa: F401 (fixtures)
    bodies,
    rounds,
    running,
    the_clock,
    the_make,
    the_path,
    the_store,
)


class Records:
    def __init__(self) -> None:
        self.facts: list[Fact] = []

    async def commit(self, facts: Sequence[Fact]) -> None:
        self.facts += facts

    @property
    def told(self) -> list[tuple[object, object]]:
        return [(fact.body["name"], fact.body["event"]) for fact in self.facts]


def made() -> tuple[ManualClock, Records, Alarms, Health]:
    clock, records, alarms = ManualClock(), Records(), Alarms()
    return clock, records, alarms, Health(clock, cast(Store, records), alarms)


async def test_an_alarm_is_written_once_however_often_it_is_raised() -> None:
    _clock, records, alarms, health = made()
    running = asyncio.create_task(health.run())
    for _ in range(3):
        alarms.raised("car_folder", why="x")
        await settle()
    alarms.cleared("car_folder")
    alarms.cleared("car_folder")
    await settle()
    assert records.told == [("car_folder", "raised"), ("car_folder", "cleared")]
    assert alarms.standing() == {}
    running.cancel()


async def test_a_condition_is_looked_at_every_minute() -> None:
    clock, records, alarms, health = made()
    holds = True
    health.conditions["keyset_expired"] = lambda: holds
    running = asyncio.create_task(health.run())
    await settle()
    assert list(alarms.standing()) == ["keyset_expired"]
    holds = False
    await clock.advance(RECORD_EVERY_S)
    assert records.told == [("keyset_expired", "raised"), ("keyset_expired", "cleared")]
    running.cancel()


async def test_d14_an_alarm_of_a_broken_database_is_one_fact_when_it_is_whole_again(
    store: Store, clock: ManualClock
) -> None:
    alarms = Alarms()
    health = Health(clock, store, alarms)
    store._break(StorageUnavailable("away for a while"))
    task = asyncio.create_task(health.run())
    alarms.raised("car_folder", why="x")
    await settle()
    for _ in range(3):
        await clock.advance(RECORD_EVERY_S)
        await health.write()
    async with running(store):
        await rounds(store, clock, 20)
    task.cancel()
    told = [(one["name"], one["event"]) for one in await bodies(store, "alarm")]
    assert told == [("storage", "raised"), ("car_folder", "raised"), ("storage", "cleared")]


def test_a_part_that_cannot_tell_does_not_hide_the_others() -> None:
    _clock, _records, _alarms, health = made()
    health.sources.update(good=lambda: 1, bad=lambda: {}["nothing"])
    assert health.status()["good"] == 1
    assert health.status()["bad"] == {"error": "KeyError: 'nothing'"}


async def test_the_control_answers_whatever_it_is_asked() -> None:
    async def status() -> object:
        return {"a": 1}

    async def fails() -> object:
        raise ValueError("no")

    control = Control({"status": status, "fails": fails})
    assert await control.answer({"op": "status"}) == {"ok": True, "status": {"a": 1}}
    assert await control.answer({"op": "fails"}) == {"ok": False, "why": "ValueError: no"}
    for nonsense in ({}, {"op": None}, {"op": 1}, {"op": {}}, {"op": "x"}):
        assert (await control.answer(nonsense))["ok"] is False
