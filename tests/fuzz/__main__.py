"""Every target, one after the other, each in a process of its own: `python -m tests.fuzz [NAME ...] --runs N`.

A parser that came through a million inputs gets its line in `docs/results.md`, with the commit: a whole round takes
hours, and may be done in parts. Reports stay in `.cache/fuzz`.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import re
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from hil import results
from tests.fuzz.one import ABSENT
from tests.fuzz.target import TARGETS

NAMES: Final = tuple(name for names in TARGETS.values() for name in names)
REPORTS: Final = results.ROOT / ".cache" / "fuzz"
_COUNT: Final = re.compile(r"#(\d+)\s")
MEMORY: Final = Path("/dev/shm")
LONG: Final = 1_000_000  # inputs from which on the count is worth keeping


def run(names: Sequence[str], runs: int, seed: int, *, progress: bool = False) -> list[dict[str, Any]]:
    """The report of each target; "wrong" says what was found, or `None`. progress: of the only one."""
    REPORTS.mkdir(parents=True, exist_ok=True)
    reports = {name: REPORTS / f"{name}.json" for name in names}
    for report in reports.values():
        report.unlink(missing_ok=True)
    argv = [sys.executable, "-m", "tests.fuzz.one", *names, "--runs", str(runs), "--seed", str(seed)]
    with (
        tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as place,
        subprocess.Popen(
            [*argv, "--reports", str(REPORTS)],
            cwd=results.ROOT,
            env={**os.environ, "TMPDIR": place},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
        ) as process,
    ):
        said = _follow(process, runs, progress=progress)
    ended = f"ended by itself, exit {process.returncode}: {' '.join(said)}"
    return [
        json.loads(report.read_text()) if report.exists() else {"target": name, "runs": 0, "wrong": ended}
        for name, report in reports.items()
    ]


def _follow(process: subprocess.Popen[str], runs: int, *, progress: bool) -> list[str]:
    """Its last words; on the way a mark for each tenth of the runs."""
    last: list[str] = []
    tenths = 0
    assert process.stderr is not None
    for line in process.stderr:
        last = [*last[-20:], line.strip()]
        found = _COUNT.match(line)
        while progress and found and tenths < 10 * int(found[1]) // runs:
            tenths += 1
            print(".", end="", flush=True)
    return last


def summary(report: dict[str, Any], seed: int, took_s: float) -> str:
    """The line for `docs/results.md`."""
    if report["wrong"]:
        return f"seed {seed}: found {str(report['wrong']).strip().splitlines()[-1]}; {took_s:.0f} s"
    return (
        f"{report['runs']:,} inputs, seed {seed}: no exception, no broken promise, {report['accepted']:,} accepted;"
        f" slowest call {report['slowest_ms']} ms of processor time with branches counted;"
        f" memory grew by {report['mb']:.1f} MB; {took_s:.0f} s"
    )


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*NAMES, []], help=f"of {', '.join(NAMES)}; none: all")
    parser.add_argument("--runs", type=int, default=LONG)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1 << 31) + 1)
    parser.add_argument("--results", type=Path, default=results.PAGE)
    options = parser.parse_args()
    if importlib.util.find_spec("atheris") is None:
        print(f"skipped: {ABSENT}")
        return 0
    found = 0
    for name in options.names or NAMES:
        print(f"{name:12} ", end="", flush=True)
        began = time.monotonic()
        [report] = run([name], options.runs, options.seed, progress=True)
        line = summary(report, options.seed, time.monotonic() - began)
        print(f" FOUND:\n{report['wrong']}\n{line}" if report["wrong"] else f" {line}", flush=True)
        if options.runs >= LONG:
            results.keep(options.results, f"fuzzing {name}", line)
        found += bool(report["wrong"])
    return int(found > 0)


if __name__ == "__main__":
    sys.exit(main())
