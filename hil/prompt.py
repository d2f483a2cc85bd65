"""A bench to play with: `python -m hil up`, and what `make demo KEEP=1` does when the day is over.

At a terminal with completion and history (`terminal.py`); from a pipe line by line. What is not here: what the commands
do (`commands.py`) and how other terminals reach them (`remote.py`).
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import signal
import stat
import sys
import time
from collections.abc import AsyncIterator, Coroutine, Iterator
from typing import Any

from . import listen
from .bench import AgentFailed, Bench
from .commands import Commands
from .guest import GuestFailed
from .happenings import Happenings, Voices
from .packages import ROOT
from .remote import Doorway
from .story import EXPECTED
from .words import LANGUAGES, Words

CARS = ("zoe-ph1", "kangoo-ze")
DIM, BOLD, PLAIN = "\033[2m", "\033[1m", "\033[0m"
ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Printer:
    """This terminal, or whatever standard output is."""

    def __init__(self) -> None:
        self.colour = sys.stdout.isatty() and not os.environ.get("NO_COLOR")

    def __call__(self, text: str, by_itself: bool) -> None:
        if by_itself:
            text = f"{time.strftime('%H:%M:%S')}  {text}"
        print(f"{DIM}{text}{PLAIN}" if by_itself and self.colour else text, flush=True)


async def stay(bench: Bench, words: Words) -> None:
    """Keep a started bench running until somebody ends it; say how to play with it."""
    await play(bench, words, {each.booking: each.kind for each in EXPECTED}, "p_stay", hold=True)


async def play(bench: Bench, words: Words, sold: dict[int, str], greeting: str, *, hold: bool = False) -> int:
    """Take commands from here and from other terminals; 1 when one of a pipe's commands could not be done.

    hold: without a terminal, wait for other terminals instead of reading standard input.
    """
    printer = Printer()
    voices = Voices(printer)
    commands = Commands(bench, words, voices, sold, printer.colour)

    def asked(line: str) -> None:
        voices.happened(words("p_asked", line=line))

    doorway = Doorway(bench.folder / "bench.sock", commands.do, voices, asked)
    with ending_by_signal(commands.quitting):
        async with Happenings(bench, words, voices), doorway:
            greet(bench, words, printer, greeting, doorway)
            # Something to tap with. Commands wait for it, since they are done one after the other.
            booking = asyncio.create_task(commands.do("book staff"))
            await asyncio.sleep(0)
            try:
                if sys.stdin.isatty():
                    from .terminal import at_terminal  # brings prompt_toolkit, which a pipe does not need

                    code = await until(commands.quitting, at_terminal(commands))
                else:
                    code = await until(commands.quitting, forever() if hold else from_pipe(commands))
            finally:
                booking.cancel()
                await asyncio.gather(booking, return_exceptions=True)
        voices(words("p_end"))
    return code


def greet(bench: Bench, words: Words, printer: Printer, greeting: str, doorway: Doorway) -> None:
    """The lines with which to listen, tap a badge, and cut the power."""
    do = f"{listen.python()} -m hil do " + ("" if doorway.linked else f"--socket {doorway.path} ")
    lines = [
        ("p_listen_line", listen.command_line(bench) or words("p_no_mosquitto_sub")),
        ("p_tap_line", f"{do}badge tap clerk"),
        ("p_power_line", f"{do}power cut; sleep 3; {do}power back"),
        ("p_more_line", f"{do}help"),
    ]
    printer(f"\n{words(greeting)}  (cd {ROOT})", False)
    for key, line in lines:
        printer(f"  {words(key)}\n    {BOLD}{line}{PLAIN}" if printer.colour else f"  {words(key)}\n    {line}", False)
    if not doorway.linked:
        printer(words("p_other_bench", link=doorway.link, path=doorway.path), False)
    printer("", False)


@contextlib.contextmanager
def ending_by_signal(ending: asyncio.Event) -> Iterator[None]:
    """Ctrl-C, a closed terminal and a polite kill end the play. The bench is then taken down in order, and a second
    Ctrl-C, from somebody in a hurry, must not leave half of it behind.
    """
    loop = asyncio.get_running_loop()
    for number in ENDINGS:
        loop.add_signal_handler(number, ending.set)
    try:
        yield
    finally:
        for number in ENDINGS:
            loop.add_signal_handler(number, nothing)


def nothing() -> None:
    """For a signal that comes too late."""


async def until(ending: asyncio.Event, work: Coroutine[Any, Any, int]) -> int:
    """Run to the end, or until it is time to end."""
    tasks = [asyncio.ensure_future(work), asyncio.ensure_future(ending.wait())]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        return int(tasks[0].result()) if tasks[0].done() else 0
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def forever() -> int:
    return await asyncio.Event().wait()


# --- from a pipe ------------------------------------------------------------------------------------------------------


async def lines_of_stdin() -> AsyncIterator[str]:
    """A pipe as it comes; a file, which never makes anybody wait, at once."""
    kind = os.fstat(0).st_mode
    if not (stat.S_ISFIFO(kind) or stat.S_ISSOCK(kind)):
        for line in sys.stdin:
            yield line
        return
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := (await reader.readline()).decode(errors="replace"):
        yield line


async def from_pipe(commands: Commands) -> int:
    """One line after the other; `&` at a line's end lets the next one begin at once. 1 when one could not be done."""
    running: list[asyncio.Task[bool]] = []
    worked = True
    async for line in lines_of_stdin():
        if not (line := line.strip()) or line.startswith("#"):
            continue
        print(f"> {line}", flush=True)
        if line.endswith("&"):
            running.append(asyncio.create_task(commands.do(line.rstrip("& "))))
        else:
            worked &= await commands.do(line)
    return 0 if all(await asyncio.gather(*running)) and worked else 1


