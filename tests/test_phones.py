"""Phones beside the car, through the whole door: opened, extended, ended; repeated, replayed, cut."""

from __future__ import annotations

import pytest

from agent.access.beside import REMEMBERED
from hil import beside
from tests.door_bench import HOUR, T0
from tests.phone_bench import QUESTION, PhoneBench, moves, numbers, the_phone_bench

__all__ = ["the_phone_bench"]
# --- a day


async def test_a_phone_opens_pauses_extends_and_ends_without_any_network(bench: PhoneBench) -> None:
    await bench.prove()
    bench.lock.moves.clear()
    alice = bench.pocket()
    token = alice.token(revision=1)
    opened = await alice.ask(token, "unlock")
    assert (opened.code, opened.locked, opened.until_s) == ("done", False, T0 + HOUR)
    paused = await alice.ask(token, "lock", named=True)
    assert (paused.code, paused.locked) == ("done", True)
    longer = alice.token(end=2 * HOUR, revision=2)
    extended = await alice.ask(longer, "extend")
    assert (extended.code, extended.locked, extended.until_s) == ("done", True, T0 + 2 * HOUR)
    assert bench.under.booking is not None
    assert bench.under.booking.paid_to_s == T0 + 2 * HOUR
    assert (await alice.ask(longer, "unlock", named=True)).code == "done"
    bench.say(door="yes")
    open_door = await alice.ask(longer, "end", named=True)
    assert (open_door.code, open_door.refusal, open_door.reasons) == ("refused", "state_guard", ("door_open",))
    bench.say(door="no")
    ended = await alice.ask(longer, "end", named=True)
    assert (ended.code, ended.locked, ended.until_s) == ("done", True, None)
    assert moves(bench) == ["unlock", "lock", "unlock", "lock"]
    assert [fact["how"] for fact in await bench.facts("booking", event="closed")] == ["ended"]
    assert {fact["via"] for fact in await bench.facts("access", event="intent") if fact["booking"]} == {"phone"}


async def test_r1_an_end_with_something_to_look_after_says_so_also_when_it_is_asked_again(bench: PhoneBench) -> None:
    await bench.prove()
    alice = bench.pocket()
    token = alice.token()
    opened = await alice.ask(token, "unlock")
    bench.say(plugged="no", locked="no")
    ended = await alice.ask(token, "end", named=True)
    assert (ended.code, ended.refusal, ended.reasons) == ("done", None, ("not_plugged",))
    assert (opened.reasons, opened.text, ended.text) == ((), None, "fr: not_plugged")
    alice.say(beside.LANGUAGE, b"en")
    again = await alice.again()
    assert (again.code, again.reasons, again.text) == ("done", ("not_plugged",), "en: not_plugged")
    [closed] = await bench.facts("booking", event="closed")
    assert closed["soft"] == ["not_plugged"]


async def test_r1_an_end_whose_lock_surely_did_not_move_says_so(bench: PhoneBench) -> None:
    alice = bench.pocket()
    token = alice.token()
    await alice.ask(token, "unlock")
    bench.lock.mode = "gone"
    ended = await alice.ask(token, "end", named=True)
    assert (ended.code, ended.reasons) == ("failed", ("not_locked",))


async def test_r4_who_takes_over_is_not_told_what_the_one_before_left_undone(bench: PhoneBench) -> None:
    await bench.prove()
    alice, carol = bench.pocket(), bench.pocket()
    await alice.ask(alice.token(), "unlock")
    bench.clock.move(HOUR + 60)
    bench.park()
    bench.say(plugged="no")
    taken = await carol.ask(carol.token(booking=43, begin=HOUR, end=2 * HOUR), "unlock")
    assert (taken.code, taken.reasons, taken.text) == ("done", (), None)
    [closed] = await bench.facts("booking", event="closed")
    assert (closed["how"], closed["soft"]) == ("takeover", ["not_plugged"])


async def test_a_hello_tells_the_time_and_asks_for_it_while_it_is_not_known(bench: PhoneBench) -> None:
    hello = await bench.pocket().connect()
    assert (hello.lo_s, hello.source, hello.question) == (int(bench.at()), "gnss", None)
    assert len(hello.nonce) == 16
    bench.unsure = True
    other = await bench.pocket().connect()
    assert (other.hi_s, other.source, other.question) == (None, "none", QUESTION)
    assert other.nonce != hello.nonce


async def test_r18_a_driver_gets_in_without_a_clock(bench: PhoneBench) -> None:
    bench.unsure = True
    alice = bench.pocket()
    assert (await alice.ask(alice.token(), "unlock")).code == "unknown"  # the signal of this car is not proven
    assert (await bench.facts("access", event="intent"))[-1]["note"] == "clock_unsure_accepted"


