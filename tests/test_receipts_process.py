"""What the running daemon signs is what `boitier token receipt` believes; its key, told, lost and missed."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.agent_process import VEHICLE, Box, another_badge
from tests.test_cli import boitier


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Box]:
    found = Box(tmp_path)
    yield found
    found.close()


def facts(box: Box, kind: str) -> list[dict[str, Any]]:
    with closing(sqlite3.connect(box.state / "records.db")) as connection:
        found = [json.loads(row[0]) for row in connection.execute("SELECT body FROM facts ORDER BY n")]
    return [fact["body"] for fact in found if fact["kind"] == kind]


@pytest.mark.long
def test_the_command_line_believes_what_the_daemon_signed(box: Box) -> None:
    colleague = another_badge()  # R6; the reader takes no second tap of one badge within two seconds
    box.store_booking()
    box.store_booking(badge=colleague)
    box.start()
    box.learn_time()
    box.tap()
    box.reader.wait_for(b"O\n")
    box.tap(colleague)
    box.reader.wait_for(b"E\n")
    status = box.ask("status")
    assert status["vehicle_key"]["receipts"] == {"signed": 2, "not_signed": 0}
    assert box.stop() == 0
    public = status["vehicle_key"]["public"]
    assert [it["vehicle_key"] for it in facts(box, "boot")] == [public]
    told = facts(box, "receipt")
    assert [it["event"] for it in told] == ["opened", "ended"]
    named = [it.read_bytes().hex() for it in (box.state / "bookings").glob("*.cwt")]
    for body in told:
        more = ("--key", public, "--vehicle", VEHICLE, "--json")
        done = boitier("token", "receipt", body["cose"], *more)
        assert done.returncode == 0, done.stdout + done.stderr
        said = json.loads(done.stdout)["receipt"]
        assert (said["booking"], said["event"], said["number"]) == (7, body["event"], body["number"])
        assert said["start"]["hi_s"] is not None
        good = [boitier("token", "receipt", body["cose"], *more, "--token", token).returncode for token in named]
        assert sorted(good) == [0, 1], "it is for the one token that asked"
    kept = json.loads(boitier("buffer", "--config", str(box.config), "export", "--booking", "7").stdout)["facts"]
    assert [it["body"] for it in kept if it["kind"] == "receipt"] == told, "they can be had at the car"
    other = boitier("token", "receipt", told[0]["cose"], "--key", "00" * 31 + "01", "--json")
    assert (other.returncode, json.loads(other.stdout)["code"]) == (1, "unknown_key")


@pytest.mark.long
def test_a_key_that_went_away_is_replaced_told_and_raises_an_alarm(box: Box) -> None:
    checked = json.loads(boitier("check", "--config", str(box.config), "--json").stdout)["checks"]
    assert {"what": "vehicle key", "good": True, "found": "made at the first start", "todo": ""} in checked
    box.start()
    first = box.ask("status")["vehicle_key"]["public"]
    assert box.stop() == 0
    checked = json.loads(boitier("check", "--config", str(box.config), "--json").stdout)["checks"]
    assert any(first in it["found"] for it in checked if it["what"] == "vehicle key")
    box.start()
    box.until(lambda: bool(box.ask("status")["parts"]))
    assert box.ask("status")["vehicle_key"]["public"] == first, "the same at every start"
    assert "vehicle_key_new" not in box.ask("status")["alarms"]
    assert box.stop() == 0
    (box.state / "vehicle.key").unlink()
    box.start()
    box.until(lambda: "vehicle_key_new" in box.ask("status")["alarms"])
    status = box.ask("status")
    alarm, second = status["alarms"]["vehicle_key_new"], status["vehicle_key"]["public"]
    assert (alarm["before"], alarm["public"]) == (first, second)
    assert first != second
    words = "".join(boitier("status", "--config", str(box.config)).stdout.split())
    assert second in words, "a narrow terminal folds it"
    assert box.stop() == 0
    box.start()
    box.until(lambda: "keeping" in box.ask("status")["parts"])
    assert "vehicle_key_new" not in box.ask("status")["alarms"], "the backend was told"
    assert box.stop() == 0
    assert [it["vehicle_key"] for it in facts(box, "boot")] == [first, first, second, second]


@pytest.mark.long
def test_p8_erasing_everything_takes_the_key_and_the_numbers_go_on(box: Box) -> None:
    colleague = another_badge()
    box.store_booking()
    box.store_booking(badge=colleague)
    box.start()
    box.tap()
    box.reader.wait_for(b"O\n")
    box.tap(colleague)
    box.reader.wait_for(b"E\n")
    first = box.ask("status")["vehicle_key"]["public"]
    done = boitier("buffer", "--config", str(box.config), "erase", "--all", "--yes", "--lose-unsent")
    assert done.returncode == 0, done.stderr
    assert box.process is not None
    assert box.process.wait(30) == 0
    assert not (box.state / "vehicle.key").exists()
    box.store_booking(8, badge=(third := another_badge()))
    box.start()
    box.tap(third)
    box.until(lambda: box.ask("status")["vehicle_key"]["receipts"]["signed"] == 1)
    status = box.ask("status")
    assert status["vehicle_key"]["public"] != first
    assert "vehicle_key_new" not in status["alarms"], "nobody misses it: it was taken away on purpose"
    assert box.stop() == 0
    assert [(it["booking"], it["number"]) for it in facts(box, "receipt")] == [(8, 3)]
    assert [it["vehicle_key"] for it in facts(box, "boot")] == [status["vehicle_key"]["public"]]
