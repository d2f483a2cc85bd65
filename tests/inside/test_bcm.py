"""Every row of the table "how the broadcast manager behaved", on a real kernel, through our own watch."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from drivers.can.watch import BcmWatch
from drivers.clock import SystemClock, wait
from drivers.ports import BusState, Frame, Silence, Subscription

if TYPE_CHECKING:
    from tests.inside.conftest import Link

Send = Callable[[int, str], None]
ALL = bytes([0xFF] * 8)
MS = 1_000_000  # the wall clock is read in milliseconds


def wanted(can_id: int = 0x100, mask: bytes = ALL, interval: int = 0, silence: int = 0) -> Subscription:
    return Subscription(can_id, can_id > 0x7FF, mask, interval, silence)


@pytest_asyncio.fixture
async def watch(link: Link) -> AsyncIterator[BcmWatch]:
    made = BcmWatch(link.name, SystemClock())
    yield made
    made.close()


async def started(watch: BcmWatch, *subscriptions: Subscription) -> None:
    watch.subscribe(subscriptions)
    assert await coming(watch) is BusState.OPEN


async def coming(watch: BcmWatch, within_s: float = 5.0) -> Frame | Silence | BusState:
    return await asyncio.wait_for(watch.next_event(), within_s)


async def nothing(watch: BcmWatch, for_s: float = 0.3) -> None:
    with pytest.raises(TimeoutError):
        await coming(watch, for_s)


async def data(watch: BcmWatch) -> str:
    event = await coming(watch)
    assert isinstance(event, Frame)
    return event.data.hex()


async def test_the_first_frame_is_always_told(watch: BcmWatch, sender: Send) -> None:
    await started(watch, wanted())
    sender(0x100, "0000000000000000")
    assert await data(watch) == "0000000000000000"


async def test_a_change_outside_the_mask_is_nothing(watch: BcmWatch, sender: Send) -> None:
    await started(watch, wanted(mask=b"\xff" + bytes(7)))
    sender(0x100, "0100000000000000")
    await data(watch)
    sender(0x100, "01FFFFFFFFFFFFFF")
    await nothing(watch)
    sender(0x100, "0200000000000000")
    assert await data(watch) == "0200000000000000"


async def test_an_id_that_nobody_asked_for_never_arrives(watch: BcmWatch, sender: Send) -> None:
    await started(watch, wanted())
    sender(0x101, "01")
    await nothing(watch)


async def test_a_held_frame_is_marked_because_its_other_bits_are_out_of_date(watch: BcmWatch, sender: Send) -> None:
    """Byte 0 at every change, byte 1 at a rate: what comes at the end of the interval still has the old byte 0."""
    first, second = b"\xff" + bytes(7), b"\0\xff" + bytes(6)
    await started(watch, wanted(mask=first), wanted(mask=second, interval=600))
    sender(0x100, "0101000000000000")
    told = [await coming(watch), await coming(watch)]
    sender(0x100, "0102000000000000")
    sender(0x100, "0202000000000000")
    told += [await coming(watch), await coming(watch)]
    seen = [(event.data[:2].hex(), event.held) for event in told if isinstance(event, Frame)]
    assert sorted(seen[:2]) == [("0101", False), ("0101", True)]
    assert seen[2:] == [("0202", False), ("0102", True)]


async def test_with_a_rate_the_first_comes_at_once_then_the_last(watch: BcmWatch, sender: Send) -> None:
    await started(watch, wanted(interval=500))
    for number in range(10):
        sender(0x100, f"{number:02x}")
        await asyncio.sleep(0.01)
    assert await data(watch) == "00"
    assert await data(watch) == "09"
    await nothing(watch, 0.7)


async def test_d28_without_a_rate_a_short_pulse_is_seen(watch: BcmWatch, sender: Send) -> None:
    await started(watch, wanted())
    for value in ("00", "01", "00"):
        sender(0x100, value)
    assert [await data(watch) for _ in range(3)] == ["00", "01", "00"]


async def test_unchanged_frames_are_alive_and_silent(watch: BcmWatch, sender: Send) -> None:
    await started(watch, wanted(silence=300))
    for _ in range(10):
        sender(0x100, "AA")
        await asyncio.sleep(0.1)
    assert await data(watch) == "aa"
    assert watch.counters()["silences"] == 0


async def test_silence_is_told_once_and_the_same_content_again_is_told_when_it_comes_back(
    watch: BcmWatch, sender: Send
) -> None:
    await started(watch, wanted(silence=200))
    sender(0x100, "AA")
    assert await data(watch) == "aa"
    event = await coming(watch)
    assert isinstance(event, Silence)
    assert event.can_id == 0x100
    await nothing(watch, 0.6)
    sender(0x100, "AA")
    assert await data(watch) == "aa"


async def test_a_frame_that_waits_for_a_busy_loop_is_of_the_moment_at_which_it_came(
    watch: BcmWatch, sender: Send
) -> None:
    await started(watch, wanted())
    clock = SystemClock()
    before = clock.now().ns
    sender(0x100, "01")
    after = clock.now().ns
    wait(0.5)  # nobody reads meanwhile
    event = await coming(watch)
    assert isinstance(event, Frame)
    assert before - MS <= event.at.ns <= after + MS
    assert event.at.wall_ms is not None


async def test_a_frame_that_never_came_is_silent_too(watch: BcmWatch) -> None:
    await started(watch, wanted(silence=200))
    assert isinstance(await coming(watch), Silence)


async def test_a_short_frame_is_delivered_with_its_length(watch: BcmWatch, sender: Send) -> None:
    await started(watch, wanted())
    sender(0x100, "010203")
    assert await data(watch) == "010203"


async def test_29_bit_ids_work(watch: BcmWatch, sender: Send) -> None:
    await started(watch, wanted(0x18DAF1DB))
    sender(0x18DAF1DB, "0102")
    event = await coming(watch)
    assert isinstance(event, Frame)
    assert (event.can_id, event.extended) == (0x18DAF1DB, True)


async def test_one_id_at_every_change_and_at_a_rate(watch: BcmWatch, sender: Send) -> None:
    prompt, sampled = b"\x80" + bytes(7), b"\x00\xff" + bytes(6)
    await started(watch, wanted(mask=prompt), wanted(mask=sampled, interval=60_000))
    sender(0x100, "0000")
    assert {await data(watch), await data(watch)} == {"0000"}
    sender(0x100, "0001")  # the sampled half: inside its interval
    await nothing(watch)
    sender(0x100, "8001")
    assert await data(watch) == "8001"


async def test_an_interface_that_goes_down_is_lost_and_comes_back(watch: BcmWatch, link: Link, sender: Send) -> None:
    await started(watch, wanted())
    link.down()
    assert await coming(watch) is BusState.LOST
    await asyncio.sleep(0.5)
    assert watch.state is BusState.LOST, "a subscription on an interface that is down must not count as open"
    link.up()
    assert await coming(watch) is BusState.OPEN
    with contextlib.suppress(OSError):
        sender(0x100, "01")  # a raw socket is told once, too, that the link was down
    sender(0x100, "01")
    assert await data(watch) == "01"
    assert watch.counters()["lost"] == 1


async def test_an_interface_that_is_deleted_and_made_again(watch: BcmWatch, link: Link) -> None:
    await started(watch, wanted(silence=300))
    link.delete()
    assert await coming(watch) is BusState.LOST
    link.create()
    assert await coming(watch) is BusState.OPEN
    assert isinstance(await coming(watch), Silence)


async def test_a_bus_that_is_not_there_is_lost_and_asked_again() -> None:
    watch = BcmWatch("vnone0", SystemClock())
    watch.subscribe((wanted(),))
    assert await coming(watch) is BusState.LOST
    assert "vnone0" in watch.last_error
    watch.close()
    assert await coming(watch) is BusState.CLOSED


async def test_300_subscriptions_are_set_up_and_replaced(watch: BcmWatch, sender: Send) -> None:
    await started(watch, *(wanted(number) for number in range(300)))
    watch.subscribe((wanted(0x10),))
    sender(0x11, "01")
    sender(0x10, "02")
    assert await data(watch) == "02"
    await nothing(watch)


async def test_a_full_queue_drops_the_oldest_and_counts(watch: BcmWatch, sender: Send) -> None:
    await started(watch, wanted())
    for number in range(2500):
        sender(0x100, f"{number:04x}")
        if number % 50 == 0:
            await asyncio.sleep(0.005)
    await asyncio.sleep(0.3)
    counters = watch.counters()
    assert counters["events"] + counters["dropped_kernel"] == 2500
    assert counters["dropped_queue"] == counters["events"] - 2048
    first = int(await data(watch), 16)
    assert first >= counters["dropped_queue"]


async def test_the_kernels_own_drops_are_counted(watch: BcmWatch, sender: Send) -> None:
    await started(watch, wanted())
    for number in range(4000):  # without giving the loop a chance to read
        sender(0x100, f"{number:04x}")
    await asyncio.sleep(0.3)
    sender(0x100, "FFFF")
    await asyncio.sleep(0.3)
    counters = watch.counters()
    assert counters["dropped_kernel"] > 0
    assert counters["events"] + counters["dropped_kernel"] == 4001
