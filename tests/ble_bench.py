"""A car on the air of `tests/bluez_standin.py`: fixtures that the tests of the transport share."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from drivers.ble.peripheral import Peripheral
from drivers.phones import LinkClosed, LinkOpened, PhoneMessage
from tests.bluez_standin import Bluetoothd, PrivateBus, bluetooth
from tests.serial_bench import StepClock

Stage = tuple[PrivateBus, Bluetoothd]
TOKEN, COMMAND = (2, bytes(range(205))), (3, b"\x77" * 122)


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with bluetooth(tmp_path) as found:
        yield found


class Car(Peripheral):
    """The peripheral with short waits; `clock` is moved by hand, its sleeps are short real ones."""

    def __init__(self, bus: PrivateBus) -> None:
        self.clock = StepClock()
        super().__init__(self.clock, address=bus.address, backoff_s=(0.02, 0.1))

    async def found(self) -> None:
        self.open()
        await until(lambda: self.trouble == "")


@pytest.fixture
async def car(stage: Stage) -> AsyncIterator[Car]:
    made = Car(stage[0])
    await made.found()
    yield made
    await made.close()


@pytest.fixture
def stack(stage: Stage) -> Bluetoothd:
    return stage[1]


async def until(there: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while not there():
            await asyncio.sleep(0.005)


async def event(car: Car) -> LinkOpened | PhoneMessage | LinkClosed:
    async with asyncio.timeout(20):
        return await car.next_event()
