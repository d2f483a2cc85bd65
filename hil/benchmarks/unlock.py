"""From token to intent on disk, beside the two things that cannot be avoided: the signature's check and one flush.

The program is `tests/measured/unlock.py`. What is not here: the reader before it and the relay behind it.
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

COUNT, QUICK_COUNT = 1000, 20
LIMIT_MS = 10.0
OUT = ROOT / "out"  # on a disk: /tmp may be in memory


async def measure(quick: bool, say: Say) -> list[Figure]:
    """Milliseconds."""
    count = QUICK_COUNT if quick else COUNT
    say(f"unlock: {count} tokens believed and their intents committed")
    OUT.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="unlock-", dir=OUT) as folder:
        argv = [sys.executable, "-m", "tests.measured.unlock", folder, str(count)]
        done = await asyncio.to_thread(subprocess.run, argv, cwd=ROOT, capture_output=True, text=True, check=True)
    told = json.loads(done.stdout)
    ms = {name: [1000 * one for one in found] for name, found in told.items()}
    bare = [check + append for check, append in zip(ms["check"], ms["append"], strict=True)]
    middle = {name: median(found) for name, found in ms.items()}
    parts = (
        f"{filesystem(OUT)}, {count} times. Medians: believe {middle['believe']:.2f} ms (bare Ed25519 check "
        f"{middle['check']:.2f}), commit {middle['commit']:.2f} ms (bare append with fsync {middle['append']:.2f})"
    )
    beside = "a bare Ed25519 check and a bare append with fsync"
    return [
        Figure("unlock_median_ms", "token believed and intent on disk, median", middle["unlock"], "ms",
               beside, median(bare), note=parts),
        Figure("unlock_p99_ms", "the same, 99th percentile", percentile(ms["unlock"], 99), "ms",
               beside, percentile(bare, 99), LIMIT_MS, note=f"slowest {max(ms['unlock']):.1f} ms"),
    ]  # fmt: skip


def filesystem(folder: Path) -> str:
    """The type of the file system that holds this folder."""
    best = ("", "unknown")
    for line in Path("/proc/mounts").read_text().splitlines():
        _, where, kind, *_ = line.split()
        if folder.resolve().is_relative_to(where) and len(where) > len(best[0]):
            best = (where, kind)
    return best[1]
