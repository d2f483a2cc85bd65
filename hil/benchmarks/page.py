"""The figures as a table for a terminal and as `docs/benchmarks.md`. What is not here: any number."""

from __future__ import annotations

import os
import platform
import re
import textwrap
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from ..results import ROOT, commit
from .figure import Figure, number, share

PAGE = ROOT / "docs" / "benchmarks.md"
HEAD = """# Benchmarks

Each number stands beside what a user would run instead, measured in the same run on the same machine; trust the ratio
more than the number. `make bench` prints this table for your machine, `make bench ARGS=--write` keeps it in this file.
No test asserts a time: machines differ, and a busy one is no bug.

"""


def machine() -> dict[str, str]:
    """What it was measured on."""
    model = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    memory = re.search(r"MemTotal:\s*(\d+)", Path("/proc/meminfo").read_text())
    return {
        "CPU": f"{model[1] if model else platform.machine()}, {os.cpu_count()} cores",
        "memory": f"{int(memory[1]) / 2**20:.0f} GiB" if memory else "unknown",
        "kernel": f"{platform.system()} {platform.release()}",
        "Python": platform.python_version(),
        "date": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "commit": commit(),
    }


def cells(figure: Figure) -> tuple[str, ...]:
    """what, measured, beside, ratio, target, met, load."""
    beside = "" if figure.beside_value is None else f"{number(figure.beside_value)} {figure.unit}"
    ratio = share(figure.ratio) if figure.ratio else ""
    met = {True: "yes", False: "no", None: ""}[figure.met]
    measured = f"{number(figure.value)} {figure.unit}"
    return figure.what, measured, beside, ratio, figure.target, met, f"{figure.load:.1f}"


TITLES = ("what", "measured", "beside", "ratio", "target", "met", "load")


def table(figures: Sequence[Figure]) -> str:
    """For a terminal, with what it was compared to and the notes below each line."""
    lines = [TITLES, *map(cells, figures)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(TITLES))]
    text = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]
    found = [text[0]]
    for line, figure in zip(text[1:], figures, strict=True):
        found.append(line)
        for words in filter(None, (figure.beside and f"beside: {figure.beside}", figure.note)):
            found += textwrap.wrap(words, 110, initial_indent="    ", subsequent_indent="    ")
    return "\n".join(found)


def markdown(figures: Sequence[Figure]) -> str:
    """The whole page."""
    about = "".join(f"- {name}: {value}\n" for name, value in machine().items())
    rows = [
        "| what | measured | beside it in the same run | ratio | target | met | load |",
        "|---|---|---|---|---|---|---|",
    ]
    for figure in figures:
        what, measured, beside, *rest = cells(figure)
        compared = f"{beside}: {figure.beside}" if beside else ""
        rows.append("| " + " | ".join((what, measured, compared, *rest)) + " |")
    notes = "".join(f"- *{figure.what}*: {figure.note}.\n" for figure in figures if figure.note)
    load = "Load: runnable processes over the minute before (the bench's own among them)."
    return f"{HEAD}{about}\n" + "\n".join(rows) + f"\n\n{load}\n\n## How to read each number\n\n{notes}"


def write(figures: Sequence[Figure], page: Path = PAGE) -> None:
    page.write_text(markdown(figures), encoding="utf-8")
