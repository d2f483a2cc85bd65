"""The families of commands, each loaded only when it is called: `boitier status` must not pay for `boitier car`."""

from __future__ import annotations

from importlib import import_module
from typing import Final

import click

# name: module, function in it, one line for `boitier --help`
FAMILIES: Final[dict[str, tuple[str, str, str]]] = {
    "run": ("agent.cli.run", "run", "Run the daemon in the foreground."),
    "status": ("agent.cli.status", "status", "What the running daemon sees, in plain words."),
    "check": ("agent.cli.check", "check", "Settings, car, devices, backend: what is missing and what to do."),
    "buffer": ("agent.cli.buffer", "buffer", "What the car holds of people: look, hand out, erase."),
    "car": ("agent.cli.car", "car", "Car models: list, show, check; decode or plot a recording."),
    "contract": ("agent.cli.contract", "contract", "The wire to the backend: decode a payload, print a schema."),
    "garage": ("agent.cli.garage", "garage", "Keep the box quiet while the car is in a garage."),
    "gnss": ("agent.cli.gnss", "gnss", "Decode a log of the satellite receiver."),
    "token": ("agent.cli.token", "token", "Issue, inspect and verify booking tokens."),
}

EXITS: Final = (
    "Exit codes: 0 good, 1 a finding, 2 wrong use. All but run, car plot, token keyset, buffer export and salvage have"
    " --json."
)


class Families(click.Group):
    """Names and one-line helps are known without loading anything."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(FAMILIES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in FAMILIES:
            return None
        module, function, _ = FAMILIES[cmd_name]
        command: click.Command = getattr(import_module(module), function)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry[2]) for name, entry in FAMILIES.items()])


@click.group(cls=Families, epilog=EXITS, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="boitier")
def boitier() -> None:
    """The in-car box of a shared electric car: offline keys, exact records.

    Start with `boitier check`, which says what is missing; then `boitier run`; then `boitier status` in another window.
    """
