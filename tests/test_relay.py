"""The relay board's driver, on real ptys."""

from __future__ import annotations

import asyncio

import pytest

from drivers.errors import DeviceError
from drivers.lock.board import frame
from drivers.lock.relay import RelayLock
from drivers.ports import Instant, LockAction
from tests.serial_bench import BOOT, Socket, StepClock, until

ON1, OFF1, ON2, OFF2 = frame(1, True), frame(1, False), frame(2, True), frame(2, False)
REST = OFF1 + OFF2


class HeldClock:
    """Sleeping ends when the test says so: the test is inside the pulse."""

    boot = BOOT

    def __init__(self) -> None:
        self.asked: list[float] = []
        self.go = asyncio.Event()

    def now(self) -> Instant:
        return Instant(self.boot, 0)

    async def sleep(self, seconds: float) -> None:
        self.asked.append(seconds)
        await self.go.wait()


@pytest.fixture
def wall(tmp_path):
    wall = Socket(tmp_path / "relay")
    wall.plug()
    yield wall
    wall.unplug()


def lock_on(wall: Socket, clock) -> RelayLock:
    return RelayLock(wall.device, 9600, 1, 2, 400, 250, clock)


def test_d17_frames_are_a0_channel_state_and_the_sum_of_the_three() -> None:
    assert frame(1, True) == bytes.fromhex("A00101A2")
    assert frame(1, False) == bytes.fromhex("A00100A1")
    assert frame(2, True) == bytes.fromhex("A00201A3")
    assert frame(200, True) == bytes.fromhex("A0C80169")


async def test_a_board_that_is_absent_or_pulled_out_is_known_before_the_next_tap(wall) -> None:
    relay = lock_on(wall, StepClock())
    assert "not opened yet" in relay.trouble
    wall.unplug()
    assert not relay.open()
    assert wall.device in relay.trouble
    wall.plug()
    assert relay.open()
    assert relay.trouble == ""
    wall.unplug()
    assert relay.trouble == f"{wall.device}: is gone"
    with pytest.raises(DeviceError):
        await relay.act(LockAction.UNLOCK)
    assert wall.device in relay.trouble
    relay.close()


async def test_one_act_is_one_pulse_of_the_configured_length(wall) -> None:
    clock = StepClock()
    relay = lock_on(wall, clock)
    assert relay.open()
    assert wall.received() == REST
    await relay.act(LockAction.UNLOCK)
    assert wall.received() == ON1 + OFF1
    await relay.act(LockAction.LOCK)
    assert wall.received() == ON2 + OFF2
    assert clock.slept == [0.4, 0.25]
    assert relay.counters()["acts"] == 2
    relay.close()
    relay.close()


async def test_a_board_left_on_by_a_power_cut_is_switched_off_when_it_is_opened(wall) -> None:
    relay = lock_on(wall, StepClock())
    await relay.act(LockAction.UNLOCK)
    assert wall.received() == REST + ON1 + OFF1
    relay.close()


async def test_the_relay_is_held_on_for_the_pulse(wall) -> None:
    clock = HeldClock()
    relay = lock_on(wall, clock)
    relay.open()
    wall.received()
    act = asyncio.create_task(relay.act(LockAction.UNLOCK))
    await until(lambda: clock.asked)
    assert wall.received() == ON1
    clock.go.set()
    await act
    assert wall.received() == OFF1
    relay.close()


@pytest.mark.parametrize("times", [1, 3])
async def test_off_is_sent_even_when_cancelled_and_the_pulse_is_whole(wall, times) -> None:
    clock = HeldClock()
    relay = lock_on(wall, clock)
    relay.open()
    act = asyncio.create_task(relay.act(LockAction.UNLOCK))
    await until(lambda: clock.asked)
    wall.received()
    for _ in range(times):
        act.cancel()
        await asyncio.sleep(0.002)
    assert not act.done()  # the pulse is not cut short
    assert wall.received() == b""
    clock.go.set()
    with pytest.raises(asyncio.CancelledError):
        await act
    assert wall.received() == OFF1
    relay.close()


