"""What is asked before everything of people is erased, of the daemon and of the file; the door meanwhile (P8, R26)."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from agent.access.door import ERASING
from agent.access.lockwork import PENDING
from agent.run import erasing as last_act
from agent.run.app import House
from agent.run.records import KEEP, UNDER_WAY, Records, erase_all
from agent.sync import wiping, wire
from agent.sync.store import StoreBroken
from drivers.ports import BadgeTap, Feedback, LockAction
from hil.badges import Card
from keyless.claims import Action
from tests.aging_bench import HERE, SECRET, VEHICLE, Box, the_box  # noqa: F401 (fixtures)
from tests.door_bench import (  # noqa: F401 (fixtures)
    ALICE,
    HOUR,
    MALLORY,
    SUN_MASTER,
    SUN_META,
    DoorBench,
    the_bench,
)
from tests.test_door_sun import PROVED, UID, shown
from tests.test_wiping import WHEN, disk, everything, lived_in


async def test_r26_a_database_that_was_set_aside_may_hold_unsent_bills(box: Box) -> None:
    await lived_in(box)
    await box.acknowledge(99, 99)
    await box.store.close()
    with pytest.raises(ValueError, match=r"records\.db\.broken-1: set aside.*--lose-unsent"):
        erase_all(box.path.parent, disk, WHEN, lose_unsent=False)
    assert SECRET in everything(box.path.parent)
    erase_all(box.path.parent, disk, WHEN, lose_unsent=True)
    assert SECRET not in everything(box.path.parent)


@pytest.mark.parametrize("key", ["booking/open", PENDING])
async def test_d19_what_is_under_way_in_the_file_keeps_it(box: Box, key: str) -> None:
    await box.store.commit(put={key: b'{"booking":33}'})
    await box.store.close()
    with pytest.raises(ValueError, match="under way"):
        erase_all(box.path.parent, disk, WHEN, lose_unsent=True)
    one = disk(box.path)
    one.open(WHEN)
    assert one.recall(key)
    one.close()


def house_of(bench: DoorBench) -> Any:
    return SimpleNamespace(
        door=bench.door, under=bench.under, store=bench.store, erasing=False, lose_unsent=False, stop=asyncio.Event()
    )


async def erasing(house: Any, *, lose_unsent: bool = True) -> dict[str, Any]:
    return await Records(cast(House, house)).answer({"do": "erase_all", "lose_unsent": lose_unsent})


async def test_p8_a_tap_under_way_keeps_its_booking_from_being_erased(bench: DoorBench) -> None:
    await bench.book(33, ALICE, 0, HOUR)
    moving, on, real = asyncio.Event(), asyncio.Event(), bench.lock.act

    async def slow(action: LockAction) -> None:
        await real(action)
        moving.set()
        await on.wait()

    bench.lock.act = slow  # type: ignore[method-assign]
    bench.reader.presented.put_nowait(BadgeTap(ALICE, bench.clock.now()))
    await moving.wait()
    pending = await bench.store.pending()  # the backend has everything so far
    await bench.store.acknowledge(wire.Ack(bench.store._disk.database.streams["facts"], pending.last_fact))
    assert bench.under.booking is None
    house = house_of(bench)
    asked = asyncio.create_task(erasing(house, lose_unsent=False))
    await asyncio.sleep(0)
    on.set()
    with pytest.raises(ValueError, match=UNDER_WAY[:20]):
        await asked
    assert not house.erasing
    assert not house.stop.is_set()
    await bench.until(lambda: bench.reader.shown)
    assert bench.under.booking is not None


async def test_p8_from_the_answer_on_the_door_takes_nothing_that_would_be_lost(bench: DoorBench) -> None:
    token = await bench.book(33, ALICE, 0, HOUR)
    house = house_of(bench)
    assert await erasing(house) == {"erasing": True}
    assert house.lose_unsent
    before, moves = (await bench.store.pending()).last_fact, len(bench.lock.moves)
    assert await bench.tap(ALICE) is Feedback.REFUSED
    with pytest.raises(StoreBroken, match="erased"):  # not acknowledged, so it comes again
        await bench.book(34, ALICE, 0, HOUR)
    with pytest.raises(StoreBroken, match="erased"):
        await bench.door.command(bench.command(token, Action.UNLOCK, 5))
    assert (await bench.door.prove_lock())["why"] == ERASING
    assert (await bench.store.pending()).last_fact == before, "no fact more that waits"
    assert len(bench.lock.moves) == moves


async def test_r26_a_refusal_to_erase_leaves_the_door_open(bench: DoorBench) -> None:
    await bench.book(33, ALICE, 0, HOUR)
    with pytest.raises(ValueError, match="wait for the backend"):
        await erasing(house_of(bench), lose_unsent=False)
    assert await bench.tap(ALICE) is Feedback.OPENED


async def test_r5_a_superseded_token_stays_so_through_erasing_everything(bench: DoorBench) -> None:
    old = await bench.book(33, MALLORY, 0, HOUR)  # the badge was lost
    await bench.book(33, ALICE, 0, HOUR, revision=1)
    await bench.off()
    wiping.wipe(disk, WHEN, bench.folder / "boitier.db", bench.folder / "bookings", KEEP)
    await bench.boot()
    bench.park()
    await bench.door.book(old)
    assert await bench.tap(MALLORY) is Feedback.REFUSED


async def test_a_used_reading_of_a_badge_stays_used_through_erasing_everything(bench: DoorBench) -> None:
    card = Card.made(UID, SUN_META, SUN_MASTER)
    await bench.book(7, None, confirmation=PROVED)
    copied = card.read()
    assert await shown(bench, copied) is Feedback.OPENED
    await bench.off()
    wiping.wipe(disk, WHEN, bench.folder / "boitier.db", bench.folder / "bookings", KEEP)
    await bench.boot()
    bench.park()
    await bench.book(8, None, confirmation=PROVED)
    assert await shown(bench, copied) is Feedback.REFUSED
    assert await shown(bench, card.read()) is Feedback.OPENED


# --- the last act of the daemon, and by whom


def a_house(state: Path, *, lose_unsent: bool) -> Any:
    settings = SimpleNamespace(
        state=str(state), buffer=SimpleNamespace(max_mib=4), vehicle=SimpleNamespace(id=VEHICLE, car="zoe-ph1")
    )
    now = SimpleNamespace(boot="0", ns=0)
    return SimpleNamespace(
        state=state, settings=settings, lose_unsent=lose_unsent, clock=SimpleNamespace(now=lambda: now)
    )


@pytest.mark.parametrize("came", ["fact", "booking"])
async def test_p8_the_last_act_asks_again_and_gives_up(
    box: Box, came: str, caplog: pytest.LogCaptureFixture
) -> None:
    await box.drive(33, HERE)
    await box.bill(33)
    if came == "booking":
        await box.store.commit(put={"booking/open": b'{"booking":33}'})
    await box.store.close()
    house = a_house(box.path.parent, lose_unsent=came == "booking")
    last_act.all_of_it(house.settings, house.clock, house.lose_unsent)
    assert "nothing is erased" in caplog.text
    assert SECRET in everything(box.path.parent)
