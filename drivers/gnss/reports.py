"""gpsd's JSON reports to fixes, sans-I/O: position, date, time and validity of one and the same epoch, or no fix.

What is not here: the connection (`gpsd.py`), and what a time is worth (the agent's clock). Format: gpsd_json(5),
protocol 3; one object a line. TPV is a fix, SKY tells the satellites, DEVICE and DEVICES which receivers there are.

gpsd may report one second more than once, each time knowing more, until it has learnt where a receiver's cycle ends.
Reports of one time are one epoch: the newest counts, and it is given out once, as soon as it had as many reports as
the two epochs before it had, else when another time begins. A report without a time stands alone.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from ..ports import Fix, Instant
from . import fields
from .nmea import EARLIEST

MAX_LINE: Final = 16_384  # gpsd's own limit of a report is 10,240 bytes (GPS_JSON_RESPONSE_MAX, release 3.22)
SKY_KEPT_EPOCHS: Final = 10
OTHERS_PATIENCE: Final = 30  # reports of another receiver in a row until that one is followed
# TPV status (gpsd_json(5)): 5 dead reckoning, 7 surveyed by hand, 8 simulated. None is a fix of this moment's sky.
UNREAL_STATUS: Final = frozenset({5, 7, 8})
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z", re.ASCII)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LF: Final = b"\n"
_COUNTERS: Final = (
    "reports", "epochs", "fixes", "void", "repeats", "implausible_date", "zero_latitude", "other_receiver", "errors",
    "malformed", "too_long",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Report:
    """One TPV. time_ms: UTC, `None` without; lat, lon: degrees; mode: 0 unknown, 1 none, 2 and 3 dimensions."""

    at: Instant
    time_ms: int | None
    mode: int
    status: int | None
    lat: float | None
    lon: float | None
    speed_mps: float | None

    def after(self, earlier: _Report) -> _Report:
        """This newer report of the same epoch, with what it leaves out."""
        placed = self if self.lat is not None and self.lon is not None else earlier
        speed = earlier.speed_mps if self.speed_mps is None else self.speed_mps
        return replace(self, at=earlier.at, lat=placed.lat, lon=placed.lon, speed_mps=speed)


class Reports:
    """Any bytes in, fixes out; never raises on input. Every epoch gives one `Fix`, also a void one (mode 0).

    One receiver is followed, the first that speaks: positions of two are never mixed. It is left when gpsd has lost it,
    or when only others speak. earliest: dates before it are no time and no fix, as with sentences (`nmea.py`).
    """

    def __init__(self, earliest: date | None = EARLIEST) -> None:
        self._earliest_ms = fields.days(earliest) * fields.DAY_MS if earliest else None
        self._counters = dict.fromkeys(_COUNTERS, 0)
        self._line = bytearray()
        self._skipping = False
        self.receiver: str | None = None
        self._forget()

    def _forget(self) -> None:
        """Nothing is known of the stream that comes next."""
        self.receiver = None
        self._others = 0
        self._pending: _Report | None = None
        self._time_ms: int | None = None
        self._count = self._before = self._expected = 0
        self._used: int | None = None
        self._used_age = 0

    def counters(self) -> dict[str, int]:
        return dict(self._counters)

    @property
    def reports(self) -> int:
        """How many TPV have come, of the receiver that is followed or another."""
        return self._counters["reports"]

    def feed(self, data: bytes, at: Instant) -> list[Fix]:
        """Fixes completed by these bytes, come at `at`. A fix carries the arrival of its first report."""
        done: list[Fix] = []
        first, *others = data.split(_LF)
        self._grow(first)
        for part in others:
            line, skipped = bytes(self._line), self._skipping
            self._line.clear()
            self._skipping = False
            if line.strip() and not skipped:
                done += self._take(line, at)
            self._grow(part)
        return done

    def end(self) -> list[Fix]:
        """The connection is over: what is pending comes out; half a line never becomes one."""
        done = self._give()
        self._line.clear()
        self._skipping = False
        self._forget()
        return done

    def _grow(self, part: bytes) -> None:
        if not self._skipping and len(self._line) + len(part) > MAX_LINE:
            self._skipping = True
            self._counters["too_long"] += 1
        if self._skipping:
            self._line.clear()
        else:
            self._line += part

    def _take(self, line: bytes, at: Instant) -> list[Fix]:
        try:
            message = json.loads(line)
            if not isinstance(message, dict):
                raise ValueError("not an object")
            match message.get("class"):
                case "TPV":
                    return self._tpv(_report(message, at), _receiver(message))
                case "SKY":
                    self._sky(message)
                case "DEVICE":
                    return [] if message.get("activated") else self._gone(_text(message, "path"))
                case "DEVICES":
                    return self._devices(message)
                case "ERROR":
                    self._counters["errors"] += 1
        except (ValueError, RecursionError):  # JSON that is none, or nested without end
            self._counters["malformed"] += 1
        return []

    # --- receivers

    def _devices(self, message: dict[str, Any]) -> list[Fix]:
        listed = message.get("devices")
        if not isinstance(listed, list) or self.receiver is None:
            return []
        paths = [entry.get("path") for entry in listed if isinstance(entry, dict)]  # no set: a path may be anything
        return [] if self.receiver in paths else self._gone(self.receiver)

    def _gone(self, receiver: str) -> list[Fix]:
        if receiver != self.receiver:
            return []
        done = self._give()
        self._forget()
        return done

    def _follows(self, receiver: str) -> bool:
        if self.receiver is None:
            self.receiver = receiver
        if receiver == self.receiver:
            self._others = 0
            return True
        self._counters["other_receiver"] += 1
        self._others += 1
        return False

    # --- epochs

    def _sky(self, message: dict[str, Any]) -> None:
        """"uSat" where this gpsd tells it, else counted; a SKY of dilutions alone says nothing about it."""
        if _receiver(message) != self.receiver:
            return
        used, listed = _whole(message, "uSat"), message.get("satellites")
        if used is None and isinstance(listed, list):
            used = sum(1 for it in listed if isinstance(it, dict) and it.get("used") is True)
        if used is not None:
            self._used, self._used_age = used, 0

    def _tpv(self, report: _Report, receiver: str) -> list[Fix]:
        self._counters["reports"] += 1
        done: list[Fix] = []
        if not self._follows(receiver):
            if self._others < OTHERS_PATIENCE:
                return []
            done = self._give()
            self._forget()
            self.receiver = receiver
        if report.time_ms is None:
            done += self._give()
            self._pending = report
            return done + self._give()
        if report.time_ms != self._time_ms:
            done += self._give()
            self._expected = max(self._before, self._count)
            self._before, self._count = self._count, 1
            self._time_ms, self._pending = report.time_ms, report
        else:
            self._count += 1
            self._counters["repeats"] += 1
            self._pending = report.after(self._pending) if self._pending is not None else None  # given out already
        return done + self._give() if 0 < self._expected <= self._count else done

    def _give(self) -> list[Fix]:
        report, self._pending = self._pending, None
        if report is None:
            return []
        self._counters["epochs"] += 1
        self._used_age += 1
        used = self._used if self._used_age <= SKY_KEPT_EPOCHS else None
        time_ms, dated = report.time_ms, True
        if time_ms is not None and self._earliest_ms is not None and time_ms < self._earliest_ms:
            self._counters["implausible_date"] += 1
            time_ms, dated = None, False
        if not dated or not self._placed(report):
            return [Fix(report.at, time_ms, None, None, 0, None, used, False)]
        self._counters["fixes"] += 1
        return [Fix(report.at, time_ms, report.lat, report.lon, report.mode, report.speed_mps, used, True)]

    def _placed(self, report: _Report) -> bool:
        nowhere = report.lat is None or report.lon is None
        if report.mode < 2 or report.status in UNREAL_STATUS or nowhere:
            self._counters["void"] += 1
            return False
        if report.lat == 0.0:  # as in `nmea.py`: a fault seen in the field
            self._counters["zero_latitude"] += 1
            return False
        return True


def _report(message: dict[str, Any], at: Instant) -> _Report:
    """Raises `ValueError` for a field that is there and cannot be right."""
    mode = _whole(message, "mode") or 0
    if mode > 3:
        raise ValueError(f"no such mode: {mode}")
    return _Report(
        at=at, time_ms=_time(message), mode=mode, status=_whole(message, "status"),
        lat=_number(message, "lat", -90, 90), lon=_number(message, "lon", -180, 180),
        speed_mps=_number(message, "speed", 0, 10_000),
    )  # fmt: skip


def _receiver(message: dict[str, Any]) -> str:
    return _text(message, "device") if "device" in message else ""


def _text(message: dict[str, Any], key: str) -> str:
    value = message.get(key)
    if not isinstance(value, str):
        raise ValueError(f"{key} is no text")
    return value


def _whole(message: dict[str, Any], key: str) -> int | None:
    value = message.get(key)
    if value is None:
        return None
    if type(value) is not int or not 0 <= value <= 1000:  # `True` is an int as well
        raise ValueError(f"{key} is no small whole number")
    return value


def _number(message: dict[str, Any], key: str, low: float, high: float) -> float | None:
    value = message.get(key)
    if value is None:
        return None
    # Compared before it is converted: a whole number of a thousand digits is no float.
    if type(value) not in (int, float) or not low <= value <= high:
        raise ValueError(f"{key} cannot be {str(value)[:20]}")
    return float(value)


def _time(message: dict[str, Any]) -> int | None:
    """ISO 8601 in UTC, as gpsd writes it, to integer milliseconds since 1970."""
    value = message.get("time")
    if value is None:
        return None
    if not isinstance(value, str) or not _TIME.fullmatch(value):
        raise ValueError("not a time of gpsd")
    whole, _, fraction = value[:-1].partition(".")
    second = datetime.fromisoformat(whole).replace(tzinfo=UTC)
    return (second - _EPOCH) // timedelta(milliseconds=1) + int((fraction + "000")[:3])
