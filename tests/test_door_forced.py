"""R1: a code read out by the desk ends the booking under way by force: that one, once, within the five tries."""

from __future__ import annotations

import base64
import json

import pytest

from agent.access.keypad import FORCED
from drivers.ports import CodeEntered, Feedback, LockAction
from keyless import code as codes
from keyless.receipt import Event, Receipt, Remark, believe_receipt
from keyless.vehicle_key import VehicleKey
from tests.door_bench import ALICE, BOB, CAR_SECRET, CODE_KEY, HOUR, T0, VEHICLE, DoorBench, the_bench  # noqa: F401
from tests.test_door_code import DAY, SLOT, TODAY, slot

NIGHT = (TODAY + 1) * DAY - T0  # until midnight, in seconds from the bench's begin


def end(booking: int, day: int = TODAY) -> str:
    return codes.end_code(CODE_KEY, booking, day)


async def stuck(bench: DoorBench, booking: int = 7) -> None:
    """Alice has the car, which says for ever that a door is open."""
    await bench.prove()
    await bench.book(booking, ALICE)
    assert await bench.tap(ALICE) is Feedback.OPENED
    bench.say(door="yes")


async def test_r1_a_stuck_door_contact_without_network_ends_by_the_code_and_is_locked(bench: DoorBench) -> None:
    await stuck(bench)
    assert await bench.tap(ALICE) is Feedback.REFUSED
    bench.lock.moves.clear()
    assert await bench.type(end(7)) is Feedback.ENDED
    assert bench.lock.moves == [LockAction.LOCK], "who types it stands beside the car"
    assert bench.under.booking is None
    [closed] = await bench.facts("booking", event="closed")
    assert (closed["booking"], closed["how"], closed["hard_overridden"]) == (7, "forced", ["door_open"])
    [intent] = await bench.facts("access", event="intent", via="code")
    assert (intent["action"], intent["booking"], intent["note"]) == ("lock", 7, "hotline_end")
    assert intent["token"] == (b"end\0" + TODAY.to_bytes(4, "big") + (7).to_bytes(8, "big")).hex()


async def test_r1_soft_flags_raise_their_alert_and_the_receipt_says_forced(bench: DoorBench) -> None:
    await stuck(bench)
    bench.say(plugged="no")
    assert await bench.type(end(7)) is Feedback.ENDED
    [closed] = await bench.facts("booking", event="closed")
    assert closed["soft"] == ["not_plugged"]
    assert [it["name"] for it in await bench.facts("alarm")] == ["ended_flagged"]
    cose = (await bench.facts("receipt", event="forced"))[0]["cose"]
    data = base64.urlsafe_b64decode(cose + "=" * (-len(cose) % 4))
    found = believe_receipt(data, VehicleKey(CAR_SECRET).public, vehicle=VEHICLE)
    assert isinstance(found, Receipt)
    assert (found.event, found.booking, found.token) == (Event.FORCED, 7, None)
    assert found.remarks == Remark.NOT_PLUGGED | Remark.DOOR_OPEN


@pytest.mark.parametrize("cut", [False, True])
async def test_r1_it_ends_once_also_after_a_cut_and_again_what_was_opened_again(
    bench: DoorBench, cut: bool
) -> None:
    await stuck(bench)
    assert await bench.type(end(7)) is Feedback.ENDED
    if cut:
        await bench.cut()
        bench.park()
    assert await bench.type(end(7)) is Feedback.REFUSED
    assert await bench.tap(ALICE) is not Feedback.REFUSED, "its paid time runs"
    bench.say(door="yes")
    assert await bench.tap(ALICE) is Feedback.REFUSED, "the contact sticks"
    assert await bench.type(end(7)) is Feedback.ENDED, "or nothing at the car would end it"
    assert bench.under.booking is None
    assert await bench.type(end(7)) is Feedback.REFUSED
    refusals = await bench.facts("refused", via="code")
    assert [it["detail"]["reasons"] for it in refusals] == [["code_used"]] * 2
    assert json.loads((await bench.store.read(FORCED))[FORCED]) == [{"booking": 7, "day": TODAY}]
    assert bench.door.status()["counters"]["code_wrong"] == 0, "it was no guess"  # type: ignore[index]


