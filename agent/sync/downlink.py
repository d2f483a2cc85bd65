"""Service: hands what arrives to those who can make it durable, and only then acknowledges it to the broker.

It understands the backend's acknowledgements; bookings, commands and trust lists are bytes here, judged by their
receivers.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final

from drivers.ports import Arrived, Clock, CloudPort

from . import wire
from .record import StoreBroken

_log = logging.getLogger(__name__)

RETRY_S: Final = 30.0
RETRIED: Final = 16  # fewer than the 20 that a broker lets be outstanding, or nothing would come through any more
MOST_BYTES: Final = 64 * 1024

_COUNTS: Final = ("arrived", "malformed", "failed", "mistakes", "retried", "foreign", "reserved")

Handler = Callable[[bytes], Awaitable[None]]


class Downlink:
    """book, command, trust: return when what the payload asks for is on disk, or is refused for good. connection:
    told of ups and downs. StoreBroken or OSError from a handler means "not durable": no PUBACK, tried again later.
    Any other exception is a mistake of ours that would come again for ever: counted, and acknowledged.
    """

    name = "downlink"
    vital = False

    def __init__(
        self,
        cloud: CloudPort,
        clock: Clock,
        vehicle: str,
        *,
        acknowledge: Callable[[wire.Ack], Awaitable[None]],
        book: Handler,
        command: Handler,
        trust: Handler,
        connection: Callable[[bool], None],
    ) -> None:
        self._cloud, self._clock, self._vehicle = cloud, clock, vehicle
        self._acknowledge, self._connection = acknowledge, connection
        self._handlers: dict[wire.Kind, Handler] = {
            wire.Kind.ACK: self._ack,
            wire.Kind.BOOK: book,
            wire.Kind.COMMAND: command,
            wire.Kind.TRUST: trust,
            wire.Kind.CONFIG: self._reserved,
        }
        self._again: deque[tuple[wire.Kind, Arrived]] = deque()
        self._counts = dict.fromkeys(_COUNTS, 0)
        self.ticked_ns = 0

    @staticmethod
    def topics(vehicle: str) -> tuple[str, ...]:
        """What the session must subscribe to."""
        return tuple(wire.topic(vehicle, kind) for kind in wire.DOWN)

    async def run(self) -> None:
        retry = asyncio.ensure_future(self._clock.sleep(RETRY_S))
        event = asyncio.ensure_future(self._cloud.next_event())
        try:
            while True:
                await asyncio.wait({retry, event}, return_when=asyncio.FIRST_COMPLETED)
                self.ticked_ns = self._clock.now().ns
                if event.done():
                    arrived = event.result()
                    event = asyncio.ensure_future(self._cloud.next_event())
                    await self._take(arrived)
                if retry.done():
                    retry = asyncio.ensure_future(self._clock.sleep(RETRY_S))
                    await self._retry()
        finally:
            retry.cancel()
            event.cancel()

    def counters(self) -> dict[str, int]:
        return self._counts | {"waiting": len(self._again)}

    # --- inside ---

    async def _take(self, event: Arrived | bool) -> None:
        if isinstance(event, bool):
            self._again.clear()  # the broker brings them again, to the next connection
            self._connection(event)
            return
        self._counts["arrived"] += 1
        kind = wire.kind_of(self._vehicle, event.topic)
        if kind is None or len(event.payload) > MOST_BYTES:
            self._counts["foreign" if kind is None else "malformed"] += 1
            event.acknowledge()  # or it would come back for ever
        elif not await self._handle(kind, event):
            self._again.append((kind, event))
            if len(self._again) > RETRIED:
                self._again.popleft()  # not acknowledged: it comes again with the next connection

    async def _handle(self, kind: wire.Kind, event: Arrived) -> bool:
        try:
            await self._handlers[kind](event.payload)
        except (StoreBroken, OSError) as error:
            self._counts["failed"] += 1
            _log.warning("a message on %s is not durable yet: %s", event.topic, error)
            return False
        except Exception:
            self._counts["mistakes"] += 1
            _log.exception("a message on %s is given up", event.topic)
        event.acknowledge()
        return True

    async def _retry(self) -> None:
        waiting, self._again = self._again, deque()
        for kind, event in waiting:
            self._counts["retried"] += 1
            if not await self._handle(kind, event):
                self._again.append((kind, event))

    async def _ack(self, payload: bytes) -> None:
        said = wire.read_ack(payload)
        if said is None:
            self._counts["malformed"] += 1
            return
        try:
            await self._acknowledge(said)
        except StoreBroken:
            # Harmless to forget: what it covers is sent again, and acknowledged again.
            self._counts["failed"] += 1

    async def _reserved(self, payload: bytes) -> None:
        self._counts["reserved"] += 1
