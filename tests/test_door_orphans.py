"""A power cut between intent and outcome: each intent gets one outcome, and its command one answer (D12, D13, D19)."""

from __future__ import annotations

import pytest

from drivers.ports import BadgeTap, Feedback, LockAction
from keyless.claims import Action, Role
from tests.door_bench import (  # noqa: F401 (fixtures)
    ALICE,
    BOB,
    HOUR,
    DoorBench,
    the_bench,
)
from tests.fakes.door import Cut


async def cut_while_moving(bench: DoorBench, uid: bytes) -> None:
    """The power goes between intent and outcome."""
    await bench.dies_moving(BadgeTap(uid, bench.clock.now()))
    await bench.cut()


async def test_d13_the_counter_is_on_disk_with_the_intent(bench: DoorBench) -> None:
    message = bench.command(bench.mint(7, None, 0, HOUR), Action.UNLOCK, 9)
    bench.lock.mode = "cut"
    with pytest.raises(Cut):
        await bench.door.command(message)
    bench.lock.mode = "obeys"
    await bench.cut()
    await bench.door.command(message)
    assert bench.lock.moves == [LockAction.UNLOCK], "redelivered after the cut, moved once"
    assert bench.answers[-1][1] == "unknown"
    await bench.wait(8)
    assert len(await bench.facts("access", event="outcome")) == 1
    assert (await bench.facts("command"))[0]["result"]["code"] == "unknown"
    assert (await bench.facts("booking", event="opened"))[0]["booking"] == 7


@pytest.mark.parametrize("counter", [1, 2], ids=["the very same", "the same id under another counter"])
@pytest.mark.parametrize(("said", "code"), [("no", "done"), ("yes", "failed"), (None, "unknown")])
async def test_d12_a_repeat_before_the_outcome_is_known_hears_so_then_the_outcome_and_moves_nothing(
    bench: DoorBench, said: str | None, code: str, counter: int
) -> None:
    """The broker delivers again as soon as it can; the car's first words may come seconds later (D19)."""
    await bench.prove()
    token = bench.mint(7, None, 0, HOUR)
    message = bench.command(token, Action.UNLOCK, 1)
    bench.lock.mode = "cut"
    with pytest.raises(Cut):
        await bench.door.command(message)
    bench.lock.mode = "obeys"
    await bench.cut()
    moves = list(bench.lock.moves)
    again = bench.command(token, Action.UNLOCK, counter, name=(1).to_bytes(16, "big"))
    await bench.door.command(again)
    assert [answer[1:3] for answer in bench.answers] == [("unknown", "under way")], "nobody knows yet"
    if said is not None:
        bench.say(locked=said)
    await bench.wait(8)
    assert [answer[:2] for answer in bench.answers[1:]] == [(f"{1:032x}", code)]
    await bench.door.command(again)
    assert [answer[:2] for answer in bench.answers[2:]] == [(f"{1:032x}", code)]
    assert bench.lock.moves == moves


@pytest.mark.parametrize(("said", "outcome", "is_open"), [("no", "done", True), ("yes", "failed", False)])
async def test_d19_an_orphan_is_resolved_from_the_proven_signal(
    bench: DoorBench, said: str, outcome: str, is_open: bool
) -> None:
    await bench.prove()
    await bench.book(7, ALICE)
    await cut_while_moving(bench, ALICE)
    bench.say(locked=said)
    await bench.wait(4)
    found = (await bench.facts("access", event="outcome"))[-1]
    assert (found["outcome"], found["resolved_at_boot"]) == (outcome, True)
    assert (bench.under.booking is not None) is is_open


async def test_d19_an_orphan_of_a_silent_car_is_unknown_and_its_booking_opens(bench: DoorBench) -> None:
    await bench.prove()
    await bench.book(7, ALICE)
    await cut_while_moving(bench, ALICE)
    before = len(await bench.facts("access", event="outcome"))
    await bench.wait(4)
    assert len(await bench.facts("access", event="outcome")) == before, "it waits for the car's first words"
    await bench.wait(4)
    found = (await bench.facts("access", event="outcome"))[-1]
    assert (found["outcome"], found["resolved_at_boot"]) == ("unknown", True)
    assert bench.under.booking is not None


async def test_an_end_that_was_cut_is_still_an_end_and_only_one(bench: DoorBench) -> None:
    await bench.book(7, ALICE)
    await bench.tap(ALICE)
    await cut_while_moving(bench, ALICE)
    bench.park()
    assert await bench.tap(ALICE) is Feedback.OPENED, "the orphan is settled before anything else moves"
    events = [it["event"] for it in await bench.facts("booking")]
    assert events == ["stored", "opened", "closed", "opened"]
    await bench.cut()
    await bench.wait(8)
    intents = [it["access"] for it in await bench.facts("access", event="intent")]
    outcomes = [it["access"] for it in await bench.facts("access", event="outcome")]
    assert sorted(intents) == sorted(outcomes)


async def test_a_takeover_that_was_cut_stands_before_the_last_driver_is_judged(bench: DoorBench) -> None:
    await bench.prove()
    await bench.book(7, ALICE, 0, 600)
    await bench.tap(ALICE)
    bench.clock.move(660)
    bench.park()
    await bench.book(8, BOB, 600, 2 * HOUR)
    await cut_while_moving(bench, BOB)
    bench.park()
    assert await bench.tap(ALICE) is Feedback.REFUSED
    assert bench.under.booking is not None
    assert bench.under.booking.booking == 8, "her tap ends nobody's booking"


@pytest.mark.parametrize("how", ["badge", "command"])
async def test_an_unlock_after_an_end_that_was_cut_opens_the_booking_again(bench: DoorBench, how: str) -> None:
    await bench.prove()
    await bench.book(7, ALICE)
    await bench.tap(ALICE)
    bench.park()
    await cut_while_moving(bench, ALICE)
    await bench.until(lambda: bench.clock.sleepers > 0)  # the door's first look: the car has not spoken yet
    bench.park()
    bench.say(locked="yes")
    if how == "badge":
        assert await bench.tap(ALICE) is Feedback.OPENED
    else:
        await bench.door.command(bench.command(bench.mint(7, None, 0, HOUR), Action.UNLOCK, 1))
    assert bench.under.booking is not None, "no car stands open, and may start, without a booking"
    assert [it["event"] for it in await bench.facts("booking")] == ["stored", "opened", "closed", "opened"]


async def test_an_opening_that_was_cut_stands_before_anybody_else_is_judged(bench: DoorBench) -> None:
    await bench.prove()
    await bench.book(7, ALICE)
    await bench.book(8, BOB)
    await cut_while_moving(bench, ALICE)
    bench.park()
    assert await bench.tap(BOB) is Feedback.REFUSED
    assert bench.under.booking is not None
    assert bench.under.booking.booking == 7


async def test_an_emergency_token_whose_opening_was_cut_has_opened(bench: DoorBench) -> None:
    await bench.prove()
    moves = len(bench.lock.moves)
    await bench.book(0, BOB, 0, 600, role=Role.EMERGENCY, actions=int(Action.UNLOCK))
    await cut_while_moving(bench, BOB)
    bench.park()
    assert await bench.tap(BOB) is Feedback.REFUSED
    assert bench.lock.moves[moves:] == [LockAction.UNLOCK]
