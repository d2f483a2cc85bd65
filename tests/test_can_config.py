"""Car folders that do not fit together: every mistake is named with message, signal and file."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner

from agent.cli.car import check
from agent.cli.car_recording import compare
from config import car as cars
from config.car_file import read
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
        ("bus.dbc", " DashEnergy:", " DashEnergie:", ("no message DashEnergy", "bus.dbc", "DashEnergie")),
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
        ("car.toml", 'message = "Reply2103"\nrequest', 'message = "Reply2130"\nrequest', ("no message Reply2130",)),
        ("car.toml", 'message = "Reply2103"\nrequest', "request", ("poll[cells]", "missing", "message")),
        (
            "car.toml",
            'message = "Reply2103"\nrequest',
            'message = "Reply2101"\nrequest',
            ("poll[cells]: fills Reply2101, as poll[battery] does", "no [[poll]] asks for"),
        ),
        ("car.toml", 'name = "cells"', 'name = "battery"', ("poll[battery]: is there twice",)),
        ("car.toml", 'ask = "2103"', 'ask = "2101"', ("poll[cells]: asks 79B for 2101, as poll[battery] does",)),
        (
            "car.toml",
            "driving = 2,",
            "driving = 0.1,",
            ("ask 10.5 times a second when driving", "at most 6"),
        ),
        ("car.toml", "request = 0x7E4", "request = 0x654", ("poll[voltage]: asks on 654", "message DashEnergy")),
        (
            "car.toml",
            "reply = 0x7EC",
            "reply = 0x7BB",
            (
                "poll[voltage]: hears 7BB, as poll[battery]",
                "asks 7E4",
            ),
        ),
        (
            "car.toml",
            "reply = 0x765",
            "reply = 0x766",
            ("lock.diagnostic: asks 745 and hears 766", "poll[vin]"),
        ),
        ("car.toml", "reply = 0x7EC", "reply = 0x7E4", ("poll[voltage]: asks and answers on one id",)),
        ("car.toml", "every_s = { charging = 10 }", "every_s = {}", ("poll[mains]: is asked in no phase",)),
        ("car.toml", "id = 0x60D", "id = 0x5C5", ("lock.confirm.id: is 5C5, but", "is mapped from BodyState, 60D")),
        ("bus.dbc", "SG_ Voltage : 31|16@0+", "SG_ Voltage : 23|16@0+", ("Reply223203.Voltage", "3 bytes that repeat")),
        ("bus.dbc", '31|16@0+ (0.5,0) [0|0] "V"', '31|16@0+ (0.5,0) [0|0] "A"', ("Reply223203.Voltage", "'A'", "'V'")),
        ("bus.dbc", "(1,-40)", "(1,400)", ("BatteryState.Temperature", "says 400 to 527", "plausible -40 to 80")),
        ("car.toml", "na = [7]", "na = [6]", ("raw values [6] are states and not available at once",)),
        ("car.toml", "na = [0x1FE]", "na = [0x1FE]\nlow = 10\nhigh = 5", ("low 10 is above high 5",)),
        ("car.toml", "na = [0x1FE]", "na = [0x1FE]\nlow = -1", ("low is outside the vocabulary's range",)),
        ("car.toml", "na = [0x1FE]", "na = [0x1FE]\nhigh = 500", ("high is outside the vocabulary's range",)),
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


@pytest.mark.parametrize("model", cars.models())
def test_d24_the_lock_read_in_a_hurry_is_the_one_of_the_whole_file(model: str) -> None:
    whole = read(cars.find(model))
    assert cars.lock_block(cars.find(model)) == whole.lock_block()
    assert cars.diagnostic_lock(cars.find(model)) == whole.diagnostic_lock()


LOCK = re.compile(r"^\[lock\]\n.*?(?=^\[message)", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("header", ["[lock", '["lock"', " [ lock", "[ 'lock'"])
def test_d24_a_lock_that_stands_last_is_found_all_the_same(folder: Path, header: str) -> None:
    file, block, command = folder / "car.toml", cars.lock_block(folder), cars.diagnostic_lock(folder)
    text = file.read_text()
    file.write_text(LOCK.sub("", text) + LOCK.search(text)[0].replace("[lock", header))  # type: ignore[index]
    assert block is not None
    assert cars.lock_block(folder) == block
    assert cars.diagnostic_lock(folder) == command


@pytest.mark.parametrize("quotes", ["'''", '"' * 3])
def test_d24_a_line_of_a_long_text_is_no_header(folder: Path, quotes: str) -> None:
    block = cars.lock_block(folder)
    change(folder / "car.toml", 'source = "OVMS', f"source = {quotes}\n[[signal]]\n{quotes} # ")
    assert cars.lock_block(folder) == block


def test_d15_a_mistake_behind_the_lock_leaves_the_lock_and_is_named(folder: Path) -> None:
    signal = cars.lock_signal(folder)
    change(folder / "car.toml", '3 = "yes"', "3 = yes")
    assert signal[0] is not None
    assert cars.lock_signal(folder) == signal
    assert "is not TOML" in told(folder)


# --- recordings -------------------------------------------------------------------------------------------------------


def seen(folder: Path) -> str:
    return "\n".join(str(problem) for problem in compare(cars.load(folder)).problems)


def test_the_recording_of_a_copy_says_what_its_page_says(folder: Path) -> None:
    assert seen(folder) == ""


@pytest.mark.parametrize(
    ("file", "old", "new", "expected"),
    [
        (
            "car.toml",
            'source = "354 bits 0-15',
            'high = 40\nsource = "354 bits 0-15',
            ("car.toml: signal[Vehicle.Speed]", "drive.log says 40.", "at 17673408", "plausible 0 to 40"),
        ),
        ("bus.dbc", '(0.01,0) [0|0] "km/h"', '(0.02,0) [0|0] "km/h"', ("Vehicle.Speed: high is 102.", "51.")),
        (
            "bus.dbc",
            " SG_ Trunk : 7|1@0+",
            " SG_ Trunk : 0|1@0+",
            ("Rear.IsOpen: high is no", "yes was expected"),
        ),
        ("recordings/drive.expect.toml", "count = ", "count = 9", ("count is ", ", and 9", "was expected")),
        ("recordings/drive.expect.toml", 'low = "off"', 'low = "on"', ("Vehicle.LowVoltageSystemState: low is off",)),
        (
            "recordings/drive.expect.toml",
            '"Vehicle.Speed"',
            '"Vehicle.Sped"',
            ("Sped: is expected", "Speed: is told"),
        ),
        ("recordings/drive.expect.toml", '"drive.log"', '"ride.log"', ("names ride.log, which is not here",)),
        ("recordings/drive.expect.toml", "[[expect]]", "[[expected]]", ("drive.expect.toml: cannot be read",)),
        ("recordings/drive.expect.toml", "[[expect]]", "[[expect]", ("drive.expect.toml: cannot be read",)),
        ("recordings/drive.log", "can0 654#", "can0 654", ("drive.log:", "does not decode", "take the line out")),
        ("car.toml", ', 1 = "yes" }', " }", ("drive.log: has", "raw states that no [[signal]] names")),
    ],
)
def test_a_recording_that_says_otherwise_is_named(
    folder: Path, file: str, old: str, new: str, expected: tuple[str, ...]
) -> None:
    change(folder / file, old, new)
    text = seen(folder)
    for word in expected:
        assert word in text


def test_a_recording_of_another_car_says_nothing(folder: Path) -> None:
    (folder / "recordings" / "drive.log").write_text("(1.000000) can0 155#0000000000000000\n")
    assert "says nothing of this car" in seen(folder)


def test_a_recording_in_no_known_form_is_named(folder: Path) -> None:
    change(folder / "recordings" / "drive.expect.toml", '"drive.log"', '"drive.bin"')
    (folder / "recordings" / "drive.log").rename(folder / "recordings" / "drive.bin").write_text("no frame at all\n")
    assert "drive.bin: does not decode" in seen(folder)


def test_frames_that_are_too_short_are_named(folder: Path) -> None:
    log = folder / "recordings" / "drive.log"
    log.write_text(log.read_text() + "(1767340900.000000) can0 654#0000\n")
    assert "too short" in seen(folder)


def test_a_recording_without_a_page_is_named(folder: Path) -> None:
    (folder / "recordings" / "tuesday.log").write_text("(1.000000) can0 654#0000003900000000\n")
    assert "recordings/tuesday.expect.toml" in seen(folder)


def test_a_recording_that_is_not_ours_to_copy_is_left_alone(folder: Path) -> None:
    page = 'recording = "data/can/kangoo/theirs.log"\nexpect = []\n'
    (folder / "recordings" / "theirs.expect.toml").write_text(page)
    assert seen(folder) == ""


def test_the_command_looks_at_the_recordings_too(folder: Path) -> None:
    change(folder / "recordings" / "drive.expect.toml", "count = ", "count = 9")
    run = CliRunner().invoke(check, [str(folder)])
    assert run.exit_code == 1
    assert "count is " in run.output


def test_the_command_says_how_many_recordings_it_compared(folder: Path) -> None:
    assert CliRunner().invoke(check, [str(folder)]).output.endswith("fits together; 1 recording compared\n")
    for name in ("one", "two"):
        (folder / "recordings" / f"{name}.expect.toml").write_text(f'recording = "data/can/{name}.log"\nexpect = []\n')
    assert CliRunner().invoke(check, [str(folder)]).output.endswith("; 1 recording compared, 2 not here\n")
    for path in (folder / "recordings").glob("drive.*"):
        path.unlink()
    assert CliRunner().invoke(check, [str(folder)]).output.endswith("; no recording compared, 2 not here\n")


def test_what_is_not_expected_comes_with_the_lines_to_add(folder: Path) -> None:
    page = folder / "recordings" / "drive.expect.toml"
    blocks = page.read_text().split("\n\n")
    (mine,) = (block for block in blocks if '"Vehicle.Speed"' in block)
    page.write_text("\n\n".join(block for block in blocks if block != mine))
    text = seen(folder)
    assert "Vehicle.Speed: is told by drive.log, but not expected" in text
    hint = tomllib.loads(text.partition("if this is right: ")[2].rstrip(")").replace(", ", "\n"))
    assert hint == {key: value for key, value in tomllib.loads(mine)["expect"][0].items() if key != "name"}
