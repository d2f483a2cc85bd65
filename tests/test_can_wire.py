"""The broadcast manager's bytes, and whose reply a reply is: pure parts of the CAN drivers."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.can import bcm
from drivers.can.diag import Diagnostics, answers, opens
from drivers.can.errors import Errors
from drivers.can.watch import LATE_NS, BcmWatch, arrived
from drivers.clock import SystemClock
from drivers.ports import BusState, Instant, Subscription
from tests.scripted_bus import Bus


def test_the_header_is_the_kernels_on_a_64_bit_machine() -> None:
    """56 bytes: three u32, padding, two pairs of long, id, nframes (linux/can/bcm.h)."""
    if struct.calcsize("l") == 8:
        assert bcm.HEAD_SIZE == 56
    assert bcm.HEAD_SIZE % 8 == 0


def test_a_subscription_is_written_as_the_kernel_reads_it() -> None:
    raw = bcm.setup(Subscription(0x18DAF1DB, True, b"\xf0" + bytes(7), 1500, 2250))
    opcode, flags, count, s1, us1, s2, us2, can_id, frames = bcm.HEAD.unpack_from(raw)
    assert (opcode, flags, count) == (5, 0x1 | 0x2 | 0x100, 0)
    assert (s1, us1, s2, us2) == (2, 250_000, 1, 500_000)
    assert (can_id, frames) == (0x98DAF1DB, 1)
    assert raw[bcm.HEAD_SIZE :] == struct.pack("=IB3x8s", 0x98DAF1DB, 8, b"\xf0" + bytes(7))


def test_a_subscription_without_a_mask_is_by_id_alone() -> None:
    raw = bcm.setup(Subscription(0x18DAF1DB, True, b"", 1000, 0))
    assert len(raw) == bcm.HEAD_SIZE
    _, flags, _, _, _, s2, us2, can_id, frames = bcm.HEAD.unpack_from(raw)
    assert flags & bcm.RX_FILTER_ID
    assert (s2, us2, can_id, frames) == (1, 0, 0x98DAF1DB, 0)


def test_error_frames_tell_what_the_controller_is_up_to() -> None:
    """linux/can/error.h: class bits in the id, details in byte 1."""
    errors = Errors()
    for can_id, data, state in (
        (0x004, "0004000000000000", "warning"),
        (0x004, "0010000000000000", "passive"),
        (0x004, "0020000000000000", "passive"),
        (0x040, "0000000000000000", "bus_off"),
        (0x100, "0000000000000000", "active"),
        (0x004, "0030000000000000", "passive"),
        (0x004, "0040000000000000", "active"),
        (0x004, "0001000000000000", "active"),
        (0x008, "0000000000000000", "active"),
        (0x020, "", "active"),
    ):
        errors.take(0x2000_0000 | can_id, hexes(data))
        assert errors.state == state, (hex(can_id), data)
    assert errors.counters == {
        "error_frames": 10, "error_passive": 2, "bus_off": 1, "restarts": 1, "protocol": 1, "no_ack": 1,
        "controller_overflows": 1, "dropped_errors": 0,
    }  # fmt: skip


@given(st.integers(0, 0x1FFF_FFFF), st.binary(max_size=8))
def test_any_error_frame_is_counted_and_none_is_an_exception(can_id: int, data: bytes) -> None:
    errors = Errors()
    errors.take(0x2000_0000 | can_id, data)
    assert errors.counters["error_frames"] == 1
    assert errors.state in ("active", "warning", "passive", "bus_off")


@given(st.binary(max_size=100))
def test_any_bytes_are_parsed_or_refused_without_an_exception(raw: bytes) -> None:
    event = bcm.parse(raw)
    assert event is None or event.data is None or len(event.data) <= 8


@given(st.integers(0, 0x1FFFFFFF), st.binary(max_size=8), st.booleans())
def test_a_changed_frame_comes_back_with_its_id_and_length(can_id: int, data: bytes, extended: bool) -> None:
    flagged = can_id | bcm.CAN_EFF_FLAG if extended else can_id
    raw = bcm.HEAD.pack(bcm.RX_CHANGED, 0, 0, 0, 0, 0, 0, flagged, 1).ljust(bcm.HEAD_SIZE, b"\0")
    event = bcm.parse(raw + bcm.CAN_FRAME.pack(flagged, len(data), data))
    assert event == bcm.BcmEvent(bcm.RX_CHANGED, can_id, extended, data)


async def test_a_bus_that_is_not_there_is_lost_never_an_exception() -> None:
    watch = BcmWatch("nocan9", SystemClock())
    watch.subscribe(())
    assert await watch.next_event() is BusState.LOST
    assert "nocan9" in watch.last_error
    assert watch.trouble == watch.last_error
    watch.close()
    assert await watch.next_event() is BusState.CLOSED
    assert watch.trouble == ""
    watch.close()


def hexes(text: str) -> bytes:
    return bytes.fromhex(text)


def test_replies_of_others_are_not_ours() -> None:
    assert answers(hexes("2101"), hexes("6101AABB"))
    assert answers(hexes("2101"), hexes("7F2112"))
    assert answers(hexes("222005"), hexes("62200504FB"))
    assert answers(hexes("30010001"), hexes("7001"))
    assert answers(hexes("10C0"), hexes("50C0"))
    assert not answers(hexes("2101"), hexes("6104AABB"))
    assert not answers(hexes("2101"), hexes("7E01"))
    assert not answers(hexes("2101"), hexes("7F2212"))
    assert not answers(hexes("222005"), hexes("62200604FB"))
    assert not answers(hexes("10C0"), hexes("5081"))


def test_a_strangers_first_frame_never_reaches_our_transport() -> None:
    assert opens(hexes("2101"), hexes("1028610100000000")) is True
    assert opens(hexes("2101"), hexes("1028610400000000")) is False
    assert opens(hexes("2101"), hexes("017E000000000000")) is False
    assert opens(hexes("2101"), hexes("2101020304050607")) is None


async def test_a_question_never_puts_the_loop_to_sleep(monkeypatch: pytest.MonkeyPatch) -> None:
    """can-isotp tries out its waiting function at each start; the door waits behind such a question."""
    slept: list[float] = []
    monkeypatch.setattr("time.sleep", slept.append)
    bus = Bus([b"\x03\x61\x01\x07"], 0x7BB)
    assert await Diagnostics(bus).request(0x79B, 0x7BB, b"\x21\x01", 0.5) == b"\x61\x01\x07"  # type: ignore[arg-type]
    assert slept == []


@given(st.binary(min_size=1, max_size=8), st.binary(max_size=8))
def test_any_frame_gets_a_verdict(request: bytes, frame: bytes) -> None:
    assert opens(request, frame) in (True, False, None)


WALL_MS = 1_800_000_000_000
NOW = Instant("b", 90_000_000_000, WALL_MS)


@pytest.mark.parametrize("late_ms", [1, 700, LATE_NS // 1_000_000])
def test_a_frame_is_of_the_moment_at_which_the_kernel_took_it(late_ms: int) -> None:
    at = arrived(NOW, (WALL_MS - late_ms) * 1_000_000)
    assert (at.boot, at.ns, at.wall_ms) == ("b", NOW.ns - late_ms * 1_000_000, WALL_MS - late_ms)


@pytest.mark.parametrize("came_ms", [WALL_MS + 1, WALL_MS, WALL_MS - LATE_NS // 1_000_000 - 1, 0])
def test_a_wall_clock_that_was_set_meanwhile_dates_nothing(came_ms: int) -> None:
    assert arrived(NOW, came_ms * 1_000_000) == NOW
    assert arrived(NOW, None) == NOW
    unread = Instant("b", NOW.ns)
    assert arrived(unread, (WALL_MS - 700) * 1_000_000) == unread
