"""What `boitier car decode` writes: values on standard output; progress, what was left out and the counts beside it.

What does not live here: reading and decoding (`drivers/can/playback.py`).
"""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Final

import click

from config.car import CarModel
from config.vocabulary import UNSHOWN, VOCABULARY, Signal
from drivers.can.playback import Playback
from drivers.can.recording import Recording, RecordingError

from . import live
from .names import text_of

LINES: Final = 2_000
"""Written together: one write a line costs more than decoding it."""

FEW: Final = 20
"""One value in so many frames is few: each car here gives at least ten times as many from a log of its own."""


def decode(car: CarModel, log: Path, bus: str, view: live.View) -> bool:
    """Whether the whole log was read, and nothing left out of it. Ctrl-C ends it early, and keeps what was shown."""
    playback = Playback(car, log, bus)
    recording = playback.recording
    trouble: list[str] = []
    wanted = frozenset(view.wanted) - UNSHOWN
    signals = (signal for signal in _until(trouble, playback.signals()) if signal.name in wanted)
    try:
        if live.is_screen() and not view.as_json:
            size = max(log.stat().st_size, 1)
            live.in_place(signals, view, lambda: recording.read() / size)
        else:
            with _progress(recording, log) as show:
                _lines(signals, view, show)
    except KeyboardInterrupt:
        click.echo("stopped", err=True)
    if bus and recording.seen == recording.other_bus and not trouble:
        has = ", ".join(sorted(recording.channels)) or "no frame at all"
        trouble.append(f"{log}: no frame on bus {bus}; it has {has}")
    for line in (*(f"error: {text}" for text in trouble), *_remarks(playback, car, log)):
        click.echo(line, err=True)
    return not trouble and not recording.left_out


def _lines(signals: Iterator[Signal], view: live.View, show: Callable[[], None]) -> None:
    form, together = _Json().line if view.as_json else _row, LINES
    if view.speed:
        signals, together = live.paced(signals, view.speed), 1
    while lines := [form(signal) for signal in islice(signals, together)]:
        sys.stdout.write("".join(lines))
        if together == 1:
            sys.stdout.flush()
        show()
    sys.stdout.flush()


def _until(trouble: list[str], signals: Iterator[Signal]) -> Iterator[Signal]:
    """What was read before a log breaks off is worth having; why it ended goes to `trouble`."""
    try:
        yield from signals
    except RecordingError as error:
        trouble.append(str(error))


def _remarks(playback: Playback, car: CarModel, log: Path) -> Iterator[str]:
    """The first lines that were left out, values outside their ranges, and the counts."""
    for number, text in playback.recording.bad[:5]:
        yield f"{log}: line {number} left out: {text}"
    for name, count in sorted(playback.outside().items()):
        entry = car.mapped(name)
        if entry is not None:
            bounds = "no text" if entry.text else f"outside of {entry.low:g} to {entry.high:g} {VOCABULARY[name].unit}"
            yield f"{name}: {count} times {bounds.rstrip()}, left out ({entry.message}.{entry.field})"
    counted = playback.counters()
    yield _counted(counted)
    if counted["foreign"] * 2 > counted["frames"] and counted["values"] * FEW < counted["frames"]:
        yield (
            f"hint: {counted['foreign']} of {counted['frames']} frames are not known to {car.folder.name}: is the log "
            "another car's (`boitier car list`), or of another of its buses?"
        )


def _counted(counters: dict[str, int]) -> str:
    """Frames, values, and whatever else is not nought."""
    always = ("frames", "values")
    return ", ".join(f"{name} {count}" for name, count in counters.items() if count or name in always)


@contextlib.contextmanager
def _progress(recording: Recording, log: Path) -> Iterator[Callable[[], None]]:
    """A bar of bytes read, where somebody looks at standard error and the values go elsewhere."""
    if not sys.stderr.isatty() or sys.stdout.isatty():
        yield lambda: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, redirect_stdout=False, redirect_stderr=False, transient=True) as bar:
        task = bar.add_task(log.name, total=log.stat().st_size)
        yield lambda: bar.update(task, completed=recording.read())


class _Json:
    """One JSON object a line; what is the same for every value of a name is written once."""

    def __init__(self) -> None:
        self._around: dict[str, tuple[str, str]] = {}

    def line(self, signal: Signal) -> str:
        around = self._around.get(signal.name)
        if around is None:
            unit = json.dumps(VOCABULARY[signal.name].unit, ensure_ascii=False)
            around = self._around[signal.name] = f'"signal": "{signal.name}", "value": ', f', "unit": {unit}}}\n'
        value = signal.value
        told = value if isinstance(value, float) else json.dumps(value, ensure_ascii=False)
        return f'{{"t": {signal.at_ns / 1e9}, {around[0]}{told}{around[1]}'


def _row(signal: Signal) -> str:
    return f"{signal.at_ns / 1e9:14.6f}  {signal.name:<66} {text_of(signal.value):>12} {signal.unit}\n"
