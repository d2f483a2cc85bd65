"""A line for one exchange, on python-can's bus in memory: what is heard, and that a stop is never swallowed."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import can
import pytest

from drivers.can.bus import Line
from drivers.clock import SystemClock


@pytest.fixture
def wires() -> Iterator[tuple[can.BusABC, Line]]:
    with can.Bus("line", interface="virtual") as car, can.Bus("line", interface="virtual") as ours:
        yield car, Line(ours, SystemClock())


async def test_a_wait_ends_with_what_was_heard_or_with_its_time(wires: tuple[can.BusABC, Line]) -> None:
    car, line = wires
    await line.wait(0.01)
    assert not line.inbox
    waiting = asyncio.create_task(line.wait(60))
    await asyncio.sleep(0)
    car.send(can.Message(arbitration_id=0x7BB, is_extended_id=False, data=b"\x03\x50\xc0"))
    line.readable()
    await waiting
    assert list(line.inbox) == [(0x7BB, b"\x03\x50\xc0")]


@pytest.mark.parametrize("turns", range(5))
async def test_a_cancellation_that_meets_a_frame_is_not_swallowed(wires: tuple[can.BusABC, Line], turns: int) -> None:
    _, line = wires
    waiting = asyncio.create_task(line.wait(60))
    for _ in range(3):
        await asyncio.sleep(0)
    line.readable()
    for _ in range(turns):
        await asyncio.sleep(0)
    if waiting.cancel():
        with pytest.raises(asyncio.CancelledError):
            await waiting
