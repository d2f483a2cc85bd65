"""`boitier run --help`. Running never comes here: `main.py` becomes `python -m agent` before click is loaded (D24)."""

from __future__ import annotations

from pathlib import Path

import click

EXITS = (
    "Stop with Ctrl-C or SIGTERM: everything is on disk within five seconds. Exit codes: 0 stopped as asked, 1 a vital "
    "part failed (systemd starts it again), 2 settings are broken and there is no good copy."
)


@click.command(epilog=EXITS)
@click.option(
    "--config", type=click.Path(path_type=Path), default=Path("/etc/boitier/agent.toml"), show_default=True,
    help="Settings file; config/agent.toml explains every key.",
)  # fmt: skip
def run(config: Path) -> None:
    """Run the daemon in the foreground, as the systemd unit does.

    Ready when a badge can open the car; network, position and CAN may come later or never.
    """
    raise click.UsageError(f"start it as: boitier run --config {config}")
