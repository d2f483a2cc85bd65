"""What one look takes from the car: only fresh words, and the battery's own power before the motor's."""

from __future__ import annotations

import pytest

from agent.car.look import look_at
from agent.car.state import CarState
from config.settings import Station
from config.vocabulary import (
    BATTERY_CURRENT,
    BATTERY_VOLTAGE,
    CHARGE_STATUS,
    CHARGING,
    IGNITION,
    ODOMETER,
    PLUGGED,
    TRACTION_POWER,
    Signal,
)
from drivers.ports import Fix
from tests.fakes.clock import ManualClock

HERE = (48.4331, 0.0998)


def a_car(**said: float | str) -> tuple[CarState, ManualClock]:
    clock = ManualClock()
    car = CarState(clock, [Station("home", *HERE, charge_points=["FR*1"])])
    names = {
        "volts": BATTERY_VOLTAGE, "amperes": BATTERY_CURRENT, "motor": TRACTION_POWER, "plugged": PLUGGED,
        "charging": CHARGING, "status": CHARGE_STATUS, "ignition": IGNITION, "odometer": ODOMETER,
    }  # fmt: skip
    for name, value in said.items():
        car.update(Signal(names[name], value, clock.now().ns))
    return car, clock


@pytest.mark.parametrize(
    ("said", "kw"),
    [
        ({"volts": 400.0, "amperes": -50.0, "motor": 18.0}, 20.0),
        ({"volts": 400.0, "amperes": 25.0, "motor": -9.0}, -10.0),
        ({"volts": 400.0, "motor": 18.0}, 18.0),
        ({"motor": -9.0}, -9.0),
        ({"volts": 400.0}, None),
    ],
)
def test_power_leaves_the_battery_where_its_current_is_negative(said: dict[str, float], kw: float | None) -> None:
    car, clock = a_car(**said)
    assert look_at(car, clock.now(), None).power_kw == kw


def test_only_fresh_words_count_and_stale_current_falls_back_to_the_motor() -> None:
    car, clock = a_car(volts=400.0, amperes=-50.0, motor=18.0, plugged="yes", charging="no", status="waiting")
    seen = look_at(car, clock.now(), [1, 2])
    assert (seen.plugged, seen.flag, seen.status, seen.now["wall"]) == (True, False, "waiting", [1, 2])
    car.silent((BATTERY_CURRENT, PLUGGED, CHARGING, CHARGE_STATUS))
    seen = look_at(car, clock.now(), None)
    assert (seen.power_kw, seen.plugged, seen.flag, seen.status) == (18.0, None, None, None)
    car.silent((TRACTION_POWER,))
    assert look_at(car, clock.now(), None).power_kw is None


def test_a_current_asked_for_long_ago_gives_way_to_the_motors_power_and_is_better_than_nothing() -> None:
    both, clock = a_car(volts=400.0, amperes=-50.0, motor=18.0)
    alone, other = a_car(volts=400.0, amperes=-50.0)
    for passed, kw in ((3.0, 20.0), (3.0, 18.0)):
        clock.move(passed)
        other.move(passed)
        assert (look_at(both, clock.now(), None).power_kw, look_at(alone, other.now(), None).power_kw) == (kw, 20.0)


def test_p3_of_the_place_a_look_has_the_stations_name_a_band_and_no_coordinates() -> None:
    car, clock = a_car(ignition="off")
    car.fix(Fix(clock.now(), 0, *HERE, 3, 0.0, 8, True))
    seen = look_at(car, clock.now(), None)
    assert (seen.now["at_station"], seen.distance, seen.charge_point) == ("home", "at", "FR*1")
    assert "48.4" not in repr(seen)


def test_what_was_only_recalled_is_named() -> None:
    car, clock = a_car(plugged="no")
    car.recall([Signal(ODOMETER, 99.0, 0)])
    seen = look_at(car, clock.now(), None)
    assert (seen.now["odometer_km"], seen.recalled) == (99.0, ("odometer_km",))
