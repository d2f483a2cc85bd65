"""What the car is doing, from what it says, and when a car that is silent unless asked is believed awake."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.car.phase import Life, charging, phase, sleeps
from config.car import Phase, WakeBlock

S = 1_000_000_000
WORDS = bytes.fromhex("FFFF000000000000"), bytes.fromhex("83C0000000000000")
WAKE = WakeBlock(((0x18DAF1DB, True),), ((0x6F9, False, *WORDS),), 60.0)


@pytest.mark.parametrize(
    ("awake", "ignition", "is_charging", "expected"),
    [
        (False, "on", True, Phase.PARKED),
        (True, "on", True, Phase.DRIVING),
        (True, "off", True, Phase.CHARGING),
        (True, None, False, Phase.AWAKE),
        (True, "off", False, Phase.AWAKE),
    ],
)
def test_r10_silence_wins_then_the_ignition_then_the_charge(
    awake: bool, ignition: str | None, is_charging: bool, expected: Phase
) -> None:
    assert phase(awake, ignition, is_charging) is expected


def test_where_a_car_has_flag_and_status_both_must_say_that_it_charges() -> None:
    assert charging("yes", "charging")
    assert not charging("yes", "ended"), "the flag is stuck on some cars"
    assert not charging("no", "charging")
    assert charging("yes", None)
    assert charging(None, "charging")
    assert not charging(None, None)


def test_a_car_is_believed_awake_for_so_long_after_a_sign_and_not_after_it_said_that_it_sleeps() -> None:
    assert not Life().awake(60, 0)
    life = Life().signed(10 * S)
    assert life.awake(60, 70 * S)
    assert not life.awake(60, 70 * S + 1)
    assert not life.slept(20 * S).awake(60, 21 * S)
    assert life.slept(20 * S).signed(25 * S).awake(60, 30 * S)
    assert not life.slept(20 * S).signed(15 * S).awake(60, 30 * S), "what was seen before it slept proves nothing"


def test_only_the_words_that_the_folder_names_say_that_it_sleeps() -> None:
    assert sleeps(WAKE, 0x6F9, False, bytes.fromhex("83C0112233445566"))
    assert sleeps(WAKE, 0x6F9, False, bytes.fromhex("83C0"))
    assert not sleeps(WAKE, 0x6F9, False, bytes.fromhex("83"))
    assert not sleeps(WAKE, 0x6F9, False, bytes.fromhex("83C1000000000000"))
    assert not sleeps(WAKE, 0x6F8, False, bytes.fromhex("83C0000000000000"))
    assert not sleeps(WAKE, 0x6F9, True, bytes.fromhex("83C0000000000000"))
    ends_in_zero = WakeBlock((), ((0x6F9, False, bytes.fromhex("FFFF"), bytes.fromhex("8300")),), 60.0)
    assert not sleeps(ends_in_zero, 0x6F9, False, bytes.fromhex("83")), "what was not said is no zero"


@given(st.lists(st.tuples(st.sampled_from(["sign", "sleep"]), st.integers(0, 300)), max_size=20), st.integers(0, 400))
def test_awake_exactly_when_the_newest_event_is_a_sign_and_young_enough(
    events: list[tuple[str, int]], later: int
) -> None:
    events = sorted(events, key=lambda event: event[1])
    life = Life()
    for what, at in events:
        life = life.signed(at * S) if what == "sign" else life.slept(at * S)
    now = (events[-1][1] if events else 0) + later
    slept = max((at for what, at in events if what == "sleep"), default=-1)
    sign = max((at for what, at in events if what == "sign"), default=-1)
    assert life.awake(60, now * S) is (sign > slept and now - sign <= 60)
