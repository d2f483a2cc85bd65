"""What is sent when, and that nothing is lost: brokers that lie or die, a backend that is away or restored."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Awaitable
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from agent.sync import samples, wire
from agent.sync.lane import AWAITED, Lane
from agent.sync.store import Fact, SampleRow
from agent.sync.uplink import WINDOW
from buffer import outbox
from drivers.errors import DeviceGone
from tests.uplink_bench import (  # noqa: F401 (fixtures)
    TOPIC,
    Bench,
    the_bench,
)

# --- order and window ------------------------------------------------------------------------------------------------


async def test_facts_first_then_the_newest_state_then_samples(bench: Bench) -> None:
    await bench.blobs(2)
    await bench.facts(60)
    await bench.start()
    assert bench.pipe.topics() == ["facts", "facts", "state", "samples", "samples"]
    assert bench.pipe.numbers() == list(range(1, 62))  # the columns fact and 60 more, at most 50 a message


async def test_at_most_eight_messages_are_on_their_way_and_a_puback_frees_one(bench: Bench) -> None:
    await bench.blobs(20)
    bench.pipe.prompt = False
    await bench.start()
    assert len(bench.pipe.sent) == WINDOW == 8
    bench.pipe.due.popleft().set_result(None)
    await bench.settle()
    assert len(bench.pipe.sent) == 9


async def test_batches_are_bounded_by_32_kib(bench: Bench) -> None:
    await bench.store.commit([Fact("plug", {"reading": "x" * 10_000}) for _ in range(10)])
    await bench.start()
    plain = [json.loads(wire.text(wire.unpack(payload))) for topic, payload, _ in bench.pipe.sent if "facts" in topic]
    assert [len(one["facts"]) for one in plain] == [3, 3, 3, 1]


async def test_samples_go_out_byte_identical_each_time(bench: Bench) -> None:
    await bench.blobs(1)
    await bench.start()
    await bench.advance(40)
    sent = [payload for topic, payload, _ in bench.pipe.sent if topic == TOPIC[wire.Kind.SAMPLES]]
    assert len(sent) == 2
    assert sent[0] == sent[1]
    assert samples.unseal(sent[0]) is not None


# --- until the backend has it ----------------------------------------------------------------------------------------


async def test_d10_a_puback_is_no_delivery_and_rows_are_sent_again_until_acknowledged(bench: Bench) -> None:
    """The lying broker: it acknowledges everything and delivers nothing."""
    await bench.facts(3)
    await bench.start()
    assert bench.pipe.numbers() == [1, 2, 3]
    await bench.advance(20)
    assert bench.pipe.numbers() == [1, 2, 3]
    await bench.advance(20)  # 30 s, give or take a fifth
    assert bench.pipe.numbers() == [1, 2, 3] * 2
    await bench.advance(40)
    assert bench.pipe.numbers() == [1, 2, 3] * 2  # now a minute
    await bench.advance(35)
    assert bench.pipe.numbers() == [1, 2, 3] * 3
    await bench.ack(3)
    await bench.advance(100)
    assert bench.pipe.numbers() == [1, 2, 3] * 3
    assert (await bench.store.pending()).facts == 0


async def test_only_what_is_missing_is_sent_again(bench: Bench) -> None:
    await bench.facts(6)
    await bench.start()
    await bench.ack(2, (5, 6))
    await bench.advance(40)
    assert bench.pipe.numbers() == [1, 2, 3, 4, 5, 6, 3, 4]


async def test_progress_starts_the_patience_anew(bench: Bench) -> None:
    await bench.facts(4)
    await bench.start()
    for upto in (1, 2, 3):
        await bench.advance(20)
        await bench.ack(upto)
    assert bench.pipe.numbers() == [1, 2, 3, 4]


async def test_every_reconnect_sends_again_what_is_open_and_the_state_at_once(bench: Bench) -> None:
    await bench.facts(2)
    await bench.start()
    await bench.ack(1)
    bench.pipe.connected = False
    bench.uplink.connection(False)
    await bench.facts(1)
    assert bench.pipe.topics() == ["facts", "state"]
    bench.pipe.connected = True
    bench.uplink.connection(True)
    await bench.settle()
    assert bench.pipe.topics() == ["facts", "state", "facts", "state"]
    assert bench.pipe.numbers() == [1, 2, 2, 3]


async def test_d10_a_backend_restored_from_yesterday_gets_it_all_again(bench: Bench) -> None:
    await bench.facts(5)
    await bench.start()
    await bench.ack(5)
    await bench.ack(1)
    assert bench.pipe.numbers() == [1, 2, 3, 4, 5, 2, 3, 4, 5]


async def test_a_connection_lost_with_messages_on_their_way_loses_nothing(bench: Bench) -> None:
    bench.pipe.prompt = False
    await bench.facts(2)
    await bench.start()
    bench.pipe.connected = False
    while bench.pipe.due:
        bench.pipe.due.popleft().set_exception(DeviceGone("lost", may_have_happened=True))
    bench.uplink.connection(False)
    await bench.settle()
    bench.pipe.connected = bench.pipe.prompt = True
    bench.uplink.connection(True)
    await bench.settle()
    assert bench.pipe.numbers() == [1, 2, 1, 2]
    assert bench.pipe.topics()[-1] == "state"


async def test_publishing_that_fails_at_once_is_no_busy_loop(bench: Bench) -> None:
    def refuse(topic: str, payload: bytes, *, retain: bool = False) -> Awaitable[None]:
        bench.pipe.sent.append((topic, payload, retain))
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        future.set_exception(DeviceGone("no"))
        return future

    bench.pipe.publish = refuse  # type: ignore[method-assign]
    await bench.facts(1)
    await bench.start()
    await bench.advance(10)
    assert 5 < len(bench.pipe.sent) < 50


async def test_a_backend_that_is_away_does_not_cost_the_whole_backlog_again_and_again(bench: Bench) -> None:
    await bench.blobs(AWAITED + 20)
    await bench.start()
    assert bench.pipe.topics().count("samples") == AWAITED
    await bench.ack(10, stream="samples")
    assert bench.pipe.topics().count("samples") == AWAITED + 10


async def test_d10_what_the_backend_took_out_of_order_frees_the_window_as_well(bench: Bench) -> None:
    """One lost message must not hold up all that comes after it."""
    await bench.blobs(AWAITED + 20)
    await bench.start()
    await bench.ack(0, (2, AWAITED), stream="samples")
    assert bench.pipe.topics().count("samples") == AWAITED + 20


async def test_the_oldest_message_is_sent_again_although_the_backend_gets_on_with_the_others(bench: Bench) -> None:
    await bench.facts(1)
    await bench.start()
    for number in range(2, 8):
        await bench.facts(1)
        await bench.advance(7)
        await bench.ack(0, (2, number))
    assert bench.pipe.numbers().count(1) == 2


async def test_what_a_later_word_of_the_backend_lacks_is_sent_again(bench: Bench) -> None:
    for _ in range(3):
        await bench.facts(1)
    await bench.start()
    await bench.ack(2, (3, 3))
    await bench.advance(40)
    assert bench.pipe.numbers() == [1, 2, 3]
    await bench.ack(2)
    await bench.advance(40)
    assert bench.pipe.numbers() == [1, 2, 3, 3]


async def test_a_new_stream_after_a_broken_database_is_sent_from_its_first_number(bench: Bench, tmp_path: Path) -> None:
    await bench.facts(3)
    await bench.start()
    (tmp_path / "buffer.db").unlink()
    await bench.facts(1)
    assert bench.pipe.numbers() == [1, 2, 3, 1, 2, 3]  # boot, alarm and the fact, in the new stream
    streams = {json.loads(wire.text(wire.unpack(p)))["stream"] for t, p, _ in bench.pipe.sent if "facts" in t}
    assert len(streams) == 2


async def test_nothing_is_sent_that_is_not_committed(bench: Bench) -> None:
    await bench.store.use_columns(["a"], [1.0], [""])
    await bench.start()
    bench.store.sample(SampleRow(bench.clock.now(), None, (1.0,)))
    await bench.advance(5)
    assert "samples" not in bench.pipe.topics()


# --- state and results -----------------------------------------------------------------------------------------------


async def states(bench: Bench) -> list[dict[str, object]]:
    found = [wire.unpack(payload) for topic, payload, retain in bench.pipe.sent if topic == TOPIC[wire.Kind.STATE]]
    return [one for one in found if one is not None]


async def test_state_is_retained_periodic_and_prompt_on_change(bench: Bench) -> None:
    await bench.facts(2)
    await bench.start()
    bench.fields["soc"] = 70.5  # waits for its turn
    await bench.advance(10)
    assert len(await states(bench)) == 1
    bench.fields["locked"] = "no"
    await bench.advance(1)
    assert [one["locked"] for one in await states(bench)] == ["yes", "no"]
    await bench.advance(31)
    sent = await states(bench)
    assert len(sent) == 3
    assert sent[0]["online"] is True
    assert sent[0]["pending"] == {"facts": 2, "samples": 0}
    assert (sent[0]["facts"], sent[0]["samples"]) == (2, 0)
    assert all(retain for topic, _, retain in bench.pipe.sent if topic == TOPIC[wire.Kind.STATE])


async def test_each_state_asks_for_the_time_anew_and_only_a_state_uses_a_question_up(bench: Bench) -> None:
    bench.asked = [b"\x01", b"\x02"]
    await bench.start()
    await bench.facts(3)
    assert [it["time_question"] for it in await states(bench)] == ["01"]
    await bench.advance(31)
    await bench.advance(31)
    assert [it["time_question"] for it in await states(bench)] == ["01", "02", None]


async def test_a_result_is_not_retained_and_comes_again_when_its_connection_was_lost(bench: Bench) -> None:
    await bench.start()
    bench.pipe.prompt = False
    bench.uplink.result("00" * 16, "done", "read back", 7)
    await bench.settle()
    bench.pipe.due.popleft().set_exception(DeviceGone("lost"))
    bench.pipe.prompt = True
    await bench.advance(2)
    sent = [(wire.unpack(p), r) for t, p, r in bench.pipe.sent if t == TOPIC[wire.Kind.RESULT]]
    assert len(sent) == 2
    assert sent[0] == sent[1]
    assert sent[0][1] is False
    assert sent[0][0] is not None
    assert sent[0][0]["result"] == {"code": "done", "why": "read back"}


# --- the lane, pure --------------------------------------------------------------------------------------------------


def test_patience_doubles_to_ten_minutes_with_jitter() -> None:
    lane, now, waits = Lane(random.Random("x")), 0, []
    for _ in range(8):
        lane.sent([1], now)
        waits.append((lane.resend_at_ns - now) / 1e9)
        now = lane.resend_at_ns
        assert lane.overdue(now)
    for wait, nominal in zip(waits, (30, 60, 120, 240, 480, 600, 600, 600), strict=True):
        assert 0.8 * nominal <= wait <= 1.2 * nominal
    assert len({round(wait / nominal, 3) for wait, nominal in zip(waits[5:], (600,) * 3, strict=True)}) == 3


def test_patience_runs_only_while_something_is_awaited() -> None:
    lane = Lane(random.Random("x"))
    assert not lane.overdue(10**18)
    lane.sent([5], 0)
    lane.acknowledged([(1, 5)], False, 1)
    assert not lane.overdue(10**18)


@given(st.sets(st.integers(1, 40)), st.integers(1, 7))
def test_a_lane_awaits_what_was_sent_and_the_backend_does_not_have(have: set[int], size: int) -> None:
    lane = Lane(random.Random("x"))
    for first in range(1, 41, size):
        lane.sent(range(first, min(first + size, 41)), 0)
    lane.acknowledged(outbox.merged((n, n) for n in have), False, 1)
    assert [n for batch in lane.awaited for n in batch] == [n for n in range(1, 41) if n not in have]
    assert all(lane.awaited), "a batch of which nothing is awaited takes no place"
