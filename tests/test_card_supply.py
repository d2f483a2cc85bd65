"""R15: the spare card has its supply while somebody has the car, and never loses it under a driver."""

from __future__ import annotations

from itertools import product
from pathlib import Path

from hypothesis import given

from agent.access.switching import may_take_away, supply_wanted
from agent.car.inputs import Sensed
from drivers.ports import BadgeTap, Feedback, LockAction
from keyless.claims import Action, Role
from tests.door_bench import ALICE, BOB
from tests.supply_bench import SETTLED_S, SupplyBench, the_bench  # noqa: F401 (fixture)
from tests.test_booking_rules import CARS


@given(CARS)
def test_r5_nothing_is_taken_from_a_car_that_is_used(car) -> None:
    if may_take_away(car):
        assert car.ignition_on is not True
        assert str(car.moving) == "no"


def test_every_case_of_what_the_card_is_due() -> None:
    due = {case: supply_wanted(*case) for case in product([True, False, None], [True, False])}
    assert {case for case, it in due.items() if it is None} == {(None, False)}
    assert {case for case, it in due.items() if it is True} == {(True, False)}


async def test_r15_it_follows_the_booking_and_each_change_is_an_intent_and_an_outcome(bench: SupplyBench) -> None:
    assert bench.relay.turns == 0, "whose car it is, nobody knows yet"
    await bench.book(7, ALICE)
    assert await bench.tap(ALICE) is Feedback.OPENED
    await bench.until(lambda: bench.supply.is_on is True)
    assert await bench.tap(ALICE) is Feedback.ENDED
    await bench.settles(False)
    await bench.idle()
    facts = await bench.facts("access")
    told = [(it["event"], it["action"], it["via"] if "via" in it else it["outcome"]) for it in facts]
    assert told == [
        ("intent", "unlock", "badge"), ("outcome", "unlock", "unknown"),
        ("intent", "supply_on", "auto"), ("outcome", "supply_on", "unknown"),
        ("intent", "lock", "badge"), ("outcome", "lock", "unknown"),
        ("intent", "supply_off", "auto"), ("outcome", "supply_off", "unknown"),
    ]  # fmt: skip
    assert (await bench.facts("access", event="intent", action="supply_on"))[0]["booking"] == 7


async def test_the_delay_counts_from_the_locks_own_movement_whatever_was_switched_before(bench: SupplyBench) -> None:
    bench.delay_s = 6.0
    await bench.cut()
    bench.park()
    await bench.book(7, ALICE)
    await bench.book(8, BOB)
    await bench.tap(ALICE)
    await bench.wait(SETTLED_S)
    await bench.tap(ALICE)
    await bench.wait(4)
    assert bench.relay.through
    await bench.wait(4)
    await bench.settles(False)
    await bench.tap(BOB)
    await bench.wait(4)
    await bench.idle()
    assert not bench.relay.through
    await bench.wait(4)
    await bench.settles(True)


async def test_r5_a_pause_far_from_home_long_after_the_end_keeps_it(bench: SupplyBench) -> None:
    await bench.book(7, ALICE, 0, 60)
    await bench.tap(ALICE)
    bench.park(home=False)
    await bench.wait(1_200)
    bench.park(home=False)
    assert await bench.tap(ALICE) is Feedback.PAUSED
    await bench.wait(10)
    assert bench.relay.through


async def test_nothing_is_taken_away_while_the_ignition_is_on_and_it_goes_when_it_is_off(bench: SupplyBench) -> None:
    await bench.book(7, ALICE)
    await bench.tap(ALICE)
    await bench.tap(ALICE)
    await bench.settles(False)
    await bench.cut()
    bench.park()
    bench.say(ignition="on")  # somebody starts it while the box is down
    await bench.wait(60)
    assert bench.relay.through
    bench.say(ignition="off")
    await bench.wait(4)
    await bench.settles(False)


async def test_r15_a_cut_between_opening_and_supply_gives_it_back_for_the_open_booking(bench: SupplyBench) -> None:
    await bench.book(7, ALICE)
    await bench.tap(ALICE)
    await bench.tap(ALICE)
    await bench.settles(False)
    await bench.book(8, BOB)
    bench.relay.there = False  # between opening and supply: the relay still takes it away
    assert await bench.tap(BOB) is Feedback.OPENED
    await bench.idle()
    assert not bench.relay.through
    bench.relay.there = True
    await bench.off()  # the box alone: its board keeps what it was told
    await bench.boot()
    await bench.settles(True)
    assert bench.under.booking is not None


