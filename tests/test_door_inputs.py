"""R1, R3, R4 and D16 with holders and a door switch: what a contact says decides, what it hides does not."""

from __future__ import annotations

import pytest

from agent.car.inputs import Sensed
from drivers.ports import Feedback
from tests.door_bench import ALICE, BOB, HOUR, DoorBench, the_bench  # noqa: F401


async def test_r3_d16_a_tap_pauses_until_the_key_is_back_and_then_ends(bench: DoorBench) -> None:
    await bench.book(7, ALICE)
    assert await bench.tap(ALICE) is Feedback.OPENED
    bench.sensed = Sensed(key_returned=False)
    assert await bench.tap(ALICE) is Feedback.PAUSED
    assert await bench.tap(ALICE) is Feedback.OPENED
    bench.sensed = Sensed(key_returned=True)
    assert await bench.tap(ALICE) is Feedback.ENDED
    assert len(await bench.facts("booking", event="closed")) == 1


async def test_r4_nobody_takes_over_while_the_key_is_gone(bench: DoorBench) -> None:
    await bench.book(7, ALICE, 0, 60)
    await bench.book(8, BOB, 60, HOUR)
    assert await bench.tap(ALICE) is Feedback.OPENED
    await bench.wait(120)
    bench.park()
    bench.sensed = Sensed(key_returned=False)
    assert await bench.tap(BOB) is Feedback.REFUSED
    bench.sensed = Sensed(key_returned=True)
    assert await bench.tap(BOB) is Feedback.OPENED
    assert (await bench.facts("booking", event="closed"))[0]["how"] == "takeover"


@pytest.mark.parametrize("returned", [True, False, None])
async def test_r1_a_missing_charge_card_ends_with_a_flag_and_somebody_is_told(
    bench: DoorBench, returned: bool | None
) -> None:
    await bench.book(7, ALICE)
    await bench.tap(ALICE)
    bench.say(plugged="yes")
    bench.sensed = Sensed(card_returned=returned)
    assert await bench.tap(ALICE) is Feedback.ENDED
    flags = ["card_missing"] if returned is False else []
    assert (await bench.facts("booking", event="closed"))[0]["soft"] == flags
    alarms = await bench.facts("alarm", name="ended_flagged")
    assert [alarm["detail"]["soft"] for alarm in alarms] == ([flags] if flags else [])


async def test_r1_a_holder_that_cannot_be_read_blocks_no_end(bench: DoorBench) -> None:
    await bench.book(7, ALICE)
    await bench.tap(ALICE)
    bench.sensed = Sensed(key_returned=None, card_returned=None)
    assert await bench.tap(ALICE) is Feedback.ENDED


async def test_r1_a_door_that_the_switch_alone_sees_open_refuses_the_end(bench: DoorBench) -> None:
    bench.lost.add("door")
    await bench.cut()  # nothing is remembered of a door
    bench.park()
    await bench.book(7, ALICE)
    await bench.tap(ALICE)
    bench.sensed = Sensed(door_open=True)
    assert await bench.tap(ALICE) is Feedback.REFUSED
    [refusal] = [it for it in await bench.facts("refused") if it["code"] == "state_guard"]
    assert refusal["detail"]["reasons"] == ["door_open"]
    bench.sensed = Sensed(door_open=False)
    assert await bench.tap(ALICE) is Feedback.ENDED
