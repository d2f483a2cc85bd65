"""The world and the oracle: physics that hold, a lock that pulses move, and differences that are found."""

from __future__ import annotations

import asyncio
import json
import tomllib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from config.settings import load
from hil import provision, tokens
from hil.backend import payload
from hil.backend.ca import Authority
from hil.backend.holdings import Holdings
from hil.backend.ledger import Expected, Judgement, judge
from hil.control import MachineGone
from hil.diary import Diary
from hil.truth import CarTruth
from hil.world import Wiring, World
from tests.hil_backend import BOOT, STREAM, VEHICLE, facts, until

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


# --- the oracle ------------------------------------------------------------------------------------------------------


def reading(at_ms: int, diary: Diary, **changes: Any) -> dict[str, Any]:
    truth = diary.truth(at_ms)
    return {
        "odometer_km": round(truth.odometer_km, 2), "soc_percent": truth.soc_percent, "energy_kwh": truth.energy_kwh,
        "range_km": truth.range_km, "plugged": "no", "at_station": None, "boot": BOOT, "at": at_ms - T0,
        "wall": [at_ms - 500, at_ms + 500], **changes,
    }  # fmt: skip


def a_day() -> tuple[Diary, list[dict[str, Any]]]:
    """A tap that unlocks, twelve kilometres, a tap that locks; and what an honest box says about it."""
    diary, parked = Diary(), CarTruth()
    open_, home = replace(parked, locked=False), replace(parked, locked=False, odometer_km=parked.odometer_km + 12)
    here = (48.7, -0.5)
    diary.write(T0, "begin", "world", "", parked, here)
    diary.write(T0 + 10_000, "tap", "0102030405", "", parked, here)
    diary.write(T0 + 11_000, "lock", "unlocked", "relay", open_, here)
    diary.write(T0 + 20_000, "drive", "start", "", open_, here)
    diary.write(T0 + 60_000, "drive", "stop", "", home, here)
    diary.write(T0 + 70_000, "tap", "0102030405", "", home, here)
    diary.write(T0 + 71_000, "lock", "locked", "relay", replace(home, locked=True), here)
    diary.write(T0 + 90_000, "end", "world", "", replace(home, locked=True), here)

    def at(ms: int, kind: str, **body: Any) -> dict[str, Any]:
        wall = [T0 + ms - 500, T0 + ms + 500]
        return {"n": 0, "kind": kind, "boot": BOOT, "at": ms, "wall": wall, "source": "gnss", "body": body}

    start, end = reading(T0 + 11_200, diary), reading(T0 + 71_200, diary)
    key, ours = {"via": "badge", "booking": 7}, {"booking": 7, "booking_kind": "private"}
    bill = {"how": "ended", "start": start, "end": end, "km": 12.0, "energy_kwh": 0.0, "duration_ms": 60_000}
    story = [
        at(10_100, "access", event="intent", access="a" * 16, action="unlock", **key),
        at(11_200, "access", event="outcome", access="a" * 16, action="unlock", outcome="done", booking=7),
        at(11_250, "booking", event="opened", start=start, **ours),
        at(70_100, "access", event="intent", access="b" * 16, action="lock", **key),
        at(71_200, "access", event="outcome", access="b" * 16, action="lock", outcome="done", booking=7),
        at(71_250, "booking", event="closed", booking=7, **bill),
        at(20_000, "columns", names=["Vehicle.TraveledDistance"], steps=[0.01], units=["km"]),
    ]
    return diary, [{**fact, "n": index} for index, fact in enumerate(story, 1)]


def driven(diary: Diary, seconds: range) -> bytes:
    """A sealed batch, one sample a second, as the car really was."""
    odometer = [round(100 * diary.odometer_km(T0 + 1000 * second)) for second in seconds]
    deltas = [odometer[0], *(b - a for a, b in pairwise(odometer))]
    at = 1000 * seconds[0]
    head = {"v": 1, "vehicle": VEHICLE, "stream": "c" * 16, "n": 1, "columns": 7, "booking": 7, "boot": BOOT, "at": at}
    times = [0] + [1000] * (len(seconds) - 1)
    return payload.pack({**head, "wall": [T0 + at, T0 + at], "source": "gnss", "t": times, "c": [deltas]})


