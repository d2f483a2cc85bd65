"""The day with power cuts at random moments: nothing acknowledged is lost, nothing is twice, the file is sound.

And cuts at exact points of a remote command, and of a phone's: it moves the lock once at most, however often it comes.

BOITIER_CUTS=30 is the long form, whose counts go to docs/results.md; BOITIER_SEED plays the same moments again.
"""

from __future__ import annotations

import os
import random

import pytest

from hil import results
from hil.cuts import CutDay
from hil.cuts_exact import ExactCuts
from hil.cuts_phone import PhoneCuts

pytestmark = [pytest.mark.guest, pytest.mark.slow]
CUTS = int(os.environ.get("BOITIER_CUTS", "6"))
ROUNDS = max(1, CUTS // 3) if "BOITIER_CUTS" in os.environ else 1


async def test_the_promise_holds_through_power_cuts(machine: str) -> None:
    seed = int(os.environ.get("BOITIER_SEED", random.randrange(1 << 32)))
    outcome = await CutDay(machine, CUTS, seed, lambda text: print(text, flush=True)).play()
    print(outcome.line())
    if "BOITIER_CUTS" in os.environ:
        results.keep(results.PAGE, "power cuts", outcome.line())
    assert not outcome.findings, "\n".join([f"seed {seed}", *outcome.findings])
    assert outcome.cuts == CUTS
    assert outcome.losses.unsound == ()
    assert "relay" in outcome.moments, "no cut fell between intent and outcome"


async def test_the_test_has_teeth_a_weakened_database_loses_what_was_acknowledged(machine: str) -> None:
    """One cut with synchronous=NORMAL, which no setting of the product allows."""
    outcome = await CutDay(machine, 1, 1, lambda text: print(text, flush=True), weak=True, evening=False).play()
    assert outcome.cuts == 1
    assert outcome.losses.lost


async def test_d12_d13_a_command_cut_at_any_point_moves_the_lock_once_at_most_and_is_answered(machine: str) -> None:
    await hold(ExactCuts(machine, ROUNDS, lambda text: print(text, flush=True)), "power cuts at exact points")


async def test_d13_a_phones_command_cut_between_counter_and_relay_is_used_up(machine: str) -> None:
    await hold(PhoneCuts(machine, ROUNDS, lambda text: print(text, flush=True)), "power cuts of a phone's command")


async def hold(cuts: ExactCuts, name: str) -> None:
    """name: of its line among the results of long runs."""
    outcome = await cuts.play()
    print(outcome.line())
    if "BOITIER_CUTS" in os.environ:
        results.keep(results.PAGE, name, outcome.line())
    assert not outcome.findings, "\n".join(outcome.findings)
    assert outcome.cuts == ROUNDS * len(cuts.points)
