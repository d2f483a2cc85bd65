"""A whole box in a car that is silent unless asked: it finds the car awake, proves its lock by asking, reads a drive,
and leaves the car alone when it sleeps, when its 12 V battery is low and when it is in a garage (R9, R16, R17).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from config import vocabulary as v
from hil.faults import Rig

pytestmark = [pytest.mark.guest, pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]
FOLDER = Path(__file__).resolve().parents[2] / "tests" / "cars" / "poll-only"
CHANGES = {"extra": {"cloud": {"state_every_s": 1.0}}}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def car(machine: str) -> AsyncIterator[Rig]:
    """Without the oracle's last word: this car tells neither doors nor plug, which the oracle wants to hear of."""
    rig = Rig(machine, str(FOLDER), CHANGES)
    rig.world.sleep_s = 20.0
    try:
        await rig.start()
        yield rig
        assert await rig.bench.stop_agent() == 0
        assert not [line for line in rig.log if "Traceback" in line]
    finally:
        await rig.bench.stop()


def signal(status: dict[str, Any], name: str) -> dict[str, Any]:
    return next((it for it in status["signals"] if it["name"] == name), {})


async def test_r9_its_lock_is_proven_by_asking_and_then_a_tap_is_read_back(car: Rig) -> None:
    code, output = await car.bench.boitier("check", "lock", "--socket", car.bench.socket)
    assert code == 0, output
    assert car.world.truth.locked
    number = await car.booked("private")
    await car.opens(number)
    fact = await car.desk.fact("access", 30, event="outcome", booking=number)
    assert (fact.body["outcome"], fact.body["why"]) == ("done", "read back")


async def test_a_drive_is_read_by_asking_and_its_range_is_computed(car: Rig) -> None:
    await car.world.plug(False)
    await car.world.ignition(True)
    await car.until(lambda it: it["can"]["phase"] == "driving" and signal(it, v.ENERGY).get("fresh"))
    before = car.world.truth.odometer_km
    await car.world.drive(0.4, pace=3.0)
    status = await car.until(lambda it: abs(signal(it, v.ODOMETER)["value"] - before - 0.4) < 0.02)
    reach = signal(status, v.RANGE)
    assert reach["computed"]
    assert reach["fresh"]
    assert reach["value"] == pytest.approx(100 * car.world.truth.energy_kwh / 17.4, abs=2)
    await asyncio.sleep(2)
    _, told = car.held().states[-1]
    assert told["range_computed"] is True
    assert told["range_km"] == pytest.approx(reach["value"], abs=2)
    await car.world.drive(0.4, pace=3.0, back=True)


async def test_r10_it_sleeps_and_is_not_asked(car: Rig) -> None:
    await car.world.ignition(False)
    await car.until(lambda it: it["can"]["phase"] == "parked" and not car.world.truth.awake, 120)
    status = await car.until(lambda it: not signal(it, v.VOLTAGE_12V)["fresh"])
    asked = status["polling"]["diagnostics"]["asked"]
    await asyncio.sleep(5)
    status = await car.status()
    assert status["polling"]["diagnostics"]["asked"] == asked
    assert status["can"]["counters"]["asleep"] >= 1
    assert status["alarms"] == {}


async def test_r17_in_the_garage_nothing_is_asked_and_the_door_works(car: Rig) -> None:
    number = next(reversed(car.expected))
    code, output = await car.bench.boitier("garage", "on", "--hours", "1", "--socket", car.bench.socket)
    assert code == 0, output
    fact = await car.desk.fact("garage", 30, event="on")
    assert fact.body == {"event": "on", "by": "local", "hours": 1.0}
    await car.world.ignition(True)
    await asyncio.sleep(8)
    before = await car.status()
    assert before["garage"]["on"] is True
    await asyncio.sleep(3)
    after = await car.status()
    assert after["polling"]["diagnostics"]["asked"] == before["polling"]["diagnostics"]["asked"]
    await car.world.ignition(False)
    moved = len(car.world.diary.of("press"))
    await car.bench.tap(number.to_bytes(5, "big"), "EPOU")
    assert len(car.world.diary.of("press")) > moved, "the door is nobody's to switch off"
    told = len(car.desk.facts)
    ident = car.desk.command(car.bench.vehicle.ident, "garage_off", role="technician")
    assert (await car.desk.result(ident, 30))["code"] == "done"
    fact = await car.desk.fact("garage", 30, after=told, event="off")
    assert fact.body["by"] != "local"
    await car.until(lambda it: it["garage"]["on"] is False)
    refused = car.desk.command(car.bench.vehicle.ident, "garage_on")  # the backend's own token does not carry it
    assert (await car.desk.result(refused, 30))["why"].startswith("role_action: ")


INJECT = """
import socket, struct, sys
with socket.socket(socket.AF_CAN, socket.SOCK_RAW, socket.CAN_RAW) as bus:
    bus.bind((sys.argv[1],))
    bus.send(struct.pack("=IB3x8s", 0x20000000 | int(sys.argv[2], 16), 8, bytes(8)))
"""


async def test_a_controller_that_stays_off_the_bus_is_an_alarm_until_it_is_back(car: Rig) -> None:
    channel = car.bench.machine.channel
    await car.inside(INJECT, channel, "40")
    status = await car.until(lambda it: "bus_off" in it["alarms"])
    assert status["can"]["controller"] == "bus_off"
    assert status["can"]["counters"]["bus_bus_off"] == 1
    await car.inside(INJECT, channel, "100")
    status = await car.until(lambda it: "bus_off" not in it["alarms"])
    assert (status["can"]["controller"], status["can"]["counters"]["bus_restarts"]) == ("active", 1)


async def test_r16_a_low_battery_is_an_alarm_and_ends_the_questions(car: Rig) -> None:
    await car.world._become("supply", "low", voltage_12v=12.1, awake=True)
    car.world.sleep_s = None
    await car.until(lambda it: it["tending"]["supply"]["low"], 150)
    status = await car.until(lambda it: "supply_low" in it["alarms"], 90)
    assert status["polling"]["forbidden"] in ("supply", "")
    fact = await car.desk.fact("alarm", 60, event="raised", name="supply_low")
    assert fact.body["name"] == "supply_low"
