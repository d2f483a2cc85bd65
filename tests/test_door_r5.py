"""R5, R6, D20 at the door: what reaches a car that is far from its station takes nothing from the driver under way."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from agent.car.under_way import BOOKING_KEY
from drivers.ports import Feedback, LockAction
from keyless.claims import Action, badge_id
from keyless.trust import KeySet
from tests.door_bench import ALICE, BOB, HOUR, MALLORY, T0, DoorBench

DAY = 86_400


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[DoorBench]:
    """Booking 7 is open, the car is locked, and 55 km from its station."""
    it = DoorBench(tmp_path)
    await it.boot()
    it.park()
    await it.prove()
    await it.book(7, ALICE, 0, HOUR)
    assert await it.tap(ALICE) is Feedback.OPENED
    it.park(home=False)
    assert await it.tap(ALICE) is Feedback.PAUSED
    yield it
    await it.off()


async def restart(bench: DoorBench) -> None:
    await bench.cut()
    bench.park(home=False)
    bench.say(locked="yes")


def revoke(bench: DoorBench, badge: bytes) -> None:
    bench.authority.revoked = frozenset({badge_id(badge)})
    bench.door.trust_changed()


@pytest.mark.parametrize("cut", [False, True])
async def test_d20_a_revocation_that_arrives_on_the_way_waits_for_a_station(bench: DoorBench, cut: bool) -> None:
    revoke(bench, ALICE)
    if cut:
        await restart(bench)
        revoke(bench, ALICE)
    assert await bench.tap(ALICE) is Feedback.OPENED
    assert await bench.tap(ALICE) is Feedback.PAUSED
    bench.park()
    assert await bench.tap(ALICE) is Feedback.REFUSED
    assert [it["code"] for it in await bench.facts("refused")] == ["revoked"]


@pytest.mark.parametrize("cut", [False, True])
async def test_r5_a_reassigned_booking_still_opens_for_its_driver_until_it_closes(bench: DoorBench, cut: bool) -> None:
    await bench.book(7, BOB, 0, 2 * HOUR, revision=1)
    if cut:
        await restart(bench)
    assert await bench.tap(ALICE) is Feedback.OPENED
    assert await bench.tap(BOB) is Feedback.PAUSED, "R6: both act"
    bench.park()
    assert await bench.tap(ALICE) is Feedback.REFUSED, "at a station the revision counts"
    assert [it["code"] for it in await bench.facts("refused")] == ["superseded"]
    assert [await bench.tap(BOB), await bench.tap(BOB)] == [Feedback.OPENED, Feedback.ENDED]
    await bench.book(9, ALICE, DAY, 2 * DAY)
    assert bench.door.status()["bookings"] == 2, "what the open booking held on to went with it"
    assert len(list((bench.folder / "bookings").glob("*.cwt"))) == 2


async def test_d20_an_old_revision_or_a_revoked_token_is_not_stored_anew_for_the_open_booking(
    bench: DoorBench,
) -> None:
    await bench.book(7, BOB, 0, 2 * HOUR, revision=1)
    revoke(bench, BOB)
    await bench.book(7, BOB, 0, HOUR)
    await bench.book(7, ALICE, 0, HOUR)
    assert [it["code"] for it in await bench.facts("booking", event="refused")] == ["revoked", "superseded"]


@pytest.mark.parametrize("cut", [False, True])
async def test_r5_three_days_late_and_purged_the_driver_still_opens(bench: DoorBench, cut: bool) -> None:
    bench.clock.move(3 * DAY)
    if cut:
        await restart(bench)
    await bench.door._bookings.purge(bench.at())
    bench.park(home=False)
    assert await bench.tap(ALICE) is Feedback.OPENED
    assert (await bench.facts("access", event="intent"))[-1]["note"] == "after_end_open_booking"


async def test_r13_an_ended_booking_goes_two_days_after_its_end_also_when_it_is_barred(bench: DoorBench) -> None:
    bench.park()
    assert [await bench.tap(ALICE), await bench.tap(ALICE)] == [Feedback.OPENED, Feedback.ENDED]
    revoke(bench, ALICE)
    bench.clock.move(3 * DAY)
    await bench.cut()
    await bench.door._bookings.purge(bench.at())
    assert list((bench.folder / "bookings").glob("*.cwt")) == []
    assert not await bench.store.read("token/")
    assert not bench.under.ended


async def test_r5_a_restart_after_the_issuers_key_ran_out_keeps_the_open_booking(
    bench: DoorBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    fresh = bench.keyset()

    def aged() -> KeySet:
        return replace(fresh, keys={kid: replace(key, not_after=T0 + HOUR) for kid, key in fresh.keys.items()})

    monkeypatch.setattr(bench, "keyset", aged)
    bench.clock.move(2 * HOUR)
    await restart(bench)
    assert await bench.tap(ALICE) is Feedback.OPENED


# --- the key set is replaced on the way


def drop_the_key(bench: DoorBench, monkeypatch: pytest.MonkeyPatch) -> None:
    """As any stranger's phone can bring it: from now on, and after each restart."""
    without = replace(bench.keyset(), keys={})
    monkeypatch.setattr(bench, "keyset", lambda: without)
    bench.authority.keyset = without
    bench.door.trust_changed()


