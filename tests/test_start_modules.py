"""The real process: what is loaded when the door can be opened, and that it then opens it (D13, D15, D23, D24)."""

from __future__ import annotations

import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.agent_process import UNLOCK_OFF, UNLOCK_ON, Box, another_badge

# What must not be on the way to an open door, and what it would cost there.
HEAVY = {
    "cantools": "150 ms: decoding starts after READY; the lock block of car.toml gives raw id, mask and values",
    "can": "60 ms: the kernel's broadcast manager needs no library",
    "isotp": "20 ms: diagnostics are asked after READY",
    "paho": "60 ms: no network is needed to open a door",
    "pynmea2": "20 ms: position is not needed to open a door",
    "sqlite_utils": "100 ms: the schema's version is read first, and it is only needed to change it",
    "dbus_fast": "50 ms: a badge opens without Bluetooth, and phones can wait until after READY",
    "gpiod": "40 ms: an input that is not read yet is unknown, and blocks nothing",
    "click": "30 ms: the unit runs python -m agent",
    "rich": "80 ms: the daemon draws no tables",
    "pytest": "the product knows no test",
    "random": "2 ms with what it brings: os.urandom makes names and keys, and only a part that failed waits by chance",
    "dataclasses": "40 ms: a frozen one takes forty times as long to make as a struct, and 32 stood in the way",
}
# Of our own: what the car is asked, what is learnt of it and what ages waits until the door can be opened.
LATER = {f"agent.car.{name}" for name in ("phase", "schedule", "polling", "supply", "range", "garage", "tending")}
LATER |= {"drivers.can.decode", "drivers.can.diag", "drivers.can.bus", "agent.cli.garage", "agent.access.switching"}
LATER |= {"agent.run.rest", "agent.run.boot", "agent.run.records", "drivers.local.control", "agent.car.pauses"}
LATER |= {"agent.sync.keeping", "agent.sync.holdings", "buffer.aging", "buffer.peek"}


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Box]:
    found = Box(tmp_path)
    yield found
    found.close()


def facts(box: Box) -> list[str]:
    with closing(sqlite3.connect(box.state / "records.db")) as connection:
        return [row[0] for row in connection.execute("SELECT body FROM facts ORDER BY n")]


def test_d24_nothing_heavy_is_loaded_when_the_door_can_be_opened(box: Box) -> None:
    box.start()  # the first start of all makes the database, which needs the schema's library
    assert box.stop() == 0
    box.start()
    loaded = {name.partition(".")[0] for name in box.ask("modules")["at_ready"]}
    assert "agent" in loaded
    assert "msgspec" in loaded
    assert not {name: why for name, why in HEAVY.items() if name in loaded}
    assert not LATER & set(box.ask("modules")["at_ready"])
    box.until(lambda: bool(box.ask("status")["can"]["decoded"]))
    assert set(box.ask("modules")["now"]) >= LATER - {"agent.car.polling", "agent.car.schedule", "agent.cli.garage"}
    assert box.stop() == 0


def test_a_badge_with_a_stored_booking_opens_the_car_without_can_network_or_clock(box: Box) -> None:
    box.store_booking()
    box.start()
    box.tap()
    box.relay.wait_for(UNLOCK_ON)
    box.relay.wait_for(UNLOCK_OFF)
    box.reader.wait_for(b"O\n")
    status = box.ask("status")
    assert status["door"]["booking_kind"] == "private"
    assert status["can"]["state"] == "lost"
    assert status["clock"]["source"] == "none"
    assert box.stop() == 0
    kinds = facts(box)
    intent = next(index for index, fact in enumerate(kinds) if '"event":"intent"' in fact)
    outcome = next(index for index, fact in enumerate(kinds) if '"event":"outcome"' in fact)
    assert intent < outcome
    assert "clock_unsure_accepted" in kinds[intent]


def test_r9_without_a_proven_lock_signal_the_outcome_is_unknown(box: Box) -> None:
    box.store_booking()
    box.start()
    box.tap()
    box.reader.wait_for(b"O\n")
    assert box.stop() == 0
    assert any('"outcome":"unknown"' in fact for fact in facts(box))


