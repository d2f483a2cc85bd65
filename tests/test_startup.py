"""What a start leaves behind: the settings that were examined, and files that nobody else may read."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agent.car.supply import Supply
from agent.run import startup
from agent.run.app import House
from agent.run.rest import Rest
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


async def test_r16_r17_r19_what_runs_after_ready_is_wired_with_its_guards(tmp_path: Path) -> None:
    """Age counts by the settled time, and what asks the car is forbidden to by garage switch and battery."""
    config = tmp_path / "agent.toml"
    text = SETTINGS.format(state=tmp_path, root="11" * 32, other="22" * 32)
    config.write_text(text.replace('"zoe-ph1"', '"zoe-ph2-obd"'))
    house = House(startup.choose(config))
    await house.open_door()
    parts: dict[str, Any] = {}
    house.supervisor.add = lambda service, stage: parts.update({service.name: service})  # type: ignore[method-assign]
    rest = Rest(house)
    for step in (rest._records, rest._tend, rest._decoding):
        await step()
    assert parts["keeping"]._past_s == house.timekeeper.settled_lo_s
    assert parts["polling"].status()["forbidden"] == ""
    parts["tending"]._supply = Supply(low=True)
    assert parts["polling"].status()["forbidden"] == "supply"
    assert house.remote.garage is not None
    await house.remote.garage.switch(True, "local")
    assert parts["polling"].status()["forbidden"] == "garage"
    await house.supervisor.stop()
    house.notifier.close()