async def test_d19_the_supply_waits_until_it_is_known_what_became_of_the_lock(bench: SupplyBench) -> None:
    """Its own movement would call the lock's orphan intent unknown, a moment before the car tells."""
    await bench.prove()
    await bench.book(7, ALICE)
    await bench.tap(ALICE)
    bench.park(home=False)
    await bench.dies_moving(BadgeTap(ALICE, bench.clock.now()))
    await bench.cut()
    await bench.wait(2)
    bench.say(locked="yes")
    await bench.wait(4)
    outcome = (await bench.facts("access", event="outcome", action="lock"))[-1]
    assert (outcome["outcome"], outcome["resolved_at_boot"]) == ("done", True)
    await bench.until(lambda: bench.supply.is_on is True)


async def test_a_dead_box_leaves_a_car_that_starts_and_back_again_it_takes_it_away(bench: SupplyBench) -> None:
    await bench.book(7, ALICE)
    await bench.tap(ALICE)
    await bench.tap(ALICE)
    await bench.settles(False)
    await bench.off()
    bench.relay.through = True  # no power: normally closed
    await bench.boot()
    bench.park()
    await bench.wait(4)
    assert bench.relay.through, "a car is first listened to"
    await bench.wait(SETTLED_S)
    await bench.settles(False)


async def test_a_technician_without_a_booking_can_start_it_until_he_locks(bench: SupplyBench) -> None:
    await bench.book(0, ALICE, role=Role.TECHNICIAN, actions=int(Action.UNLOCK | Action.LOCK | Action.START))
    await bench.tap(ALICE)
    await bench.until(lambda: bench.supply.is_on is True)
    bench.park()
    await bench.tap(ALICE)
    await bench.settles(False)


async def test_a_lock_that_failed_at_an_end_does_not_leave_a_car_that_starts(bench: SupplyBench) -> None:
    await bench.book(7, ALICE)
    await bench.tap(ALICE)
    await bench.until(lambda: bench.supply.is_on is True)
    bench.lock.mode = "gone"
    await bench.tap(ALICE)
    await bench.settles(False)
    assert (await bench.facts("booking", event="closed"))[0]["soft"][-1] == "not_locked"


async def test_a_board_that_is_gone_is_an_alarm_and_no_flood_of_facts(bench: SupplyBench) -> None:
    await bench.book(7, ALICE)
    await bench.tap(ALICE)
    await bench.tap(ALICE)
    await bench.settles(False)
    bench.relay.there = False
    await bench.tap(ALICE)
    await bench.wait(600)
    assert bench.supply.is_stuck()
    assert bench.switching.conditions()["card_supply_stuck"]()
    assert len(await bench.facts("access", action="supply_on", event="intent")) == 1
    bench.relay.there = True
    await bench.wait(310)
    await bench.settles(True)
    assert not bench.supply.is_stuck()


async def test_a_part_that_fails_gives_the_supply_back_before_it_is_started_again(bench: SupplyBench) -> None:
    await bench.book(7, ALICE)
    await bench.tap(ALICE)
    await bench.tap(ALICE)
    await bench.settles(False)
    bench.supply._wanted = lambda: {}["a bug"]
    await bench.wait(4)
    assert bench.following is not None
    await bench.until(lambda: bench.following.done())
    assert isinstance(bench.following.exception(), KeyError)
    assert bench.relay.through


async def test_r15_supply_first_lets_the_car_lock_with_its_card_inside(tmp_path: Path) -> None:
    bench = SupplyBench(tmp_path, "supply_first")
    await bench.boot()
    bench.park()
    await bench.wait(SETTLED_S)
    seen: list[tuple[LockAction, bool]] = []
    act = bench.lock.act

    async def watched(action: LockAction) -> None:
        seen.append((action, bench.relay.through))
        await act(action)

    bench.lock.act = watched  # type: ignore[method-assign]
    await bench.book(7, ALICE)
    await bench.tap(ALICE)
    bench.sensed = Sensed(key_returned=False)
    assert await bench.tap(ALICE) is Feedback.PAUSED
    await bench.settles(True)
    await bench.tap(ALICE)
    bench.sensed = Sensed()
    assert await bench.tap(ALICE) is Feedback.ENDED
    unlock, lock = (LockAction.UNLOCK, True), (LockAction.LOCK, False)
    assert seen == [unlock, lock, unlock, lock]
    await bench.idle()
    assert not bench.relay.through
    await bench.off()
