"""Recordings in every form that python-can reads, broken ones included, and the command that decodes them."""

from __future__ import annotations

import contextlib
import gzip
import json
from pathlib import Path
from typing import Any

import can
import pytest
from click.testing import CliRunner, Result
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.cli.car import car
from config import vocabulary as v
from drivers.can.recording import Recording, RecordingError

LINES = """(1600000000.100000) can0 654#0000003900000000
(1600000000.200000) can0 654#0000003900000000
(1600000000.300000) can0 654#FFFFFFFFFFFFFFFF
(1600000000.400000) can0 354#1388
(1600000000.500000) can0 18DAF1DB#0102
"""


def log(path: Path, text: str = LINES) -> Path:
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(text.encode()))
    else:
        path.write_text(text)
    return path


def decode(*arguments: object) -> Result:
    return CliRunner().invoke(car, ["decode", *map(str, arguments)])


def objects(result: Result) -> list[dict[str, Any]]:
    return [json.loads(line) for line in result.stdout.splitlines()]


@pytest.mark.parametrize("name", ["a.log", "a.log.gz", "a.candump.log.gz", "a.txt", "a.candump.txt.gz", "noname"])
def test_a_candump_log_is_known_by_name_or_by_its_look(tmp_path: Path, name: str) -> None:
    frames = list(Recording(log(tmp_path / name)).frames())
    assert [frame.can_id for frame in frames] == [0x654, 0x654, 0x654, 0x354, 0x18DAF1DB]
    assert frames[0].at.ns == 1_600_000_000_100_000_000
    assert frames[4].extended


@pytest.mark.parametrize("suffix", [".asc", ".blf", ".csv", ".trc", ".log"])
@pytest.mark.parametrize("zipped", [False, True])
def test_every_form_that_python_can_writes_is_read(tmp_path: Path, suffix: str, zipped: bool) -> None:
    path = tmp_path / f"a{suffix}"
    with can.Logger(path) as writer:
        for number in range(3):
            data = bytes([0, 0, 0, number, 0, 0, 0, 0])
            writer(can.Message(timestamp=1.6e9 + number / 10, arbitration_id=0x654, is_extended_id=False, data=data))
    if zipped:
        path = path.rename(path) and log_gz(path)
    frames = list(Recording(path).frames())
    assert [frame.data[3] for frame in frames] == [0, 1, 2]
    assert [round((frame.at.ns - frames[0].at.ns) / 1e9, 3) for frame in frames] == [0.0, 0.1, 0.2]


def log_gz(path: Path) -> Path:
    zipped = path.with_name(path.name + ".gz")
    zipped.write_bytes(gzip.compress(path.read_bytes()))
    return zipped


def test_the_public_samples_of_python_can_are_read(shared: Path) -> None:
    folder = shared / "data" / "can" / "python-can"
    for path in sorted(folder.iterdir()):
        assert list(Recording(path).frames()), path.name


def test_bad_candump_lines_are_counted_with_their_number_and_the_rest_is_read(tmp_path: Path) -> None:
    lines = LINES.splitlines()
    lines[1:1] = ["garbage", "(x) can0 654#00"]
    lines.append("(1600000001.0) can0 654#00000")
    recording = Recording(log(tmp_path / "a.log", "\n".join(lines)))
    assert len(list(recording.frames())) in (5, 6)
    assert [number for number, _ in recording.bad][:2] == [2, 3]


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("a.csv", "timestamp,arbitration_id,extended,remote,error,dlc,data\n1,0x1,0,0,0,1,AA==\nrubbish\n", "line 3"),
        ("a.xyz", "what is this", "not known"),
        ("a.blf", "no blf at all, but long enough for a header, one would think" * 4, "a.blf"),
    ],
)
def test_what_cannot_be_read_is_said_with_file_and_line(tmp_path: Path, name: str, text: str, expected: str) -> None:
    with pytest.raises(RecordingError, match=expected):
        list(Recording(log(tmp_path / name, text)).frames())


