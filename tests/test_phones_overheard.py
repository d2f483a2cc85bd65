"""Who overheard a token beside a car: he hears the same at every car, whatever became of its booking; its holder hears
why.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from hil import beside
from keyless.claims import key_id
from tests.door_bench import HOUR
from tests.phone_bench import Phone, PhoneBench, moves, the_phone_bench

__all__ = ["the_phone_bench"]

DAY = 24 * HOUR
STATES = {
    "in time": None,
    "late, under way": None,
    "of last week": "expired",
    "too early": "too_early",
    "of another car": "wrong_vehicle",
    "of another operator": "issuer_role",
    "revoked": "revoked",
    "taken over": "superseded",
    "without a clock": "clock_unsure",
}


async def booked(bench: PhoneBench, alice: Phone, state: str) -> bytes:
    """Her token, when the world has become so."""
    token = alice.token(revision=1)
    match state:
        case "late, under way":
            assert (await alice.ask(token, "unlock")).refusal is None
            await bench.clock.advance(2 * HOUR)
            bench.park(home=False)
        case "of last week":
            return alice.token(begin=-7 * DAY, end=HOUR - 7 * DAY)
        case "too early":
            return alice.token(begin=2 * HOUR, end=3 * HOUR)
        case "of another car":
            return alice.token(aud=bytes(8))
        case "of another operator":
            return alice.token(iss="another.example")
        case "revoked":
            bench.authority.revoked = frozenset({key_id(alice.holder.public)})
        case "taken over":
            bob = bench.pocket()
            assert (await bob.ask(bob.token(revision=2), "unlock")).refusal is None
        case "without a clock":
            bench.unsure = True
            return alice.token(begin=30 * HOUR, end=31 * HOUR)
    return token


async def said_to(stranger: Phone, token: bytes, command: bytes | None) -> beside.Answer:
    """On a link of his own; command: overheard, `None` where he signs one himself. Without the nonce, which differs."""
    await stranger.connect()
    stranger.say(beside.TOKEN, token)
    stranger.sent = stranger.sign(token, "unlock", 1) if command is None else command
    answer = await stranger.again()
    stranger.leave()
    return replace(answer, nonce=b"")


@pytest.mark.parametrize("state", STATES)
async def test_who_overheard_a_token_hears_the_same_whatever_it_is_here_and_its_holder_hears_why(
    bench: PhoneBench, state: str
) -> None:
    alice, stranger = bench.pocket(), bench.pocket()
    token = await booked(bench, alice, state)
    await alice.connect()
    overheard = alice.sign(token, "unlock")  # and never arrived
    moved, facts = moves(bench), await bench.facts()
    told = {
        "his own": await said_to(stranger, token, None),
        "hers": await said_to(stranger, token, overheard),
        "by its name, his own": await said_to(stranger, beside.name_of(token), None),
        "by its name, hers": await said_to(stranger, beside.name_of(token), overheard),
    }
    refusals = {"his own": "holder", "hers": "replay"}
    assert told == {
        name: beside.Answer("refused", b"", None, code, text=f"fr: {code}")
        for name, code in ((name, refusals.get(name, "not_stored")) for name in told)
    }
    assert (moves(bench), await bench.facts()) == (moved, facts)
    why = await alice.ask(token, "unlock")
    assert why.refusal == STATES[state]
    if why.refusal is not None:
        assert why.locked is None, "his token is not believed: nothing of the lock"
        ours = state not in ("of another car", "of another operator")
        assert [fact["code"] for fact in (await bench.facts())[len(facts) :]] == [why.refusal] * ours


async def test_a_holder_whose_token_is_believed_is_told_of_the_lock_also_when_refused(bench: PhoneBench) -> None:
    await bench.prove()
    alice = bench.pocket()
    token = alice.token()
    assert (await alice.ask(token, "unlock")).locked is False
    bench.say(door="yes")
    assert (await alice.ask(token, "end")).locked is False
    assert (await alice.ask(token, "lock", counter=1)).locked is False, "only its count was lost"


async def test_a_name_serves_its_holder_and_one_whose_nonce_grew_old_sends_the_token(bench: PhoneBench) -> None:
    alice = bench.pocket()
    token = alice.token()
    assert (await alice.ask(token, "unlock")).refusal is None
    await bench.clock.advance(31)
    assert (await alice.ask(token, "lock", named=True)).refusal == "not_stored"
    assert (await alice.ask(token, "lock")).refusal is None
    assert moves(bench) == ["unlock", "lock"]
