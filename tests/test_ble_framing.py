"""Messages from phones, as pure code: every cut of every message, any bytes whatever, three links and their turns."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from drivers.ble import framing, links
from drivers.ble.framing import ABANDON_NS, HEADER_BYTES, MAX_BODY, MAX_WRITE, Assembler, message
from drivers.ble.links import MAX_LINKS, MAX_UNREAD, MAX_WAITING, QUIET_NS, Links
from drivers.phones import LinkClosed, LinkOpened, PhoneMessage
from drivers.ports import Instant
from tests.fakes.clock import BOOT

PHONE, OTHER, THIRD, FOURTH = (f"/org/bluez/hci0/dev_{n}" for n in range(4))
bodies = st.binary(max_size=MAX_BODY)
messages = st.lists(st.tuples(st.integers(1, 255), bodies), min_size=1, max_size=5)


def at(seconds: float = 0) -> Instant:
    return Instant(BOOT, int(seconds * 1e9))


def assembler() -> Assembler:
    return Assembler(dict.fromkeys(framing.COUNTERS, 0))


def everything(known: Links) -> list:
    return list(iter(known.next_event, None))


def test_the_bytes_on_the_page_of_the_specification() -> None:
    assert message(2, b"token").hex() == "000502" + b"token".hex()
    assert message(255, b"").hex() == "0000ff"
    assert len(message(1, bytes(1024))) == 1027


@pytest.mark.parametrize(("kind", "body"), [(0, b""), (256, b""), (-1, b""), (1, bytes(1025))])
def test_we_send_no_message_that_we_would_not_take(kind: int, body: bytes) -> None:
    with pytest.raises(ValueError, match="no message"):
        message(kind, body)


@given(messages, st.data())
def test_every_cut_of_every_stream_gives_the_same_messages(sent, data) -> None:
    stream = b"".join(message(kind, body) for kind, body in sent)
    found, reader = [], assembler()
    while stream:
        cut = data.draw(st.integers(1, min(len(stream), MAX_WRITE)))
        found += reader.feed(stream[:cut], 0)
        stream = stream[cut:]
    assert found == sent
    assert reader.held == 0


@pytest.mark.parametrize("size", [1, 2, 3, 20, 182, 244, 509, 512])
def test_each_size_of_write_that_a_phone_may_have(size: int) -> None:
    sent = [(2, bytes(range(205))), (3, bytes(116)), (9, b""), (4, bytes(MAX_BODY))]
    stream = b"".join(message(kind, body) for kind, body in sent)
    reader = assembler()
    found = [item for start in range(0, len(stream), size) for item in reader.feed(stream[start : start + size], 0)]
    assert found == sent


@given(st.lists(st.tuples(st.binary(max_size=600), st.integers(0, 2 * ABANDON_NS)), max_size=40), messages)
@example([(b"\xff" * 512, 0)] * 40, [(1, b"")])
@example([(b"\x04\x00\x01", 0)], [(1, b"x")])
def test_any_bytes_leave_bounded_memory_and_a_link_that_can_be_used_again(junk, sent) -> None:
    reader, now = assembler(), 0
    for data, pause in junk:
        now += pause
        reader.feed(data, now)
        assert reader.held < HEADER_BYTES + MAX_BODY
    now += ABANDON_NS + 1
    stream = b"".join(message(kind, body) for kind, body in sent)
    found = []
    for start in range(0, len(stream), MAX_WRITE):
        found += reader.feed(stream[start : start + MAX_WRITE], now)
    assert found == sent


@pytest.mark.parametrize("junk", [b"\x00\x00\x00rest", b"\x04\x01\x01rest", b"\xff\xff\xff"])
def test_junk_costs_its_own_write_and_what_it_fell_into(junk: bytes) -> None:
    counters = dict.fromkeys(framing.COUNTERS, 0)
    reader = Assembler(counters)
    assert reader.feed(message(1, b"before") + junk, 0) == [(1, b"before")]
    assert (counters["junk_writes"], counters["junk_bytes"]) == (1, len(junk))
    assert reader.feed(message(1, b"after"), 0) == [(1, b"after")]


@pytest.mark.parametrize("size", [0, MAX_WRITE + 1])
def test_a_write_that_no_phone_can_make_spoils_what_was_begun(size: int) -> None:
    reader = assembler()
    reader.feed(b"\x00", 0)
    assert reader.feed(bytes(size), 0) == []
    assert reader.held == 0


def test_junk_inside_a_message_is_part_of_it_and_bytes_after_it_are_the_next_one() -> None:
    reader = assembler()
    assert reader.feed(message(1, b"\x00" * 9) + b"\x00", 0) == [(1, b"\x00" * 9)]
    assert reader.held == 1


def test_a_begun_message_is_dropped_after_five_seconds_without_a_byte_and_not_before() -> None:
    counters = dict.fromkeys(framing.COUNTERS, 0)
    reader = Assembler(counters)
    begun = message(1, b"abcdef")
    assert reader.feed(begun[:5], 0) == []
    assert reader.feed(begun[5:6], ABANDON_NS) == []
    assert reader.feed(begun[6:], 2 * ABANDON_NS) == [(1, b"abcdef")]
    reader.feed(begun[:5], 0)
    assert reader.feed(begun, ABANDON_NS + 1) == [(1, b"abcdef")]
    assert counters["abandoned"] == 1


def test_a_link_tells_its_beginning_first_its_end_once_and_its_number_never_comes_again() -> None:
    known = Links()
    assert known.open(PHONE, at(1))
    known.write(PHONE, message(1, b"a"), at(2))
    assert everything(known) == [LinkOpened(1, at(1)), PhoneMessage(1, 1, b"a", at(2))]
    known.write(PHONE, message(1, b"lost with the link"), at(3))
    known.close(PHONE)
    known.close(PHONE)
    assert known.open(PHONE, at(4))
    assert everything(known) == [LinkClosed(1), LinkOpened(2, at(4))]
    known.close_all()
    assert everything(known) == [LinkClosed(2)]


def test_a_link_that_came_and_went_unseen_is_not_told_at_all() -> None:
    known = Links()
    for _ in range(1000):
        assert known.open(PHONE, at())
        known.close(PHONE)
    assert everything(known) == []


def test_a_fourth_phone_has_no_place_until_one_of_the_three_leaves() -> None:
    known = Links()
    assert [known.open(device, at()) for device in (PHONE, OTHER, THIRD, FOURTH)] == [True, True, True, False]
    assert known.counters["no_place"] == 1
    assert known.open(PHONE, at())
    known.close(OTHER)
    assert known.open(FOURTH, at())
    assert len(known) == MAX_LINKS


def test_who_writes_a_lot_waits_as_long_as_everybody_else() -> None:
    known = Links()
    for device in (PHONE, OTHER, THIRD):
        known.open(device, at())
    for _ in range(MAX_WAITING):
        assert known.write(PHONE, message(7, b"flood"), at())
    assert not known.write(PHONE, message(7, b"one too many"), at())
    everything_before = [known.next_event() for _ in range(MAX_LINKS + 1)]
    assert everything_before[-1] == PhoneMessage(1, 7, b"flood", at())
    known.write(OTHER, message(2, b"token") + message(3, b"command"), at())
    known.write(PHONE, message(7, b"flood"), at())
    assert [event.kind for event in everything(known)] == [2, 7, 3, 7, 7, 7]
    assert known.counters["too_many"] == 1


def test_a_write_with_more_messages_than_there_is_room_for_keeps_the_first_ones() -> None:
    known = Links()
    known.open(PHONE, at())
    assert known.write(PHONE, message(1, b"") * 100, at())
    assert len(everything(known)) == 1 + MAX_WAITING
    assert known.counters["dropped"] == 100 - MAX_WAITING


def test_an_answer_is_read_in_pieces_by_its_own_phone_alone() -> None:
    known = Links()
    known.open(PHONE, at())
    known.open(OTHER, at())
    assert known.read(PHONE, 0, 21) is None
    assert known.answer(1, 4, b"x" * 30) == PHONE
    first = known.read(PHONE, 0, 21)
    assert known.read(OTHER, 0, 21) is None
    assert known.read(PHONE, 19, 512) == first[19:]  # what a controller cut off is asked for by its offset
    assert known.read(PHONE, 400, 512) == b""
    assert first + known.read(PHONE, 0, 21) == message(4, b"x" * 30)
    assert known.read(PHONE, 0, 21) is None


def test_an_answer_for_nobody_and_one_that_nobody_fetches() -> None:
    known = Links()
    assert known.answer(1, 4, b"") is None
    known.open(PHONE, at())
    assert [known.answer(1, 4, bytes(MAX_BODY)) for _ in range(5)] == [PHONE] * 4 + [None]
    assert known.counters["unread_full"] == 1
    with pytest.raises(ValueError, match="no message"):
        known.answer(1, 0, b"")


def test_a_link_with_no_whole_message_for_a_minute_gives_its_place_away() -> None:
    known = Links()
    known.open(PHONE, at(0))
    known.open(OTHER, at(0))
    known.write(PHONE, b"\x00", at(59))  # dripping bytes is not speaking
    known.write(OTHER, message(1, b""), at(59))
    everything(known)
    assert known.quiet(QUIET_NS) == []
    assert known.quiet(QUIET_NS + 1) == [PHONE]
    assert everything(known) == [LinkClosed(1)]
    assert known.counters["quiet"] == 1


devices = st.sampled_from([PHONE, OTHER, THIRD, FOURTH])
steps = st.one_of(
    st.tuples(st.just("write"), devices, st.one_of(st.binary(max_size=600), st.builds(message, st.integers(1, 255), st.binary(max_size=300)))),  # noqa: E501
    st.tuples(st.just("read"), devices, st.integers(0, 600)),
    st.tuples(st.just("answer"), st.integers(0, 12), bodies),
    st.tuples(st.just("close"), devices, st.none()),
    st.tuples(st.just("take"), st.none(), st.none()),
)  # fmt: skip


@settings(max_examples=200)
@given(st.lists(st.tuples(steps, st.integers(0, 30_000_000_000)), max_size=80))
def test_whatever_comes_in_whatever_order_the_books_stay_small_and_straight(story) -> None:
    known, now, told = Links(), 0, set()
    for (verb, first, second), pause in story:
        now += pause
        known.quiet(now)
        moment = Instant(BOOT, now)
        if verb in ("write", "read") and known.open(first, moment):
            known.write(first, second, moment) if verb == "write" else known.read(first, second, 21)
        elif verb == "answer":
            known.answer(first, 4, second)
        elif verb == "close":
            known.close(first)
        elif verb == "take":
            match known.next_event():
                case LinkOpened(link=link):
                    assert link not in told
                    told.add(link)
                case LinkClosed(link=link):
                    told.remove(link)
                case PhoneMessage(link=link, kind=kind, body=body):
                    assert link in told
                    assert 0 < kind < 256
                    assert len(body) <= MAX_BODY
        assert len(known) <= MAX_LINKS
        assert len(known._gone) <= MAX_LINKS
        for link in known._links.values():
            assert link.assembler.held < HEADER_BYTES + MAX_BODY
            assert len(link.waiting) <= MAX_WAITING
            assert len(link.unread) <= MAX_UNREAD
    assert set(known.counters) == set(links.COUNTERS)
