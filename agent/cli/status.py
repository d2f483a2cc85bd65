"""`boitier status`: what the running daemon sees, in plain words. What it counts is in `agent/run/health.py`."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .asking import answer_of, reply_to
from .names import HIDDEN
from .watching import alarms, block, watch
from .words import LANGUAGES, Words, language_of

if TYPE_CHECKING:
    from rich.console import Console

Status = Mapping[str, Any]
PUT_OFF = 3  # failures in a row: by now it is asked eight times as seldom


@click.command(epilog="Exit codes: 0 all is well, 1 an alarm stands or the daemon does not answer, 2 wrong use.")
@click.option("--config", type=click.Path(path_type=Path), default=None, help="Settings file that names the socket.")
@click.option(
    "--socket", type=click.Path(readable=False, path_type=Path), default=None, help="Control socket of the daemon."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object for machines.")
@click.option(
    "--lang", "language", type=click.Choice(LANGUAGES), default=None,
    help="Language of the car's block; without: what LANG asks for, else English.",
)
@click.option("--watch", "watching", is_flag=True, help="The car's block and the alarms, every second until Ctrl-C.")
def status(config: Path | None, socket: Path | None, as_json: bool, language: str | None, watching: bool) -> None:
    """What the daemon sees: the car in plain words, then lock, clock, records, link and every part, then the alarms.

    Each sentence carries the age of what it says. A car that sleeps is silent: its last word stands when its ignition
    was off. "silent" means the message comes no more: its last word is shown, not believed. Neither a position nor a
    VIN is shown.

    \b
    Examples:
      boitier status --lang fr
      boitier status --watch
    """
    words = Words(language or language_of(os.environ))
    if watching:
        sys.exit(watch(lambda: reply_to("status", config, socket), words, as_json))
    found: Status = answer_of("status", config, socket)
    if as_json:
        click.echo(json.dumps(found, ensure_ascii=False))
    else:
        show(found, words)
    sys.exit(1 if found.get("alarms") else 0)


def show(found: Status, words: Words) -> None:
    from rich.console import Console

    console = Console(soft_wrap=not sys.stdout.isatty(), highlight=False)
    console.print(block(found, words))
    console.print(f"\n{words('details')}\n", style="dim")
    for title, rows in sections(found):
        _table(console, title, rows)
    _signals(console, [entry for entry in found.get("signals", []) if entry["name"] not in HIDDEN])
    console.print(alarms(found, words))


def sections(found: Status) -> list[tuple[str, list[tuple[str, str]]]]:
    """Title and lines, in the order in which somebody at the car asks."""
    door, clock, link = found.get("door", {}), found.get("clock", {}), found.get("link", {})
    records, can, gnss = found.get("records", {}), found.get("can", {}), found.get("gnss", {})
    return [
        ("Box", [
            ("vehicle", str(found.get("vehicle"))),
            ("car", str(found.get("car"))),
            ("running for", ago(found.get("uptime_s"))),
            ("settings", str(found.get("settings"))),
            ("vehicle key", signer(found.get("vehicle_key", {}))),
        ]),
        ("Door", [
            ("locked", yes(door.get("locked"))),
            ("lock signal proven", yes(door.get("lock_proven"), no="no (outcomes are unknown): boitier check lock")),
            ("booking under way", str(door.get("booking_kind") or "none")),
            ("bookings stored", str(door.get("bookings"))),
            ("taps, refused", f"{_count(door, 'badges')}, {_count(door, 'refused')}"),
        ]),
        ("Around", [
            ("CAN bus", bus(can)),
            ("questions to the car", questions(found)),
            ("12 V battery", supply(found.get("tending", {}).get("supply", {}))),
            ("lock", lock(found.get("lock", {}))),
            ("card supply, immobiliser", switches(found.get("switches", {}))),
            ("inputs", inputs(found.get("inputs", {}))),
            ("phones", phones(found.get("phones", {}))),
            ("satellite receiver", receiver(gnss)),
            ("clock", source(clock)),
        ]),
        ("Records", [
            ("database", "broken: facts wait in memory" if records.get("broken") else "whole"),
            ("waiting for the backend", f"{records.get('facts')} facts, {records.get('samples')} batches of samples"),
            ("link", connection(link)),
        ]),
        ("Parts", [(name, part(state)) for name, state in found.get("parts", {}).items()]),
    ]  # fmt: skip


def part(state: Mapping[str, Any]) -> str:
    words = str(state.get("state"))
    if state.get("restarts"):
        words += f", started again {state['restarts']} times"
    return words + (f" ({state['last_error']})" if state.get("last_error") else "")


def bus(can: Mapping[str, Any]) -> str:
    words = {"open": "open", "lost": "lost, tried again and again", "closed": "not started yet"}
    state = words.get(str(can.get("state")), str(can.get("state")))
    line = f"{can.get('channel')}: {state}" + (f" ({can['error']})" if can.get("error") else "")
    odd = can.get("controller") not in (None, "active")
    return line + (f"; the controller says {can['controller']}" if odd else "")


def questions(found: Status) -> str:
    """Whether the car is asked anything now, and if not, why."""
    polling, garage = found.get("polling", {}), found.get("garage", {})
    if garage.get("on"):
        return f"none: the garage switch is on for {ago(garage['left_s'])}"
    if polling.get("asks") is False:
        return "none: this car says by itself what it says"
    if polling.get("forbidden") == "supply":
        return "none: the 12 V battery is low"
    polls = polling.get("polls", {})
    put_off = [name for name, state in polls.items() if state.get("failures_in_a_row", 0) >= PUT_OFF]
    return f"{len(polls)} kinds, car {polling.get('phase')}" + (f"; put off: {', '.join(put_off)}" if put_off else "")


def signer(found: Mapping[str, Any]) -> str:
    """The public half, which the operator notes: receipts are judged by it."""
    return str(found.get("public") or f"none, no receipts are signed ({found.get('trouble') or 'unknown'})")


def supply(found: Mapping[str, Any]) -> str:
    if not found:
        return "not known yet"
    reference = found.get("reference_v")
    rests = f"rests at {reference:.2f} V" if reference is not None else f"still learning ({found['nights']} nights)"
    return f"{'LOW, ' if found.get('low') else ''}{rests}, low below {found['limit_v']:.2f} V"


def lock(found: Mapping[str, Any]) -> str:
    """What moves the lock, and what is known to be wrong with it."""
    kind = {"relay": "relay board", "diagnostic": "the car's own command"}.get(str(found.get("driver")), "unknown")
    return f"{kind}: {found['trouble']}" if found.get("trouble") else kind


def switches(found: Mapping[str, Any]) -> str:
    """Of what holds a state, whether the car has it, as it was told last."""
    if "error" in found:
        return str(found["error"])
    told = {None: "not told yet", True: "on", False: "taken away"}
    named = (f"{name.replace('_', ' ')} {it['trouble'] or told[it['on']]}" for name, it in found.items())
    return ", ".join(named) or "none fitted"


def inputs(found: Mapping[str, Any]) -> str:
    """Every contact that is fitted: whether it is active, or why that is not known."""
    if "error" in found:
        return str(found["error"])
    told = (f"{name} {it['trouble'] or yes(it['active'])}" for name, it in found.items())
    return ", ".join(told) or "none fitted"


def phones(found: Mapping[str, Any]) -> str:
    """Whether a phone can open the car now."""
    if not found or found.get("fitted") is False:
        return "no Bluetooth adapter in the settings: phones open nothing"
    if found.get("trouble"):
        return f"{found.get('adapter')} cannot be reached ({found['trouble']}): badges and codes work"
    links = found.get("links", 0)
    return f"{found.get('adapter')} answers" + (f", {links} in conversation" if links else "")


def receiver(gnss: Mapping[str, Any]) -> str:
    if gnss.get("fitted") is False:
        return "not fitted"
    if gnss.get("gpsd"):
        return "answers through gpsd" if gnss.get("plugged") else f"gpsd at {gnss['gpsd']} is absent, or has none"
    return "answers" if gnss.get("plugged") else "absent or silent"


def connection(link: Mapping[str, Any]) -> str:
    if link.get("connected"):
        return "connected"
    if link.get("configured") is False:
        return "no backend in the settings: records wait, the door works"
    trouble = f" ({link['trouble']})" if link.get("trouble") else ""
    return f"not connected{trouble}: records wait, the door works"


def source(clock: Mapping[str, Any]) -> str:
    """How well the box knows the time."""
    kind = clock.get("source")
    if clock.get("hi_s") is None:
        return "not known; drivers are let in by rule R18"
    width = clock["hi_s"] - clock["lo_s"]
    return f"known to {width:.1f} s, from {kind}"


def ago(seconds: float | None) -> str:
    if seconds is None:
        return "unknown"
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.1f} s"


def yes(value: bool | None, no: str = "no") -> str:
    return "unknown" if value is None else "yes" if value else no


def _count(door: Mapping[str, Any], name: str) -> str:
    return str(door.get("counters", {}).get(name, 0))


def _table(console: Console, title: str, rows: list[tuple[str, str]]) -> None:
    from rich.table import Table

    table = Table(title=title, title_justify="left", show_header=False, box=None, padding=(0, 2))
    for name, text in rows:
        table.add_row(name, text)
    console.print(table)
    console.print()


def _signals(console: Console, signals: list[Mapping[str, Any]]) -> None:
    from rich.table import Table

    table = Table(title="Car", title_justify="left", box=None, padding=(0, 2))
    for heading in ("signal", "value", "age", ""):
        table.add_column(heading)
    for entry in signals:
        value = f"{entry['value']} {entry['unit']}".strip()
        table.add_row(entry["name"], value, ago(entry["age_s"]), belief(entry))
    if signals:
        console.print(table)
    else:
        console.print("Car: nothing heard yet (a sleeping car is silent)")
    console.print()


def belief(entry: Mapping[str, Any]) -> str:
    return ", ".join(filter(None, ("" if entry["fresh"] else "silent", "computed" if entry.get("computed") else "")))
