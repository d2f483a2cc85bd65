"""What the car did while nobody watched: no kilometre goes to the wrong driver (D25), the door goes on (R9, R10,
R17).
"""

from __future__ import annotations

import pytest

from agent.car.state import STANDS_NS, UNASKED_NS, CarState, Moving
from config.vocabulary import DOOR_FRONT_LEFT, ENERGY, IGNITION, LOCKED, ODOMETER, PLUGGED, SOC, SPEED, Signal
from drivers.ports import Feedback, Fix
from keyless.claims import Action, Role
from tests.door_bench import ALICE, BOB, HOME_LAT, HOME_LON, HOUR, DoorBench, the_bench
from tests.fakes.clock import ManualClock
from tests.polling_bench import PollingBench

LATER_NS = ManualClock().now().ns + STANDS_NS + 1
ASKED = (ODOMETER, IGNITION, LOCKED, PLUGGED, SPEED, SOC, ENERGY, DOOR_FRONT_LEFT)

__all__ = ["the_bench"]


def told(**values: float | str) -> CarState:
    car = CarState(ManualClock())
    for name, value in values.items():
        car.update(Signal({"odometer": ODOMETER, "ignition": IGNITION, "speed": SPEED}[name], value, 0))
    return car


def see(car: CarState, clock: ManualClock, seconds: int, speed: float = 0.0) -> None:
    """A fix a second."""
    for _ in range(seconds):
        clock.move(1)
        car.fix(Fix(clock.now(), None, HOME_LAT, HOME_LON, 3, speed, 9, True))


async def unseen_drive(bench: DoorBench, to_km: float) -> None:
    """An hour in which the car is driven and nobody hears it, then five kilometres that are heard."""
    await bench.journey.tick()
    bench.clock.move(3)
    bench.say(odometer=to_km, ignition="on", speed=0.0, locked="no", plugged="no", energy=25.0)
    await bench.journey.tick()
    bench.clock.move(60)
    bench.say(odometer=to_km + 5, speed=30.0, energy=24.0)
    await bench.journey.tick()
    bench.clock.move(60)
    bench.park()
    bench.say(locked="no")
    await bench.journey.tick()


# --- whose kilometres


def test_r10_a_sleeping_cars_numbers_are_right_and_other_silence_is_vouched_for_by_nobody() -> None:
    asleep = told(odometer=10.0, ignition="off")
    asleep.silent((ODOMETER, IGNITION))
    assert asleep.provisional() == asleep.unseen(0) == ()
    on, lost, unasked = (told(odometer=10.0, ignition=it) for it in ("on", "off", "off"))
    on.silent((ODOMETER,))
    lost.lost()
    unasked.silent((ODOMETER,), unasked=True)
    for car in (on, lost, unasked):
        assert car.provisional() == ("odometer_km",)
        assert car.unseen(LATER_NS) == ("odometer_km",)
        car.update(Signal(ODOMETER, 11.0, 1))
        assert car.provisional() == car.unseen(LATER_NS) == ()


@pytest.mark.parametrize(("speed", "gap_s", "known"), [(0.0, 0, True), (5.0, 0, False), (0.0, 60, False)])
def test_a_parked_car_whose_bus_is_lost_keeps_its_end_while_satellites_see_it_stand(
    speed: float, gap_s: int, known: bool
) -> None:
    clock = ManualClock()
    car = CarState(clock)
    car.update(Signal(ODOMETER, 10.0, 0))
    car.update(Signal(IGNITION, "off", 0))
    see(car, clock, 5)
    car.lost()
    assert car.unseen(clock.now().ns) == ()
    see(car, clock, 10, speed)
    clock.move(gap_s)
    see(car, clock, 1)
    assert (car.unseen(clock.now().ns) == ()) is known