def test_a_truncated_gzip_is_said(tmp_path: Path) -> None:
    path = log(tmp_path / "a.log.gz", LINES * 2000)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(RecordingError, match=r"a\.log\.gz"):
        list(Recording(path).frames())


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(raw=st.binary(max_size=300), suffix=st.sampled_from([".log", ".asc", ".blf", ".csv", ".trc", ".log.gz", ""]))
def test_any_bytes_end_in_frames_or_a_named_error(tmp_path: Path, raw: bytes, suffix: str) -> None:
    path = tmp_path / f"fuzz{suffix}"
    path.write_bytes(raw)
    with contextlib.suppress(RecordingError):
        list(Recording(path).frames())


def test_d5_the_logs_own_time_and_every_value_not_only_changes(tmp_path: Path) -> None:
    told = objects(decode("--car", "kangoo-ze", log(tmp_path / "a.log"), "--json"))
    charge = [line for line in told if line["signal"] == v.SOC]
    assert charge == [
        {"t": 1600000000.1, "signal": v.SOC, "value": 57.0, "unit": "percent"},
        {"t": 1600000000.2, "signal": v.SOC, "value": 57.0, "unit": "percent"},
    ]
    assert {"t": 1600000000.4, "signal": v.SPEED, "value": 50.0, "unit": "km/h"} in told
    assert not [line for line in told if line["t"] == 1600000000.3], (
        "a frame of ones tells nothing, its plug bit neither"
    )


def test_people_get_columns(tmp_path: Path) -> None:
    result = decode("--car", "kangoo-ze", log(tmp_path / "a.log"))
    assert result.exit_code == 0
    line = next(line for line in result.stdout.splitlines() if v.SPEED in line)
    assert line.split() == ["1600000000.400000", v.SPEED, "50", "km/h"]


def test_exit_codes_are_good_finding_and_wrong_use(tmp_path: Path) -> None:
    good = log(tmp_path / "a.log")
    assert decode("--car", "kangoo-ze", good).exit_code == 0
    assert decode("--car", "kangoo-ze", log(tmp_path / "b.log", "rubbish\n" + LINES)).exit_code == 1
    assert decode("--car", "kangoo-ze", log(tmp_path / "c.xyz", "?")).exit_code == 1
    assert decode("--car", "twingo", good).exit_code == 2
    assert decode("--car", "kangoo-ze", tmp_path / "absent.log").exit_code == 2
    assert decode(good).exit_code == 2


def test_the_kangoo_recording_is_plausible_by_the_command(shared: Path) -> None:
    path = shared / "data" / "can" / "kangoo" / "bms-working.candump.log.gz"
    told = objects(decode("--car", "ev-can", path, "--json"))
    assert {line["value"] for line in told if line["signal"] == v.SOC} == {42.06}
    assert all(12 <= line["value"] <= 15 for line in told if line["signal"] == v.VOLTAGE_12V)
    assert all(line["t"] <= 19.5 for line in told)


@pytest.mark.parametrize("command", [["list"], ["show", "zoe-ph1"], ["check", "zoe-ph1"]])
def test_the_other_commands_speak_to_people_and_machines(command: list[str]) -> None:
    for extra in ([], ["--json"]):
        result = CliRunner().invoke(car, command + extra)
        assert result.exit_code == 0, result.output
        if extra:
            objects(result)


def test_check_exits_1_with_a_finding(tmp_path: Path) -> None:
    (tmp_path / "car.toml").write_text("[car]\n")
    result = CliRunner().invoke(car, ["check", str(tmp_path), "--json"])
    assert result.exit_code == 1
    assert "car.toml" in result.stdout


@pytest.mark.parametrize("command", ["check", "show"])
def test_an_unknown_car_is_wrong_use(command: str) -> None:
    result = CliRunner().invoke(car, [command, "twingo"])
    assert result.exit_code == 2
    assert "twingo" in result.output


def test_a_log_of_another_car_comes_with_a_hint_and_one_of_its_own_without(tmp_path: Path) -> None:
    foreign = decode("--car", "ev-can", log(tmp_path / "a.log"))
    assert foreign.exit_code == 0
    assert "hint: 5 of 5 frames are not known to ev-can: is the log another car's" in foreign.stderr
    assert "hint" not in decode("--car", "kangoo-ze", log(tmp_path / "b.log")).stderr
    assert "hint" not in decode("--car", "ev-can", log(tmp_path / "c.log", "")).stderr
