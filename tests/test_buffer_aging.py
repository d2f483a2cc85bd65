"""What goes for the sake of people, on real files: by age, by booking, all of it."""

from __future__ import annotations

import asyncio
import functools
import json
from collections.abc import Callable

import pytest

from agent.sync import facts, forms, holdings, samples, tags
from agent.sync.disk import Disk
from agent.sync.holdings import Keep
from agent.sync.keeping import DAY_MS
from agent.sync.record import Columns, When
from agent.sync.store import SampleRow
from buffer import aging
from buffer.outbox import POSITION, SAMPLE
from tests.aging_bench import BILL, HERE, NAMES, PLACE, SECRET, T0, UNITS, Box, the_box  # noqa: F401 (fixtures)

# --- by age


async def test_p5_r26_positions_and_samples_go_by_age_although_never_sent_and_what_bills_stays(box: Box) -> None:
    await box.drive(33)
    await box.drive(34, HERE)
    await box.bill(33)
    box.clock.move(7 * 86_400 - 5)
    assert (await box.keeping().age()).samples == 0, "not a second too early"
    box.clock.move(10)
    done = await box.keeping().age()
    assert (done.facts, done.samples) == (1, 1)
    assert await box.bookings() == [33], "the run without a position stays for the longer time"
    assert await box.facts("position") == []
    assert await box.facts("booking") == [{**BILL, "booking": 33}]
    box.clock.move(23 * 86_400)
    assert (await box.keeping().age()).samples == 1
    assert await box.facts("booking") == [{**BILL, "booking": 33}], "R26"


async def test_d11_what_the_backend_will_miss_is_told_with_why_and_the_purge_is_a_record(box: Box) -> None:
    await box.drive(33, HERE)
    await box.drive(34, HERE)
    await box.drive(35, HERE)
    await box.bill(33)
    await box.acknowledge(0, 1)
    box.clock.move(8 * 86_400)
    await box.keeping().age()
    assert await box.facts("dropped") == [
        facts.dropped("facts", 3, 3, "aged", box.streams["facts"]),
        facts.dropped("samples", 2, 3, "aged", box.streams["samples"]),
    ]  # fmt: skip
    assert await box.facts("purged") == [{"why": "aged", "booking": None, "positions": 1, "samples": 3}]
    counters = box.store.counters()
    assert (counters["aged_positions"], counters["aged_samples"]) == (1, 3)
    for body in await box.facts("purged"):
        assert forms.problems("purged", body) == ()


async def test_p5_a_long_stock_goes_in_small_steps(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aging.expire, "__defaults__", (4,))
    for _ in range(11):
        await box.drive(33, HERE)
    box.clock.move(8 * 86_400)
    one = await box.store.ask(lambda disk, when: holdings.age(disk, when, Keep(DAY_MS, DAY_MS, T0 + 9 * DAY_MS)))
    assert (one.samples, one.more) == (4, True)
    assert (await box.keeping().age()).samples == 7
    assert await box.bookings() == []


async def test_r19_a_date_of_the_future_in_a_row_does_not_make_it_live_for_ever(box: Box) -> None:
    box.clock.move(20 * 365 * 86_400)  # a receiver is wrong by twenty years
    await box.drive(33, HERE)
    await box.reboot("b0070000000000a2")
    box.clock.move(6 * 86_400)
    assert (await box.keeping().age()).samples == 0
    box.clock.move(2 * 86_400)
    assert (await box.keeping().age()).samples == 1, "by the time this box has run since"


async def test_p5_without_a_clock_age_counts_from_what_has_surely_passed(box: Box) -> None:
    box.known = False
    await box.drive(33, HERE)
    for number in range(3):  # three boots of two days: nobody knows how long the box was off in between
        box.clock.move(2 * 86_400)
        assert (await box.keeping().age()).samples == 0
        await box.reboot(f"b00700000000000{number}")
    box.clock.move(86_400 + 60)
    assert (await box.keeping().age()).samples == 1