async def test_too_early_tells_from_when_and_is_a_fact(bench: PhoneBench) -> None:
    alice = bench.pocket()
    early = await alice.ask(alice.token(begin=2 * HOUR, end=3 * HOUR), "unlock")
    assert (early.refusal, early.since_s, early.text) == ("too_early", T0 + 2 * HOUR - 600, "fr: too_early")
    assert early.locked is None, "the car is somebody else's until then"
    alice.say(beside.LANGUAGE, b"en")
    alice.say(beside.LANGUAGE, b"xx")
    assert (await alice.ask(alice.token(booking=43, begin=2 * HOUR, end=3 * HOUR), "unlock")).text == "en: too_early"
    assert [fact["code"] for fact in await bench.facts("refused", via="phone")] == ["too_early"] * 2


@pytest.mark.parametrize("why", ["full", "broken"])
async def test_an_extension_that_could_not_be_stored_is_not_called_done(
    bench: PhoneBench, monkeypatch: pytest.MonkeyPatch, why: str
) -> None:
    alice = bench.pocket()
    token, longer = alice.token(revision=1), alice.token(end=3 * HOUR, revision=2)
    assert (await alice.ask(token, "unlock")).refusal is None

    def refuses(*_: object, **__: object) -> None:
        raise OSError(28, "no space left")

    with monkeypatch.context() as patch:
        if why == "full":
            patch.setattr("agent.access.bookings.MOST", 1)
        else:
            patch.setattr("drivers.local.files.write_durably", refuses)
            bench.store.broken = True
        told = await alice.ask(longer, "extend")
        expected = ("state_guard", ("full",)) if why == "full" else ("store_broken", ())
        assert (told.code, told.refusal, told.reasons) == ("refused", *expected)
        assert (await alice.ask(longer, "lock")).code == "unknown", "nobody is stranded for it"
    bench.store.broken = False
    assert (await alice.ask(longer, "extend")).until_s == T0 + 3 * HOUR


# --- two phones


async def test_r6_two_phones_of_one_booking_take_turns_and_keep_their_own_count(bench: PhoneBench) -> None:
    alice, carol = bench.pocket(), bench.pocket()
    hers, his = alice.token(revision=1), carol.token(revision=1)
    for turn in range(2):
        assert (await alice.ask(hers, "unlock")).refusal is None, turn
        assert (await carol.ask(his, "lock")).refusal is None, turn
    assert sorted(await numbers(bench)) == [2, 2]
    assert len(await bench.facts("booking", event="opened")) == 1


async def test_r12_another_phone_takes_over_the_booking_and_the_old_one_is_out(bench: PhoneBench) -> None:
    old, new = bench.pocket(), bench.pocket()
    was = old.token(revision=1)
    assert (await old.ask(was, "unlock")).refusal is None
    assert (await new.ask(new.token(revision=2), "lock")).refusal is None
    assert (await old.ask(was, "unlock")).refusal == "superseded"
    bench.park(home=False)  # D20: where nobody else can help, who drives is let in
    assert (await old.ask(was, "unlock")).refusal is None


async def test_r4_the_next_drivers_phone_takes_a_forgotten_booking_over(bench: PhoneBench) -> None:
    alice, bob = bench.pocket(), bench.pocket()
    assert (await alice.ask(alice.token(), "unlock")).refusal is None
    next_one = bob.token(booking=43, begin=HOUR, end=2 * HOUR)
    await bench.clock.advance(HOUR - 300)
    bench.say(ignition="on", speed=30.0)
    bench.park()
    waiting = await bob.ask(next_one, "unlock")
    assert (waiting.refusal, waiting.free_at_s) == ("occupied", T0 + HOUR)
    await bench.clock.advance(350)
    bench.park()
    await bob.connect()
    assert (await bob.ask(next_one, "unlock", named=False)).code != "refused"
    assert [fact["how"] for fact in await bench.facts("booking", event="closed")] == ["takeover"]
    assert bench.under.booking is not None
    assert bench.under.booking.booking == 43


async def test_an_early_return_cut_short_by_the_operator_is_a_revision_too(bench: PhoneBench) -> None:
    alice = bench.pocket()
    assert (await alice.ask(alice.token(revision=1), "unlock")).refusal is None
    assert (await alice.ask(alice.token(end=HOUR / 2, revision=2), "extend")).until_s == T0 + HOUR // 2


# --- again, and too often


async def test_the_very_same_command_moves_nothing_twice_on_any_link(bench: PhoneBench) -> None:
    alice = bench.pocket()
    token = alice.token()
    first = await alice.ask(token, "unlock")
    second = await alice.again()
    alice.leave()
    await alice.connect()
    third = await alice.again()  # no token on this link
    assert first.code == second.code == third.code == "unknown"
    assert len({first.nonce, second.nonce, third.nonce}) == 3
    assert moves(bench) == ["unlock"]


