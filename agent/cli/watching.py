"""The first block of `boitier status` and its alarms as text, once or every second.

What is not here: what is said of the car (`said.py`) and the technician's tables (`status.py`).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

import click

from .said import sentences, unheard
from .words import Words

if TYPE_CHECKING:
    from rich.text import Text

EVERY_S: Final = 1.0

Reply = Mapping[str, Any] | str
"""A status, or why there is none."""


def block(found: Mapping[str, Any], words: Words) -> Text:
    """One sentence a line, its age beside it; what is not to be believed stands pale. Then how long a revocation may go
    unheard."""
    from rich.text import Text

    text = Text(words("title"), style="bold")
    last = unheard(found, words)
    for said in (*sentences(found, words), *([last] if last is not None else [])):
        note = f"  ({said.note})" if said.note else ""
        text.append(f"\n  {said.text}", style="not bold" if said.believed else "not bold dim")
        text.append(note, style="not bold dim")
    return text


def alarms(found: Mapping[str, Any], words: Words) -> Text:
    from rich.text import Text

    standing: Mapping[str, Any] = found.get("alarms", {})
    if not standing:
        return Text(words("no_alarms"), style="green")
    lines = [f"{words('alarm')} {name}: {json.dumps(detail, ensure_ascii=False)}" for name, detail in standing.items()]
    return Text("\n".join(lines), style="bold red")


def watch(ask: Callable[[], Reply], words: Words, as_json: bool) -> int:
    """Until Ctrl-C; a daemon that does not answer is said and asked again. Into a file or pipe: one after the other."""
    from drivers.clock import wait

    show, end = _lines(words, as_json) if as_json or not sys.stdout.isatty() else _in_place(words)
    found: Reply = {}
    try:
        while True:
            found = ask()
            show(found)
            wait(EVERY_S)
    except KeyboardInterrupt:
        end()
    return 1 if isinstance(found, str) or found.get("alarms") else 0


def _lines(words: Words, as_json: bool) -> tuple[Callable[[Reply], None], Callable[[], None]]:
    def show(found: Reply) -> None:
        if as_json:
            click.echo(json.dumps({"error": found} if isinstance(found, str) else found, ensure_ascii=False))
        else:
            click.echo(f"{_text(found, words).plain}\n")

    return show, lambda: None


def _in_place(words: Words) -> tuple[Callable[[Reply], None], Callable[[], None]]:
    from rich.console import Console
    from rich.live import Live

    live = Live(console=Console(highlight=False), auto_refresh=False, vertical_overflow="crop")
    live.start()
    return lambda found: live.update(_text(found, words), refresh=True), live.stop


def _text(found: Reply, words: Words) -> Text:
    from rich.text import Text

    if isinstance(found, str):
        return Text(words("no_answer", why=found), style="bold red")
    return Text("\n\n").join([block(found, words), alarms(found, words)])
