"""R15: who may start the car, and that nobody may who has it no more, also after power cuts and an end from afar."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from agent.access.choice import may_start
from agent.access.remembered import COMMANDED
from agent.access.start_right import START_RIGHT
from drivers.ports import BadgeTap, Feedback
from keyless import code as codes
from keyless import issue
from keyless.claims import Action, Booking, Role
from keyless.verify import Situation, store_check
from tests.door_bench import ALICE, BOB, CODE_KEY, HOUR, T0
from tests.supply_bench import SETTLED_S, SupplyBench, the_bench  # noqa: F401 (fixture)
from tests.test_immobiliser import ask

DOORS = int(Action.UNLOCK | Action.LOCK | Action.END)
DRIVER = DOORS | int(Action.START)


def backend(bench: SupplyBench, booking: int = 0) -> bytes:
    return bench.mint(booking, None, 0, HOUR, role=Role.BACKEND, actions=DOORS)


async def after_a_cut(bench: SupplyBench) -> None:
    await bench.cut()
    bench.park()
    await bench.wait(SETTLED_S + 4)
    await bench.idle()


# --- after the end


async def test_an_end_whose_lock_failed_keeps_it_away_over_restarts(bench: SupplyBench) -> None:
    await bench.book(7, ALICE)
    await bench.tap(ALICE)
    bench.lock.mode = "gone"
    await bench.tap(ALICE)
    assert bench.under.booking is None
    await bench.settles(False)
    for _ in range(2):
        await after_a_cut(bench)
        assert not bench.relay.through


async def test_a_power_cut_in_the_middle_of_an_end_keeps_it_away(bench: SupplyBench) -> None:
    await bench.book(7, ALICE)
    await bench.tap(ALICE)
    await bench.dies_moving(BadgeTap(ALICE, bench.clock.now()))
    bench.lock.mode = "gone"
    for _ in range(2):
        await after_a_cut(bench)
        assert bench.under.booking is None
        assert not bench.relay.through


@pytest.mark.parametrize("cut", [False, True])
@pytest.mark.parametrize("used", [{"door": "yes"}, {"ignition": "on"}])
async def test_r1_r5_a_forced_end_takes_it_as_soon_as_the_car_stands_off(bench: SupplyBench, used, cut: bool) -> None:
    await bench.book(7, ALICE)
    await bench.tap(ALICE)
    bench.say(**used)
    assert (await ask(bench, backend(bench), Action.END, 1))[0] == "done"
    assert bench.under.booking is None
    bench.say(ignition="on", speed=20.0)
    await bench.idle()
    assert bench.relay.through, "never under somebody who drives"
    if cut:
        await bench.cut()
        await bench.wait(SETTLED_S)
    bench.park()
    await bench.wait(4)
    await bench.settles(False)


async def test_r5_an_open_booking_keeps_it_over_a_cut_in_a_pause_whatever_an_earlier_version_left(
    bench: SupplyBench,
) -> None:
    await bench.book(7, ALICE)
    await bench.tap(ALICE)
    bench.park(home=False)
    assert await bench.tap(ALICE) is Feedback.PAUSED
    await after_a_cut(bench)
    assert bench.relay.through
    await bench.store.commit(drop=(START_RIGHT,))
    await after_a_cut(bench)
    assert bench.relay.through


@pytest.mark.parametrize("kept", [{}, {START_RIGHT: b"junk"}])
async def test_what_an_earlier_version_left_of_a_locked_car_keeps_it_away(bench: SupplyBench, kept) -> None:
    await bench.store.commit(put={COMMANDED: b"lock", **kept})
    await after_a_cut(bench)
    assert not bench.relay.through


# --- the right


async def test_an_emergency_that_may_unlock_leaves_a_car_that_does_not_start(bench: SupplyBench) -> None:
    await bench.book(0, BOB, role=Role.EMERGENCY, actions=1, begin=0, end=60)
    assert await bench.tap(BOB) is Feedback.OPENED
    await bench.settles(False)
    await after_a_cut(bench)
    assert not bench.relay.through


async def test_an_emergency_of_a_booking_leaves_a_car_that_does_not_start(bench: SupplyBench) -> None:
    """Also where its driver's own token, with the right, is stored already."""
    await bench.book(5, ALICE)
    await bench.tap(ALICE)
    await bench.tap(ALICE)
    await bench.settles(False)
    await bench.book(7, ALICE, actions=DRIVER)
    await bench.book(7, BOB, role=Role.EMERGENCY, actions=1, begin=0, end=60)
    assert await bench.tap(BOB) is Feedback.OPENED
    await bench.idle()
    assert not bench.relay.through
    await after_a_cut(bench)
    assert not bench.relay.through


@pytest.mark.parametrize("order", ["lock_first", "supply_first"])
async def test_a_booking_without_the_right_gets_none_and_one_that_has_it_does(tmp_path: Path, order: str) -> None:
    bench = SupplyBench(tmp_path, order)
    await bench.boot()
    bench.park()
    await bench.wait(SETTLED_S)
    await bench.book(7, ALICE, actions=DOORS)
    await bench.tap(ALICE)
    await bench.idle()
    assert not bench.relay.through
    await bench.tap(ALICE)
    turns = bench.relay.turns
    await bench.tap(ALICE)
    await bench.idle()
    assert (bench.relay.through, bench.relay.turns) == (False, turns), "not for a moment"
    await bench.book(7, ALICE, actions=DRIVER, revision=1)
    bench.park(home=False)
    await bench.tap(ALICE)
    await bench.tap(ALICE)
    await bench.idle()
    assert bench.relay.through
    await bench.off()