def test_off_is_sent_when_the_whole_loop_is_torn_down(wall) -> None:
    relays = []

    async def main() -> None:
        clock = HeldClock()
        relay = lock_on(wall, clock)
        relays.append(relay)
        task = asyncio.create_task(relay.act(LockAction.UNLOCK))
        await until(lambda: clock.asked)
        assert not task.done()  # and now the loop ends: asyncio.run cancels everything, the pulse too

    asyncio.run(main())
    assert wall.received().endswith(ON1 + OFF1)
    relays[0].close()


async def test_two_acts_at_once_take_turns(wall) -> None:
    relay = lock_on(wall, StepClock())
    relay.open()
    wall.received()
    await asyncio.gather(relay.act(LockAction.UNLOCK), relay.act(LockAction.LOCK))
    assert wall.received() == ON1 + OFF1 + ON2 + OFF2
    relay.close()


async def test_an_act_cancelled_before_its_turn_moves_nothing(wall) -> None:
    clock = HeldClock()
    relay = lock_on(wall, clock)
    relay.open()
    first = asyncio.create_task(relay.act(LockAction.UNLOCK))
    await until(lambda: clock.asked)
    second = asyncio.create_task(relay.act(LockAction.LOCK))
    await asyncio.sleep(0)
    second.cancel()
    with pytest.raises(asyncio.CancelledError):
        await second
    wall.received()
    clock.go.set()
    await first
    assert wall.received() == OFF1
    relay.close()


async def test_absent_at_start_is_no_error_and_the_next_act_opens(wall) -> None:
    wall.unplug()
    relay = lock_on(wall, StepClock())
    assert not relay.open()
    wall.plug()
    await relay.act(LockAction.LOCK)
    assert wall.received() == REST + ON2 + OFF2
    relay.close()


async def test_gone_before_the_first_byte_cannot_have_happened(wall) -> None:
    relay = lock_on(wall, StepClock())
    wall.unplug()
    with pytest.raises(DeviceError) as caught:
        await relay.act(LockAction.UNLOCK)
    assert caught.value.may_have_happened is False
    assert caught.value.retryable
    assert relay.counters()["failed"] == 1
    relay.close()


async def test_unplugged_while_open_cannot_have_happened_either(wall) -> None:
    relay = lock_on(wall, StepClock())
    assert relay.open()
    wall.unplug()
    with pytest.raises(DeviceError) as caught:
        await relay.act(LockAction.UNLOCK)
    assert caught.value.may_have_happened is False
    relay.close()


async def test_replugged_between_two_acts_is_one_pulse_on_the_new_board(wall) -> None:
    relay = lock_on(wall, StepClock())
    assert relay.open()
    wall.unplug()
    wall.plug()
    await relay.act(LockAction.UNLOCK)
    assert wall.received() == REST + ON1 + OFF1
    assert relay.counters()["opened"] == 2
    relay.close()


async def test_gone_during_the_pulse_may_have_happened(wall) -> None:
    clock = HeldClock()
    relay = lock_on(wall, clock)
    act = asyncio.create_task(relay.act(LockAction.UNLOCK))
    await until(lambda: clock.asked)
    wall.unplug()
    clock.go.set()
    with pytest.raises(DeviceError) as caught:
        await act
    assert caught.value.may_have_happened is True
    assert relay.counters()["unsure"] == 1
    relay.close()


async def test_a_board_that_comes_back_is_switched_off_and_never_pulsed_again(wall) -> None:
    clock = HeldClock()
    relay = lock_on(wall, clock)
    act = asyncio.create_task(relay.act(LockAction.UNLOCK))
    await until(lambda: clock.asked)
    wall.unplug()
    wall.plug()
    clock.go.set()
    with pytest.raises(DeviceError) as caught:
        await act
    assert caught.value.may_have_happened is True
    assert wall.received() == REST
    assert relay.counters()["late_off"] == 1
    relay.close()


async def test_a_second_program_cannot_open_the_board(wall) -> None:
    relay, other = lock_on(wall, StepClock()), lock_on(wall, StepClock())
    assert relay.open()
    assert not other.open()
    relay.close()
    assert other.open()
    other.close()
