"""`boitier buffer salvage`: what can still be read of a database that was set aside, as lines of JSON.

What is not here: reading it (`buffer/salvage.py`), and what a line holds (`agent/sync/salvaging.py`).
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from .reach import Reach, asked

if TYPE_CHECKING:
    from buffer.salvage import Stream

EXITS: Final = "Exit codes: 0 something was read, 1 nothing could be, 2 wrong use."


@click.command(epilog=EXITS)
@click.argument("files", nargs=-1, required=True, type=click.Path(dir_okay=False, path_type=Path))
@click.option("--into", type=click.Path(dir_okay=False, path_type=Path), help="A new file; without: here.")
@click.option("--send", is_flag=True, help="Hand to the running daemon what the backend has not acknowledged.")
@click.pass_obj
def salvage(reach: Reach, files: tuple[Path, ...], into: Path | None, send: bool) -> None:
    """Read FILES that were set aside (records.db.broken-1 …), page by page, with what lies in their logs.

    Needs no daemon, no settings and no network, and changes nothing: a copy on another machine will do, with its -wal
    beside it. One JSON object a line: a head for each file, then facts and runs of samples as they were stored, under
    their old stream and number, so that a backend tells what it has already. What no page tells is not made up.

    With --send the running daemon takes the facts over and sends them under their old numbers; positions and samples
    are not sent, since they may have been erased meanwhile.
    """
    from ..sync import salvaging
    from .buffer import written

    told, rows = list[str](), 0
    for file in files:
        try:
            found = salvaging.read(file)
        except OSError as error:
            click.echo(f"{file}: {error.strerror}", err=True)
            sys.exit(1)
        click.echo(salvaging.summary(file.name, found), err=True)
        told += salvaging.lines(file.name, found)
        if send:
            _send(reach, file, found.facts)
        rows += len(found.facts.rows) + len(found.samples.rows) + len(found.groups)
    if into is not None:
        written(into, "\n".join(told))
    elif not send:
        click.echo("\n".join(told))
    if not rows:
        click.echo("No row could be read.", err=True)
        sys.exit(1)


def _send(reach: Reach, file: Path, stream: Stream[str]) -> None:
    from ..sync import salvaging

    if not stream.id:
        click.echo(f"{file.name}: the page with the stream's id is broken; its facts can only be written out", err=True)
        return
    stored = sum(asked(replace(reach, only_daemon=True), page)["stored"] for page in salvaging.pages(stream))
    click.echo(f"{file.name}: {stored - 1} facts are the daemon's now, which sends them", err=True)
