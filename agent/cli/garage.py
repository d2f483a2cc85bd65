"""`boitier garage on|off`: the switch for the garage (R17). What it does is in `agent/car/garage.py`."""

from __future__ import annotations

import json
from pathlib import Path

import click

from .asking import answer_of
from .status import ago


@click.command(epilog="Exit codes: 0 done, 1 the daemon does not answer, 2 wrong use.")
@click.argument("switch", type=click.Choice(["on", "off"]))
@click.option(
    "--hours", type=click.FloatRange(0, 12, min_open=True), default=12.0, show_default=True, help="It ends by itself."
)
@click.option("--config", type=click.Path(path_type=Path), default=None, help="Settings file that names the socket.")
@click.option(
    "--socket", type=click.Path(readable=False, path_type=Path), default=None, help="Control socket of the daemon."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object for machines.")
def garage(switch: str, hours: float, config: Path | None, socket: Path | None, as_json: bool) -> None:
    """While it is on, the box asks nothing and sends nothing on the car's bus but the door's own lock command.

    The door goes on working, and so does listening. It ends by itself after 12 hours at most, and is written down.
    """
    found = answer_of("garage", config, socket, on=switch == "on", hours=hours)
    if as_json:
        click.echo(json.dumps(found, ensure_ascii=False))
    elif found["on"]:
        click.echo(f"The garage switch is on, for {ago(found['left_s'])}. The door works as ever.")
    else:
        click.echo("The garage switch is off.")
