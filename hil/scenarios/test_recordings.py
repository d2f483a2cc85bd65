"""The public Kangoo recordings, played on the bus of a running box: it reports what the car told, and nothing else."""

from __future__ import annotations

import asyncio
import gzip
import re
import tomllib
from pathlib import Path

import pytest

from config import car as cars
from hil.faults import Message, Rig

pytestmark = [pytest.mark.guest, pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]
CAR = "ev-can"
EXPECTED = sorted((cars.CARS / CAR / "recordings").glob("*.expect.toml"))
SPEED = 10.0  # ten times as fast: sampling leaves values out, and must not make any up
CLOSE = 1e-6


def told_by(page: Path) -> Message:
    """The recording's name, and what must be read from it."""
    return tomllib.loads(page.read_text(encoding="utf-8"))


def names() -> list[str]:
    """Every message that the simulated car would send."""
    text = (cars.CARS / CAR / "bus.dbc").read_text(encoding="utf-8")
    return re.findall(r"^BO_ \d+ (\w+):", text, re.MULTILINE)


async def hush(rig: Rig) -> None:
    """The recording alone is on the bus: the simulated car, which foreign frames wake, says nothing."""
    await rig.bench.machine.call({"do": "car", "state": {}, "mute": dict.fromkeys(names(), True)})


def values(status: Message) -> dict[str, float | str]:
    return {signal["name"]: signal["value"] for signal in status["signals"]}


def give(rig: Rig, name: str, text: str) -> str:
    """A log where the inside finds it; its name there."""
    (rig.bench.machine.results / name).write_text(text)
    return f"{rig.bench.machine.results_inside}/{name}"


@pytest.mark.parametrize("page", EXPECTED, ids=lambda page: page.stem)
async def test_what_the_box_reports_is_what_the_recording_says(bench: Rig, shared: Path, page: Path) -> None:
    told = told_by(page)
    expected = {entry["name"]: entry for entry in told["expect"]}
    with gzip.open(shared / told["recording"], "rt") as recording:
        log = give(bench, f"{page.stem}.log", recording.read())
    assert await bench.bench.stop_agent() == 0
    await hush(bench)
    await bench.restart()  # so that it has heard nothing yet
    await bench.until(lambda it: it["can"]["decoded"])
    playing = asyncio.create_task(bench.bench.machine.call({"do": "play", "log": log, "speed": SPEED}))
    seen: list[dict[str, float | str]] = []
    while not playing.done():
        seen.append(values(await bench.status()))
    played = await playing
    assert played["sent"] == played["frames"] > 1000
    await asyncio.sleep(3)  # the last value of an interval comes at its end
    last = values(await bench.status())
    assert last.keys() == expected.keys()
    for name, entry in expected.items():
        assert last[name] == pytest.approx(entry["last"], abs=CLOSE), name
        for value in (found[name] for found in seen if name in found):
            assert entry["low"] - CLOSE <= float(value) <= entry["high"] + CLOSE, name


async def test_frames_of_ones_mean_not_available_and_change_nothing(bench: Rig, shared: Path) -> None:
    told = told_by(EXPECTED[0])
    with gzip.open(shared / told["recording"], "rt") as recording:
        lines = [line for _, line in zip(range(4000), recording, strict=False)]
    assert await bench.bench.stop_agent() == 0
    await hush(bench)
    await bench.restart()  # so that it has heard nothing yet
    await bench.until(lambda it: it["can"]["decoded"])
    await bench.bench.machine.call({"do": "play", "log": give(bench, "some.log", "".join(lines)), "speed": 20})
    await asyncio.sleep(2)
    status = await bench.status()
    before, counted = values(status), status["can"]["counters"]
    assert before
    ones = [f"{line.split('#')[0]}#{'F' * len(line.split('#')[1].strip())}\n" for line in lines]
    await bench.bench.machine.call({"do": "play", "log": give(bench, "ones.log", "".join(ones)), "speed": 20})
    await asyncio.sleep(2)
    status = await bench.status()
    assert values(status) == before
    assert status["can"]["counters"]["frames"] > counted["frames"], "the frames of ones were not even heard"