async def test_d13_after_a_restart_no_old_command_moves_anything_and_one_round_trip_mends_the_count(
    bench: PhoneBench,
) -> None:
    alice = bench.pocket()
    token = alice.token()
    await alice.ask(token, "unlock", counter=7)
    await bench.cut()
    bench.park()
    await alice.connect()
    alice.say(beside.TOKEN, beside.name_of(token))
    old = await alice.again()
    assert (old.code, old.refusal, old.counter) == ("refused", "not_stored", None), "by its name alone, nobody is told"
    alice.say(beside.TOKEN, token)
    assert (await alice.again()).refusal == "replay"
    low = await alice.ask(token, "lock", named=True, counter=7)
    assert (low.refusal, low.counter) == ("replay", 7)
    assert (await alice.ask(token, "lock", named=True, counter=low.counter and low.counter + 1)).refusal is None
    assert moves(bench) == ["unlock", "lock"]
    assert await numbers(bench) == [8]
    assert not await bench.facts("refused")


async def test_a_nonce_is_of_its_link_and_of_thirty_seconds(bench: PhoneBench) -> None:
    alice, mallory = bench.pocket(), bench.pocket()
    token = alice.token()
    await alice.connect()
    await mallory.connect()
    alice.say(beside.TOKEN, token)
    overheard = alice.sign(token, "unlock")
    mallory.say(beside.TOKEN, token)
    mallory.say(beside.COMMAND, overheard)
    assert (await mallory.answer()).refusal == "replay"
    await bench.clock.advance(31)
    alice.say(beside.COMMAND, overheard)
    late = await alice.answer()
    assert late.refusal == "replay"
    assert moves(bench) == []
    alice.say(beside.COMMAND, alice.sign(token, "unlock"))
    assert (await alice.answer()).refusal is None
    assert moves(bench) == ["unlock"]


async def test_one_nonce_is_good_for_one_command_also_for_its_holder(bench: PhoneBench) -> None:
    alice = bench.pocket()
    token = alice.token()
    await alice.connect()
    alice.say(beside.TOKEN, token)
    first, second = alice.sign(token, "unlock"), alice.sign(token, "lock")
    alice.say(beside.COMMAND, first)
    alice.say(beside.COMMAND, second)
    assert [(await alice.answer()).refusal, (await alice.answer()).refusal] == [None, "replay"]
    assert moves(bench) == ["unlock"]


async def test_a_refused_command_that_was_overheard_leaves_no_second_trace(bench: PhoneBench) -> None:
    alice, mallory = bench.pocket(), bench.pocket()
    early = alice.token(begin=2 * HOUR, end=3 * HOUR)
    assert (await alice.ask(early, "unlock")).refusal == "too_early"
    bench.beside._answered.clear()
    await mallory.connect()
    mallory.say(beside.TOKEN, early)
    for _ in range(3):
        mallory.say(beside.COMMAND, alice.sent)
        assert (await mallory.answer()).refusal == "replay"
    assert len(await bench.facts("refused")) == 1


async def test_a_power_cut_while_the_lock_moves_uses_the_command_up(bench: PhoneBench) -> None:
    alice = bench.pocket()
    token = alice.token()
    bench.lock.mode = "cut"
    await alice.connect()
    alice.say(beside.TOKEN, token)
    alice.sent = alice.sign(token, "unlock")
    alice.say(beside.COMMAND, alice.sent)
    await bench.until(lambda: moves(bench) == ["unlock"])
    bench.lock.mode = "obeys"
    await bench.cut()
    bench.park()
    assert await numbers(bench) == [1]  # on disk with the intent, before anything moved
    await alice.connect()
    alice.say(beside.TOKEN, token)
    assert (await alice.again()).refusal == "replay"
    assert moves(bench) == ["unlock"]


async def test_memory_of_answers_is_bounded_and_the_nonce_guards_what_fell_out(bench: PhoneBench) -> None:
    alice = bench.pocket()
    token = alice.token()
    await alice.ask(token, "unlock")
    first = alice.sent
    for _ in range(REMEMBERED):
        assert (await alice.ask(token, "read_state", named=True)).code == "done"
    alice.say(beside.TOKEN, token)
    alice.say(beside.COMMAND, first)
    assert (await alice.answer()).refusal == "replay"
    assert moves(bench) == ["unlock"]


async def test_r18_a_token_that_cannot_be_judged_without_a_clock_still_says_when_it_was_made(bench: PhoneBench) -> None:
    bench.unsure = True
    alice = bench.pocket()
    far = alice.token(begin=30 * HOUR, end=31 * HOUR)
    assert (await alice.ask(far, "unlock")).refusal == "clock_unsure"
    assert bench.heard == [T0]
