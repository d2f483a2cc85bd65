"""R15 on the whole bench: the car starts only while its card has a battery, and that follows the booking. A cut between
opening and supply, and a box that dies, leave a car that starts.
"""

from __future__ import annotations

import asyncio

import pytest

from hil.faults import Rig

pytestmark = [pytest.mark.guest, pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]
DELAY_S = 6.0  # longer than a tap and a cut take
CHANGES = {"extra": {"card_supply": {"delay_s": DELAY_S}}}
PATIENCE_S = 60.0


async def card(bench: Rig, lives: bool) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while bench.world.card.lives is not lives:
            await asyncio.sleep(0.1)


async def starts(bench: Rig) -> None:
    await bench.world.ignition(True)
    await asyncio.sleep(1)
    await bench.world.ignition(False)
    await asyncio.sleep(1)


async def test_r15_the_car_starts_for_who_has_it_and_for_nobody_else(bench: Rig) -> None:
    await card(bench, False)  # the commissioning cycles left it locked
    with pytest.raises(ValueError, match="card is dead"):
        await bench.world.ignition(True)
    number = await bench.booked()
    await bench.opens(number)
    await card(bench, True)
    await starts(bench)
    await bench.ends(number)
    await card(bench, False)
    assert (await bench.status())["switches"]["card_supply"]["on"] is False


async def test_r15_a_power_cut_between_opening_and_supply_strands_nobody(bench: Rig) -> None:
    number = await bench.booked()
    await bench.opens(number)
    assert not bench.world.card.lives
    await bench.bench.cut_power()
    await bench.bench.restore_power()
    await bench.until(lambda it: it["switches"]["card_supply"]["on"] is True)
    assert bench.world.card.lives
    await starts(bench)
    await bench.ends(number)
    await card(bench, False)


async def test_r15_a_dead_box_leaves_a_car_that_starts(bench: Rig) -> None:
    await card(bench, False)
    await bench.bench.cut_power()
    await starts(bench)
    await bench.bench.restore_power()
    await card(bench, False)
