"""`boitier buffer show|export|erase|inventory`: what the car holds of people, handed out or erased, without a network.

What is not here: the way to the records (`reach.py`), what a step of erasing does (`agent/sync/holdings.py`), and
files that were set aside (`salvage.py`).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import click

from .reach import NotReached, Reach, asked
from .salvage import salvage

BACK_S: Final = 10.0  # the unit starts again after a second; a slow card may take a while
MIB: Final = 1 << 20
EXITS: Final = "Exit codes: 0 done, 1 refused or nothing there, 2 wrong use."

as_json = click.option("--json", "as_json", is_flag=True, help="One JSON object for machines.")
of_booking = click.option("--booking", type=click.IntRange(1, 2**53 - 1), help="The booking's number.")


@click.group(epilog=EXITS)
@click.option("--config", type=click.Path(path_type=Path), default=None, help="Settings file: socket and state folder.")
@click.option(
    "--socket", type=click.Path(readable=False, path_type=Path), default=None, help="Control socket of the daemon."
)
@click.pass_context
def buffer(ctx: click.Context, config: Path | None, socket: Path | None) -> None:
    """What this car holds of people: look, hand out, erase. It needs no network.

    Asks the running daemon; where none runs, it opens the records itself.

    \b
    A driver asks what is held of a booking:     boitier buffer export --booking 4711 --out 4711.json
    A driver asks for positions to be erased:    boitier buffer erase --booking 4711
    The car is sold or goes back:                boitier buffer erase --all --yes
    """
    ctx.obj = Reach(config, socket)


buffer.add_command(salvage)


@buffer.command(epilog=EXITS)
@as_json
@click.pass_obj
def show(reach: Reach, as_json: bool) -> None:
    """How much is held, how old it is, how much waits for the backend. No content."""
    found = asked(reach, {"do": "show"})
    if as_json:
        click.echo(json.dumps(found))
        return
    click.echo(f"{found['file']}: {found['bytes'] / MIB:.1f} MiB with all that lies beside it")
    for name, what in (("facts", "facts"), ("samples", "runs of samples")):
        part = found[name]
        ages = f"the oldest since {day(part['oldest_ms'])}" if part["oldest_ms"] else "none that ages has a date"
        click.echo(
            f"{part['rows']:>8} {what}, {part['bytes'] / 1024:.0f} KiB; {part['waiting']} wait for the backend;"
            f" {part['positions']} with positions; {ages}"
        )
        if part["aside"]:
            click.echo(f"{part['aside']:>8} of them read no more, here or for the backend, and are kept for salvage")
    if found["samples"]["unsealed"]:
        click.echo(f"{found['samples']['unsealed']:>8} samples not sealed yet")
    click.echo(f"{len(found['vault']):>8} kinds of small values: {', '.join(found['vault'])}")
    for name in found["set_aside"]:
        click.echo(f"         {name}: set aside after a mishap, see `salvage`; `erase --all` takes it away")
    if found["gone"]:
        click.echo("gone since the start: " + ", ".join(f"{count} {name}" for name, count in found["gone"].items()))


@buffer.command(epilog=EXITS)
@of_booking
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), default=None, help="A new file; without: here.")
@click.pass_obj
def export(reach: Reach, booking: int | None, out: Path | None) -> None:
    """Everything the car holds of one booking, as JSON: facts, samples with names and units, small values.

    Numbers and ids only: the car knows no names. Times are ms; `wall` is [earliest, latest] since 1970.
    """
    if booking is None:
        raise click.UsageError("say which: --booking N")
    told: dict[str, Any] = {"booking": booking, "facts": [], "samples": []}
    after: list[int] | None = [0, 0]
    while after is not None:
        page = asked(reach, {"do": "export", "booking": booking, "after": after})
        for name in ("facts", "samples"):
            told[name] += page[name]
        told |= {"vault": page["vault"]} if "vault" in page else {}
        after = page["next"]
    text = json.dumps(told, indent=1, ensure_ascii=False)
    if out is None:
        click.echo(text)
    else:
        written(out, text)
        click.echo(f"{out}: {len(told['facts'])} facts, {len(told['samples'])} runs of samples")
    if not (told["facts"] or told["samples"] or told["vault"]):
        click.echo(f"Nothing is held of booking {booking}.", err=True)
        sys.exit(1)


@buffer.command(epilog=EXITS)
@of_booking
@click.option("--all", "everything", is_flag=True, help="All of it: the car is sold or goes back. Needs --yes.")
@click.option(
    "--lose-unsent", is_flag=True, help="With --all: although bills wait for the backend, or may in a file set aside."
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@as_json
@click.pass_obj
def erase(
    reach: Reach, booking: int | None, everything: bool, lose_unsent: bool, yes: bool, as_json: bool
) -> None:
    """Erase the positions and samples of one booking, or with --all everything of people.

    What bills, or says who had the car, stays until the backend has it, and goes some days after. --all takes records,
    positions, stored bookings, small values and the vehicle's own key away for good and starts afresh; the operator's
    keys and the settings stay.
    """
    if (booking is None) is not everything:
        raise click.UsageError("say either --booking N or --all")
    if everything:
        if not yes:
            raise click.UsageError("--all cannot be undone: add --yes")
        _erase_all(reach, lose_unsent, as_json)
        return
    if not yes:
        click.confirm(f"Erase the positions and samples of booking {booking} in this car?", abort=True)
    step: dict[str, Any] = {"more": True}
    gone = {"positions": 0, "samples": 0}
    while step["more"]:
        step = asked(reach, {"do": "erase", "booking": booking})
        gone = {name: count + step[name] for name, count in gone.items()}
    told = {"booking": booking, **gone, "left": step["left"], "under_way": step["under_way"] == booking}
    click.echo(json.dumps(told) if as_json else _said(told))


@buffer.command(epilog=EXITS)
@as_json
def inventory(as_json: bool) -> None:
    """Every data point a box writes: purpose, how long it stays, who gets it, whether it is about a person.

    The same as docs/data-inventory.md; asks no daemon and opens no file.
    """
    from ..car.sampler import COLUMNS
    from ..sync.inventory import machine, points

    listed = points(COLUMNS)
    if as_json:
        click.echo(json.dumps(machine(listed), ensure_ascii=False))
        return
    for point in listed:
        about = "about a person" if point.personal else "about nobody"
        click.echo(f"{point.where}: {point.key}: {point.what}")
        click.echo(f"    purpose: {point.purpose}; {about}; kept: {point.retention}; who gets it: {point.recipient}")


def _said(told: Mapping[str, Any]) -> str:
    left, what = told["left"], f"{told['positions']} positions and {told['samples']} runs of samples"
    lines = [f"Erased: {what} of booking {told['booking']}."]
    if left["facts"]:
        waiting = f"{left['waiting']} of them wait for the backend" if left["waiting"] else "the backend has them all"
        lines.append(f"{left['facts']} facts that bill or say who had the car stay ({waiting}); they hold no position.")
    if told["under_way"]:
        lines.append("The booking is under way: what comes from now on is kept as the policy says.")
    return "\n".join(lines)


def _erase_all(reach: Reach, lose_unsent: bool, as_json: bool) -> None:
    before = asked(reach, {"do": "show"})["streams"]
    done = asked(reach, {"do": "erase_all", "lose_unsent": lose_unsent})
    if done["erasing"] and not _afresh(reach, before):
        click.echo("boitier is stopping and erases everything as its last act, but nothing new is there yet.", err=True)
        click.echo("Look again: boitier buffer show, and journalctl -u boitier", err=True)
        sys.exit(1)
    text = "Erased: records, positions, stored bookings and small values. Keys, settings and the clock's floor stay."
    click.echo(json.dumps({"erased": True}) if as_json else text)


def _afresh(reach: Reach, before: Mapping[str, str]) -> bool:
    """Whether records with other stream ids are there: from the daemon started again, or from the file it left."""
    import asyncio

    from drivers.clock import SystemClock

    clock = SystemClock()
    daemon = replace(reach, only_daemon=True)  # our own hands on the file would stand in the way of its start
    deadline_ns = clock.now().ns + BACK_S * 1e9
    while True:
        late = clock.now().ns > deadline_ns
        try:
            if (reach if late else daemon).ask({"do": "show"})["streams"] != before:
                return True
        except (NotReached, ValueError):
            pass
        if late:
            return False
        asyncio.run(clock.sleep(0.2))


def written(out: Path, text: str) -> None:
    """For the one who asked, and nobody else: mode 0600, never over another file."""
    import os

    try:
        descriptor = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except OSError as error:
        click.echo(f"{out}: {error.strerror}", err=True)
        sys.exit(1)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text + "\n")


def day(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d")
