"""A full bus on a real vcan: the agent's reading path beside python-can, without and with cantools, in the same guest.

The programs that read are `tests/measured/full_bus.py`. What is not here: a real adapter, and its interrupts; and what
a long run loses (`loss.py`).
"""

from __future__ import annotations

import json
import sys
from statistics import median
from typing import Any

from ..machine import choose
from .figure import ROOT, Figure, Say
from .kept_waiting import KeptWaiting

SECONDS, QUICK_SECONDS = 10, 1
RECV_LIMIT, DECODE_LIMIT = 1 / 50, 1 / 100
GROWTH_LIMIT = 10.0
"""Percent, while the bus gets eight times as full."""


async def measure(quick: bool, say: Say) -> list[Figure]:
    """CPU of one core in percent."""
    say("bus: six rounds of four rates, then python-can")
    found, where = await run("CPU", QUICK_SECONDS if quick else SECONDS, say)
    return figures(found, where)


async def run(what: str, seconds: float, say: Say) -> tuple[dict[str, Any], str]:
    """What the program tells, and where it ran; CPU times without what the host kept the guest waiting (given: the
    share that is left). Raises RuntimeError with its output when it failed.
    """
    machine = choose()
    where = type(machine).__name__.removesuffix("Machine").lower()
    async with machine, KeptWaiting(machine) as kept:
        say(f"bus: reading in the {where}")
        argv = [sys.executable, "-m", "tests.measured.full_bus", what, machine.channel, str(seconds)]
        told = await machine.call({"do": "run", "argv": argv, "cwd": str(ROOT)})
    if told["exit"]:
        raise RuntimeError(f"the bus could not be read: {told['output']}")
    found = json.loads(told["output"].splitlines()[-1])
    for one in (*found.get("slices", ()), *(found[name] for name in ("alone", "recv", "decode") if name in found)):
        given = kept.given(one["since"], one["since"] + one["seconds"])
        one |= {"given": given} | {name: given * one[name] for name in ("cpu_s", "sender_cpu_s") if name in one}
    return found, where


def figures(found: dict[str, Any], where: str) -> list[Figure]:
    copies, full = found["copies"], max(one["rate"] for one in found["slices"])
    cpu = by_rate(found["slices"], copies)
    growth = 100 * (cpu[full] / cpu[min(cpu)] - 1) if cpu[min(cpu)] else 0.0
    recv, decode = (100 * found[name]["cpu_s"] / found[name]["seconds"] for name in ("recv", "decode"))
    lost, seen = losses(found["meters"], found["compared"])
    missed = found["decode"]["sent"] - found["decode"]["frames"]
    mapped = f"{found['messages']} messages with {found['signals']} signals mapped"
    steps = ", ".join(f"{each:.3f} % at {rate:,}" for rate, each in cpu.items())
    return [
        Figure("bus_cpu_percent", f"CPU for reading a full bus, {mapped}", cpu[full], "% of a core",
               "python-can `recv` of every frame", recv, RECV_LIMIT, of_ratio=True, note=how(found, where, full)),
        Figure("bus_decoded_cpu_percent", "the same CPU beside values instead of frames", cpu[full], "% of a core",
               "python-can `recv` and cantools' decode of every frame that the same DBC knows", decode, DECODE_LIMIT,
               of_ratio=True, note=received(found["decode"])),
        Figure("bus_growth_percent", f"growth of that CPU from {min(cpu):,} to {full:,} frames/s", growth, "%",
               limit=GROWTH_LIMIT, note=f"{steps} frames/s (of a core, medians of "
               f"{len(found['slices']) // len(cpu)} slices in turns); the traffic grows by "
               f"{100 * (full / min(cpu) - 1):.0f} %"),
        Figure("bus_lost", "mapped frames that were lost", lost, "frames",
               "python-can with cantools, of all frames", missed, 0, note=seen),
    ]  # fmt: skip


def by_rate(slices: list[dict[str, Any]], copies: int) -> dict[int, float]:
    """Percent of a core for one reader, median of the slices of each rate."""
    found: dict[int, list[float]] = {}
    for one in slices:
        found.setdefault(one["rate"], []).append(100 * one["cpu_s"] / one["seconds"] / copies)
    return {rate: median(each) for rate, each in found.items()}


def losses(meters: dict[str, Any], compared: int) -> tuple[int, str]:
    """Frames that the kernel's subscriptions never saw, and messages dropped on their way to Python."""
    counters, seen = meters["counters"], meters["kernel"]["seen"]
    kernel, queue = counters["bus_dropped_kernel"], counters["bus_dropped_queue"]
    text = f"compared by the kernel: {seen:,} of {compared:,}; dropped after that: {kernel} in its own queue "
    return compared - seen + kernel + queue, f"{text}(SO_RXQ_OVFL), {queue} in ours"


def how(found: dict[str, Any], where: str, full: int) -> str:
    slices = [one for one in found["slices"] if one["rate"] == full]
    seconds = sum(one["seconds"] for one in slices)
    rate, events = (sum(one[name] for one in slices) / seconds for name in ("sent", "events"))
    alone, beside = (one["sender_cpu_s"] / one["seconds"] for one in (found["alone"], median_of(slices)))
    kernel = max(0.0, 100 * (beside - alone) / found["copies"])
    return (
        f"{where}, kernel {found['machine']}; {rate:,.0f} frames/s sent, {events / found['copies']:.1f} events/s reach "
        f"Python, at the rates of the folder for a drive (1 to 10 s, doors, lock, plug and ignition at once). CPU is "
        f"counted in ticks of 10 ms there, so {found['copies']} such readers ran in one process and this is one's "
        f"share, without the time for which the host kept the guest waiting. What the kernel spends on comparing is "
        f"counted in the sender: about {kernel:.2f} % of a core for one reader. " + received(found["recv"])
    )


def median_of(slices: list[dict[str, Any]]) -> dict[str, Any]:
    """The one in the middle, by what the sender used."""
    return sorted(slices, key=lambda one: one["sender_cpu_s"])[len(slices) // 2]


def received(other: dict[str, Any]) -> str:
    decoded = f" and decoded {other['decoded']:,}" if other["decoded"] else ""
    return f"python-can received {other['frames']:,} of {other['sent']:,} frames{decoded} for that much"
