"""Stored bookings at the door: which one a badge stands for, what replaces what, and what is refused."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from agent.sync.store import StoreBroken
from drivers.ports import Feedback
from keyless import issue
from keyless.claims import Booking, Claims, token_revocation_id
from tests.door_bench import (  # noqa: F401 (fixtures)
    ALICE,
    BOB,
    HOUR,
    DoorBench,
    the_bench,
)


async def test_an_ended_booking_loses_to_one_that_was_not_used_yet(bench: DoorBench) -> None:
    await bench.prove()
    await bench.book(7, ALICE)
    assert await bench.tap(ALICE) is Feedback.OPENED
    assert await bench.tap(ALICE) is Feedback.ENDED
    await bench.book(8, ALICE)
    assert await bench.tap(ALICE) is Feedback.OPENED
    assert [it["booking"] for it in await bench.facts("booking", event="opened")] == [7, 8]
    await bench.off()
    await bench.boot()
    bench.park()
    assert bench.door.status()["booking"] == 8


async def test_an_extension_moves_the_paid_end_and_supersedes_the_old_token(bench: DoorBench) -> None:
    await bench.book(7, ALICE, 0, HOUR)
    await bench.tap(ALICE)
    await bench.book(7, ALICE, 0, 3 * HOUR, revision=1)
    assert bench.under.booking is not None
    assert bench.under.booking.paid_to_s == 1_800_000_000 + 3 * HOUR
    assert len(list((bench.folder / "bookings").glob("*.cwt"))) == 1
    await bench.book(7, ALICE, 0, HOUR)
    assert (await bench.facts("booking", event="refused"))[0]["code"] == "superseded"


async def test_a_booking_that_was_never_revised_is_not_remembered_after_its_token(bench: DoorBench) -> None:
    await bench.book(7, ALICE, 0, HOUR)
    await bench.door._bookings.purge(bench.at() + 5 * 86_400)
    assert not {name for name in await bench.store.read("") if name.startswith(("revision/", "token/"))}
    assert not bench.door._bookings._revisions.highest


async def test_the_memory_of_revisions_is_bounded_and_outlives_a_restart(
    bench: DoorBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.access.revisions.REVISED", 2)
    for booking in (7, 8, 9, 10):
        await bench.book(booking, ALICE, 0, HOUR, revision=1)
    await bench.door._bookings.purge(bench.at())
    assert len(await bench.store.read("revision/")) == 4, "their tokens are stored, and need them"
    await bench.door._bookings.purge(bench.at() + 5 * 86_400)
    assert set(await bench.store.read("revision/")) == {"revision/9", "revision/10"}
    await bench.cut()
    await bench.book(9, ALICE, 0, HOUR)
    assert (await bench.facts("booking", event="refused"))[-1]["code"] == "superseded"


async def a_cut_that_left_the_second_revision_in_its_file_alone(bench: DoorBench) -> Claims:
    """The token that the file holds; what is stored whole is of the first revision."""
    await bench.book(7, ALICE, 0, HOUR, revision=1)
    later = bench.claims(7, ALICE, 0, HOUR / 2, revision=2)
    (bench.folder / "bookings" / f"{later.cti.hex()}.cwt").write_bytes(issue.token(later, bench._issuer))
    await bench.cut()
    bench.park()
    return later


async def test_a_revision_of_which_a_cut_left_the_file_alone_counts_although_its_token_is_revoked(
    bench: DoorBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    later = await a_cut_that_left_the_second_revision_in_its_file_alone(bench)
    listed = replace(bench.believed(), revoked=frozenset({token_revocation_id(later.cti)}))
    monkeypatch.setattr(bench, "believed", lambda: listed)
    await bench.cut()
    bench.park()
    assert await bench.tap(ALICE) is Feedback.REFUSED
    assert (await bench.facts("refused"))[-1]["code"] == "not_stored"


async def test_a_revision_of_which_a_cut_left_the_file_alone_is_written_and_outlives_the_file(bench: DoorBench) -> None:
    later = await a_cut_that_left_the_second_revision_in_its_file_alone(bench)
    await bench.door._bookings.purge(bench.at())
    assert await bench.store.read("revision/") == {"revision/7": b"2"}
    (bench.folder / "bookings" / f"{later.cti.hex()}.cwt").unlink()
    await bench.cut()
    await bench.book(7, ALICE, 0, HOUR, revision=1)
    assert (await bench.facts("booking", event="refused"))[-1]["code"] == "superseded"


async def test_a_booking_is_stored_once_and_a_bad_one_is_refused_with_its_code(bench: DoorBench) -> None:
    token = await bench.book(7, ALICE)
    await bench.door.book(token)
    await bench.door.book(token[:-1] + bytes([token[-1] ^ 1]))
    await bench.book(9, ALICE, aud=b"another!")
    assert [it["code"] for it in await bench.facts("booking", event="refused")] == ["signature", "wrong_vehicle"]
    assert len(await bench.facts("booking", event="stored")) == 1


async def test_r13_a_token_that_ended_two_days_ago_is_not_stored(bench: DoorBench) -> None:
    await bench.book(7, ALICE, -3 * 86_400, -3 * 86_400 + HOUR)
    await bench.book(8, ALICE, -86_400, -86_400 + HOUR)
    assert [it["code"] for it in await bench.facts("booking", event="refused")] == ["expired"]
    assert bench.door.status()["bookings"] == 1


async def test_a_token_for_another_car_or_operator_does_not_move_the_clock(bench: DoorBench) -> None:
    await bench.book(9, ALICE, aud=b"another!", iat=2**40 - 1)
    await bench.book(9, ALICE, iss="another.example", iat=2**40 - 1)
    assert bench.heard == []
    await bench.book(9, ALICE, iat=1_800_000_001)
    assert bench.heard == [1_800_000_001]


async def test_r4_an_ended_booking_does_not_open_again_in_its_grace(bench: DoorBench) -> None:
    await bench.prove()
    await bench.book(7, ALICE, 0, HOUR)
    await bench.book(8, BOB, HOUR, 2 * HOUR)
    for _ in range(2):  # in its paid time it may be opened and ended again
        assert [await bench.tap(ALICE), await bench.tap(ALICE)] == [Feedback.OPENED, Feedback.ENDED]
    bench.clock.move(HOUR + 300)
    assert await bench.tap(ALICE) is Feedback.REFUSED
    assert (await bench.facts("refused"))[-1]["code"] == "expired"
    assert await bench.tap(BOB) is Feedback.OPENED


async def test_r4_an_ended_booking_does_not_open_again_once_anothers_paid_time_has_begun(bench: DoorBench) -> None:
    await bench.prove()
    await bench.book(7, ALICE, 0, 3 * HOUR)
    await bench.book(8, BOB, HOUR, 2 * HOUR)
    assert [await bench.tap(ALICE), await bench.tap(ALICE)] == [Feedback.OPENED, Feedback.ENDED]
    bench.clock.move(HOUR + 60)
    await bench.cut()
    bench.park()
    assert await bench.tap(ALICE) is Feedback.REFUSED
    assert [await bench.tap(BOB), await bench.tap(BOB)] == [Feedback.OPENED, Feedback.ENDED]
    assert await bench.tap(ALICE) is Feedback.OPENED, "the other one has ended too, and this time is paid"


async def test_r5_a_booking_opened_again_keeps_its_rights_while_it_is_open(bench: DoorBench) -> None:
    await bench.prove()
    await bench.book(7, ALICE, 0, HOUR)
    assert [await bench.tap(ALICE) for _ in range(3)] == [Feedback.OPENED, Feedback.ENDED, Feedback.OPENED]
    bench.clock.move(5 * HOUR)
    bench.park(home=False)
    assert [await bench.tap(ALICE), await bench.tap(ALICE)] == [Feedback.PAUSED, Feedback.OPENED]


@pytest.mark.parametrize(("flags", "said"), [(0, {None}), (1, {None, "home"})])
async def test_r27_the_legs_of_a_private_booking_name_no_station(
    bench: DoorBench, flags: int, said: set[str | None]
) -> None:
    await bench.prove()
    await bench.book(7, ALICE, flags=flags)
    await bench.tap(ALICE)
    for ignition in ("on", "off", "on"):
        for _ in range(4):
            bench.park()
            bench.say(ignition=ignition)
            await bench.journey.tick()
            bench.clock.move(1)
    bench.say(ignition="off")
    assert await bench.tap(ALICE) is Feedback.ENDED
    legs = await bench.facts("leg")
    assert [it["event"] for it in legs] == ["opened", "closed", "opened", "closed"]
    assert {reading["at_station"] for leg in legs for reading in (leg["start"], leg.get("end")) if reading} <= said
    assert (legs[-1]["end"]["at_station"] == "home") is bool(flags)
    [closed] = await bench.facts("booking", event="closed")
    assert (closed["start"]["at_station"], closed["end"]["at_station"]) == ("home", "home")


async def test_r19_a_wrong_date_at_the_start_disarms_no_stored_booking(bench: DoorBench) -> None:
    await bench.book(7, ALICE, 0, HOUR)
    await bench.off()
    bench.clock.move(30 * 86_400)
    await bench.boot()
    bench.park()
    bench._zero_s -= 30 * 86_400
    assert await bench.tap(ALICE) is Feedback.OPENED


async def test_r19_a_wrong_date_while_a_list_arrives_disarms_no_stored_booking(bench: DoorBench) -> None:
    """By that date the issuer's key is long out of force; the tap asks again, by the right one."""
    await bench.book(7, ALICE, 0, HOUR)
    century_s = 100 * 365 * 86_400
    bench._zero_s += century_s
    bench.door.trust_changed()
    assert await bench.tap(ALICE) is Feedback.REFUSED
    bench._zero_s -= century_s
    bench.park()
    assert await bench.tap(ALICE) is Feedback.OPENED


