"""R30: contacts on GPIO lines. The kernel's lines are stood in for at the library's door (docs/limits.md says why); the
descriptor, the loop, the daemon and the library's own refusals are real.
"""

from __future__ import annotations

import asyncio
import errno
import os
from pathlib import Path
from typing import Any

import gpiod
import pytest
from gpiod.line import Bias, Direction, Edge, Value

from agent.car.inputs import Inputs, Sensed
from config.settings import InputLine
from drivers.errors import DeviceGone
from drivers.fitted import Input
from drivers.gpio.line import GpioInput
from tests.serial_bench import StepClock, until

LINE = InputLine("/dev/gpiochip9", 17)


class Contact:
    """A line as the library hands it out: a descriptor that becomes readable at an edge, and a state to ask for."""

    def __init__(self) -> None:
        self.wanted: gpiod.LineSettings | None = None
        self.active, self.there, self.opened, self.gone = False, True, 0, False
        self._ends: tuple[int, int] | None = None

    def request(self, chip: str, lines: dict[int, gpiod.LineSettings], consumer: str) -> Contact:
        if not self.there:
            raise FileNotFoundError(errno.ENOENT, "No such file or directory")
        assert (chip, list(lines), consumer) == ("/dev/gpiochip9", [17], "boitier")
        self.wanted, self.opened, self.gone = lines[17], self.opened + 1, False
        self._ends = os.pipe()
        os.set_blocking(self._ends[0], False)
        return self

    def edge(self, active: bool, times: int = 1) -> None:
        assert self._ends is not None
        self.active = active
        os.write(self._ends[1], b"!" * times)

    def vanish(self) -> None:
        """The chip is unplugged: its descriptor is "ready" and every question fails."""
        assert self._ends is not None
        self.gone = True
        os.write(self._ends[1], b"!")

    @property
    def fd(self) -> int:
        assert self._ends is not None
        return self._ends[0]

    def read_edge_events(self) -> list[Any]:
        if self.gone:
            raise OSError(errno.ENODEV, "No such device")
        return list(os.read(self.fd, 16))

    def get_value(self, offset: int) -> Value:
        assert offset == 17
        return Value.ACTIVE if self.active else Value.INACTIVE

    def release(self) -> None:
        if self._ends is not None:
            for end in self._ends:
                os.close(end)
        self._ends = None


@pytest.fixture
def contact(monkeypatch: pytest.MonkeyPatch) -> Contact:
    it = Contact()
    monkeypatch.setattr(gpiod, "request_lines", it.request)
    return it


async def test_the_kernel_is_asked_for_both_edges_debounced_with_the_pull_of_the_settings(contact: Contact) -> None:
    line = GpioInput(LINE, 80, StepClock())
    assert line.value.active is None
    assert "not opened yet" in line.trouble
    assert (await line.next_value()).active is False
    wanted = contact.wanted
    assert wanted is not None
    assert (wanted.direction, wanted.edge_detection, wanted.bias) == (Direction.INPUT, Edge.BOTH, Bias.PULL_UP)
    assert wanted.active_low
    assert wanted.debounce_period.total_seconds() == 0.08
    assert (line.trouble, line.value.source) == ("", "/dev/gpiochip9:17")
    line.close()


async def test_a_change_has_its_time_and_a_bounce_that_ends_where_it_began_is_none(contact: Contact) -> None:
    clock = StepClock()
    line = GpioInput(LINE, 50, clock)
    await line.next_value()
    clock.advance(5)
    waiting = asyncio.create_task(line.next_value())
    contact.edge(False, times=4)
    await asyncio.sleep(0.01)
    assert not waiting.done()
    contact.edge(True)
    found = await waiting
    assert (found.active, found.at.ns) == (True, clock.now().ns)
    assert line.counters() == {"opened": 1, "lost": 0, "absent": 0, "changes": 1}
    line.close()


async def test_a_chip_that_goes_is_unknown_with_a_reason_and_comes_back(contact: Contact) -> None:
    clock = StepClock()
    line = GpioInput(LINE, 50, clock)
    contact.active = True
    assert (await line.next_value()).active is True
    contact.vanish()
    assert (await line.next_value()).active is None
    assert "No such device" in line.trouble
    contact.there = False
    waiting = asyncio.create_task(line.next_value())
    await until(lambda: line.counters()["absent"] > 8)
    assert max(clock.slept) == 30.0
    assert "No such file" in line.trouble
    contact.there = True
    assert (await waiting).active is True
    assert (line.trouble, contact.opened) == ("", 2)
    line.close()


async def test_a_closed_line_ends_who_waits(contact: Contact) -> None:
    line = GpioInput(LINE, 50, StepClock())
    await line.next_value()
    waiting = asyncio.create_task(line.next_value())
    await asyncio.sleep(0)
    line.close()
    line.close()
    with pytest.raises(DeviceGone):
        await waiting


@pytest.mark.parametrize(("chip", "words"), [("/dev/null", "No such device"), ("{}/none", "No such file")])
async def test_the_librarys_own_refusals_are_a_named_reason(tmp_path: Path, chip: str, words: str) -> None:
    clock = StepClock()
    line = GpioInput(InputLine(chip.format(tmp_path), 3), 50, clock)
    waiting = asyncio.create_task(line.next_value())
    await until(lambda: line.counters()["absent"] > 1)
    assert words in line.trouble
    assert line.trouble.startswith(chip.format(tmp_path) + ":3: ")
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)


async def test_d16_what_is_not_fitted_counts_as_returned_and_what_cannot_be_read_is_unknown(contact: Contact) -> None:
    assert Inputs(StepClock(), {}).sensed() == Sensed(True, True, None)
    clock = StepClock()
    inputs = Inputs(clock, {Input.KEY_HOLDER: GpioInput(LINE, 50, clock)})
    assert inputs.sensed() == Sensed(None, True, None)
    assert inputs.unreadable
    running = asyncio.create_task(inputs.run())
    await until(lambda: inputs.sensed().key_returned is False)
    assert not inputs.unreadable
    contact.edge(True)
    await until(lambda: inputs.sensed().key_returned is True)
    assert inputs.status()["key_holder"]["active"] is True  # type: ignore[index]
    await inputs.close()
    await asyncio.wait_for(running, 5)
