"""Receipts of the door: what is signed when, that it agrees with the facts, and that no number is ever given twice."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.access import receipts
from agent.access.receipts import NUMBER, NUMBER_FILE, Receipts
from agent.car.inputs import Sensed
from agent.sync import forms, shapes
from config.vocabulary import IGNITION
from drivers.ports import BadgeTap, Feedback, LockAction
from keyless import receipt
from keyless.claims import Action, Role
from keyless.receipt import Event, LockOutcome, Receipt, believe_receipt
from keyless.token import token_hash
from keyless.vehicle_key import VehicleKey
from tests import receipt_rules
from tests.door_bench import ALICE, BOB, CAR_SECRET, HOUR, OPERATOR, VEHICLE, DoorBench, the_bench  # noqa: F401

KEY = VehicleKey(CAR_SECRET)


async def signed(bench: DoorBench) -> list[Receipt]:
    """Every receipt, after a look that it agrees with the facts."""
    _, rows = await bench.store.next_facts(0, 1 << 24, 100_000)
    return receipt_rules.agree([json.loads(row.body) for row in rows], KEY.public, VEHICLE)


async def handed(bench: DoorBench, uid: bytes) -> Receipt | None:
    """What whoever holds this badge to the reader could carry away."""
    presented = BadgeTap(uid, bench.clock.now())
    decided = await bench.door.wish(lambda: bench.decisions.presented(presented))
    assert decided.moved is not None
    if decided.moved.receipt is None:
        return None
    found = believe_receipt(decided.moved.receipt, KEY.public, vehicle=VEHICLE)
    assert isinstance(found, Receipt)
    return found


async def test_opened_paused_ended_each_have_one_for_the_token_that_asked(bench: DoorBench) -> None:
    await bench.prove()
    token = await bench.book(7, ALICE)
    bench.say(odometer=48213.4, soc=71.5, plugged="yes")
    await bench.tap(ALICE)
    bench.clock.move(60)
    bench.park(home=False)
    assert await bench.tap(ALICE) is Feedback.PAUSED
    await bench.tap(ALICE)
    bench.clock.move(600)
    bench.park()
    bench.say(odometer=48255.1, soc=52.5, plugged="no")
    assert await bench.tap(ALICE) is Feedback.ENDED
    opened, paused, ended = await signed(bench)
    assert [it.event for it in (opened, paused, ended)] == [Event.OPENED, Event.PAUSED, Event.ENDED]
    assert {it.token for it in (opened, paused, ended)} == {token_hash(token)}
    assert {it.lock for it in (opened, paused, ended)} == {LockOutcome.DONE}
    assert ended.end is not None
    assert (opened.start.odometer_m, ended.start, ended.end.odometer_m) == (48213400, opened.start, 48255100)
    assert (ended.start.soc_permille, ended.end.soc_permille) == (715, 525)
    assert (ended.plugged, ended.doors_shut, ended.key_back, ended.remarks) == (False, True, None, 1)
    assert (paused.plugged, paused.remarks) == (True, 0), "a pause is judged by nobody"
    assert (ended.operator, ended.vehicle) == (OPERATOR, VEHICLE)


async def test_the_receipt_and_the_outcome_are_one_transaction(bench: DoorBench, monkeypatch: Any) -> None:
    await bench.book(7, ALICE)
    batches: list[set[str]] = []
    commit = bench.store.commit

    async def watched(facts: Any = (), **more: Any) -> Any:
        batches.append({fact.kind for fact in facts} | {key for key in more.get("put") or {} if key == NUMBER})
        return await commit(facts, **more)

    monkeypatch.setattr(bench.store, "commit", watched)
    await bench.tap(ALICE)
    assert [it for it in batches if "receipt" in it] == [{"access", "booking", "receipt", NUMBER}]


async def test_r4_a_takeover_has_one_for_who_had_the_car_and_one_for_who_has_it(bench: DoorBench) -> None:
    await bench.prove()
    had = await bench.book(7, ALICE, 0, HOUR)
    has = await bench.book(8, BOB, HOUR, 2 * HOUR)
    await bench.tap(ALICE)
    bench.clock.move(HOUR + 30)
    bench.park()
    asked = await handed(bench, BOB)
    _, left, taken = await signed(bench)
    assert (left.event, left.booking, left.token, left.lock) == (
        Event.TAKEOVER, 7, token_hash(had), LockOutcome.NOT_MOVED,
    )  # fmt: skip
    assert (taken.event, taken.booking, taken.token) == (Event.OPENED, 8, token_hash(has))
    assert asked == taken


async def test_r2_a_booking_that_the_box_ends_names_no_token(bench: DoorBench) -> None:
    await bench.book(7, ALICE, 0, HOUR)
    await bench.tap(ALICE)
    bench.clock.move(HOUR)
    bench.say(speed=5.0)
    bench.clock.move(1)
    bench.park()
    await bench.wait(620)
    closed = (await signed(bench))[-1]
    assert (closed.event, closed.token, closed.lock) == (Event.AUTO_CLOSED, None, LockOutcome.UNKNOWN)


async def test_r1_a_forced_end_says_what_it_passed_over(bench: DoorBench) -> None:
    await bench.book(7, ALICE)
    await bench.tap(ALICE)
    bench.say(door="yes", ignition="on")
    hotline = bench.mint(0, None, 0, HOUR, role=Role.BACKEND, actions=0xFFF)
    await bench.door.command(bench.command(hotline, Action.END, 1))
    forced = (await signed(bench))[-1]
    assert (forced.event, forced.lock, forced.doors_shut) == (Event.FORCED, LockOutcome.NOT_MOVED, False)
    assert forced.remarks & (512 | 1024) == 512 | 1024
    assert forced.token == token_hash(hotline)
    assert bench.car.on(IGNITION)


@pytest.mark.parametrize(("mode", "lock"), [("gone", LockOutcome.FAILED), ("unsure", LockOutcome.UNKNOWN)])
async def test_an_end_stands_whatever_the_lock_does(bench: DoorBench, mode: str, lock: LockOutcome) -> None:
    await bench.book(7, ALICE)
    await bench.tap(ALICE)
    bench.lock.mode = mode
    await bench.tap(ALICE)
    assert (await signed(bench))[-1].lock is lock


async def test_what_did_not_open_or_lock_has_none(bench: DoorBench) -> None:
    await bench.book(7, ALICE)
    bench.lock.mode = "gone"
    await bench.tap(ALICE)
    assert await signed(bench) == []
    bench.lock.mode = "obeys"
    await bench.tap(ALICE)
    bench.park(home=False)
    bench.lock.mode = "gone"
    await bench.tap(ALICE)
    assert [it.event for it in await signed(bench)] == [Event.OPENED], "a pause without a lock is none"


async def test_commissioning_signs_nothing(bench: DoorBench) -> None:
    await bench.prove()
    assert await signed(bench) == []


@pytest.mark.parametrize("event", [Event.OPENED, Event.ENDED])
async def test_d19_an_intent_that_a_power_cut_left_gets_its_receipt(bench: DoorBench, event: Event) -> None:
    token = await bench.book(7, ALICE)
    if event is Event.ENDED:
        await bench.tap(ALICE)
        bench.say(odometer=12.5)
    before = len(await signed(bench))
    await bench.dies_moving(BadgeTap(ALICE, bench.clock.now()))
    await bench.cut()
    bench.park()
    await bench.wait(6)
    found = await signed(bench)
    assert (len(found), found[-1].event, found[-1].lock) == (before + 1, event, LockOutcome.UNKNOWN)
    assert found[-1].token == token_hash(token)


async def test_r18_without_a_clock_it_says_the_earliest_and_no_latest(bench: DoorBench) -> None:
    await bench.book(7, ALICE)
    bench.unsure = True
    await bench.tap(ALICE)
    bench.unsure = False
    bench.clock.move(60)
    await bench.tap(ALICE)
    opened, ended = await signed(bench)
    assert (opened.start.lo_s, opened.start.hi_s) == (1_800_000_000, None)
    assert ended.start == opened.start
    assert ended.end is not None
    assert ended.end.hi_s is not None


async def test_key_back_is_told_where_a_holder_is_fitted(tmp_path: Any) -> None:
    bench = DoorBench(tmp_path, key_holder=True)
    await bench.boot()
    bench.park()
    await bench.book(7, ALICE)
    await bench.tap(ALICE)
    bench.sensed = Sensed(key_returned=True)
    await bench.tap(ALICE)
    opened, ended = await signed(bench)
    assert (opened.key_back, ended.key_back) == (False, True)
    await bench.off()


# --- without a key, without a disk


async def test_without_a_key_the_door_opens_and_nothing_is_signed(bench: DoorBench) -> None:
    bench.receipts.key = None
    await bench.book(7, ALICE)
    assert await bench.tap(ALICE) is Feedback.OPENED
    assert await bench.facts("receipt") == []
    assert bench.receipts.counters["not_signed"] == 1
    assert len(await bench.facts("booking", event="opened")) == 1


async def test_a_mistake_of_the_signer_costs_the_receipt_and_not_the_record(bench: DoorBench) -> None:
    await bench.book(7, ALICE)
    bench.receipts.key = object()  # type: ignore[assignment]
    assert await bench.tap(ALICE) is Feedback.OPENED
    assert len(await bench.facts("access", event="outcome")) == 1


async def test_d14_with_the_database_broken_it_is_handed_out_kept_and_stored_later(bench: DoorBench) -> None:
    await bench.book(7, ALICE)
    bench.store.broken = True
    assert await handed(bench, ALICE) is not None
    assert bench.store.counters()["kept_facts"] >= 3
    bench.clock.move(120)
    await bench.store._recover(bench.clock.now().ns)
    assert [it.number for it in await signed(bench)] == [1]


async def test_d14_a_number_that_was_handed_out_is_not_given_again_when_its_record_was_lost(bench: DoorBench) -> None:
    await bench.book(7, ALICE)
    bench.store.broken = True
    first = await handed(bench, ALICE)
    await bench.cut()  # what was kept in memory is gone
    bench.park()
    second = await handed(bench, ALICE)
    assert first is not None
    assert second is not None
    assert (first.number, second.number) == (1, 2)


async def test_d14_with_neither_database_nor_file_nobody_gets_one(bench: DoorBench) -> None:
    await bench.book(7, ALICE)
    (bench.folder / NUMBER_FILE).mkdir()
    bench.store.broken = True
    assert await handed(bench, ALICE) is None
    bench.store.broken = False
    assert await handed(bench, ALICE) is not None, "in the database it is safe as well"


def box(folder: Any, number: int) -> Receipts:
    found = Receipts(OPERATOR, VEHICLE, folder / NUMBER_FILE)
    found.load({NUMBER: str(number).encode()} if number else {})
    return found


@pytest.mark.parametrize(("database", "file", "next_"), [(0, 0, 0), (7, 0, 7), (0, 7, 7), (5, 9, 9), (9, 5, 9)])
def test_the_higher_of_both_numbers_counts(tmp_path: Any, database: int, file: int, next_: int) -> None:
    if file:
        (tmp_path / NUMBER_FILE).write_bytes(receipts._numbered_text(file))
    assert box(tmp_path, database).number == next_


@given(st.binary(max_size=40))
def test_a_damaged_number_moves_nothing(data: bytes) -> None:
    assert receipts._numbered(data) == 0
    assert receipts._numbered(receipts._numbered_text(7)[:-1]) == 0
    assert receipts._numbered(b"8" + receipts._numbered_text(7)[1:]) == 0


FIGURE = st.none() | st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(10**9), 10**12)


@given(FIGURE, FIGURE, st.none() | st.lists(st.integers(0, 10**13), min_size=2, max_size=2))
def test_whatever_the_car_tells_the_receipt_can_be_read(odometer: Any, soc: Any, wall: Any) -> None:
    told: Any = {"odometer_km": odometer, "soc_percent": soc, "wall": None if wall is None else sorted(wall)}
    found = receipts._reading(told, 5)
    said = Receipt(
        OPERATOR, VEHICLE, 1, 7, None, Event.OPENED, LockOutcome.DONE, found, None, None, None, None, 0
    )  # fmt: skip
    assert believe_receipt(receipt.signed(said, KEY.public, KEY.sign), KEY.public, vehicle=VEHICLE) == said


def test_the_contract_names_every_event() -> None:
    assert [it.name.lower() for it in Event] == list(forms.events(shapes.Receipt))


async def test_a_lock_from_afar_of_the_open_booking_is_a_pause(bench: DoorBench) -> None:
    await bench.book(7, ALICE)
    await bench.tap(ALICE)
    desk = bench.mint(0, None, 0, HOUR, role=Role.BACKEND, actions=0xFFF)
    await bench.door.command(bench.command(desk, Action.LOCK, 1))
    paused = (await signed(bench))[-1]
    assert (paused.event, paused.booking, paused.token) == (Event.PAUSED, 7, token_hash(desk))
    assert bench.lock.moves[-1] is LockAction.LOCK
