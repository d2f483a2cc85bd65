"""`boitier check`: a technician's list of what is there, what is missing and what to do about it.

What is not here: the checks themselves (`checks.py`), and the five lock cycles, which the daemon runs.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import click

from .asking import DEFAULT_CONFIG, answer_of
from .checks import Check, examine

CYCLES_PATIENCE_S = 120.0  # ten movements, each waiting for its read-back


@click.group(invoke_without_command=True, epilog="Exit codes: 0 all green, 1 something is red, 2 wrong use.")
@click.option(
    "--config", type=click.Path(path_type=Path), default=DEFAULT_CONFIG, show_default=True, help="Settings to check."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object for machines.")
@click.pass_context
def check(ctx: click.Context, config: Path, as_json: bool) -> None:
    """Settings, car folder, devices, keys, backend: green or red, and what to do.

    Moves nothing and needs no running daemon. `boitier check lock` proves the car's lock signal and does move the lock.
    """
    ctx.obj = config
    if ctx.invoked_subcommand is None:
        report(examine(config), as_json)


@check.command(epilog="Exit codes: 0 proven, 1 not proven, 2 wrong use.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object for machines.")
@click.option(
    "--socket", type=click.Path(readable=False, path_type=Path), default=None, help="Control socket of the daemon."
)
@click.pass_obj
def lock(config: Path, socket: Path | None, as_json: bool) -> None:
    """Lock and unlock five times and read the car's own signal back each time.

    Only then does "done" mean that the car said so; before, outcomes are "unknown". Stand beside the car: it MOVES the
    lock and leaves the car locked. Refused while a booking is open or the ignition is on.
    """
    chosen = config if config != DEFAULT_CONFIG or config.is_file() else None
    found = answer_of("prove_lock", chosen, socket, CYCLES_PATIENCE_S)
    if as_json:
        click.echo(json.dumps(found, ensure_ascii=False))
    elif found["proven"]:
        click.secho(f"Proven: {found['cycles']} cycles, {found['why']}.", fg="green")
    else:
        click.secho(f"Not proven after {found['cycles']} good cycles: {found['why']}.", fg="red")
        click.echo("Outcomes stay `unknown`; the car opens all the same.")
    sys.exit(0 if found["proven"] else 1)


def report(checks: Sequence[Check], as_json: bool) -> None:
    """Print and exit."""
    good = all(entry.good for entry in checks)
    if as_json:
        click.echo(json.dumps({"good": good, "checks": [asdict(entry) for entry in checks]}, ensure_ascii=False))
        sys.exit(0 if good else 1)
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, padding=(0, 2))
    for heading in ("", "what", "found", "what to do"):
        table.add_column(heading, overflow="fold")
    for entry in checks:
        mark = Text("ok", style="green") if entry.good else Text("NO", style="bold red")
        table.add_row(mark, entry.what, Text(entry.found), Text(entry.todo))
    Console(soft_wrap=False, width=None if sys.stdout.isatty() else 200).print(table)
    sys.exit(0 if good else 1)
