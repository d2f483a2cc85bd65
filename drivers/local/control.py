"""The local control socket: one JSON object a line in, one a line out, for the command line.

What is not here: what is answered (the agent's). Who may connect is the file's mode 0660 and the folder it lies in.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import logging
import os
import socket
import stat
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Final

from ..errors import DeviceError, DeviceGone, DeviceTimeout

LINE_BYTES: Final = 64 * 1024
CLIENTS: Final = 8
IDLE_S: Final = 60.0  # a client that says nothing gives its place back
DEAF_S: Final = 5.0  # so does one that does not read its answer

Request = dict[str, Any]
Answer = Callable[[Request], Awaitable[Mapping[str, object]]]

_log = logging.getLogger(__name__)


class ControlSocket:
    """answer: gets a request, returns what is sent back. What goes wrong is answered as `{"ok": false, "why": text}`.

    counters: "clients", "requests", "refused" (too many at once), "bad" (no JSON object, too long), "failed" (answer
    raised).
    """

    def __init__(self, path: str | Path, answer: Answer) -> None:
        self._path = Path(path)
        self._answer = answer
        self._server: asyncio.Server | None = None
        self._inode: tuple[int, int] | None = None
        self._clients: set[asyncio.Task[None]] = set()
        self._counters = dict.fromkeys(("clients", "requests", "refused", "bad", "failed"), 0)

    async def open(self) -> None:
        """Listen; idempotent. Raises `DeviceError` (not retryable): another one listens, or the path is unusable."""
        if self._server is not None:
            return
        server = _bind(self._path)
        found = os.stat(self._path)
        self._inode = (found.st_dev, found.st_ino)
        # The limit is on the buffer, line feed included: one byte more lets a line of exactly 64 KiB in.
        self._server = await asyncio.start_unix_server(self._client, sock=server, limit=LINE_BYTES + 1)

    def counters(self) -> dict[str, int]:
        return dict(self._counters)

    async def close(self) -> None:
        """Idempotent; drops the clients and takes the socket file away if it is still ours."""
        server, self._server = self._server, None
        if server is None:
            return
        server.close()
        for client in self._clients:
            client.cancel()
        await asyncio.gather(*self._clients, return_exceptions=True)
        with contextlib.suppress(OSError):
            found = os.stat(self._path)
            if (found.st_dev, found.st_ino) == self._inode:
                os.unlink(self._path)

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        crowded = len(self._clients) >= CLIENTS
        self._clients.add(task)
        try:
            if crowded:
                self._counters["refused"] += 1
                # Hear the request first: closing on unread bytes takes the answer with it.
                with contextlib.suppress(ValueError, TimeoutError):
                    async with asyncio.timeout(DEAF_S):
                        await reader.readline()
                await _reply(writer, _refusal(f"busy: {CLIENTS} clients are connected already"))
            else:
                self._counters["clients"] += 1
                await self._serve(reader, writer)
        except (OSError, TimeoutError, asyncio.CancelledError):
            pass  # gone, deaf, idle, or we are closing
        finally:
            self._clients.discard(task)
            writer.transport.abort() if writer.transport.get_write_buffer_size() else writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            try:
                async with asyncio.timeout(IDLE_S):
                    line = await reader.readline()
            except ValueError:  # longer than the limit: where the next line begins is not known
                self._counters["bad"] += 1
                await _reply(writer, _refusal(f"longer than {LINE_BYTES} bytes"))
                return
            if not line.endswith(b"\n"):
                return  # hung up; half a line is no request
            await _reply(writer, await self._respond(line))

    async def _respond(self, line: bytes) -> Mapping[str, object]:
        try:
            request = json.loads(line)
        except (ValueError, RecursionError) as error:
            self._counters["bad"] += 1
            return _refusal(f"no JSON: {error}")
        if not isinstance(request, dict):
            self._counters["bad"] += 1
            return _refusal("a request is a JSON object")
        self._counters["requests"] += 1
        try:
            answer = await self._answer(request)
            json.dumps(answer)
        except Exception as error:
            # The boundary: a question must never end the daemon.
            self._counters["failed"] += 1
            _log.exception("control request failed")
            return _refusal(f"{type(error).__name__}: {error}")
        return answer


def _refusal(why: str) -> Mapping[str, object]:
    """The one form of an answer that is none; the agent's own refusals have it too."""
    return {"ok": False, "why": why}


async def _reply(writer: asyncio.StreamWriter, answer: Mapping[str, object]) -> None:
    writer.write(json.dumps(answer, separators=(",", ":")).encode() + b"\n")
    async with asyncio.timeout(DEAF_S):
        await writer.drain()


def _bind(path: Path) -> socket.socket:
    """A listening socket with mode 0660 from its first moment; a file that nobody listens on any more is replaced."""
    server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
    before = os.umask(0o117)
    try:
        _clear(path)
        server.bind(str(path))
    except OSError as error:
        server.close()
        raise DeviceError(f"{path}: {error}", retryable=False) from error
    except DeviceError:
        server.close()
        raise
    finally:
        os.umask(before)
    return server


def _clear(path: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        if not stat.S_ISSOCK(os.stat(path, follow_symlinks=False).st_mode):
            raise DeviceError(f"{path}: is there and is no socket", retryable=False)
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.setblocking(False)  # a listener with a full queue answers EAGAIN: somebody is there
            if probe.connect_ex(str(path)) not in (errno.ECONNREFUSED, errno.ENOENT):
                raise DeviceError(f"{path}: another program listens here", retryable=False)
        os.unlink(path)


def ask(path: str | Path, request: Mapping[str, object], timeout_s: float = 5.0) -> dict[str, Any]:
    """One request, one answer, synchronously: for the command line. timeout_s: for each wait on the socket.

    Raises `DeviceGone` when nobody listens or the answer is no JSON object, `DeviceTimeout` when none comes.
    """
    line = b""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
            client.settimeout(timeout_s)
            client.connect(str(path))
            client.sendall(json.dumps(request).encode() + b"\n")
            while not line.endswith(b"\n") and (part := client.recv(65536)):
                line += part
    except TimeoutError as error:
        raise DeviceTimeout(f"{path}: no answer within {timeout_s:g} s") from error
    except OSError as error:
        raise DeviceGone(f"{path}: {error.strerror or error}") from error
    try:
        answer = json.loads(line)
    except ValueError as error:
        raise DeviceGone(f"{path}: hung up without an answer") from error
    if not isinstance(answer, dict):
        raise DeviceGone(f"{path}: the answer is no JSON object")
    return answer
