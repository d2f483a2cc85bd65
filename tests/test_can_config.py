"""Car folders that do not fit together: every mistake is named with message, signal and file."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from config import car as cars
from config.errors import ConfigError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copytree(cars.find("kangoo-ze"), tmp_path / "mine")
    return tmp_path / "mine"


def change(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def told(folder: Path) -> str:
    return "\n".join(str(problem) for problem in cars.check(folder))


def test_a_copy_of_a_car_is_found_by_path(folder: Path) -> None:
    assert cars.find(str(folder)) == folder
    assert cars.check(folder) == ()


def test_an_unknown_car_names_those_that_exist() -> None:
    with pytest.raises(ConfigError, match="kangoo-ze"):
        cars.find("twingo")


@pytest.mark.parametrize(
    ("file", "old", "new", "expected"),
    [
        (
            "car.toml",
            'field = "Distance"',
            'field = "Distanse"',
            ("Odometer", "no signal Distanse", "did you mean Distance?"),
        ),
        ("bus.dbc", " DashEnergy:", " DashPower:", ("no message DashEnergy", "bus.dbc", "DashPower")),
        ("bus.dbc", '"km/h"', '"mph"', ("RoadSpeed.Speed", "'mph'", "'km/h'")),
        ("bus.dbc", " SG_ Speed : 7|16@0+", " SG_ Speed : 7|16@", ("bus.dbc", "no valid DBC")),
        ("car.toml", '3 = "yes"', '3 = "maybe"', ("unknown states maybe", "no, yes")),
        ("car.toml", '3 = "yes"', '9 = "yes"', ("[9] do not fit 2 bits", "BodyState.Locks")),
        ("car.toml", 'name = "Vehicle.Speed"', 'name = "Vehicle.Sped"', ("not in the vocabulary", "Vehicle.Speed")),
        ("car.toml", 'name = "Vehicle.Speed"', 'name = "Vehicle.TraveledDistance"', ("mapped twice",)),
        ("car.toml", 'mask = "000018', 'mask = "00001', ("lock.confirm.mask", "no hex")),
        ("car.toml", 'locked = "000018', 'locked = "010018', ("inside mask",)),
        ("car.toml", "request = 0x79B", 'request = "79B"', ("poll[battery].request", "int")),
        ("car.toml", 'message = "Reply2101"\nrequest', 'message = "RoadSpeed"\nrequest', ("real frame's id",)),
        ("car.toml", 'confidence = "A"', 'confidence = "E"', ("confidence",)),
        ("car.toml", "[car]", "[cars]", ("cars: is not a known table",)),
        ("car.toml", 'valid_with = "StateOfCharge"', 'valid_with = "Warmth"', ("no signal Warmth",)),
        ("car.toml", "[lock]", "[lock", ("is not TOML",)),
    ],
)
def test_a_mistake_is_named(folder: Path, file: str, old: str, new: str, expected: tuple[str, ...]) -> None:
    change(folder / file, old, new)
    text = told(folder)
    for word in expected:
        assert word in text


def test_several_mistakes_come_at_once(folder: Path) -> None:
    change(folder / "bus.dbc", '"km/h"', '"mph"')
    change(folder / "car.toml", '3 = "yes"', '3 = "maybe"')
    change(folder / "car.toml", 'name = "Vehicle.Exterior.AirTemperature"', 'name = "Vehicle.Weather"')
    assert len(cars.check(folder)) == 3


@pytest.mark.parametrize("file", ["car.toml", "bus.dbc"])
def test_a_missing_file_is_named(folder: Path, file: str) -> None:
    (folder / file).unlink()
    problems = cars.check(folder)
    assert len(problems) == 1
    assert file in problems[0].file


def test_d24_the_lock_block_needs_no_dbc_and_no_cantools(folder: Path) -> None:
    (folder / "bus.dbc").unlink()
    code = (
        "import sys; from pathlib import Path; from config import car;"
        f"b = car.lock_block(Path({str(folder)!r})); d = car.diagnostic_lock(Path({str(folder)!r}));"
        "assert b.can_id == 0x60D and d.reply == 0x70;"
        "print([m for m in ('cantools', 'can', 'isotp', 'click') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
