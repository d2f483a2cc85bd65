"""Child processes inside: the agent under test, and commands for the tests.

The agent is started as in a car, by its command line with a TOML file, and told where to notify as systemd would; what
it prints and notifies becomes events. Nothing here looks into it except through /proc.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

Message = dict[str, Any]
STOP_TIMEOUT_S = 15.0  # longer than the agent's own ordered stop
MAX_LINE = 65_536
MAX_OUTPUT = 1 << 20  # bytes of a command's output that are sent back: the last ones


class Agent:
    """At most one agent process. run: a folder for its configuration and the notify socket."""

    def __init__(self, run: Path, send: Callable[[Message], None]) -> None:
        self._run = run
        self._send = send
        self._process: asyncio.subprocess.Process | None = None
        self._watching: asyncio.Task[None] | None = None
        self._notify: socket.socket | None = None

    async def do(self, message: Message) -> Message:
        """op: start {toml, env, argv} -> {pid}; stop, kill -> {exit} (negative: by that signal)."""
        op = message["op"]
        if op == "start":
            return await self._start(message)
        if op == "stop":
            return await self._end(signal.SIGTERM)
        if op == "kill":
            return await self._end(signal.SIGKILL)
        raise ValueError(f"agent: unknown op {op!r}; known: start, stop, kill")

    async def statistics(self, _: Message) -> Message:
        """{pid, rss_kb, cpu_s, fds, threads, written_bytes} of the running agent."""
        if self._process is None or self._process.returncode is not None:
            raise ValueError("the agent is not running")
        folder = Path("/proc") / str(self._process.pid)
        status = dict(line.split(":", 1) for line in (folder / "status").read_text().splitlines())
        times = (folder / "stat").read_text().rpartition(")")[2].split()
        io = dict(line.split(": ") for line in (folder / "io").read_text().splitlines())
        return {
            "pid": self._process.pid,
            "rss_kb": int(status["VmRSS"].split()[0]),
            "cpu_s": (int(times[11]) + int(times[12])) / os.sysconf("SC_CLK_TCK"),
            "fds": len(list((folder / "fd").iterdir())),
            "threads": int(status["Threads"]),
            "written_bytes": int(io["write_bytes"]),
        }

    async def close(self) -> None:
        """Stop the agent when it runs."""
        await self._end(signal.SIGTERM)

    async def _start(self, message: Message) -> Message:
        if self._process is not None and self._process.returncode is None:
            raise ValueError(f"the agent runs already, pid {self._process.pid}")
        config = self._run / "agent.toml"
        config.write_text(message["toml"])
        argv = message.get("argv") or [sys.executable, "-m", "agent", "run", "--config", "{config}"]
        env = {**os.environ, "NOTIFY_SOCKET": self._listen_for_notices(), **message.get("env", {})}
        self._process = await asyncio.create_subprocess_exec(
            *(str(config) if word == "{config}" else word for word in argv),
            env=env,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            limit=MAX_LINE,
        )
        self._watching = asyncio.create_task(self._watch(self._process))
        return {"pid": self._process.pid}

    def _listen_for_notices(self) -> str:
        """A socket as systemd's, made anew for each start so that no late notice of the last one is heard."""
        path = self._run / "notify"
        self._deafen()
        path.unlink(missing_ok=True)
        self._notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self._notify.bind(str(path))
        asyncio.get_running_loop().add_reader(self._notify, self._hear, self._notify)
        return str(path)

    def _hear(self, notify: socket.socket) -> None:
        text = notify.recv(4096).decode(errors="replace")
        self._send({"saw": "agent", "notify": text})

    def _deafen(self) -> None:
        if self._notify is not None:
            asyncio.get_running_loop().remove_reader(self._notify)
            self._notify.close()
            self._notify = None

    async def _watch(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        async for line in lines(process.stdout):
            self._send({"saw": "log", "line": line})
        code = await process.wait()
        self._deafen()
        self._send({"saw": "agent", "exit": code})

    async def _end(self, number: signal.Signals) -> Message:
        process, watching = self._process, self._watching
        if process is None or watching is None:
            return {"exit": None}
        if process.returncode is None:
            process.send_signal(number)
        done, _ = await asyncio.wait({watching}, timeout=STOP_TIMEOUT_S)
        if not done:
            process.kill()
            await watching
            raise TimeoutError(f"the agent did not stop within {STOP_TIMEOUT_S:g} s; killed")
        self._process = None
        return {"exit": process.returncode}


async def lines(reader: asyncio.StreamReader) -> AsyncIterator[str]:
    """Lines of text without their ends; over-long ones in pieces, bad bytes replaced."""
    waiting = b""
    while data := await reader.read(MAX_LINE):
        *whole, waiting = (waiting + data).split(b"\n")
        if len(waiting) > MAX_LINE:
            whole, waiting = [*whole, waiting], b""
        for line in whole:
            yield line.decode(errors="replace")
    if waiting:
        yield waiting.decode(errors="replace")


async def run_command(message: Message, send: Callable[[Message], None]) -> Message:
    """{argv, cwd?, env?, input?, live?} -> {exit, output}; live: each line is sent as an event `run` when it comes."""
    process = await asyncio.create_subprocess_exec(
        *message["argv"],
        cwd=message.get("cwd"),
        env={**os.environ, **message.get("env", {})},
        stdin=asyncio.subprocess.PIPE if "input" in message else asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    assert process.stdout is not None
    try:
        if process.stdin is not None:
            process.stdin.write(message["input"].encode())
            process.stdin.write_eof()
        output = bytearray()
        if message.get("live"):
            async for line in lines(process.stdout):
                send({"saw": "run", "of": message.get("id"), "line": line})
        else:
            while data := await process.stdout.read(MAX_LINE):
                output += data
                del output[:-MAX_OUTPUT]
        return {"exit": await process.wait(), "output": output.decode(errors="replace")}
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
