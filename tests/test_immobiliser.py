"""R15: a declared theft takes away what the car starts with; never of a late message, a moving car or an open booking.

On the bench of the card supply, which is the simplest immobiliser; the cable's button (R8) is pressed by the same way.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from keyless.claims import Action, Role
from tests.door_bench import ALICE, HOUR
from tests.supply_bench import SETTLED_S, SupplyBench, the_bench  # noqa: F401 (fixture)

BACKEND = int(Action.END | Action.IMMOBILISE_THEFT | Action.RELEASE_IMMOBILISER)


def backend(bench: SupplyBench) -> bytes:
    return bench.mint(0, None, 0, HOUR, role=Role.BACKEND, actions=BACKEND)


async def ask(bench: SupplyBench, token: bytes, action: Action, counter: int, **more: float) -> tuple[str, str]:
    await bench.door.command(bench.command(token, action, counter, **more))
    return bench.answers[-1][1:3]


async def test_r15_a_theft_takes_the_start_away_for_good_until_it_is_given_back(bench: SupplyBench) -> None:
    token = backend(bench)
    assert await ask(bench, token, Action.IMMOBILISE_THEFT, 1) == ("unknown", "the car does not tell")
    assert not bench.relay.through
    [intent] = await bench.facts("access", event="intent", action="immobilise")
    assert (intent["via"], intent["command"]) == ("command", f"{1:032x}")
    [told] = await bench.facts("command")
    assert (told["action"], told["result"]["code"]) == ("immobilise", "unknown")
    await bench.cut()
    bench.park()
    await bench.wait(SETTLED_S + 4)
    await bench.settles(False)
    await bench.book(7, ALICE)
    await bench.tap(ALICE)
    await bench.idle()
    assert not bench.relay.through, "no booking gives it back, but the word of who declared the theft"
    assert (await ask(bench, token, Action.RELEASE_IMMOBILISER, 2))[0] == "unknown"
    assert bench.relay.through
    await bench.cut()
    await bench.wait(4)
    assert bench.relay.through


async def test_r15_a_car_that_takes_its_supply_before_the_lock_does_not_start_for_a_moment(tmp_path: Path) -> None:
    bench = SupplyBench(tmp_path, "supply_first")
    await bench.boot()
    bench.park()
    await bench.wait(SETTLED_S)
    await ask(bench, backend(bench), Action.IMMOBILISE_THEFT, 1)
    turns = bench.relay.turns
    await bench.book(7, ALICE)
    await bench.tap(ALICE)
    await bench.idle()
    assert (bench.relay.through, bench.relay.turns) == (False, turns)
    await bench.off()


async def test_r5_nobody_is_immobilised_while_a_booking_is_open_however_late_he_is(bench: SupplyBench) -> None:
    await bench.book(7, ALICE, 0, 60)
    await bench.tap(ALICE)
    bench.park(home=False)
    await bench.wait(1_200)
    bench.park(home=False)
    token = backend(bench)
    code, why = await ask(bench, token, Action.IMMOBILISE_THEFT, 1)
    assert (code, why) == ("refused", "state_guard: a booking is open: end it first")
    assert bench.relay.through
    await ask(bench, token, Action.END, 2)
    await bench.settles(False)
    assert (await ask(bench, token, Action.IMMOBILISE_THEFT, 3))[0] == "unknown"


@pytest.mark.parametrize("car", [{"speed": 20.0}, {"ignition": "on"}, {"ignition": "on", "speed": 0.0}])
async def test_a_car_that_moves_or_may_is_not_immobilised(bench: SupplyBench, car: dict[str, float | str]) -> None:
    bench.say(**car)
    code, why = await ask(bench, backend(bench), Action.IMMOBILISE_THEFT, 1)
    assert (code, why.split(":")[0]) == ("refused", "state_guard")
    assert bench.relay.through


async def test_5521_a_late_message_is_refused_and_reported_and_never_obeyed_afterwards(bench: SupplyBench) -> None:
    token = backend(bench)
    late = bench.command(token, Action.IMMOBILISE_THEFT, 1, late=-30)
    await bench.door.command(late)
    await bench.door.command(late)
    assert [(code, why.split(":")[0]) for _, code, why, _ in bench.answers] == [("refused", "expired")] * 2
    assert (await bench.facts("refused"))[0]["code"] == "expired"
    bench.unsure = True
    assert (await ask(bench, token, Action.IMMOBILISE_THEFT, 2))[1].startswith("clock_unsure")
    assert bench.relay.through
    assert await bench.facts("access", action="immobilise") == []


async def test_a_driver_an_agent_and_a_technician_cannot_and_two_of_them_can_give_back(bench: SupplyBench) -> None:
    everything = (1 << 18) - 1
    for counter, role in enumerate((Role.DRIVER, Role.AGENT, Role.TECHNICIAN), 1):
        token = bench.mint(0, None, 0, HOUR, role=role, actions=everything)
        assert (await ask(bench, token, Action.IMMOBILISE_THEFT, counter))[1].startswith("role_action")
        code, _ = await ask(bench, token, Action.RELEASE_IMMOBILISER, counter + 10)
        assert code == ("refused" if role is Role.DRIVER else "unknown")


async def test_a_repeat_moves_nothing_and_a_board_that_is_gone_leaves_no_theft_behind(bench: SupplyBench) -> None:
    token = backend(bench)
    bench.relay.there = False
    assert (await ask(bench, token, Action.IMMOBILISE_THEFT, 1))[0] == "failed"
    bench.relay.there = True
    await bench.wait(20)
    assert bench.relay.through
    assert not bench.lockwork.remembered.immobilised, "who was told that it failed does not find it done later"
    message = bench.command(token, Action.IMMOBILISE_THEFT, 2)
    for _ in range(3):
        await bench.door.command(message)
    assert len(await bench.facts("access", action="immobilise", event="intent")) == 2


async def test_r8_an_agent_lets_the_cable_go_and_only_while_the_car_stands(bench: SupplyBench) -> None:
    token = bench.mint(0, None, 0, HOUR, role=Role.AGENT, actions=int(Action.RELEASE_CABLE))
    assert (await ask(bench, token, Action.RELEASE_CABLE, 1))[0] == "unknown"
    assert bench.pressed == 1
    bench.say(speed=20.0)
    assert (await ask(bench, token, Action.RELEASE_CABLE, 2))[0] == "refused"
    assert bench.pressed == 1


async def test_r8_a_driver_lets_it_go_from_afar_only_while_he_has_the_car(bench: SupplyBench) -> None:
    token = await bench.book(7, None, actions=0xFFF)
    other = bench.mint(8, None, 0, HOUR, actions=0xFFF)
    cable, none = Action.RELEASE_CABLE, ("refused", "state_guard: no booking is open")
    assert await ask(bench, token, cable, 1) == none
    await ask(bench, token, Action.UNLOCK, 2)
    assert (await ask(bench, token, cable, 3))[0] == "unknown"
    assert (await ask(bench, other, cable, 4))[1].startswith("occupied")
    await ask(bench, token, Action.END, 5)
    assert await ask(bench, token, cable, 6) == none
    await bench.cut()
    bench.park()
    bench.say(plugged="yes")
    assert await ask(bench, token, cable, 7) == none
    assert bench.pressed == 1


async def test_a_box_without_such_relays_says_so(bench: SupplyBench) -> None:
    bench.lockwork.fit({})
    for counter, action in enumerate((Action.IMMOBILISE_THEFT, Action.RELEASE_IMMOBILISER), 1):
        code, why = await ask(bench, backend(bench), action, counter)
        assert (code, why) == ("refused", "role_action: this box has no such actuator")
