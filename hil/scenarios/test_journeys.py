"""A leg that the program did not survive, against the world's own diary: kilometres, energy, how long nobody looked.

Whole days with every car: `test_car_days.py`.
"""

from __future__ import annotations

import asyncio

import pytest

from hil.faults import Rig

pytestmark = [pytest.mark.guest, pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

BRAKES_PACE = 2.5  # it brakes for seven seconds, and with no more power than its instruments show


async def test_a_leg_that_the_program_did_not_survive_is_one_leg_and_says_how_long_nobody_looked(bench: Rig) -> None:
    number = await bench.booked()
    await bench.opens(number)
    await bench.world.plug(False)
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
    await bench.world.drive(1.5, pace=BRAKES_PACE, back=True)
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
