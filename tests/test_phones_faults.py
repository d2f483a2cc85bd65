"""Phones beside the car: strangers, junk, what is overheard, and what breaks under an honest one."""

from __future__ import annotations

import pytest

from agent.access.beside import COUNTER
from hil import beside
from keyless.claims import BadgeId, Role, badge_id
from tests.door_bench import ALICE, HOUR, T0
from tests.phone_bench import PhoneBench, moves, numbers, the_phone_bench

__all__ = ["the_phone_bench"]


async def test_what_was_overheard_or_forged_opens_nothing_and_leaves_nothing_on_the_disk(bench: PhoneBench) -> None:
    await bench.prove()
    bench.lock.moves.clear()
    before = await bench.facts()
    alice, mallory = bench.pocket(), bench.pocket()
    token = alice.token()
    await mallory.connect()
    mallory.say(beside.COMMAND, b"")
    assert (await mallory.answer()).refusal == "not_stored"
    mallory.say(beside.TOKEN, bytes(16))
    mallory.say(beside.COMMAND, b"")
    assert (await mallory.answer()).refusal == "not_stored"
    mallory.say(beside.COMMAND, bytes(121))
    assert (await mallory.answer()).refusal == "too_big"
    for kind in (0, 1, 4, 5, 77, 255):
        mallory.say(kind, b"x" * 1024)
    stolen = await mallory.ask(token, "unlock")
    assert (stolen.refusal, stolen.locked) == ("holder", None)
    forged = token[:-1] + bytes([token[-1] ^ 1])
    assert (await mallory.ask(forged, "unlock")).refusal == "signature"
    assert moves(bench) == []
    assert await bench.facts() == before
    assert len(bench.bookings) == 0
    counters = bench.phones.status()["counters"]
    assert isinstance(counters, dict)
    assert (counters["unknown_types"], counters["unproven"]) == (6, 2)


async def test_a_badges_token_and_a_backends_open_nothing_for_a_phone(bench: PhoneBench) -> None:
    alice = bench.pocket()
    badge = alice.token(confirmation=BadgeId(badge_id(ALICE)))
    assert (await alice.ask(badge, "unlock")).refusal == "holder"
    afar = alice.token(booking=0, role=Role.BACKEND)
    assert (await alice.ask(afar, "unlock")).refusal == "role_action"
    find = await alice.ask(alice.token(), "find")
    assert find.refusal == "role_action"
    assert moves(bench) == []


async def test_d14_with_the_database_broken_a_phone_opens(bench: PhoneBench) -> None:
    alice = bench.pocket()
    bench.store.broken = True
    assert (await alice.ask(alice.token(), "unlock")).code == "unknown"
    assert moves(bench) == ["unlock"]
    bench.store.broken = False


@pytest.mark.parametrize("damage", [b"", b"[]", b"\xff", b"[1", b'{"a":1}', b"[9,9,9]"])
async def test_a_damaged_counter_strands_nobody_and_the_nonce_guards(bench: PhoneBench, damage: bytes) -> None:
    alice = bench.pocket()
    token = alice.token()
    await alice.ask(token, "unlock", counter=9)
    [name] = await bench.store.read(COUNTER)
    await bench.store.commit(put={name: damage})
    await bench.cut()
    bench.park()
    await alice.connect()
    alice.say(beside.TOKEN, token)
    assert (await alice.again()).refusal == "replay"
    assert (await alice.ask(token, "lock", counter=1)).refusal is None
    assert await numbers(bench) == [1]


async def test_who_leaves_before_the_answer_is_served_and_others_too(bench: PhoneBench) -> None:
    alice, bob = bench.pocket(), bench.pocket()
    token = alice.token()
    await alice.connect()
    alice.say(beside.TOKEN, token)
    alice.say(beside.COMMAND, alice.sign(token, "unlock"))
    alice.leave()
    await bob.connect()
    assert moves(bench) == ["unlock"]
    assert bench.phones.status()["links"] == 1  # what was hers is forgotten
    assert bench.phones.counters["unheard"] == 2  # the answer and the receipt


async def test_while_everything_is_erased_phones_hear_why(bench: PhoneBench) -> None:
    async def may() -> None: ...

    assert await bench.door.shut_for_good(may)
    alice = bench.pocket()
    assert (await alice.ask(alice.token(), "unlock")).refusal == "store_broken"
    assert moves(bench) == []


async def test_a_link_of_before_the_part_was_started_again_goes_on_with_a_new_nonce(bench: PhoneBench) -> None:
    alice = bench.pocket()
    token = alice.token()
    await alice.connect()
    bench.phones._talks.clear()
    assert (await alice.ask(token, "unlock")).refusal == "replay"
    assert (await alice.ask(token, "unlock")).refusal is None


async def test_the_name_on_the_air_follows_the_day(bench: PhoneBench) -> None:
    await bench.until(lambda: bench.port.tags == [bench.tag])
    await bench.clock.advance(30)
    assert len(bench.port.tags) == 1
    bench.tag = b"tomorrow"
    await bench.clock.advance(10)
    assert bench.port.tags == [b"today's!", b"tomorrow"]


async def test_counters_of_tokens_that_are_over_are_forgotten(bench: PhoneBench) -> None:
    alice = bench.pocket()
    await alice.ask(alice.token(), "unlock")
    await bench.door.wish(lambda: bench.beside.purge(T0 + 24 * HOUR))
    assert await numbers(bench) == [1]
    bench.store.broken = True
    await bench.door.wish(lambda: bench.beside.purge(T0 + 72 * HOUR))
    bench.store.broken = False
    assert await numbers(bench) == []
