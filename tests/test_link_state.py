"""What the retained state says of a car, and above all what it does not (R27)."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from agent.car.privacy import Place, coarse
from agent.car.state import CarState
from agent.car.under_way import OpenBooking, UnderWay
from agent.run.link import Newest, state
from config.privacy import KindPolicy, Policy
from config.settings import Station
from config.vocabulary import ODOMETER, PLUGGED, RANGE, SOC, SOC_FINE, Signal
from drivers.ports import Fix
from tests.door_bench import ALWAYS
from tests.fakes.clock import ManualClock
from tests.golden_payloads import STATE

HOME = Station("home", 48.4331, 0.0998)
TRACKS = KindPolicy(track=True, every_s=60.0, precision_m=100)
EVERYTHING = Policy(TRACKS, TRACKS, TRACKS, TRACKS, work=ALWAYS)
HERE = coarse(48.43123, 0.08865, 100)
REVOCATION = {"delay_s": 5400, "by": "list"}
NOON = 1_795_777_200_000  # ms


class Told:
    """What the link would say, of a car that stands there in a booking of this kind."""

    def __init__(self, car: CarState, kind: str | None, policy: Policy, wall: list[int] | None) -> None:
        self.clock, under = ManualClock(), UnderWay()
        if kind is not None:
            reading = car.reading(self.clock.now(), None)
            under.booking = OpenBooking(7, "", None, kind, 0, 0, reading)
        house = SimpleNamespace(
            clock=self.clock, under=under, car=car, policy=policy, door=SimpleNamespace(locked=lambda: True),
            timekeeper=SimpleNamespace(stamp=lambda at: (wall, "gnss")), standing_names=lambda: [],
            provisioning=SimpleNamespace(revocation=lambda: REVOCATION),
        )  # fmt: skip
        self.newest = Newest(house)  # type: ignore[arg-type]

    @property
    def position(self) -> object:
        return self.newest()["position"]


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
    found = Told(car, kind, EVERYTHING, [NOON, NOON]).newest()
    assert (found["booking"], found["position"]) == (kind, None)
    assert "48.4" not in str(found)


@pytest.mark.parametrize("kind", ["staff", "relocation", "maintenance"])
def test_r27_p4_a_position_only_where_the_policy_asks_for_it_and_no_finer(car: CarState, kind: str) -> None:
    assert Told(car, kind, EVERYTHING, [NOON, NOON]).position == [HERE.lat, HERE.lon]
    assert Told(car, kind, Policy(), [NOON, NOON]).position is None


def test_p7_no_position_of_staff_while_the_time_is_not_known(car: CarState) -> None:
    assert Told(car, "staff", EVERYTHING, None).position is None


def test_p4_the_state_tells_a_new_position_no_more_often_than_a_track(car: CarState) -> None:
    told = Told(car, "staff", EVERYTHING, [NOON, NOON])
    assert told.position == [HERE.lat, HERE.lon]
    told.clock.move(30)
    car.fix(Fix(told.clock.now(), None, 48.5, 0.08865, 3, 0.0, 9, True))
    assert told.position == [HERE.lat, HERE.lon]
    told.clock.move(30)
    car.fix(Fix(told.clock.now(), None, 48.5, 0.08865, 3, 0.0, 9, True))
    assert told.position == [coarse(48.5, 0.08865, 100).lat, coarse(48.5, 0.08865, 100).lon]


def test_the_cars_figures_and_standing_alarms_as_the_contract_writes_them(car: CarState) -> None:
    assert state(car, "private", None, True, ["car_folder", "storage"], REVOCATION) == {
        "soc": 52.5, "range_km": 131.0, "range_computed": False, "odometer_km": 48_255.1, "plugged": "yes",
        "locked": "yes", "booking": "private", "position": None, "alarms": ["car_folder", "storage"],
        "revocation": REVOCATION,
    }  # fmt: skip
    ours = STATE.keys() - {"facts", "samples", "pending", "time_question"}
    assert state(car, "private", None, True, (), REVOCATION).keys() == ours
    shown = {name: STATE[name] for name in ours}
    assert state(car, "staff", Place(48.43123, 0.08865, 1), True, (), REVOCATION) == shown
    assert [state(car, None, None, it, (), REVOCATION)["locked"] for it in (True, False, None)] == ["yes", "no", None]


def test_a_car_that_never_spoke_is_null_and_not_left_out() -> None:
    found = state(CarState(ManualClock()), "staff", None, None, (), REVOCATION)
    assert {name for name, value in found.items() if value is None} == {
        "soc", "range_km", "odometer_km", "plugged", "locked", "position",
    }  # fmt: skip


def test_a_range_that_this_box_worked_out_is_marked_so(car: CarState) -> None:
    car.computed = frozenset((RANGE,))
    found = state(car, None, None, None, (), REVOCATION)
    assert (found["range_km"], found["range_computed"]) == (131.0, True)