def test_r16_a_car_that_may_not_be_asked_but_is_seen_to_stand_keeps_the_kilometres_of_its_end() -> None:
    clock = ManualClock()
    car = CarState(clock)
    car.update(Signal(ODOMETER, 10.0, 0))
    car.update(Signal(IGNITION, "off", 0))
    see(car, clock, 5)
    car.silent((ODOMETER, IGNITION), unasked=True)
    see(car, clock, 1_000)
    assert car.unseen(clock.now().ns) == ()
    assert car.provisional() == ("odometer_km",), "the next driver's start takes the first words in any case"
    see(car, clock, 1, speed=20.0)
    see(car, clock, 200)
    assert car.unseen(clock.now().ns) == ("odometer_km",)


def test_a_gap_between_the_fixes_proves_no_standing() -> None:
    clock = ManualClock()
    car = CarState(clock)
    car.update(Signal(ODOMETER, 10.0, 0))
    car.update(Signal(IGNITION, "off", 0))
    see(car, clock, 5)
    car.silent((ODOMETER, IGNITION), unasked=True)
    clock.move(1_000)
    see(car, clock, 300)
    assert car.unseen(clock.now().ns) == ("odometer_km",)


async def test_d25_the_mechanics_kilometres_are_not_the_next_drivers(bench: DoorBench) -> None:
    bench.say(odometer=1000.0, energy=30.0, plugged="no", locked="yes")
    await bench.journey.tick()
    bench.car.silent(ASKED, unasked=True)
    bench.clock.move(HOUR)
    await bench.book(34, BOB, 0, 3 * HOUR)
    see(bench.car, bench.clock, 1)
    assert await bench.tap(BOB) is Feedback.OPENED
    await unseen_drive(bench, 1025.0)
    assert await bench.tap(BOB) is Feedback.ENDED
    [closed] = await bench.facts("booking", event="closed")
    assert (closed["start"]["odometer_km"], closed["km"], closed["energy_kwh"]) == (1025.0, 5.0, 1.0)


async def test_d25_a_drive_while_the_bus_is_lost_is_null_to_its_driver_and_not_billed_to_the_next(
    bench: DoorBench,
) -> None:
    bench.say(odometer=1000.0, energy=30.0, plugged="no", locked="yes")
    await bench.book(33, ALICE, 0, HOUR)
    await bench.book(34, BOB, HOUR, 3 * HOUR)
    await bench.tap(ALICE)
    bench.say(locked="no", ignition="on")
    await bench.journey.tick()
    bench.car.lost()
    bench.clock.move(3_000)
    await bench.journey.tick()
    see(bench.car, bench.clock, 1)
    assert await bench.tap(ALICE) is Feedback.ENDED
    for kind in ("booking", "leg"):
        [closed] = await bench.facts(kind, event="closed")
        assert (closed["km"], closed["energy_kwh"], closed["end"]["odometer_km"]) == (None, None, None), kind
        assert closed["start"]["odometer_km"] == 1000.0
    bench.clock.move(700)
    see(bench.car, bench.clock, 1)
    bench.say(ignition="off")
    await bench.tap(BOB)
    await unseen_drive(bench, 1040.0)
    await bench.tap(BOB)
    assert (await bench.facts("booking", event="closed"))[-1]["km"] == 5.0


async def test_a_leg_whose_odometer_fell_silent_on_the_way_ends_with_null(bench: DoorBench) -> None:
    bench.say(odometer=1000.0, energy=30.0, ignition="on", speed=9.0)
    await bench.journey.tick()
    bench.car.silent((ODOMETER,))
    bench.clock.move(600)
    bench.say(ignition="off", speed=0.0, energy=29.0)
    await bench.journey.tick()
    bench.clock.move(5)  # a contact that bounced for so long is off
    await bench.journey.tick()
    [closed] = await bench.facts("unbooked_leg", event="closed")
    assert (closed["km"], closed["energy_kwh"]) == (None, 1.0)


@pytest.mark.parametrize("why", ["garage", "supply"])
async def test_r17_what_may_not_be_asked_is_unseen_and_a_car_that_sleeps_is_not(why: str) -> None:
    bench = PollingBench()
    bench.car.update(Signal(IGNITION, "off", 0))
    names = bench.car.asked_for
    await bench.clock.advance(2)
    assert not bench.car._silence.unseen
    bench.why = why
    await bench.clock.advance(2)
    assert names <= bench.car._silence.unseen
    await bench.off()


