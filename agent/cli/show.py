"""What `boitier car show` says of a car: what it gives, how often in each phase, how sure we are, and what it lacks.

What is not here: whether the folder fits together (`config/car_check.py`) and how it is read.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import click

from config import vocabulary as v
from config.car import PROMPT, CarModel, Phase, Purpose, SignalMap
from config.car_file import CarFile
from config.car_file import read as read_file

from .names import short, unit_of

if TYPE_CHECKING:
    from rich.console import RenderableType

SURE: Final = {
    "A": "decoded on a real recording of that car",
    "B": "two independent sources",
    "C": "one source",
    "D": "inferred or disputed",
}
PURPOSES: Final = {
    Purpose.SHARED: "a car that drivers rent",
    Purpose.RECORDINGS: "for reading recordings, not for a shared car",
    Purpose.LEAD: "a lead to be tried on a car, proven by nobody",
}
PHASES: Final = (Phase.AWAKE, Phase.DRIVING, Phase.CHARGING)
"""A parked car is left out: it sleeps, says nothing and is asked nothing."""

THEMES: Final = (
    ("Charging", ("Vehicle.Powertrain.TractionBattery.Charging.",)),
    ("Charge and range", (
        "Vehicle.Powertrain.TractionBattery.StateOf", "Vehicle.Powertrain.TractionBattery.Range",
        "Vehicle.Powertrain.AverageConsumption",
    )),
    ("The battery itself", ("Vehicle.Powertrain.TractionBattery.",)),
    ("Doors and lock", ("Vehicle.Cabin.Door.", "Vehicle.Cabin.IsLocked", "Vehicle.Body.")),
    ("Ignition and 12 V", ("Vehicle.LowVoltage",)),
    ("Tyres", ("Vehicle.Chassis.Axle.",)),
    ("Around it", ("Vehicle.Exterior.", "Vehicle.Cabin.HVAC.")),
    ("Who and when", ("Vehicle.VehicleIdentification.", "Vehicle.Minute", "Vehicle.CurrentLocation.")),
    ("Driving", ("Vehicle.",)),
)  # fmt: skip
SHOWN_ORDER: Final = (
    "Charge and range", "Charging", "Driving", "Doors and lock", "Ignition and 12 V", "The battery itself", "Tyres",
    "Around it", "Who and when",
)  # fmt: skip
WANTED: Final = {
    "state of charge": (v.SOC, v.SOC_FINE), "energy": (v.ENERGY,), "range": (v.RANGE,), "health": (v.SOH,),
    "plugged": (v.PLUGGED,), "charging": (v.CHARGING, v.CHARGE_STATUS), "odometer": (v.ODOMETER,), "speed": (v.SPEED,),
    "ignition": (v.IGNITION,), "doors": v.DOORS, "lock state": (v.LOCKED,), "12 V": (v.VOLTAGE_12V,),
    "battery temperature": (v.BATTERY_TEMPERATURE, v.BATTERY_TEMPERATURE_MAX),
    "battery voltage": (v.BATTERY_VOLTAGE,), "battery current": (v.BATTERY_CURRENT,),
    "outside temperature": (v.OUTSIDE_TEMPERATURE,), "whether it is our car (VIN)": (v.VIN, v.VIN_TAIL),
}  # fmt: skip
"""What an operator asks of a car, with the names that answer it: one of them is enough."""
WIDE: Final = 130
NAME: Final = 44  # columns of the longest useful name; on a narrow screen what the other columns take


@dataclass(frozen=True, slots=True)
class Given:
    """One thing the car tells. every_s: by phase, 0 for "at every change"; without a phase: not then."""

    map: SignalMap
    where: str
    polled: bool
    every_s: dict[Phase, float]

    @property
    def unit(self) -> str:
        return v.VOCABULARY[self.map.name].unit


def given(car: CarModel) -> Iterator[Given]:
    """Everything mapped, in the order of the vocabulary. A car cannot tell more often than it sends."""
    heard = {message.name: message for message in car.messages}
    asked = {poll.message: poll for poll in car.polls}
    for entry in sorted(car.signals, key=lambda entry: list(v.VOCABULARY).index(entry.name)):
        if (message := heard.get(entry.message)) is not None:
            prompt = entry.name in PROMPT
            rates = {it: max(message.interval_ms[it], message.period_ms) / 1000 for it in PHASES}
            where = f"{message.can_id:03X} every {message.period_ms} ms"
            yield Given(entry, where, False, dict.fromkeys(PHASES, 0.0) if prompt else rates)
        elif (poll := asked.get(entry.message)) is not None:
            where = f"asked of {poll.request_id:03X}, {poll.payload.hex().upper()}"
            yield Given(entry, where, True, {it: poll.every_s[it] for it in PHASES if it in poll.every_s})


def lacks(car: CarModel) -> list[str]:
    """What an operator asks and this car does not answer, not even computed."""
    told = {entry.name for entry in car.signals} | ({v.RANGE} if car.computed_range else set())
    return [what for what, names in WANTED.items() if not told & set(names)]


def theme_of(name: str) -> str:
    return next(title for title, starts in THEMES if name.startswith(starts))


def as_lines(car: CarModel) -> Iterator[str]:
    """JSON: first the car, then one line a signal."""
    file, lock = read_file(car.folder), car.mapped(v.LOCKED)
    head: dict[str, object] = {
        "model": car.model, "name": car.title, "years": car.years, "purpose": str(car.purpose), "bus": file.car.bus,
        "bitrate": car.bitrate, "lacks": lacks(car), "computed": ["range"] if car.computed_range else [],
        "polls_per_s": {str(it): round(car.questions_per_s(it), 3) for it in PHASES},
        "lock": {"drivers": list(file.lock.drivers), "read_back": lock.confidence if lock else None},
    }  # fmt: skip
    yield json.dumps(head, ensure_ascii=False)
    for it in given(car):
        keys = {
            "signal": it.map.name, "unit": it.unit, "where": it.where, "field": f"{it.map.message}.{it.map.field}",
            "asked": it.polled, "every_s": {str(phase): it.every_s.get(phase) for phase in PHASES},
            "confidence": it.map.confidence, "source": it.map.source,
        }  # fmt: skip
        yield json.dumps(keys, ensure_ascii=False)


def show(car: CarModel) -> None:
    """For people."""
    from rich.console import Console

    console = Console(width=None if sys.stdout.isatty() else 200, highlight=False)
    everything = list(given(car))
    for line in heading(car, read_file(car.folder), everything):
        console.print(line, soft_wrap=True)
    for title in SHOWN_ORDER:
        told = [it for it in everything if theme_of(it.map.name) == title]
        if told:
            console.print()
            console.print(_table(title, told, console.width))
    console.print()
    for line in footing(car, everything):
        console.print(line, soft_wrap=True)


def heading(car: CarModel, file: CarFile, told: list[Given]) -> Iterator[str]:
    """What is to be known before the single signals."""
    yield f"{car.title}\n{car.years}; {file.car.bus}, {car.bitrate // 1000} kbit/s"
    yield PURPOSES[car.purpose]
    lock = next((it for it in told if it.map.name == v.LOCKED), None)
    back = f"{lock.map.confidence}{', by asking' if lock.polled else ''}" if lock else "no signal"
    yield f"lock by {', '.join(file.lock.drivers)}; read back: {back}"
    if car.polls:
        rates = ", ".join(f"{phase} {car.questions_per_s(phase):.2g}" for phase in PHASES)
        yield f"questions: {len(car.polls)}; a second: {rates}, parked none"
    else:
        yield "questions: none, it tells by itself"
    if car.computed_range is not None:
        wanted = car.computed_range
        yield (
            f"range is computed, not told: energy over the mean of {wanted.over_km:g} km"
            f" ({wanted.kwh_per_100km:g} kWh/100 km until then)"
        )


def footing(car: CarModel, told: list[Given]) -> Iterator[str]:
    yield f"lacks: {', '.join(lacks(car)) or 'nothing that an operator asks'}"
    counts = {letter: sum(it.map.confidence == letter for it in told) for letter in SURE}
    sure = [f"{letter} {SURE[letter]} ({count})" for letter, count in counts.items() if count]
    yield f"sure: {'; '.join(sure)}"
    yield "how often: the wanted seconds between two values; change: at once when it changes; a parked car sleeps"


def _table(title: str, told: list[Given], width: int) -> RenderableType:
    """On a narrow screen the source stands under the name."""
    from rich.table import Table
    from rich.text import Text

    wide = width >= WIDE
    table = Table(title=title, title_justify="left", title_style="bold", box=None, padding=(0, 1, 0, 0))
    table.add_column("sure", width=4)
    table.add_column("signal", min_width=NAME if wide else None, no_wrap=wide)
    for column in ("unit", *PHASES):
        table.add_column(str(column), no_wrap=True, min_width=8)
    if wide:
        table.add_column("where", no_wrap=True, min_width=26)
        table.add_column("source", overflow="fold", style="dim")
    for it in told:
        name = Text(short(it.map.name, NAME if wide else max(width - NAME, 24)))
        more = (it.where, it.map.source) if wide else ()
        if not wide:
            name.append(f"\n  {it.where}; {it.map.source}", style="dim")
        table.add_row(it.map.confidence, name, unit_of(it.map.name), *(_rate(it, phase) for phase in PHASES), *more)
    return table


def _rate(it: Given, phase: Phase) -> str:
    every_s = it.every_s.get(phase)
    if every_s is None:
        return "-"
    return f"{every_s:g} s" if every_s else "change"


def say(car: CarModel, as_json: bool) -> None:
    if as_json:
        for line in as_lines(car):
            click.echo(line)
    else:
        show(car)
