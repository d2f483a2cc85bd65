"""Many two-way streams over one byte line: what the guest has instead of a network card.

Two windows keep every buffer small. The *line* window counts bytes that the other end has not yet read off the line:
the serial line of the user-mode kernel stalls for ever once about 3,900 unread bytes lie in its receiver, so the host
stays far below. The *stream* window counts bytes that the other end's consumer has not yet taken, so one stream that
nobody reads cannot stop the others. What is forwarded to whom is `hil/forward.py`.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import struct
from collections import deque
from collections.abc import Callable

from .frames import MAX_PAYLOAD, Decoder, Kind, LineBroken, LineFrame, encode

HOST_LINE_WINDOW = 2_048  # bytes towards the guest; its receiver throttles (and never wakes again) near 3,900
GUEST_LINE_WINDOW = 32_768  # bytes towards the host, whose socket holds several times that
STREAM_WINDOW = 65_536  # bytes of DATA waiting for a consumer
MAX_STREAMS = 32  # all their credits at once (2 x 15 bytes each) fit into the guest's receiver beside the window
_U32 = struct.Struct(">I")


class StreamReset(ConnectionError):
    """The other end gave this stream up, or the line is gone."""


class Stream:
    """One two-way byte stream. Reading and writing end separately, as with TCP."""

    def __init__(self, mux: Mux, number: int, name: str) -> None:
        self.name = name
        self.number = number
        self._mux = mux
        self._received: deque[bytes] = deque()
        self._readable = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()
        self._credit = STREAM_WINDOW
        self._held = 0  # received bytes that the consumer has not taken
        self._untold = 0  # taken bytes for which no credit was given back yet
        self._ended = False  # the other end sends no more
        self._finished = False  # we send no more
        self._dead = False

    async def read(self) -> bytes:
        """The next bytes, `b""` at the end. Raises StreamReset."""
        while not self._received:
            if self._dead:
                raise StreamReset(self.name)
            if self._ended:
                return b""
            self._readable.clear()
            await self._readable.wait()
        data = self._received.popleft()
        self._held -= len(data)
        self._untold += len(data)
        if self._untold >= STREAM_WINDOW // 2 and not self._ended and not self._dead:
            told, self._untold = self._untold, 0
            self._mux._send_at_once(LineFrame(Kind.CREDIT, self.number, _U32.pack(told)))
        return data

    async def write(self, data: bytes) -> None:
        """Send all of data; waits while the other end's window is full. Raises StreamReset."""
        view = memoryview(data)
        while view:
            while self._credit <= 0 and not self._dead:
                self._writable.clear()
                await self._writable.wait()
            if self._dead or self._finished:
                raise StreamReset(self.name)
            part = bytes(view[: min(MAX_PAYLOAD, self._credit)])
            self._credit -= len(part)
            await self._mux._submit(LineFrame(Kind.DATA, self.number, part))
            view = view[len(part) :]

    async def end(self) -> None:
        """Send no more; reading goes on until the other end does the same."""
        if not self._finished and not self._dead:
            self._finished = True
            await self._mux._submit(LineFrame(Kind.END, self.number, b""))
            self._forget_when_over()

    async def reset(self) -> None:
        """Give the stream up in both directions; harmless when it is over."""
        if not self._dead and not (self._ended and self._finished):
            self._die()
            with contextlib.suppress(StreamReset):  # the line itself is gone: nobody is left to be told
                await self._mux._submit(LineFrame(Kind.RESET, self.number, b""))

    def _take(self, frame: LineFrame) -> None:
        if frame.kind is Kind.DATA:
            self._held += len(frame.payload)
            if self._held > STREAM_WINDOW + MAX_PAYLOAD:
                raise LineBroken(f"stream {self.name}: the other end ignores the window")
            self._received.append(frame.payload)
        elif frame.kind is Kind.CREDIT:
            self._credit += _U32.unpack(frame.payload)[0]
            self._writable.set()
        elif frame.kind is Kind.END:
            self._ended = True
            self._forget_when_over()
        elif frame.kind is Kind.RESET:
            self._die()
        self._readable.set()

    def _forget_when_over(self) -> None:
        if self._ended and self._finished:
            self._mux._streams.pop(self.number, None)

    def _die(self) -> None:
        self._dead = True
        self._mux._streams.pop(self.number, None)
        self._readable.set()
        self._writable.set()