async def test_p5_once_the_time_is_known_age_counts_from_then_at_the_latest(box: Box) -> None:
    box.known = False
    await box.drive(33, HERE)
    await box.reboot("b0070000000000a2")
    box.known = True
    assert (await box.keeping().age()).samples == 0, "it may be of this minute"
    await box.reboot("b0070000000000a3")
    box.clock.move(7 * 86_400 - 60)
    assert (await box.keeping().age()).samples == 0
    box.clock.move(120)
    assert (await box.keeping().age()).samples == 1


async def test_p5_days_in_which_the_box_was_off_count_once_the_time_was_known(box: Box) -> None:
    box.known = False
    await box.drive(33, HERE)
    box.known = True
    assert (await box.keeping().age()).samples == 0
    box.off_s = 7 * 86_400 + 60  # and it did not run for as much as a minute
    assert (await box.keeping().age()).samples == 1


async def test_p5_zero_days_means_within_the_hour(box: Box) -> None:
    await box.drive(33, HERE)
    box.clock.move(1)
    assert (await box.keeping(position_days=0).age()).samples == 1


async def test_the_service_waits_for_the_first_unlock_and_survives_a_broken_disk(box: Box) -> None:
    keeping = box.keeping()
    await box.drive(33, HERE)
    box.clock.move(8 * 86_400)
    task = asyncio.create_task(keeping.run())
    await asyncio.sleep(0)
    assert await box.bookings() == [33]
    await box.clock.advance(31)
    while box.store.counters()["aged_samples"] == 0:
        await asyncio.sleep(0.001)
    assert await box.bookings() == []
    task.cancel()


# --- by booking


async def test_p9_a_booking_is_erased_and_its_neighbours_and_what_bills_stay(box: Box) -> None:
    for booking in (33, 34):
        await box.drive(booking, HERE)
        await box.bill(booking)
    box.store.sample(SampleRow(box.clock.now(), 33, (57.0, *HERE)))  # not even on the disk yet
    await box.store.commit(seal=True)
    done = await box.store.ask(lambda disk, when: holdings.erase(disk, when, 33))
    assert (done.facts, done.samples) == (1, 2)
    assert await box.bookings() == [34]
    assert [body["booking"] for body in await box.facts("position")] == [34]
    assert [body["booking"] for body in await box.facts("booking")] == [33, 34]
    assert [body["why"] for body in await box.facts("dropped")] == ["erased"] * 3
    assert await box.facts("purged") == [{"why": "erased", "booking": 33, "positions": 1, "samples": 2}]
    again = await box.store.ask(lambda disk, when: holdings.erase(disk, when, 33))
    assert (again.facts, again.samples) == (0, 0)
    assert len(await box.facts("purged")) == 1, "nothing went, nothing is told"


async def on_disk(box: Box) -> bytes:
    beside = (box.path, box.path.with_name("records.db-wal"))
    return b"".join(file.read_bytes() for file in beside)


async def leave_traces(box: Box) -> bytes:
    """Of booking 33: facts, sealed runs, samples that lay open, values that went; a part of a sealed run's bytes."""
    await box.drive(33, HERE)
    _, blobs = await box.store.next_samples(0, 1)
    for step in range(60):  # more than fits where the records of the erasing itself are written
        box.clock.move(1)
        box.store.sample(SampleRow(box.clock.now(), 33, (57.0, HERE[0] + step * 1e-5, HERE[1])))
        pending = json.dumps({"plan": {"opens": {"place": PLACE}}}, separators=(",", ":")).encode()
        await box.store.commit(put={"access/pending": pending})
        await box.store.commit(drop=("access/pending",))
        await box.bill(33)
    return blobs[0].body[-40:]


@pytest.mark.parametrize("why", ["erased", "aged"])
@pytest.mark.parametrize("checkpointed", [False, True])
async def test_p5_p9_what_has_gone_is_in_no_byte_of_the_file_or_its_log(box: Box, why: str, checkpointed: bool) -> None:
    blob = await leave_traces(box)
    if checkpointed:
        await box.store.ask(lambda disk, when: disk.database.checkpoint())
    before = await on_disk(box)
    assert SECRET in before
    assert blob in before
    if why == "aged":
        box.clock.move(8 * 86_400)
        assert (await box.keeping().age()).facts == 60
    else:
        step: dict[str, object] = {"more": True}
        while step["more"]:
            ask = functools.partial(holdings.answer, request={"do": "erase", "booking": 33})
            step = await box.store.ask(ask)
    left = await on_disk(box)
    assert SECRET not in left
    assert blob not in left
    assert b"4843123" not in left, "samples that lay open are text"


