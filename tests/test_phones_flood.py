"""Somebody with an old token, or with a good one, who asks without end: so many facts, and no honest answer is lost."""

from __future__ import annotations

import pytest

from agent.access.beside import OF_EACH, REMEMBERED
from agent.access.sparing import ALL, EACH, TOKENS, Sparing
from hil import beside
from keyless.claims import key_id
from tests.door_bench import HOUR
from tests.phone_bench import Phone, PhoneBench, the_phone_bench

__all__ = ["the_phone_bench"]

WEEK = 7 * 24 * HOUR


def old_token(phone: Phone, number: int = 7) -> bytes:
    return phone.token(number, -WEEK, HOUR - WEEK)


async def test_a_former_driver_is_told_each_time_and_is_a_fact_so_often_only(bench: PhoneBench) -> None:
    former = bench.pocket()
    token = old_token(former)
    for _ in range(4 * EACH):
        assert (await former.ask(token, "unlock")).refusal == "expired"
    assert len(await bench.facts("refused", via="phone")) == EACH
    assert bench.beside.counters["unrecorded"] == 3 * EACH
    assert not bench.beside._answered
    await bench.clock.advance(61)
    for _ in range(2):
        answer = await former.ask(token, "unlock")
        while answer.refusal == "replay":  # the nonce grew old meanwhile
            answer = await former.ask(token, "unlock")
    assert len(await bench.facts("refused", via="phone")) == EACH + 1


async def test_who_has_many_old_tokens_is_bounded_over_all_of_them(bench: PhoneBench) -> None:
    former = bench.pocket()
    tokens = [old_token(former, number) for number in range(1, ALL)]
    for token in tokens * 2:
        assert (await former.ask(token, "unlock")).refusal == "expired"
    assert len(await bench.facts("refused", via="phone")) == ALL


async def test_a_driver_who_is_refused_by_the_car_itself_is_bounded_too(bench: PhoneBench) -> None:
    alice, bob = bench.pocket(), bench.pocket()
    assert (await alice.ask(alice.token(), "unlock")).refusal is None
    his = bob.token(booking=43)
    for _ in range(2 * EACH):
        assert (await bob.ask(his, "unlock")).refusal == "occupied"
    assert [it["code"] for it in await bench.facts("refused", via="phone")] == ["occupied"] * EACH


async def test_d20_who_drives_on_with_a_revoked_token_is_a_refused_booking_so_often_only(bench: PhoneBench) -> None:
    alice = bench.pocket()
    token = alice.token()
    assert (await alice.ask(token, "unlock")).refusal is None
    bench.authority.revoked = frozenset({key_id(alice.holder.public)})
    bench.bookings.judge()
    bench.bookings._forget(next(iter(bench.bookings._tokens)))
    bench.park(home=False)
    for _ in range(4 * EACH):
        assert (await alice.ask(token, "read_state")).code == "done"
    assert len(await bench.facts("booking", event="refused")) == 1 + EACH
    assert (await alice.ask(token, "lock")).refusal is None, "and is never stranded for it"


@pytest.mark.parametrize("who", ["a former driver", "the next driver"])
async def test_an_end_whose_answer_was_lost_is_answered_again_with_its_receipt_whoever_floods(
    bench: PhoneBench, who: str
) -> None:
    alice, flooder = bench.pocket(), bench.pocket()
    token = alice.token()
    assert (await alice.ask(token, "unlock")).refusal is None
    await bench.clock.advance(1)
    bench.park()
    first = await alice.ask(token, "end")
    assert first.code != "refused"
    sent = alice.sent
    alice.leave()  # the answer was read; the receipt was not
    other = old_token(flooder) if who == "a former driver" else flooder.token(booking=43)
    for _ in range(REMEMBERED + 1):
        await flooder.ask(other, "unlock" if who == "a former driver" else "read_state")
    await alice.connect()
    alice.receipts.clear()
    alice.say(beside.TOKEN, token)
    alice.sent = sent
    again = await alice.again()
    assert (again.code, again.locked) == (first.code, first.locked)
    kind, receipt = await alice.hear()
    assert kind == beside.RECEIPT
    assert receipt


async def test_one_token_has_so_many_places_among_the_remembered_answers(bench: PhoneBench) -> None:
    alice = bench.pocket()
    token = alice.token()
    for _ in range(OF_EACH + 3):
        assert (await alice.ask(token, "read_state")).code == "done"
    assert len(bench.beside._answered) == OF_EACH


def test_tokens_that_are_asked_about_are_forgotten_and_all_together_stay_bounded() -> None:
    sparing = Sparing()
    taken = sum(sparing.take(str(number % (3 * TOKENS)), 0) for number in range(10 * TOKENS))
    assert taken == ALL
    assert len(sparing._each) == TOKENS
