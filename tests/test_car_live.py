"""What `boitier car decode`, `show` and `list` look like: on a terminal, in a pipe, for machines."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from agent.cli.car import car
from agent.cli.live import JUMP_NS, Pace, Picture
from agent.cli.names import pick, short, tails
from agent.cli.show import PHASES, SHOWN_ORDER, lacks, theme_of
from agent.cli.show import given as given_by
from config import car as cars
from config import vocabulary as v
from config.vocabulary import VOCABULARY, Signal
from tests import drive_log
from tests.terminal import Terminal

NAMES = st.sampled_from(sorted(VOCABULARY))


@pytest.fixture(scope="module")
def drive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("drive") / "drive.log"
    drive_log.write(path, pace_s=10)
    return path


def run(*arguments: object) -> Result:
    return CliRunner().invoke(car, list(map(str, arguments)))


def objects(result: Result) -> list[dict[str, Any]]:
    return [json.loads(line) for line in result.stdout.splitlines()]


# --- choosing


@pytest.mark.parametrize(
    ("patterns", "expected"),
    [
        ("speed", [v.SPEED]),
        ("SPEED , traveleddistance", [v.SPEED, v.ODOMETER]),
        ("stateofcharge.*", [v.SOC, v.SOC_FINE]),
        ("*stateof*", [v.SOC, v.SOC_FINE, v.SOH]),
        ("Vehicle.Speed", [v.SPEED]),
        ("peed", []),
        ("", []),
    ],
)
def test_a_pattern_means_the_end_of_a_name_from_the_start_of_a_part(patterns: str, expected: list[str]) -> None:
    names = [v.SOC, v.SOC_FINE, v.SOH, v.SPEED, v.ODOMETER]
    assert pick(names, patterns) == expected


@given(NAMES)
def test_every_name_is_meant_by_itself_and_by_its_end(name: str) -> None:
    assert pick([name], name.upper()) == [name]
    assert pick([name], name.rsplit(".", 1)[-1]) == [name]


@given(NAMES, st.integers(1, 90))
def test_a_short_name_fits_and_keeps_its_end_while_that_fits(name: str, width: int) -> None:
    said = short(name, width)
    assert len(said) <= width
    last = name.rsplit(".", 1)[-1]
    assert said.endswith(last) or len(last) >= width - 1


@given(st.sets(NAMES, min_size=1))
def test_short_ends_are_unique(names: set[str]) -> None:
    assert len(set(tails(names).values())) == len(names)


def test_what_a_car_does_not_tell_is_wrong_use_and_the_nearest_is_named(drive: Path) -> None:
    result = run("decode", drive, "--car", "zoe-ph1", "--signals", "speed,sped")
    assert result.exit_code == 2
    assert "did you mean Speed?" in result.output
    assert run("decode", drive, "--car", "zoe-ph1", "--signals", "q7").exit_code == 2


# --- decoding for machines and files


def test_d5_a_choice_leaves_every_value_of_what_was_chosen(drive: Path) -> None:
    everything = objects(run("decode", drive, "--car", "zoe-ph1", "--json"))
    chosen = objects(run("decode", drive, "--car", "zoe-ph1", "--json", "--signals", "speed,door.*"))
    names = {v.SPEED, *v.DOORS} - {v.TRUNK}
    assert chosen == [line for line in everything if line["signal"] in names]
    assert set(chosen[0]) == {"t", "signal", "value", "unit"}


# --- on a terminal


def test_on_a_terminal_the_table_stands_once_at_the_end_with_the_counters(drive: Path) -> None:
    screen = Terminal("car", "decode", str(drive), "--car", "zoe-ph1", columns=80, rows=12)
    assert screen.end() == 0
    final = screen.text[screen.text.rindex("1190.0 s of the log") :]
    [speed] = [line for line in final.splitlines() if line.split()[:1] == ["Speed"]]
    assert speed.split() == ["Speed", "0", "km/h", "0.0", "s", "108", "0", "86.53"]
    told = objects(run("decode", drive, "--car", "zoe-ph1", "--json"))
    frames = len(drive.read_text().splitlines())
    assert f"frames {frames}, values " in final
    signals = len({line["signal"] for line in told})
    assert f"1190.0 s of the log, {len(told)} values of {signals} signals " in final
    assert all(len(line) <= 80 for line in final.split("frames ")[0].splitlines())
    assert "1700000000" not in screen.text  # no rows


def test_a_terminal_without_a_moving_cursor_gets_rows(drive: Path) -> None:
    screen = Terminal("car", "decode", str(drive), "--car", "zoe-ph1", "--signals", "speed", TERM="dumb")
    assert screen.end() == 0
    assert screen.text.splitlines()[0].split() == ["1700000000.000000", v.SPEED, "0", "km/h"]


def test_a_log_watched_at_its_own_pace_can_be_left_with_ctrl_c(drive: Path) -> None:
    screen = Terminal("car", "decode", str(drive), "--car", "zoe-ph1", "--speed", "4")
    screen.wait_for(r"[1-9]\d*\.\d s of the log", times=2)
    screen.interrupt()
    assert screen.end() == 0
    assert "stopped" in screen.text
    assert "frames " in screen.text


def test_the_picture_keeps_last_value_extremes_and_age() -> None:
    picture = Picture()
    for value, at_ns in ((5.0, 10), (2.0, 20), (9.0, 30)):
        picture.take(Signal(v.SPEED, value, at_ns))
    picture.take(Signal(v.IGNITION, "on", 15))
    seen = picture.seen[v.SPEED]
    assert (seen.value, seen.low, seen.high, seen.count) == (9.0, 2.0, 9.0, 3)
    assert picture.seen[v.IGNITION].low is None
    assert picture.now_ns == 30, "a log that steps back makes nothing younger"


@given(
    st.lists(st.integers(0, JUMP_NS), min_size=1, max_size=20), st.sampled_from([0.25, 1.0, 4.0, 100.0]),
)  # fmt: skip
def test_the_pace_follows_the_log_and_takes_its_time_over_the_speed(steps: list[int], speed: float) -> None:
    clock = [0]

    def wait(seconds: float) -> None:
        clock[0] += max(1, round(seconds * 1e9))

    pace = Pace(speed, lambda: clock[0], wait)
    times = [0, *itertools.accumulate(steps)]
    for at_ns in times:
        shown = list(pace.until(at_ns))
        assert shown == sorted(shown)
        assert all(log_ns <= at_ns for log_ns in shown)
        assert abs(clock[0] - at_ns / speed) <= 2 + len(times)


def test_the_pace_does_not_wait_for_a_night_or_for_a_clock_that_was_set() -> None:
    waited: list[float] = []
    clock = [0]
    pace = Pace(1.0, lambda: clock[0], waited.append)
    for at_ns in (5 * JUMP_NS, 7 * JUMP_NS, JUMP_NS):
        assert list(pace.until(at_ns)) == []
    assert waited == []


# --- what a car gives


def test_list_says_what_each_folder_is_for() -> None:
    told = {line["model"]: line["purpose"] for line in objects(run("list", "--json"))}
    assert told == {name: str(cars.load(cars.find(name)).purpose) for name in cars.models()}
    assert "for reading recordings, not for a shared car" in run("list").stdout
    assert "for reading recordings, not for a shared car" in run("show", "ev-can").stdout.splitlines()


@pytest.mark.parametrize("model", cars.models())
def test_every_car_is_shown_whole_in_both_forms(model: str) -> None:
    loaded = cars.load(cars.find(model))
    head, *lines = objects(run("show", model, "--json"))
    assert head["model"] == model
    assert head["purpose"] == str(loaded.purpose)
    assert [line["signal"] for line in lines] == [it.map.name for it in given_by(loaded)]
    assert {line["signal"] for line in lines} == {entry.name for entry in loaded.signals}
    words = run("show", model)
    assert words.exit_code == 0, words.output
    for entry in loaded.signals:
        assert entry.name.rsplit(".", 1)[-1] in words.stdout
        assert entry.source.split(";")[0] in " ".join(words.stdout.split())


def test_rates_are_bounded_by_the_car_and_prompt_signals_come_at_every_change() -> None:
    kangoo = {it.map.name: it for it in given_by(cars.load(cars.find("kangoo-ze")))}
    soc = kangoo[v.SOC]
    assert {str(phase): seconds for phase, seconds in soc.every_s.items()} == {"awake": 2, "driving": 1, "charging": 2}
    assert kangoo[v.SOH].every_s == dict.fromkeys(PHASES, 3.0), "the car sends it every three seconds"
    assert kangoo[v.PLUGGED].every_s == dict.fromkeys(PHASES, 0.0)
    assert kangoo[v.VOLTAGE_12V].polled


def test_what_a_car_lacks_is_said() -> None:
    battery_bus = cars.load(cars.find("ev-can"))
    assert {"lock state", "speed", "plugged"} <= set(lacks(battery_bus))
    assert "lacks:" in run("show", "ev-can").stdout
    assert "read back: no signal" in run("show", "ev-can").stdout
    head = run("show", "kangoo-ze").stdout.split("\n\n")[0]
    assert "lock by relay, diagnostic; read back: D" in head
    kangoo = cars.load(cars.find("kangoo-ze"))
    rates = ", ".join(f"{phase} {kangoo.questions_per_s(phase):.2g}" for phase in PHASES)
    assert f"questions: {len(kangoo.polls)}; a second: {rates}, parked none" in head


@given(NAMES)
def test_every_name_has_a_theme_that_is_shown(name: str) -> None:
    assert theme_of(name) in SHOWN_ORDER


def test_a_narrow_terminal_has_the_source_under_the_name() -> None:
    screen = Terminal("car", "show", "kangoo-ze", columns=80)
    assert screen.end() == 0
    assert all(len(line) <= 80 for line in screen.text.splitlines() if "bits" in line)
    assert "asked of 79B, 2101" in screen.text
    names = [line.split()[1] for line in screen.text.splitlines() if line[:1] in "ABCD" and line[1:4] == "   "]
    assert len(names) == len(cars.load(cars.find("kangoo-ze")).signals)
    assert not [name for name in names if name.endswith("…")]
