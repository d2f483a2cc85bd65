"""The watchdog is fed by evidence only."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from agent.run.watchdog import Ledger, Watchdog
from tests.fakes.clock import ManualClock

SECOND = 1_000_000_000


@dataclass
class Part:
    name: str
    ticked_ns: int = 0


class Feeder:
    def __init__(self) -> None:
        self.fed = 0

    def watchdog(self) -> None:
        self.fed += 1


def test_d25_a_part_is_late_only_after_its_own_time() -> None:
    ledger = Ledger({"store": 15, "door": 5}, since_ns=0)
    assert ledger.stale(5 * SECOND) == ()
    assert ledger.stale(5 * SECOND + 1) == ("door",)
    ledger.tick("door", 5 * SECOND)
    assert ledger.stale(10 * SECOND) == ()
    assert ledger.stale(16 * SECOND) == ("store", "door")


def test_a_tick_never_makes_a_part_look_older() -> None:
    ledger = Ledger({"door": 5}, since_ns=0)
    ledger.tick("door", 8 * SECOND)
    ledger.tick("door", 2 * SECOND)
    assert ledger.stale(12 * SECOND) == ()
    assert ledger.ages_s(12 * SECOND) == {"door": 4.0}


@given(st.lists(st.integers(0, 100), min_size=1), st.integers(0, 200))
def test_a_part_is_late_exactly_when_its_newest_tick_is_too_old(ticks: list[int], now: int) -> None:
    ledger = Ledger({"door": 10}, since_ns=0)
    for tick in ticks:
        ledger.tick("door", tick * SECOND)
    assert bool(ledger.stale(now * SECOND)) == (now - max(0, *ticks) > 10)


async def test_d23_one_silent_vital_part_is_enough_to_stop_feeding() -> None:
    clock, feeder = ManualClock(), Feeder()
    store, door = Part("store"), Part("door")
    watchdog = Watchdog(clock, (store, door), {"store": 10, "door": 10}, feeder, period_s=1)
    running = asyncio.create_task(watchdog.run())
    for _ in range(30):
        store.ticked_ns = door.ticked_ns = clock.now().ns
        await clock.advance(1)
    fed = feeder.fed
    assert fed >= 30
    for _ in range(30):
        store.ticked_ns = clock.now().ns
        await clock.advance(1)
    assert feeder.fed <= fed + 11
    assert watchdog.counters()["late"] == ["door"]
    door.ticked_ns = clock.now().ns
    await clock.advance(1)
    assert watchdog.counters()["late"] == []
    running.cancel()
