"""The whole life of a key, in any order, against an oracle of its own (`life_machine.py`, `life_oracle.py`).

BOITIER_MACHINE_STEPS=100000 is the long form, whose count goes to docs/results.md. That broken guards are found is
shown in `test_door_machine_teeth.py`.
"""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from hil import results
from tests.life_machine import LifeMachine
from tests.life_world import LifeWorld

STEPS = int(os.environ.get("BOITIER_MACHINE_STEPS", "0"))
SHORT, EACH = 300, 50


def test_the_door_opens_for_who_may_and_strands_nobody() -> None:
    LifeWorld.steps = LifeWorld.cuts = LifeWorld.moves = 0
    while LifeWorld.steps < (STEPS or SHORT):
        runs = ((STEPS or SHORT) - LifeWorld.steps) // EACH + 1
        run_state_machine_as_test(
            LifeMachine,
            settings=settings(
                max_examples=runs, stateful_step_count=EACH, deadline=None, suppress_health_check=list(HealthCheck)
            ),
        )
    if STEPS:
        did = f"{LifeWorld.steps:,} steps, {LifeWorld.moves:,} movements of the lock, {LifeWorld.cuts:,} power cuts"
        results.keep(results.PAGE, "any order of the key's life", f"{did}; agrees with the oracle")