@pytest.mark.parametrize("cut", [False, True])
async def test_d20_a_key_set_that_drops_the_key_on_the_way_waits_for_a_station(
    bench: DoorBench, monkeypatch: pytest.MonkeyPatch, cut: bool
) -> None:
    drop_the_key(bench, monkeypatch)
    if cut:
        await restart(bench)
    assert await bench.tap(ALICE) is Feedback.OPENED
    assert await bench.tap(ALICE) is Feedback.PAUSED
    bench.park()
    assert await bench.tap(ALICE) is Feedback.REFUSED
    assert [it["code"] for it in await bench.facts("refused")] == ["unknown_key"]


@pytest.mark.parametrize("cut", [False, True])
async def test_d20_what_the_dropped_key_signs_anew_gains_nothing(
    bench: DoorBench, monkeypatch: pytest.MonkeyPatch, cut: bool
) -> None:
    drop_the_key(bench, monkeypatch)
    for holder in (MALLORY, ALICE):
        await bench.book(7, holder, 0, 2 * HOUR, revision=1)
    phone = bench.mint(7, None, 0, 2 * HOUR)
    if cut:
        await restart(bench)
    await bench.door.command(bench.command(phone, Action.UNLOCK, 1))
    assert await bench.tap(MALLORY) is Feedback.REFUSED
    assert bench.lock.moves[-1] is LockAction.LOCK
    assert [it["code"] for it in await bench.facts("refused")] == ["unknown_key", "not_stored"]
    assert await bench.tap(ALICE) is Feedback.OPENED


async def test_d20_a_colleague_and_an_extension_that_came_in_time_stay_believed_as_well(
    bench: DoorBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    await bench.book(7, ALICE, 0, 2 * HOUR, revision=1)
    await bench.book(7, BOB, 0, 2 * HOUR, revision=1)
    drop_the_key(bench, monkeypatch)
    await restart(bench)
    assert await bench.tap(BOB) is Feedback.OPENED
    assert await bench.tap(ALICE) is Feedback.PAUSED


async def test_a_dropped_key_opens_nothing_once_its_booking_is_over(
    bench: DoorBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.park()
    assert [await bench.tap(ALICE), await bench.tap(ALICE)] == [Feedback.OPENED, Feedback.ENDED]
    bench.park(home=False)
    drop_the_key(bench, monkeypatch)
    assert await bench.tap(ALICE) is Feedback.REFUSED
    assert BOOKING_KEY not in await bench.store.read("")


@pytest.mark.parametrize("left", ["an earlier version's", "damaged"])
async def test_d20_an_open_booking_without_that_memory_has_it_again_from_the_stored_tokens(
    bench: DoorBench, monkeypatch: pytest.MonkeyPatch, left: str
) -> None:
    held = json.loads((await bench.store.read(BOOKING_KEY))[BOOKING_KEY])
    names = held.pop("carried")
    assert len(names) == 1
    data = json.dumps(held, separators=(",", ":")).encode()
    await bench.store.commit(put={BOOKING_KEY: data if left != "damaged" else data.replace(b'"kind"', b'"k\xffnd"')})
    await restart(bench)
    drop_the_key(bench, monkeypatch)
    assert await bench.tap(ALICE) is Feedback.OPENED


@pytest.mark.parametrize("trouble", ["never reads unlocked", "never obeys"])
async def test_r9_commissioning_leaves_the_car_locked_whatever_came_out(tmp_path: Path, trouble: str) -> None:
    bench = DoorBench(tmp_path)
    await bench.boot()
    bench.park()
    await bench.prove()
    act = bench.lock.act

    async def odd(action: LockAction) -> None:
        await act(action)
        if action is LockAction.UNLOCK:
            bench.say(locked="yes")

    if trouble == "never obeys":
        bench.lock.mode = "unsure"
    bench.lock.act = odd  # type: ignore[method-assign]
    assert (await bench.door.prove_lock())["proven"] is False
    assert bench.lock.moves[-1] is LockAction.LOCK
    assert await bench.store.read("lock_proof/") == {}
    await bench.off()
