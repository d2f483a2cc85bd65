"""Sampled reading by the kernel's broadcast manager: the cost depends on what is wanted, not on how full the bus is.

What does not live here: what the bytes mean (`decode.py`) and sending (`bus.py`).
"""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
import struct
import sys
from collections import deque
from typing import Final

from ..ports import BusState, Clock, Frame, Instant, Silence, Subscription
from . import bcm, errors
from .link import must_be_up

log = logging.getLogger(__name__)

QUEUE: Final = 2048
DRAIN: Final = 64
"""Messages taken in one go, so that a flood cannot keep the loop from a door."""
BACKOFF_S: Final = (0.2, 5.0)
SO_TIMESTAMPNS: Final = 35  # asm-generic/socket.h
TIMESPEC: Final = struct.Struct("@ll")
LATE_NS: Final = 10_000_000_000  # no loop is that late: the wall clock was set meanwhile


class BcmWatch:
    """`CanWatch` on one channel. Any error closes all sockets; they are reopened with back-off and subscribed again.

    Two sockets, because the broadcast manager holds one subscription for an id and socket: a message that is wanted
    both at every change and at a rate needs two. A third, raw one is for error frames (`errors.py`). While the state is
    LOST no `Silence` comes: treat everything as stale.
    """

    def __init__(self, channel: str, clock: Clock) -> None:
        self._channel = channel
        self._clock = clock
        self._state = BusState.CLOSED
        self._wanted: tuple[Subscription, ...] = ()
        self._rated: frozenset[tuple[int, int, bool]] = frozenset()
        self._sockets: list[socket.socket] = []
        self._drops: list[int] = []
        self._errors = errors.Errors()
        self._error_socket: socket.socket | None = None
        self._retry: asyncio.TimerHandle | None = None
        self._backoff_s = BACKOFF_S[0]
        self._events: deque[Frame | Silence | BusState] = deque()
        self._ready = asyncio.Event()
        self._closed = False
        self._counters = dict.fromkeys(
            ("events", "silences", "opened", "lost", "dropped_queue", "dropped_kernel", "unreadable"), 0
        )
        self.last_error = ""

    @property
    def state(self) -> BusState:
        return self._state

    @property
    def trouble(self) -> str:
        return self.last_error if self._state is BusState.LOST else ""

    @property
    def controller(self) -> str:
        return self._errors.state

    def counters(self) -> dict[str, int]:
        return self._counters | self._errors.counters

    def subscribe(self, wanted: tuple[Subscription, ...]) -> None:
        """Replace all subscriptions. Opens the bus when it is closed; never raises for a bus that is not there."""
        before, self._wanted = self._wanted, wanted
        if self._closed:
            return
        if self._state is BusState.OPEN:
            try:
                self._apply(before)
            except OSError as error:
                self._lose(error)
        elif self._retry is None:
            self._open()

    async def next_event(self) -> Frame | Silence | BusState:
        while not self._events:
            if self._closed:
                return BusState.CLOSED
            self._ready.clear()
            await self._ready.wait()
        return self._events.popleft()

    def close(self) -> None:
        self._closed = True
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None
        self._shut()
        self._state = BusState.CLOSED
        self._ready.set()

    def _open(self) -> None:
        self._retry = None
        try:
            for _ in range(2):
                self._sockets.append(self._connect())
                self._drops.append(0)
            self._error_socket = errors.connect(self._channel)
            self._apply(())
        except OSError as error:
            self._lose(error)
            return
        loop = asyncio.get_running_loop()
        for index, sock in enumerate(self._sockets):
            loop.add_reader(sock, self._readable, index)
        loop.add_reader(self._error_socket, self._faulty, self._error_socket)
        self._errors.fresh()
        self._counters["opened"] += 1
        self._change(BusState.OPEN)

    def _connect(self) -> socket.socket:
        family, protocol = getattr(socket, "AF_CAN", None), getattr(socket, "CAN_BCM", None)
        if family is None or protocol is None:
            raise OSError(errno.EAFNOSUPPORT, "this Python was built without SocketCAN")
        sock = socket.socket(family, socket.SOCK_DGRAM, protocol)
        try:
            sock.setblocking(False)
            must_be_up(self._channel)
            sock.setsockopt(socket.SOL_SOCKET, errors.SO_RXQ_OVFL, 1)
            sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
            sock.connect((self._channel,))
        except OSError:
            sock.close()
            raise
        return sock

    def _apply(self, before: tuple[Subscription, ...]) -> None:
        """Tell the kernel what changed since `before`: an unchanged subscription keeps its timers."""
        old, new = _placed(before), _placed(self._wanted)
        for index, can_id, extended in old.keys() - new.keys():
            self._sockets[index].send(bcm.delete(can_id, extended))
        for (index, can_id, extended), wanted in new.items():
            if old.get((index, can_id, extended)) != wanted:
                self._sockets[index].send(bcm.setup(wanted))
        self._rated = frozenset(place for place, wanted in new.items() if wanted.min_interval_ms)

    def _readable(self, index: int) -> None:
        for _ in range(DRAIN):
            try:
                message, ancillary, _flags, _address = self._sockets[index].recvmsg(bcm.RECEIVE_SIZE, 128)
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:
                self._lose(error)
                return
            came_ns = None
            for _level, kind, value in ancillary:
                if kind == SO_TIMESTAMPNS and len(value) >= TIMESPEC.size:
                    seconds, ns = TIMESPEC.unpack_from(value)
                    came_ns = seconds * 1_000_000_000 + ns
                elif kind == errors.SO_RXQ_OVFL and len(value) >= 4:
                    total = int.from_bytes(value[:4], sys.byteorder)
                    self._counters["dropped_kernel"] += (total - self._drops[index]) & 0xFFFF_FFFF
                    self._drops[index] = total
            self._take(index, message, came_ns)

    def _faulty(self, sock: socket.socket) -> None:
        try:
            self._errors.read(sock, DRAIN)
        except OSError as error:
            self._lose(error)

    def _take(self, index: int, message: bytes, came_ns: int | None) -> None:
        event = bcm.parse(message)
        if event is None:
            self._counters["unreadable"] += 1
        elif event.opcode == bcm.RX_CHANGED and event.data is not None:
            self._counters["events"] += 1
            self._backoff_s = BACKOFF_S[0]
            held = (index, event.can_id, event.extended) in self._rated
            now = self._clock.now()
            at = now if held else arrived(now, came_ns)  # what was held back is of now
            self._put(Frame(event.can_id, event.extended, event.data, at, held))
        elif event.opcode == bcm.RX_TIMEOUT:
            self._counters["silences"] += 1
            self._put(Silence(event.can_id, event.extended, self._clock.now()))

    def _put(self, event: Frame | Silence | BusState) -> None:
        if len(self._events) >= QUEUE:
            self._events.popleft()
            self._counters["dropped_queue"] += 1
        self._events.append(event)
        self._ready.set()

    def _lose(self, error: OSError) -> None:
        self._shut()
        if self._closed:
            return
        self.last_error = f"{self._channel}: {error.strerror or error}"
        if self._state is not BusState.LOST:
            self._counters["lost"] += 1
            log.warning("bus %s lost: %s", self._channel, error)
        self._change(BusState.LOST)
        self._retry = asyncio.get_running_loop().call_later(self._backoff_s, self._open)
        self._backoff_s = min(self._backoff_s * 2, BACKOFF_S[1])

    def _shut(self) -> None:
        for sock in (*self._sockets, *filter(None, (self._error_socket,))):
            if sock.fileno() >= 0:
                if self._state is BusState.OPEN:
                    asyncio.get_running_loop().remove_reader(sock)
                sock.close()
        self._sockets.clear()
        self._drops.clear()
        self._error_socket = None

    def _change(self, state: BusState) -> None:
        if state is not self._state:
            self._state = state
            self._put(state)


def arrived(now: Instant, came_ns: int | None) -> Instant:
    """When the kernel took a frame, which a busy loop reads later: at a start the car's folder is being loaded.

    came_ns: by the wall clock, ns since 1970, `None` where the kernel does not say.
    """
    if came_ns is None or now.wall_ms is None:
        return now
    late_ns = now.wall_ms * 1_000_000 - came_ns
    if not 0 < late_ns <= LATE_NS:
        return now
    return Instant(now.boot, now.ns - late_ns, now.wall_ms - late_ns // 1_000_000)


def _placed(wanted: tuple[Subscription, ...]) -> dict[tuple[int, int, bool], Subscription]:
    """Socket and id for each subscription: the first of an id on socket 0, the second on socket 1."""
    placed: dict[tuple[int, int, bool], Subscription] = {}
    for item in wanted:
        index = 1 if (0, item.can_id, item.extended) in placed else 0
        placed[index, item.can_id, item.extended] = item
    return placed
