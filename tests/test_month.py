"""What lives for weeks holds nothing for longer than it needs it: live values counted night by night in one process."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SETTLED = 3  # days: ended bookings are kept for two (R13)
WHOLE = 30
NIGHTS = 3  # looked at together: what is on its way in one of them is no growth
SLACK = 6
"""For values of ours. The short form finds what is kept one too many for each booking, the long one also what is kept
once a day."""
INSIDE = 40
"""For what plain containers hold: lists of the interpreter and the loop breathe by a dozen or two from night to night,
and on a busy machine by forty. Only the long form looks there: it finds what is kept one too many for each booking."""


@pytest.mark.long
@pytest.mark.parametrize("days", [12, pytest.param(WHOLE, marks=pytest.mark.slow)])
def test_nothing_that_lives_for_weeks_grows(tmp_path: Path, days: int) -> None:
    early = [SETTLED + night for night in range(1, NIGHTS + 1)]
    late = [days - night for night in range(NIGHTS)]
    nights = ",".join(map(str, early + late))
    argv = [sys.executable, "-m", "tests.measured.month", "--census", nights, str(tmp_path), str(days)]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    *found, last = map(json.loads, done.stdout.splitlines())
    before, after = found[:NIGHTS], found[NIGHTS:]
    grown = {}
    for name in after[0].keys() - {"disk"}:
        if name.startswith("in ") and days < WHOLE:
            continue
        most, least = max(night.get(name, 0) for night in before), min(night.get(name, 0) for night in after)
        if least - most > (INSIDE if name.startswith("in ") else SLACK):
            grown[name] = most, least
    assert not grown, "live values by type, days ago and now"
    assert after[-1]["disk"] < 1.25 * before[-1]["disk"], "what is acknowledged is kept for a week (R26)"
    assert last["facts"] > 10 * days
    assert last["runs"] > days
    assert last["pending"] < 20
