"""Which words were told since the ignition turned, and since when a state says the same."""

from __future__ import annotations

from agent.car.look import look_at
from agent.car.state import CarState
from config.vocabulary import ENERGY, IGNITION, ODOMETER, PLUGGED, SOC, SOC_FINE, Signal
from tests.fakes.clock import ManualClock


def test_a_state_is_dated_from_its_first_word_and_what_was_told_since_the_ignition_turned_is_known() -> None:
    clock = ManualClock()
    car = CarState(clock)
    began_ms = clock.now().ns // 1_000_000

    def hears(name: str, value: float | str, passed_s: float = 1.0) -> None:
        clock.move(passed_s)
        car.update(Signal(name, value, clock.now().ns))

    def seen() -> tuple[int | None, int | None, set[str]]:
        look = look_at(car, clock.now(), None)
        on, plugged = look.ignition_at, look.plugged_at
        return on and on - began_ms, plugged and plugged - began_ms, set(look.settled)

    assert seen() == (None, None, set())
    hears(ODOMETER, 100.0)
    hears(IGNITION, "on")
    assert seen() == (2_000, None, set()), "the odometer was told before"
    hears(ENERGY, 20.0)
    hears(IGNITION, "on")
    hears(PLUGGED, "yes")
    assert seen() == (2_000, 5_000, {"energy_kwh"})
    hears(IGNITION, "off")
    assert seen() == (6_000, 5_000, set())
    hears(SOC_FINE, 80.5)
    hears(ODOMETER, 101.0)
    assert seen()[2] == {"odometer_km", "soc_percent"}
    hears(SOC, 80.0)
    car.silent((ODOMETER,))
    assert seen()[2] == {"soc_percent"}, "what fell silent is not of now"
    hears(PLUGGED, "no")
    assert seen()[:2] == (6_000, 10_000)


def test_of_two_states_of_charge_the_dashboards_is_the_one_that_counts() -> None:
    clock = ManualClock()
    car = CarState(clock)
    for name, value in ((SOC, 80.0), (IGNITION, "off"), (SOC_FINE, 80.5)):
        car.update(Signal(name, value, clock.now().ns))
    assert car.settled() == ()
