"""`boitier token decisions` and `boitier token replay`: what the door decided, and whether it comes out again.

What is not here: deciding (`agent/access/decision_record.py`) and keeping (`agent/access/decision_log.py`).
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Final

import click

from keyless.refusal import Code, Refusal

from ..access import saying
from ..access.decision_record import Decision, Record, decide_again, decided_as, read
from .reach import Reach, asked
from .token_bytes import as_json, read_file
from .words import language_of

config_file = click.option("--config", type=click.Path(dir_okay=False, path_type=Path), help="The daemon's settings.")
socket_file = click.option("--socket", type=click.Path(path_type=Path), help="Its control socket.")
FILE: Final = click.Path(dir_okay=False, path_type=Path)
DID: Final = ("unlock", "lock", "end")


@click.command("decisions")
@config_file
@socket_file
@click.option("--save", type=(int, FILE), help="Number of a decision, and a file for its record.")
@as_json
def decisions(config: Path | None, socket: Path | None, save: tuple[int, Path] | None, as_json: bool) -> None:
    """List the last decisions of the door, oldest first; or save one, for `boitier token replay`."""
    reach = Reach(config, socket)
    if save is not None:
        number, file = save
        text: str = asked(reach, {"do": "decisions", "n": number})["record"]
        try:
            file.write_bytes(text.encode())
            file.chmod(0o600)
        except OSError as error:
            raise click.UsageError(f"{file}: {error.strerror}; name a file that can be written") from error
        return
    found: list[dict[str, Any]] = asked(reach, {"do": "decisions"})["decisions"]
    if as_json:
        click.echo(json.dumps(found))
        return
    language = language_of(os.environ)
    for it in found:
        booking = "-" if it["booking"] is None else it["booking"]
        came_out = it["action"] or f"refused: {it['code']}"
        when = saying.when(it["lo_s"], language)
        click.echo(f"{it['n']:>6}  {when} ({it['source']})  {it['via']}  {booking}  {came_out}")


@click.command("replay")
@click.argument("file")
@as_json
def replay(file: str, as_json: bool) -> None:
    """Decide again from a record. Exit 0: the same, byte for byte; 1: different; 2: FILE is no record."""
    data = read_file(file)
    if data is None:
        raise click.UsageError(f"{file}: no such file; boitier token decisions --save N FILE writes one")
    found = read(data)
    then = None if isinstance(found, Refusal) else decided_as(bytes(found.decision))
    if isinstance(found, Refusal) or then is None:
        why = found.detail.get("why") if isinstance(found, Refusal) else "its decision does not read"
        raise click.UsageError(f"{file}: not a record of a decision: {why}")
    made = decide_again(found)
    same, again = made == bytes(found.decision), decided_as(made)
    assert again is not None
    if as_json:
        texts = {language: told(again, found, language) for language in saying.LANGUAGES}
        said = {"same": same, "n": found.n, "software": found.software, "said": texts}
        click.echo(json.dumps({**said, "then": json.loads(bytes(found.decision)), "again": json.loads(made)}))
    else:
        for line in _lines(found, then, again, same):
            click.echo(line)
    raise SystemExit(0 if same else 1)


def _lines(found: Record, then: Decision, again: Decision, same: bool) -> list[str]:
    language = language_of(os.environ)

    def say(name: str, **values: object) -> str:
        return saying.text("replay", name, language).format(**values)

    when = saying.when(found.now.lo_s, language)
    lines = [
        say("head", n=found.n, when=when, source=found.now.source, software=found.software),
        say("by", via=found.presented.via, booking=then.booking if then.booking is not None else "-"),
        say("then", code=then.code or then.action, said=told(then, found, language)),
    ]
    if same:
        return [*lines, say("same")]
    return [*lines, say("different", code=again.code or again.action, said=told(again, found, language))]


def told(it: Decision, found: Record, language: str) -> str:
    """A decision in the driver's words."""
    if it.code is not None:
        known = it.code in set(Code)
        return saying.said(Refusal(Code(it.code), it.detail), language, found.now.lo_s) if known else it.code
    names = [it.action if it.action in DID else "other"]
    names += ["opens"] * it.opens + [name for name in ("takeover", "forced") if it.closes == name]
    said = [saying.text("did", name, language) for name in names if name is not None]
    return " ".join([*said, saying.flagged(it.flags, language)]).strip()
