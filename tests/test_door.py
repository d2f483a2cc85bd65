"""The door with a real database, real files and really signed tokens: what is presented, what moves, what is written.
"""

from __future__ import annotations

import pytest

from agent.car.privacy import coarse
from drivers.ports import CodeEntered, Feedback, LockAction
from keyless.claims import Action, Role
from tests.door_bench import (  # noqa: F401 (fixtures)
    ALICE,
    BOB,
    HOME_LAT,
    HOME_LON,
    HOUR,
    MALLORY,
    DoorBench,
    the_bench,
)


async def test_a_stored_badge_opens_offline_and_the_record_says_who(bench: DoorBench) -> None:
    token = await bench.book(7, ALICE, flags=1)
    assert await bench.tap(ALICE) is Feedback.OPENED
    assert bench.lock.moves == [LockAction.UNLOCK]
    intent, outcome = await bench.facts("access")
    assert (intent["event"], intent["via"], intent["action"], intent["booking"]) == ("intent", "badge", "unlock", 7)
    assert (intent["clock"], intent["note"], intent["command"]) == ("gnss", None, None)
    assert outcome["access"] == intent["access"]
    assert (outcome["outcome"], outcome["resolved_at_boot"]) == ("unknown", False)
    [opened] = await bench.facts("booking", event="opened")
    assert (opened["booking"], opened["booking_kind"]) == (7, "staff")
    assert opened["start"]["at_station"] == "home"
    [stored] = await bench.facts("booking", event="stored")
    assert (stored["from"], stored["to"], stored["code"]) == (1_800_000_000, 1_800_003_600, None)
    assert (bench.folder / "bookings" / f"{stored['token']}.cwt").read_bytes() == token
    assert set(bench.heard) == {1_800_000_000}


async def test_r9_done_only_when_the_proven_signal_reads_back(bench: DoorBench) -> None:
    await bench.prove()
    assert bench.lock.moves == [LockAction.LOCK, LockAction.UNLOCK] * 5 + [LockAction.LOCK]
    await bench.book(7, ALICE)
    assert await bench.tap(ALICE) is Feedback.OPENED
    assert (await bench.facts("access", event="outcome"))[-1]["outcome"] == "done"
    bench.lock.mode = "silent"
    assert await bench.tap(ALICE) is Feedback.ENDED, "an unknown outcome never blocks an end"
    assert (await bench.facts("access", event="outcome"))[-1]["outcome"] == "unknown"


async def test_r9_a_car_that_does_not_read_back_is_not_proven(bench: DoorBench) -> None:
    bench.lock.mode = "silent"
    found = await bench.door.prove_lock()
    assert found["proven"] is False
    assert bench.door.status()["lock_proven"] is False


async def test_d18_a_proof_survives_a_restart(bench: DoorBench) -> None:
    await bench.prove()
    await bench.cut()
    assert bench.door.status()["lock_proven"] is True


@pytest.mark.parametrize("other", ["version", "signal"])
async def test_d18_another_firmware_or_another_signal_must_prove_the_lock_anew(bench: DoorBench, other: str) -> None:
    await bench.prove()
    before = getattr(bench, other)
    setattr(bench, other, "another")
    await bench.cut()
    assert bench.door.status()["lock_proven"] is False
    await bench.book(7, ALICE)
    await bench.tap(ALICE)
    assert (await bench.facts("access", event="outcome"))[-1]["outcome"] == "unknown"
    setattr(bench, other, before)
    await bench.cut()
    assert bench.door.status()["lock_proven"] is True


async def test_r3_paused_and_ended_look_different(bench: DoorBench) -> None:
    await bench.book(7, ALICE)
    bench.say(plugged="yes", odometer=100.0, energy=20.0)
    await bench.tap(ALICE)
    bench.park(home=False)
    assert await bench.tap(ALICE) is Feedback.PAUSED
    assert await bench.tap(ALICE) is Feedback.OPENED
    assert bench.under.booking is not None
    bench.clock.move(900)
    bench.say(odometer=112.5, energy=17.5)
    bench.park()
    assert await bench.tap(ALICE) is Feedback.ENDED
    [closed] = await bench.facts("booking", event="closed")
    assert (closed["how"], closed["soft"], closed["km"], closed["energy_kwh"]) == ("ended", [], 12.5, 2.5)
    assert len(await bench.facts("booking", event="opened")) == 1


async def test_r1_a_hard_check_refuses_the_end_with_its_reason_and_the_booking_goes_on(bench: DoorBench) -> None:
    await bench.book(7, ALICE)
    await bench.tap(ALICE)
    bench.say(door="yes")
    assert await bench.tap(ALICE) is Feedback.REFUSED
    [refused] = await bench.facts("refused")
    assert (refused["code"], refused["detail"]["reasons"]) == ("state_guard", ["door_open"])
    assert bench.under.booking is not None
    assert bench.lock.moves == [LockAction.UNLOCK]


