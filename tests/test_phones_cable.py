"""R8: the driver lets the charge cable go by phone, where the car has a button for it."""

from __future__ import annotations

from agent.access.decision_record import Record, decide_again, read
from agent.sync.tags import DECISION_KEY
from drivers.fitted import SwitchAction
from tests.phone_bench import PhoneBench, moves, the_phone_bench

__all__ = ["the_phone_bench"]
RIGHTS = 1 | 2 | 8 | 32


async def test_r8_the_driver_of_the_open_booking_presses_the_button(bench: PhoneBench) -> None:
    pressed: list[bool] = []

    async def press() -> None:
        pressed.append(True)

    alice = bench.pocket()
    token = alice.token(actions=RIGHTS)
    bench.lockwork.fit({SwitchAction.RELEASE_CABLE: press})
    before = await alice.ask(token, "release_cable")
    assert (before.code, before.refusal, before.reasons) == ("refused", "state_guard", ("no_booking",))
    bench.say(plugged="yes")
    assert (await alice.ask(token, "unlock", named=True)).code == "unknown"
    assert (await alice.ask(token, "release_cable", named=True)).code == "unknown", "nothing tells whether it let go"
    assert pressed == [True]
    assert moves(bench) == ["unlock"]
    [outcome] = await bench.facts("access", event="outcome", action="release_cable")
    assert (outcome["outcome"], outcome["why"]) == ("unknown", "the car does not tell")
    bench.say(speed=12.0)
    assert (await alice.ask(token, "release_cable", named=True)).refusal == "state_guard"
    bench.say(speed=0.0)
    bob = bench.pocket()
    assert (await bob.ask(bob.token(booking=8, actions=RIGHTS), "release_cable")).refusal == "occupied"
    assert (await alice.ask(token, "end", named=True)).code == "unknown"
    assert pressed == [True]
    records = [read(data) for data in (await bench.store.read(DECISION_KEY)).values()]
    assert [it for it in records if not isinstance(it, Record) or decide_again(it) != bytes(it.decision)] == []


async def test_a_car_without_a_button_says_so(bench: PhoneBench) -> None:
    alice = bench.pocket()
    token = alice.token(actions=RIGHTS)
    await alice.ask(token, "unlock")
    assert (await alice.ask(token, "release_cable", named=True)).refusal == "role_action"
