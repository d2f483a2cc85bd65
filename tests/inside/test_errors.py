"""Error frames on a real bus: counted, the controller's state known, and no error frame is ever taken for a frame.

A virtual bus makes no errors of its own; they are put on it by a raw socket, as a driver puts them.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from drivers.can.watch import BcmWatch
from drivers.clock import SystemClock
from drivers.ports import BusState, Frame, Subscription
from tests.inside.conftest import FRAME

if TYPE_CHECKING:
    from tests.inside.conftest import Link

Send = Callable[[int, str], None]
Inject = Callable[[int, str], None]
ERROR = 0x2000_0000


@pytest_asyncio.fixture
async def watch(link: Link) -> AsyncIterator[BcmWatch]:
    made = BcmWatch(link.name, SystemClock())
    made.subscribe((Subscription(0x100, False, b"\xff" * 8, 0, 0),))
    assert await asyncio.wait_for(made.next_event(), 5) is BusState.OPEN
    yield made
    made.close()


@pytest.fixture
def inject(link: Link) -> Inject:
    def put(kind: int, data: str = "0000000000000000") -> None:
        with socket.socket(socket.AF_CAN, socket.SOCK_RAW, socket.CAN_RAW) as sock:
            sock.bind((link.name,))
            sock.send(FRAME.pack(ERROR | kind, 8, bytes.fromhex(data)))

    return put


async def until(watch: BcmWatch, **wanted: int) -> None:
    async with asyncio.timeout(10):
        while {name: watch.counters()[name] for name in wanted} != wanted:
            await asyncio.sleep(0.01)


async def test_a_controller_that_goes_bus_off_and_comes_back(watch: BcmWatch, inject: Inject) -> None:
    assert watch.controller == "active"
    inject(0x004, "0010000000000000")
    await until(watch, error_frames=1, error_passive=1)
    assert watch.controller == "passive"
    inject(0x040)
    await until(watch, error_frames=2, bus_off=1)
    assert watch.controller == "bus_off"
    assert watch.state is BusState.OPEN, "the kernel restarts it; the sockets live on"
    inject(0x100)
    await until(watch, restarts=1)
    assert watch.controller == "active"


async def test_an_error_frame_is_no_frame_and_a_frame_is_no_error(
    watch: BcmWatch, inject: Inject, sender: Send
) -> None:
    inject(0x008)
    inject(0x100, "0102030405060708")  # "restarted" has the number of the subscribed id
    sender(0x100, "AA")
    event = await asyncio.wait_for(watch.next_event(), 5)
    assert isinstance(event, Frame)
    assert event.data == b"\xaa"
    await until(watch, error_frames=2, protocol=1, events=1)


async def test_a_flood_of_errors_is_counted_or_counted_as_dropped(watch: BcmWatch, link: Link, sender: Send) -> None:
    with socket.socket(socket.AF_CAN, socket.SOCK_RAW, socket.CAN_RAW) as sock:
        sock.bind((link.name,))
        for _ in range(5_000):
            sock.send(FRAME.pack(ERROR | 0x008, 8, bytes(8)))
    sender(0x100, "55")
    event = await asyncio.wait_for(watch.next_event(), 10)
    assert isinstance(event, Frame), "the car is heard through it"
    await until(watch, events=1)
    async with asyncio.timeout(20):
        while True:
            sock_full = watch.counters()
            if sock_full["error_frames"] + sock_full["dropped_errors"] >= 5_000:
                break
            with socket.socket(socket.AF_CAN, socket.SOCK_RAW, socket.CAN_RAW) as sock:
                sock.bind((link.name,))
                sock.send(FRAME.pack(ERROR | 0x008, 8, bytes(8)))  # the count of drops comes with the next frame
            await asyncio.sleep(0.02)


async def test_an_interface_that_comes_back_begins_without_errors(
    watch: BcmWatch, link: Link, inject: Inject, sender: Send
) -> None:
    inject(0x040)
    await until(watch, bus_off=1)
    link.delete()
    assert await asyncio.wait_for(watch.next_event(), 10) is BusState.LOST
    link.create()
    assert await asyncio.wait_for(watch.next_event(), 20) is BusState.OPEN
    assert watch.controller == "active"
    sender_counts = watch.counters()
    assert sender_counts["bus_off"] == 1, "what was counted stays counted"
    assert sender_counts["lost"] == 1