async def test_r1_soft_checks_end_and_flag(bench: DoorBench) -> None:
    await bench.book(7, ALICE)
    await bench.tap(ALICE)
    bench.say(plugged="no")
    assert await bench.tap(ALICE) is Feedback.ENDED
    assert (await bench.facts("booking", event="closed"))[0]["soft"] == ["not_plugged"]


async def test_r1_a_dead_relay_ends_the_booking_flags_it_and_raises_an_alarm(bench: DoorBench) -> None:
    await bench.book(7, ALICE)
    await bench.tap(ALICE)
    bench.lock.mode = "gone"
    assert await bench.tap(ALICE) is Feedback.UNSURE
    assert (await bench.facts("access", event="outcome"))[-1]["outcome"] == "failed"
    assert (await bench.facts("booking", event="closed"))[0]["soft"] == ["not_locked"]
    [alarm] = await bench.facts("alarm")
    assert (alarm["name"], alarm["detail"]["soft"]) == ("ended_flagged", ["not_locked"])


async def test_an_unlock_that_failed_opens_no_booking(bench: DoorBench) -> None:
    await bench.book(7, ALICE)
    bench.lock.mode = "gone"
    assert await bench.tap(ALICE) is Feedback.UNSURE
    assert bench.under.booking is None
    bench.lock.mode = "unsure"
    assert await bench.tap(ALICE) is Feedback.UNSURE, "the board did not answer: it may have moved"
    assert bench.under.booking is not None


async def test_strangers_codes_and_cards_for_later_move_nothing_and_leave_a_fact(bench: DoorBench) -> None:
    await bench.book(8, BOB, 4 * HOUR, 5 * HOUR)
    assert await bench.tap(MALLORY) is Feedback.REFUSED
    assert await bench.tap(BOB) is Feedback.REFUSED
    bench.reader.presented.put_nowait(CodeEntered("12345678", bench.clock.now()))
    await bench.until(lambda: len(bench.reader.shown) == 3)
    assert [it["code"] for it in await bench.facts("refused")] == ["not_stored", "too_early", "code"]
    assert bench.lock.moves == []


async def test_r7_first_to_start_wins_and_the_other_is_told_when(bench: DoorBench) -> None:
    await bench.book(7, ALICE)
    await bench.book(8, BOB)
    await bench.tap(ALICE)
    assert await bench.tap(BOB) is Feedback.REFUSED
    [refused] = await bench.facts("refused")
    assert (refused["code"], refused["booking"], refused["detail"]["free_at"]) == ("occupied", 8, 1_800_003_600)


async def test_r4_the_next_driver_takes_over_after_the_paid_end_with_a_receipt_for_both(bench: DoorBench) -> None:
    await bench.book(7, ALICE, 0, HOUR)
    await bench.book(8, BOB, HOUR, 2 * HOUR)
    await bench.tap(ALICE)
    bench.clock.move(HOUR + 30)
    bench.park()
    assert await bench.tap(BOB) is Feedback.OPENED
    events = [(it["event"], it["booking"]) for it in await bench.facts("booking")][-2:]
    assert events == [("closed", 7), ("opened", 8)]
    assert (await bench.facts("booking", event="closed"))[0]["how"] == "takeover"


async def test_r5_far_from_home_the_driver_is_never_refused_however_late(bench: DoorBench) -> None:
    await bench.book(7, ALICE, 0, HOUR)
    await bench.tap(ALICE)
    bench.clock.move(3 * 86_400)
    bench.park(home=False)
    assert await bench.tap(ALICE) is Feedback.PAUSED
    assert await bench.tap(ALICE) is Feedback.OPENED
    assert (await bench.facts("access", event="intent"))[-1]["note"] == "after_end_open_booking"


async def test_r6_a_colleague_with_the_same_booking_acts_and_the_record_says_which(bench: DoorBench) -> None:
    await bench.book(7, ALICE)
    await bench.book(7, BOB)
    await bench.tap(ALICE)
    assert await bench.tap(BOB) is Feedback.ENDED
    holders = {it["holder"] for it in await bench.facts("access", event="intent")}
    assert len(holders) == 2
    assert len(await bench.facts("booking", event="opened")) == 1


async def test_r2_a_forgotten_car_ends_by_itself_after_ten_still_minutes(bench: DoorBench) -> None:
    await bench.book(7, ALICE, 0, HOUR)
    await bench.tap(ALICE)
    bench.clock.move(HOUR)
    bench.say(speed=5.0)
    bench.clock.move(1)
    bench.park()
    await bench.wait(590)
    assert bench.under.booking is not None
    await bench.wait(20)
    assert bench.under.booking is None
    assert bench.lock.moves[-1] is LockAction.LOCK
    [closed] = await bench.facts("booking", event="closed")
    assert closed["how"] == "auto_closed"
    assert (await bench.facts("access", event="intent"))[-1]["via"] == "auto"


