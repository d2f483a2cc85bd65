"""Real receivers' recordings, played into the serial line of a running box: the position it tells is what gpsd says.

All the recordings are compared epoch by epoch at the driver (`tests/test_gnss_logs.py`); here three of them go the
whole way: line, receiver, car, privacy, state, broker, backend.
"""

from __future__ import annotations

import asyncio
import gzip
import json
from pathlib import Path

import pytest

from hil.faults import Rig

pytestmark = [pytest.mark.guest, pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]
CHANGES = {"extra": {"cloud": {"state_every_s": 1.0}}}
DEGREES = 1e-6
PIECES = 6


def read(path: Path) -> bytes:
    return path.read_bytes() if path.exists() else gzip.decompress(path.with_name(path.name + ".gz").read_bytes())


def fixes(folder: Path, log: str) -> list[tuple[float, float]]:
    """gpsd's positions, in their order."""
    found = []
    for line in read(folder / f"{log}.log.chk").splitlines():
        if line.startswith(b'{"class":"TPV"'):
            report = json.loads(line)
            if report["mode"] >= 2 and "lat" in report:
                found.append((report["lat"], report["lon"]))
    return found


def near(one: list[float] | tuple[float, float], other: tuple[float, float]) -> bool:
    return abs(one[0] - other[0]) < DEGREES and abs(one[1] - other[1]) < DEGREES


@pytest.mark.parametrize("log", ["nl2008u", "com-1289", "telit-pls83-w"])
async def test_the_position_that_the_box_tells_is_what_gpsd_says(bench: Rig, shared: Path, log: str) -> None:
    folder = shared / "data/gnss/gpsd"
    expected = fixes(folder, log)
    assert expected
    number = await bench.booked()  # a staff booking, so that a position may be told at all
    await bench.opens(number)
    bench.world.sky_on = False
    await asyncio.sleep(2.5)
    clock = (await bench.status())["clock"]
    mark = len(bench.held().states)
    data = b"".join(it for it in read(folder / f"{log}.log").splitlines(keepends=True) if not it.startswith(b"#"))
    size = -(-len(data) // PIECES)
    for start in range(0, len(data), size):
        piece = data[start : start + size]
        for at in range(0, len(piece), 400):  # as fast as a line takes it, not faster than the box reads
            await bench.sky(raw=piece[at : at + 400].hex())
            await asyncio.sleep(0.02)
        await asyncio.sleep(1.5)
    await asyncio.sleep(2)
    told = [state["position"] for _, state in bench.held().states[mark:] if state.get("position")]
    wrong = [position for position in told if not any(near(position, it) for it in expected) and not home(position)]
    assert not wrong
    assert near(told[-1], expected[-1])
    assert len({tuple(position) for position in told}) > 1, "the position never changed"
    after = (await bench.status())["clock"]
    assert after["floor_s"] >= clock["floor_s"]
    assert after["lo_s"] > clock["lo_s"], "an old recording turned the clock back (R19)"
    bench.world.sky_on = True
    await asyncio.sleep(3)
    await bench.ends(number)


def home(position: list[float]) -> bool:
    """Where the car stood before, and what it still tells until the first fix of the recording."""
    return abs(position[0] - 48.7439) + abs(position[1] + 0.5647) < 1e-4
