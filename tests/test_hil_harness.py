"""The ends of the wires on real ptys: what is played reaches the box's side, what the box does is seen."""

from __future__ import annotations

import os
import select
import tty
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from config import vocabulary as v
from hil.harness import Harness, badge_frame, candump
from hil.truth import STANDING, Battery, CarTruth, flowing, signals
from tests.hil_backend import until

PATIENCE_S, PAUSE_S = 1.0, 0.05


class Box:
    """The box's side of one line."""

    def __init__(self, link: Path) -> None:
        self.fd = os.open(link, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        tty.setraw(self.fd)

    def read(self) -> bytes:
        """What has come, once nothing more does: a busy kernel hands a pty's bytes on a little later."""
        found = b""
        while select.select([self.fd], [], [], PAUSE_S if found else PATIENCE_S)[0]:
            more = os.read(self.fd, 4096)
            if not more:  # the other end is gone
                break
            found += more
        return found


@asynccontextmanager
async def wired(folder: Path, car: str = "kangoo-ze") -> AsyncIterator[tuple[Harness, list[dict[str, Any]]]]:
    seen: list[dict[str, Any]] = []
    harness = Harness("", car, seen.append, folder)
    await harness.start()
    try:
        yield harness, seen
    finally:
        await harness.stop()
        assert os.listdir(folder) == []


async def test_d17_badge_and_keypad_arrive_as_a_common_reader_sends_them(tmp_path: Path) -> None:
    async with wired(tmp_path) as (harness, _):
        box = Box(tmp_path / "badge")
        assert await harness.do({"do": "tap", "uid": "0102030405"}) == {"written": True}
        assert await harness.do({"do": "keys", "digits": "12345678#"}) == {"written": True}
        got = b""
        while len(got) < 23:
            got += box.read()
        assert got == b"\x02010203040501\x0312345678#"
        os.close(box.fd)
    assert badge_frame(bytes.fromhex("62E3086CED")) == b"\x0262E3086CED08\x03"


async def test_d17_relay_frames_are_seen_and_noise_is_counted(tmp_path: Path) -> None:
    async with wired(tmp_path) as (harness, seen):
        box = Box(tmp_path / "relay")
        os.write(box.fd, b"\xa0\x01\x01\xa2\xa0\x01")
        os.write(box.fd, b"\x00\xa1\x55\xa0\x02\x01\xff\xa0\x02\x01\xa3")
        await until(lambda: len(seen) == 3)
        assert [(event["channel"], event["on"]) for event in seen] == [(1, True), (1, False), (2, True)]
        assert harness.counters["relay_noise"] == 5
        os.close(box.fd)


async def test_r3_feedback_is_seen_and_noise_is_counted(tmp_path: Path) -> None:
    async with wired(tmp_path) as (harness, seen):
        box = Box(tmp_path / "badge")
        os.write(box.fd, b"O")
        os.write(box.fd, b"\nnoise\nE\n")
        await until(lambda: len(seen) == 2)
        assert seen == [{"saw": "feedback", "code": "O"}, {"saw": "feedback", "code": "E"}]
        assert harness.counters["feedback_noise"] == 1
        os.close(box.fd)


async def test_receiver_is_unplugged_and_comes_back_under_its_name(tmp_path: Path) -> None:
    async with wired(tmp_path) as (harness, _):
        box = Box(tmp_path / "gnss")
        await harness.do({"do": "sky", "lines": ["$GNRMC,one"]})
        assert box.read() == b"$GNRMC,one\r\n"
        await harness.do({"do": "sky", "plug": False})
        assert not (tmp_path / "gnss").is_symlink()
        with pytest.raises(OSError, match="Input/output"):
            box.read() or os.write(box.fd, b"x")
        os.close(box.fd)
        assert await harness.do({"do": "sky", "lines": ["$GNRMC,two"]}) == {"written": 0, "lost": 0}
        await harness.do({"do": "sky", "plug": True})
        again = Box(tmp_path / "gnss")
        await harness.do({"do": "sky", "lines": ["$GNRMC,three"], "raw": "00ff"})
        assert again.read() == b"$GNRMC,three\r\n\x00\xff"
        os.close(again.fd)


async def test_line_that_nobody_reads_loses_and_does_not_block(tmp_path: Path) -> None:
    async with wired(tmp_path) as (harness, _):
        for _ in range(2000):
            answer = await harness.do({"do": "sky", "lines": ["$GPGGA,092750.000,5321.6802,N,00630.3372,W,1,8,1.03"]})
        assert answer is not None
        assert answer["lost"] > 0


async def test_body_unit_answers_as_the_world_wants_and_is_seen(tmp_path: Path) -> None:
    async with wired(tmp_path) as (harness, seen):
        assert harness._diagnostic(bytes.fromhex("30010002")) == bytes.fromhex("70010002")
        await harness.do({"do": "car", "state": {"body_unit": "refuses"}})
        assert harness._diagnostic(bytes.fromhex("30010001")) == bytes.fromhex("7f3022")
        await harness.do({"do": "car", "state": {"body_unit": "silent"}})
        assert harness._diagnostic(bytes.fromhex("30010001")) is None
        assert seen[0] == {"saw": "diagnostic", "request": "30010002", "reply": "70010002"}


async def test_unknown_orders_and_unknown_truths_are_refused(tmp_path: Path) -> None:
    async with wired(tmp_path) as (harness, _):
        with pytest.raises(ValueError, match="knows no"):
            await harness.do({"do": "dance"})
        with pytest.raises(KeyError, match="wings"):
            await harness.do({"do": "car", "state": {"wings": 2}})


def test_truth_reads_in_the_words_of_the_vocabulary() -> None:
    said = signals(CarTruth(ignition=True, locked=False, doors={"trunk": True}).state())
    assert said["Vehicle.LowVoltageSystemState"] == "on"
    assert said["Vehicle.Cabin.IsLocked"] == "no"
    assert said["Vehicle.Body.Trunk.Rear.IsOpen"] == "yes"
    assert signals({"charge_status": "waiting"})["Vehicle.Powertrain.TractionBattery.Charging.Status"] == "waiting"


def test_battery_spends_fifteen_kilowatt_hours_in_a_hundred_kilometres() -> None:
    battery = Battery()
    start = battery.filled(CarTruth(odometer_km=1000.0), 20.0)
    end = battery.driven(start, 100.0)
    assert end.odometer_km == 1100.0
    assert end.energy_kwh == pytest.approx(5.0)
    assert end.range_km == pytest.approx(33.33, abs=0.01)
    full = battery.charged(end, 24 * 3600)
    assert (full.soc_percent, full.charging, full.charge_status) == (100.0, False, "ended")


def test_what_the_instruments_show_of_power_is_what_the_battery_loses_and_gets_back() -> None:
    battery = Battery()
    parked = battery.filled(CarTruth(), 15.0)
    fast = battery.rolled(parked, 0.05, 70.0)
    slow = battery.rolled(fast, 0.05, 0.0)
    assert parked.energy_kwh - slow.energy_kwh == pytest.approx(0.015)
    away, back = flowing(parked, fast, 4.0), flowing(fast, slow, 4.0)
    assert away.motor_kw > 30 > 0 > back.motor_kw
    for each in (away, back):
        assert each.motor_kw == pytest.approx(-each.battery_a * STANDING[v.BATTERY_VOLTAGE] / 1000)
    charging = replace(parked, charging=True)
    plugged = flowing(charging, battery.charged(charging, 10.0), 10.0)
    assert (plugged.motor_kw, plugged.battery_a) == (0.0, pytest.approx(7400 / 378.5))


def test_candump_reads_the_recordings(shared: Path) -> None:
    for log in sorted((shared / "data" / "can" / "kangoo").glob("*.candump.log.gz")):
        frames = list(candump(log))
        assert len(frames) > 1000
        assert all(len(raw) == 16 for _, raw in frames)
