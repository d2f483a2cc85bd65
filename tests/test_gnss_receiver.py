"""The receiver's driver on real ptys: unplugging, absence, a port that another program holds."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import termios
from datetime import UTC, datetime

import pytest

from drivers.errors import DeviceGone
from drivers.gnss.receiver import Receiver
from tests.serial_bench import Socket, StepClock, until
from tests.test_gnss import gga, rmc


@pytest.fixture
def wall(tmp_path):
    wall = Socket(tmp_path / "gnss")
    yield wall
    wall.unplug()


async def test_unplug_and_replug_survive_and_a_half_epoch_is_not_finished_by_the_next_receiver(wall) -> None:
    wall.plug()
    receiver = Receiver(wall.device, 9600, StepClock())
    waiting = asyncio.create_task(receiver.next_fix())
    await until(lambda: receiver.plugged)
    await wall.send(rmc("101500", "V") + gga("101501")[:30])
    await until(lambda: receiver.counters()["sentences"] == 1)
    wall.unplug()
    assert not (await waiting).valid
    assert not receiver.plugged
    waiting = asyncio.create_task(receiver.next_fix())
    wall.plug()
    await until(lambda: receiver.plugged)
    await wall.send(gga("101501")[30:] + rmc("101502") + gga("101502") + rmc("101503"))
    assert (await waiting).time_ms == int(datetime(2026, 11, 22, 10, 15, 2, tzinfo=UTC).timestamp()) * 1000
    counters = receiver.counters()
    assert (counters["opened"], counters["lost"]) == (2, 1)
    receiver.close()


async def test_a_missing_receiver_is_looked_for_with_growing_pauses_up_to_five_seconds(wall) -> None:
    clock = StepClock()
    receiver = Receiver(wall.device, 9600, clock)
    waiting = asyncio.create_task(receiver.next_fix())
    await until(lambda: len(clock.slept) >= 6)
    assert clock.slept[:6] == [0.5, 1.0, 2.0, 4.0, 5.0, 5.0]
    assert not receiver.plugged
    wall.plug()
    await until(lambda: receiver.plugged)
    assert receiver.counters()["absent"] >= 6
    receiver.close()
    with pytest.raises(DeviceGone):
        await waiting


async def test_a_receiver_that_another_program_holds_is_absent_not_shared(wall) -> None:
    wall.plug()
    first, second = Receiver(wall.device, 9600, StepClock()), Receiver(wall.device, 9600, StepClock())
    tasks = [asyncio.create_task(first.next_fix())]
    await until(lambda: first.plugged)
    tasks.append(asyncio.create_task(second.next_fix()))
    await until(lambda: second.counters()["absent"] >= 2)
    assert not second.plugged
    first.close()
    await until(lambda: second.plugged)
    second.close()
    assert [type(error) for error in await asyncio.gather(*tasks, return_exceptions=True)] == [DeviceGone] * 2


def test_d24_importing_the_receiver_loads_neither_pyserial_nor_pynmea2() -> None:
    code = "import sys, drivers.gnss.receiver, drivers.reader.badge, drivers.lock.relay; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"serial", "pynmea2"} & set(loaded)


@pytest.mark.parametrize(
    ("baud", "speed"),
    [(4800, termios.B4800), (9600, termios.B9600), (38400, termios.B38400), (115200, termios.B115200)],
)
async def test_the_line_is_opened_at_the_configured_speed(wall, baud: int, speed: int) -> None:
    """Older receivers speak at 4800 and 9600, modems and newer ones at 38400 and 115200. Read back from the kernel."""
    wall.plug()
    receiver = Receiver(wall.device, baud, StepClock())
    waiting = asyncio.create_task(receiver.next_fix())
    await until(lambda: receiver.plugged)
    assert wall.speeds() == (speed, speed)
    receiver.close()
    with pytest.raises(DeviceGone):
        await waiting
