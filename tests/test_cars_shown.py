"""What `boitier car` says of a folder before its signals: what it is for, how much it asks, what it does not know.

What does not live here: recordings read with a car (`test_can_recording.py`), and the daemon (`test_cli.py`).
"""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from agent.cli.car import car as command
from config import car as cars

BEARABLE_PER_S = 6.0
"""OVMS asks at most five times a second; a car's units have other work, too."""


def said(*arguments: str) -> str:
    done = CliRunner().invoke(command, list(arguments))
    assert done.exit_code == 0, done.output
    return done.output


def test_a_lead_is_called_one_wherever_it_is_shown() -> None:
    line = next(line for line in said("list").splitlines() if line.startswith("kangoo-e-tech"))
    assert "lead" in line
    assert "proven by nobody" in line
    assert "a lead to be tried on a car, proven by nobody" in said("show", "kangoo-e-tech").splitlines()
    told = [json.loads(line) for line in said("list", "--json").splitlines()]
    assert {entry["model"]: entry["purpose"] for entry in told} == {
        name: cars.load(cars.find(name)).purpose.value for name in cars.models()
    }


def test_what_is_asked_and_what_is_computed_is_said() -> None:
    head = said("show", "zoe-ph2-obd").split("\n\n")[0]
    assert "questions: 69; a second: awake 5.4, driving 5.5, charging 4.3, parked none" in head
    assert "range is computed, not told: energy over the mean of 200 km (17.4 kWh/100 km until then)" in head
    assert "lock by relay; read back: B, by asking" in head
    assert "read back: C\n" in said("show", "zoe-ph2-vcan")
    assert "for reading recordings, not for a shared car" in said("show", "hev-can-ph2")


@pytest.mark.parametrize("model", cars.models())
def test_no_car_is_asked_more_than_it_can_bear_nor_left_in_an_extended_session(model: str) -> None:
    car = cars.load(cars.find(model))
    assert car.questions_per_s(cars.Phase.PARKED) == 0
    for phase in cars.Phase:
        assert car.questions_per_s(phase) <= BEARABLE_PER_S, phase
    for poll in car.polls:
        assert not poll.session.startswith(b"\x10\x03"), f"{poll.name} would leave an extended session open"