# --- the command ------------------------------------------------------------------------------------------------------


async def up(options: argparse.Namespace) -> int:
    """Bring everything up, play, take everything down."""
    words, printer = Words(options.lang), Printer()
    driver = options.lock or ("diagnostic" if options.car == "kangoo-ze" else "relay")
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    bench = Bench(options.car, options.bench, lambda text: printer(text, True), driver=driver)
    try:
        printer(words("boot", bench=options.bench), False)
        await bench.start()
        printer(words("ready", ms=round(bench.ready_ms)), False)
        return await play(bench, words, {}, "p_ready", hold=options.hold)
    except (AgentFailed, GuestFailed, OSError, TimeoutError) as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    finally:
        for number in ENDINGS:  # whoever presses Ctrl-C twice while it still boots must not leave half of it either
            asyncio.get_running_loop().add_signal_handler(number, nothing)
        await bench.stop()
        printer(words("p_gone"), False)


def main(argv: list[str]) -> int:
    """`python -m hil up …`"""
    parser = argparse.ArgumentParser(
        prog="python -m hil up", description="A bench to play with. Its prompt knows help."
    )
    parser.add_argument("--car", default="zoe-ph1", choices=CARS)
    parser.add_argument("--bench", default="auto", help="host, guest, the channel of a real adapter, or auto")
    parser.add_argument("--lock", choices=("relay", "diagnostic"), help="what moves the lock (kangoo-ze: diagnostic)")
    parser.add_argument("--lang", default="en", choices=LANGUAGES)
    parser.add_argument("--hold", action="store_true", help="no prompt: wait for `python -m hil do …` until Ctrl-C")
    options = parser.parse_args(argv)
    if options.lock == "diagnostic" and options.car != "kangoo-ze":
        parser.error("only kangoo-ze has a lock command by diagnostics")
    try:
        return asyncio.run(up(options))
    except (KeyboardInterrupt, asyncio.CancelledError):
        return 130
