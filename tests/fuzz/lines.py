"""What comes by a line: a satellite receiver, gpsd, the badge reader, the control socket, and logs handed in at a desk.

A stream is cut anywhere and must give the same. The relay board has no target: it never says anything.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import can

from agent.run.control import Control
from drivers.can.recording import Recording, RecordingError
from drivers.gnss import nmea
from drivers.gnss.reports import MAX_LINE, Reports
from drivers.local.control import LINE_BYTES, ControlSocket
from drivers.ports import Fix, Instant
from drivers.reader import badge
from tests.fakes.clock import BOOT
from tests.fuzz.target import JSON_WORDS, Target
from tests.test_gnss import gga, gll, gsa, rmc, sentence

CHUNK: Final = 4096  # as the kernel's line buffer gives them (drivers/line.py)
AT: Final = Instant(BOOT, 1_000_000_000)


def _plausible(fix: Fix) -> None:
    assert fix.valid == (fix.lat is not None) == (fix.lon is not None) == (fix.mode >= 2)
    if fix.lat is not None and fix.lon is not None:
        assert -90 <= fix.lat <= 90
        assert -180 <= fix.lon <= 180
    assert fix.speed_mps is None or fix.speed_mps >= 0
    assert fix.time_ms is None or fix.time_ms >= 1_700_000_000_000


def _cut(data: bytes) -> tuple[bytes, bytes]:
    at = sum(data[:4]) % (len(data) + 1)
    return data[:at], data[at:]


# One decoder for the whole run, stream after stream: nothing may pile up in it, and no stream may change the next.
LASTING: Final = nmea.Decoder()


def judge_nmea(data: bytes) -> bool:
    whole = nmea.Decoder()
    fixes = whole.feed(data, AT) + whole.end(AT)
    pieces = [fix for part in _cut(data) for fix in LASTING.feed(part, AT)]
    assert pieces + LASTING.end(AT) == fixes
    for fix in fixes:
        _plausible(fix)
    return any(fix.valid for fix in fixes)


LASTING_REPORTS: Final = Reports()


def judge_gpsd(data: bytes) -> bool:
    whole = Reports()
    fixes = whole.feed(data, AT) + whole.end()
    pieces = [fix for part in _cut(data) for fix in LASTING_REPORTS.feed(part, AT)]
    assert pieces + LASTING_REPORTS.end() == fixes
    for fix in fixes:
        _plausible(fix)
    return any(fix.valid for fix in fixes)


LASTING_READER: Final = badge.Decoder()


def _badge(uid: bytes) -> bytes:
    """The frame of a badge with a right check sum, which the fuzzer would have to guess."""
    frame = uid.ljust(5, b"\0")
    return b"\x02" + (frame + bytes([frame[0] ^ frame[1] ^ frame[2] ^ frame[3] ^ frame[4]])).hex().encode() + b"\x03"


def judge_reader(data: bytes) -> bool:
    whole, parts = badge.Decoder(), badge.Decoder()
    found = whole.feed(data, AT)
    assert [one for part in _cut(data) for one in parts.feed(part, AT)] == found
    assert parts.counters == whole.counters
    assert len(found) <= 2 * badge.LIMIT_BURST + 1
    for one in found:
        if isinstance(one, badge.BadgeTap):
            assert len(one.uid) == 5
            assert one.uid.hex().encode() in data.lower()
        elif isinstance(one, badge.SunTap):
            assert one.message.hex().encode() in data.lower()
        else:
            assert 1 <= len(one.digits) <= badge.MAX_CODE_DIGITS
            assert one.digits.isascii()
            assert one.digits.isdigit()
    LASTING_READER.feed(data + _badge(data[:5]), AT)
    return bool(found)


# --- the control socket, from the bytes on its line to the answer


class _Writer:
    """The other end of a client's line, kept."""

    def __init__(self) -> None:
        self.said = b""

    def write(self, data: bytes) -> None:
        self.said += data

    async def drain(self) -> None:
        pass


async def _status() -> object:
    return {"up": True}


async def _garage(request: Mapping[str, object]) -> object:
    return {"on": request["on"], "hours": float(str(request.get("hours", 1)))}


async def _answers(data: bytes) -> list[Any]:
    control = Control({"status": _status}, {"garage": _garage})
    reader, writer = asyncio.StreamReader(limit=LINE_BYTES + 1), _Writer()
    reader.feed_data(data)
    reader.feed_eof()
    await ControlSocket("nowhere", control.answer)._serve(reader, writer)  # type: ignore[arg-type]
    return [json.loads(line) for line in writer.said.splitlines()]


