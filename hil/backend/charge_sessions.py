"""Charges joined with the charge points' own sessions and with bookings (R25): by station, charge point, times. Pure.

The battery's kWh are not here, and nowhere in a bill: energy is what the station's meter says, or unknown.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from .payload import Fact
from .placing import Clock, Key, Moment, start_of

SLACK_MS: Final = 120_000  # a station's clock may be so wrong; a cable sits for longer
COLUMNS: Final = ("station", "charge_point", "begin", "end", "wh")


class MeterError(ValueError):
    """What is wrong with a file of a station's sessions, with its line."""


@dataclass(frozen=True, slots=True)
class Metered:
    """A charge point's own session. charge_point: None where the station does not say. wh: its meter's."""

    ident: str
    station: str
    charge_point: str | None
    begin_ms: int
    end_ms: int
    wh: int


@dataclass(frozen=True, slots=True)
class ChargeSession:
    """One plugging of a car. booking: None for nobody's. begin_ms, end_ms: of the cable, else of the charging; None
    where nobody knows. metered: the station's session, wh its meter's word; None: not told.
    """

    vehicle: str
    station: str | None
    charge_point: str | None
    booking: int | None
    begin_ms: int | None
    end_ms: int | None
    why: str
    metered: str | None = None
    wh: int | None = None


def sessions(gathered: Mapping[Key, Fact], metered: Sequence[Metered] = ()) -> tuple[ChargeSession, ...]:
    """Each charge once, with the station's session that covers most of it; each of these belongs to one charge."""
    clock = Clock(gathered)
    found: dict[object, ChargeSession] = {}
    for key in sorted(gathered):
        fact = gathered[key]
        if fact.kind == "charge" and fact.body.get("event") == "closed":
            found.setdefault(start_of(fact), _session(fact, clock))
    told = sorted(found.values(), key=lambda it: (it.begin_ms or 0, it.vehicle, it.end_ms or 0))
    pairs = sorted(
        (-overlap, place, meter.ident)
        for place, charge in enumerate(told)
        for meter in metered
        if (overlap := _overlap_ms(charge, meter)) > 0
    )
    wh, taken = {meter.ident: meter.wh for meter in metered}, set[str]()
    for _, place, ident in pairs:
        if told[place].metered is None and ident not in taken:
            taken.add(ident)
            told[place] = replace(told[place], metered=ident, wh=wh[ident])
    return tuple(told)


def _session(fact: Fact, clock: Clock) -> ChargeSession:
    body = fact.body
    begin = _first(clock.of(body.get(name), fact) for name in ("plug_in", "start"))
    end = _first(clock.of(body.get(name), fact) for name in ("unplug", "end"))
    return ChargeSession(
        fact.vehicle, body.get("station"), body.get("charge_point"), body.get("booking"),
        None if begin is None else begin.lo, None if end is None else end.hi, str(body.get("why")),
    )  # fmt: skip


def _first(moments: Iterable[Moment | None]) -> Moment | None:
    return next((moment for moment in moments if moment is not None), None)


def _overlap_ms(charge: ChargeSession, meter: Metered) -> int:
    """How long both say that a cable was in at the same place; 0 where it cannot be the same."""
    if charge.begin_ms is None or charge.end_ms is None or charge.station != meter.station:
        return 0
    if None not in (charge.charge_point, meter.charge_point) and charge.charge_point != meter.charge_point:
        return 0
    begin, end = charge.begin_ms - SLACK_MS, charge.end_ms + SLACK_MS
    return min(end, meter.end_ms) - max(begin, meter.begin_ms)


def read_meters(path: Path) -> list[Metered]:
    """CSV with a head: station, charge_point (may be empty), begin, end (ISO 8601 with offset), wh (whole). Raises
    `MeterError`, `OSError`.
    """
    with path.open(newline="", encoding="utf-8") as file:
        rows = csv.DictReader(file)
        missing = [name for name in COLUMNS if name not in (rows.fieldnames or ())]
        if missing:
            raise MeterError(f"{path}: the first line must name {', '.join(COLUMNS)}; {', '.join(missing)} is missing")
        return [_metered(f"{path}:{line}", f"{line}", row) for line, row in enumerate(rows, 2)]


def _metered(where: str, ident: str, row: dict[str, Any]) -> Metered:
    if None in row.values():
        raise MeterError(f"{where}: a value is missing")
    try:
        begin, end = (_milliseconds(row[name]) for name in ("begin", "end"))
        wh = int(row["wh"])
    except (TypeError, ValueError, OverflowError) as error:
        raise MeterError(f"{where}: {error}") from None
    if end < begin or wh < 0:
        raise MeterError(f"{where}: ends before it begins, or is negative")
    return Metered(ident, row["station"], row["charge_point"] or None, begin, end, wh)


def _milliseconds(text: str) -> int:
    when = datetime.fromisoformat(text)
    if when.tzinfo is None:
        raise ValueError(f"{text} needs an offset, such as {text}+01:00")
    return round(when.timestamp() * 1000)
