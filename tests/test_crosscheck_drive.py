"""The check on a real drive: a Renault Twizy, 98 minutes and 44 km with the car's own speed and a receiver's positions.

Nobody recorded its odometer, so the speed is added up to one. Its positions are told every 6 to 18 s only, which is
no witness by our rule; with that rule widened the two must agree.
"""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterator
from datetime import datetime
from math import floor
from pathlib import Path
from statistics import median

import pytest

from agent.car import crosscheck
from agent.car.crosscheck import Look, Track, step


def looks(shared: Path, step_km: float, wheels: float = 1.0) -> Iterator[Look]:
    """One a second; a position where it is a new one and not the logger's fault of latitude 0."""
    file = shared / "data/drives/twizy/T1_06_30_2021_2.csv.gz"
    km, began, before, changed, place = 0.0, None, None, (0.0, 0), None
    with gzip.open(file, "rt") as rows:
        for row in csv.DictReader(rows):
            now = datetime.strptime(f"{row['Date']} {row['Time']} +0000", "%m/%d/%Y %H:%M:%S %z").timestamp()
            began, speed = now if began is None else began, float(row["Speed"])
            if before is not None and 0 < now - before[0] < 5:
                km += wheels * (now - before[0]) * (speed + before[1]) / 2 / 3600
            before, ns = (now, speed), round((now - began) * 1e9)
            if (told := floor(km / step_km) * step_km) != changed[0]:
                changed = (told, ns)
            here = (float(row["LAT"]), float(row["LON"]))
            yield Look(ns, here if here != place and here[0] else None, changed, True, False)
            place = here


def windows(shared: Path, step_km: float, wheels: float = 1.0) -> list[Track]:
    track, found = Track(), []
    for look in looks(shared, step_km, wheels):
        before, track = track, step(track, look)
        if track.windows != before.windows:
            found.append(track)
    return found


def test_positions_every_ten_seconds_are_no_witness(shared: Path) -> None:
    assert windows(shared, 0.01) == []


@pytest.mark.parametrize(("step_km", "count"), [(0.01, 20), (0.1, 20), (1.0, 3)])
def test_a_real_drive_agrees_with_itself(shared: Path, monkeypatch, step_km: float, count: int) -> None:
    monkeypatch.setattr(crosscheck, "GAP_NS", 30_000_000_000)
    found = windows(shared, step_km)
    assert len(found) >= count
    assert median(track.ratio for track in found) == pytest.approx(1.0, abs=0.02)
    assert not any(track.disagrees for track in found)


@pytest.mark.parametrize("wheels", [0.8, 1.2])
def test_the_same_drive_on_other_wheels_does_not(shared: Path, monkeypatch, wheels: float) -> None:
    monkeypatch.setattr(crosscheck, "GAP_NS", 30_000_000_000)
    assert any(track.disagrees for track in windows(shared, 0.01, wheels))
