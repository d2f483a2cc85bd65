"""A full bus on a real vcan: the agent's reading path beside python-can's `recv` of every frame, in the same machine.

The programs that read are `tests/measured/full_bus.py`. What is not here: a real adapter, and its interrupts.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from ..machine import choose
from .figure import ROOT, Figure, Say

SECONDS, QUICK_SECONDS = 40, 2
LIMIT = 1 / 50


async def measure(quick: bool, say: Say) -> list[Figure]:
    """CPU of one core in percent."""
    machine = choose()
    where = type(machine).__name__.removesuffix("Machine").lower()
    async with machine:
        seconds = QUICK_SECONDS if quick else SECONDS
        say(f"bus: {seconds} s for the agent, a third of it for python-can, in the {where}")
        argv = [sys.executable, "-m", "tests.measured.full_bus", machine.channel, str(seconds)]
        told = await machine.call({"do": "run", "argv": argv, "cwd": str(ROOT)})
    if told["exit"]:
        raise RuntimeError(f"the bus could not be read: {told['output']}")
    found = json.loads(told["output"].splitlines()[-1])
    return figures(found, where)


def figures(found: dict[str, Any], where: str) -> list[Figure]:
    ours, other = found["agent"], found["can"]
    counters, kernel = ours["counters"], ours["kernel"]
    drops = counters["bus_dropped_kernel"] + counters["bus_dropped_queue"]
    lost = ours["wanted"] - kernel["seen"] + drops
    copies = ours["copies"]
    cpu, other_cpu = (100 * one["cpu_s"] / one["seconds"] for one in (ours, other))
    rate, events = ours["sent"] / ours["seconds"], counters["bus_events"] / ours["seconds"] / copies
    note = (
        f"{where}, kernel {found['machine']}; {rate:,.0f} frames/s sent, {events:.1f} events/s reach Python. CPU is "
        f"counted in ticks of 10 ms there, so {copies} such readers ran in one process and this is one's share. "
        f"python-can received {other['frames']:,} of {other['sent']:,} frames for that much"
    )
    seen = (
        f"compared by the kernel for all readers: {kernel['seen']:,} of {ours['wanted']:,}; {drops} dropped after that"
    )
    return [
        Figure("bus_cpu_percent", "CPU for reading a full bus, twelve messages mapped", cpu / copies, "% of a core",
               "python-can `recv` of every frame", other_cpu, LIMIT, of_ratio=True, note=note),
        Figure("bus_lost", "frames of the twelve that were lost", lost, "frames",
               "python-can, of all frames", other["sent"] - other["frames"], 0, note=seen),
    ]  # fmt: skip
