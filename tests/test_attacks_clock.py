"""Somebody lies about the time: whoever has no right now gets in by no lie that the page does not name, and who drives
is never left outside (R5, R18, R19).

One real clock with its file on disk, one real verifier. What is not here: the arithmetic (`test_keyless_clock*.py`).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from agent.run.timekeeper import Timekeeper
from drivers.ports import Fix
from keyless import clock as trusted
from keyless.claims import Booking, Role
from keyless.refusal import Code
from tests.fakes.clock import BOOT, ManualClock
from tests.keyless_world import CLAIMS, DAY, NOW, believe, believe_command, code, command, token

YEARS = 3650 * DAY
WEEKS = 1024 * 7 * DAY  # how far a receiver's week number turns over
BEFORE = NOW - 7200  # the floor that the boot before this one left
NOW_TOKEN, OPEN = token(), CLAIMS.booking
OVER = token(booking=7, nbf=BEFORE - 30 * DAY, exp=BEFORE - 1, iat=BEFORE - 31 * DAY)
COMMAND = command()


def left_behind(path: Path, floor_s: float = BEFORE, boot: str = "an earlier boot") -> None:
    """The floor file as another boot wrote it."""
    path.write_bytes(json.dumps(trusted.to_record(trusted.ClockState(floor_s, floor_s, boot))).encode())


def told(keeper: Timekeeper, clock: ManualClock, at_s: float, epochs: int = 3) -> None:
    """The receiver says that it is so late, once a second."""
    for second in range(epochs):
        keeper.fix(Fix(clock.now(), round((at_s + second) * 1000), 48.5, 0.5, 3, 0.0, 9, True))
        clock.move(1)


Lie = Callable[[Path, ManualClock], Timekeeper]


def _started(path: Path, clock: ManualClock, *dates_s: float) -> Timekeeper:
    keeper = Timekeeper(clock, path)
    keeper.load()
    for at_s in dates_s:
        told(keeper, clock, at_s)
    return keeper


def _floor(floor_s: float) -> Lie:
    def lie(path: Path, clock: ManualClock) -> Timekeeper:
        left_behind(path, floor_s)
        return _started(path, clock)

    return lie


def _file(content: bytes | None) -> Lie:
    def lie(path: Path, clock: ManualClock) -> Timekeeper:
        path.unlink() if content is None else path.write_bytes(content)
        return _started(path, clock)

    return lie


def _receiver(*dates_s: float) -> Lie:
    return lambda path, clock: _started(path, clock, *dates_s)


# What a token gets for its time: of one that is good now, and of a command that is good for another minute.
LIES: dict[str, tuple[Lie, Code | None, Code | None]] = {
    "nothing at all": (_receiver(), None, Code.CLOCK_UNSURE),
    "the truth": (_receiver(NOW), None, None),
    "a year back": (_receiver(NOW - 365 * DAY), None, Code.CLOCK_UNSURE),
    "the week number turned over": (_receiver(NOW - WEEKS), None, Code.CLOCK_UNSURE),
    "ten years ahead": (_receiver(NOW + YEARS), Code.UNKNOWN_KEY, Code.UNKNOWN_KEY),
    "ten days ahead": (_receiver(NOW + 10 * DAY), Code.EXPIRED, Code.EXPIRED),
    "ten years ahead after the truth": (_receiver(NOW, NOW + YEARS), None, None),
    "a year back after the truth": (_receiver(NOW, NOW - 365 * DAY), None, None),
    "floor file missing": (_file(None), Code.CLOCK_UNSURE, Code.CLOCK_UNSURE),
    "floor file damaged": (_file(b'{"v":1,"floor_s":9e99}'), Code.CLOCK_UNSURE, Code.CLOCK_UNSURE),
    "floor file empty": (_file(b""), Code.CLOCK_UNSURE, Code.CLOCK_UNSURE),
    "floor ten days ahead": (_floor(NOW + 10 * DAY), Code.EXPIRED, Code.EXPIRED),
    "floor ten years ahead": (_floor(NOW + YEARS), Code.UNKNOWN_KEY, Code.UNKNOWN_KEY),
    "floor rolled back": (_floor(NOW - 20 * DAY), Code.CLOCK_UNSURE, Code.CLOCK_UNSURE),
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    left_behind(tmp_path / "floor.json")
    return tmp_path / "floor.json"


@pytest.mark.parametrize("name", LIES)
def test_r5_r18_a_lie_about_the_time_opens_nothing_and_shuts_out_no_driver_under_way(name: str, path: Path) -> None:
    lie, alone, from_afar = LIES[name]
    now = lie(path, ManualClock()).interval()
    assert code(believe(NOW_TOKEN, now=now)) is alone
    assert code(believe_command(COMMAND, now=now)) is from_afar
    assert isinstance(believe(NOW_TOKEN, now=now, open_booking=OPEN), Booking), "who drives is never left outside"


@pytest.mark.parametrize("name", [name for name in LIES if "floor" not in name])
def test_what_ended_before_the_floor_opens_by_no_lie_of_a_receiver(name: str, path: Path) -> None:
    now = LIES[name][0](path, ManualClock()).interval()
    assert code(believe(OVER, now=now)) in (Code.EXPIRED, Code.UNKNOWN_KEY)


@pytest.mark.parametrize("wall_s", [0, NOW - YEARS, NOW + YEARS, -1, 2**40])
@pytest.mark.parametrize("dates", [(), (NOW,)], ids=["no receiver", "a receiver"])
def test_d21_no_lie_of_the_systems_own_clock_is_even_heard(wall_s: int, dates: tuple[int, ...], path: Path) -> None:
    """NTP, a person with `date`, a dead battery: the wall clock is a label and decides nothing."""
    honest = _started(path, ManualClock(), *dates)
    lied_to = _started(path, ManualClock(wall_ms=wall_s * 1000), *dates)
    assert lied_to.interval() == honest.interval()
    assert lied_to.settled_lo_s() == honest.settled_lo_s()
    assert lied_to.stamp(ManualClock(wall_ms=wall_s * 1000).now()) == honest.stamp(ManualClock().now())


def test_r19_a_lie_of_the_receiver_is_gone_with_the_boot(path: Path) -> None:
    """Not kept: no date in the file lies more than a day beyond what was signed or survived a start."""
    clock = ManualClock()
    liar = _started(path, clock, NOW + YEARS)
    told(liar, clock, NOW + YEARS + 10, 3700)
    assert liar.write()
    after = _started(path, ManualClock(boot="a" * 16))
    assert after.interval().lo_s == BEFORE + DAY
    assert isinstance(believe(token(exp=BEFORE + 2 * DAY), now=after.interval()), Booking)


def test_a_floor_that_was_rolled_back_rises_again_with_the_first_thing_that_was_signed(path: Path) -> None:
    left_behind(path, NOW - 90 * DAY)
    keeper = _started(path, ManualClock())
    last_week = token(booking=7, nbf=NOW - 20 * DAY, exp=NOW - 7 * DAY, iat=NOW - 89 * DAY)
    assert code(believe(last_week, now=keeper.interval())) is Code.CLOCK_UNSURE
    keeper.heard(NOW - DAY)  # any stored booking, list or command of yesterday
    assert code(believe(last_week, now=keeper.interval())) is Code.EXPIRED
    assert keeper.write()
    assert code(believe(last_week, now=_started(path, ManualClock(boot="a" * 16)).interval())) is Code.EXPIRED


def test_r19_a_floor_that_lies_ahead_is_mended_by_signed_time_alone(path: Path) -> None:
    left_behind(path, NOW + YEARS, BOOT)
    clock = ManualClock()
    keeper = _started(path, clock, NOW, NOW + 10)
    assert code(believe(NOW_TOKEN, now=keeper.interval())) is Code.UNKNOWN_KEY
    state = trusted.restored(json.loads(path.read_bytes()), BOOT)
    mended = trusted.after_signed(state, NOW, 2.0, BOOT, clock.now().ns)
    assert isinstance(believe(NOW_TOKEN, now=trusted.interval(mended, BOOT, clock.now().ns)), Booking)


@pytest.mark.parametrize("name", LIES)
@pytest.mark.parametrize("role", [role for role in Role if role is not Role.DRIVER])
def test_a_wrong_clock_is_a_door_for_no_role_but_the_drivers(name: str, role: Role, path: Path) -> None:
    """An agent, a technician, an emergency key and the backend come with a network, so they wait for the time."""
    short = {"exp": NOW + 60, "nbf": NOW - 60, "iat": NOW - 120, "early_s": 0, "late_s": 0, "booking": 0}
    now = LIES[name][0](path, ManualClock()).interval()
    assert isinstance(believe(token(role=role, **short), now=now), Booking) == ("the truth" in name)
