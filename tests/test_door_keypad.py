"""Wrong codes at the door: what they cost, whom they leave alone, what cuts and bad disks forget, a day of guesses."""

from __future__ import annotations

import json
import logging
import random

import pytest

from agent.access.keypad import TRIES, Keypad
from drivers.ports import CodeEntered, Feedback, LockAction
from tests.door_bench import ALICE, BOB, CODE_KEY, HOUR, T0, DoorBench, the_bench  # noqa: F401 (fixtures)
from tests.test_door_code import DAY, code, slot


async def lock_out(bench: DoorBench) -> None:
    for _ in range(5):
        assert await bench.type("00000000") is not Feedback.OPENED


async def test_r11_five_wrong_codes_lock_the_keypad_alone(bench: DoorBench) -> None:
    await bench.prove()
    await bench.book(7, ALICE)
    await lock_out(bench)
    assert await bench.type(code(7)) is not Feedback.OPENED, "not even a right one"
    assert await bench.tap(ALICE) is Feedback.OPENED
    assert bench.alarms == [("keypad_locked", True)]
    assert bench.door.status()["keypad_locked"] is True
    last = (await bench.facts("refused"))[-1]
    assert last["detail"]["reasons"] == ["keypad_locked"]
    assert last["detail"]["until"] == T0 + 601, "the clock of the bench was switched on one second ago"
    bench.clock.move(600)
    assert await bench.type(code(7)) is Feedback.ENDED
    assert bench.alarms == [("keypad_locked", True), ("keypad_locked", False)]


async def test_each_lock_is_an_alarm_also_when_nobody_waits_in_between(bench: DoorBench) -> None:
    for _ in range(3):
        await lock_out(bench)
        bench.clock.move(600)
    assert [holds for _, holds in bench.alarms] == [True, False, True, False, True]


async def test_the_end_of_a_lock_is_told_by_itself(bench: DoorBench) -> None:
    await lock_out(bench)
    bench.clock.move(598)
    await bench.wait(4)
    assert bench.alarms == [("keypad_locked", True), ("keypad_locked", False)]


async def test_right_codes_in_between_wash_nothing_away(bench: DoorBench) -> None:
    await bench.book(7, ALICE)
    for _ in range(4):
        await bench.type("00000000")
        await bench.type(code(7))
    await bench.type("00000000")
    assert bench.door.status()["keypad_locked"] is True


async def test_what_has_not_eight_digits_counts_as_nothing(bench: DoorBench) -> None:
    await bench.book(7, ALICE)
    for digits in ("1", "1234567", "123456789", "1" * 16, "0", "00"):
        assert await bench.type(digits) is not Feedback.OPENED
    assert await bench.type(code(7)) is Feedback.OPENED


async def test_power_cuts_and_restarts_forget_no_try(bench: DoorBench) -> None:
    await bench.book(7, ALICE)
    for _ in range(4):
        await bench.type("00000000")
        await bench.cut()
    await bench.type("00000000")
    await bench.cut()
    bench.park()
    assert await bench.type(code(7)) is not Feedback.OPENED
    bench.clock.move(598)
    assert await bench.type(code(7)) is not Feedback.OPENED, "ten minutes of this boot"
    bench.clock.move(1)
    assert await bench.type(code(7)) is Feedback.OPENED


async def test_a_count_that_cannot_be_read_at_all_rests_for_ten_minutes_from_the_start(bench: DoorBench) -> None:
    bench.clock.move(3 * HOUR)
    keypad = Keypad(bench.clock, bench.bookings, CODE_KEY, bench.alarm)
    keypad.load(None)
    assert keypad.locked()
    bench.clock.move(600)
    assert not keypad.locked()
    without = Keypad(bench.clock, bench.bookings, b"", bench.alarm)
    without.load(None)
    assert not without.locked(), "no codes, nothing to rest"


@pytest.mark.parametrize("broken", [b"", b"{}x", b'{"wrong":"5"}', b'{"wr0ng":1,"boot":"","at_ns":0}'])
async def test_a_damaged_count_rests_for_ten_minutes_and_strands_nobody(bench: DoorBench, broken: bytes) -> None:
    await bench.book(7, ALICE)
    await bench.store.commit((), put={TRIES: broken})
    await bench.cut()
    bench.park()
    assert await bench.type(code(7)) is not Feedback.OPENED
    assert await bench.tap(ALICE) is Feedback.OPENED
    bench.clock.move(600)
    bench.say(locked="yes")
    assert await bench.type(code(7)) is not Feedback.REFUSED


async def test_with_the_database_broken_the_limit_holds_in_memory(bench: DoorBench) -> None:
    await bench.book(7, ALICE)
    bench.store.broken = True
    await lock_out(bench)
    assert await bench.type(code(7)) is not Feedback.OPENED
    assert bench.lock.moves == []
    bench.clock.move(600)
    await bench.type(code(7))
    assert bench.lock.moves == [LockAction.UNLOCK]


async def test_no_digit_of_a_code_is_written_or_logged(
    bench: DoorBench, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    await bench.book(7, ALICE)
    typed = [code(7), "83920175", "123", slot()]
    for digits in typed:
        await bench.type(digits)
    written = json.dumps(await bench.facts()) + caplog.text + repr(bench.door.status())
    written += repr(await bench.store.read(""))
    assert not [digits for digits in typed if digits != "123" and digits in written]


@pytest.mark.slow
async def test_a_day_of_guessing_without_a_pause(bench: DoorBench) -> None:
    """docs/keyless.md, section 1.9: 720 tries a day and 144 locks, whatever is typed."""
    await bench.prove()
    for number in range(1, 11):
        await bench.book(number, ALICE if number == 1 else BOB, 0, 25 * HOUR)
    guess = random.Random(1)
    moved = len(bench.lock.moves)
    for time in range(DAY // 200):
        for _ in range(7):
            bench.reader.presented.put_nowait(CodeEntered(f"{guess.randrange(10**8):08}", bench.clock.now()))
        await bench.until(lambda wanted=7 * (time + 1): len(bench.reader.shown) == wanted)
        bench.clock.move(200)
    counters = bench.door.status()["counters"]
    assert isinstance(counters, dict)
    assert (counters["code_wrong"], counters["keypad_locks"]) == (720, 144)
    assert sum(holds for _, holds in bench.alarms) == 144
    assert len(bench.lock.moves) == moved
    assert await bench.tap(ALICE) is not Feedback.REFUSED, "the badge knows nothing of it"
