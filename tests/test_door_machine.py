"""The whole life of a key, in any order, against an oracle of its own (`life_machine.py`, `life_oracle.py`).

BOITIER_MACHINE_STEPS=100000 is the long form, a part for each core, whose count goes to docs/results.md. That broken
guards are found is shown in `test_door_machine_teeth.py`.
"""

from __future__ import annotations

import logging
import os
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from hil import results
from tests.life_machine import LifeMachine
from tests.life_world import LifeWorld

STEPS = int(os.environ.get("BOITIER_MACHINE_STEPS", "0"))
PARTS = os.cpu_count() or 1
SHORT, EACH = 300, 50


def part(steps: int) -> tuple[int, int, int]:
    """So many steps or a few more; with the movements of the lock and the power cuts among them."""
    LifeWorld.steps = LifeWorld.cuts = LifeWorld.moves = 0
    while LifeWorld.steps < steps:
        runs = (steps - LifeWorld.steps) // EACH + 1
        run_state_machine_as_test(
            LifeMachine,
            settings=settings(
                max_examples=runs, stateful_step_count=EACH, deadline=None, suppress_health_check=list(HealthCheck)
            ),
        )
    return LifeWorld.steps, LifeWorld.moves, LifeWorld.cuts


def quiet_part(steps: int) -> tuple[int, int, int]:
    logging.disable(logging.CRITICAL)
    return part(steps)


@pytest.mark.long
def test_the_door_opens_for_who_may_and_strands_nobody() -> None:
    if not STEPS:
        part(SHORT)
        return
    with ProcessPoolExecutor(PARTS, get_context("spawn")) as pool:
        steps, moves, cuts = map(sum, zip(*pool.map(quiet_part, [-(-STEPS // PARTS)] * PARTS), strict=True))
    did = f"{steps:,} steps, {moves:,} movements of the lock, {cuts:,} power cuts"
    results.keep(results.PAGE, "any order of the key's life", f"{did}; agrees with the oracle")
