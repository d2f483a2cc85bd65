"""`boitier car list|check|decode` and the doors to `show` and `plot`: the cars as data, recordings read with them.

Nothing here touches a bus. What a recording looks like to people is in `live.py` and `plot.py`, a car in `show.py`.
"""

from __future__ import annotations

import json
from pathlib import Path

import click

from config import car as cars
from config.errors import ConfigError

from .names import EVERYTHING, pick_or_explain

as_json = click.option("--json", "as_json", is_flag=True, help="One JSON object a line, for machines.")
of_car = click.option("--car", "model", required=True, help="A model's name, or the path of a car's folder.")
of_bus = click.option("--bus", default="", help="One channel of a log of several, as the log names it (can0).")
which = click.option(
    "--signals", "patterns", default=EVERYTHING, metavar="ENDS", show_default=False,
    help="Ends of names, comma-separated, * for anything: speed,*temp*,door.*; without: all that the car tells.",
)  # fmt: skip


@click.group()
def car() -> None:
    """Car models, and recordings read with them."""


@car.command("list")
@as_json
def list_(as_json: bool) -> None:
    """The cars that come with the product, and what each folder is for where that is not a car that drivers rent.

    Example:  boitier car list --json
    """
    from .show import PURPOSES

    for name in cars.models():
        model = load(name)
        if as_json:
            keys = {"model": name, "name": model.title, "years": model.years, "purpose": str(model.purpose)}
            click.echo(json.dumps(keys, ensure_ascii=False))
        else:
            purpose = "" if model.purpose is cars.Purpose.SHARED else f" [{PURPOSES[model.purpose]}]"
            click.echo(f"{name:<14} {model.years:<10} {model.title}{purpose}")


@car.command()
@click.argument("model")
@as_json
def show(model: str, as_json: bool) -> None:
    """What a car gives, how often in each phase, how sure we are and why; what it lacks.

    MODEL: a name of `boitier car list`, or the path of a car's folder. With --json the first line is the car, each
    further line a signal.

    Example:  boitier car show kangoo-ze
    """
    from .show import say

    say(load(model), as_json)


@car.command()
@click.argument("model")
@as_json
def check(model: str, as_json: bool) -> None:
    """Does the folder of a car fit together, and do its recordings say so? Exit 1 with every finding, each with file.

    An unknown car is wrong use: exit 2.
    """
    from .car_recording import Compared, compare

    folder = _find(model)
    in_folder = cars.check(folder)
    found = Compared(list(in_folder)) if in_folder else compare(cars.load(folder))
    problems = found.problems
    for problem in problems:
        keys = {"file": problem.file, "key": problem.key, "problem": problem.problem, "hint": problem.hint}
        click.echo(json.dumps(keys, ensure_ascii=False) if as_json else str(problem))
    if problems:
        raise SystemExit(1)
    if not as_json:
        count = found.recordings
        compared = f"{count or 'no'} recording{'s' if count > 1 else ''} compared"
        elsewhere = f", {found.elsewhere} not here" if found.elsewhere else ""
        click.echo(f"{model}: everything fits together; {compared}{elsewhere}")


@car.command()
@of_car
@of_bus
@click.argument("log", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@as_json
@which
@click.option(
    "--speed", type=click.FloatRange(0, min_open=True), metavar="X",
    help="Watch it at X times its own pace (1: as it was), holes over a minute skipped; without: as fast as possible.",
)  # fmt: skip
def decode(model: str, bus: str, log: Path, as_json: bool, patterns: str, speed: float | None) -> None:
    """Every value in a recording, at the recording's own time; "not available" is never a value.

    On a terminal a table that updates in place: each signal's last value, its age in the log's own time, how often it
    came, its extremes. Into a pipe or file: one row a value. With --json: one JSON object a value (t, signal, value,
    unit). Diagnostic answers count where the recording has their questions. Counters stand at the end; exit 1 when a
    part of the log could not be read. Ctrl-C ends it early.

    \b
    Examples:
      boitier car decode drive.log --car zoe-ph1 --speed 1
      boitier car decode drive.log --car zoe-ph1 --signals 'speed,stateofcharge.*' --json
    """
    from .decoding import decode as run
    from .live import View

    car = load(model)
    wanted = pick_or_explain([entry.name for entry in car.signals], patterns, model)
    if not run(car, log, bus, View(f"{log.name}, {car.title}", as_json, frozenset(wanted), speed or 0.0)):
        raise SystemExit(1)


@car.command()
@of_car
@of_bus
@click.argument("log", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@which
@click.option(
    "-o", "--out", type=click.Path(dir_okay=False, path_type=Path), default=None, metavar="FILE",
    help="The page to write; without: the log's name with .html, here.",
)  # fmt: skip
def plot(model: str, bus: str, log: Path, patterns: str, out: Path | None) -> None:
    """One HTML page with the curves of a recording, to open from the disk, mail or print: it needs nothing else.

    Numbers stand in panels by unit; ignition, plug, charge, lock and doors as bands above them. Drag to zoom, point to
    read values and times. Long curves are thinned so that no peak is lost. Exit 1 when a part could not be read.

    Example:  boitier car plot drive.log --car zoe-ph1 --signals 'speed,range,*volt*' -o drive.html
    """
    from .plot import plot as write

    car = load(model)
    wanted = pick_or_explain([entry.name for entry in car.signals], patterns, model)
    if not write(car, log, bus, wanted, out or Path(f"{log.name.split('.')[0]}.html")):
        raise SystemExit(1)


def _find(model: str) -> Path:
    """A car that is not known is wrong use, in every command."""
    try:
        return cars.find(model)
    except ConfigError as error:
        raise click.UsageError(str(error)) from error


def load(model: str) -> cars.CarModel:
    """A folder that does not fit together is wrong use on the command line, with every problem in the text."""
    folder = _find(model)
    try:
        return cars.load(folder)
    except ConfigError as error:
        raise click.UsageError(str(error)) from error
