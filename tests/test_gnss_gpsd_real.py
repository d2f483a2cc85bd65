"""The real gpsd of Debian reads a pty into which recordings are played; what comes through it is what the `.chk` says.

The recordings' `.chk` were made by a later gpsd (3.25) than Debian 12 has (3.22): chosen here are those on which both
agree. Reports by hand: test_gnss_gpsd; a server that lies: test_gnss_gpsd_line.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from msgspec.structs import replace

from drivers.gnss.gpsd import Gpsd
from drivers.gnss.reports import Reports
from drivers.local.reach import gpsd_receivers
from drivers.ports import Fix
from tests.agent_process import Box
from tests.gpsd_logs import deviations, expected, iso, sent
from tests.gpsd_process import running
from tests.serial_bench import StepClock, until
from tests.test_cli import boitier
from tests.test_gnss import gga, gsa, rmc, sentence

pytestmark = pytest.mark.slow

AGREED = (
    "telit-pls83-w", "ublox8-uniqid-monhw", "ublox-neo-m9n-nmea", "quectel", "cat-ms352", "rx210", "nl2008u",
    "com-1289", "bu353-glonass", "isync",
)  # fmt: skip
# gpsd 3.22 takes a date for a week roll-over when the leap seconds do not fit it, and adds 1,024 weeks: recordings from
# before 2017 come out in our days. No rule of ours can see that (docs/limits.md).
MENDED = {"rx210", "nl2008u", "com-1289", "bu353-glonass", "isync"}
# The satellites in view: without them gpsd tells no SKY, and a fix without its satellites is never for the clock.
GSV = sentence("GPGSV,1,1,04,01,40,083,46,02,17,308,41,03,07,344,39,04,22,228,45")
ROLL_OVER_MS = 1024 * 7 * 86_400_000


@asynccontextmanager
async def listening(port: Gpsd) -> AsyncIterator[list[Fix]]:
    fixes: list[Fix] = []

    async def collect() -> None:
        while True:
            fixes.append(await port.next_fix())

    collecting = asyncio.create_task(collect())
    try:
        await until(lambda: bool(port.counters()["opened"]))
        yield fixes
    finally:
        collecting.cancel()
        await asyncio.gather(collecting, return_exceptions=True)
        port.close()
        await asyncio.sleep(0)


def unmended(fixes: Iterable[Fix], told: Iterable[str]) -> list[Fix]:
    """With the 1,024 weeks taken off again where that gives a time that the recording has."""
    known, found = set(told), []
    for fix in fixes:
        earlier = None if fix.time_ms is None else fix.time_ms - ROLL_OVER_MS
        found.append(replace(fix, time_ms=earlier) if earlier is not None and iso(earlier) in known else fix)
    return found


@pytest.mark.parametrize("log", AGREED)
async def test_a_recording_through_the_real_gpsd_gives_the_fixes_of_its_chk(shared: Path, log, tmp_path) -> None:
    folder = shared / "data/gnss/gpsd"
    reports = expected(folder, log)
    async with running(tmp_path) as gpsd:
        port = Gpsd(gpsd.address, StepClock(), lambda: 0.5, Reports(earliest=None))
        async with listening(port) as fixes:
            await gpsd.wall.send(sent(folder, log), chunk=97)

            def told() -> set[str]:
                return {iso(fix.time_ms) for fix in unmended(fixes, reports) if fix.time_ms is not None and fix.valid}

            await until(lambda: len(told() & reports.keys()) >= len(reports) - 1)
            gpsd.stop()  # what is pending comes out
            await until(lambda: bool(port.counters()["lost"]))
            assert deviations(unmended(fixes, reports), reports) == set()
            assert (unmended(fixes, reports) != fixes) == (log in MENDED)
            assert (port.counters()["malformed"], port.counters()["too_long"]) == (0, 0)


async def test_gpsd_may_end_and_come_back_and_the_receiver_too(tmp_path) -> None:
    async with running(tmp_path) as gpsd:
        clock = StepClock()
        port = Gpsd(gpsd.address, clock, lambda: 0.5)
        async with listening(port) as fixes:
            await gpsd.wall.send(b"".join(gsa(3) + rmc(f"10150{s}") + gga(f"10150{s}") for s in range(4)))
            await until(lambda: any(fix.valid for fix in fixes))
            assert port.plugged
            gpsd.stop()
            await until(lambda: not port.plugged)
            fixes.clear()
            gpsd.start()
            await gpsd.hears()
            await until(lambda: port.counters()["opened"] == 2)
            await gpsd.wall.send(b"".join(gsa(3) + rmc(f"10151{s}") + gga(f"10151{s}") for s in range(4)))
            await until(lambda: any(fix.valid for fix in fixes))
            gpsd.wall.unplug()
            clock.advance(11)  # nobody says so
            assert not port.plugged
            assert port.counters()["lost"] == 1  # gpsd is there, its receiver is not


async def test_the_daemon_learns_the_time_from_gpsd_and_check_is_green(tmp_path) -> None:
    box = Box(tmp_path)
    try:
        async with running(tmp_path) as gpsd:
            box.config.write_text(
                box.config.read_text().replace(f'device = "{box.gnss.device}"', f'gpsd = "{gpsd.address}"')
            )
            done = await asyncio.to_thread(boitier, "check", "--config", str(box.config), "--json")
            [entry] = [it for it in json.loads(done.stdout)["checks"] if it["what"] == "satellite receiver"]
            assert entry["good"] is True
            assert entry["found"] == f"gpsd at {gpsd.address}, with {gpsd.path}"
            await asyncio.to_thread(box.start)
            for _ in range(150):
                status = await asyncio.to_thread(box.ask, "status")
                if status["clock"]["source"] == "gnss":
                    break
                now = datetime.now(UTC)
                second = f"{now:%H%M%S}.{now.microsecond // 10_000:02d}"
                await gpsd.wall.send(gsa(3) + rmc(second, day=f"{now:%d%m%y}") + gga(second) + GSV)
                await asyncio.sleep(0.2)
            assert status["clock"]["source"] == "gnss"
            assert status["gnss"]["plugged"] is True
            assert status["gnss"]["gpsd"] == gpsd.address
            assert status["gnss"]["counters"]["malformed"] == 0
            assert await asyncio.to_thread(box.stop) == 0
    finally:
        box.close()


async def test_the_check_tells_which_receivers_gpsd_has_and_why_there_is_no_gpsd(tmp_path) -> None:
    async with running(tmp_path) as gpsd:
        assert await asyncio.to_thread(gpsd_receivers, gpsd.address) == (gpsd.path,)
        gpsd.stop()
        with pytest.raises(OSError, match="refused"):
            await asyncio.to_thread(gpsd_receivers, gpsd.address)
