"""The prompt at a real terminal: completion, history, and one line below about how the car is.

The only file that needs prompt_toolkit (extra `bench`). What is not here: what the commands mean or do.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from prompt_toolkit import PromptSession
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.formatted_text import AnyFormattedText
from prompt_toolkit.history import FileHistory
from prompt_toolkit.patch_stdout import patch_stdout

from . import grammar
from .commands import Commands
from .packages import ROOT
from .words import Words

HISTORY = ROOT / ".cache" / "bench-history"
BELOW_S = 0.5


class Offers(Completer):
    """The grammar's own words, each with its meaning."""

    def __init__(self, words: Words) -> None:
        self._words = words

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[Completion]:
        line = document.text_before_cursor
        begun = len(line) - len(line.rstrip().rpartition(" ")[2]) if line[-1:].strip() else len(line)
        for choice in grammar.complete(line):
            meaning = self._words(choice.about) if choice.about else ""
            if choice.text not in grammar.KINDS:
                yield Completion(choice.text, begun - len(line), display_meta=meaning)


def below(commands: Commands) -> AnyFormattedText:
    """How the car and the box are, in one line."""
    words, truth, bench = commands.words, commands.world.truth, commands.bench
    parts = [
        bench.car,
        words("p_locked" if truth.locked else "p_unlocked"),
        f"{truth.soc_percent:.0f} %",
        *([words("p_plugged")] if truth.plugged else []),
        *([f"{truth.speed_kmh:.0f} km/h"] if truth.ignition else []),
        commands.place(),
        *([] if bench.machine.running else [words("p_bar_dark")]),
        *([] if bench.link.up else [words("p_bar_no_link")]),
        *([] if bench.broker.running else [words("p_bar_no_broker")]),
    ]
    return " " + "  ·  ".join(parts)


async def at_terminal(commands: Commands) -> int:
    """Until quit, Ctrl-C or Ctrl-D. Commands run one after the other while the next is typed; a drive beside them."""
    HISTORY.parent.mkdir(exist_ok=True)
    session: PromptSession[str] = PromptSession(
        f"{commands.bench.car}> ",
        completer=Offers(commands.words),
        history=FileHistory(str(HISTORY)),
        bottom_toolbar=lambda: below(commands),
        refresh_interval=BELOW_S,
        reserve_space_for_menu=6,
    )
    running: set[asyncio.Task[bool]] = set()
    try:
        with patch_stdout(raw=True):
            while not commands.quitting.is_set():
                line = await session.prompt_async()
                task = asyncio.create_task(commands.do(line))
                running.add(task)
                task.add_done_callback(running.discard)
                await asyncio.sleep(0)  # `quit` takes effect before the next prompt
    except (EOFError, KeyboardInterrupt):
        pass
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
    return 0