async def test_r23_a_cleaners_badge_has_one_maintenance_booking_a_day_loaded_a_week_ahead(bench: DoorBench) -> None:
    for day in range(8):
        await bench.book(70 + day, BOB, day * 86_400, day * 86_400 + HOUR, flags=3)
    for _ in range(8):
        bench.park()
        assert await bench.tap(BOB) is Feedback.OPENED
        assert await bench.tap(BOB) is Feedback.ENDED
        bench.clock.move(86_400)
    opened = await bench.facts("booking", event="opened")
    assert [(it["booking"], it["booking_kind"]) for it in opened] == [(70 + day, "maintenance") for day in range(8)]
    assert not await bench.facts("refused")


@pytest.mark.parametrize("then", ["the disk is back", "the power goes"])
async def test_what_no_disk_took_counts_until_the_power_goes_and_is_told_once(bench: DoorBench, then: str) -> None:
    await bench.book(33, ALICE, 0, HOUR)
    other = bench.mint(33, BOB, 0, HOUR, revision=1)  # the badge was lost
    folder, aside = bench.bookings.folder, bench.folder / "aside"
    folder.rename(aside)
    folder.touch()
    bench.store.broken = True
    for _ in range(2):
        with pytest.raises(StoreBroken):
            await bench.door.book(other)
    assert await bench.tap(ALICE) is Feedback.REFUSED, "the operator has said so"
    folder.unlink()
    aside.rename(folder)
    if then == "the power goes":
        await bench.cut()
        bench.park()
        assert await bench.tap(ALICE) is Feedback.OPENED, "as if it never came"
        return
    await bench.store._recover(bench.clock.now().ns)
    assert isinstance(await bench.door.book(other), Booking), "what is not acknowledged comes again"
    stored = await bench.facts("booking", event="stored")
    assert [it["token"] for it in stored] == [f"{number:032x}" for number in (1, 2)]
    assert [file.stem for file in folder.glob("*.cwt")] == [f"{2:032x}"]
    await bench.cut()
    bench.park()
    assert await bench.tap(BOB) is Feedback.OPENED
