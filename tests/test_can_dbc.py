"""A DBC loads as a car's, or is refused with file, line, what is wrong and what to change."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from config.dbc import decoded, read
from config.errors import ConfigError

GOOD = """VERSION ""

NS_ :

BS_:

BU_: Car Box

BO_ 852 RoadSpeed: 8 Car
 SG_ Speed : 7|16@0+ (0.01,0) [0|0] "km/h" Box
 SG_ Distance : 23|16@0+ (1,0) [0|0] "km" Box

BO_ 2566844683 Battery: 8 Car
 SG_ Voltage : 7|8@0+ (0.1,0) [0|0] "V" Box

CM_ BO_ 852 "of the wheels;
BO_ 852 12V: 8 is how a comment may go on
and end";
"""


def refused(path: Path) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        read(path)
    return [str(problem) for problem in caught.value.problems]


def written(folder: Path, text: str) -> Path:
    path = folder / "bus.dbc"
    path.write_text(text)
    return path


@pytest.fixture
def can(shared: Path) -> Path:
    return shared / "data" / "can"


def test_every_public_dbc_loads(can: Path, tmp_path: Path) -> None:
    files = sorted((can / "dbc").glob("*/*.dbc*"))
    assert len(files) == 15
    for file in files:
        path = file
        if file.suffix == ".gz":
            path = tmp_path / file.stem
            path.write_bytes(gzip.decompress(file.read_bytes()))
        assert read(path).messages, file.name


@pytest.mark.parametrize(
    ("file", "line", "words"),
    [
        ("kangoo/Kangoo.dbc", 57, ("Battery_2.12V_Voltage:", "no digit first", "_12V_Voltage")),
        ("kona/pcan.dbc", 6, ("no BS_ and no BU_", '"BS_:" and "BU_:"')),
        ("leaf/EV-can_ZE1.dbc", 92, ("x5BC.Mux_5BC: overlaps", "in line 88", "byte order")),
        ("egolf/vwegolf.dbc", 84, ("ClimaIdle: overlaps", "RangeIdeal in line 83")),
    ],
)
def test_a_public_dbc_that_cannot_load_says_where_and_what_to_change(
    can: Path, file: str, line: int, words: tuple[str, ...]
) -> None:
    told = refused(can / file)
    assert told[0].startswith(f"{can / file}:{line}: ")
    for word in words:
        assert word in told[0]


def test_every_overlap_is_told_at_once(can: Path) -> None:
    assert len(refused(can / "leaf" / "EV-can_ZE1.dbc")) == 3


def test_who_does_what_the_messages_say_has_a_dbc_that_loads(can: Path, tmp_path: Path) -> None:
    """The advice is tried: both files load after nothing but what was told."""
    text = (can / "kangoo" / "Kangoo.dbc").read_text()
    for told in refused(can / "kangoo" / "Kangoo.dbc"):
        number, old, new = re.search(r":(\d+): \w+\.(\S+): .*: (\S+)$", told).groups()  # type: ignore[union-attr]
        lines = text.splitlines()
        lines[int(number) - 1] = lines[int(number) - 1].replace(old, new)
        text = "\n".join(lines)
    assert len(read(written(tmp_path, text)).messages) == 5
    lines = (can / "kona" / "pcan.dbc").read_text().splitlines()
    lines[5:5] = ["BS_:", "BU_:"]
    assert len(read(written(tmp_path, "\n".join(lines))).messages) == 107


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (" SG_ Speed", " SG_ 2Speed", ("bus.dbc:10: RoadSpeed.2Speed: is no name", "no digit first: _2Speed")),
        ("RoadSpeed:", "Road-Speed:", ("bus.dbc:9: Road-Speed: is no name for a message", "Road_Speed")),
        ("BS_:\n\nBU_: Car Box\n", "", ("bus.dbc:6: no BS_ and no BU_", '"BS_:" and "BU_:"')),
        ("BU_: Car Box\n", "", ("bus.dbc:8: no BU_ section", '"BU_:"')),
        (" SG_ Distance", " SG_ Speed", ("bus.dbc:11: RoadSpeed.Speed: is there twice", "line 10 too")),
        (" Battery:", " RoadSpeed:", ("bus.dbc:13: RoadSpeed: is the name of the message in line 9",)),
        ("2566844683", "852", ("bus.dbc:13: Battery: has the id 852 of the message in line 9",)),
        ("BO_ 852 R", "BO_ 0x354 R", ("bus.dbc:9: RoadSpeed: '0x354' is no id", "decimal")),
        ("BO_ 852 R", "BO_ 4000 R", ("bus.dbc:9: RoadSpeed: 4000 is no CAN id", "29 bits plus 2147483648")),
        ("23|16@0+", "15|16@0+", ("bus.dbc:11: RoadSpeed.Distance: overlaps RoadSpeed.Speed in line 10",)),
        ("23|16@0+", "63|16@0+", ("bus.dbc:11: RoadSpeed.Distance: does not fit into its message", "length")),
        ("7|16@0+", "7|16@", ("bus.dbc:10: is no valid DBC: column 20", "HERE", "neighbours")),
        ('and end";', "and", ("no valid DBC",)),
    ],
)
def test_a_fault_has_its_own_message(tmp_path: Path, old: str, new: str, expected: tuple[str, ...]) -> None:
    assert old in GOOD
    told = "\n".join(refused(written(tmp_path, GOOD.replace(old, new, 1))))
    for word in expected:
        assert word in told


def test_several_faults_come_at_once(tmp_path: Path) -> None:
    text = GOOD.replace("SG_ Speed", "SG_ 2Speed").replace("SG_ Voltage", "SG_ 12V").replace(" Battery:", " 4x4:")
    assert [told.split(": ")[0].rsplit(":", 1)[1] for told in refused(written(tmp_path, text))] == ["10", "13", "14"]


def test_what_is_in_a_comment_is_no_fault(tmp_path: Path) -> None:
    assert len(read(written(tmp_path, GOOD)).messages) == 2


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252"])
def test_a_degree_sign_is_one_in_either_encoding(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "bus.dbc"
    path.write_bytes(GOOD.replace('"V"', '"°C"').encode(encoding))
    assert read(path).get_message_by_name("Battery").signals[0].unit == "°C"
    assert decoded(b"\x81") == "\x81", "no byte is refused for its code page"


def test_an_absent_dbc_is_said(tmp_path: Path) -> None:
    assert "cannot be read (No such file" in refused(tmp_path / "bus.dbc")[0]


@pytest.mark.long
@settings(max_examples=150, deadline=None)
@given(cut=st.integers(0, len(GOOD)), length=st.integers(0, 40), other=st.text(max_size=12))
def test_any_damage_ends_in_a_dbc_or_a_named_problem(
    tmp_path_factory: pytest.TempPathFactory, cut: int, length: int, other: str
) -> None:
    path = tmp_path_factory.getbasetemp() / "damaged.dbc"
    path.write_text(GOOD[:cut] + other + GOOD[cut + length :], encoding="utf-8")
    files = {str(path)}
    try:
        read(path)
    except ConfigError as error:
        files |= {problem.file for problem in error.problems}
    assert all(file.startswith(str(path)) for file in files)
