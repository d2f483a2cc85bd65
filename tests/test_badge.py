"""Badge reader and keypad: pure frames first, then the real reader on a pty."""

from __future__ import annotations

import asyncio
from functools import reduce
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.credentials import SunTap
from drivers.errors import DeviceGone
from drivers.ports import BadgeTap, CodeEntered, Feedback, Instant, Reason
from drivers.reader.badge import Decoder, Reader
from hil.badges import frame
from tests.serial_bench import BOOT, Socket, StepClock, until

UID = bytes.fromhex("1A00ABCDEF")
OTHER = bytes.fromhex("0102030405")


def at(seconds: float) -> Instant:
    return Instant(BOOT, int(seconds * 1e9))


def badge(uid: bytes, spoil: int = 0) -> bytes:
    check = reduce(lambda a, b: a ^ b, uid) ^ spoil
    return b"\x02" + (uid + bytes((check,))).hex().upper().encode() + b"\x03"


READING = bytes(range(24))


def taps(found) -> list[bytes]:
    return [item.uid for item in found if isinstance(item, BadgeTap)]


def codes(found) -> list[str]:
    return [item.digits for item in found if isinstance(item, CodeEntered)]


def test_d17_a_published_frame_gives_its_uid() -> None:
    # 62 E3 08 6C ED, checksum 08: the worked example in the data sheet of the RDM630 reader
    assert Decoder().feed(b"\x0262E3086CED08\x03", at(1)) == [BadgeTap(bytes.fromhex("62E3086CED"), at(1))]


def test_a_wrong_checksum_is_counted_and_gives_nothing() -> None:
    decoder = Decoder()
    assert decoder.feed(badge(UID, spoil=1), at(1)) == []
    assert decoder.counters["bad_checksum"] == 1
    assert taps(decoder.feed(badge(UID), at(1.1))) == [UID]  # and does not count as having seen the badge


@pytest.mark.parametrize(
    "broken",
    [b"\x02", b"\x021A00", b"\x021A00ABCDEF83", b"\x021A00\x03", b"\x021A00ABCDEF8300\x03", b"\x02ZZ00ABCDEF83\x03"],
)
def test_a_broken_frame_costs_only_itself(broken) -> None:
    decoder = Decoder()
    assert taps(decoder.feed(broken + badge(UID), at(1))) == [UID]
    assert decoder.counters["broken_frame"] >= 1


def test_the_rest_of_a_half_frame_never_comes_so_a_code_after_it_is_a_code() -> None:
    decoder = Decoder()
    assert decoder.feed(b"\x021A00", at(1)) == []
    assert codes(decoder.feed(b"12345678#", at(3))) == ["12345678"]
    assert decoder.counters["broken_frame"] == 1


def test_repeats_within_two_seconds_are_one_tap() -> None:
    decoder = Decoder()
    assert taps(decoder.feed(badge(UID) * 2, at(1))) == [UID]
    assert taps(decoder.feed(badge(UID), at(2.99))) == []
    assert decoder.counters["repeats"] == 2


def test_a_badge_left_on_the_reader_stays_one_tap_however_long() -> None:
    decoder = Decoder()
    found = [tap for tenth in range(300) for tap in taps(decoder.feed(badge(UID), at(tenth / 10)))]
    assert found == [UID]
    assert taps(decoder.feed(badge(UID), at(32))) == [UID]


def test_another_badge_is_not_a_repeat_and_does_not_hide_the_first() -> None:
    decoder = Decoder()
    assert taps(decoder.feed(badge(UID) + badge(OTHER) + badge(UID), at(1))) == [UID, OTHER]


def test_r11_a_code_ends_with_hash_and_clears_with_star() -> None:
    decoder = Decoder()
    assert codes(decoder.feed(b"99*12345678#", at(1))) == ["12345678"]
    assert codes(decoder.feed(b"##*#", at(2))) == []


def test_a_code_of_16_digits_is_the_longest() -> None:
    decoder = Decoder()
    assert codes(decoder.feed(b"1" * 16 + b"#", at(1))) == ["1" * 16]
    assert codes(decoder.feed(b"1" * 17 + b"#" + b"22#", at(2))) == ["22"]
    assert decoder.counters["too_long_code"] == 1


def test_a_code_comes_digit_by_digit_and_an_abandoned_one_is_forgotten() -> None:
    decoder = Decoder()
    for second, key in enumerate(b"1234"):
        assert decoder.feed(bytes((key,)), at(second)) == []
    assert codes(decoder.feed(b"#", at(5))) == ["1234"]
    decoder.feed(b"12", at(10))
    assert codes(decoder.feed(b"55555555#", at(21))) == ["55555555"]
    assert decoder.counters["abandoned_code"] == 1


def test_a_flood_is_limited_and_the_limit_recovers() -> None:
    decoder = Decoder()
    assert len(codes(decoder.feed(b"1#" * 1000, at(1)))) == 5
    assert decoder.counters["limited"] == 995
    assert len(codes(decoder.feed(b"1#" * 1000, at(3)))) == 2
    assert len(codes(decoder.feed(b"1#" * 1000, at(1000)))) == 5


def test_r11_a_flood_of_codes_does_not_close_the_badge_reader() -> None:
    decoder = Decoder()
    found = decoder.feed(b"1#" * 1000 + badge(UID), at(1))
    assert taps(found) == [UID]


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_arbitrary_bytes_never_raise_and_memory_stays_bounded(data: bytes) -> None:
    decoder = Decoder()
    for item in decoder.feed(data, at(1)):
        match item:
            case BadgeTap(uid, _):
                assert len(uid) == 5
            case SunTap(message, _):
                assert len(message) == 24
            case CodeEntered(digits, _):
                assert 1 <= len(digits) <= 16
    assert len(decoder._frame or b"") <= 50
    assert len(decoder._code) <= 16
    assert len(decoder._seen) <= 8


