"""`python -m hil.benchmarks [NAME…]`: measures, shows progress, prints the table; `--write` keeps it in docs/.

What is not here: targets and measuring (one module a subject).
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import json
import sys
import time
from collections.abc import Sequence

from . import page
from .figure import Figure, load

NAMES = {
    "start": "exec to a door that can be opened",
    "unlock": "token believed and intent on disk",
    "keys": "signed objects believed and refused, beside the bare checks of their signatures",
    "door": "from a badge on one wire to the relay on the other",
    "drain": "a full outbox to a real backend, rows and bytes",
    "decode": "a million recorded frames to values",
    "bus": "a full bus read, in the guest where this kernel has no CAN (nine minutes)",
    "month": "memory over thirty days of a car's life",
    "day": "memory, disk and air of the demo's day (two minutes)",
}


def read_options(argv: Sequence[str]) -> argparse.Namespace:
    names = "\n".join(f"  {name:8}{what}" for name, what in NAMES.items())
    parser = argparse.ArgumentParser(
        prog="python -m hil.benchmarks",
        description=f"Numbers beside what a user would run instead:\n{names}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="which ones; all of them when none is named")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of the table")
    parser.add_argument("--quick", action="store_true", help="tiny sizes: does it run at all? The numbers mean nothing")
    parser.add_argument("--write", action="store_true", help=f"keep them in docs/{page.PAGE.name}")
    options = parser.parse_args(argv)
    if wrong := [name for name in options.names if name not in NAMES]:
        parser.error(f"unknown: {', '.join(wrong)}; known: {', '.join(NAMES)}")
    if options.write and (options.quick or options.names):
        parser.error("--write keeps a whole run: neither NAME nor --quick")
    return options


async def measure(names: Sequence[str], quick: bool) -> list[Figure]:
    """One after the other, so that they do not disturb each other."""
    began, found = time.monotonic(), list[Figure]()

    def say(text: str) -> None:
        seconds = int(time.monotonic() - began)
        print(f"{seconds // 60}:{seconds % 60:02d}  [load {load():.1f}] {text}", file=sys.stderr, flush=True)

    for name in names:
        say(f"{name}: {NAMES[name]}")
        found += await importlib.import_module(f"{__package__}.{name}").measure(quick, say)
    return found


def main(argv: Sequence[str]) -> int:
    """0 also where a target is missed: that is a finding, not a failure."""
    options = read_options(argv)
    figures = asyncio.run(measure(options.names or list(NAMES), options.quick))
    if options.json:
        print(json.dumps({"machine": page.machine(), "figures": {one.key: one.asdict() for one in figures}}, indent=1))
    else:
        print("\n" + page.table(figures))
    if options.write:
        page.write(figures)
        print(f"kept in {page.PAGE}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
