"""The world and the oracle: physics that hold, a lock that pulses move, and differences that are found."""

from __future__ import annotations

import asyncio
import tomllib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from config.settings import load
from hil import provision, tokens
from hil.backend.ca import Authority
from hil.control import MachineGone
from hil.truth import CarTruth
from hil.wiring import Wiring
from hil.world import World
from tests.hil_backend import STREAM, VEHICLE, until

T0 = 1_800_000_000_000
WIRES = Wiring(1, 2, "30010002", "30010001")


class Inside:
    """Takes what the world tells the box; may lose its power."""

    def __init__(self) -> None:
        self.told: list[dict[str, Any]] = []
        self.dark = False

    async def ask(self, message: dict[str, Any]) -> None:
        if self.dark:
            raise MachineGone("no power")
        self.told.append(message)

    def car(self) -> dict[str, Any]:
        """The last word on everything."""
        state: dict[str, Any] = {}
        for message in self.told:
            if message["do"] == "car":
                state |= message["state"]
        return state


@asynccontextmanager
async def a_world(**options: Any) -> AsyncIterator[tuple[World, Inside]]:
    inside = Inside()
    world = World(inside.ask, wiring=WIRES, **options)
    await world.start()
    try:
        yield world, inside
    finally:
        await world.stop()


async def test_drive_spends_energy_counts_kilometres_and_stays_below_the_limit() -> None:
    async with a_world() as (world, inside):
        with pytest.raises(ValueError, match="switched off"):
            await world.drive(1.0)
        await world.ignition(True)
        before = world.truth
        await world.drive(2.0, cruise_kmh=200, pace=60)
        assert world.truth.odometer_km - before.odometer_km == pytest.approx(2.0)
        assert before.energy_kwh - world.truth.energy_kwh == pytest.approx(0.3)
        assert world.truth.speed_kmh == 0
        assert world.along_m == pytest.approx(2000)
        speeds = [message["state"].get("speed_kmh", 0) for message in inside.told if message["do"] == "car"]
        assert 0 < max(speeds) <= 80
        odometers = [moment.truth.odometer_km for moment in world.diary.moments]
        assert odometers == sorted(odometers)
        await until(lambda: inside.car()["odometer_km"] == world.truth.odometer_km)


async def test_relay_pulse_moves_the_lock_and_a_short_one_does_not() -> None:
    async with a_world() as (world, inside):
        world.saw({"saw": "relay", "channel": 1, "on": True})
        world.saw({"saw": "relay", "channel": 1, "on": False})
        await asyncio.sleep(0.5)
        assert world.truth.locked
        world.saw({"saw": "relay", "channel": 1, "on": True})
        await until(lambda: not world.truth.locked)
        world.saw({"saw": "relay", "channel": 1, "on": False})
        assert world.truth.awake
        assert inside.car()["locked"] is False
        world.saw({"saw": "relay", "channel": 9, "on": True})
        assert [(moment.value, moment.detail) for moment in world.diary.of("lock")] == [("unlocked", "relay")]


async def test_r15_the_car_starts_only_while_its_card_lives_and_a_board_without_power_lets_it() -> None:
    inside = Inside()
    world = World(inside.ask, wiring=Wiring(supply=3))
    await world.ignition(True)
    await world.ignition(False)
    world.saw({"saw": "relay", "channel": 3, "on": True})
    with pytest.raises(ValueError, match="card is dead"):
        await world.ignition(True)
    world.card.unpowered()
    await world.ignition(True)
    world.saw({"saw": "relay", "channel": 3, "on": True})
    assert world.truth.ignition, "a car that runs goes on running"
    assert [moment.value for moment in world.diary.of("card")] == ["dead", "dead"]


async def test_diagnostic_command_moves_the_lock_only_when_the_unit_obeys() -> None:
    async with a_world() as (world, _):
        world.saw({"saw": "diagnostic", "request": "30010002", "reply": "7f3022"})
        world.saw({"saw": "diagnostic", "request": "30010002", "reply": None})
        await asyncio.sleep(0.4)
        assert world.truth.locked
        world.saw({"saw": "diagnostic", "request": "30010002", "reply": "70010002"})
        await until(lambda: not world.truth.locked)
        world.lock_works = False
        world.saw({"saw": "diagnostic", "request": "30010001", "reply": "70010001"})
        await asyncio.sleep(0.4)
        assert not world.truth.locked


async def test_the_diary_notes_when_the_car_was_told_of_what_somebody_did() -> None:
    async with a_world() as (world, inside):
        asking = world._ask

        async def slow(message: dict[str, Any]) -> dict[str, Any] | None:
            if message["do"] == "car" and "ignition" in message["state"]:
                await asyncio.sleep(0.2)
            return await asking(message)

        world._ask = slow
        await world.ignition(True)
        [on], [told] = world.diary.of("ignition"), world.diary.of("told")
        assert told.value == "ignition on"
        assert told.at_ms - on.at_ms >= 190
        assert inside.car()["ignition"] is True


async def test_world_goes_on_without_power_and_tells_everything_after_the_boot() -> None:
    async with a_world() as (world, inside):
        await until(inside.car)
        inside.dark = True
        await world.plug(True)
        inside.dark = False
        inside.told.clear()
        world.saw({"saw": "ready"})
        await until(lambda: len(inside.car()) == len(CarTruth().state()))
        assert inside.car()["plugged"] is True
        assert inside.car()["charging"] is True


async def test_car_charges_at_the_plug_and_its_bus_sleeps_when_parked() -> None:
    async with a_world(sleep_s=0.3) as (world, inside):
        world.charge_pace = 36_000
        await world.plug(True)
        with pytest.raises(ValueError, match="plugged"):
            await world.drive(1.0)
        await until(lambda: world.diary.of("charge"))
        assert world.truth.soc_percent == 100.0
        await until(lambda: world.diary.of("sleep"))
        await until(lambda: inside.car()["awake"] is False)
        assert any(message["do"] == "sky" for message in inside.told) or await _shines(inside)


async def _shines(inside: Inside) -> bool:
    await until(lambda: any(message["do"] == "sky" for message in inside.told))
    return True


# --- the installed vehicle -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("car", "driver"), [("zoe-ph1", "relay"), ("kangoo-ze", "diagnostic")])
def test_provisioned_settings_are_accepted_by_the_box(tmp_path: Path, car: str, driver: str) -> None:
    vehicle = provision.Vehicle(bytes.fromhex(VEHICLE), car, driver, extra={"booking": {"auto_close_min": 1.5}})
    authority, roots, issuer = Authority(tmp_path / "ca"), tokens.Roots.fresh(), tokens.Issuer("bench")
    provision.give(tmp_path / "given", vehicle, authority, roots, issuer)
    given = str(tmp_path / "given")
    site = provision.Site("vcan0", "/run/w", given, "/data/state", "/run/s", ("127.0.0.1:8883",))
    text = provision.settings(vehicle, site, roots, issuer.operator)
    assert tomllib.loads(text)["vehicle"]["id"] == VEHICLE
    (tmp_path / "agent.toml").write_text(text)
    settings = load(tmp_path / "agent.toml")
    assert settings.booking.auto_close_min == 1.5
    assert settings.station[0].name == "Flers, gare"
    assert STREAM != VEHICLE
    wiring = provision.wiring(vehicle)
    assert wiring.unlock_request == ("30010002" if car == "kangoo-ze" else "")
