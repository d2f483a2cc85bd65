"""R15: a relay that is held, on real ptys: normally closed, so whatever dies leaves the car its supply."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.cli.checks import examine
from agent.cli.status import inputs, switches
from drivers.errors import DeviceError
from drivers.lock.board import Board, frame
from drivers.lock.relay import RelayLock
from drivers.lock.switch import RelayPulse, RelaySwitch
from drivers.ports import LockAction
from tests.serial_bench import Socket, StepClock

AWAY, THERE = frame(3, True), frame(3, False)  # energised only to take away
REST = frame(1, False) + frame(2, False)


@pytest.fixture
def wall(tmp_path: Path) -> Iterator[Socket]:
    wall = Socket(tmp_path / "relay")
    wall.plug()
    yield wall
    wall.unplug()


@pytest.fixture
def lock(wall: Socket) -> RelayLock:
    return RelayLock(wall.device, 9600, 1, 2, 20, 20, StepClock())


async def test_r15_the_relay_is_energised_only_to_take_away_and_let_go_at_an_ordered_end(
    wall: Socket, lock: RelayLock
) -> None:
    supply = RelaySwitch(lock.board, 3)
    assert lock.open()
    assert wall.received() == REST, "nothing is told of a held relay whose state nobody knows yet"
    await supply.turn(False)
    assert wall.received() == AWAY
    await supply.turn(True)
    assert wall.received() == THERE
    await supply.turn(False)
    wall.received()
    lock.close()
    assert wall.received() == REST + THERE
    assert lock.open()
    assert wall.received() == REST + THERE, "what is let go stays so"
    lock.close()


async def test_what_is_let_go_is_given_back_at_once_and_forgotten(wall: Socket, lock: RelayLock) -> None:
    supply = RelaySwitch(lock.board, 3)
    await supply.turn(False)
    wall.received()
    supply.close()
    supply.close()
    assert wall.received() == THERE + THERE
    wall.unplug()
    supply.close()
    wall.plug()
    await lock.act(LockAction.LOCK)
    assert wall.received() == REST + THERE + frame(2, True) + frame(2, False)
    lock.close()


async def test_a_board_whose_on_lets_go_is_told_the_other_way_round(wall: Socket) -> None:
    supply = RelaySwitch(Board(wall.device, 9600, StepClock()), 3, inverted=True)
    await supply.turn(False)
    assert wall.received() == THERE
    supply.close()
    assert wall.received() == AWAY


async def test_a_board_that_was_pulled_out_is_told_again_what_it_held(wall: Socket, lock: RelayLock) -> None:
    supply = RelaySwitch(lock.board, 3)
    await supply.turn(False)
    wall.received()
    wall.unplug()
    assert "is gone" in supply.trouble or "No such file" in supply.trouble
    with pytest.raises(DeviceError) as caught:
        await supply.turn(True)
    assert caught.value.may_have_happened is False
    wall.plug()
    assert supply.trouble == ""
    assert wall.received() == REST + AWAY, "a wish that failed is carried out by nobody"
    await lock.act(LockAction.UNLOCK)
    assert wall.received() == frame(1, True) + frame(1, False)
    await supply.turn(True)
    assert wall.received() == THERE
    lock.close()


async def test_r8_a_button_is_one_pulse_and_rests_off(wall: Socket, lock: RelayLock) -> None:
    button = RelayPulse(lock.board, 4, 300)
    await button.press()
    assert wall.received() == REST + frame(4, False) + frame(4, True) + frame(4, False)
    lock.close()


def test_the_technician_reads_what_is_fitted_and_why_it_does_not_answer() -> None:
    assert (inputs({}), switches({})) == ("none fitted", "none fitted")
    assert inputs({"door": {"active": None, "trouble": "gone"}, "box_lid": {"active": False, "trouble": ""}}) == (
        "door gone, box_lid no"
    )
    assert switches({"card_supply": {"on": False, "trouble": ""}}) == "card supply taken away"
    assert switches({"card_supply": {"on": True, "trouble": "/dev/x: is gone"}}) == "card supply /dev/x: is gone"


def test_check_looks_at_inputs_and_at_boards_that_are_not_the_locks(tmp_path: Path, wall: Socket) -> None:
    config, chip = tmp_path / "agent.toml", tmp_path / "gpiochip9"
    config.write_text(
        f'[vehicle]\nid = "8f3a52c0d1e4b796"\ncar = "zoe-ph1"\n[lock]\ndevice = "{wall.device}"\n'
        f'[keyless]\noperator = "example"\nroots = ["{"a1" * 32}"]\nthreshold = 1\n'
        f'[card_supply]\ndevice = "{wall.device}"\n[cable]\ndevice = "/dev/no-board"\n'
        f'[inputs.key_holder]\nchip = "{chip}"\nline = 4\n[inputs.box_lid]\nchip = "/dev/no-chip"\n'
    )
    chip.touch()
    found = {it.what: it for it in examine(config)}
    assert found["input key_holder"].found == f"line 4 of {chip}"
    assert (found["input box_lid"].good, found["input box_lid"].found) == (False, "/dev/no-chip is not there")
    assert not found["relay board of the cable"].good
    assert "relay board of the card supply" not in found, "it is the lock's own"
    assert "input door" not in found
