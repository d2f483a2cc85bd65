"""What the retained state says of a car, and above all what it does not (R27)."""

from __future__ import annotations

import pytest

from agent.car.state import CarState
from agent.run.link import state
from config.settings import Station, Tracking
from config.vocabulary import ODOMETER, PLUGGED, RANGE, SOC, SOC_FINE, Signal
from drivers.ports import Fix
from tests.fakes.clock import ManualClock
from tests.golden_payloads import STATE

HOME = Station("home", 48.4331, 0.0998)
EVERYTHING = Tracking(staff=True, relocation=True, maintenance=True)


@pytest.fixture
def car() -> CarState:
    clock = ManualClock()
    car = CarState(clock, (HOME,))
    for name, value in ((ODOMETER, 48_255.1), (SOC_FINE, 52.48), (SOC, 52.5), (RANGE, 131.0), (PLUGGED, "yes")):
        car.update(Signal(name, value, clock.now().ns))
    car.fix(Fix(clock.now(), None, 48.43123, 0.08865, 3, 0.0, 9, True))
    return car


@pytest.mark.parametrize("kind", ["private", None, "a kind from the future"])
def test_r27_no_position_of_a_private_booking_nor_without_one_whatever_is_configured(
    car: CarState, kind: str | None
) -> None:
    assert car.position(0) is not None
    found = state(car, 0, kind, EVERYTHING, True, ())
    assert (found["booking"], found["position"]) == (kind, None)
    assert "48.4" not in str(found)


@pytest.mark.parametrize("kind", ["staff", "relocation", "maintenance"])
def test_r27_a_position_only_where_the_operators_tracking_asks_for_it(car: CarState, kind: str) -> None:
    assert state(car, 0, kind, EVERYTHING, True, ())["position"] == [48.43123, 0.08865]
    assert state(car, 0, kind, Tracking(), True, ())["position"] is None


def test_the_cars_figures_and_standing_alarms_as_the_contract_writes_them(car: CarState) -> None:
    assert state(car, 0, "private", EVERYTHING, True, ["car_folder", "storage"]) == {
        "soc": 52.5, "range_km": 131.0, "range_computed": False, "odometer_km": 48_255.1, "plugged": "yes",
        "locked": "yes", "booking": "private", "position": None, "alarms": ["car_folder", "storage"],
    }  # fmt: skip
    ours = STATE.keys() - {"facts", "samples", "pending"}
    assert state(car, 0, "private", EVERYTHING, True, ()).keys() == ours
    assert state(car, 0, "staff", EVERYTHING, True, ()) == {**{name: STATE[name] for name in ours}, "booking": "staff"}
    assert [state(car, 0, None, EVERYTHING, it, ())["locked"] for it in (True, False, None)] == ["yes", "no", None]


def test_a_car_that_never_spoke_is_null_and_not_left_out() -> None:
    found = state(CarState(ManualClock()), 0, "staff", EVERYTHING, None, ())
    assert {name for name, value in found.items() if value is None} == {
        "soc", "range_km", "odometer_km", "plugged", "locked", "position",
    }  # fmt: skip


def test_a_range_that_this_box_worked_out_is_marked_so(car: CarState) -> None:
    car.computed = frozenset((RANGE,))
    found = state(car, 0, None, EVERYTHING, None, ())
    assert (found["range_km"], found["range_computed"]) == (131.0, True)
