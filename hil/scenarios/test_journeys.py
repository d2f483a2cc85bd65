"""Journeys and charges on a running bench, held against the world's own diary after the last scenario: kilometres,
energy, seconds, cable times, and why a charge ended.
"""

from __future__ import annotations

import asyncio

import pytest

from hil.faults import Rig

pytestmark = [pytest.mark.guest, pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]
SURE_S = 12.0  # the flag comes every three seconds and counts after five


async def test_a_drive_without_a_booking_is_recorded_as_nobodys(bench: Rig) -> None:
    seen = len(bench.desk.facts)
    await bench.world.plug(False)
    await bench.world.ignition(True)
    await asyncio.sleep(2)
    await bench.world.drive(0.4, pace=4)
    await asyncio.sleep(2)
    await bench.world.ignition(False)
    leg = (await bench.desk.fact("unbooked_leg", 60, after=seen, event="closed")).body
    assert leg["km"] == pytest.approx(0.4, abs=0.1)
    assert "booking" not in leg
    await bench.world.ignition(True)
    await asyncio.sleep(2)
    await bench.world.drive(0.4, pace=4, back=True)
    await asyncio.sleep(2)
    await bench.world.ignition(False)
    await asyncio.sleep(2)


async def test_a_leg_that_the_program_did_not_survive_is_one_leg_and_says_how_long_nobody_looked(bench: Rig) -> None:
    number = await bench.booked()
    await bench.opens(number)
    await bench.world.ignition(True)
    await asyncio.sleep(2)
    drive = asyncio.create_task(bench.world.drive(1.5, pace=4))
    await asyncio.sleep(12)
    await bench.bench.kill_agent()
    await asyncio.sleep(4)
    await bench.bench.start_agent()
    await drive
    await asyncio.sleep(2)
    await bench.world.ignition(False)
    leg = (await bench.desk.fact("leg", 60, booking=number, event="closed")).body
    assert leg["leg"] == 1
    assert leg["km"] == pytest.approx(1.5, abs=0.1)
    assert 4_000 <= leg["unseen_ms"] <= 25_000
    await bench.world.ignition(True)
    await asyncio.sleep(2)
    await bench.world.drive(1.5, pace=4, back=True)
    await asyncio.sleep(2)
    await bench.world.ignition(False)
    await asyncio.sleep(1)
    await bench.ends(number)
    closed = (await bench.desk.fact("booking", 60, booking=number, event="closed")).body
    assert (closed["legs"], closed["distance"], closed["unseen_ms"]) == (2, "at", leg["unseen_ms"])
    back = (await bench.desk.fact("leg", 60, booking=number, event="closed", leg=2)).body
    assert (back["unseen_ms"], back["stops"]) == (0, 0)
    assert back["energy_used_kwh"] - back["energy_recovered_kwh"] == pytest.approx(1.5 * 0.15, abs=0.06)
    assert back["energy_recovered_kwh"] > 0, "it braked"


async def test_a_plugging_with_a_pause_is_one_charge_and_knows_why_it_ended(bench: Rig) -> None:
    world = bench.world
    seen = len(bench.desk.facts)
    world.charge_pace = 20.0
    for op, why in (("fault", "fault"), ("stop", "station_stopped"), ("out", "unplugged")):
        await world.plug(True)
        await asyncio.sleep(SURE_S)
        await world.charge("stop")
        await asyncio.sleep(SURE_S)
        await world.charge("start")
        await asyncio.sleep(SURE_S + 8)
        if op != "out":
            await world.charge(op)
            await asyncio.sleep(SURE_S)
        await world.plug(False)
        await asyncio.sleep(2)
        charge = (await bench.desk.fact("charge", 60, after=seen, event="closed", why=why)).body
        assert (charge["pauses"], charge["station"]) == (1, "Flers, gare")
        assert charge["paused_ms"] == pytest.approx(1_000 * SURE_S, abs=5_000)
        assert charge["mean_kw"] == pytest.approx(7.4 * world.charge_pace, rel=0.3)
