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
from .guest_use import GuestUse

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
    """What the program tells, and where it ran. used_s of each slice: what the whole guest used of the host meanwhile,
    `None` where it ran on the host. Raises RuntimeError with its output when it failed.
    """
    machine = choose()
    where = type(machine).__name__.removesuffix("Machine").lower()
    async with machine, GuestUse(machine) as use:
        say(f"bus: reading in the {where}")
        argv = [sys.executable, "-m", "tests.measured.full_bus", what, machine.channel, str(seconds)]
        told = await machine.call({"do": "run", "argv": argv, "cwd": str(ROOT)})
    if told["exit"]:
        raise RuntimeError(f"the bus could not be read: {told['output']}")
    found = json.loads(told["output"].splitlines()[-1])
    others = [found[name] for name in ("recv", "decode") if name in found]
    for one in (*found.get("alone", ()), *found.get("slices", ()), *others):
        one["used_s"] = use.used_s(one["since"], one["since"] + one["seconds"])
    return found, where


def figures(found: dict[str, Any], where: str) -> list[Figure]:
    copies, full = found["copies"], max(one["rate"] for one in found["slices"])
    alone = percent(found["alone"])
    cpu = {rate: (each - alone[rate]) / copies for rate, each in percent(found["slices"]).items()}
    growth = 100 * (cpu[full] / cpu[min(cpu)] - 1)
    recv, decode = (percent([found[name]])[full] - alone[full] for name in ("recv", "decode"))
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


def percent(slices: list[dict[str, Any]]) -> dict[int, float]:
    """Percent of a core for each rate, median of its slices: of the whole guest, or of reader and sender on a host."""
    found: dict[int, list[float]] = {}
    for one in slices:
        used_s = one.get("used_s")
        if used_s is None:
            used_s = one["sender_cpu_s"] + one.get("cpu_s", 0.0)
        found.setdefault(one["rate"], []).append(100 * used_s / one["seconds"])
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
    return (
        f"{where}, kernel {found['machine']}; {rate:,.0f} frames/s sent, {events / found['copies']:.1f} events/s reach "
        f"Python, at the rates of the folder for a drive (1 to 10 s, doors, lock, plug and ignition at once). It is "
        f"what the whole guest uses of the host, to the nanosecond and without waiting, less what it uses while nobody "
        f"reads: so what its kernel spends on comparing is in it. {found['copies']} such readers ran in one process, "
        f"and this is one's share. " + received(found["recv"])
    )


def received(other: dict[str, Any]) -> str:
    decoded = f" and decoded {other['decoded']:,}" if other["decoded"] else ""
    return f"python-can received {other['frames']:,} of {other['sent']:,} frames{decoded} for that much"
