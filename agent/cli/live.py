"""How `boitier car decode` shows a stream of signals on a terminal: a table that updates in place, at any pace.

What is not here: rows and JSON lines, and where the signals come from (`decoding.py`).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from config.vocabulary import VOCABULARY, Signal

from .names import short, text_of, unit_of

if TYPE_CHECKING:
    from rich.table import Table

REFRESH_NS: Final = 250_000_000
HEADINGS: Final = ("value", "unit", "age", "count", "min", "max")
LOOK_EVERY: Final = 200  # values between two looks at the clock: as fast as possible means not asking the time
OLD_NS: Final = 10_000_000_000  # values older than this, in log time, are shown pale
JUMP_NS: Final = 60_000_000_000
"""A longer hole in the log is not waited for: it is the night between two drives, or a clock that was set."""


@dataclass(frozen=True, slots=True)
class View:
    """wanted: names to show. speed: times the log's own pace, 0 for as fast as possible. title: over the table."""

    title: str
    as_json: bool
    wanted: Collection[str]
    speed: float = 0.0


@dataclass(frozen=True, slots=True)
class Seen:
    """What is known of one signal so far. low and high stay `None` for states."""

    value: float | str
    at_ns: int
    count: int = 1
    low: float | None = None
    high: float | None = None

    def then(self, signal: Signal) -> Seen:
        return _seen(signal.value, signal.at_ns, self.count + 1, self.low, self.high)


class Picture:
    """Every signal's last value, count and extremes; the log's own time says how old each is."""

    def __init__(self) -> None:
        self.seen: dict[str, Seen] = {}
        self.first_ns = self.now_ns = 0
        self.values = 0

    def take(self, signal: Signal) -> None:
        if not self.values:
            self.first_ns = self.now_ns = signal.at_ns
        self.values += 1
        self.now_ns = max(self.now_ns, signal.at_ns)
        before = self.seen.get(signal.name)
        self.seen[signal.name] = before.then(signal) if before else _seen(signal.value, signal.at_ns, 1, None, None)

    def table(self, title: str, width: int, part: float = 1.0) -> Table:
        """width: columns of the terminal; names give way first. part: of the log, read so far."""
        from rich.table import Table

        elapsed = (self.now_ns - self.first_ns) / 1e9
        how_far = f"{elapsed:.1f} s of the log, {self.values} values of {len(self.seen)} signals"
        how_far += f", {part:.0%} read" if 0 < part < 1 else ""
        table = Table(title=f"{title}\n{how_far}", title_justify="left", box=None)
        table.padding = (0, 1, 0, 0)
        table.add_column("signal", no_wrap=True)
        for heading in HEADINGS:
            table.add_column(heading, justify="left" if heading == "unit" else "right", no_wrap=True)
        names = sorted(self.seen, key=list(VOCABULARY).index)
        rows = {name: self._cells(name) for name in names}
        columns = [*zip(HEADINGS, *rows.values(), strict=True)]
        room = max(width - sum(max(map(len, column)) + 1 for column in columns) - 1, 12)
        for name, cells in rows.items():
            old = self.now_ns - self.seen[name].at_ns > OLD_NS
            table.add_row(short(name, room), *cells, style="dim" if old else None)
        return table

    def _cells(self, name: str) -> tuple[str, ...]:
        seen = self.seen[name]
        bounds = ("" if bound is None else text_of(bound) for bound in (seen.low, seen.high))
        return (text_of(seen.value), unit_of(name), age(self.now_ns - seen.at_ns), str(seen.count), *bounds)


class Pace:
    """Holds a log back to a multiple of its own pace. now_ns: reads a clock; wait: waits for seconds."""

    def __init__(self, speed: float, now_ns: Callable[[], int], wait: Callable[[float], None]) -> None:
        self._speed, self._now_ns, self._wait = speed, now_ns, wait
        self._log_ns = self._began_ns = 0
        self._last_ns: int | None = None

    def until(self, at_ns: int) -> Iterator[int]:
        """The log's time on the way to `at_ns`, a few times a second, for as long as there is something to wait for."""
        if self._last_ns is None or not 0 <= at_ns - self._last_ns <= JUMP_NS:
            self._log_ns, self._began_ns = at_ns, self._now_ns()
        self._last_ns = at_ns
        while (left_ns := (at_ns - self._log_ns) / self._speed - (self._now_ns() - self._began_ns)) > 0:
            self._wait(min(left_ns, REFRESH_NS) / 1e9)
            reached_ns = self._log_ns + round((self._now_ns() - self._began_ns) * self._speed)
            yield min(reached_ns, at_ns)


def paced(signals: Iterable[Signal], speed: float) -> Iterator[Signal]:
    """Each at its time."""
    pace = _pace(speed)
    for signal in signals:
        for _ in pace.until(signal.at_ns):
            pass
        yield signal


def age(ns: int) -> str:
    seconds = ns / 1e9
    for unit, length in (("h", 3_600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.1f} s"


def _seen(value: float | str, at_ns: int, count: int, low: float | None, high: float | None) -> Seen:
    if isinstance(value, str):
        return Seen(value, at_ns, count)
    low, high = (value, value) if low is None or high is None else (min(low, value), max(high, value))
    return Seen(value, at_ns, count, low, high)


def in_place(signals: Iterable[Signal], view: View, part: Callable[[], float]) -> None:
    """part: how much of the log is read, from 0 to 1. Ends with the whole table, also when it was higher than the
    screen meanwhile.
    """
    from rich.console import Console
    from rich.live import Live

    console, picture, pace = Console(), Picture(), _pace(view.speed) if view.speed else None
    with Live(console=console, auto_refresh=False, vertical_overflow="ellipsis") as live:

        def draw() -> None:
            live.update(picture.table(view.title, console.width, part()), refresh=True)

        try:
            if pace is None:
                _fast(signals, picture, draw)
            else:
                for signal in signals:
                    for log_ns in pace.until(signal.at_ns):
                        picture.now_ns = max(picture.now_ns, log_ns)
                        draw()
                    picture.take(signal)
        finally:
            draw()


def _fast(signals: Iterable[Signal], picture: Picture, draw: Callable[[], None]) -> None:
    from drivers.clock import SystemClock

    clock = SystemClock()
    drawn_ns = clock.now().ns
    for signal in signals:
        picture.take(signal)
        if picture.values % LOOK_EVERY == 0 and (now_ns := clock.now().ns) - drawn_ns >= REFRESH_NS:
            draw()
            drawn_ns = now_ns


def _pace(speed: float) -> Pace:
    from drivers.clock import SystemClock, wait

    clock = SystemClock()
    return Pace(speed, lambda: clock.now().ns, wait)


def is_screen() -> bool:
    """A terminal on which a cursor moves: not a file, not a pipe, not Emacs' shell."""
    if not sys.stdout.isatty():
        return False
    from rich.console import Console

    return not Console().is_dumb_terminal
