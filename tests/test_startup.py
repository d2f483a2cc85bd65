"""What a start leaves behind: the settings that were examined, and files that nobody else may read."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.run import startup
from agent.run.app import House
from tests.agent_process import Box

SETTINGS = """
state = "{state}"
[vehicle]
id = "0011223344556677"
car = "zoe-ph1"
[keyless]
operator = "example"
roots = ["{root}", "{other}"]
[lock]
device = "/dev/nowhere"
[can]
channel = "absent0"
"""


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Box]:
    made = Box(tmp_path)
    yield made
    made.close()


def test_the_good_copy_is_what_was_examined_and_not_what_stands_there_later(tmp_path: Path) -> None:
    config = tmp_path / "agent.toml"
    text = SETTINGS.format(state=tmp_path, root="11" * 32, other="22" * 32)
    config.write_text(text)
    chosen = startup.choose(config)
    assert chosen.problems == ()
    config.write_text("half a fi")
    startup.keep(chosen)
    assert (tmp_path / startup.GOOD_COPY).read_text() == text
    config.unlink()
    startup.keep(chosen)
    assert (tmp_path / startup.GOOD_COPY).read_text() == text


def test_records_and_everything_else_in_the_state_folder_are_the_daemons_alone(box: Box) -> None:
    box.start()
    box.stop()
    found = [path for path in box.state.rglob("*") if path.is_file()]
    assert box.state / "records.db" in found
    assert {path.name: stat.S_IMODE(path.stat().st_mode) & 0o077 for path in found} == dict.fromkeys(
        (path.name for path in found), 0
    )


async def test_r19_the_real_door_erases_by_the_settled_time(tmp_path: Path) -> None:
    config = tmp_path / "agent.toml"
    config.write_text(SETTINGS.format(state=tmp_path, root="11" * 32, other="22" * 32))
    house = House(startup.choose(config))
    await house.open_door()
    assert house.door.past_s == house.timekeeper.settled_lo_s
    await house.supervisor.stop()
    house.notifier.close()
