"""Ten minutes of a full bus: does one daemon's reading path miss anything? `python -m hil.benchmarks.loss [MINUTES]`.

The long form of the bus benchmark, in the same guest by the same programs; its result goes to docs/results.md. Doors,
lock and plug change all the time, so a lost frame shows itself in the state of the car. What is not here: CPU, which
`bus.py` has.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from typing import Any

from .. import results
from . import bus
from .figure import load

NAME = "full bus"
MINUTES = 10.0


def judged(found: dict[str, Any]) -> tuple[list[str], str]:
    """Findings, one sentence each, and the line for the page."""
    counters, changes = found["counters"], found["changes"][0]
    lost, seen = bus.losses(found, found["compared"])
    findings = [seen] if lost else []
    findings += [
        f"{name} changed {count} times, {found['toggles']} were sent"
        for name, count in changes.items()
        if count != found["toggles"]
    ]
    if not changes or not found["toggles"] or not found["told"]:
        findings.append("nothing was heard")
    if counters["bus_silences"] or counters["bus_lost"]:
        findings.append(f"{counters['bus_silences']} silences, the bus lost {counters['bus_lost']} times")
    line = (
        f"{found['sent']:,} frames in {found['seconds'] / 60:.0f} min ({found['sent'] / found['seconds']:,.0f}/s), "
        f"{found['messages']} messages mapped: {seen}; each of {len(changes)} door, lock and plug signals changed "
        f"{found['toggles']:,} times and was heard {min(changes.values(), default=0):,} to "
        f"{max(changes.values(), default=0):,} times; "
        f"{'nothing lost' if not findings else f'{len(findings)} findings'}; load {load():.1f}"
    )
    return findings, line


def main(argv: list[str]) -> int:
    """0 when nothing was lost."""
    parser = argparse.ArgumentParser(prog="python -m hil.benchmarks.loss", description="A full bus, read for long.")
    parser.add_argument("minutes", nargs="?", type=float, default=MINUTES)
    parser.add_argument("--no-result", action="store_true", help=f"leave docs/{results.PAGE.name} as it is")
    options = parser.parse_args(argv)
    found, where = asyncio.run(bus.run("LOSS", 60 * options.minutes, lambda text: print(text, flush=True)))
    findings, line = judged(found)
    for finding in findings:
        print(f"  - {finding}")
    print(line)
    if not options.no_result:
        results.keep(results.PAGE, NAME, f"{where}, {line}")
    return int(bool(findings))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
