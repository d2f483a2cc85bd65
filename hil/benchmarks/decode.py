"""A recording decoded by `boitier car decode --json`, beside cantools' own decode command on the same file and DBC.

The program is `tests/measured/decode.py`. What is not here: a recording of a car (the log is computed), and a bus.
"""

from __future__ import annotations

import asyncio
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from heapq import heapify, heapreplace
from pathlib import Path
from statistics import median
from typing import Any

from config import car as cars

from .figure import ROOT, Figure, Say

CAR = "zoe-ph1"
FRAMES, QUICK_FRAMES = 1_000_000, 2_000
MAPPED_ONLY = 5
"""The log without foreign frames is this many times shorter."""
RUNS = 3
RATE = 1_000
"""Frames a second: the bus of a Kangoo Z.E. carries 950 to 1,300."""
START_US = 1_795_000_000_000_000


def lines(model: cars.CarModel, seed: int, foreign: bool) -> Iterator[str]:
    """`candump -L` of a driving car: each mapped message at its period, its fields walking; foreign ones up to RATE."""
    drawn = random.Random(seed)
    messages = [model.database.get_message_by_name(message.name) for message in model.messages]
    raw = [{field.name: drawn.randrange((1 << field.length) - 1) for field in one.signals} for one in messages]
    due = [(drawn.randrange(1000), number, told.period_ms * 1000) for number, told in enumerate(model.messages)]
    taken = {message.can_id for message in model.messages}
    if foreign:
        spare = max(RATE - sum(1_000_000 / period for _, _, period in due), 100)
        others = [can_id for can_id in range(0x100, 0x7F0, 40) if can_id not in taken]
        due += [(drawn.randrange(1000), -can_id, round(len(others) * 1e6 / spare)) for can_id in others]
    heapify(due)
    while True:
        at_us, number, period = due[0]
        if number < 0:
            can_id, data = -number, drawn.randbytes(8)
        else:
            message, fields = messages[number], raw[number]
            for field in message.signals:
                fields[field.name] = (fields[field.name] + drawn.randint(-1, 1)) % ((1 << field.length) - 1 or 1)
            can_id, data = message.frame_id, message.encode(fields, scaling=False, strict=False)
        stamp = START_US + at_us
        yield f"({stamp // 1_000_000}.{stamp % 1_000_000:06d}) can0 {can_id:03X}#{data.hex().upper()}\n"
        heapreplace(due, (at_us + period, number, period))


def write(path: Path, model: cars.CarModel, frames: int, foreign: bool) -> None:
    told = lines(model, 1, foreign)
    with path.open("w") as log:
        log.writelines(next(told) for _ in range(frames))


def seconds(argv: list[str], log: Path, output: Path) -> float:
    """The whole command, start included, with the log as standard input."""
    with log.open("rb") as standard_input, output.open("wb") as told:
        began = time.perf_counter()
        subprocess.run(argv, stdin=standard_input, stdout=told, stderr=subprocess.PIPE, cwd=ROOT, check=True)
        return time.perf_counter() - began


def both(log: Path, model: cars.CarModel, runs: int) -> dict[str, Any]:
    """In turns, so that a busy moment hits both. Raises RuntimeError when the values are not those of the log."""
    ours = [sys.executable, "-m", "tests.measured.decode", str(log), model.model]
    other = [sys.executable, "-m", "cantools", "decode", "-s", str(model.folder / "bus.dbc")]
    output = log.with_suffix(".out")
    times: dict[str, list[float]] = {"ours": [], "other": []}
    values = 0
    for _ in range(runs):
        times["other"].append(seconds(other, log, output))
        times["ours"].append(seconds(ours, log, output))
        with output.open() as told:
            values = sum(1 for line in told if json.loads(line)["signal"])
    if not values:
        raise RuntimeError("nothing was decoded")
    return {"values": values, **{name: median(found) for name, found in times.items()}}


async def measure(quick: bool, say: Say) -> list[Figure]:
    """Frames a second, of the whole command."""
    frames, runs = (QUICK_FRAMES, 1) if quick else (FRAMES, RUNS)
    model = cars.load(cars.find(CAR))
    found = []
    with tempfile.TemporaryDirectory(prefix="decode-") as folder:
        for key, count, foreign in (("decode", frames, True), ("decode_mapped", frames // MAPPED_ONLY, False)):
            log = Path(folder) / f"{key}.log"
            say(f"decode: {count:,} frames computed")
            await asyncio.to_thread(write, log, model, count, foreign)
            say(f"decode: {count:,} frames decoded, {runs} times by each")
            told = await asyncio.to_thread(both, log, model, runs)
            found.append(figure(key, count, foreign, told, model))
    return found


def figure(key: str, frames: int, foreign: bool, told: dict[str, Any], model: cars.CarModel) -> Figure:
    mapped = sum(1000 / message.period_ms for message in model.messages)
    bus = f"a bus of {RATE:,} frames/s, {mapped / RATE:.0%} of them mapped" if foreign else "mapped messages alone"
    note = (
        f"{frames:,} computed frames, {bus} ({CAR}): {told['values']:,} values in {told['ours']:.1f} s, cantools "
        f"{told['other']:.1f} s; median of the whole commands, start included"
    )
    what = "a recording decoded" if foreign else "the same with no foreign frame in it"
    return Figure(f"{key}_frames_per_s", what, frames / told["ours"], "frames/s", "`cantools decode` of the same file",
                  frames / told["other"], 1.0, of_ratio=True, at_least=True, note=note)  # fmt: skip
