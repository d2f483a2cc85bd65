"""Remote commands: once and only once, whatever the network repeats. What a cut leaves: `test_door_orphans.py`."""

from __future__ import annotations

import asyncio

import pytest

from drivers.ports import LockAction
from keyless.claims import Action, Role
from tests.door_bench import (  # noqa: F401 (fixtures)
    ALICE,
    BOB,
    HOUR,
    DoorBench,
    the_bench,
)
from tests.fakes.clock import settle


async def test_a_signed_command_opens_the_car_and_the_answer_names_the_fact(bench: DoorBench) -> None:
    token = bench.mint(7, None, 0, HOUR)
    await bench.door.command(bench.command(token, Action.UNLOCK, 1))
    [(name, code, why, number)] = bench.answers
    assert (name, code) == (f"{1:032x}", "unknown")
    [intent] = await bench.facts("access", event="intent")
    assert (intent["via"], intent["command"]) == ("command", name)
    [command] = await bench.facts("command")
    assert command == {"id": name, "action": "unlock", "result": {"code": "unknown", "why": why}}
    assert number is not None
    assert (await bench.facts("booking", event="opened"))[0]["booking"] == 7


async def test_a_command_whose_token_is_over_is_answered_all_the_same(bench: DoorBench) -> None:
    token = bench.mint(7, None, -3 * HOUR, -2 * HOUR)
    await bench.door.command(bench.command(token, Action.UNLOCK, 1))
    [(name, code, why, number)] = bench.answers
    assert (name, code, why.split(":")[0]) == (f"{1:032x}", "refused", "expired")
    assert number is not None
    assert bench.lock.moves == []


async def test_d12_a_repeat_returns_the_stored_answer_and_moves_nothing_also_after_a_restart(bench: DoorBench) -> None:
    await bench.prove()
    bench.lock.moves.clear()
    token = bench.mint(7, None, 0, HOUR)
    message = bench.command(token, Action.UNLOCK, 1)
    await bench.door.command(message)
    await bench.door.command(message)
    await bench.cut()
    await bench.door.command(message)
    again = bench.command(token, Action.UNLOCK, 2, name=(1).to_bytes(16, "big"))
    await bench.door.command(again)
    assert bench.lock.moves == [LockAction.UNLOCK]
    assert [(it[0], it[1]) for it in bench.answers] == [(f"{1:032x}", "done")] * 4


async def test_a_replayed_counter_under_a_new_name_is_refused(bench: DoorBench) -> None:
    token = bench.mint(7, None, 0, HOUR)
    await bench.door.command(bench.command(token, Action.UNLOCK, 5))
    await bench.cut()
    await bench.door.command(bench.command(token, Action.LOCK, 5, name=b"another one of 5"))
    assert bench.answers[-1][1] == "refused"
    assert (await bench.facts("refused"))[-1]["code"] == "replay"
    assert bench.lock.moves == [LockAction.UNLOCK]


async def test_what_was_kept_of_commands_and_does_not_read_costs_its_token_not_the_door(bench: DoorBench) -> None:
    token = bench.mint(7, None, 0, HOUR)
    await bench.door.command(bench.command(token, Action.UNLOCK, 1))
    names = list(await bench.store.read("command/"))
    assert len(names) == 2, "a counter and an answer"
    await bench.store.commit(put=dict.fromkeys(names, b"\xff{"))
    await bench.cut()
    moved = len(bench.lock.moves)
    await bench.door.command(bench.command(token, Action.UNLOCK, 2))
    assert bench.answers[-1][1] == "refused"
    assert len(bench.lock.moves) == moved
    another = bench.mint(7, None, 0, HOUR)
    await bench.door.command(bench.command(another, Action.LOCK, 1, name=bytes(15) + b"9"))
    assert len(bench.lock.moves) == moved + 1, "another token's commands go on"


async def test_a_late_command_is_refused(bench: DoorBench) -> None:
    token = bench.mint(7, None, 0, HOUR)
    await bench.door.command(bench.command(token, Action.UNLOCK, 1, late=-10))
    assert (await bench.facts("refused"))[0]["code"] == "expired"
    assert bench.lock.moves == []


async def test_junk_gets_a_fact_and_no_answer(bench: DoorBench) -> None:
    for junk in (b"", b"\x82\x41a\x41b", b"\xff" * 3000, b"\x80"):
        await bench.door.command(junk)
    assert {it["code"] for it in await bench.facts("refused")} == {"malformed", "too_big"}
    assert bench.answers == []