def judged(
    folder: Path, diary: Diary, story: list[dict[str, Any]], last: int = 7, seconds: range = range(20, 61)
) -> Judgement:
    database = folder / "held.sqlite"
    holdings = Holdings(database)
    holdings.take(payload.read(f"boitier/v1/{VEHICLE}/up/facts", facts(*story)), T0)
    holdings.take(payload.read(f"boitier/v1/{VEHICLE}/up/samples", driven(diary, seconds)), T0)
    holdings.close()
    return judge(diary, database, VEHICLE, [Expected(7)], last={"facts": last, "samples": 1})


def test_honest_day_agrees(tmp_path: Path) -> None:
    judgement = judged(tmp_path, *a_day())
    assert judgement.findings == []
    assert all(row.agrees for row in judgement.rows)
    assert any("12.0 km" in row.holds for row in judgement.rows)


@pytest.mark.parametrize("number", range(1, 8))
def test_any_single_missing_record_is_found(tmp_path: Path, number: int) -> None:
    diary, story = a_day()
    assert not judged(tmp_path, diary, [fact for fact in story if fact["n"] != number]).agrees


def _change(number: int, **body: Any) -> Callable[[list[dict[str, Any]]], None]:
    return lambda story: story[number - 1]["body"].update(body)


@pytest.mark.parametrize(
    ("lie", "words"),
    [
        (_change(6, km=13.0), "13.0 km billed, 12.00 km driven"),
        (_change(6, how="takeover"), "closed as takeover"),
        (_change(6, duration_ms=90_000), "lasted 90000 ms"),
        (_change(2, outcome="failed"), "held as failed"),
        (_change(4, action="unlock"), "locked at"),
        (_change(3, booking_kind="staff"), "kind staff"),
        (_change(5, access="c" * 16), "has no outcome"),
        (lambda story: story[2]["body"]["start"].update(odometer_km=48_000.0), "odometer_km 48000.0"),
        (lambda story: story[2]["body"]["start"].update(position=[48.7, -0.5]), "1 positions are held"),
        (lambda story: story.append({**story[5], "n": 8}), "closed 2 times"),
        (lambda story: story.append({**story[5], "n": 8, "body": {"event": "opened", "booking": 9}}), "booking 9"),
    ],
)
def test_any_lie_is_found(tmp_path: Path, lie: Callable[[list[dict[str, Any]]], None], words: str) -> None:
    diary, story = a_day()
    story = json.loads(json.dumps(story))
    lie(story)
    assert words in "\n".join(judged(tmp_path, diary, story).findings)


def test_missing_tail_is_found(tmp_path: Path) -> None:
    diary, story = a_day()
    assert "numbered up to 9, the backend has 7" in judged(tmp_path, diary, story, last=9).findings[0]


def test_d25_drive_without_its_samples_is_found_unless_the_power_was_cut(tmp_path: Path) -> None:
    diary, story = a_day()
    few = range(20, 45)
    assert "25 samples of 40 s driven" in judged(tmp_path, diary, story, seconds=few).findings[0]
    dark = Diary()
    for moment in diary.moments:
        dark.write(moment.at_ms, moment.what, moment.value, moment.detail, moment.truth, moment.position)
        if moment.what == "drive" and moment.value == "start":
            for at_ms, value in ((T0 + 46_000, "cut"), (T0 + 58_000, "back"), (T0 + 58_500, "ready")):
                what = "agent" if value == "ready" else "power"
                truth = replace(moment.truth, odometer_km=diary.odometer_km(at_ms))
                dark.write(at_ms, what, value, "", truth, moment.position)
    again = tmp_path / "again"
    again.mkdir()
    assert judged(again, dark, story, seconds=few).findings == []


def test_movement_that_nobody_wrote_down_is_found(tmp_path: Path) -> None:
    diary, story = a_day()
    last = diary.moments[-1]
    diary.write(last.at_ms + 1, "lock", "unlocked", "relay", replace(last.truth, locked=False), last.position)
    assert "has no intent" in judged(tmp_path, diary, story).findings[0]


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
