"""Attempts at a device: how long each waits, and that nobody waits for one that is closed."""

from __future__ import annotations

import asyncio

import pytest

from drivers.attempts import Attempts
from drivers.errors import DeviceError, DeviceGone
from tests.fakes.clock import ManualClock


class Slept(ManualClock):
    """Sleeps at once, and remembers for how long."""

    def __init__(self) -> None:
        super().__init__()
        self.slept: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


async def test_each_failure_doubles_the_wait_up_to_the_longest_and_success_ends_it() -> None:
    clock, told, left = Slept(), list[str](), list(range(6))
    attempts = Attempts("/dev/x", clock, 0.5, 5.0)

    def attempt() -> str:
        if left:
            raise DeviceError(f"gone {left.pop(0)}")
        return "open"

    assert await attempts.opened(attempt, lambda error: told.append(str(error))) == "open"
    assert clock.slept == [0.5, 1.0, 2.0, 4.0, 5.0, 5.0], "none before the very first"
    assert told == [f"gone {number}" for number in range(6)]
    attempts.worked()
    await attempts.wait()
    attempts.failed()
    await attempts.wait(0.75)
    assert clock.slept[6:] == [0.375]


@pytest.mark.parametrize("failed", [False, True])
async def test_what_is_closed_is_not_tried_again(failed: bool) -> None:
    clock = Slept()
    attempts = Attempts("/dev/x", clock, 0.5, 5.0)
    if failed:
        attempts.failed()
    attempts.closed = True
    with pytest.raises(DeviceGone, match=r"/dev/x: closed"):
        await attempts.opened(lambda: pytest.fail("it was tried"), lambda _: None)
    assert clock.slept == []


async def test_closing_while_it_waits_ends_the_wait_with_an_error() -> None:
    clock = ManualClock()
    attempts = Attempts("/dev/x", clock, 0.5, 5.0)
    attempts.failed()
    waiting = asyncio.create_task(attempts.opened(lambda: pytest.fail("it was tried"), lambda _: None))
    await clock.advance(0.4)
    attempts.closed = True
    await clock.advance(0.2)
    with pytest.raises(DeviceGone):
        await waiting