async def test_r5_a_driver_keeps_it_when_others_without_the_right_unlock_and_lock_his_car(bench: SupplyBench) -> None:
    await bench.book(7, ALICE, actions=DRIVER)
    await bench.book(7, BOB, actions=DOORS)
    await bench.tap(ALICE)
    bench.park(home=False)
    assert [await bench.tap(BOB), await bench.tap(BOB)] == [Feedback.PAUSED, Feedback.OPENED]
    await ask(bench, backend(bench), Action.UNLOCK, 1)
    await bench.wait(4)
    assert bench.relay.through
    await after_a_cut(bench)
    assert bench.relay.through


async def test_a_takeover_by_who_may_not_drive_takes_it_from_the_one_before(bench: SupplyBench) -> None:
    await bench.book(7, ALICE, 0, 60)
    await bench.book(8, BOB, 0, HOUR, actions=DOORS)
    await bench.tap(ALICE)
    await bench.wait(120)
    bench.park()
    assert await bench.tap(BOB) is Feedback.OPENED
    await bench.settles(False)


async def test_r11_codes_hold_the_right_as_far_as_their_booking_does(bench: SupplyBench) -> None:
    await bench.book(7, None, actions=DOORS)
    await bench.type(codes.booking_code(CODE_KEY, 7, 0))
    await bench.settles(False)
    await bench.type(codes.booking_code(CODE_KEY, 7, 0))
    await bench.type(codes.slot_code(codes.day_key(CODE_KEY, T0 // 86_400), 3))
    await bench.settles(True)


async def test_from_afar_the_drivers_own_token_tells_and_a_mere_unlock_gives_nothing(bench: SupplyBench) -> None:
    await ask(bench, backend(bench), Action.UNLOCK, 1)
    await bench.settles(False)
    await bench.book(7, ALICE, actions=DOORS)
    await ask(bench, backend(bench, 7), Action.UNLOCK, 2)
    await bench.idle()
    assert not bench.relay.through
    await ask(bench, backend(bench, 7), Action.END, 3)
    await bench.book(8, ALICE, actions=DRIVER)
    await ask(bench, backend(bench, 8), Action.UNLOCK, 4)
    await bench.settles(True)


@pytest.mark.parametrize("role", [Role.AGENT, Role.TECHNICIAN, Role.BACKEND])
async def test_a_token_of_no_booking_gives_the_start_to_nobodys_open_booking(bench: SupplyBench, role: Role) -> None:
    await bench.book(7, ALICE, actions=DOORS)
    await bench.tap(ALICE)
    staff = bench.mint(0, None, 0, HOUR, role=role, actions=DRIVER)
    code = (await ask(bench, staff, Action.UNLOCK, 1))[0]
    assert code == ("unknown" if role is Role.BACKEND else "refused")
    await bench.wait(4)
    await bench.idle()
    assert not bench.relay.through


@pytest.mark.parametrize("opener", ["a driver", "the backend"])
async def test_the_right_that_comes_while_the_booking_is_open_counts_at_once(bench: SupplyBench, opener: str) -> None:
    await bench.book(7, ALICE, actions=DOORS)
    if opener == "the backend":
        await ask(bench, backend(bench, 7), Action.UNLOCK, 1)
    else:
        await bench.tap(ALICE)
        await bench.book(7, BOB, actions=DRIVER)
        await bench.book(8, ALICE, actions=DRIVER)
    await bench.idle()
    assert not bench.relay.through, "a colleague's counts when he taps, another booking's not at all"
    await bench.book(7, ALICE, actions=DRIVER, revision=1)
    await bench.idle()
    assert bench.relay.through
    await after_a_cut(bench)
    assert bench.relay.through
    await ask(bench, backend(bench), Action.END, 2)
    await bench.settles(False)
    await bench.idle()
    assert not bench.relay.through


async def test_r5_who_is_let_in_from_afar_for_a_booking_not_heard_of_drives(bench: SupplyBench) -> None:
    await ask(bench, backend(bench, 9), Action.UNLOCK, 1)
    assert bench.under.booking is not None
    await bench.idle()
    assert bench.relay.through


async def test_the_right_is_the_tokens_own_and_of_a_backends_the_bookings(bench: SupplyBench) -> None:
    situation = bench.bookings.situation(bench.scene.now(), None, True)
    assert isinstance(situation, Situation)

    def believed(number: int, role: Role, actions: int) -> Booking:
        claims = bench.claims(number, ALICE, 0, HOUR, role=role, actions=actions)
        found = store_check(issue.token(claims, bench._issuer), situation)
        assert isinstance(found, Booking)
        return found

    weak, strong = believed(7, Role.DRIVER, DOORS), believed(7, Role.DRIVER, DRIVER)
    opener = believed(7, Role.BACKEND, DOORS)
    assert not may_start(weak, [strong])
    assert may_start(strong, [])
    assert [may_start(opener, own) for own in ([], [weak], [weak, strong], [opener])] == [True, False, True, True]
    assert may_start(opener, [replace(weak, booking=8)])
    assert not may_start(replace(opener, booking=0), [strong])
