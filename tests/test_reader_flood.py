"""Who plays at the reader for ever is refused each time, and neither fills nor wears out the car's card."""

from __future__ import annotations

import pytest

from agent.access.keypad import TRIES
from agent.access.sparing import ALL, EACH
from drivers.credentials import SunTap
from drivers.ports import Feedback
from tests.door_bench import ALICE, BOB, MALLORY, DoorBench, the_bench  # noqa: F401 (fixture)
from tests.test_door_code import code


async def recorded(bench: DoorBench) -> int:
    return len(await bench.facts("refused"))


async def decisions(bench: DoorBench) -> int:
    return len(await bench.store.read("decision/"))


async def test_a_badge_that_opens_nothing_is_recorded_five_times_then_once_a_minute(bench: DoorBench) -> None:
    for _ in range(4 * EACH):
        assert await bench.tap(MALLORY) is Feedback.REFUSED
    assert (await recorded(bench), await decisions(bench)) == (EACH, EACH)
    bench.clock.move(60)
    for _ in range(3):
        assert await bench.tap(MALLORY) is Feedback.REFUSED
    assert await recorded(bench) == EACH + 1
    counters = bench.door.status()["counters"]
    assert (counters["refused"], counters["refused_unrecorded"]) == (23, 17)  # type: ignore[index]


async def test_others_are_recorded_all_the_same_and_whoever_has_booked_gets_in(bench: DoorBench) -> None:
    await bench.book(7, ALICE)
    for _ in range(2 * EACH):
        await bench.tap(MALLORY)
    assert await bench.tap(BOB) is Feedback.REFUSED
    assert await recorded(bench) == EACH + 1
    assert await bench.tap(ALICE) is not Feedback.REFUSED


async def test_many_cards_together_are_bounded_as_well(bench: DoorBench) -> None:
    for number in range(2 * ALL):
        await bench.tap(number.to_bytes(5, "big"))
    assert await recorded(bench) == ALL


async def test_r11_a_keypad_that_rests_writes_nothing_and_forgets_no_try(
    bench: DoorBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    await bench.book(7, ALICE)
    for _ in range(5):
        await bench.type("00000000")
    before, counted = await recorded(bench), (await bench.store.read(TRIES))[TRIES]
    with monkeypatch.context() as patch:
        patch.setattr(bench.store, "commit", None)  # called, it would raise
        for _ in range(20):
            assert await bench.type("00000000") is Feedback.REFUSED
    assert await recorded(bench) == before
    assert (await bench.store.read(TRIES))[TRIES] == counted
    await bench.cut()
    assert await bench.type(code(7)) is Feedback.REFUSED, "it rests on"


async def test_a_wrong_code_that_is_no_fact_any_more_counts_over_a_cut(bench: DoorBench) -> None:
    for _ in range(4):
        await bench.type("1")  # no eight digits: no try
    for _ in range(4):
        await bench.type("00000000")
    assert await recorded(bench) == EACH
    await bench.cut()
    await bench.type("00000000")
    assert bench.door.status()["keypad_locked"] is True


@pytest.mark.parametrize("message", [bytes(24), b""])
async def test_junk_from_badges_that_prove_themselves_is_bounded(bench: DoorBench, message: bytes) -> None:
    for _ in range(3 * EACH):
        shown = len(bench.reader.shown)
        bench.reader.presented.put_nowait(SunTap(message, bench.clock.now()))
        await bench.until(lambda shown=shown: len(bench.reader.shown) > shown)
    assert await recorded(bench) == EACH
