"""A position that is asked for by name: with a right, a reason, and a record of who asked (P1, P2, R27)."""

from __future__ import annotations

import json
import shutil

import pytest

from agent.access.locate import KEPT, TOLD_KEY, TOO_SOON, UNKNOWN, Told
from agent.car.privacy import coarse
from keyless.claims import CEILING, Action, Command, Role
from tests.door_bench import (  # noqa: F401 (fixtures)
    ALICE,
    HOME_LAT,
    HOME_LON,
    HOUR,
    DoorBench,
    the_bench,
)
from tests.test_legs import reading

THEFT, ASSISTANCE = Action.LOCATE_THEFT, Action.LOCATE_ASSISTANCE
ALL = 0xFFFF


async def driving(bench: DoorBench) -> None:
    """Alice's private booking, under way and far from home."""
    await bench.book(7, ALICE)
    await bench.tap(ALICE)
    bench.park(home=False)


def mint(bench: DoorBench, role: Role, booking: int = 0) -> bytes:
    return bench.mint(booking, None, 0, HOUR, role=role, actions=ALL)


@pytest.mark.parametrize("role", [Role.AGENT, Role.TECHNICIAN, Role.BACKEND])
async def test_p1_p2_a_declared_theft_tells_one_position_and_who_asked(bench: DoorBench, role: Role) -> None:
    await driving(bench)
    bench.say(speed=90.0, ignition="on")
    before = len(await bench.facts("position"))
    await bench.door.command(bench.command(mint(bench, role), THEFT, 1))
    [place] = (await bench.facts("position"))[before:]
    there = coarse(HOME_LAT + 0.5, HOME_LON, 10)
    assert place == {"event": "theft", "booking": 7, "lat": there.lat, "lon": there.lon, "precision_m": 10}
    [who] = await bench.facts("located")
    assert (who["event"], who["booking"], who["booking_kind"]) == ("theft", 7, "private")
    assert who["role"] == role.name.lower()
    assert (who["command"], who["found"]) == (f"{1:032x}", True)
    assert who["holder"] is not None
    [command] = await bench.facts("command")
    assert command == {"id": f"{1:032x}", "action": "locate_theft", "result": {"code": "done", "why": KEPT}}
    assert bench.lock.moves[1:] == [], "it moves nothing"


async def test_r27_no_coordinates_in_the_answer_nor_in_the_record_of_who_asked(bench: DoorBench) -> None:
    await driving(bench)
    await bench.door.command(bench.command(mint(bench, Role.AGENT), THEFT, 1))
    [(name, code, why, number)] = bench.answers
    assert (name, code, why) == (f"{1:032x}", "done", KEPT)
    assert number is not None
    told = json.dumps([*bench.answers, await bench.facts("located"), await bench.facts("command")])
    assert "48." not in told
    assert '"lat"' not in told


async def test_p1_a_driver_asks_for_assistance_where_he_is(bench: DoorBench) -> None:
    await driving(bench)
    await bench.door.command(bench.command(mint(bench, Role.DRIVER, 7), ASSISTANCE, 1))
    assert bench.answers[-1][1:3] == ("done", KEPT)
    [who] = await bench.facts("located")
    assert (who["event"], who["role"]) == ("assistance", "driver")
    assert (await bench.facts("position"))[-1]["event"] == "assistance"


@pytest.mark.parametrize(
    ("role", "booking", "action", "code"),
    [
        (Role.DRIVER, 7, THEFT, "role_action"),
        (Role.DRIVER, 8, ASSISTANCE, "occupied"),
        (Role.EMERGENCY, 7, THEFT, "role_action"),
        (Role.EMERGENCY, 7, ASSISTANCE, "role_action"),
    ],
)
async def test_p2_nobody_else_learns_where_a_private_driver_is(
    bench: DoorBench, role: Role, booking: int, action: Action, code: str
) -> None:
    await driving(bench)
    before = await bench.facts("position")
    late = {"early_s": 0, "late_s": 0, "nbf": bench.claims(booking, None, 0, HOUR).iat, "exp": int(bench.at()) + 1200}
    token = bench.mint(booking, None, 0, HOUR, role=role, actions=ALL, **(late if role is Role.EMERGENCY else {}))
    await bench.door.command(bench.command(token, action, 1))
    assert bench.answers[-1][1] == "refused"
    assert bench.answers[-1][2].startswith(code), bench.answers
    assert await bench.facts("position") == before
    assert await bench.facts("located") == []


async def test_p2_a_right_to_find_the_car_is_no_right_to_its_position(bench: DoorBench) -> None:
    await driving(bench)
    token = bench.mint(0, None, 0, HOUR, role=Role.BACKEND, actions=0xFFF)
    await bench.door.command(bench.command(token, THEFT, 1))
    assert bench.answers[-1][2].startswith("role_action")
    await bench.door.command(bench.command(token, Action.FIND_ME, 2))
    assert bench.answers[-1][2].startswith("role_action"), "this box has no such actuator"
    assert await bench.facts("located") == []


