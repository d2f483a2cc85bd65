"""The car as a Bluetooth peripheral: registers `gatt.py` with BlueZ, and again whenever radio, stack or bus went away.

The D-Bus library is imported with the first connection, well after the door can be opened (D24).
What is not here: what phones say (`links.py`) and what is answered.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING, Final

from ..attempts import Attempts
from ..errors import DeviceGone
from ..phones import LinkClosed, LinkOpened, PhoneMessage
from ..ports import Clock
from .links import Links

if TYPE_CHECKING:
    from dbus_fast import Message
    from dbus_fast.aio import MessageBus

    from .gatt import GattService

SYSTEM_BUS: Final = "unix:path=/run/dbus/system_bus_socket"
BACKOFF_S: Final = (1.0, 30.0)
CONNECT_S: Final = 10.0
LOOK_S: Final = 0.5  # how often held reads and quiet links are looked at, while there are links
TAG_BYTES: Final = 8
COUNTERS: Final = ("registered", "lost", "absent", "adverts")

_log = logging.getLogger(__name__)


class Peripheral:
    """A `PhonePort` on one adapter of BlueZ. address: the D-Bus to use. backoff_s: first and longest wait.

    counters: "registered", "lost" (was registered), "absent" (could not be), "adverts" begun again, and those of
    `links.py` and `gatt.py`.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        adapter: str = "hci0",
        address: str = SYSTEM_BUS,
        backoff_s: tuple[float, float] = BACKOFF_S,
    ) -> None:
        self._clock, self._address, self._adapter = clock, address, f"/org/bluez/{adapter}"
        self._links = Links()
        self._service: GattService | None = None
        self._attempts = Attempts("Bluetooth", clock, *backoff_s)
        self._tag = b""
        self._some = asyncio.Event()  # for who waits for an event
        self._stir = asyncio.Event()  # for the task below
        self._lost_why = ""
        self._up = self._looking = self._covered = False
        self._task: asyncio.Task[None] | None = None
        self._closed = False
        self._counts = dict.fromkeys(COUNTERS, 0)
        self._gatt_counts: dict[str, int] = {}
        self.trouble = "Bluetooth has not been started"

    def open(self) -> None:
        """Start registering; also done by the first `next_event`."""
        if self._task is None and not self._closed:
            self._task = asyncio.create_task(self._run())

    async def next_event(self) -> LinkOpened | PhoneMessage | LinkClosed:
        """The next thing that happened on a link. Raises `DeviceGone` only after `close()`."""
        self.open()
        while not self._closed:
            event = self._links.next_event()
            if event is not None:
                return event
            self._some.clear()
            await self._some.wait()
        raise DeviceGone("Bluetooth is closed", retryable=False)

    def answer(self, link: int, kind: int, body: bytes) -> bool:
        device = self._links.answer(link, kind, body)
        if device is not None and self._service is not None:
            self._service.answered(device)
        return device is not None

    def advertise(self, tag: bytes) -> None:
        """Raises ValueError for a tag that has not eight bytes."""
        if len(tag) != TAG_BYTES:
            raise ValueError(f"a tag has {TAG_BYTES} bytes, not {len(tag)}")
        self._tag = tag
        self._stir.set()

    def counters(self) -> dict[str, int]:
        return self._counts | self._links.counters | self._gatt_counts

    async def close(self) -> None:
        """Off the air at once. Idempotent."""
        self._closed = True
        self._some.set()
        self._stir.set()
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _run(self) -> None:
        from .gatt import COUNTERS as GATT_COUNTERS

        self._gatt_counts = dict.fromkeys(GATT_COUNTERS, 0)
        while not self._closed:
            try:
                await self._connected()
            except asyncio.CancelledError:
                raise
            except Exception as error:  # the library raises its own, OSError, EOFError; none of it may end this part
                self._tell(error)
            self._attempts.failed()
            await self._attempts.wait()

    def _tell(self, error: Exception) -> None:
        why = str(error) or type(error).__name__
        self._counts["lost" if self._up else "absent"] += 1
        self._up = False
        if why != self.trouble:
            _log.warning("Bluetooth: %s", why)
        self.trouble = why

    async def _connected(self) -> None:
        """From the connection to the bus until something is lost, which it raises."""
        from dbus_fast.aio import MessageBus

        bus = MessageBus(bus_address=self._address, auth_timeout=CONNECT_S)
        async with asyncio.timeout(CONNECT_S):
            await bus.connect()
        ended = asyncio.create_task(bus.wait_for_disconnect())
        ended.add_done_callback(self._bus_ended)
        try:
            await self._registered(bus)
        finally:
            self._service = None
            self._links.close_all()
            self._some.set()
            bus.disconnect()
            with contextlib.suppress(Exception):
                await ended

    def _bus_ended(self, ended: asyncio.Task[None]) -> None:
        if not ended.cancelled():
            ended.exception()
        self._lose("the D-Bus is gone")

    async def _registered(self, bus: MessageBus) -> None:
        from .bluez import Bluez
        from .gatt import GattService

        def send(message: Message) -> None:
            sent = bus.send(message)
            sent.add_done_callback(lambda done: done.cancelled() or done.exception())  # the end of the bus is seen once

        self._lost_why, self._covered = "", False
        service = GattService(self._links, self._clock, send, self._heard, self._cover, self._lose)
        service.counters, service.adapter, service.tag = self._gatt_counts, self._adapter, self._tag
        self._service = service  # BlueZ may bring a phone before it has answered us
        bus.add_message_handler(service.handle)
        bluez = Bluez(bus, self._adapter)
        await bluez.watch()
        service.bluez = await bluez.owner()
        await bluez.register()
        self._up, self.trouble = True, ""
        self._attempts.worked()
        self._counts["registered"] += 1
        _log.info("Bluetooth: phones can find the car")
        while not self._lost_why:
            await self._look(service)
            if (self._covered or service.tag != self._tag) and not self._lost_why:
                self._covered = False
                await bluez.take_down()
                service.tag = self._tag
                self._counts["adverts"] += 1
                await bluez.advertise()
        raise DeviceGone(self._lost_why)

    def _heard(self) -> None:
        self._some.set()
        if not self._looking:
            self._stir.set()

    async def _look(self, service: GattService) -> None:
        self._looking = bool(len(self._links))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LOOK_S if self._looking else None):
                await self._stir.wait()
        self._stir.clear()
        now_ns = self._clock.now().ns
        service.let_go(now_ns)
        for device in self._links.quiet(now_ns):
            service.hang_up(device)
            self._some.set()

    def _cover(self) -> None:
        self._covered = True
        self._stir.set()

    def _lose(self, why: str) -> None:
        self._lost_why = self._lost_why or why
        self._stir.set()