LOOP: Final = asyncio.new_event_loop()


def judge_control(data: bytes) -> bool:
    answers = LOOP.run_until_complete(_answers(data))
    assert len(answers) == data.count(b"\n") or any("longer" in str(one.get("why")) for one in answers)
    for one in answers:
        assert one["ok"] is True or isinstance(one["why"], str)
    return any(one["ok"] for one in answers)


# --- logs of a bus

LOGS: Final = {
    ".log": b"(1600000000.000000) can0 1F6#0011223344556677\n(1600000000.1) can0 12345678##1AABB\n",
    ".txt": b";CANARY\n1.0 00000123 00 2 AA BB\n",
    ".crtd": b"1.5 1R11 1F6 00 11\n1.6 CXX x\n",
    ".csv": b"Time Stamp,ID,Extended,Dir,Bus,LEN,D1,D2,D3,D4,D5,D6,D7,D8\n1,000001F6,false,Rx,0,2,AA,BB,,,,,,,\n",
    ".trc": b";$FILEVERSION=1.1\n;$STARTTIME=43000.5\n 1) 2.5 Rx 01F6 2 AA BB\n",
}
FOLDER: Final = tempfile.TemporaryDirectory(prefix="boitier-fuzz-")
SUFFIXES: Final = (*LOGS, ".asc", ".blf", ".log.gz")


def _logs() -> list[bytes]:
    """One of each form; those that nobody would type are written by python-can."""
    texts = [*LOGS.values()]
    for suffix, writer in ((".asc", can.ASCWriter), (".blf", can.BLFWriter)):
        path = Path(FOLDER.name) / f"log{suffix}"
        with writer(path) as log:
            log.on_message_received(can.Message(timestamp=1.6e9, arbitration_id=0x1F6, data=b"\xaa\xbb"))
        texts.append(path.read_bytes())
    texts.append(gzip.compress(LOGS[".log"], mtime=0))
    return [bytes([number]) + text for number, text in enumerate(texts)]


def judge_log(data: bytes) -> bool:
    """The first byte chooses the file's name, as people name them."""
    path = Path(FOLDER.name) / f"log{SUFFIXES[data[0] % len(SUFFIXES)] if data else '.log'}"
    path.write_bytes(data[1:])
    recording, count = Recording(path), 0
    try:
        for frame in recording.frames():
            count += 1
            assert 0 <= frame.can_id <= 0x1FFF_FFFF
            assert len(frame.data) <= 64
            assert isinstance(frame.at.ns, int)
    except RecordingError:
        pass
    return count > 0


EPOCH: Final = rmc("101500") + gga("101500") + gll("101500") + gsa(3) + rmc("101501") + gga("101501")
ZDA: Final = sentence("GNZDA,101500,23,11,2026,00,00")
TPV: Final = (
    b'{"class":"DEVICES","devices":[{"class":"DEVICE","path":"/dev/a"}]}\n'
    b'{"class":"SKY","device":"/dev/a","uSat":7,"satellites":[{"used":true}]}\n'
    b'{"class":"TPV","device":"/dev/a","mode":3,"time":"2026-11-23T10:15:00.000Z","lat":48.1,"lon":0.5,"speed":1.5}\n'
    b'{"class":"DEVICE","path":"/dev/a","activated":0}\n'
)
ASKED: Final = b'{"op":"status"}\n{"op":"garage","on":true,"hours":2}\n{"op":"modules"}\n'
NMEA_WORDS: Final = (b"$GN", b"$GP", b"RMC,", b"GGA,", b"GSA,", b"GLL,", b"ZDA,", b"*", b"\r\n", b",,", b"9" * 12)
GPSD_WORDS: Final = (
    b'"class":"TPV"', b'"class":"SKY"', b'"device":', b'"time":"2026-02-29T24:60:60Z"', b'"mode":3', b'"lat":0', b"\n",
)  # fmt: skip
TARGETS: Final = (
    Target("nmea", judge_nmea, (EPOCH, gga("101502") + ZDA), CHUNK, NMEA_WORDS, 120),
    Target("gpsd", judge_gpsd, (TPV, TPV + TPV.replace(b":00.000Z", b":01Z")), MAX_LINE + 99, JSON_WORDS + GPSD_WORDS),
    Target("reader", judge_reader, (b"\x02010203040501\x0312345678#", b"\x0200112233440044\x031*23#"), CHUNK),
    Target("control", judge_control, (ASKED, ASKED[:16]), LINE_BYTES + 99, (*JSON_WORDS, b'"op":', b"\n"), 300),
    Target("log", judge_log, _logs(), 65_536),
)
