"""Plays with a running bench from another terminal: `python -m hil do badge tap clerk`, through a UNIX socket.

One JSON line asks, JSON lines answer, the last one carries the exit code. What is not here: what a command does
(`commands.py`).
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import socket
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Self

from .happenings import Voices
from .packages import ROOT
from .words import Words

LINK = ROOT / "out" / "bench.sock"  # leads to the socket of the bench that runs
AFTER_S = 0.8  # records on their way are shown too
DIM, PLAIN = "\033[2m", "\033[0m"


class Doorway:
    """obey: does one line, and says whether it worked. asked: told of each line before. linked: `LINK` leads here."""

    def __init__(
        self,
        path: Path,
        obey: Callable[[str], Awaitable[bool]],
        voices: Voices,
        asked: Callable[[str], None],
        link: Path = LINK,
    ) -> None:
        self.path, self.link, self._asked = path, link, asked
        self.linked = False
        self._obey, self._voices = obey, voices
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_unix_server(self._accept, self.path)
        self.path.chmod(0o600)
        if not answers(self.link):
            self.link.parent.mkdir(parents=True, exist_ok=True)
            self.link.unlink(missing_ok=True)
            self.link.symlink_to(self.path)
            self.linked = True
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._server is not None:
            self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.path.unlink(missing_ok=True)
        if self.linked and self.link.is_symlink() and self.link.readlink() == self.path:
            self.link.unlink()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        def send(message: dict[str, Any]) -> None:
            if not writer.is_closing():
                writer.write(json.dumps(message).encode() + b"\n")

        try:
            line = str(json.loads(await reader.readline())["line"])
            self._asked(line)
            with self._voices.also(lambda text, by_itself: send({"say": text, "by_itself": by_itself})):
                done = await self._obey(line)
                await asyncio.sleep(AFTER_S)
            send({"exit": 0 if done else 1})
            await writer.drain()
        except (OSError, ValueError, KeyError, TypeError):
            pass  # not our client, or it has gone: what it asked for goes on
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


def answers(path: Path) -> bool:
    """Is there a bench behind that name?"""
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            return False
        return True


def ask(path: Path, line: str, show: Callable[[str, bool], None]) -> int:
    """Have one command done; its exit code. Raises OSError when no bench is there, or it ends meanwhile."""
    with socket.socket(socket.AF_UNIX) as wire:
        wire.connect(str(path))
        wire.sendall(json.dumps({"line": line}).encode() + b"\n")
        for answer in wire.makefile("r", encoding="utf-8"):
            message = json.loads(answer)
            if "exit" in message:
                return int(message["exit"])
            show(message["say"], message["by_itself"])
    raise ConnectionResetError("the bench has ended")


def main(argv: list[str]) -> int:
    """`python -m hil do …`"""
    parser = argparse.ArgumentParser(prog="python -m hil do", description="One command for a bench that runs.")
    parser.add_argument("--socket", type=Path, default=LINK, help="which bench, when several run")
    parser.add_argument("words", nargs="+", help="as at its prompt: badge tap clerk; help lists them")
    options = parser.parse_args(argv)
    colour = sys.stdout.isatty() and not os.environ.get("NO_COLOR")

    def show(text: str, by_itself: bool) -> None:
        print(f"{DIM}{text}{PLAIN}" if by_itself and colour else text, flush=True)

    try:
        return ask(options.socket, " ".join(options.words), show)
    except KeyboardInterrupt:
        return 130
    except ConnectionResetError as error:
        print(error, file=sys.stderr)
        return 0 if options.words == ["quit"] else 2
    except OSError:
        print(Words("en")("p_no_bench", path=options.socket), file=sys.stderr)
        return 2
