"""Any order of taps, drives, extensions, dead relays, power cuts and hotline calls: four promises hold after every
step.

Never refused: the driver of the open booking, away from a station. Never two open bookings. The intent is on disk
before any movement. Every intent gets exactly one outcome.
"""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from drivers.ports import BadgeTap, Feedback
from keyless.claims import Action, Role
from tests.door_bench import ALICE, BOB, HOUR, T0, DoorBench

HOLDERS = {1: ALICE, 2: BOB, 3: ALICE}
BOOKINGS = st.sampled_from(sorted(HOLDERS))


class DoorMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.folder = tempfile.TemporaryDirectory()
        self.bench = DoorBench(Path(self.folder.name))
        self.revision = dict.fromkeys(HOLDERS, 0)
        self.counter = 0
        self.home = True

    def run(self, work: Any) -> Any:
        return self.runner.run(work)

    @initialize()
    def start(self) -> None:
        async def begin() -> None:
            await self.bench.boot()
            await self.bench.prove()
            for booking, holder in HOLDERS.items():
                await self.bench.book(booking, holder, (booking - 1) * HOUR, booking * HOUR)

        self.run(begin())
        self.bench.park()

    @rule(holder=st.sampled_from([ALICE, BOB]))
    def tap(self, holder: bytes) -> None:
        open_ = self.bench.under.booking
        mine = open_ is not None and HOLDERS[open_.booking] == holder
        shown = self.run(self.bench.tap(holder))
        if mine and not self.home:
            assert shown is not Feedback.REFUSED, "R5"
        if mine and self.home and self.bench.car.doors_open() is not True:
            assert shown is not Feedback.REFUSED

    @rule(holder=st.sampled_from([ALICE, BOB]))
    def power_cut_while_the_lock_moves(self, holder: bytes) -> None:
        async def cut() -> None:
            mode, self.bench.lock.mode = self.bench.lock.mode, "cut"
            shown = len(self.bench.reader.shown)
            self.bench.reader.presented.put_nowait(BadgeTap(holder, self.bench.clock.now()))
            task = self.bench.task
            assert task is not None
            await self.bench.until(
                lambda: task.done() or len(self.bench.reader.shown) > shown, door_may_end=True
            )
            self.bench.lock.mode = mode
            await self.bench.cut()

        self.run(cut())
        self.where()

    @rule()
    def power_cut(self) -> None:
        self.run(self.bench.cut())
        self.where()

    @rule(home=st.booleans())
    def drive(self, home: bool) -> None:
        self.home = home
        self.bench.say(ignition="on", speed=50.0, locked="no")
        self.run(self.bench.journey.tick())
        self.bench.clock.move(300)
        self.where()
        self.run(self.bench.journey.tick())

    @rule(seconds=st.sampled_from([60, 1_500, 5_000]))
    def time_passes(self, seconds: int) -> None:
        if self.bench.at() < T0 + 90 * 86_400:
            self.bench.clock.move(seconds)
        self.run(self.bench.wait(4))

    @rule(opened=st.booleans())
    def door(self, opened: bool) -> None:
        self.bench.say(door="yes" if opened else "no")

    @rule(mode=st.sampled_from(["obeys", "obeys", "silent", "gone", "unsure"]))
    def relay(self, mode: str) -> None:
        self.bench.lock.mode = mode

    @rule(booking=BOOKINGS, hours=st.integers(1, 3))
    def extend(self, booking: int, hours: int) -> None:
        self.revision[booking] += 1
        end = (booking + hours) * HOUR
        work = self.bench.book(booking, HOLDERS[booking], (booking - 1) * HOUR, end, revision=self.revision[booking])
        self.run(work)

    @rule(action=st.sampled_from([Action.UNLOCK, Action.LOCK, Action.END]), booking=st.sampled_from([0, 1, 2]))
    def hotline(self, action: Action, booking: int) -> None:
        async def call() -> None:
            self.counter += 1
            begin = self.bench.at() - T0
            revision = self.revision.get(booking, 0)
            token = self.bench.mint(booking, None, begin, begin + HOUR, role=Role.BACKEND, revision=revision)
            message = self.bench.command(token, action, self.counter)
            await self.bench.door.command(message)
            moves = len(self.bench.lock.moves)
            await self.bench.door.command(message)
            assert len(self.bench.lock.moves) == moves, "a repeat moves nothing"

        self.run(call())

    def where(self) -> None:
        self.bench.clock.move(1)
        self.bench.park(self.home)

    @invariant()
    def never_two_open_bookings_and_one_outcome_for_each_intent(self) -> None:
        if self.bench.task is None:
            return
        assert all(self.bench.lock.seen_pending)
        events = self.run(self.bench.facts("booking"))
        open_: int | None = None
        for event in events:
            if event["event"] == "opened":
                assert open_ is None
                open_ = event["booking"]
            elif event["event"] == "closed":
                assert open_ == event["booking"]
                open_ = None
        under = self.bench.under.booking
        assert open_ == (under.booking if under is not None else None)
        intents = [it["access"] for it in self.run(self.bench.facts("access", event="intent"))]
        outcomes = [it["access"] for it in self.run(self.bench.facts("access", event="outcome"))]
        assert len(set(outcomes)) == len(outcomes)
        waiting = set(intents) - set(outcomes)
        pending = self.run(self.bench.store.read("access/pending"))
        assert len(waiting) == len(pending), "an intent without outcome is the one that is still pending"
        assert set(outcomes) <= set(intents)

    def teardown(self) -> None:
        if self.bench.task is not None:
            self.run(self.bench.wait(10))
            self.never_two_open_bookings_and_one_outcome_for_each_intent()
            assert self.run(self.bench.store.read("access/pending")) == {}
            self.run(self.bench.off())
        self.runner.close()
        self.folder.cleanup()


DoorMachine.TestCase.settings = settings(
    max_examples=25, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)
TestDoorMachine = DoorMachine.TestCase
