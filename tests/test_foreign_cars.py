"""Cars that are not ours, from a folder each in `tests/cars`: frames and answers whose values others have published.

The folders hold the few facts that the tests need; the frames are read from where they were published.
"""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from agent.cli.car import car
from config import car as cars
from config import vocabulary as v
from drivers.can.decode import Decoder
from drivers.can.overheard import Overheard
from drivers.can.playback import Playback
from drivers.ports import Frame, Instant

CARS = Path(__file__).parent / "cars"
MODELS = sorted(path.parent.name for path in CARS.glob("*/car.toml"))
CASE = re.compile(r"^- expected_values:\n(.*?)^  response: (.*?)(?=^- |\Z)", re.MULTILINE | re.DOTALL)
Case = tuple[dict[str, float], list[Frame]]


def model(name: str) -> cars.CarModel:
    return cars.load(CARS / name)


def answer(car: cars.CarModel, frames: list[Frame]) -> tuple[dict[str, Any], dict[str, int]]:
    """What the car's one question and these frames of the answer tell, and the decoder's counters."""
    (poll,) = car.polls
    overheard, decoder = Overheard(car.polls), Decoder(car)
    asked = Frame(poll.request_id, False, bytes([len(poll.payload)]) + poll.payload, Instant("", 0))
    found = [heard for frame in (asked, *frames) if (heard := overheard.frame(frame)) is not None]
    assert len(found) == 1, overheard.counters()
    told = {signal.name: signal.value for signal in decoder.payload(*found[0], 0)}
    return told, decoder.counters()


def cases(path: Path) -> list[Case]:
    """The test cases of OBDb: `response` is CAN id, then ISO-TP frame, per line."""
    found = []
    for values, response in CASE.findall(path.read_text()):
        lines = re.findall(r"[0-9A-F]{5,}", response)
        frames = [Frame(int(line[:3], 16), False, _bytes(line[3:]), Instant("", at)) for at, line in enumerate(lines)]
        expected = {name: float(number) for name, number in re.findall(r"(\w+): ([-\d.]+)", values)}
        found.append((expected, frames))
    return found


