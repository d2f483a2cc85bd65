"""paho behind `CloudPort`: a thin pipe to one broker at a time, MQTT 3.1.1, QoS 1, with its own reconnecting.

Nothing is queued or sent again here: what was not acknowledged when a connection ends is the caller's to send anew.
Every connection is a new paho client, because an old one would send its whole backlog by itself. paho is imported
with the first connection, well after the door can be opened.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections import deque
from collections.abc import Awaitable, Iterator, Sequence
from typing import Final

from ..errors import DeviceError, DeviceGone
from ..ports import Arrived
from .connection import Connection, Event, Lost, Message, Refused, Taken, Up

_log = logging.getLogger(__name__)

MOST_OUTSTANDING: Final = 20  # paho's own in-flight limit: beyond it paho would queue
BACKOFF_S: Final = (1.0, 60.0)
ALIVE_S: Final = 5.0  # how often the thread is looked at
STEADY_S: Final = 5.0  # a connection that held this long starts the back-off anew

_COUNTS: Final = (
    "connects",
    "losses",
    "refused",
    "subscriptions_refused",
    "published",
    "pubacks",
    "arrived",
    "oversize",
    "stuck_threads",
    "mistakes",
)


def backoff(rng: random.Random, first_s: float, most_s: float) -> Iterator[float]:
    """Full jitter: anything from nothing to a limit that doubles. A fleet that lost its broker does not come back in
    step."""
    limit = first_s
    while True:
        yield rng.uniform(0, limit)
        limit = min(most_s, limit * 2)


class Session:
    """brokers: "host:port", tried in turn. ca, certificate, key: PEM files; all empty is plain TCP, to this machine
    only.

    will_*: what the broker says, retained, when we vanish, and what we say ourselves on closing. establish_s: until
    the broker must have answered CONNECT and SUBSCRIBE. stall_s: without any PUBACK while some are due, the
    connection is given up.
    """

    def __init__(
        self,
        brokers: Sequence[str],
        ca: str,
        certificate: str,
        key: str,
        client_id: str,
        will_topic: str,
        will_payload: bytes,
        subscriptions: Sequence[str],
        keepalive_s: int,
        jitter_seed: str,
        *,
        establish_s: float = 10.0,
        stall_s: float = 60.0,
        backoff_s: tuple[float, float] = BACKOFF_S,
    ) -> None:
        self._brokers = tuple(brokers)
        self._tls = (ca, certificate, key)
        self._client_id, self._will, self._subscriptions = client_id, (will_topic, will_payload), tuple(subscriptions)
        self._keepalive_s, self._establish_s, self._stall_s = keepalive_s, establish_s, stall_s
        self._rng, self._backoff_s = random.Random(jitter_seed), backoff_s
        self._connection: Connection | None = None
        self._up = False
        self._steady = self._unread = False
        self._due: dict[int, asyncio.Future[None]] = {}
        self._events: deque[tuple[Arrived | bool, Connection | None]] = deque()
        self._some = asyncio.Event()
        self._inbox: asyncio.Queue[Event] | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None
        self._closed = False
        self._counts = dict.fromkeys(_COUNTS, 0)
        self.trouble = ""

    @property
    def connected(self) -> bool:
        return self._up

    def open(self) -> None:
        """Start connecting; also done by the first `next_event`."""
        if self._task is None and not self._closed and self._brokers:
            self._task = asyncio.create_task(self._run())

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> Awaitable[None]:
        """Ends with the broker's PUBACK. DeviceGone when there is no connection or it is lost first: it may have
        arrived."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        future.add_done_callback(lambda done: done.cancelled() or done.exception())  # nobody need be waiting
        if self._connection is None or not self._up:
            future.set_exception(DeviceGone("no connection to a broker"))
        elif len(self._due) >= MOST_OUTSTANDING:
            future.set_exception(DeviceError("too many messages on their way"))
        else:
            number = self._connection.publish(topic, payload, retain)
            if number is None:
                future.set_exception(DeviceGone("the connection is going down", may_have_happened=True))
            else:
                self._counts["published"] += 1
                self._due[number] = future
                if len(self._due) == 1:
                    self._expect_puback()
        return future

    async def next_event(self) -> Arrived | bool:
        self.open()
        while not self._events:
            self._some.clear()
            if self._closed:
                raise DeviceGone("the session is closed", retryable=False)
            await self._some.wait()
        event, connection = self._events.popleft()
        if connection is not None:
            connection.fetched()
        return event

    def counters(self) -> dict[str, int]:
        return dict(self._counts)

    async def close(self) -> None:
        """Say goodbye and end, within about three seconds whatever the broker does. Idempotent."""
        if self._closed:
            return
        self._closed = True
        if self._up:
            # An orderly end suppresses the will, so its message is ours to send.
            with contextlib.suppress(DeviceError, TimeoutError):
                async with asyncio.timeout(1.0):
                    await self.publish(*self._will, retain=True)
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        self._some.set()

    # --- inside: one connection after another ---

    async def _run(self) -> None:
        turn, waits = 0, backoff(self._rng, *self._backoff_s)
        while not self._closed:
            broker = self._brokers[turn % len(self._brokers)]
            turn += 1
            steady = False
            try:
                steady = await self._connect(broker)
            except (OSError, ValueError) as error:  # addresses and certificates that cannot be used
                self._note(f"{broker}: {error}")
            except Exception as error:
                self._counts["mistakes"] += 1
                self._note(f"{broker}: {error!r}")
                _log.exception("this should not happen")
            if steady:
                waits = backoff(self._rng, *self._backoff_s)
            await asyncio.sleep(next(waits))

    async def _connect(self, broker: str) -> bool:
        """Live through one connection; whether it held for a while."""
        self._counts["connects"] += 1
        self._unread = False
        loop = asyncio.get_running_loop()
        inbox: asyncio.Queue[Event] = asyncio.Queue()
        connection = Connection(broker, self._tls, self._client_id, self._will, self._subscriptions, self._keepalive_s)
        self._connection, self._inbox = connection, inbox
        self._expect(self._establish_s, "no answer to CONNECT or SUBSCRIBE")
        try:
            connection.start(loop, inbox.put_nowait)
            self._note(f"{broker}: {await self._live(connection, inbox)}")
        finally:
            self._expect(None)
            steady, self._steady = self._steady and not self._unread, False
            self._down()
            self._connection = None
            if not await connection.stop():
                self._counts["stuck_threads"] += 1
                _log.error("%s: the network thread did not end and is left behind", broker)
        return steady

    async def _live(self, connection: Connection, inbox: asyncio.Queue[Event]) -> str:
        """Until the connection is over; why it is."""
        while True:
            try:
                async with asyncio.timeout(ALIVE_S):  # not wait_for: in Python 3.11 it can swallow a cancellation
                    event = await inbox.get()
            except TimeoutError:
                if not connection.alive:
                    return "the network thread ended without a word"
                continue
            match event:
                case Up(refused):
                    self._set_up(refused)
                case Taken(number):
                    self._take(number)
                case Message():
                    self._hand_over(connection, event)
                case Refused(why):
                    self._counts["refused"] += 1
                    return f"refused: {why}"
                case Lost(why, refused):
                    self._counts["oversize"] += int(refused)
                    self._unread = refused
                    return why

    def _expect(self, seconds: float | None, otherwise: str = "") -> None:
        """Give the connection up after `seconds`, unless told anew before; `None`: nothing is due."""
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        inbox = self._inbox
        if seconds is not None and inbox is not None:
            loop = asyncio.get_running_loop()
            self._deadline = loop.call_later(seconds, lambda: inbox.put_nowait(Lost(otherwise)))

    def _expect_puback(self) -> None:
        self._expect(self._stall_s if self._due else None, "takes messages and does not acknowledge them")

    def _set_up(self, refused: int) -> None:
        self._up = True
        self._counts["subscriptions_refused"] += refused
        self.trouble = f"{refused} subscriptions refused by the broker" if refused else ""
        _log.info("connected to a broker, %d subscriptions refused", refused)
        self._expect(None)
        asyncio.get_running_loop().call_later(STEADY_S, self._held, self._connection)
        self._push(True)

    def _held(self, connection: Connection | None) -> None:
        if self._up and self._connection is connection:
            self._steady = True

    def _down(self) -> None:
        if self._up:
            self._up = False
            self._counts["losses"] += 1
            self._push(False)
        due, self._due = self._due, {}
        for future in due.values():
            if not future.done():
                future.set_exception(DeviceGone("the connection was lost", may_have_happened=True))

    def _take(self, number: int) -> None:
        self._counts["pubacks"] += 1
        future = self._due.pop(number, None)
        self._expect_puback()
        if future is not None and not future.done():
            future.set_result(None)

    def _hand_over(self, connection: Connection, message: Message) -> None:
        self._counts["arrived"] += 1
        self._counts["oversize"] += int(message.oversize)

        def acknowledge() -> None:
            if self._connection is connection:  # otherwise the broker sends it again, to the next connection
                connection.acknowledge(message.number)

        self._push(Arrived(message.topic, message.payload, message.retained, acknowledge), connection)

    def _push(self, event: Arrived | bool, connection: Connection | None = None) -> None:
        self._events.append((event, connection))
        self._some.set()

    def _note(self, trouble: str) -> None:
        self.trouble = trouble
        _log.warning("%s", trouble)
