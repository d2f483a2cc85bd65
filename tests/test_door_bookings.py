"""Stored bookings at the door: which one a badge stands for, what replaces what, and what is refused."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from drivers.ports import Feedback
from tests.door_bench import ALICE, HOUR, DoorBench


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[DoorBench]:
    it = DoorBench(tmp_path)
    await it.boot()
    it.park()
    yield it
    await it.off()


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
