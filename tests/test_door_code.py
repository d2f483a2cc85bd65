"""The keypad at the door: whose codes open what, what wrong ones cost, and a day of guessing (R11, R12, R14)."""

from __future__ import annotations

from pathlib import Path

from drivers.ports import Feedback, LockAction
from keyless import code as codes
from keyless.claims import Action, Role, booking_revocation_id
from keyless.code import CodeKind
from tests.door_bench import ALICE, BOB, CODE_KEY, HOUR, T0, DoorBench, the_bench  # noqa: F401 (fixtures)

DAY = 86_400
TODAY = T0 // DAY
SLOT = codes.hotline_number(TODAY, 3)


def code(booking: int, revision: int = 0, kind: CodeKind = CodeKind.BOOKING) -> str:
    return codes.booking_code(CODE_KEY, booking, revision, kind)


def slot(number: int = 3, day: int = TODAY) -> str:
    return codes.slot_code(codes.day_key(CODE_KEY, day), number)


async def codes_of_refusals(bench: DoorBench) -> list[str]:
    return [it["code"] for it in await bench.facts("refused")]


# --- a booking's own code


async def test_r11_a_code_unlocks_pauses_and_ends_as_a_tap_does(bench: DoorBench) -> None:
    await bench.prove()
    await bench.book(7, None)
    assert await bench.type(code(7)) is Feedback.OPENED
    bench.park(home=False)
    assert await bench.type(code(7)) is Feedback.PAUSED
    assert await bench.type(code(7)) is Feedback.OPENED
    bench.park()
    assert await bench.type(code(7)) is Feedback.ENDED
    assert len(await bench.facts("access", event="intent", via="code")) == 4
    assert [it["booking"] for it in await bench.facts("booking", event="closed")] == [7]


async def test_a_code_stops_with_its_booking(bench: DoorBench) -> None:
    await bench.book(7, ALICE, HOUR, 2 * HOUR)
    assert await bench.type(code(7)) is not Feedback.OPENED
    await bench.book(8, BOB)
    assert await bench.type(code(8, kind=CodeKind.DESK)) is Feedback.OPENED
    assert await bench.type(code(7)) is not Feedback.OPENED
    bench.authority.revoked = frozenset({booking_revocation_id(8)})
    assert await bench.type(code(8)) is not Feedback.PAUSED
    assert await codes_of_refusals(bench) == ["too_early", "too_early", "revoked"]
    assert bench.door.status()["counters"]["code_wrong"] == 0, "none of these was a wrong code"  # type: ignore[index]


async def test_a_code_of_a_booking_that_is_far_off_is_a_wrong_code(bench: DoorBench) -> None:
    await bench.book(7, ALICE, 2 * DAY, 3 * DAY)
    assert await bench.type(code(7)) is not Feedback.OPENED
    assert await codes_of_refusals(bench) == ["code"]


async def test_r12_a_higher_revision_has_another_code(bench: DoorBench) -> None:
    await bench.book(7, ALICE, revision=1)
    await bench.book(7, None, revision=2)
    assert await bench.type(code(7, 1)) is not Feedback.OPENED
    assert await bench.type(code(7, 2)) is Feedback.OPENED
    assert await codes_of_refusals(bench) == ["code"]


async def test_r11_a_technicians_booking_has_no_code(bench: DoorBench) -> None:
    await bench.book(7, ALICE, role=Role.TECHNICIAN)
    assert await bench.type(code(7)) is not Feedback.OPENED
    assert await codes_of_refusals(bench) == ["code"]


async def test_a_code_has_no_right_that_its_token_has_not(bench: DoorBench) -> None:
    await bench.book(7, ALICE, actions=int(Action.LOCK))
    assert await bench.type(code(7)) is not Feedback.OPENED
    assert await codes_of_refusals(bench) == ["role_action"]


async def test_r18_without_a_clock_the_desks_code_opens_and_the_bookings_own_does_not(bench: DoorBench) -> None:
    await bench.book(7, ALICE, 3 * DAY, 4 * DAY)
    bench.unsure = True
    assert await bench.type(code(7)) is not Feedback.OPENED
    assert await bench.type(code(7, kind=CodeKind.DESK)) is Feedback.OPENED
    assert await codes_of_refusals(bench) == ["clock_unsure"]
    [intent] = await bench.facts("access", event="intent")
    assert (intent["note"], intent["clock"]) == ("clock_unsure_accepted", "none")


async def test_d14_with_the_database_broken_a_code_opens(bench: DoorBench) -> None:
    await bench.book(7, ALICE)
    bench.store.broken = True
    assert await bench.type(code(7)) is not Feedback.REFUSED
    assert bench.lock.moves == [LockAction.UNLOCK]


