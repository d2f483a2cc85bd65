"""`boitier car list|show|check|decode`: the cars as data, and recordings read with them. Nothing here touches a bus."""

from __future__ import annotations

import json
from pathlib import Path

import click

from config import car as cars
from config.errors import ConfigError
from config.vocabulary import LOCKED

PURPOSES = {
    cars.Purpose.SHARED: "",
    cars.Purpose.RECORDINGS: "for reading recordings, not for a shared car",
    cars.Purpose.LEAD: "a lead to be tried on a car, proven by nobody",
}
as_json = click.option("--json", "as_json", is_flag=True, help="One JSON object a line, for machines.")


@click.group()
def car() -> None:
    """Car models, and recordings read with them."""


@car.command("list")
@as_json
def list_(as_json: bool) -> None:
    """The cars that come with the product."""
    for name in cars.models():
        model = _load(name)
        if as_json:
            keys = {"model": name, "name": model.title, "years": model.years, "purpose": model.purpose.value}
            click.echo(json.dumps(keys, ensure_ascii=False))
        else:
            purpose = PURPOSES[model.purpose]
            click.echo(f"{name:<14} {model.years:<10} {model.title}{f' [{purpose}]' if purpose else ''}")


@car.command()
@click.argument("model")
@as_json
def show(model: str, as_json: bool) -> None:
    """What a car tells, where, and how sure we are."""
    found = _load(model)
    periods = {message.name: f"{message.can_id:03X} every {message.period_ms} ms" for message in found.messages}
    polled = {poll.message: f"asked every {min(poll.every_s.values()):g} s" for poll in found.polls}
    where = periods | polled
    if not as_json:
        click.echo("\n".join(_head(found)) + "\n")
    for entry in sorted(found.signals, key=lambda entry: entry.name):
        if as_json:
            keys = {"signal": entry.name, "where": where[entry.message], "field": f"{entry.message}.{entry.field}"}
            line = keys | {"confidence": entry.confidence, "source": entry.source}
            click.echo(json.dumps(line, ensure_ascii=False))
        else:
            click.echo(f"{entry.confidence}  {entry.name:<66} {where[entry.message]:<22} {entry.source}")


def _head(model: cars.CarModel) -> list[str]:
    """What is to be known before the single signals."""
    lines = [model.title, f"{model.years}, {model.bitrate // 1000} kbit/s"]
    if PURPOSES[model.purpose]:
        lines.append(PURPOSES[model.purpose])
    drivers = ", ".join(model.lock.drivers) if model.lock else "relay"
    told = model.mapped(LOCKED)
    asked = told is not None and any(poll.message == told.message for poll in model.polls)
    back = f"{told.confidence}{', by asking' if asked else ''}" if told is not None else "no signal"
    lines.append(f"lock by {drivers}; read back: {back}")
    if model.polls:
        phases = [phase for phase in cars.Phase if phase is not cars.Phase.PARKED]
        rates = ", ".join(f"{phase} {model.questions_per_s(phase):.2g}" for phase in phases)
        lines.append(f"questions: {len(model.polls)}; a second: {rates}, parked none")
    if model.computed_range is not None:
        told_range = model.computed_range
        lines.append(
            f"range is computed, not told: energy over the mean of {told_range.over_km:g} km"
            f" ({told_range.kwh_per_100km:g} kWh/100 km until then)"
        )
    return lines


@car.command()
@click.argument("model")
@as_json
def check(model: str, as_json: bool) -> None:
    """Does the folder of a car fit together, and do its recordings say so? Exit 1 with every finding, each with file.

    An unknown car is wrong use: exit 2.
    """
    from .car_recording import problems as in_recordings

    folder = _find(model)
    problems = cars.check(folder) or in_recordings(cars.load(folder))
    for problem in problems:
        keys = {"file": problem.file, "key": problem.key, "problem": problem.problem, "hint": problem.hint}
        click.echo(json.dumps(keys, ensure_ascii=False) if as_json else str(problem))
    if problems:
        raise SystemExit(1)
    if not as_json:
        click.echo(f"{model}: everything fits together")


@car.command()
@click.option("--car", "model", required=True, help="A model's name, or the path of a car's folder.")
@click.option("--bus", default="", help="One channel of a log of several, as the log names it (can0).")
@click.argument("log", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@as_json
def decode(model: str, bus: str, log: Path, as_json: bool) -> None:
    """Every value in a recording, at the recording's own time; "not available" is never a value.

    Diagnostic answers count where the recording has their questions.
    """
    from .decoding import decode as run

    if not run(_load(model), log, bus, as_json):
        raise SystemExit(1)


def _find(model: str) -> Path:
    """A car that is not known is wrong use, in every command."""
    try:
        return cars.find(model)
    except ConfigError as error:
        raise click.UsageError(str(error)) from error


def _load(model: str) -> cars.CarModel:
    folder = _find(model)
    try:
        return cars.load(folder)
    except ConfigError as error:
        raise click.UsageError(str(error)) from error
