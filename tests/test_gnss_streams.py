"""Recordings from elsewhere (hazer, pynmeagps, pyubx2, a printed leap second): what each has in it that a parser could
fall over, how many epochs must come out, and what must be counted.

How many seconds there are is read here by a search for sentences that shares nothing with the decoder.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from drivers.gnss.nmea import Decoder
from drivers.ports import Instant
from tests.serial_bench import BOOT

AT = Instant(BOOT, 0)
TIMED = re.compile(rb"\$((?:G[NPLAB]|BD)(?:RMC|GGA),(\d{6}(?:\.\d+)?)?,[ -#%-)+-~]*)\*([0-9A-Fa-f]{2})")

# log -> (epochs, fixes, counters that must read so, what is special)
STREAMS: dict[str, tuple[int, int, dict[str, int], str]] = {
    "hazer/bu353w10-1.nmea": (
        103, 103, {"half": 0, "binary": 0, "bad_checksum": 0, "malformed": 0, "garbage_bytes": 510},
        "start-up text, then UBX frames in front of sentences on the same line: not one sentence is lost",
    ),
    "leap-second/garmin-leap.nmea": (
        3, 3, {"repeats": 1}, "the second 00:00:00 twice, as a Garmin tells a leap second: one fix",
    ),
    "pynmeagps/pygpsdata-mixed.log": (
        2, 2, {"binary": 2, "bad_checksum": 0},
        "UBX around every group; a dollar sign in the binary begins no sentence",
    ),
    "pynmeagps/pygpsdata-nmea4.log": (
        1, 0, {"too_long": 1, "contradictory": 1},
        "NMEA 4.1 with system ids and a proprietary line of 420 characters; RMC lies 100 degrees west of GGA: no place",
    ),
    "pynmeagps/pygpsdata-nmea4sm.log": (1, 1, {"bad_checksum": 0}, "NMEA 4.1: RMC with a navigational status"),
    "pynmeagps/pygpsdata-nmeabadck.log": (1, 1, {"bad_checksum": 2}, "two of three checksums wrong; bare line feeds"),
    "pynmeagps/pygpsdata-nmeastartup.log": (1, 0, {"void": 1}, "the first second after power-up: nothing is known"),
    "pyubx2/pygpsdata-MIXED2.log": (
        1, 1, {"too_long": 1, "malformed": 0}, "NMEA, then a long stretch of UBX with dollar signs in it",
    ),
    "pyubx2/pygpsdata-MIXED3.log": (2, 2, {"half": 0, "bad_checksum": 0}, "UBX, NMEA and RTCM 3 in one stream"),
    "pyubx2/pygpsdata-NMEA.log": (
        0, 0, {"too_long": 1, "malformed": 0}, "every sentence that is none of ours, and an inertial unit's GGA (IN)",
    ),
}  # fmt: skip


def seconds(data: bytes) -> int:
    """Different times of day in RMC and GGA sentences whose checksum is right; no time is a time as well."""
    found = set()
    for body, time, digits in TIMED.findall(data):
        value = 0
        for byte in body:
            value ^= byte
        if value == int(digits, 16):
            found.add(time)
    return len(found)


def test_all_streams_are_in_the_list(shared: Path) -> None:
    folders = [shared / "data/gnss" / name for name in ("hazer", "leap-second", "pynmeagps", "pyubx2")]
    assert {f"{path.parent.name}/{path.name}" for folder in folders for path in folder.iterdir()} == set(STREAMS)


@pytest.mark.parametrize("log", STREAMS)
def test_each_stream_gives_its_epochs_and_counts_the_rest(shared: Path, log: str) -> None:
    data = (shared / "data/gnss" / log).read_bytes()
    epochs, valid, counted, _ = STREAMS[log]
    decoder = Decoder(earliest=None)
    fixes = decoder.feed(data, AT) + decoder.end(AT)
    assert len(fixes) == seconds(data) == epochs
    assert sum(fix.valid for fix in fixes) == valid
    assert {name: decoder.counters()[name] for name in counted} == counted


@pytest.mark.parametrize("log", STREAMS)
def test_r19_a_date_before_the_products_own_time_is_no_time_in_any_stream(shared: Path, log: str) -> None:
    decoder = Decoder()
    fixes = decoder.feed((shared / "data/gnss" / log).read_bytes(), AT) + decoder.end(AT)
    assert not [fix for fix in fixes if fix.time_ms is not None]
