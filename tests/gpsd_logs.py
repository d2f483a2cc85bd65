"""gpsd's recordings of real receivers, what gpsd says about them, and where we differ, one by one with the reason.

The `.chk` of a recording holds gpsd's reports: TPV is a fix. Times, positions, speeds and validity are compared, not
counts: gpsd reports a second more than once. Every difference stands in `DEVIATIONS` or `VOIDS`; there is no other way
for one to pass, be it at the decoder, at the receiver on a pty or through the real gpsd.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from drivers.ports import Fix

DEGREES = 1e-6

# log -> how many dated seconds with a position gpsd reports
LOGS = {
    "april6_2019": 1, "beidou-bd": 4, "bt451": 12, "bu353-glonass": 9, "cat-ms352": 40, "ch-4711": 7, "com-1289": 14,
    "firefly-II": 23, "garmin17n": 2, "gp-320fw-2019-03-28": 19, "gp-320fw-2019-04-06-overflow": 19, "holux-gm-210": 0,
    "iTrek": 35, "isync": 11, "magellan-ec10": 21, "mtk-3301": 3, "nl2008u": 9, "quectel": 34, "rx210": 40,
    "skytraq": 0, "telit-pls83-w": 10, "tomtom-mkII": 4, "tr737A+": 7, "triton400": 5, "ublox-8": 72,
    "ublox-neo-m9n-nmea": 61, "ublox8-uniqid-monhw": 8,
}  # fmt: skip

THREE_SATELLITES = "three satellites cannot give a height, and GSA says no three dimensions; gpsd trusts the altitude"
LATE_DATE = "the epoch's own RMC dates it; gpsd has its position too, but without time until the next cycle"
CUT = "the recording stops within this epoch, after RMC and GGA; gpsd waits for the end of its cycle"
CYCLE = "a whole epoch, RMC and GGA; gpsd is still learning where this receiver's cycle ends and leaves it out"
UBX = "from here on gpsd reads the receiver's UBX binary, which repeats the fix; the sentences stop"
# log -> {(what, time): reason}. "extra": we have a fix, gpsd none. "missing": the other way round.
DEVIATIONS: dict[str, dict[tuple[str, str], str]] = {
    "beidou-bd": {("extra", "2015-02-25T07:41:55.799"): LATE_DATE},
    "bt451": {("extra", "2009-12-09T14:33:08.500"): CUT, ("extra", "2009-12-09T15:25:08.500"): CUT},
    "gp-320fw-2019-03-28": {("extra", "2019-03-28T16:45:19.990"): CYCLE},
    "gp-320fw-2019-04-06-overflow": {("extra", "2019-04-06T23:57:26.020"): CYCLE},
    "isync": {("extra", "2016-02-03T13:15:30.000"): CUT},
    "iTrek": {
        ("mode 2 for 3", "2005-07-27T04:59:23.000"): "GSA has just said 2 and no GGA follows; gpsd keeps its older 3"
    },
    "mtk-3301": {
        ("extra", "2008-08-23T08:14:36.000"): LATE_DATE,
        ("mode 2 for 3", "2008-08-23T08:14:37.000"): THREE_SATELLITES,
        ("mode 2 for 3", "2008-08-23T08:14:38.000"): THREE_SATELLITES,
        ("mode 2 for 3", "2008-08-23T08:14:39.000"): THREE_SATELLITES,
    },
    "tomtom-mkII": {("mode 2 for 3", "2010-06-20T17:57:39.000"): THREE_SATELLITES},
    "tr737A+": {
        ("extra", "2011-11-11T07:17:36.000"): LATE_DATE,
        ("missing", "2011-11-11T07:17:43.000"): "the recording stops after GGA, before the RMC with the date; gpsd "
        "lends it the date of the second before, and no epoch of ours borrows",
    },
    "triton400": {
        ("missing", "2013-04-01T03:01:30.000"): "the GGA is cut and the RMC lost; gpsd takes the GLL, which tells "
        "neither date nor satellites"
    },
    "ublox8-uniqid-monhw": {
        ("missing", "2024-03-24T20:42:27.000"): UBX,
        ("missing", "2024-03-24T20:42:28.000"): UBX,
    },
}

NOT_YET = "gpsd dates nothing before a receiver's first fix; the void RMC carries its date, so we do"
ONCE = "gpsd says once that the fix is lost and then nothing, for this receiver sends RMC and GSA alone"
NEXT = "gpsd notices the loss one epoch later, and tells nothing about this one"
# log -> (seconds that both date and call void, those that we alone date, why)
VOIDS: dict[str, tuple[int, int, str]] = {
    "beidou-bd": (0, 5, NOT_YET), "bu353-glonass": (10, 0, ""), "ch-4711": (6, 1, NEXT),
    "holux-gm-210": (0, 11, NOT_YET), "iTrek": (0, 2, NOT_YET), "mtk-3301": (0, 7, NOT_YET), "rx210": (0, 22, NOT_YET),
    "skytraq": (17, 0, ""), "tomtom-mkII": (0, 24, ONCE), "tr737A+": (0, 3, NOT_YET),
}  # fmt: skip


def read(folder: Path, name: str) -> bytes:
    plain = folder / name
    return plain.read_bytes() if plain.exists() else gzip.decompress((folder / f"{name}.gz").read_bytes())


def sent(folder: Path, log: str) -> bytes:
    """The receiver's bytes: without the submitter's comment lines, else byte for byte."""
    lines = read(folder, f"{log}.log").splitlines(keepends=True)
    return b"".join(line for line in lines if not line.startswith(b"#"))


def expected(folder: Path, log: str) -> dict[str, list[dict[str, object]]]:
    """gpsd's dated fixes with a position, by time."""
    reports: dict[str, list[dict[str, object]]] = {}
    for line in read(folder, f"{log}.log.chk").splitlines():
        if line.startswith(b'{"class":"TPV"'):
            report = json.loads(line)
            if "time" in report and "lat" in report and report["mode"] >= 2:
                reports.setdefault(report["time"].removesuffix("Z"), []).append(report)
    return reports