def _bytes(digits: str) -> bytes:
    """Some answers there end in half a byte of padding."""
    return bytes.fromhex(digits[: len(digits) // 2 * 2])


@pytest.mark.parametrize("name", MODELS)
def test_a_foreign_folder_fits_together(name: str) -> None:
    assert cars.check(CARS / name) == ()


@pytest.mark.parametrize("year", [2012, 2015])
def test_answers_of_a_leaf_in_several_frames_give_the_published_voltage(shared: Path, year: int) -> None:
    """The published charge is a value cut off at 0 or 100: that is none, and we tell none."""
    car = model("leaf")
    path = shared / "data" / "uds" / "nissan-leaf" / f"{year}-79B.7BB.2101.yaml"
    found = cases(path)
    assert len(found) == {2012: 32, 2015: 43}[year]
    for expected, frames in found:
        told, counted = answer(car, frames)
        assert told.pop(v.BATTERY_VOLTAGE) == pytest.approx(expected["LEAF_HVBAT_VOLT"], abs=1e-9)
        if expected["LEAF_HVBAT_SOC"] in (0, 100):
            assert told == {}
            assert counted["out_of_range"] == 1
        else:
            assert told.pop(v.SOC_FINE) == pytest.approx(expected["LEAF_HVBAT_SOC"], abs=1e-3)


def test_absurd_odometers_of_a_dacia_are_no_values(shared: Path) -> None:
    car = model("spring")
    found = cases(shared / "data" / "uds" / "dacia-spring" / "2023-743.220207.yaml")
    told = {expected["DACIA_ODO"]: answer(car, frames) for expected, frames in found}
    assert {odometer: values for odometer, (values, _) in told.items()} == {
        38_144: {v.ODOMETER: 38_144.0}, 3_117_824: {}, 16_749_568: {},
    }  # fmt: skip
    assert [counted["out_of_range"] for _, counted in told.values()] == [0, 1, 1]


def twizy() -> list[Any]:
    told = tomllib.loads((CARS / "twizy" / "expected.toml").read_text())
    return [pytest.param(entry, id=entry["after"]) for entry in told["expect"]]


@pytest.mark.parametrize("expected", twizy())
def test_the_test_frames_of_a_twizy_give_what_their_comments_say(shared: Path, expected: dict[str, Any]) -> None:
    lines = (shared / "data" / "can" / "twizy" / "CAN-Test-Frames.txt").read_text().splitlines()
    decoder, told = Decoder(model("twizy")), dict[str, Any]()
    start = lines.index(f"# {expected['after']}") + 1
    for line in lines[start:]:
        if line.startswith("#"):
            break
        if found := re.match(r"can can1 rx standard (\w+) (.*)", line):
            frame = Frame(int(found[1], 16), False, bytes.fromhex(found[2]), Instant("", 0))
            told |= {signal.name: signal.value for signal in decoder.frame(frame)}
    assert told == pytest.approx(expected["values"], abs=1e-9)


def test_every_frame_of_a_twizy_is_plausible(shared: Path) -> None:
    lines = (shared / "data" / "can" / "twizy" / "CAN-Test-Frames.txt").read_text().splitlines()
    decoder = Decoder(model("twizy"))
    frames = [found for line in lines if (found := re.match(r"can can1 rx standard (\w+) (.*)", line))]
    for found in frames:
        decoder.frame(Frame(int(found[1], 16), False, bytes.fromhex(found[2]), Instant("", 0)))
    counted = decoder.counters()
    assert len(frames) > 70
    assert counted["out_of_range"] == counted["unmapped"] == counted["short"] == 0


def test_a_log_of_an_egolf_gives_what_its_head_says(shared: Path) -> None:
    playback = Playback(model("egolf"), shared / "data" / "can" / "egolf" / "kcan-synthetic.crtd")
    told: dict[str, set[float | str]] = {}
    for signal in playback.signals():
        told.setdefault(signal.name, set()).add(signal.value)
    assert told == {
        v.SOC_FINE: {60.5}, v.SPEED: {0.0}, v.GEAR: {"parked"}, v.BATTERY_CURRENT: {0.0}, v.BATTERY_VOLTAGE: {355.0},
        v.LATITUDE: {52.5163}, v.LONGITUDE: {13.3777},
    }  # fmt: skip


def test_polled_values_come_at_the_logs_own_time(tmp_path: Path) -> None:
    """D5: at the time of the answer's last frame; somebody else's exchange on the same ids tells nothing."""
    path = tmp_path / "a.log"
    path.write_text(
        "(1600000000.100000) can0 743#0322020700000000\n(1600000000.118000) can0 763#0662020700950000\n"
        "(1600000000.300000) can0 743#023E010000000000\n(1600000000.318000) can0 763#017E\n"
    )
    result = CliRunner().invoke(car, ["decode", "--car", str(CARS / "spring"), str(path), "--json"])
    told = [json.loads(line) for line in result.stdout.splitlines()]
    assert told == [{"t": 1600000000.118, "signal": v.ODOMETER, "value": 38144.0, "unit": "km"}]
    assert "overheard_questions 2, overheard_answers 1, overheard_foreign 1" in result.stderr


def test_a_range_that_excludes_what_a_recording_says_is_told_by_name(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_text("(1.1) can0 743#0322020700000000\n(1.2) can0 763#066202072F930000\n" * 2)
    result = CliRunner().invoke(car, ["decode", "--car", str(CARS / "spring"), str(path), "--json"])
    assert result.stdout == ""
    assert f"{v.ODOMETER}: 2 times outside of 0 to 2e+06 km, left out (Reply220207.Odometer)" in result.stderr


def test_p6_a_vin_is_read_and_never_shown(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_text("(1.1) can0 69F#F0828737\n")
    for extra in ([], ["--json"]):
        result = CliRunner().invoke(car, ["decode", "--car", str(CARS / "twizy"), str(path), *extra])
        assert "7378280" not in result.output
        assert "values 1" in result.stderr
