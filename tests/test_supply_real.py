"""The whole daemon with a relay board that has the lock and the card supply: power cuts, and a box that dies (R15)."""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from drivers.lock.board import frame
from tests.agent_process import UNLOCK_OFF, Box, Wire, another_badge

AWAY, THERE = frame(3, True), frame(3, False)


class CarWithCard:
    """A relay board without power lets everything through. starts: whether the spare card lives."""

    def __init__(self, wire: Wire) -> None:
        self._wire, self._done = wire, 0
        self.energised: set[int] = set()

    def listen(self) -> None:
        while select.select([self._wire.end], [], [], 0)[0]:
            self._wire.heard += os.read(self._wire.end, 4096)
        heard = self._wire.heard[self._done :]
        for start in range(0, len(heard) - len(heard) % 4, 4):
            _, channel, on, _ = heard[start : start + 4]
            (self.energised.add if on else self.energised.discard)(channel)
        self._done = len(self._wire.heard) - len(heard) % 4

    @property
    def starts(self) -> bool:
        self.listen()
        return 3 not in self.energised

    def lose_power(self) -> None:
        self.listen()
        self.energised.clear()


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Box]:
    found = Box(tmp_path)
    text = found.config.read_text().replace(f'[gnss]\ndevice = "{found.gnss.device}"\n', "")
    found.config.write_text(text + f'[card_supply]\ndevice = "{found.relay.device}"\ndelay_s = 0.0\n')
    yield found
    found.close()


def kill(box: Box) -> None:
    assert box.process is not None
    box.process.send_signal(signal.SIGKILL)
    box.process.wait()


@pytest.mark.long
def test_r15_opened_cut_before_the_supply_started_ended_and_dead(box: Box) -> None:
    """Colleagues of one booking (R6), since the reader takes no second tap of one badge within two seconds."""
    badges = [another_badge() for _ in range(3)]
    for badge in badges:
        box.store_booking(badge=badge)
    car = CarWithCard(box.relay)
    slow = box.config.read_text()
    box.config.write_text(slow.replace("delay_s = 0.0", "delay_s = 10.0"))
    box.start()
    box.tap(badges[0])
    box.relay.wait_for(UNLOCK_OFF)
    box.reader.wait_for(b"O\n")
    kill(box)  # between opening and supply
    assert THERE not in box.relay.heard
    box.config.write_text(slow)
    box.start()
    box.relay.wait_for(THERE)
    assert car.starts
    box.tap(badges[1])
    box.reader.wait_for(b"E\n")
    box.relay.wait_for(AWAY)
    assert not car.starts
    box.until(lambda: box.ask("status")["switches"]["card_supply"]["on"] is False)
    kill(box)  # the whole box, its board with it
    car.lose_power()
    assert car.starts, "a dead box leaves a car that starts"
    box.relay.heard, car._done = b"", 0
    box.start()
    box.relay.wait_for(AWAY)
    assert not car.starts
    assert box.stop() == 0
    assert car.starts, "and so does one that was stopped in order"