async def test_without_a_key_no_code_opens_and_none_is_counted(tmp_path: Path) -> None:
    bench = DoorBench(tmp_path)
    bench.code_key = b""
    await bench.boot()
    await bench.book(7, ALICE)
    for _ in range(6):
        assert await bench.type(code(7)) is not Feedback.OPENED
    assert await bench.tap(ALICE) is Feedback.OPENED
    assert await codes_of_refusals(bench) == ["code"] * 5, "as many as become facts at once"
    assert bench.alarms == []
    await bench.off()


# --- a code of the day


async def test_r12_r14_a_code_of_the_day_opens_a_booking_that_the_car_has_never_heard_of(bench: DoorBench) -> None:
    await bench.prove()
    assert await bench.type(slot()) is Feedback.OPENED
    [opened] = await bench.facts("booking", event="opened")
    assert (opened["booking"], opened["booking_kind"]) == (SLOT, "private")
    assert codes.hotline_slot(opened["booking"]) == (TODAY, 3)
    [intent] = await bench.facts("access", event="intent", via="code")
    assert intent["note"] == "hotline_code"
    assert bench.under.booking is not None
    assert bench.under.booking.named is None, "there is no token for a receipt to name"
    await bench.cut()
    bench.park(home=False)
    bench.clock.move(3 * DAY)
    bench.say(locked="yes")
    assert await bench.type(slot()) is Feedback.OPENED, "R5: far from home, days later, after a power cut"
    bench.park()
    assert await bench.type(slot()) is Feedback.ENDED
    [closed] = await bench.facts("booking", event="closed")
    assert closed["booking"] == SLOT
    bench.clock.move(600)  # in which he fetches what he forgot
    bench.park()
    assert await bench.type(slot()) is not Feedback.OPENED, "its day is long over"


async def test_a_slot_yields_to_the_next_stored_booking(bench: DoorBench) -> None:
    await bench.prove()
    await bench.book(8, BOB, 2 * HOUR, 3 * HOUR)
    assert await bench.type(slot()) is Feedback.OPENED
    bench.say(locked="yes")
    bench.clock.move(2 * HOUR - 60)
    assert await bench.tap(BOB) is not Feedback.OPENED
    bench.clock.move(120)
    bench.park()
    assert await bench.tap(BOB) is Feedback.OPENED
    assert (await bench.facts("booking", event="closed"))[0]["how"] == "takeover"


async def test_a_slot_opens_one_booking_and_takes_nobodys_car(bench: DoorBench) -> None:
    await bench.book(7, ALICE)
    await bench.tap(ALICE)
    assert await bench.type(slot()) is not Feedback.OPENED
    assert await codes_of_refusals(bench) == ["occupied"]
    assert bench.under.booking is not None
    assert bench.under.booking.booking == 7


async def test_the_desks_token_for_a_slot_takes_its_place(bench: DoorBench) -> None:
    await bench.prove()
    assert await bench.type(slot()) is Feedback.OPENED
    await bench.book(SLOT, ALICE, 0, HOUR, revision=1)
    assert bench.under.booking is not None
    assert bench.under.booking.paid_to_s == T0 + HOUR, "the true end"
    assert await bench.type(slot()) is Feedback.ENDED, "and the code goes on, at a station as well"
    [stored] = await bench.facts("booking", event="stored")
    assert stored["booking"] == SLOT


async def test_a_damaged_record_of_a_slot_under_way_is_rescued(bench: DoorBench) -> None:
    await bench.type(slot())
    vault = await bench.store.read("")
    data = vault["booking"] if "booking" in vault else next(v for k, v in vault.items() if b'"paid_to_s"' in v)
    key = next(k for k, v in vault.items() if v == data)
    await bench.store.commit((), put={key: data.replace(b'"start"', b'"stbrt"')})
    await bench.cut()
    assert bench.under.booking is not None
    assert bench.under.booking.booking == SLOT


async def test_ended_slots_are_forgotten_two_days_after_their_noon(bench: DoorBench) -> None:
    await bench.prove()
    await bench.type(slot())
    assert await bench.type(slot()) is Feedback.ENDED
    await bench.store.read("")
    bookings = bench.bookings
    await bookings.purge(codes.hotline_end(SLOT) + 2 * DAY)
    assert SLOT in bench.under.ended
    await bookings.purge(codes.hotline_end(SLOT) + 2 * DAY + 1)
    assert SLOT not in bench.under.ended
    assert not any(str(SLOT) in key for key in await bench.store.read(""))
