"""A movement that surely did not reach its device is told once more; what may have moved the lock never is (R9)."""

from __future__ import annotations

import pytest

from drivers.errors import DeviceError, DeviceGone, DeviceTimeout
from drivers.ports import Feedback, LockAction
from tests.door_bench import ALICE, DoorBench, the_bench  # noqa: F401 (fixture)

NOTHING_SENT = DeviceGone("no such device")
REFUSED = DeviceError("the body unit refused the lock command", retryable=False)
PERHAPS = DeviceTimeout("no answer")


async def outcomes(bench: DoorBench) -> list[str]:
    return [it["outcome"] for it in await bench.facts("access", event="outcome", booking=7)]


async def test_what_was_surely_not_sent_is_sent_once_more_under_the_same_intent(bench: DoorBench) -> None:
    await bench.prove()
    await bench.book(7, ALICE)
    bench.lock.moves.clear()
    bench.lock.errors = [NOTHING_SENT]
    assert await bench.tap(ALICE) is Feedback.OPENED
    assert bench.lock.moves == [LockAction.UNLOCK]
    assert await outcomes(bench) == ["done"]
    assert len(await bench.facts("access", event="intent", booking=7)) == 1
    assert bench.door.status()["counters"]["lock_again"] == 1  # type: ignore[index]


async def test_a_device_that_stays_away_has_failed(bench: DoorBench) -> None:
    await bench.book(7, ALICE)
    bench.lock.errors = [NOTHING_SENT, NOTHING_SENT]
    assert await bench.tap(ALICE) is Feedback.UNSURE
    assert (bench.lock.tries, bench.lock.moves) == (2, [])
    assert await outcomes(bench) == ["failed"]


@pytest.mark.parametrize(("error", "outcome"), [(REFUSED, "failed"), (PERHAPS, "unknown")])
async def test_r9_what_was_refused_or_may_have_moved_is_not_repeated(
    bench: DoorBench, error: DeviceError, outcome: str
) -> None:
    await bench.book(7, ALICE)
    bench.lock.errors = [error]
    await bench.tap(ALICE)
    assert bench.lock.tries == 1
    assert await outcomes(bench) == [outcome]


async def test_r9_the_second_try_is_not_repeated_either(bench: DoorBench) -> None:
    await bench.book(7, ALICE)
    bench.lock.errors = [NOTHING_SENT, PERHAPS]
    await bench.tap(ALICE)
    assert bench.lock.tries == 2
    assert await outcomes(bench) == ["unknown"]
