"""Odometer and satellites check each other: simulated drives with noise, gaps, tunnels, standing and wrong wheels."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass
from math import cos, floor, pi, radians, sin
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.car.crosscheck import IN_A_ROW, Look, Track, step
from agent.car.position import ALARM, Position
from agent.car.state import CarState
from agent.run.health import Alarms
from config.vocabulary import IGNITION, ODOMETER, SPEED, Signal
from drivers.ports import Fix
from tests.fakes.clock import ManualClock, settle

DEGREE_M = 111_195.0
HOME = (48.75, -0.57)


@dataclass
class Drive:
    """A car on a winding road: a metre along it is `way` metres of the wheels (1.0: right). km: of the odometer.

    step_km: what the odometer counts in. noise_m: of each fix, each way. speed: whether the car tells its own.
    """

    random: Random
    way: float = 1.0
    step_km: float = 0.01
    noise_m: float = 3.0
    speed: bool = True
    km: float = 48_255.0
    metres: float = 0.0
    north: float = 0.0
    east: float = 0.0
    ns: int = 0

    def _go(self, seconds: float, mps: float) -> None:
        length = seconds * mps
        course = pi / 4 + 0.9 * sin(self.metres / 400.0)  # bends of 440 m radius
        self.north, self.east = self.north + length * cos(course), self.east + length * sin(course)
        self.metres += length
        self.ns += round(seconds * 1e9)

    def looks(
        self, seconds: int, mps: float = 20.0, sky: bool = True, driving: bool = True, polled_s: float = 0.1
    ) -> Iterator[Look]:
        """One a second. polled_s: how often the odometer is read; its change is known no better than that."""
        changed, polled_ns = (self._odometer(), self.ns), self.ns
        for _ in range(seconds):
            for _ in range(10):
                self._go(0.1, mps)
                if self.ns - polled_ns < polled_s * 1e9:
                    continue
                polled_ns = self.ns
                if self._odometer() != changed[0]:
                    changed = (self._odometer(), self.ns)
            place = None
            if sky:
                north, east = (it + self.random.gauss(0.0, self.noise_m) for it in (self.north, self.east))
                place = (HOME[0] + north / DEGREE_M, HOME[1] + east / (DEGREE_M * cos(radians(HOME[0]))))
            yield Look(self.ns, place, changed, driving, self.speed and mps == 0)

    def _odometer(self) -> float:
        return floor((self.km + self.metres * self.way / 1000) / self.step_km + 1e-6) * self.step_km


def over(track: Track, looks: Iterator[Look]) -> Track:
    for look in looks:
        track = step(track, look)
    return track


seeds = st.integers(0, 2**32).map(Random)


@pytest.mark.long
@settings(max_examples=25, deadline=None)
@given(seeds, st.floats(0.0, 5.0), st.sampled_from([3.0, 8.0, 14.0, 36.0]), st.sampled_from([0.01, 0.1]), st.booleans())
def test_a_right_odometer_agrees_at_any_speed_and_noise(random, noise_m, mps, step_km, speed) -> None:
    drive = Drive(random, noise_m=noise_m, step_km=step_km, speed=speed)
    track = over(Track(), drive.looks(int(9000 / mps), mps))
    assert track.windows >= 3
    assert track.outside == 0
    assert track.ratio == pytest.approx(1.0, abs=0.06)


@settings(max_examples=20, deadline=None)
@given(seeds, st.sampled_from([0.7, 0.85, 1.15, 1.3]), st.sampled_from([0.01, 0.1, 1.0]))
def test_wheels_of_another_size_are_said_after_three_windows(random, way, step_km) -> None:
    drive = Drive(random, way=way, step_km=step_km)
    track = over(Track(), drive.looks((70_000 if step_km == 1.0 else 12_000) // 25, 25.0))
    assert track.disagrees is True
    assert track.ratio == pytest.approx(1 / way, rel=0.05)
    assert abs(track.outside) >= IN_A_ROW
    assert track.row_km >= 2 * IN_A_ROW


@settings(max_examples=10, deadline=None)
@given(seeds)
def test_an_odometer_of_whole_kilometres_agrees_over_longer_windows(random) -> None:
    drive = Drive(random, step_km=1.0)
    track = over(Track(), drive.looks(45_000 // 25, 25.0))
    assert track.windows >= 3
    assert track.outside == 0
    assert track.ratio == pytest.approx(1.0, abs=0.03)


@pytest.mark.long
def test_an_odometer_of_whole_kilometres_that_is_seldom_asked_raises_no_alarm() -> None:
    """Read every 40 s at 90 km/h, each of its changes is known to a kilometre."""
    for seed in range(5):
        drive, track = Drive(Random(seed), km=48_255.0 + seed / 7, step_km=1.0), Track()
        for look in drive.looks(200_000 // 25, 25.0, polled_s=40.0 + seed):
            track = step(track, look)
            assert track.outside == 0
        assert track.windows >= 10


@pytest.mark.long
@settings(max_examples=20, deadline=None)
@given(seeds, st.booleans(), st.floats(0.0, 8.0))
def test_standing_still_drives_no_metre(random, speed, noise_m) -> None:
    """With the car's own word for it, and, up to ordinary noise, without."""
    drive = Drive(random, noise_m=noise_m if speed else min(noise_m, 4.0), speed=speed)
    track = over(Track(), drive.looks(60))
    before = track.metres
    track = over(track, drive.looks(1200, 0.0))
    assert track.metres - before < 150
    track = over(track, drive.looks(400))
    assert track.windows >= 2
    assert track.outside == 0