def test_a_strange_badge_moves_nothing_and_is_recorded(box: Box) -> None:
    box.store_booking()
    box.start()
    box.tap(another_badge())
    box.reader.wait_for(b"R\n")
    assert box.stop() == 0
    assert UNLOCK_ON not in box.relay.heard
    assert any('"not_stored"' in fact for fact in facts(box))


def test_a_booking_under_way_survives_a_kill(box: Box) -> None:
    box.store_booking()
    box.start()
    box.tap()
    box.reader.wait_for(b"O\n")
    assert box.stop(signal.SIGKILL) == -signal.SIGKILL
    box.start()
    assert box.ask("status")["door"]["booking"] == 7
    assert box.stop() == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_process_stops_in_order_inside_five_seconds_with_exit_0(box: Box, number: signal.Signals) -> None:
    box.start()
    box.ask("status")
    assert box.stop(number) == 0
    box.told("STOPPING=1")
    said = box.output()
    assert "left behind" not in said
    assert "Traceback" not in said
    assert "never retrieved" not in said
    assert not box.socket.exists()


def test_a_stop_right_after_ready_is_orderly_as_well(box: Box) -> None:
    box.start()
    assert box.stop() == 0
    assert "Traceback" not in box.output()


def test_the_watchdog_is_fed_at_least_as_often_as_systemd_asks(box: Box) -> None:
    box.start(WATCHDOG_USEC="3000000")
    for _ in range(3):
        box.told("WATCHDOG=1")
    assert box.stop() == 0


def test_d15_settings_that_break_are_replaced_by_the_last_good_copy_with_an_alarm(box: Box) -> None:
    box.start()
    box.ask("status")
    assert box.stop() == 0
    box.config.write_text(box.config.read_text().replace('car = "zoe-ph1"', 'car = 5\nplate = "AB-123-CD"'))
    box.start()
    status = box.ask("status")
    assert status["settings"].endswith("settings.good.toml")
    problems = status["alarms"]["settings_broken"]["problems"]
    assert len(problems) == 2
    assert box.stop() == 0


def test_d15_without_a_good_copy_all_problems_are_printed_and_the_exit_is_2(box: Box) -> None:
    box.config.write_text(box.config.read_text().replace("[vehicle]", "[vehicle]\nplate = 1").replace("a00", "b"))
    box.config.write_text(box.config.read_text().replace("[can]", "[can]\nchanel = 1"))
    assert box.spawn().wait(30) == 2
    said = box.output()
    assert "vehicle.plate: is not known" in said
    assert 'can.chanel: is not known; did you mean "channel"?' in said


def test_d15_a_broken_car_folder_starts_with_the_relay_alone_and_an_alarm(box: Box) -> None:
    car = box.folder / "my-car"
    car.mkdir()
    (car / "car.toml").write_text("this is no TOML")
    box.config.write_text(box.config.read_text().replace('"zoe-ph1"', f'"{car}"'))
    box.store_booking()
    box.start()
    box.tap()
    box.relay.wait_for(UNLOCK_ON)
    box.reader.wait_for(b"O\n")
    assert "car_folder" in box.ask("status")["alarms"]
    assert box.stop() == 0


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ("[booking]\nkey_holder = true\n", "booking.key_holder: True does not fit"),
        ('[inputs.door]\nchip = "/dev/gpiochip0"\npull = "sideways"\n', "inputs.door.pull: 'sideways' does not fit"),
    ],
)
def test_d15_a_mistake_about_inputs_starts_with_an_alarm_and_is_no_good_copy(box: Box, more: str, words: str) -> None:
    box.config.write_text(box.config.read_text() + more)
    box.start()
    [problem] = box.ask("status")["alarms"]["settings_broken"]["problems"]
    assert words in problem
    assert box.stop() == 0
    assert not (box.state / "settings.good.toml").exists()


def test_r1_r30_an_input_that_is_not_there_is_an_alarm_with_a_reason_and_blocks_no_end(box: Box) -> None:
    text = box.config.read_text().replace(f'[gnss]\ndevice = "{box.gnss.device}"\n', "")
    box.config.write_text(text + '[inputs.key_holder]\nchip = "/dev/no-gpiochip"\nline = 4\n')
    colleague = another_badge()
    box.store_booking()
    box.store_booking(badge=colleague)
    box.start()
    assert "gpiod" not in {name.partition(".")[0] for name in box.ask("modules")["at_ready"]}
    box.tap()
    box.reader.wait_for(b"O\n")
    box.tap(colleague)
    box.reader.wait_for(b"E\n")
    box.until(lambda: box.ask("status")["inputs"]["key_holder"]["counters"]["absent"] > 0)
    status = box.ask("status")
    assert "/dev/no-gpiochip:4: No such file" in status["inputs"]["key_holder"]["trouble"]
    assert "input_unreadable" in status["alarms"]
    assert box.stop() == 0


