"""What may still be believed of a car that sleeps, lost its bus, or lost its position."""

from __future__ import annotations

import asyncio

from agent.car.state import CarState, Moving
from config.settings import Station
from config.vocabulary import (
    DOOR_FRONT_LEFT,
    DOOR_REAR_LEFT,
    IGNITION,
    LOCKED,
    ODOMETER,
    PLUGGED,
    SOC,
    SOC_FINE,
    SPEED,
    Signal,
)
from drivers.ports import Fix
from tests.fakes.clock import ManualClock, settle

HOME_LAT, HOME_LON = 48.4331, 0.0998
HOME = Station("home", HOME_LAT, HOME_LON)


class Bench:
    def __init__(self, *, receiver: bool = True) -> None:
        self.clock = ManualClock()
        self.car = CarState(self.clock, (HOME,), receiver=receiver)

    def say(self, **values: float | str) -> None:
        names = {
            "speed": SPEED, "ignition": IGNITION, "odometer": ODOMETER, "locked": LOCKED, "plugged": PLUGGED,
            "door": DOOR_FRONT_LEFT, "rear": DOOR_REAR_LEFT, "soc": SOC, "fine": SOC_FINE,
        }  # fmt: skip
        for name, value in values.items():
            self.car.update(Signal(names[name], value, self.clock.now().ns))

    def fix(self, lat: float, lon: float, mode: int = 3, speed: float = 0.0) -> None:
        self.car.fix(Fix(self.clock.now(), 0, lat, lon, mode, speed, 8, mode > 0))

    @property
    def now(self) -> int:
        return self.clock.now().ns

    def moving(self) -> Moving:
        return self.car.moving(self.now)


def test_r10_silence_after_ignition_off_means_parked() -> None:
    it = Bench()
    it.say(ignition="on", speed=50.0)
    assert it.moving() is Moving.YES
    it.say(speed=0.0, ignition="off")
    it.car.silent((SPEED, IGNITION))
    assert it.moving() is Moving.NO
    assert it.car.on(IGNITION) is False


def test_r10_a_stale_speed_with_ignition_last_seen_on_may_be_moving() -> None:
    it = Bench()
    it.say(ignition="on", speed=0.0)
    assert it.moving() is Moving.NO
    it.car.silent((SPEED,))
    assert it.moving() is Moving.MAYBE
    it.car.silent((IGNITION,))
    assert it.moving() is Moving.MAYBE
    it.car.lost()
    assert it.moving() is Moving.MAYBE


def test_r10_a_car_that_never_spoke_is_parked() -> None:
    assert Bench().moving() is Moving.NO


def test_r1_a_stale_ignition_on_is_unknown_not_on() -> None:
    it = Bench()
    it.say(ignition="on")
    assert it.car.on(IGNITION) is True
    it.car.silent((IGNITION,))
    assert it.car.on(IGNITION) is None


def test_doors_hold_while_the_car_sleeps_and_are_unknown_when_the_bus_is_lost() -> None:
    it = Bench()
    assert it.car.doors_open() is None
    it.say(ignition="off", door="no", rear="yes")
    assert it.car.doors_open() is True
    it.car.silent((DOOR_FRONT_LEFT, DOOR_REAR_LEFT, IGNITION))
    assert it.car.doors_open() is True, "a door that moves wakes the bus"
    it.car.lost()
    assert it.car.doors_open() is None, "an unknown signal never blocks an end"
    it.say(rear="no")
    assert it.car.doors_open() is False


def test_doors_are_unknown_when_only_their_message_fails_while_driving() -> None:
    it = Bench()
    it.say(ignition="on", door="yes")
    it.car.silent((DOOR_FRONT_LEFT,))
    assert it.car.doors_open() is None


