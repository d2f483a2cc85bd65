"""`boitier`: quick to start, taught by its own help, exit codes 0 good, 1 a finding, 2 wrong use."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from agent.car.garage import HOURS
from agent.cli.checks import examine
from agent.cli.group import FAMILIES
from agent.cli.group import boitier as program
from agent.cli.status import ago, bus, connection, lock, part, questions, receiver, sections, source, supply, yes
from drivers.local.control import ask
from tests.agent_process import Box

BOITIER = [sys.executable, "-c", "import sys; sys.argv[0] = 'boitier'; from agent.cli.main import main; main()"]


def boitier(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*BOITIER, *arguments], capture_output=True, text=True, check=False, timeout=120)


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Box]:
    found = Box(tmp_path)
    yield found
    found.close()


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_of_commands_has_a_help_that_teaches(family: str) -> None:
    done = CliRunner().invoke(program, [family, "--help"], prog_name="boitier")
    assert done.exit_code == 0, done.output
    assert "Usage: boitier " + family in done.stdout
    assert len(done.stdout.splitlines()) >= 5


def test_the_first_help_names_every_family_and_the_exit_codes() -> None:
    done = boitier("--help")
    assert done.returncode == 0
    for family in FAMILIES:
        assert f"  {family} " in done.stdout
    assert "0 good, 1 a finding, 2 wrong use" in " ".join(done.stdout.split())


@pytest.mark.parametrize("arguments", [("nonsense",), ("status", "--nonsense"), ("check", "--config")])
def test_wrong_use_exits_with_2(arguments: tuple[str, ...]) -> None:
    assert boitier(*arguments).returncode == 2


def test_d24_status_loads_no_other_family() -> None:
    code = (
        "import sys; from agent.cli.main import main\nsys.argv = ['boitier', 'status', '--socket', '/nowhere']\n"
        "try: main()\nexcept SystemExit: pass\n"
        "heavy = {'cantools', 'can', 'paho', 'cryptography', 'sqlite3', 'agent.run.app', 'agent.cli.car'}\n"
        "heavy &= set(sys.modules)\n"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_d24_run_becomes_the_daemon_without_loading_click() -> None:
    code = (
        "import os, sys; from agent.cli.main import main\nsys.argv = ['boitier', 'run', '--config', 'x.toml']\n"
        "os.execv = lambda path, argv: sys.exit(repr(argv[1:]) + str('click' in sys.modules))\nmain()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.strip() == "['-P', '-m', 'agent', '--config', 'x.toml']False"


def test_run_and_python_m_agent_take_the_same_arguments() -> None:
    done = boitier("run", "--nonsense")
    assert done.returncode == 2
    assert "usage: python -m agent" in done.stderr


def test_status_without_a_daemon_says_what_to_do(tmp_path: Path) -> None:
    done = boitier("status", "--socket", str(tmp_path / "none.sock"))
    assert done.returncode == 1
    assert "systemctl status boitier" in done.stderr


def test_status_of_a_running_daemon_in_words_and_as_json(box: Box) -> None:
    box.start()
    box.ask("status")
    words = boitier("status", "--config", str(box.config))
    assert words.returncode == 0, words.stdout + words.stderr
    lost = "absent0: lost, tried again and again (absent0: "
    for expected in ("No alarms.", lost, "relay board", "database", "whole", "drivers are let in by rule R18"):
        assert expected in words.stdout
    machine = boitier("status", "--socket", str(box.socket), "--json")
    assert machine.returncode == 0
    found = json.loads(machine.stdout)
    assert found["parts"]["door"] == {"state": "running", "vital": True, "restarts": 0, "last_error": None}
    assert box.stop() == 0


def test_status_says_why_a_part_of_the_car_does_not_answer(box: Box) -> None:
    pem = box.folder / "none.pem"
    text = box.config.read_text().replace(f'[gnss]\ndevice = "{box.gnss.device}"\n', "")
    text = text.replace(box.relay.device, "/dev/no-relay")
    cloud = f'[cloud]\nbrokers = ["127.0.0.1:1"]\nca = "{pem}"\ncertificate = "{pem}"\nkey = "{pem}"\n'
    box.config.write_text(text + cloud)
    box.start()
    box.until(lambda: bool(box.ask("status")["link"].get("trouble")))
    found = box.ask("status")
    words = " ".join(boitier("status", "--config", str(box.config)).stdout.split())
    assert "satellite receiver not fitted" in words
    assert "lock relay board: " in words
    assert "/dev/no-relay" in words
    assert found["can"]["error"].startswith("absent0: ")
    assert f"not connected ({found['link']['trouble']})" in words
    assert box.stop() == 0


def test_r17_the_garage_switch_is_turned_at_the_car_shown_and_survives_a_restart(box: Box) -> None:
    box.start()
    box.until(lambda: box.ask("status")["garage"]["on"] is False)
    done = boitier("garage", "on", "--hours", "3", "--socket", str(box.socket))
    assert done.stdout.startswith("The garage switch is on")
    words = boitier("status", "--config", str(box.config)).stdout
    assert "none: the garage switch is on for 3 h" in words or "none: the garage switch is on for 180 min" in words
    assert box.stop() == 0
    box.start()
    box.until(lambda: box.ask("status")["garage"]["on"] is True)
    found = json.loads(boitier("garage", "off", "--socket", str(box.socket), "--json").stdout)
    assert found == {"on": False, "by": None, "left_s": 0}
    assert boitier("garage", "on", "--hours", "13", "--socket", str(box.socket)).returncode == 2
    assert boitier("garage", "maybe", "--socket", str(box.socket)).returncode == 2
    assert ask(box.socket, {"op": "garage", "on": "yes"}, 30)["ok"] is False
    assert ask(box.socket, {"op": "garage", "on": True, "hours": "x"}, 30)["ok"] is False


def test_what_is_asked_of_the_car_and_its_battery_in_words() -> None:
    assert questions({"polling": {"asks": False}}) == "none: this car says by itself what it says"
    told = {"phase": "awake", "forbidden": "", "polls": {"a": {"failures_in_a_row": 1}, "b": {"failures_in_a_row": 3}}}
    assert questions({"polling": told}) == "2 kinds, car awake; put off: b"
    assert questions({"polling": {**told, "forbidden": "supply"}}) == "none: the 12 V battery is low"
    assert supply({}) == "not known yet"
    known = {"low": True, "limit_v": 12.5, "reference_v": 12.8, "nights": 3}
    assert supply(known) == "LOW, rests at 12.80 V, low below 12.50 V"
    assert supply({**known, "low": False, "reference_v": None}) == "still learning (3 nights), low below 12.50 V"


def test_r27_status_never_carries_a_position(box: Box) -> None:
    box.store_booking()
    box.start()
    box.learn_time()
    box.tap()
    box.reader.wait_for(b"O\n")
    shown = json.dumps(box.ask("status"))
    assert "48.5" not in shown
    assert "0.53" not in shown
    assert box.stop() == 0


def test_check_lists_what_is_there_and_what_to_do(box: Box) -> None:
    done = boitier("check", "--config", str(box.config), "--json")
    assert done.returncode == 1, done.stderr
    found = json.loads(done.stdout)
    checks = {entry["what"]: entry for entry in found["checks"]}
    assert found["good"] is False
    assert checks["CAN"] == {
        "what": "CAN", "good": False, "found": "no interface absent0",
        "todo": "plug the adapter in; systemctl start boitier-can@absent0",
    }  # fmt: skip
    assert checks["key set"]["good"] is True
    assert checks["relay board"]["good"] is True
    assert all(entry["todo"] for entry in found["checks"] if not entry["good"])
    words = boitier("check", "--config", str(box.config))
    assert words.returncode == 1
    assert "plug the adapter in" in words.stdout


def test_r29_check_and_status_say_that_gpsd_is_absent(box: Box) -> None:
    device = f'device = "{box.gnss.device}"'
    box.config.write_text(box.config.read_text().replace(device, 'gpsd = "127.0.0.1:1"'))
    done = boitier("check", "--config", str(box.config), "--json")
    [entry] = [it for it in json.loads(done.stdout)["checks"] if it["what"] == "satellite receiver"]
    assert entry["good"] is False
    assert entry["found"].startswith("gpsd at 127.0.0.1:1: ")
    assert "/etc/default/gpsd" in entry["todo"]
    box.start()
    box.until(lambda: box.ask("status")["gnss"].get("counters", {}).get("absent", 0) > 0)
    words = " ".join(boitier("status", "--config", str(box.config)).stdout.split())
    assert "satellite receiver gpsd at 127.0.0.1:1 is absent, or has none" in words
    assert box.stop() == 0


def test_check_tells_all_mistakes_of_the_settings_at_once(box: Box) -> None:
    box.config.write_text(box.config.read_text().replace("[can]", "[can]\nchanel = 1").replace("7b796", "zz"))
    done = boitier("check", "--config", str(box.config), "--json")
    assert done.returncode == 1
    wrong = [entry["found"] for entry in json.loads(done.stdout)["checks"] if entry["what"] == "settings"]
    assert any(text.startswith(f"{box.config}: can.chanel: ") for text in wrong)


def test_check_names_the_missing_file_and_what_to_put_there(tmp_path: Path) -> None:
    done = boitier("check", "--config", str(tmp_path / "none.toml"), "--json")
    assert done.returncode == 1
    [entry] = json.loads(done.stdout)["checks"]
    assert entry["found"] == f"{tmp_path / 'none.toml'}: is not there"
    assert "copy config/agent.toml there" in entry["todo"]


def test_check_names_the_file_of_a_car_folder_that_does_not_fit(box: Box) -> None:
    car = box.folder / "my-car"
    car.mkdir()
    (car / "car.toml").write_text("this is no TOML")
    box.config.write_text(box.config.read_text().replace('"zoe-ph1"', f'"{car}"'))
    done = boitier("check", "--config", str(box.config), "--json")
    found = [entry["found"] for entry in json.loads(done.stdout)["checks"] if entry["what"] == "car folder"]
    assert found
    assert all(text.startswith(str(car)) for text in found), found


def test_r9_check_lock_on_a_car_that_says_nothing_proves_nothing(box: Box) -> None:
    box.start()
    box.ask("status")
    done = boitier("check", "--config", str(box.config), "lock", "--json")
    assert done.returncode == 1, done.stderr
    found = json.loads(done.stdout)
    assert found["proven"] is False
    assert "no read-back" in found["why"]
    assert box.stop() == 0


def test_a_request_that_makes_no_sense_is_answered(box: Box) -> None:
    box.start()
    box.ask("status")
    assert ask(box.socket, {"op": "nonsense"}, 30)["ok"] is False
    assert ask(box.socket, {"op": ["status"]}, 30)["ok"] is False
    assert box.stop() == 0


def test_a_refusal_of_the_socket_itself_is_told_like_any_other(box: Box) -> None:
    from contextlib import ExitStack
    from socket import AF_UNIX, socket

    box.start()
    box.ask("status")
    with ExitStack() as held:
        for _ in range(8):
            client = held.enter_context(socket(AF_UNIX))
            client.connect(str(box.socket))
            client.sendall(b'{"op":"modules"}\n')
            assert client.recv(1)
        done = boitier("status", "--socket", str(box.socket))
    assert done.returncode == 1
    assert "boitier refuses: busy" in done.stderr
    assert box.stop() == 0


def test_words_for_people() -> None:
    assert [ago(seconds) for seconds in (None, 0.4, 130, 10_800)] == ["unknown", "0.4 s", "2 min", "3 h"]
    assert [yes(value) for value in (None, True, False)] == ["unknown", "yes", "no"]
    assert receiver({"fitted": False}) == "not fitted"
    assert receiver({"fitted": True, "plugged": False}) == "absent or silent"
    assert lock({"driver": "diagnostic"}) == "the car's own command"
    assert connection({"configured": False}) == "no backend in the settings: records wait, the door works"
    assert bus({"channel": "can0", "state": "lost"}) == "can0: lost, tried again and again"
    assert source({"lo_s": 1.0, "hi_s": None}) == "not known; drivers are let in by rule R18"
    assert source({"lo_s": 10.0, "hi_s": 14.0, "source": "gnss"}) == "known to 4.0 s, from gnss"
    told = part({"state": "waiting", "restarts": 3, "last_error": "DeviceGone: x"})
    assert told == "waiting, started again 3 times (DeviceGone: x)"


def test_status_of_a_daemon_that_tells_little_is_shown_all_the_same() -> None:
    assert [title for title, _ in sections({})] == ["Box", "Door", "Around", "Records", "Parts"]


@pytest.mark.parametrize(("model", "told"), [("zoe-ph1", []), ("zoe-ph2-obd", []), ("ev-can", [True])])
def test_r9_check_knows_a_lock_that_is_told_only_when_asked(box: Box, model: str, told: list[bool]) -> None:
    box.config.write_text(box.config.read_text().replace('"zoe-ph1"', f'"{model}"'))
    assert [entry.good for entry in examine(box.config) if entry.what == "lock signal"] == told


def test_r17_the_control_socket_turns_the_garage_switch_for_no_more_than_its_hours(box: Box) -> None:
    box.start()
    box.until(lambda: box.ask("status")["garage"]["on"] is False)
    answer = ask(box.socket, {"op": "garage", "on": True, "hours": 500}, 30)
    assert answer["garage"]["left_s"] <= HOURS * 3_600
    assert box.stop() == 0
