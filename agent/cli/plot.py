"""What `boitier car plot` does: reads a recording into curves and bands and writes the page.

What is not here: how curves get small (`curves.py`) and what the page looks like (`page.py`).
"""

from __future__ import annotations

import os
from array import array
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Final

import click

from config import vocabulary as v
from config.car import CarModel
from drivers.can.playback import Playback
from drivers.can.recording import RecordingError

from . import curves
from .curves import Told
from .names import HIDDEN, unit_of
from .page import Sheet, page

STATES: Final = (v.IGNITION, v.PLUGGED, v.CHARGING, v.LOCKED, *v.DOORS)
"""Shown as bands whatever was asked for: without them a curve says little."""
TOO_LONG_S: Final = 15.0
"""At least so long must a question's answer fail to come before its curve has a hole."""
SLACK: Final = 5  # a logger may thin: a hole is also five times the mean distance of its values


def plot(car: CarModel, log: Path, bus: str, wanted: Collection[str], out: Path) -> bool:
    """Write the page; False when a part of the log could not be read, which is said on standard error and the page."""
    playback, trouble = Playback(car, log, bus), ""
    asked = {*wanted, *(entry.name for entry in car.signals if entry.name in STATES)} - HIDDEN
    shown = {name for name in asked if not v.VOCABULARY[name].text}
    found = Found(shown)
    try:
        found.take(playback.signals())
    except RecordingError as error:
        trouble = os.fsencode(str(error)).decode(errors="replace")
        click.echo(f"error: {error}", err=True)
    told = found.told(gaps(car))
    if not told:
        click.echo(f"{log}: nothing of what was asked for is in it ({playback.counters()['frames']} frames)", err=True)
        return False
    name = os.fsencode(log.name).decode(errors="replace")  # a file's name need not be text
    sheet = Sheet(name, car.title, found.start_ns, playback.counters(), trouble, *_drawn(told))
    text = page(sheet)
    try:
        out.write_text(text, encoding="utf-8")
    except OSError as error:
        raise click.UsageError(f"{out}: {error.strerror}; name a file that can be written with -o") from error
    many = sum(len(group) for _, group in sheet.panels)
    click.echo(f"{out}: {many} curves, {len(sheet.rows)} states, {len(text) // 1000} kB", err=True)
    return not trouble and not playback.recording.left_out


class Found:
    """Numbers and states by name, as small as a long log needs. start_ns: the log's time of its first value."""

    def __init__(self, shown: Collection[str]) -> None:
        self._shown = shown
        self._times: dict[str, array[float]] = {}
        self._values: dict[str, array[float] | list[str]] = {}
        self.start_ns = 0
        self._began = False

    def take(self, signals: Iterable[v.Signal]) -> None:
        for signal in signals:
            if not self._began:
                self.start_ns, self._began = signal.at_ns, True
            if signal.name not in self._shown:
                continue
            if signal.name not in self._times:
                self._times[signal.name] = array("d")
                self._values[signal.name] = list[str]() if v.VOCABULARY[signal.name].states else array("d")
            self._times[signal.name].append((signal.at_ns - self.start_ns) / 1e9)
            self._values[signal.name].append(signal.value)  # type: ignore[arg-type]

    def told(self, gap_s: Mapping[str, float]) -> list[Told]:
        """In the order of the vocabulary, each in the order of time, whatever the log's clock did."""
        return [self._one(name, gap_s.get(name, TOO_LONG_S)) for name in v.VOCABULARY if name in self._times]

    def _one(self, name: str, gap_s: float) -> Told:
        times, values = self._times[name], self._values[name]
        order = sorted(range(len(times)), key=times.__getitem__)
        spread = (max(times) - min(times)) / len(times)
        ordered: list[float | str] = [values[index] for index in order]
        return Told(name, array("d", [times[index] for index in order]), ordered, max(gap_s, SLACK * spread))


def gaps(car: CarModel) -> dict[str, float]:
    """Seconds of silence after which a signal of this car is not believed any more, by name."""
    silent = {message.name: message.silence_ms / 1000 for message in car.messages}
    asked = {poll.message: 3 * max(poll.every_s.values(), default=0.0) for poll in car.polls}
    polled = {name: max(seconds, TOO_LONG_S) for name, seconds in asked.items()}
    return {entry.name: (polled | silent)[entry.message] for entry in car.signals}


def _drawn(told: Iterable[Told]) -> tuple[list[tuple[str, list[curves.Curve]]], list[curves.Row]]:
    """Panels of curves, and rows of bands."""
    numbers = [(unit_of(it.name), curves.curve(it)) for it in told if not v.VOCABULARY[it.name].states]
    rows = [curves.row(it) for it in told if v.VOCABULARY[it.name].states]
    return curves.panels(numbers), sorted(rows, key=_place)


def _place(row: curves.Row) -> tuple[bool, int]:
    """Ignition, plug and charge first, doors last."""
    return row.name in v.DOORS, STATES.index(row.name) if row.name in STATES else 2