@settings(max_examples=20, deadline=None)
@given(seeds, st.integers(6, 300))
def test_a_tunnel_costs_its_window_and_nothing_else(random, seconds) -> None:
    drive = Drive(random)
    track = over(Track(), drive.looks(80))
    track = over(track, drive.looks(seconds, sky=False))
    track = over(track, drive.looks(10))
    assert (track.windows, track.discarded) == (0, 1)
    track = over(track, drive.looks(400))
    assert track.windows >= 3
    assert (track.outside, track.discarded) == (0, 1)


@settings(max_examples=15, deadline=None)
@given(seeds)
def test_single_lost_fixes_cost_nothing(random) -> None:
    drive, track = Drive(random), Track()
    for _ in range(60):
        track = over(track, drive.looks(random.randint(1, 9)))
        track = over(track, drive.looks(random.randint(1, 4), sky=False))
    assert track.discarded == 0
    assert track.windows >= 2
    assert track.outside == 0


def test_a_jump_of_the_receiver_costs_its_window() -> None:
    drive = Drive(Random(1))
    track = over(Track(), drive.looks(80))
    drive.north += 3000
    track = over(track, drive.looks(10))
    assert (track.windows, track.discarded) == (0, 1)
    track = over(track, drive.looks(400))
    assert track.outside == 0


def test_what_is_not_driven_with_the_ignition_on_is_no_window() -> None:
    """A tow truck, a ferry: the satellites move and the wheels do not."""
    drive = Drive(Random(1), way=0.0)
    track = over(Track(), drive.looks(600, driving=False))
    assert (track.windows, track.discarded, track.place) == (0, 0, None)


def test_another_odometer_begins_again() -> None:
    drive = Drive(Random(1))
    track = over(Track(), drive.looks(80))
    drive.km -= 40_000
    track = over(track, drive.looks(90))
    assert (track.windows, track.discarded) == (0, 1)
    assert over(track, drive.looks(400)).outside == 0


def test_a_row_is_on_one_side_and_one_good_window_ends_it() -> None:
    drive, track = Drive(Random(1), way=0.8), Track()
    while track.outside < 2:
        track = over(track, drive.looks(1))
    assert track.disagrees is None
    drive.km, drive.way = drive.km - drive.metres * 0.4 / 1000, 1.2
    while track.outside == 2:
        track = over(track, drive.looks(1))
    drive.km, drive.way = drive.km + drive.metres * 0.2 / 1000, 1.0
    windows = track.windows
    while track.windows < windows + 2:
        track = over(track, drive.looks(1))
    assert (track.outside, track.row_km, track.disagrees) == (0, 0.0, False)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.builds(
            Look, st.integers(0, 10**11), st.none() | st.tuples(st.floats(-90, 90), st.floats(-180, 180)),
            st.none() | st.tuples(st.floats(0, 2e6), st.integers(0, 10**11)), st.booleans(), st.booleans(),
        ),
        max_size=30,
    )
)  # fmt: skip
def test_any_looks_never_raise_and_count_upwards(looks: list[Look]) -> None:
    track = Track()
    for look in looks:
        after = step(track, look)
        assert after.windows in (track.windows, track.windows + 1)
        assert after.metres >= 0
        assert after.ratio is None or after.ratio >= 0
        track = after


# --- the service -----------------------------------------------------------------------------------------------------


class Epochs:
    """A receiver that says what it is told to."""

    plugged = True

    def __init__(self) -> None:
        self.queue: asyncio.Queue[Fix] = asyncio.Queue()

    async def next_fix(self) -> Fix:
        return await self.queue.get()

    def counters(self) -> dict[str, int]:
        return {}

    def close(self) -> None:
        pass


async def test_r27_the_alarm_tells_a_ratio_and_kilometres_and_no_place_and_ends_when_they_agree() -> None:
    clock, port, alarms, heard = ManualClock(), Epochs(), Alarms(), list[Fix]()
    car = CarState(clock)
    service = Position(clock, port, car, heard.append, alarms.judged)
    running = asyncio.create_task(service.run())

    async def go(drive: Drive, seconds: int) -> None:
        for look in drive.looks(seconds, 25.0):
            clock.move(1)
            now = clock.now()
            assert look.place is not None
            assert look.odometer is not None
            car.update(Signal(IGNITION, "on", now.ns))
            car.update(Signal(SPEED, 90.0, now.ns))
            car.update(Signal(ODOMETER, look.odometer[0], now.ns - (look.at_ns - look.odometer[1])))
            port.queue.put_nowait(Fix(now, None, *look.place, 3, 25.0, 8, True))
            await settle(2)

    wrong = Drive(Random(1), way=0.8)
    await go(wrong, 500)
    detail = alarms.standing()[ALARM]
    assert detail.keys() == {"ratio", "km"}
    assert detail["ratio"] == pytest.approx(1.25, abs=0.03)
    assert detail["km"] == pytest.approx(6.0, abs=0.1)
    right = Drive(Random(1), km=wrong.km + wrong.metres / 1000, north=wrong.north, east=wrong.east)
    await go(right, 300)
    assert alarms.standing() == {}
    told = json.dumps([fact.body for fact in alarms.news]) + json.dumps(service.odometer())
    assert "48.7" not in told
    assert "-0.5" not in told
    assert service.odometer()["windows"] >= 5
    assert service.odometer()["ratio"] == pytest.approx(1.0, abs=0.05)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_three_satellites_and_void_epochs_are_no_witness() -> None:
    clock, port = ManualClock(), Epochs()
    car = CarState(clock)
    service = Position(clock, port, car, lambda fix: None, Alarms().judged)
    running = asyncio.create_task(service.run())
    car.update(Signal(IGNITION, "on", clock.now().ns))
    for fix in (
        Fix(clock.now(), None, *HOME, 2, None, 3, True),
        Fix(clock.now(), None, None, None, 0, None, 9, False),
    ):
        port.queue.put_nowait(fix)
    await settle()
    assert service._track == Track()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
