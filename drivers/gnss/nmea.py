"""NMEA sentences to fixes, sans-I/O: position, date, time and validity of one and the same epoch, or no fix at all.

What is not here: the serial line (`receiver.py`), cutting and checksums (`sentences.py`), and what a time is worth
(the agent's clock).

An epoch is what a receiver says about one UTC time of day: its RMC, GGA and (where no RMC comes) ZDA; GLL counts only
from a receiver that has sent neither RMC nor GGA, for beside them it says nothing new. An epoch is given out
as soon as it holds the kinds of sentence that the two epochs before it had (two, so that one lost sentence changes
nothing), else when a sentence with another time begins the next one: nothing waits longer than one epoch. GSA carries
no time: some receivers send it before, some after the timed sentences. The newest group counts, which is at most one
epoch old where the receiver sends one each time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final

from ..ports import Fix, Instant
from . import fields
from .fields import Gga, Gll, Position, Rmc
from .sentences import SentenceReader

TALKERS: Final = frozenset({"GN", "GP", "GL", "GA", "GB", "BD"})
KINDS: Final = frozenset({"RMC", "GGA", "GLL", "GSA", "ZDA"})
# The product's first release year: no box of ours can have a fix before it, and the week roll-overs of older receivers
# (1980, 1999, 2006) all fall below.
EARLIEST: Final = date(2024, 1, 1)
# GGA quality (NMEA 0183): 1 GPS, 2 differential, 3 PPS, 4/5 RTK. 6 estimated, 7 manual and 8 simulator are no fix.
REAL_QUALITIES: Final = frozenset({1, 2, 3, 4, 5})
# Positions of one epoch in two sentences may differ in the last digits; 0.001 degree is 111 m.
SAME_PLACE_DEGREES: Final = 0.001
GSA_KEPT_EPOCHS: Final = 10  # some receivers send GSA only every fifth second
_COUNTERS: Final = (
    "epochs", "fixes", "void", "malformed", "repeats", "implausible_date", "zero_latitude", "contradictory",
)  # fmt: skip


@dataclass(slots=True)
class _Epoch:
    """What has been said so far about one time of day (milliseconds; `None` while the receiver knows none)."""

    time_of_day: int | None
    at: Instant
    kinds: set[str] = field(default_factory=set)
    rmc: Rmc | None = None
    gga: Gga | None = None
    gll: Gll | None = None
    zda_day: int | None = None
    given: bool = False

    def expects(self) -> frozenset[str]:
        """The kinds the next epoch will have too. What says nothing new beside RMC or GGA is not waited for."""
        needless = {"ZDA", "GLL"} if "RMC" in self.kinds else {"GLL"} if "GGA" in self.kinds else set[str]()
        return frozenset(self.kinds - needless)


@dataclass(slots=True)
class _Group:
    """GSA sentences since the last epoch was given out: one per constellation. mode: the best; used: satellites."""

    mode: int = 0
    used: int = 0


class Decoder:
    """Any bytes in, fixes out; never raises on input. Every epoch gives one `Fix`, also a void one (mode 0).

    earliest: dates before it are roll-over nonsense: no time and no fix. `None` believes every date (old logs).
    """

    def __init__(self, earliest: date | None = EARLIEST) -> None:
        self._earliest = fields.days(earliest) if earliest else None
        self._parse: Callable[..., Any] | None = None
        self._counters = dict.fromkeys(_COUNTERS, 0)
        self._reader = SentenceReader()
        self._forget()

    def _forget(self) -> None:
        self._epoch: _Epoch | None = None
        self._gll_alone = True
        self._before: frozenset[str] = frozenset()
        self._expected: frozenset[str] = frozenset()
        self._group = _Group()
        self._last_group = _Group()
        self._group_age = 0

    def counters(self) -> dict[str, int]:
        return self._reader.counters | self._counters

    def feed(self, data: bytes, at: Instant) -> list[Fix]:
        """Fixes completed by these bytes, come at `at`. A fix carries the arrival of its first timed sentence."""
        return self._take(self._reader.feed(data), at)

    def end(self, at: Instant) -> list[Fix]:
        """The stream is over (file ended, line lost): what is pending comes out, and a new stream may begin."""
        done = self._take(self._reader.end(), at)
        done += self._give()
        self._forget()
        return done

    def _take(self, sentences: list[str], at: Instant) -> list[Fix]:
        done: list[Fix] = []
        for sentence in sentences:
            kind = sentence[3:6]
            if sentence[1:3] not in TALKERS or kind not in KINDS or sentence[6:7] != ",":
                continue
            try:
                done += self._sentence(kind, self._split(sentence), at)
            except ValueError:  # pynmea2's errors are ValueErrors too
                self._counters["malformed"] += 1
        return done

    def _split(self, sentence: str) -> list[str]:
        if self._parse is None:
            from pynmea2 import parse  # 20 ms of start-up that opening a door does not need (D24)

            self._parse = parse
        values: list[str] = self._parse(sentence, check=True).data
        return values

    def _sentence(self, kind: str, values: list[str], at: Instant) -> list[Fix]:
        match kind:
            case "GSA":
                mode, used = fields.gsa(values)
                self._group = _Group(max(self._group.mode, mode), self._group.used + used)
                return []
            case "RMC":
                rmc = fields.rmc(values)
                done, epoch = self._open(kind, rmc.time_of_day, at)
                epoch.rmc = epoch.rmc or rmc
            case "GGA":
                gga = fields.gga(values)
                done, epoch = self._open(kind, gga.time_of_day, at)
                epoch.gga = epoch.gga or gga
            case "GLL":
                gll = fields.gll(values)
                if not self._gll_alone:
                    return []
                done, epoch = self._open(kind, gll.time_of_day, at)
                epoch.gll = epoch.gll or gll
            case _:
                time_of_day, day = fields.zda(values)
                done, epoch = self._open(kind, time_of_day, at)
                epoch.zda_day = day
        self._gll_alone = self._gll_alone and not epoch.kinds & {"RMC", "GGA"}
        if self._expected and self._expected <= epoch.kinds:
            done += self._give()
        return done

    def _open(self, kind: str, time_of_day: int | None, at: Instant) -> tuple[list[Fix], _Epoch]:
        """The epoch this sentence belongs to, and the fix of the one before when this begins a new one."""
        epoch, done = self._epoch, list[Fix]()
        repeated = epoch is not None and kind in epoch.kinds
        if epoch is None or epoch.time_of_day != time_of_day or (repeated and time_of_day is None):
            done = self._give()
            if epoch is not None:
                self._expected = self._before | epoch.expects()
                self._before = epoch.expects()
            epoch = self._epoch = _Epoch(time_of_day, at)
        elif repeated:  # another constellation's copy, a leap second's second half, or a receiver that froze
            self._counters["repeats"] += 1
        epoch.kinds.add(kind)
        return done, epoch

    def _give(self) -> list[Fix]:
        epoch = self._epoch
        if epoch is None or epoch.given:
            return []
        epoch.given = True
        if self._group.mode:
            self._last_group, self._group, self._group_age = self._group, _Group(), 0
        else:
            self._group_age += 1
        if epoch.rmc is None and epoch.gga is None and epoch.gll is None:
            return []  # a lone ZDA
        self._counters["epochs"] += 1
        return [self._fix(epoch)]

    def _fix(self, epoch: _Epoch) -> Fix:
        rmc, gga = epoch.rmc, epoch.gga
        time_ms, dated = self._time(epoch)
        position = self._position(epoch) if dated else None
        satellites = gga.satellites if gga else None
        group = self._last_group if self._group_age <= GSA_KEPT_EPOCHS else _Group()
        if satellites is None and group.mode:
            satellites = group.used
        if position is None:
            return Fix(epoch.at, time_ms, None, None, 0, None, satellites, False)
        self._counters["fixes"] += 1
        # An altitude from four satellites is three-dimensional, also from the many modems whose GSA then says 2.
        high = gga is not None and gga.altitude and (satellites is None or satellites >= 4)
        speed = rmc.speed_mps if rmc else None
        return Fix(epoch.at, time_ms, *position, 3 if high else max(group.mode, 2), speed, satellites, True)

    def _time(self, epoch: _Epoch) -> tuple[int | None, bool]:
        """(UTC in ms or `None`, whether the position may be believed): a wrong date costs the fix, a missing one no."""
        day, bad = epoch.zda_day, False
        if epoch.rmc is not None:
            day, bad = epoch.rmc.day, epoch.rmc.bad_date
        if bad or (day is not None and self._earliest is not None and day < self._earliest):
            self._counters["implausible_date"] += 1
            return None, False
        if day is None or epoch.time_of_day is None:
            return None, True
        return day * fields.DAY_MS + epoch.time_of_day, True

    def _position(self, epoch: _Epoch) -> Position | None:
        rmc, gga = epoch.rmc, epoch.gga
        gll = epoch.gll if not (rmc or gga) else None
        if (rmc and not rmc.active) or (gga and gga.quality not in REAL_QUALITIES):
            self._counters["void"] += 1
            return None
        places = [told.position for told in (gga, rmc, gll) if told is not None and told.position is not None]
        if not places:
            self._counters["void"] += 1
            return None
        if any(place[0] == 0.0 for place in places):  # a fault seen in the field; no car of ours is on the equator
            self._counters["zero_latitude"] += 1
            return None
        if max(abs(a - b) for a, b in zip(places[0], places[-1], strict=True)) > SAME_PLACE_DEGREES:
            self._counters["contradictory"] += 1
            return None
        return places[0]