@pytest.mark.parametrize("named", ["privacy.toml", "{folder}/privacy.toml", "{folder}/none.toml"])
def test_d15_p1_a_broken_privacy_policy_keeps_nothing_and_no_door_shut(box: Box, named: str) -> None:
    (box.folder / "privacy.toml").write_text("[private]\ntrack = true\n")
    box.config.write_text(f'privacy = "{named.format(folder=box.folder)}"\n' + box.config.read_text())
    box.store_booking()
    box.start()
    box.tap()
    box.relay.wait_for(UNLOCK_ON)
    [problem] = box.ask("status")["alarms"]["privacy_policy"]["problems"]
    assert ("is not there" if "none" in named else "private.track: True does not fit") in problem
    assert box.stop() == 0


def test_p5_p7_what_keeps_to_the_policy_runs(box: Box) -> None:
    box.start()
    box.until(lambda: {"keeping", "pauses", "journey"} <= box.ask("status")["parts"].keys())
    assert box.stop() == 0


def test_r1_without_a_receiver_the_second_tap_ends_the_booking(box: Box) -> None:
    text = box.config.read_text().replace(f'[gnss]\ndevice = "{box.gnss.device}"\n', "")
    box.config.write_text(text + '[[station]]\nname = "home"\nlat = 48.5\nlon = 0.5\n')
    colleague = another_badge()  # R6; the reader takes no second tap of one badge within two seconds
    box.store_booking()
    box.store_booking(badge=colleague)
    box.start()
    box.tap()
    box.reader.wait_for(b"O\n")
    box.tap(colleague)
    box.reader.wait_for(b"E\n")
    assert box.stop() == 0


def test_a_broker_that_is_not_there_delays_nothing_and_status_says_so(box: Box) -> None:
    pem = box.folder / "none.pem"
    cloud = f'[cloud]\nbrokers = ["127.0.0.1:1"]\nca = "{pem}"\ncertificate = "{pem}"\nkey = "{pem}"\n'
    box.config.write_text(box.config.read_text() + cloud)
    box.store_booking()
    box.start()
    box.tap()
    box.relay.wait_for(UNLOCK_ON)
    box.until(lambda: box.ask("status")["link"]["configured"] is True)  # composed last, when the socket answers already
    assert box.ask("status")["link"]["connected"] is False
    assert box.stop() == 0
    assert "Traceback" not in box.output()


def test_d14_a_broken_database_is_set_aside_and_the_door_opens(box: Box) -> None:
    (box.state / "records.db").write_bytes(b"this is no database" * 1000)
    box.store_booking()
    box.start()
    box.tap()
    box.relay.wait_for(UNLOCK_ON)
    assert box.stop() == 0


def test_d14_with_no_database_at_all_the_door_opens(box: Box) -> None:
    (box.state / "records.db").mkdir()
    (box.state / "records.db" / "in the way").touch()
    box.store_booking()
    box.start()
    box.tap()
    box.relay.wait_for(UNLOCK_ON)
    box.reader.wait_for(b"O\n")
    assert box.stop() == 0


@pytest.mark.parametrize("lost", ["gone", "garbage", "in the way"])
def test_d14_r5_who_has_the_car_is_known_after_a_start_without_the_database(box: Box, lost: str) -> None:
    box.store_booking()
    box.start()
    box.tap()
    box.reader.wait_for(b"O\n")
    assert box.stop(signal.SIGKILL) == -signal.SIGKILL
    for file in box.state.glob("records.db*"):
        file.unlink()
    if lost == "garbage":
        (box.state / "records.db").write_bytes(b"this is no database" * 1000)
    elif lost == "in the way":
        (box.state / "records.db").mkdir()
        (box.state / "records.db" / "in the way").touch()
    box.start()
    assert box.ask("status")["door"]["booking"] == 7
    assert box.stop() == 0