def void_seconds(folder: Path, log: str) -> set[str]:
    """Times that gpsd tells and never with a position."""
    placed: dict[str, bool] = {}
    for line in read(folder, f"{log}.log.chk").splitlines():
        if line.startswith(b'{"class":"TPV"'):
            report = json.loads(line)
            if "time" in report:
                time = report["time"].removesuffix("Z")
                placed[time] = placed.get(time, False) or (report["mode"] >= 2 and "lat" in report)
    return {time for time, found in placed.items() if not found}


def iso(time_ms: int) -> str:
    return datetime.fromtimestamp(time_ms / 1000, UTC).isoformat(timespec="milliseconds").removesuffix("+00:00")


def deviations(fixes: Iterable[Fix], reports: dict[str, list[dict[str, object]]]) -> set[tuple[str, str]]:
    """Differences by time; positions, speeds and doubles are no matter of opinion and are asserted."""
    ours = {}
    for fix in fixes:
        assert fix.valid == (fix.lat is not None) == (fix.lon is not None) == (fix.mode >= 2)
        if fix.valid and fix.time_ms is not None:
            assert iso(fix.time_ms) not in ours
            ours[iso(fix.time_ms)] = fix
    found = {("missing", time) for time in reports.keys() - ours} | {("extra", time) for time in ours.keys() - reports}
    for time in ours.keys() & reports:
        fix, theirs = ours[time], reports[time]
        for report in theirs:
            assert abs(fix.lat - report["lat"]) < DEGREES, time
            assert abs(fix.lon - report["lon"]) < DEGREES, time
        speeds = [report["speed"] for report in theirs if "speed" in report]
        assert fix.speed_mps is None or not speeds or min(abs(fix.speed_mps - speed) for speed in speeds) < 0.01, time
        mode = max(report["mode"] for report in theirs)
        if fix.mode != mode:
            found.add((f"mode {fix.mode} for {mode}", time))
    return found


def voids(fixes: Iterable[Fix], gpsds: set[str]) -> tuple[int, int]:
    """(void seconds that both tell, those that we alone tell); gpsd alone: none, ever."""
    ours = {iso(fix.time_ms) for fix in fixes if not fix.valid and fix.time_ms is not None}
    assert gpsds <= ours
    return len(gpsds), len(ours - gpsds)