async def test_r1_a_power_cut_while_the_lock_moves_ends_it_and_uses_the_code_up(bench: DoorBench) -> None:
    await stuck(bench)
    await bench.dies_moving(CodeEntered(end(7), bench.clock.now()))
    await bench.cut()
    bench.park()
    await bench.wait(8)
    [closed] = await bench.facts("booking", event="closed")
    assert (closed["booking"], closed["how"]) == (7, "forced")
    assert await bench.type(end(7)) is Feedback.REFUSED
    assert len(await bench.facts("booking", event="closed")) == 1


async def test_it_ends_only_its_own_booking(bench: DoorBench) -> None:
    await stuck(bench)
    await bench.book(8, BOB)
    assert await bench.type(end(8)) is Feedback.REFUSED
    assert bench.under.booking is not None
    assert bench.under.booking.booking == 7


async def test_with_no_booking_open_it_is_a_wrong_code_and_opens_nothing(bench: DoorBench) -> None:
    await bench.book(7, ALICE)
    assert await bench.type(end(7)) is Feedback.REFUSED
    assert [it["code"] for it in await bench.facts("refused")] == ["code"]
    assert bench.lock.moves == []


@pytest.mark.parametrize("day", [-1, 1])
async def test_it_is_of_its_day(bench: DoorBench, day: int) -> None:
    await stuck(bench)
    assert await bench.type(end(7, TODAY + day)) is Feedback.REFUSED


async def test_read_out_before_midnight_it_is_typed_after_it(bench: DoorBench) -> None:
    await stuck(bench)
    bench.clock.move(NIGHT + HOUR - 60)
    assert await bench.type(end(7)) is Feedback.ENDED, "R5: hours after the paid end"


async def test_r11_five_wrong_ones_lock_it_out_too(bench: DoorBench) -> None:
    await stuck(bench)
    for _ in range(5):
        await bench.type("00000000")
    assert await bench.type(end(7)) is Feedback.REFUSED
    assert bench.under.booking is not None
    bench.clock.move(600)
    assert await bench.type(end(7)) is Feedback.ENDED


async def test_r11_wrong_ends_are_wrong_codes_and_a_right_one_washes_none_away(bench: DoorBench) -> None:
    await stuck(bench)
    for day in range(2, 6):
        await bench.type(end(7, TODAY + day))
    assert await bench.type(end(7)) is Feedback.ENDED
    await bench.type("00000000")
    assert bench.door.status()["keypad_locked"] is True


async def test_a_car_that_moves_ends_nothing_and_uses_nothing_up(bench: DoorBench) -> None:
    await stuck(bench)
    bench.say(speed=30.0, ignition="on")
    assert await bench.type(end(7)) is Feedback.REFUSED
    bench.park()
    assert await bench.type(end(7)) is Feedback.ENDED


async def test_r1_an_ignition_that_is_said_to_be_on_is_passed_over_and_recorded(bench: DoorBench) -> None:
    await stuck(bench)
    bench.say(door="no", ignition="on")
    assert await bench.type(end(7)) is Feedback.ENDED
    assert (await bench.facts("booking", event="closed"))[0]["hard_overridden"] == ["ignition_on"]


async def test_a_code_of_the_day_can_be_ended_by_force(bench: DoorBench) -> None:
    await bench.prove()
    assert await bench.type(slot()) is Feedback.OPENED
    bench.say(door="yes")
    assert await bench.type(end(SLOT)) is Feedback.ENDED
    assert (await bench.facts("booking", event="closed"))[0]["booking"] == SLOT


async def test_d14_with_the_database_broken_and_no_key_set_it_ends_all_the_same(bench: DoorBench) -> None:
    await stuck(bench)
    bench.store.broken = True
    bench.authority.keyset = None
    assert await bench.type(end(7)) is Feedback.ENDED
    assert bench.under.booking is None
    assert await bench.type(end(7)) is Feedback.REFUSED


@pytest.mark.parametrize("broken", [b"", b"[]x", b'[{"booking":"7","day":1}]', b'[{"booking":-7,"day":-1}]', b"{}"])
async def test_a_damaged_memory_of_used_codes_shuts_nobody_out(bench: DoorBench, broken: bytes) -> None:
    await stuck(bench)
    await bench.store.commit((), put={FORCED: broken})
    await bench.cut()
    bench.park()
    bench.say(locked="no")
    assert await bench.type("00000000") is Feedback.REFUSED
    assert await bench.type(end(7)) is Feedback.ENDED
    kept = json.loads((await bench.store.read(FORCED))[FORCED])
    assert {"booking": 7, "day": TODAY} in kept