async def test_r10_a_car_that_may_be_moving_obeys_no_remote_command(bench: DoorBench) -> None:
    bench.say(ignition="on", speed=40.0)
    bench.car.silent(("Vehicle.Speed",))
    await bench.door.command(bench.command(bench.mint(7, None, 0, HOUR), Action.LOCK, 1))
    assert (await bench.facts("refused"))[0]["code"] == "state_guard"
    assert bench.lock.moves == []


async def test_r8_a_plugged_cable_never_refuses_an_unlock(bench: DoorBench) -> None:
    bench.say(plugged="yes")
    await bench.door.command(bench.command(bench.mint(7, None, 0, HOUR), Action.UNLOCK, 1))
    assert bench.lock.moves == [LockAction.UNLOCK]


async def test_r1_the_hotline_forces_an_end_a_driver_cannot(bench: DoorBench) -> None:
    await bench.book(7, ALICE)
    await bench.tap(ALICE)
    bench.say(door="yes")
    await bench.door.command(bench.command(bench.mint(7, None, 0, HOUR), Action.END, 1))
    assert bench.answers[-1][1] == "refused"
    hotline = bench.mint(0, None, 0, HOUR, role=Role.BACKEND)
    await bench.door.command(bench.command(hotline, Action.END, 2))
    assert bench.answers[-1][1] == "done"
    [closed] = await bench.facts("booking", event="closed")
    assert (closed["how"], closed["hard_overridden"]) == ("forced", ["door_open"])
    assert bench.lock.moves == [LockAction.UNLOCK], "a car with an open door is not locked from afar"


async def test_r1_a_forced_end_locks_where_it_can(bench: DoorBench) -> None:
    await bench.book(7, ALICE)
    await bench.tap(ALICE)
    hotline = bench.mint(0, None, 0, HOUR, role=Role.BACKEND)
    await bench.door.command(bench.command(hotline, Action.END, 1))
    assert bench.lock.moves == [LockAction.UNLOCK, LockAction.LOCK]
    [closed] = await bench.facts("booking", event="closed")
    assert (closed["how"], closed["hard_overridden"]) == ("forced", [])


async def test_r7_a_remote_driver_does_not_get_into_somebody_elses_booking(bench: DoorBench) -> None:
    await bench.book(7, ALICE)
    await bench.tap(ALICE)
    for counter, action in enumerate((Action.UNLOCK, Action.LOCK, Action.END), 1):
        await bench.door.command(bench.command(bench.mint(8, None, 0, HOUR), action, counter))
    assert [it["code"] for it in await bench.facts("refused")] == ["occupied"] * 3


@pytest.mark.parametrize("role", [Role.AGENT, Role.TECHNICIAN])
async def test_r7_from_afar_staff_lock_what_somebody_has_and_the_backend_alone_unlocks_it(
    bench: DoorBench, role: Role
) -> None:
    await bench.book(7, ALICE)
    await bench.tap(ALICE)
    staff, hotline = bench.mint(0, None, 0, HOUR, role=role), bench.mint(0, None, 0, HOUR, role=Role.BACKEND)
    await bench.door.command(bench.command(staff, Action.UNLOCK, 1))
    assert [it["code"] for it in await bench.facts("refused")] == ["occupied"], "as beside the car"
    await bench.door.command(bench.command(staff, Action.LOCK, 2))
    await bench.door.command(bench.command(hotline, Action.UNLOCK, 3))
    assert bench.lock.moves == [LockAction.UNLOCK, LockAction.LOCK, LockAction.UNLOCK]
    await bench.door.command(bench.command(hotline, Action.END, 4))
    await bench.door.command(bench.command(staff, Action.UNLOCK, 5))
    assert bench.lock.moves[-2:] == [LockAction.LOCK, LockAction.UNLOCK], "of a car that nobody has"


async def test_r7_staff_unlock_from_afar_the_booking_that_they_drive_themselves(bench: DoorBench) -> None:
    token = bench.mint(7, None, 0, HOUR, role=Role.AGENT)
    for counter in (1, 2):
        await bench.door.command(bench.command(token, Action.UNLOCK, counter))
    assert bench.lock.moves == [LockAction.UNLOCK] * 2


