"""Emergency tokens at the door: whoever has the car, they unlock it, once, and change nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from drivers.ports import BadgeTap, Feedback, LockAction
from keyless.claims import Action, Role
from tests.door_bench import ALICE, BOB, HOUR, T0, DoorBench, the_bench  # noqa: F401 (fixtures)
from tests.phone_bench import PhoneBench, moves

SHORT = {"role": Role.EMERGENCY, "nbf": T0, "exp": T0 + 1_800, "early_s": 0, "late_s": 0}


async def given(bench: DoorBench, holder: bytes | None = BOB, booking: int = 0) -> bytes:
    return await bench.book(booking, holder, **SHORT)


async def test_it_unlocks_whoever_has_the_car_and_his_booking_goes_on(bench: DoorBench) -> None:
    await bench.book(7, ALICE)
    await given(bench)
    await bench.tap(ALICE)
    bench.park(home=False)
    assert await bench.tap(ALICE) is Feedback.PAUSED
    assert await bench.tap(BOB) is Feedback.OPENED
    assert bench.under.booking is not None
    assert [it["event"] for it in await bench.facts("booking")] == ["stored", "stored", "opened"]
    assert await bench.tap(ALICE) is Feedback.PAUSED, "and the driver's next tap locks"


async def test_a_phone_has_the_same(tmp_path: Path) -> None:
    bench = PhoneBench(tmp_path)
    await bench.boot()
    bench.park()
    phone = bench.pocket()
    token = phone.token(0, **SHORT)
    await bench.book(7, ALICE)
    await bench.tap(ALICE)
    assert (await phone.ask(token, "unlock")).code == "unknown"
    again = await phone.ask(token, "unlock")
    assert (again.refusal, again.reasons) == ("expired", ("used",))
    assert (await phone.ask(token, "lock")).refusal == "role_action"
    assert moves(bench) == ["unlock", "unlock"]
    await bench.off()


async def test_nothing_opens_a_car_that_moves(bench: DoorBench) -> None:
    await given(bench)
    bench.say(ignition="on", speed=30.0)
    assert await bench.tap(BOB) is Feedback.REFUSED
    bench.park()
    assert await bench.tap(BOB) is Feedback.OPENED, "what was refused has not been used"


@pytest.mark.parametrize("cut", [False, True])
@pytest.mark.parametrize("booking", [0, 9])
async def test_it_opens_once_also_across_a_restart_and_from_afar(bench: DoorBench, cut: bool, booking: int) -> None:
    await given(bench, BOB, booking)
    assert await bench.tap(BOB) is Feedback.OPENED
    if cut:
        await bench.cut()
        bench.park()
    for _ in range(2):
        assert await bench.tap(BOB) is Feedback.REFUSED
    told = await bench.facts("refused")
    assert [(it["code"], it["detail"]["reasons"]) for it in told] == [("expired", ["used"])] * 2
    token = bench.mint(0, None, 0, 0, **SHORT)
    for counter in (1, 2):
        await bench.door.command(bench.command(token, Action.UNLOCK, counter))
    assert [it[1] for it in bench.answers] == (["unknown", "refused"] if not booking else ["refused"] * 2)
    assert await given(bench) is not None
    assert await bench.tap(BOB) is Feedback.OPENED, "another one is another one"


async def test_a_relay_that_is_dead_uses_nothing_up_and_one_that_may_have_moved_does(bench: DoorBench) -> None:
    await given(bench)
    bench.lock.mode = "gone"
    assert await bench.tap(BOB) is Feedback.UNSURE
    bench.lock.mode = "unsure"
    assert await bench.tap(BOB) is Feedback.UNSURE
    bench.lock.mode = "obeys"
    assert await bench.tap(BOB) is Feedback.REFUSED


async def test_a_power_cut_in_the_movement_uses_it_up_unless_the_car_says_that_it_did_not_move(
    bench: DoorBench,
) -> None:
    await given(bench)
    await bench.dies_moving(BadgeTap(BOB, bench.clock.now()))
    await bench.cut()
    bench.park()
    await bench.wait(8)
    assert await bench.tap(BOB) is Feedback.REFUSED


async def test_a_used_one_is_forgotten_when_it_could_open_nothing_any_more(bench: DoorBench) -> None:
    await given(bench)
    await bench.tap(BOB)
    assert len(await bench.store.read("emergency/")) == 1
    await bench.decisions.purge(bench.at() + HOUR)
    assert len(await bench.store.read("emergency/")) == 1
    await bench.decisions.purge(bench.at() + 4 * 86_400)
    assert await bench.store.read("emergency/") == {}
    assert not bench.under.used
    assert bench.lock.moves == [LockAction.UNLOCK]


async def test_a_car_that_nobody_has_is_locked_again_after_ten_minutes(bench: DoorBench) -> None:
    await given(bench)
    await bench.tap(BOB)
    await bench.wait(590)
    bench.say(door="yes")
    await bench.wait(14)
    assert bench.lock.moves == [LockAction.UNLOCK], "not while a door is open"
    bench.park()
    await bench.wait(4)
    assert bench.lock.moves == [LockAction.UNLOCK, LockAction.LOCK]
    last = (await bench.facts("access", event="intent"))[-1]
    assert (last["via"], last["booking"]) == ("auto", None)
    await bench.wait(4)
    assert len(bench.lock.moves) == 2, "and tried once"


async def test_a_car_that_somebody_has_is_not(bench: DoorBench) -> None:
    await bench.book(7, ALICE, 0, 2 * HOUR)
    await given(bench)
    await bench.tap(BOB)
    await bench.tap(ALICE)
    await bench.wait(620)
    assert bench.lock.moves == [LockAction.UNLOCK] * 2
