"""Where decisions are kept: with the intent or the refusal, bounded, gone in time or with their booking."""

from __future__ import annotations

import pytest

from agent.access.decision_record import Record, decide_again, read
from agent.sync import holdings
from keyless.claims import badge_id
from tests.door_bench import ALICE, BOB, HOUR, MALLORY, DoorBench, the_bench  # noqa: F401 (fixtures)


async def test_the_door_keeps_what_it_decided_with_the_intent_and_with_the_refusal(bench: DoorBench) -> None:
    await bench.book(7, ALICE)
    await bench.tap(ALICE)
    await bench.tap(MALLORY)
    kept = await bench.store.read("decision/")
    assert sorted(kept) == ["decision/moved/0", "decision/refused/0"]
    moved, refused = (read(kept[name]) for name in sorted(kept))
    assert isinstance(moved, Record)
    assert isinstance(refused, Record)
    assert (moved.n, refused.n) == (1, 2)
    assert refused.presented.badge == badge_id(MALLORY)
    assert all(decide_again(it) == bytes(it.decision) for it in (moved, refused))
    await bench.cut()
    assert await bench.store.read("decision/") == kept
    bench.park()
    await bench.tap(MALLORY)
    assert sorted(await bench.store.read("decision/")) == [*sorted(kept), "decision/refused/1"]


async def test_a_reader_that_is_played_with_pushes_out_no_record_of_an_opening(bench: DoorBench) -> None:
    await bench.book(7, ALICE)
    await bench.tap(ALICE)
    opened = (await bench.store.read("decision/"))["decision/moved/0"]
    for _ in range(70):
        bench.clock.move(60)  # as often as each is recorded
        await bench.tap(MALLORY)
    kept = await bench.store.read("decision/")
    assert len(kept) == 65
    assert kept["decision/moved/0"] == opened


async def test_p9_the_records_that_name_a_booking_go_with_it(bench: DoorBench) -> None:
    await bench.book(7, ALICE)
    await bench.book(8, BOB)
    for badge in (ALICE, BOB, MALLORY):  # Bob is told that the car is not his
        await bench.tap(badge)
    await bench.store.commit(seal=True)
    held = await bench.store.ask(lambda disk, when: holdings.page(disk, 8))
    assert list(filter(lambda name: name.startswith("decision/"), held["vault"])) == ["decision/refused/0"]
    await bench.store.ask(lambda disk, when: holdings.erase(disk, when, 8))
    assert sorted(await bench.store.read("decision/")) == ["decision/moved/0", "decision/refused/1"]
    await bench.cut()
    assert sorted(await bench.store.read("decision/")) == ["decision/moved/0", "decision/refused/1"]


async def test_a_badge_with_too_many_tokens_opens_without_a_record(bench: DoorBench) -> None:
    for number in range(30):
        await bench.book(number + 1, ALICE, begin=number * HOUR, end=(number + 1) * HOUR)
    await bench.tap(ALICE)
    assert len(bench.lock.moves) == 1
    assert bench.door._decisions.all_counters["decisions_too_big"] == 1


async def test_a_record_goes_after_a_month(bench: DoorBench) -> None:
    await bench.tap(MALLORY)
    await bench.door._decisions.purge(bench.at() + 30 * 86_400 - 5)
    assert await bench.store.read("decision/")
    await bench.door._decisions.purge(bench.at() + 30 * 86_400 + 5)
    assert await bench.store.read("decision/") == {}


async def test_what_cannot_be_recorded_keeps_no_door_shut(bench: DoorBench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.access.decision_log.record", lambda *_: 1 / 0)
    await bench.book(7, ALICE)
    await bench.tap(ALICE)
    assert len(bench.lock.moves) == 1
    assert bench.door._decisions.all_counters["decisions_failed"] == 1


async def test_a_damaged_record_is_overwritten_and_purged(bench: DoorBench) -> None:
    await bench.tap(MALLORY)
    junk = {"decision/refused/5": b"[" * 9000, "decision/strange": b"", "decision/moved/x": b"{}"}
    await bench.store.commit(put=junk)
    await bench.cut()
    bench.park()
    await bench.tap(MALLORY)
    kept = await bench.store.read("decision/")
    assert "decision/refused/1" in kept
    await bench.door._decisions.purge(0)
    assert sorted(await bench.store.read("decision/")) == ["decision/refused/0", "decision/refused/1"]
    assert badge_id(MALLORY) == read(kept["decision/refused/1"]).presented.badge  # type: ignore[union-attr]
