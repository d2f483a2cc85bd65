"""Real receivers' recordings, played into the serial line of a running box: the position it tells is what gpsd says.

All the recordings are compared byte for byte, epoch by epoch, at the driver (`tests/test_gnss_logs.py`). Here three of
them go the whole way: line, receiver, car, privacy, state, broker, backend. A running box believes no date of years ago
(R19), so their times, and nothing else, are moved to now, and they are played at their own pace.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import reduce
from operator import xor
from pathlib import Path

import pytest

from hil.faults import Rig

pytestmark = [pytest.mark.guest, pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]
CHANGES = {"extra": {"cloud": {"state_every_s": 1.0}}}
DEGREES = 1e-5  # half the diagonal of the squares of a metre that the bench's privacy policy makes of a position
TIMED = re.compile(rb"^\$(G[PNLA](?:RMC|GGA|GNS|GLL|ZDA|GST|GBS|GRS)),([^*]*)\*([0-9A-F]{2})\s*$")
DAY = timedelta(days=1)
GAP_S = 3.0
CLOCK = re.compile(rb"\d{6}(\.\d+)?")


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


def check(body: bytes) -> int:
    return reduce(xor, body)


def moved(lines: list[bytes], begin: datetime) -> Iterator[tuple[float, bytes]]:
    """(seconds after the begin, line) with the first epoch at that time. A wrong checksum stays as wrong as it was.

    Pauses of minutes, in which nothing was recorded, are shortened.
    """
    first: timedelta | None = None
    now = skipped = 0.0
    for line in lines:
        found = TIMED.match(line)
        fields = found[2].split(b",") if found else []
        at = 4 if found and found[1].endswith(b"GLL") else 0
        if found is None or len(fields) <= at or not CLOCK.fullmatch(fields[at]):
            yield now, line
            continue
        clock, _, rest = fields[at].partition(b".")
        of_day = timedelta(hours=int(clock[:2]), minutes=int(clock[2:4]), seconds=int(clock[4:6]))
        first = of_day if first is None else first
        later = ((of_day - first + DAY / 2) % DAY - DAY / 2).total_seconds()  # a sentence may look back a little
        skipped += max(0.0, later - skipped - now - GAP_S)
        there = begin + timedelta(seconds=later - skipped)
        now = max(now, later - skipped)
        fields[at] = f"{there:%H%M%S}".encode() + (b"." + rest if rest else b"")
        if found[1].endswith(b"RMC") and fields[8]:
            fields[8] = f"{there:%d%m%y}".encode()
        if found[1].endswith(b"ZDA"):
            fields[1:4] = f"{there:%d,%m,%Y}".encode().split(b",")
        wrong = int(found[3], 16) ^ check(found[1] + b"," + found[2])
        body = found[1] + b"," + b",".join(fields)
        yield now, b"$%s*%02X\r\n" % (body, check(body) ^ wrong)


async def play(rig: Rig, lines: list[bytes]) -> None:
    began = time.time()
    for due, line in moved(lines, datetime.fromtimestamp(began, UTC).replace(microsecond=0)):
        await asyncio.sleep(max(0.0, began + due - time.time()))
        await rig.sky(raw=line.hex())


@pytest.mark.parametrize("log", ["nl2008u", "com-1289", "telit-pls83-w"])
async def test_the_position_that_the_box_tells_is_what_gpsd_says(bench: Rig, shared: Path, log: str) -> None:
    folder = shared / "data/gnss/gpsd"
    expected = fixes(folder, log)
    assert expected
    number = await bench.booked()  # a staff booking, so that a position may be told at all
    await bench.opens(number)
    bench.world.sky_on = False
    try:
        await asyncio.sleep(2.5)
        mark = len(bench.held().states)
        lines = [it for it in read(folder / f"{log}.log").splitlines(keepends=True) if not it.startswith(b"#")]
        await play(bench, lines)
        await asyncio.sleep(3)
        told = [state["position"] for _, state in bench.held().states[mark:] if state.get("position")]
        clock = (await bench.status())["clock"]
    finally:
        bench.world.sky_on = True
    assert not [it for it in told if not any(near(it, fix) for fix in expected) and not home(it)]
    assert near(told[-1], expected[-1]), (told[-1], expected[-1])
    if any(not near(fix, expected[0]) for fix in expected):  # the squares hide how a standing receiver wanders
        assert len({tuple(it) for it in told}) > 1, "the position never changed"
    assert clock["lo_s"] - 5 < time.time() < clock["hi_s"] + 5
    await asyncio.sleep(3)
    await bench.ends(number)


async def test_r19_the_same_recording_with_its_own_old_dates_moves_nothing(bench: Rig, shared: Path) -> None:
    number = await bench.booked()
    await bench.opens(number)
    before = await bench.status()
    mark = len(bench.held().states)
    bench.world.sky_on = False
    try:
        for line in read(shared / "data/gnss/gpsd" / "com-1289.log").splitlines(keepends=True):
            await bench.sky(raw=line.hex())
        await asyncio.sleep(3)
        after = await bench.status()
    finally:
        bench.world.sky_on = True
    old = "implausible_date"
    assert after["gnss"]["counters"][old] > before["gnss"]["counters"][old]
    assert all(home(state["position"]) for _, state in bench.held().states[mark:] if state.get("position"))
    assert after["clock"]["lo_s"] > before["clock"]["lo_s"]
    await asyncio.sleep(2)
    await bench.ends(number)


def home(position: list[float]) -> bool:
    """Where the car stood before, and what it still tells until the first fix of the recording."""
    return abs(position[0] - 48.7439) + abs(position[1] + 0.5647) < 1e-4