pieces = st.lists(
    st.one_of(
        st.binary(max_size=4),
        st.binary(min_size=5, max_size=5).map(badge),
        st.text("0123456789*#", max_size=20).map(str.encode),
        st.just(badge(UID)[:7]),
        st.binary(min_size=24, max_size=24).map(frame),
        st.just(frame(READING)[:-1]),
    ),
    max_size=12,
).map(b"".join)


@settings(deadline=None)
@given(pieces, st.lists(st.integers(0, 200), max_size=8))
def test_any_split_of_the_stream_gives_the_same(data: bytes, cuts: list[int]) -> None:
    whole, split = Decoder(), Decoder()
    expected = whole.feed(data, at(1))
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    found = [
        item for start, end in pairwise(edges) for item in split.feed(data[start:end], at(1))
    ]
    assert found == expected
    assert split.counters == whole.counters


# --- badges that prove themselves


def proofs(found) -> list[bytes]:
    return [item.message for item in found if isinstance(item, SunTap)]


def test_a_reading_of_24_bytes_comes_through_as_it_is() -> None:
    decoder = Decoder()
    assert decoder.feed(frame(READING), at(1)) == [SunTap(READING, at(1))]
    assert decoder.counters["sun_badges"] == 1


def test_a_reading_with_a_wrong_checksum_or_another_length_costs_only_itself() -> None:
    decoder = Decoder()
    broken = frame(READING).replace(b"00", b"01", 1)
    assert decoder.feed(broken + frame(READING[:-1]) + frame(READING + b"x"), at(1)) == []
    assert decoder.counters["bad_checksum"] == 1
    assert decoder.counters["broken_frame"] == 2
    assert proofs(decoder.feed(frame(READING), at(1))) == [READING]


def test_a_badge_that_stays_writes_other_readings_and_is_one_tap() -> None:
    decoder = Decoder()
    found = [
        one for tenth in range(100) for one in proofs(decoder.feed(frame(bytes([tenth]) * 24), at(1 + tenth / 10)))
    ]
    assert found == [bytes(24)]
    assert decoder.counters["repeats"] == 99
    assert proofs(decoder.feed(frame(READING), at(13))) == [READING]


def test_a_flood_of_readings_closes_neither_badges_nor_codes() -> None:
    decoder = Decoder()
    found = decoder.feed(frame(READING) * 1000 + badge(UID) + b"12345678#", at(1))
    assert (proofs(found), taps(found), codes(found)) == ([READING], [UID], ["12345678"])


# --- the real reader on a pty ----------------------------------------------------------------------------------------


@pytest.fixture
def wall(tmp_path):
    wall = Socket(tmp_path / "reader")
    wall.plug()
    yield wall
    wall.unplug()


async def test_taps_and_codes_arrive_with_their_instant_and_answers_go_back(wall) -> None:
    clock = StepClock()
    reader = Reader(wall.device, 9600, clock)
    tap = asyncio.create_task(reader.next_presented())
    await until(lambda: reader.plugged)
    await wall.send(badge(UID)[:5])
    await wall.send(badge(UID)[5:])
    assert await tap == BadgeTap(UID, clock.now())
    clock.advance(1)
    await wall.send(b"12345678#")
    assert await reader.next_presented() == CodeEntered("12345678", clock.now())
    await wall.send(frame(READING)[:20])
    await wall.send(frame(READING)[20:])
    assert await reader.next_presented() == SunTap(READING, clock.now())
    for feedback in Feedback:
        reader.show(feedback)
    assert wall.received() == b"O\nP\nE\nR\nU\n"
    for reason in Reason:
        reader.show(Feedback.REFUSED, [reason])
    assert wall.received() == b"R\nW\nR\nB\nR\nN\nR\nK\nR\nT\nR\nM\nR\nI\nR\nD\nR\nH\n"
    reader.show(Feedback.REFUSED, (Reason.NOT_ENDED, Reason.DOOR_OPEN, Reason.KEY_MISSING))
    assert wall.received() == b"R\nN\nD\nH\n"
    assert reader.counters()["mute"] == 0
    reader.close()


async def test_unplug_and_replug_survive_and_a_half_frame_is_forgotten(wall) -> None:
    clock = StepClock()
    reader = Reader(wall.device, 9600, clock)
    tap = asyncio.create_task(reader.next_presented())
    await until(lambda: reader.plugged)
    await wall.send(badge(OTHER)[:9])
    await until(lambda: reader._decoder._frame is not None)
    wall.unplug()
    await until(lambda: not reader.plugged)
    reader.show(Feedback.REFUSED)  # nobody sees it; nothing is raised
    wall.plug()
    await until(lambda: reader.plugged)
    await wall.send(badge(UID))
    assert (await tap).uid == UID
    counters = reader.counters()
    assert (counters["opened"], counters["lost"], counters["mute"]) == (2, 1, 1)
    reader.close()


async def test_close_ends_a_waiting_reader(wall) -> None:
    reader = Reader(wall.device, 9600, StepClock())
    tap = asyncio.create_task(reader.next_presented())
    await until(lambda: reader.plugged)
    reader.close()
    with pytest.raises(DeviceGone):
        await tap
    assert not reader.plugged