async def test_r18_without_a_clock_a_driver_still_opens_and_the_record_says_so(bench: DoorBench) -> None:
    bench.unsure = True
    await bench.book(7, ALICE)
    assert await bench.tap(ALICE) is Feedback.OPENED
    [intent] = await bench.facts("access", event="intent")
    assert (intent["note"], intent["clock"]) == ("clock_unsure_accepted", "none")


async def test_r27_a_private_booking_leaves_no_coordinate_anywhere_on_disk(bench: DoorBench) -> None:
    await bench.book(7, ALICE, flags=0)
    await bench.tap(ALICE)
    for km in (5.0, 5.1):
        bench.say(ignition="on", speed=30.0, odometer=km)
        await bench.journey.tick()
    bench.say(ignition="off", speed=0.0, plugged="yes")
    await bench.journey.tick()
    await bench.tap(ALICE)
    assert len(await bench.facts("leg")) == 2
    assert await bench.facts("position") == []
    held = (bench.folder / "boitier.db").read_bytes() + (bench.folder / "boitier.db-wal").read_bytes()
    assert b"48.433" not in held


@pytest.mark.parametrize("flags", [0, 1])
async def test_p1_p3_a_booking_keeps_where_it_began_and_ended_as_coarse_as_its_kind_says_and_not_at_a_station(
    bench: DoorBench, flags: int
) -> None:
    await bench.book(7, ALICE, flags=flags)
    bench.park(home=False)
    await bench.tap(ALICE)
    bench.clock.move(60)
    bench.park()
    assert await bench.tap(ALICE) is Feedback.ENDED
    there = coarse(HOME_LAT + 0.5, HOME_LON, 1 if flags else 100)
    away = {"event": "start", "booking": 7, "lat": there.lat, "lon": there.lon, "precision_m": there.precision_m}
    assert await bench.facts("position") == [away]
    [closed] = await bench.facts("booking", event="closed")
    assert (closed["start"]["at_station"], closed["end"]["at_station"], closed["distance"]) == (None, "home", "at")


async def test_the_open_booking_and_its_leg_survive_a_power_cut(bench: DoorBench) -> None:
    await bench.book(7, ALICE)
    bench.say(odometer=100.0)
    await bench.tap(ALICE)
    bench.say(ignition="on", speed=50.0)
    await bench.journey.tick()
    bench.clock.move(61)
    bench.say(odometer=101.0)
    await bench.journey.tick()
    await bench.cut()
    assert bench.under.booking is not None
    assert bench.under.booking.booking == 7
    assert bench.under.leg is not None
    assert bench.car.reading(bench.clock.now(), None)["odometer_km"] == 101.0
    bench.say(odometer=103.0, ignition="on")
    await bench.journey.tick()
    bench.say(odometer=104.0)
    bench.park()
    await bench.journey.tick()
    assert await bench.tap(ALICE) is Feedback.ENDED
    [leg] = await bench.facts("leg", event="closed")
    [closed] = await bench.facts("booking", event="closed")
    assert (leg["km"], closed["km"], closed["legs"]) == (4.0, 4.0, 1)
    assert closed["start"]["boot"] != closed["end"]["boot"]
    assert closed["duration_ms"] is not None
    assert len(await bench.facts("booking", event="opened")) == 1


async def test_d14_bookings_come_back_from_their_files_and_the_badge_opens_with_the_database_gone(
    bench: DoorBench,
) -> None:
    await bench.book(7, ALICE)
    await bench.off()
    for path in bench.folder.glob("boitier.db*"):
        path.unlink()
    await bench.boot()
    bench.park()
    assert await bench.tap(ALICE) is Feedback.OPENED
    bench.store.broken = True
    assert await bench.tap(ALICE) is Feedback.ENDED
    phone = await bench.book(8, None)
    await bench.door.command(bench.command(phone, Action.UNLOCK, 1))
    assert bench.lock.moves == [LockAction.UNLOCK, LockAction.LOCK], "remote commands wait"
    bench.store.broken = False


async def test_cleaners_with_a_token_without_booking_open_and_lock_and_bill_nobody(bench: DoorBench) -> None:
    await bench.book(0, BOB, role=Role.AGENT, flags=3)
    assert await bench.tap(BOB) is Feedback.OPENED
    assert await bench.tap(BOB) is Feedback.PAUSED
    assert await bench.facts("booking", event="opened") == []
