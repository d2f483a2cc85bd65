"""Which samples are kept, and when."""

from __future__ import annotations

from agent.car.privacy import coarse
from agent.car.sampler import COLUMNS, due, fresh_fix, values
from agent.car.state import CarState
from config.vocabulary import LATITUDE, ODOMETER, SOC, Signal
from drivers.ports import Fix
from tests.fakes.clock import ManualClock


def test_one_sample_a_second_driving_one_a_minute_parked_none_without_a_booking() -> None:
    assert due(None, True, True)
    assert due(1_000, True, False)
    assert not due(500, True, True)
    assert due(None, False, True)
    assert not due(30_000, False, True)
    assert due(60_000, False, True)
    assert not due(None, False, False)


def test_only_fresh_values_are_sampled_and_a_sleeping_car_fills_no_disk() -> None:
    clock = ManualClock()
    car = CarState(clock)
    assert values(car, None) is None
    car.update(Signal(SOC, 57.0, clock.now().ns))
    car.update(Signal(ODOMETER, 12.5, clock.now().ns))
    row = values(car, None)
    assert row is not None
    assert row[COLUMNS.index(SOC)] == 57.0
    car.silent((SOC,))
    row = values(car, None)
    assert row is not None
    assert row[COLUMNS.index(SOC)] is None
    car.silent((ODOMETER,))
    assert values(car, None) is None


def test_r27_without_leave_a_position_is_not_even_in_the_row() -> None:
    clock = ManualClock()
    car = CarState(clock)
    car.fix(Fix(clock.now(), 0, 48.4, 0.1, 3, 0.0, 8, True))
    assert values(car, None) is None
    row = values(car, coarse(48.4, 0.1, 100))
    assert row is not None
    assert row[COLUMNS.index(LATITUDE)] == coarse(48.4, 0.1, 100).lat
    assert fresh_fix(car, clock.now().ns) is not None
    clock.move(4)
    assert fresh_fix(car, clock.now().ns) is None, "a track has no old points"
