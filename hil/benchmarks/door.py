"""From a badge presented to the actuator's command on its bus, with the intent on disk in between.

The program is `tests/measured/door.py`. What is not here: the air before the reader and the lock behind the relay.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

from .figure import ROOT, Figure, Say, percentile
from .unlock import OUT, filesystem

COUNT, QUICK_COUNT = 500, 10
LIMIT_MS = 15.0


async def measure(quick: bool, say: Say) -> list[Figure]:
    """Milliseconds."""
    count = QUICK_COUNT if quick else COUNT
    say(f"door: {count} badges presented on a real wire, a relay heard on another")
    OUT.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="door-", dir=OUT) as folder:
        argv = [sys.executable, "-m", "tests.measured.door", str(Path(folder)), str(count)]
        done = await asyncio.to_thread(subprocess.run, argv, cwd=ROOT, capture_output=True, text=True, check=True)
    told = json.loads(done.stdout)
    ms = [1000 * one for one in told["moved"]]
    note = (
        f"{count} times; {filesystem(OUT)}; both wires are ptys without the 15 ms that a frame takes at 9600 baud. "
        f"Slowest {max(ms):.1f} ms; the answer, after pulse and outcome: {1000 * median(told['shown']):.0f} ms"
    )
    what = "badge presented to the relay's frame on its wire, intent on disk"
    return [
        Figure("presented_median_ms", f"{what}, median", median(ms), "ms", note=note),
        Figure("presented_p99_ms", "the same, 99th percentile", percentile(ms, 99), "ms", limit=LIMIT_MS),
    ]