class Mux:
    """One end of the line. fd: a socket or a raw terminal, owned and closed by this object.

    accept: called with each stream that the other end opens. host: which of the two ends this is.
    """

    def __init__(self, fd: int, *, host: bool, accept: Callable[[Stream], None]) -> None:
        self.lost = asyncio.Event()  # the line ended or broke; `why` says how
        self.why = ""
        self._fd = fd
        self._accept = accept
        self._window = HOST_LINE_WINDOW if host else GUEST_LINE_WINDOW
        self._on_line = 0
        self._untaken = 0
        self._room = asyncio.Event()
        self._turn = asyncio.Lock()  # first come, first served: no stream starves
        self._decoder = Decoder()
        self._outgoing = bytearray()
        self._greeted = asyncio.Event()
        self._streams: dict[int, Stream] = {}
        self._next = 2 if host else 1
        self._host = host

    @property
    def skipped(self) -> int:
        """Bytes of other people's text seen before the first HELLO."""
        return self._decoder.skipped

    async def start(self) -> None:
        """Wait until both ends have spoken. Raises LineBroken when the line ends first. The guest speaks first."""
        os.set_blocking(self._fd, False)
        asyncio.get_running_loop().add_reader(self._fd, self._on_readable)
        if not self._host:
            self._push(LineFrame(Kind.HELLO, 0, b""))
        await self._greeted.wait()
        if self.lost.is_set():
            raise LineBroken(self.why)

    async def open(self, name: str) -> Stream:
        """A new stream to the other end. Raises StreamReset when the line is gone."""
        number = self._next
        while number in self._streams:
            number = number + 2 if number < 0xFFF0 else 2 - number % 2
        self._next = number + 2 if number < 0xFFF0 else 2 - number % 2
        stream = Stream(self, number, name)
        self._streams[number] = stream
        await self._submit(LineFrame(Kind.OPEN, number, name.encode()))
        return stream

    async def drain(self) -> None:
        """Wait until everything sent so far has left this process (or the line is lost)."""
        while self._outgoing and not self.lost.is_set():
            await asyncio.sleep(0.001)

    def close(self) -> None:
        """End the line and every stream on it."""
        self._lose("closed here")

    async def _submit(self, frame: LineFrame) -> None:
        async with self._turn:
            while self._on_line + frame.size > self._window and not self.lost.is_set():
                self._room.clear()
                await self._room.wait()
            if self.lost.is_set():
                raise StreamReset(self.why)
            self._on_line += frame.size
            self._push(frame)

    def _send_at_once(self, frame: LineFrame) -> None:
        """Outside the queue, so that no reader waits for the line and loses its bytes when cancelled."""
        if not self.lost.is_set():
            self._on_line += frame.size
            self._push(frame)

    def _push(self, frame: LineFrame) -> None:
        if not self._outgoing:
            asyncio.get_running_loop().call_soon(self._flush)
        self._outgoing += encode(frame)

    def _flush(self) -> None:
        if self.lost.is_set():
            return
        loop = asyncio.get_running_loop()
        try:
            sent = os.write(self._fd, self._outgoing)
        except BlockingIOError:
            sent = 0
        except OSError as error:
            self._lose(f"writing: {error}")
            return
        del self._outgoing[:sent]
        if self._outgoing:
            loop.add_writer(self._fd, self._flush)
        else:
            loop.remove_writer(self._fd)

    def _on_readable(self) -> None:
        try:
            data = os.read(self._fd, 65_536)
            if not data:
                raise LineBroken("the other end is gone")
            for frame in self._decoder.feed(data):
                self._dispatch(frame)
        except BlockingIOError:
            return
        except OSError as error:
            self._lose(str(error))
            return
        if self._untaken >= self._threshold():
            taken, self._untaken = self._untaken, 0
            self._push(LineFrame(Kind.TAKEN, 0, _U32.pack(taken)))

    def _threshold(self) -> int:
        """Tell what was taken in lumps: TAKEN frames are outside the window, so few of them may be on the line."""
        return (GUEST_LINE_WINDOW if self._host else HOST_LINE_WINDOW) // 4

    def _dispatch(self, frame: LineFrame) -> None:
        if frame.kind is Kind.HELLO:
            if self._host and not self._greeted.is_set():
                self._push(frame)
            self._greeted.set()
            return
        if frame.kind is Kind.TAKEN:
            self._on_line -= _U32.unpack(frame.payload)[0]
            self._room.set()
            return
        self._untaken += frame.size
        if frame.kind is Kind.OPEN:
            self._opened(frame)
        elif (stream := self._streams.get(frame.stream)) is not None:
            stream._take(frame)

    def _opened(self, frame: LineFrame) -> None:
        stream = Stream(self, frame.stream, frame.payload.decode(errors="replace"))
        if len(self._streams) >= MAX_STREAMS:
            self._send_at_once(LineFrame(Kind.RESET, frame.stream, b""))
            return
        self._streams[frame.stream] = stream
        self._accept(stream)

    def _lose(self, why: str) -> None:
        if self.lost.is_set():
            return
        self.why = why
        self.lost.set()
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._fd)
        loop.remove_writer(self._fd)
        os.close(self._fd)
        for stream in list(self._streams.values()):
            stream._die()
        self._room.set()
        self._greeted.set()
