"""The host's end of the control stream: questions with answers, and the events that the inside reports.

JSON lines, as `hil/inside.py` speaks them. What the commands mean is told there and in `hil/harness.py`.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

from .mux import Stream, StreamReset

Message = dict[str, Any]
_END: Message = {"saw": "end"}


class Refused(RuntimeError):
    """The inside answered `ok: false`; the text is its reason."""


class MachineGone(ConnectionError):
    """The machine was cut, halted or never booted: no answer will come."""


class Events:
    """One subscriber's queue of events, oldest first; ends with the machine."""

    def __init__(self, forget: Callable[[Events], None]) -> None:
        self._forget = forget
        self._queue: asyncio.Queue[Message] = asyncio.Queue()

    def __aiter__(self) -> AsyncIterator[Message]:
        return self

    async def __anext__(self) -> Message:
        event = await self._queue.get()
        if event is _END:
            raise StopAsyncIteration
        return event

    async def until(self, wanted: Callable[[Message], bool]) -> Message:
        """The first event that is wanted; those before it are dropped. Raises MachineGone when none comes any more."""
        async for event in self:
            if wanted(event):
                return event
        raise MachineGone("the machine ended before the event came")

    def close(self) -> None:
        """Hear no more."""
        self._forget(self)

    def put(self, event: Message) -> None:
        """For `Control`."""
        self._queue.put_nowait(event)


class Control:
    """Lives as long as the machine object, through several boots. listeners: called with every event, in order."""

    def __init__(self) -> None:
        self.listeners: list[Callable[[Message], None]] = []
        self._subscribers: list[Events] = []
        self._stream: Stream | None = None
        self._reading: asyncio.Task[None] | None = None
        self._asked: dict[int, asyncio.Future[Message]] = {}
        self._next = 1

    def events(self) -> Events:
        """A new subscription, from now on."""
        events = Events(self._subscribers.remove)
        self._subscribers.append(events)
        return events

    def attach(self, stream: Stream) -> None:
        """The inside opened its control stream."""
        self._stream = stream
        self._reading = asyncio.create_task(self._read(stream), name="control")

    async def call(self, message: Message) -> Message:
        """Ask and wait for the answer without `id` and `ok`. Raises Refused, MachineGone."""
        if self._stream is None:
            raise MachineGone("the machine is not running")
        number, self._next = self._next, self._next + 1
        answer: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._asked[number] = answer
        try:
            await self._stream.write(json.dumps({**message, "id": number}).encode() + b"\n")
            result = await answer
        except StreamReset as error:
            raise MachineGone(str(error)) from error
        finally:
            self._asked.pop(number, None)
        if not result.pop("ok"):
            raise Refused(f"{message.get('do')}: {result.get('why')}")
        result.pop("id")
        return result

    async def ended(self) -> None:
        """Wait until the inside has said everything, or the line is gone."""
        if self._reading is not None:
            await self._reading

    async def _read(self, stream: Stream) -> None:
        waiting = b""
        try:
            while data := await stream.read():
                *lines, waiting = (waiting + data).split(b"\n")
                for line in lines:
                    self._heard(json.loads(line))
        except StreamReset:
            pass
        finally:
            self._stream = None
            for answer in self._asked.values():
                if not answer.done():
                    answer.set_exception(MachineGone("the machine ended before it answered"))
            for events in self._subscribers:
                events.put(_END)

    def _heard(self, message: Message) -> None:
        if "saw" not in message:
            answer = self._asked.get(message.get("id", 0))
            if answer is not None and not answer.done():
                answer.set_result(message)
            return
        for listener in self.listeners:
            listener(message)
        for events in self._subscribers:
            events.put(message)
