"""Ten minutes after an end in which its driver gets what lies in the car, and nothing else: no booking, no start."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from drivers.ports import Feedback, LockAction
from keyless import code as codes
from keyless.claims import Action, Role
from tests.door_bench import ALICE, BOB, CODE_KEY, HOUR, T0, DoorBench, the_bench  # noqa: F401 (fixtures)
from tests.phone_bench import PhoneBench, moves
from tests.supply_bench import SupplyBench, settled
from tests.test_door_code import SLOT, slot

LATE = HOUR + 60  # the paid time is over, grace is not
LATER = HOUR + 3_600  # the token's own end is over as well
LOCK, UNLOCK = LockAction.LOCK, LockAction.UNLOCK


async def ended(bench: DoorBench, at: float = LATE) -> None:
    """Booking 7 was opened, and ended at the station so many seconds after it began."""
    await bench.book(7, ALICE)
    assert await bench.tap(ALICE) is Feedback.OPENED
    bench.clock.move(at)
    bench.park()
    assert await bench.tap(ALICE) is Feedback.ENDED


@pytest.mark.parametrize("at", [LATE, LATER])
async def test_its_driver_unlocks_and_locks_and_no_booking_opens(bench: DoorBench, at: float) -> None:
    await ended(bench, at)
    before = len(await bench.facts("booking")), len(await bench.facts("receipt"))
    assert [await bench.tap(ALICE), await bench.tap(ALICE)] == [Feedback.OPENED, Feedback.ENDED]
    assert bench.lock.moves == [UNLOCK, LOCK] * 2
    assert bench.under.booking is None
    assert (len(await bench.facts("booking")), len(await bench.facts("receipt"))) == before
    for intent in (await bench.facts("access", event="intent"))[-2:]:
        assert (intent["booking"], intent["note"]) == (7, "just_ended")


async def test_after_ten_minutes_it_is_over_and_the_car_that_was_left_open_is_locked(bench: DoorBench) -> None:
    await ended(bench)
    await bench.tap(ALICE)
    bench.say(door="yes")
    await bench.wait(604)
    assert bench.lock.moves == [UNLOCK, LOCK, UNLOCK], "not while a door is open"
    bench.park()
    await bench.wait(4)
    assert bench.lock.moves == [UNLOCK, LOCK, UNLOCK, LOCK]
    last = (await bench.facts("access", event="intent"))[-1]
    assert (last["via"], last["booking"], last["note"]) == ("auto", 7, "just_ended")
    await bench.wait(4)
    assert await bench.tap(ALICE) is Feedback.REFUSED
    assert [it["code"] for it in await bench.facts("refused")] == ["expired"]
    assert len(bench.lock.moves) == 4


async def test_a_relay_that_is_dead_is_tried_once(bench: DoorBench) -> None:
    await ended(bench)
    await bench.tap(ALICE)
    bench.lock.mode = "gone"
    outcomes = len(await bench.facts("access", event="outcome"))
    await bench.wait(620)
    assert len(await bench.facts("access", event="outcome")) == outcomes + 1


async def test_nothing_is_locked_that_its_driver_has_locked_or_somebody_else_has_opened(bench: DoorBench) -> None:
    await ended(bench)
    assert [await bench.tap(ALICE), await bench.tap(ALICE)] == [Feedback.OPENED, Feedback.ENDED]
    await bench.wait(620)
    assert bench.lock.moves == [UNLOCK, LOCK] * 2
    await bench.book(0, BOB, LATE, 3 * HOUR, role=Role.AGENT)
    assert await bench.tap(BOB) is Feedback.OPENED
    await bench.wait(620)
    assert bench.lock.moves[-1] is UNLOCK, "who cleans the car is not locked in"


async def test_it_is_over_as_soon_as_somebody_else_has_begun(bench: DoorBench) -> None:
    await ended(bench)
    await bench.book(8, BOB, LATE - 120, 3 * HOUR)
    assert await bench.tap(ALICE) is Feedback.OPENED, "the next one's time has begun, and nobody has the car yet"
    assert await bench.tap(BOB) is Feedback.OPENED
    assert await bench.tap(ALICE) is Feedback.REFUSED
    bench.clock.move(10)
    bench.park()
    assert await bench.tap(BOB) is Feedback.ENDED
    assert await bench.tap(ALICE) is Feedback.REFUSED
    assert [it["code"] for it in await bench.facts("refused")] == ["expired", "expired"]


async def test_others_gain_nothing_by_it(bench: DoorBench) -> None:
    await ended(bench, LATER)
    await bench.book(9, BOB)
    assert await bench.tap(BOB) is Feedback.REFUSED, "another one whose time is over"
    await bench.cut()
    bench.park()
    assert await bench.tap(ALICE) is Feedback.REFUSED, "a power cut forgets it"


async def test_a_revoked_driver_has_no_ten_minutes(bench: DoorBench) -> None:
    await ended(bench)
    token = next(iter(bench.bookings.believed()))
    bench.authority.revoked = frozenset({token.confirmation.id})
    bench.door.trust_changed()
    assert await bench.tap(ALICE) is Feedback.REFUSED


async def test_in_paid_time_it_is_his_booking_that_opens_again_unless_the_car_stands_open(bench: DoorBench) -> None:
    await ended(bench, 60)
    assert await bench.tap(ALICE) is Feedback.OPENED
    assert bench.under.booking is not None
    bench.clock.move(1)
    bench.park()
    bench.lock.mode = "gone"
    assert await bench.tap(ALICE) is Feedback.UNSURE, "ended, and not locked"
    bench.lock.mode = "obeys"
    assert await bench.tap(ALICE) is Feedback.ENDED, "so the next tap locks"
    assert bench.lock.moves[-1] is LOCK
    assert bench.under.booking is None


@pytest.mark.parametrize("at", [LATE, LATER])
async def test_from_afar_nothing_of_it(bench: DoorBench, at: float) -> None:
    token = bench.mint(7, None, 0, HOUR)
    for counter, action in enumerate((Action.UNLOCK, Action.END), 1):
        await bench.door.command(bench.command(token, action, counter))
    assert [it[1] for it in bench.answers] == ["unknown"] * 2
    bench.clock.move(at)
    bench.park()
    for counter in (5, 6):
        await bench.door.command(bench.command(token, Action.UNLOCK, counter))
    assert [it[1] for it in bench.answers[-2:]] == ["refused"] * 2


async def test_a_code_has_the_same(bench: DoorBench) -> None:
    await bench.book(7, None)
    digits = codes.booking_code(CODE_KEY, 7, 0)
    assert await bench.type(digits) is Feedback.OPENED
    bench.clock.move(LATER)
    bench.park()
    assert await bench.type(digits) is Feedback.ENDED
    assert [await bench.type(digits), await bench.type(digits)] == [Feedback.OPENED, Feedback.ENDED]
    assert bench.under.booking is None


@pytest.mark.parametrize("at", [LATE, LATER])
async def test_a_phone_has_the_same(tmp_path: Path, at: float) -> None:
    bench = PhoneBench(tmp_path)
    await bench.boot()
    bench.park()
    phone = bench.pocket()
    token = phone.token(7)
    await phone.ask(token, "unlock")
    bench.clock.move(at)
    bench.park()
    answers: list[Any] = []
    for action in ("end", "unlock", "lock", "end"):
        answer = await phone.ask(token, action)
        if answer.refusal == "replay":
            answer = await phone.ask(token, action)
        answers.append(answer.refusal or answer.code)
    assert answers == ["unknown", "unknown", "unknown", "state_guard"]
    assert moves(bench) == ["unlock", "lock", "unlock", "lock"]
    assert bench.under.booking is None
    await bench.off()


@pytest.fixture(name="supplied")
async def with_a_card(tmp_path: Path) -> AsyncIterator[SupplyBench]:
    async with settled(SupplyBench(tmp_path)) as it:
        yield it


async def test_r15_the_card_stays_away(supplied: SupplyBench) -> None:
    bench = supplied
    await ended(bench)
    await bench.settles(False)
    turns = bench.relay.turns
    assert await bench.tap(ALICE) is Feedback.OPENED
    await bench.wait(4)
    await bench.idle()
    assert (bench.relay.through, bench.relay.turns) == (False, turns)


async def test_by_the_code_of_a_slot_that_ended_after_its_noon_it_is_no_wrong_code(bench: DoorBench) -> None:
    assert await bench.type(slot()) is Feedback.OPENED
    bench.clock.move(codes.hotline_end(SLOT) - T0 + 300)
    bench.park()
    assert await bench.type(slot()) is Feedback.ENDED
    bench.clock.move(30)
    bench.park()
    assert await bench.type(slot()) is Feedback.OPENED
    assert bench.under.booking is None
    bench.clock.move(600)
    bench.park()
    assert await bench.type(slot()) is Feedback.REFUSED
    assert bench.door.status()["counters"]["code_wrong"] == 1  # type: ignore[index]


async def test_by_a_bookings_code_a_day_late_it_is_no_wrong_code(bench: DoorBench) -> None:
    code = codes.booking_code(CODE_KEY, 7, 0)
    await bench.book(7, ALICE)
    assert await bench.type(code) is Feedback.OPENED
    bench.clock.move(27 * HOUR)
    bench.park()
    assert await bench.type(code) is Feedback.ENDED
    assert await bench.type(code) is Feedback.OPENED
    assert bench.door.status()["counters"]["code_wrong"] == 0  # type: ignore[index]
