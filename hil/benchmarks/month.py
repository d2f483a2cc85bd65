"""Does memory grow over a month of a car's life? What one process holds after ten days and after thirty: what was
acknowledged is kept for a week (R26), so a younger process is not full yet.

The program is `tests/measured/month.py`; `tests/test_month.py` counts its live values. What is not here: libraries
below Python (a bus, a broker, a receiver), which the demo's day has (`day.py`).
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile
from typing import Any

from .figure import ROOT, Figure, Say

DAYS, QUICK_DAYS = 30, 3
LIMIT = 1.02
OUT = ROOT / "out"  # on a disk: /tmp may be in memory


async def measure(quick: bool, say: Say) -> list[Figure]:
    """KiB. Twice, because tracing makes a process larger."""
    days = QUICK_DAYS if quick else DAYS
    plain, traced = [await live(days, how, say) for how in ((), ("--trace",))]
    lived = (
        f"{days} days by a moved clock: {2 * days} bookings, {plain['facts']} facts and {plain['runs']} runs of "
        f"samples sent, {plain['pending']} left; database {plain['disk_kib']} KiB"
    )
    full = "early" if quick else "settled"
    then = f"the same process after {'two' if quick else 'ten'} days"
    lived = f"after two days {plain['early']['rss']:,} KiB; {lived}"
    return [
        Figure("month_rss_kib", f"resident memory after {days} days of a car's life", plain["late"]["rss"], "KiB",
               then, plain[full]["rss"], LIMIT, of_ratio=True, note=lived),
        Figure("month_python_kib", "Python's own part of it, traced", traced["late"]["python"], "KiB",
               then, traced[full]["python"], LIMIT, of_ratio=True),
    ]  # fmt: skip


async def live(days: int, how: tuple[str, ...], say: Say) -> dict[str, Any]:
    say(f"month: {days} days {'traced' if how else 'lived'}")
    OUT.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="month-", dir=OUT) as folder:
        argv = [sys.executable, "-m", "tests.measured.month", *how, folder, str(days)]
        done = await asyncio.to_thread(subprocess.run, argv, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"the month could not be lived: {done.stderr}")
    found: dict[str, Any] = json.loads(done.stdout)
    return found
