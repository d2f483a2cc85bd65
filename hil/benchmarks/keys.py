"""Signed objects believed and refused, beside what cannot be avoided: the bare checks of their signatures, in turns.

The program is `tests/measured/keys.py`. The round trips of a phone are counted by `make test-radio` and read from its
last result. What is not here: what a believed token then does (`door.py`, `unlock.py`).
"""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
from statistics import median

from .. import results
from .figure import ROOT, Figure, Say, percentile

COUNT, QUICK_COUNT = 3000, 20
COMMAND_TIMES, FORGERY_TIMES, ROUND_TRIPS = 2.0, 1.5, 4


async def measure(quick: bool, say: Say) -> list[Figure]:
    """Microseconds."""
    count = QUICK_COUNT if quick else COUNT
    say(f"keys: a command believed and a forgery refused, {count} times each")
    argv = [sys.executable, "-m", "tests.measured.keys", str(count)]
    done = await asyncio.to_thread(subprocess.run, argv, cwd=ROOT, capture_output=True, text=True, check=True)
    us = {name: [1e6 * one for one in found] for name, found in json.loads(done.stdout).items()}
    checks = "an Ed25519 and a P-256 check, bare, the holder's key read from its bytes"
    alone = f"{median(us['token']):.0f} µs; one bare Ed25519 check: {median(us['check']):.0f} µs"
    note = f"{count} times. The token alone believed: {alone}"
    return [
        Figure("command_median", "token and remote command believed, median", median(us["command"]), "µs",
               checks, median(us["both"]), COMMAND_TIMES, of_ratio=True, note=note),
        Figure("command_p99", "the same, 99th percentile", percentile(us["command"], 99), "µs",
               checks, percentile(us["both"], 99), COMMAND_TIMES, of_ratio=True),
        Figure("forgery_median", "a forged token refused, median", median(us["forgery"]), "µs",
               "one Ed25519 check, bare", median(us["check"]), FORGERY_TIMES, of_ratio=True),
        round_trips(),
    ]  # fmt: skip


def round_trips() -> Figure:
    """As the radio bench counted them last, in the packets of a real Bluetooth stack; none where it never ran."""
    when, told = results.kept(results.PAGE, "radio")
    counted = re.match(r"(\d+) round trips", told)
    number, note = (float(counted[1]), f"counted by `make test-radio`, {when}") if counted else (0.0, "not counted yet")
    what = "round trips of a phone from hello to the decision"
    return Figure("exchange_round_trips", what, number, "round trips", limit=ROUND_TRIPS, note=note)
