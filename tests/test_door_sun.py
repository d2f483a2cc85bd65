"""Badges that prove themselves at the door: who opens, and whose copies do not."""

from __future__ import annotations

import pytest

from drivers.credentials import SunTap
from drivers.ports import Feedback
from hil.badges import Card
from keyless.claims import BadgeId, badge_id
from keyless.sun import sun_id
from tests.door_bench import BOB, HOUR, SUN_MASTER, SUN_META, DoorBench, the_bench  # noqa: F401 (fixtures)

UID = bytes.fromhex("04DE5F1EACC040")
PROVED = BadgeId(sun_id(UID))


@pytest.fixture(name="card")
def the_card() -> Card:
    return Card.made(UID, SUN_META, SUN_MASTER)


async def shown(bench: DoorBench, message: bytes) -> Feedback:
    before = len(bench.reader.shown)
    bench.reader.presented.put_nowait(SunTap(message, bench.clock.now()))
    await bench.until(lambda: len(bench.reader.shown) > before)
    return bench.reader.shown[-1]


async def refusals(bench: DoorBench) -> list[str]:
    return [it["code"] for it in await bench.facts("refused")]


async def test_a_badge_that_proves_itself_opens_pauses_and_ends(bench: DoorBench, card: Card) -> None:
    await bench.prove()
    await bench.book(7, None, confirmation=PROVED)
    assert await shown(bench, card.read()) is Feedback.OPENED
    bench.park(home=False)
    assert await shown(bench, card.read()) is Feedback.PAUSED
    [intent, _] = await bench.facts("access", event="intent", via="badge")
    assert (intent["holder"], intent["booking"]) == (PROVED.id.hex(), 7)


async def test_its_number_on_another_card_opens_nothing(bench: DoorBench) -> None:
    """A copied number of such a badge, shown as any badge shows it, and on a card with keys of somebody else's."""
    await bench.book(7, None, confirmation=PROVED)
    assert await bench.tap(UID) is not Feedback.OPENED
    assert await shown(bench, Card.made(UID, SUN_META, bytes(16)).read()) is not Feedback.OPENED
    assert await refusals(bench) == ["not_stored", "signature"]
    assert bench.lock.moves == []


async def test_a_token_for_the_number_alone_is_not_for_the_proof(bench: DoorBench, card: Card) -> None:
    await bench.book(7, None, confirmation=BadgeId(badge_id(UID)))
    assert await shown(bench, card.read()) is not Feedback.OPENED
    assert await refusals(bench) == ["not_stored"]


async def test_a_reading_counts_once_also_after_a_cut(bench: DoorBench, card: Card) -> None:
    await bench.prove()
    await bench.book(7, None, confirmation=PROVED)
    old, newer = card.read(), card.read()
    assert await shown(bench, newer) is Feedback.OPENED
    bench.say(locked="yes")
    assert await shown(bench, newer) is not Feedback.OPENED
    assert await shown(bench, old) is not Feedback.OPENED
    await bench.cut()
    bench.park()
    bench.say(locked="yes")
    assert await shown(bench, newer) is not Feedback.OPENED
    assert await shown(bench, old) is not Feedback.OPENED
    assert await refusals(bench) == ["replay"] * 4
    assert await shown(bench, card.read()) is Feedback.OPENED


async def test_a_refusal_uses_a_reading_up_as_well(bench: DoorBench, card: Card) -> None:
    await bench.book(7, None, 2 * HOUR, 3 * HOUR, confirmation=PROVED)
    early = card.read()
    assert await shown(bench, early) is not Feedback.OPENED
    await bench.cut()
    bench.park()
    bench.clock.move(2 * HOUR)
    assert await shown(bench, early) is not Feedback.OPENED
    assert await refusals(bench) == ["too_early", "replay"]
    assert await shown(bench, card.read()) is Feedback.OPENED


async def test_a_refusal_that_is_no_fact_any_more_uses_a_reading_up_as_well(bench: DoorBench, card: Card) -> None:
    await bench.book(7, None, 2 * HOUR, 3 * HOUR, confirmation=PROVED)
    early = [card.read() for _ in range(8)]
    for reading in early:
        assert await shown(bench, reading) is not Feedback.OPENED
    assert await refusals(bench) == ["too_early"] * 5
    await bench.cut()
    bench.park()
    bench.clock.move(2 * HOUR)
    assert await shown(bench, early[-1]) is not Feedback.OPENED
    assert (await refusals(bench))[-1] == "replay"


async def test_a_damaged_counter_strands_nobody(bench: DoorBench, card: Card) -> None:
    await bench.book(7, None, confirmation=PROVED)
    await bench.store.commit((), put={f"sun/{PROVED.id.hex()}": b"\xff"})
    await bench.cut()
    bench.park()
    assert await shown(bench, card.read()) is Feedback.OPENED
    counters = bench.door.status()["counters"]
    assert isinstance(counters, dict)
    assert counters["sun_damaged"] == 1


async def test_d14_with_the_database_broken_it_opens_and_a_reading_still_counts_once(
    bench: DoorBench, card: Card
) -> None:
    await bench.book(7, None, confirmation=PROVED)
    bench.store.broken = True
    reading = card.read()
    assert await shown(bench, reading) is not Feedback.REFUSED
    assert len(bench.lock.moves) == 1
    await shown(bench, reading)
    assert len(bench.lock.moves) == 1
    bench.store.broken = False


async def test_a_car_without_the_keys_knows_no_such_badge(bench: DoorBench, card: Card) -> None:
    bench.sun_keys = (b"", b"")
    await bench.cut()
    bench.park()
    await bench.book(7, None, confirmation=PROVED)
    assert await shown(bench, card.read()) is not Feedback.OPENED
    await bench.book(8, BOB)
    assert await bench.tap(BOB) is Feedback.OPENED
    assert await refusals(bench) == ["not_stored"]