async def test_d11_a_backend_that_went_back_is_told_of_gaps_in_the_middle(box: Box) -> None:
    await box.bill(33)
    await box.bill(34)
    await box.acknowledge(6, 0)
    await box.store.ask(lambda disk, when: holdings.erase(disk, when, 33))
    assert await box.facts("dropped") == [], "it has them"
    await box.acknowledge(0, 0)
    assert await box.facts("dropped") == [facts.dropped("facts", 3, 3, "purged", box.streams["facts"])]


async def test_p9_everything_of_a_booking_is_handed_out_page_by_page(
    box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(holdings, "PAGE_BYTES", 200)
    for _ in range(3):
        await box.drive(33, HERE)
        await box.bill(33)
    await box.drive(3, HERE)
    await box.bill(333)
    await box.store.commit(put={"booking/open": b'{"booking":33,"kind":"private"}', "booking/ended/33": b"1"})
    pages, cursor = [], (0, 0)
    while cursor is not None:
        ask: Callable[..., dict[str, object]] = lambda disk, when, c=cursor: holdings.page(disk, 33, *c)  # noqa: E731
        pages.append(await box.store.ask(ask))
        cursor = pages[-1]["next"]
    assert len(pages) > 3
    told = [fact for page in pages for fact in page["facts"]]
    runs = [run for page in pages for run in page["samples"]]
    assert [fact["kind"] for fact in told] == ["booking", "position"] * 3
    assert len({fact["n"] for fact in told}) == 6
    assert [run["booking"] for run in runs] == [33] * 3
    assert runs[0]["names"] == list(NAMES)
    assert runs[0]["units"] == list(UNITS)
    assert runs[0]["rows"][0]["values"] == [57.0, *HERE]
    assert [page["vault"] for page in pages if "vault" in page] == [
        {"booking/open": {"booking": 33, "kind": "private"}, "booking/ended/33": "1"}
    ]


async def test_show_counts_and_shows_no_content(box: Box) -> None:
    await box.drive(33, HERE)
    await box.bill(33)
    found = await box.store.ask(lambda disk, when: holdings.show(disk))
    assert found["samples"]["rows"] == found["samples"]["waiting"] == found["samples"]["positions"] == 1
    assert found["facts"]["positions"] == 1
    assert T0 <= found["samples"]["oldest_ms"] <= T0 + 10_000
    assert "48.4" not in json.dumps(found)


@pytest.mark.parametrize(("number", "holds"), [(3, SAMPLE), (4, POSITION)])
def test_p5_a_run_whose_columns_nobody_knows_counts_as_holding_a_position(number: int, holds: str) -> None:
    columns = Columns(3, NAMES, (0.5, 1e-5, 1e-5), UNITS)
    run = samples.Run(number, 33, "b", (T0, T0 + 400), "gnss", ((7, (57.0, None, None)),))
    assert tags.of_run(run, columns, 0).holds == holds
    assert tags.of_run(run, None, 0).holds == POSITION


async def test_p9_a_damaged_fact_is_handed_out_as_it_stands(box: Box) -> None:
    await box.drive(33, HERE)
    await box.bill(33)

    def damage(disk: Disk, when: When) -> None:
        with disk.database.write() as connection:
            connection.execute("UPDATE facts SET body = replace(body, '\"closed\"', '\"clo\"sed')")

    await box.store.ask(damage)
    found = await box.store.ask(lambda disk, when: holdings.page(disk, 33))
    odd = [fact for fact in found["facts"] if "unreadable" in fact]
    assert odd
    assert all('"clo"sed' in fact["unreadable"] for fact in odd)