async def test_a_driver_without_an_open_booking_asks_in_vain(bench: DoorBench) -> None:
    await bench.door.command(bench.command(mint(bench, Role.DRIVER, 7), ASSISTANCE, 1))
    assert bench.answers[-1][2].startswith("state_guard")


async def test_p2_a_parked_car_that_was_stolen_is_found_without_any_booking(bench: DoorBench) -> None:
    await bench.door.command(bench.command(mint(bench, Role.BACKEND), THEFT, 1))
    [place] = await bench.facts("position")
    assert (place["event"], place["booking"]) == ("theft", None)


async def test_a_position_that_is_not_known_is_said_so_and_who_asked_is_on_record(bench: DoorBench) -> None:
    bench.say(speed=50.0, ignition="on")
    bench.clock.move(60)
    await bench.door.command(bench.command(mint(bench, Role.AGENT), THEFT, 1))
    assert bench.answers[-1][1:3] == ("failed", UNKNOWN)
    assert await bench.facts("position") == []
    assert [who["found"] for who in await bench.facts("located")] == [False]


async def test_d12_asking_again_with_the_same_command_tells_nothing_new_also_after_a_cut(bench: DoorBench) -> None:
    message = bench.command(mint(bench, Role.AGENT), THEFT, 1)
    await bench.door.command(message)
    await bench.cut()
    bench.park(home=False)
    await bench.door.command(message)
    assert len(await bench.facts("position")) == 1
    assert [answer[:3] for answer in bench.answers] == [(f"{1:032x}", "done", KEPT)] * 2


async def test_p1_positions_asked_for_again_and_again_are_no_track_also_after_a_cut(bench: DoorBench) -> None:
    await driving(bench)
    before, agent, numbers = len(await bench.facts("position")), mint(bench, Role.AGENT), iter(range(1, 1_000))

    async def ask(action: Action) -> tuple[str, str]:
        bench.park(home=False)
        await bench.door.command(bench.command(agent, action, next(numbers)))
        return bench.answers[-1][1:3]

    assert await ask(ASSISTANCE) == ("done", KEPT)
    for _ in range(9):
        bench.clock.move(60)
        assert await ask(ASSISTANCE) == ("refused", f"state_guard: {TOO_SOON}")
    assert await ask(THEFT) == ("done", KEPT), "another reason"
    await bench.cut()
    assert (await ask(ASSISTANCE))[0] == "refused"
    bench.clock.move(62)
    assert await ask(ASSISTANCE) == ("done", KEPT)
    assert (await ask(THEFT))[0] == "refused"
    assert len(await bench.facts("position")) - before == len(await bench.facts("located")) == 3
    assert len(await bench.facts("refused")) == 11, "who asked in vain is on record, too"


async def test_a_position_that_was_not_known_may_be_asked_for_again_at_once(bench: DoorBench) -> None:
    bench.say(speed=50.0, ignition="on")
    bench.clock.move(60)
    await bench.door.command(bench.command(mint(bench, Role.AGENT), THEFT, 1))
    bench.park(home=False)
    await bench.door.command(bench.command(mint(bench, Role.AGENT), THEFT, 2))
    assert [answer[1] for answer in bench.answers] == ["failed", "done"]


def test_ten_minutes_after_a_cut_are_ten_minutes_whatever_the_time_is() -> None:
    agent = Command(b"x", THEFT, 1, 0)
    told = Told()
    put = told.note(agent, None, reading(5_000))
    again = Told()
    again.load(put)
    assert again == told
    for at, soon in ((0, True), (599_999, True), (600_000, False)):
        lately = again.lately(None, reading(at, boot="bb" * 8))
        assert (THEFT in lately) is soon, "no trusted time: the new boot's own minutes count"
    endless, half = b'{"theft/0":["aa",5,[1e999,1]]}', b'{"theft/0":["aa",5,[1]]}'
    for junk in (b"", b"[]", b"7", b'{"theft/0":{}}', b"[" * 100_000, endless, half):
        again.load({TOLD_KEY: junk})
        assert again.last == {}


async def test_p2_an_old_command_locates_nobody(bench: DoorBench) -> None:
    message = bench.command(mint(bench, Role.AGENT), THEFT, 1, late=-5)
    await bench.door.command(message)
    assert bench.answers[-1][1] == "refused"
    assert await bench.facts("position") == []


async def test_with_a_broken_disk_no_command_asks_for_a_position(bench: DoorBench) -> None:
    database = bench.folder / "boitier.db"
    await bench.store._worker.do(bench.store._disk.close)
    shutil.move(database, bench.folder / "elsewhere")
    database.mkdir()
    bench.store.broken = True
    await bench.door.command(bench.command(mint(bench, Role.AGENT), THEFT, 1))
    assert await bench.store._worker.do(lambda: len(bench.store._kept)) == 1, "the refusal alone"
    database.rmdir()


def test_p2_the_rights_to_a_position_are_as_the_page_says() -> None:
    assert {role for role, most in CEILING.items() if most & THEFT} == {Role.AGENT, Role.TECHNICIAN, Role.BACKEND}
    assert {role for role, most in CEILING.items() if most & ASSISTANCE} == {*Role} - {Role.EMERGENCY}