async def test_an_actuation_is_not_cancelled_with_its_asker(bench: DoorBench) -> None:
    asked = asyncio.ensure_future(bench.door.command(bench.command(bench.mint(7, None, 0, HOUR), Action.UNLOCK, 1)))
    await settle(2)
    asked.cancel()
    await asyncio.gather(asked, return_exceptions=True)
    await bench.door.close()
    assert len(await bench.facts("access", event="outcome")) == 1


async def test_two_askers_at_once_are_served_one_after_the_other(bench: DoorBench) -> None:
    await bench.book(7, ALICE)
    await bench.book(8, BOB)
    message = bench.command(bench.mint(9, None, 0, HOUR), Action.UNLOCK, 1)
    await asyncio.gather(bench.tap(ALICE), bench.door.command(message))
    assert len(await bench.facts("booking", event="opened")) == 1
    assert bench.lock.moves == [LockAction.UNLOCK]


async def test_commissioning_is_refused_while_somebody_has_the_car(bench: DoorBench) -> None:
    await bench.book(7, ALICE)
    await bench.tap(ALICE)
    assert (await bench.door.prove_lock())["why"] == "a booking is open"


async def test_r4_an_ended_booking_is_not_opened_again_in_its_grace_from_afar(bench: DoorBench) -> None:
    token = bench.mint(7, None, 0, HOUR)
    for counter, action in enumerate((Action.UNLOCK, Action.END), 1):
        await bench.door.command(bench.command(token, action, counter))
    bench.clock.move(HOUR + 300)
    await bench.door.command(bench.command(token, Action.UNLOCK, 3))
    assert (await bench.facts("refused"))[-1]["code"] == "expired"
    assert bench.lock.moves == [LockAction.UNLOCK, LockAction.LOCK]


async def again_it_stays_refused(bench: DoorBench, message: bytes, code: str) -> None:
    """The very same bytes, when what stood against them is over, also after a restart."""
    moves = list(bench.lock.moves)
    await bench.door.command(message)
    await bench.cut()
    bench.park()
    await bench.door.command(message)
    assert [it[1] for it in bench.answers] == ["refused"] * 3
    assert {it[2].split(":")[0] for it in bench.answers} == {code}
    assert bench.lock.moves == moves


async def test_d12_a_command_refused_for_a_doubtful_clock_is_not_done_at_its_replay(bench: DoorBench) -> None:
    message = bench.command(bench.mint(7, None, 0, 10 * HOUR), Action.UNLOCK, 5, late=3 * HOUR)
    bench.unsure = True
    await bench.door.command(message)
    bench.unsure = False
    await again_it_stays_refused(bench, message, "clock_unsure")


async def test_d12_a_command_that_came_before_its_booking_is_not_done_at_its_replay(bench: DoorBench) -> None:
    token = bench.mint(7, None, 2 * HOUR, 10 * HOUR)
    message = bench.command(token, Action.UNLOCK, 5, late=5 * HOUR)
    await bench.door.command(message)
    bench.clock.move(3 * HOUR)
    await again_it_stays_refused(bench, message, "too_early")
    await bench.door.command(bench.command(token, Action.UNLOCK, 5, name=b"another one of 5"))
    assert (await bench.facts("refused"))[-1]["code"] == "replay", "its counter is used up"
    await bench.door.command(bench.command(token, Action.UNLOCK, 6))
    assert bench.lock.moves == [LockAction.UNLOCK], "and a new wish is a new wish"


async def test_d12_what_the_holder_did_not_sign_uses_nothing_up(bench: DoorBench) -> None:
    token = bench.mint(7, None, 2 * HOUR, 10 * HOUR)
    message = bench.command(token, Action.UNLOCK, 5, late=5 * HOUR)
    await bench.door.command(message[:-1] + bytes([message[-1] ^ 1]))
    bench.clock.move(3 * HOUR)
    await bench.door.command(message)
    assert bench.lock.moves == [LockAction.UNLOCK]


async def test_d12_a_refused_commands_memory_is_bounded_and_purged(
    bench: DoorBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.access.remote.MOST", 2)
    token = bench.mint(7, None, 2 * HOUR, 10 * HOUR)
    for counter in range(1, 5):
        await bench.door.command(bench.command(token, Action.UNLOCK, counter, late=5 * HOUR))
    assert len(await bench.store.read("command/result/")) == 2
    assert len(await bench.store.read("command/counter/")) == 1
    await bench.door._remote.purge(bench.at() + 3 * 86_400)
    assert await bench.store.read("command/") == {}