async def test_wait_locked_hears_the_signal_and_only_a_fresh_one() -> None:
    it = Bench()
    it.say(ignition="off", locked="yes")
    assert await it.car.wait_locked(True, 1)
    it.car.silent((LOCKED,))
    late = asyncio.ensure_future(it.car.wait_locked(True, 1))
    await it.clock.advance(1)
    assert await late is False
    heard = asyncio.ensure_future(it.car.wait_locked(False, 1))
    await settle()
    it.say(locked="yes")
    await it.clock.advance(0.5)
    assert not heard.done()
    it.say(locked="no")
    assert await heard is True


def test_r26_a_reading_prefers_the_shown_charge_and_names_a_station_but_no_coordinates() -> None:
    it = Bench()
    it.say(fine=56.78, odometer=1234.5, plugged="yes")
    it.fix(HOME_LAT, HOME_LON)
    at = it.clock.now()
    found = it.car.reading(at, [1, 2])
    assert (found["at_station"], found["soc_percent"], found["wall"]) == ("home", 56.78, [1, 2])
    it.say(soc=57.0)
    shown = it.car.reading(at, None)
    assert (shown["soc_percent"], shown["at"]) == (57.0, at.ns // 1_000_000)
    assert not {"position", "lat", "lon"} & shown.keys()


def test_the_position_ages_while_driving_and_stands_while_the_car_does() -> None:
    it = Bench()
    it.clock.move(1)
    it.say(ignition="off", odometer=10.0)
    it.fix(HOME_LAT, HOME_LON)
    it.clock.move(3_600)
    assert it.car.station(it.now).at is True, "a parked car is where it was"
    it.say(ignition="on", speed=30.0)
    assert it.car.station(it.now).at is None
    it.say(odometer=20.0)
    assert it.car.station(it.now).presumed is None


def test_r1_under_the_roof_of_its_station_the_car_presumes_and_does_not_know() -> None:
    it = Bench()
    it.say(ignition="on", speed=20.0, odometer=10.0)
    it.fix(HOME_LAT + 0.001, HOME_LON)
    it.clock.move(120)
    it.say(speed=0.0, ignition="off", odometer=10.2)
    where = it.car.station(it.now)
    assert (where.at, where.name, where.presumed) == (None, None, "home")


def test_r1_without_a_receiver_or_a_station_any_place_will_do_and_none_is_known() -> None:
    blind = Bench(receiver=False).car.station(0)
    assert (blind.at, blind.anywhere) == (None, True)
    it = Bench()
    assert it.car.station(it.now).anywhere is False, "a receiver without a fix yet is another matter"
    roaming = CarState(it.clock, ())
    assert (roaming.station(it.now).at, roaming.station(it.now).anywhere) == (None, True)
    roaming.fix(Fix(it.clock.now(), 0, HOME_LAT, HOME_LON, 3, 0.0, 8, True))
    assert (roaming.station(it.now).at, roaming.station(it.now).anywhere) == (None, True)


def test_void_epochs_change_nothing() -> None:
    it = Bench()
    it.fix(HOME_LAT, HOME_LON, mode=0)
    assert it.car.station(it.now).at is None
    assert it.car.position(it.now) is None


def test_what_was_known_before_a_cut_is_a_number_to_start_from_and_never_fresh() -> None:
    it = Bench()
    it.say(soc=50.0)
    it.car.recall((Signal(ODOMETER, 99.0, 0), Signal(SOC, 40.0, 0)))
    found = it.car.reading(it.clock.now(), None)
    assert (found["odometer_km"], found["soc_percent"]) == (99.0, 50.0)
    assert it.car.fresh(ODOMETER) is None
    assert it.car.provisional() == ("odometer_km",)
    it.say(odometer=99.0)
    assert it.car.provisional() == ()


def test_r2_stillness_counts_from_the_last_movement() -> None:
    it = Bench()
    it.say(speed=12.0)
    it.clock.move(60)
    it.say(speed=0.0)
    assert it.car.still_s(it.now) == 60
    it.fix(48.5, 0.1, speed=9.0)
    assert it.car.still_s(it.now) == 0