# --- the door goes on


async def test_r9_a_word_of_before_the_box_unlocked_does_not_keep_the_driver_from_locking(bench: DoorBench) -> None:
    await bench.prove()
    await bench.book(33, ALICE)
    bench.car.asked_for = frozenset({LOCKED})
    bench.clock.move(1)
    bench.say(ignition="off", locked="yes", speed=0.0, door="no")
    bench.car.silent((LOCKED, IGNITION, SPEED, DOOR_FRONT_LEFT), unasked=True)
    assert bench.car.locked() is True, "of a car that sleeps the last word stands"
    bench.lock.mode = "silent"
    bench.clock.move(1)
    await bench.tap(ALICE)
    assert bench.car.locked() is None
    assert bench.door.locked() is False
    assert await bench.tap(ALICE) is Feedback.ENDED
    bench.say(locked="yes")
    assert bench.car.locked() is True


def test_r10_what_this_box_did_not_ask_is_not_held_against_a_car_that_satellites_see_standing() -> None:
    clock = ManualClock()
    car = CarState(clock)
    for name, value in ((IGNITION, "on"), (SPEED, 0.0)):
        car.update(Signal(name, value, 0))
    car.silent((IGNITION, SPEED), unasked=True)
    clock.move(3 * HOUR)
    assert car.moving(clock.now().ns) is Moving.MAYBE, "nobody sees it"
    see(car, clock, 120)
    assert car.moving(clock.now().ns) is Moving.MAYBE, "not yet longer than a traffic light"
    see(car, clock, 1)
    assert car.moving(clock.now().ns) is Moving.NO
    see(car, clock, 1, speed=2.0)
    assert car.moving(clock.now().ns) is Moving.MAYBE
    see(car, clock, 121)
    clock.move(31)
    assert car.moving(clock.now().ns) is Moving.MAYBE, "old fixes prove nothing"
    see(car, clock, 1)
    assert car.moving(clock.now().ns) is Moving.MAYBE, "who knows where it was meanwhile"
    see(car, clock, 121)
    car.lost()
    assert car.moving(clock.now().ns) is Moving.MAYBE


def test_r10_a_car_that_falls_silent_by_itself_may_be_moving_whatever_the_satellites_say() -> None:
    clock = ManualClock()
    car = CarState(clock)
    for name, value in ((IGNITION, "on"), (SPEED, 0.0)):
        car.update(Signal(name, value, 0))
    car.silent((IGNITION, SPEED))
    see(car, clock, 500)
    assert car.moving(clock.now().ns) is Moving.MAYBE


def test_r10_without_a_receiver_what_this_box_did_not_ask_is_held_for_ten_minutes() -> None:
    clock = ManualClock()
    car, since_ns = CarState(clock, receiver=False), clock.now().ns
    car.update(Signal(IGNITION, "on", 0))
    car.silent((IGNITION, SPEED), unasked=True)
    assert car.moving(since_ns + UNASKED_NS - 1) is Moving.MAYBE
    assert car.moving(since_ns + UNASKED_NS) is Moving.NO


async def test_r4_r17_the_next_driver_and_the_hotline_get_a_car_that_was_put_into_the_garage_switched_on(
    bench: DoorBench,
) -> None:
    await bench.book(33, ALICE, 0, HOUR)
    await bench.book(34, BOB, HOUR, 3 * HOUR)
    await bench.tap(ALICE)
    bench.say(ignition="on", speed=0.0, odometer=1.0)
    bench.car.silent((IGNITION, SPEED, LOCKED, ODOMETER, DOOR_FRONT_LEFT), unasked=True)
    bench.clock.move(HOUR + 1_200)
    see(bench.car, bench.clock, 121)
    assert await bench.tap(BOB) is Feedback.OPENED
    token = bench.mint(0, None, 0, 3 * HOUR, role=Role.BACKEND, actions=0xFFF)
    await bench.door.command(bench.command(token, Action.UNLOCK, 2))
    assert not bench.answers[-1][2].startswith("state_guard")
