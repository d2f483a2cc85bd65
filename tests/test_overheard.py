"""Diagnostics overheard in a recording: any payload, any mixture, any cut; nothing is invented."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from config.car import Phase, Poll
from drivers.can.overheard import Overheard
from drivers.ports import Frame, Instant

MS = 1_000_000


def poll(name: str, request: int, reply: int, ask: str) -> Poll:
    return Poll(name, request, reply, bytes.fromhex(ask), {Phase.DRIVING: 10.0}, 0.5, name)


LBC = poll("battery", 0x79B, 0x7BB, "2101")
CELLS = poll("cells", 0x79B, 0x7BB, "2103")
WIDE = poll("wide", 0x18DADBF1, 0x18DAF1DB, "229012")
POLLS = (LBC, CELLS, WIDE)


def frame(can_id: int, data: bytes | str, at_ms: float = 0) -> Frame:
    raw = bytes.fromhex(data) if isinstance(data, str) else data
    return Frame(can_id, can_id > 0x7FF, raw, Instant("", round(at_ms * MS)))


def isotp(can_id: int, payload: bytes, at_ms: float = 0, gap_ms: float = 2.5, pad: int = 0xFF) -> list[Frame]:
    """As a car cuts a payload into frames."""
    if len(payload) <= 7:
        return [frame(can_id, (bytes([len(payload)]) + payload).ljust(8, bytes([pad])), at_ms)]
    parts = [bytes([0x10 | len(payload) >> 8, len(payload) & 0xFF]) + payload[:6]]
    for number, start in enumerate(range(6, len(payload), 7), 1):
        parts.append((bytes([0x20 | number & 0x0F]) + payload[start : start + 7]).ljust(8, bytes([pad])))
    return [frame(can_id, part, at_ms + number * gap_ms) for number, part in enumerate(parts)]


def hear(frames: list[Frame], overheard: Overheard | None = None) -> list[tuple[str, bytes]]:
    overheard = overheard or Overheard(POLLS)
    found = (overheard.frame(one) for one in frames)
    return [(answer[0].name, answer[1]) for answer in found if answer is not None]


def exchange(asked: Poll, data: bytes, at_ms: float = 0) -> list[Frame]:
    reply = bytes([asked.payload[0] + 0x40]) + asked.payload[1:] + data
    return [*isotp(asked.request_id, asked.payload, at_ms), *isotp(asked.reply_id, reply, at_ms + 18)]


@example(data=bytes(range(256)) * 15, asked=LBC, pad=0x00)  # the sequence number comes round many times
@given(data=st.binary(max_size=4092), asked=st.sampled_from(POLLS), pad=st.sampled_from([0x00, 0xAA, 0xFF]))
def test_any_payload_comes_whole(data: bytes, asked: Poll, pad: int) -> None:
    reply = bytes([asked.payload[0] + 0x40]) + asked.payload[1:] + data
    frames = isotp(asked.request_id, asked.payload) + isotp(asked.reply_id, reply, 18, 0.1, pad)
    assert hear(frames) == [(asked.name, reply)]


@given(data=st.data(), one=st.binary(max_size=300), other=st.binary(max_size=300))
def test_two_units_in_any_mixture_are_heard_apart(data: st.DataObject, one: bytes, other: bytes) -> None:
    queues = [exchange(LBC, one), exchange(WIDE, other)]
    mixed: list[Frame] = []
    while any(queues):
        queue = data.draw(st.sampled_from([queue for queue in queues if queue]))
        mixed.append(queue.pop(0))
    assert dict(hear(mixed)) == {"battery": b"\x61\x01" + one, "wide": b"\x62\x90\x12" + other}


@given(payload=st.binary(min_size=6, max_size=300), at=st.data())
def test_a_log_that_begins_or_ends_anywhere_gives_all_or_nothing(payload: bytes, at: st.DataObject) -> None:
    frames = exchange(LBC, payload)
    first, last = sorted(at.draw(st.tuples(*[st.integers(0, len(frames))] * 2)))
    found = hear(frames[first:last])
    assert found == ([("battery", b"\x61\x01" + payload)] if last - first == len(frames) else [])


@given(payload=st.binary(min_size=6, max_size=300), at=st.data())
def test_a_frame_lost_doubled_or_out_of_turn_drops_the_answer(payload: bytes, at: st.DataObject) -> None:
    """A doubled last frame is the exception: the answer was whole before it."""
    frames = exchange(LBC, payload)
    number = at.draw(st.integers(2, len(frames) - 1))
    how = at.draw(st.sampled_from(["lost", "doubled"]))
    frames[number : number + 1] = [] if how == "lost" else [frames[number]] * 2
    overheard = Overheard(POLLS)
    whole = how == "doubled" and number == len(frames) - 2
    assert hear(frames, overheard) == ([("battery", b"\x61\x01" + payload)] if whole else [])
    assert overheard.counters()["broken"] >= (how == "doubled" or number < len(frames))


bus = st.lists(
    st.builds(
        frame,
        st.sampled_from([0x79B, 0x7BB, 0x18DADBF1, 0x18DAF1DB, 0x123]),
        st.one_of(
            st.binary(max_size=8),
            st.sampled_from([
                bytes.fromhex(text)
                for text in ("022101FFFFFFFFFF", "02210300", "0322901200", "036101AA", "100A6101AABBCCDD", "21EEFF0011",
                             "30", "037F2178", "037F2112", "0462901201", "2200", "0221")
            ]),
        ),
        st.integers(0, 9_000),
    ),
    max_size=40,
)  # fmt: skip


@settings(max_examples=300)
@given(frames=bus)
def test_any_frames_never_raise_and_invent_nothing(frames: list[Frame]) -> None:
    """Each answer repeats a question that was asked before it, and its bytes were on the bus."""
    overheard = Overheard(POLLS)
    asked: set[bytes] = set()
    said = b""
    for one in frames:
        answer = overheard.frame(one)
        said += one.data[1:] if one.can_id in (0x7BB, 0x18DAF1DB) else b""
        asked |= {one.data[1 : 1 + one.data[0]]} if one.data[:1] < b"\x08" and one.data else set()
        if answer is not None:
            told, payload = answer
            assert told.payload in asked
            assert payload[0] == told.payload[0] + 0x40
            assert all(byte in said for byte in payload[:7])


def test_block_size_one_and_flow_control_change_nothing() -> None:
    """As recorded: the tester lets through one frame at a time."""
    question, *reply = exchange(LBC, bytes(range(40)))
    flow = frame(0x79B, "300100FFFFFFFFFF")
    frames = [question, *(one for part in reply for one in (part, flow))]
    overheard = Overheard(POLLS)
    assert hear(frames, overheard) == [("battery", b"\x61\x01" + bytes(range(40)))]
    assert overheard.counters() == {
        "questions": 1, "answers": 1, "negative": 0, "pending": 0, "foreign": 0, "broken": 0,
    }  # fmt: skip


def test_refusals_and_waiting_are_counted_and_the_answer_after_waiting_counts() -> None:
    overheard = Overheard(POLLS)
    frames = [
        frame(0x79B, "022101"), frame(0x7BB, "037F2112", 18),
        frame(0x79B, "022103", 1000), frame(0x7BB, "037F2178", 1018), frame(0x7BB, "037F2178", 5000),
        *isotp(0x7BB, b"\x61\x03\x01", 9000), frame(0x7BB, "036103FF", 9100),
    ]  # fmt: skip
    assert hear(frames, overheard) == [("cells", b"\x61\x03\x01")]
    counted = overheard.counters()
    assert (counted["negative"], counted["pending"], counted["foreign"]) == (1, 2, 1)


def test_what_another_tester_asks_on_the_same_ids_is_not_ours() -> None:
    """A tester-present as in a recording, an identifier that is not polled, and two identifiers in one question."""
    overheard = Overheard((*POLLS, poll("one", 0x7E4, 0x7EC, "222002")))
    frames = [
        frame(0x7E4, "023E01"), frame(0x7EC, "017E"),
        frame(0x79B, "022104"), *isotp(0x7BB, b"\x61\x04" + bytes(30), 18),
        frame(0x7E4, "0522200220030000"), *isotp(0x7EC, bytes.fromhex("622002112220030000"), 40),
        *isotp(0x7BB, b"\x61\x01" + bytes(30), 200),
    ]  # fmt: skip
    assert hear(frames, overheard) == []
    assert overheard.counters()["foreign"] == 4


def test_both_testers_get_their_own_answer() -> None:
    overheard = Overheard(POLLS)
    frames = [frame(0x79B, "022101"), frame(0x79B, "022104", 5)]
    frames += [*isotp(0x7BB, b"\x61\x01\x07", 20), *isotp(0x7BB, b"\x61\x04\x08", 30)]
    assert hear(frames, overheard) == [("battery", b"\x61\x01\x07")]


@pytest.mark.parametrize(("late_ms", "heard"), [(4_900, True), (5_100, False)])
def test_an_answer_that_comes_too_late_answers_nothing(late_ms: int, heard: bool) -> None:
    assert bool(hear([frame(0x79B, "022101"), frame(0x7BB, "036101AA", late_ms)])) is heard


@pytest.mark.parametrize(("gap_ms", "heard"), [(990, True), (1_010, False)])
def test_a_next_frame_that_comes_too_late_drops_the_answer(gap_ms: int, heard: bool) -> None:
    question, *reply = exchange(LBC, bytes(8))
    late = [frame(0x7BB, one.data, 18 + number * gap_ms) for number, one in enumerate(reply)]
    assert bool(hear([question, *late])) is heard


@pytest.mark.parametrize("short", [1, 2, 3])
def test_a_frame_too_short_for_its_place_drops_the_answer(short: int) -> None:
    """What follows would be shifted, and padding taken for data."""
    frames = exchange(LBC, bytes(range(1, 30)))
    frames[2] = frame(0x7BB, frames[2].data[:-short], 20)
    overheard = Overheard(POLLS)
    assert hear(frames, overheard) == []
    assert overheard.counters()["broken"] >= 1


def test_a_last_frame_without_padding_is_as_good() -> None:
    frames = exchange(LBC, bytes(range(8)))
    frames[-1] = frame(0x7BB, frames[-1].data[:5], 21)
    assert hear(frames) == [("battery", b"\x61\x01" + bytes(range(8)))]


def test_a_frame_of_the_other_width_is_another_frame() -> None:
    asked = frame(0x79B, "022101")
    reply = Frame(0x7BB, True, bytes.fromhex("036101AA"), Instant("", 1))
    assert hear([asked, reply]) == []
