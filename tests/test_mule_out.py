"""Anybody's phone carries out what the car could not send: sealed, in any order, and counted once."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from agent.access.mule import fitting
from agent.sync import wire
from agent.sync.store import Fact
from buffer.outbox import FactRow
from hil import beside, mule
from keyless.parcel import SIZES, fits
from tests.mule_bench import Backend, MuleBench, the_mule_bench

__all__ = ["the_mule_bench"]


async def through_mqtt(bench: MuleBench, backend: Backend) -> None:
    """All that waits, as the uplink would send it."""
    stream, rows = await bench.store.next_facts(0, 1 << 24, 100_000)
    backend.takes(wire.facts(payload_vehicle(bench), stream, ((row.n, row.body) for row in rows)))


def payload_vehicle(bench: MuleBench) -> str:
    return bench.settings.vehicle.id


async def test_d3_d10_what_a_strangers_phone_carries_out_counts_once_when_mqtt_brings_it_again(
    bench: MuleBench, tmp_path: Path
) -> None:
    alice, stranger, backend = bench.pocket(), bench.stranger(), Backend(tmp_path / "held.sqlite")
    token = alice.token()
    assert (await alice.ask(token, "unlock")).refusal is None
    acknowledged = backend.takes_parcel(await stranger.carry_out())
    by_phone = backend.rows()
    assert {"booking", "receipt"} <= {kind for _, kind in by_phone}
    assert acknowledged["upto"] == by_phone[-1][0]
    await through_mqtt(bench, backend)
    assert backend.rows() == by_phone
    assert (backend.count("duplicates"), backend.count("conflicts"), backend.count("poison")) == (len(by_phone), 0, 0)


async def test_the_other_way_round_a_parcel_that_arrives_late_adds_nothing(bench: MuleBench, tmp_path: Path) -> None:
    backend, stranger = Backend(tmp_path / "held.sqlite"), bench.stranger()
    await bench.store.commit([Fact("refused", {"n": number}) for number in range(5)])
    late = await stranger.carry_out()
    await through_mqtt(bench, backend)
    held = backend.rows()
    backend.takes_parcel(late)
    assert backend.rows() == held
    assert backend.count("conflicts") == 0


async def test_r27_p6_a_phone_reads_nothing_of_it_and_its_length_is_one_of_five(bench: MuleBench) -> None:
    await bench.store.commit([Fact("position", {"event": "theft", "booking": 7, "lat": 48.12345, "lon": 0.1})])
    whole = await bench.stranger().carry_out()
    assert len(whole) in SIZES
    assert b"48.12345" not in whole
    assert b"facts" not in whole


async def test_a_fetch_goes_on_with_the_same_bytes_on_another_link_after_others_fetched(bench: MuleBench) -> None:
    await bench.store.commit([Fact("refused", {"why": f"{number:0100d}"}) for number in range(100)])
    one = bench.stranger()
    assert await one.fetch() is None
    assert not one.pocket.whole
    one.leave()
    await bench.clock.advance(10)
    other = bench.stranger()
    assert await other.carry_out() is not None
    assert other.pocket.name != one.pocket.name, "another seal"
    while not one.pocket.whole:
        assert await one.fetch() is None


async def test_a_parcel_that_the_car_has_forgotten_is_not_stored_and_the_phone_begins_anew(bench: MuleBench) -> None:
    await bench.store.commit([Fact("refused", {"why": f"{number:0100d}"}) for number in range(100)])
    stranger = bench.stranger()
    assert await stranger.fetch() is None
    await bench.cut()
    stranger.link = 0
    assert await stranger.fetch() == "not_stored"
    assert len(await stranger.carry_out()) in SIZES


async def test_a_piece_behind_the_end_is_not_stored(bench: MuleBench) -> None:
    await bench.store.commit([Fact("refused", {})])
    stranger = bench.stranger()
    whole = await stranger.carry_out()
    stranger.pocket = mule.Pocket(stranger.pocket.name, whole, len(whole))
    assert await stranger.fetch() == "not_stored"
    assert len(await stranger.carry_out()) in SIZES


async def test_a_new_database_is_begun_from_its_first_fact(bench: MuleBench, tmp_path: Path) -> None:
    """Its stream is another one: what went out of the old one says nothing about it."""
    await bench.store.commit([Fact("refused", {"n": number}) for number in range(5)])
    await bench.stranger().carry_out()
    _, rows = await bench.store.next_facts(0, 1 << 20)
    bench.mule._stream, bench.mule._after = "another", rows[2].n
    await bench.clock.advance(5)
    backend = Backend(tmp_path / "held.sqlite")
    backend.takes_parcel(await bench.stranger().carry_out())
    assert [n for n, _ in backend.rows()] == [row.n for row in rows]


async def test_anybody_may_fetch_but_a_new_parcel_is_made_only_every_five_seconds(bench: MuleBench) -> None:
    await bench.store.commit([Fact("refused", {})])
    first = await bench.stranger().carry_out()
    assert [await bench.stranger().carry_out() for _ in range(10)] == [first] * 10
    assert bench.mule.counters["parcels"] == 1
    await bench.clock.advance(5)
    assert await bench.stranger().carry_out() != first
    assert bench.mule.counters["parcels"] == 2


async def test_each_parcel_goes_on_where_the_last_one_that_went_out_ended(bench: MuleBench, tmp_path: Path) -> None:
    """Nobody acknowledges: the fourth phone carries what the first three did not, and then it begins anew."""
    rng, backend = random.Random(2), Backend(tmp_path / "held.sqlite")
    await bench.store.commit([Fact("refused", {"why": rng.randbytes(60).hex()}) for _ in range(600)])
    _, rows = await bench.store.next_facts(0, 1 << 24, 100_000)
    parcels, begun = 0, bench.stranger()
    while len(backend.rows()) < len(rows):
        await begun.fetch()  # one who never comes back does not make others go on
        await bench.clock.advance(5)
        backend.takes_parcel(await bench.stranger().carry_out())
        await bench.clock.advance(5)
        parcels += 1
        begun.pocket = mule.Pocket()
        assert parcels < 20
    assert parcels > 2
    assert [n for n, _ in backend.rows()] == [row.n for row in rows]
    backend.takes_parcel(await bench.stranger().carry_out())
    assert backend.count("duplicates") > 0
    assert backend.count("conflicts") == 0


async def test_without_a_key_in_the_settings_or_of_the_vehicle_phones_carry_nothing_out(bench: MuleBench) -> None:
    await bench.store.commit([Fact("refused", {})])
    bench.receipts.key = None
    assert await bench.stranger().fetch() == "not_stored"
    bench.recipient = None
    await bench.cut()
    assert await bench.stranger().fetch() == "not_stored"


async def test_a_key_with_which_no_secret_can_be_shared_is_told_and_nothing_goes_out(bench: MuleBench) -> None:
    await bench.store.commit([Fact("refused", {})])
    bench.recipient = bytes(32)
    await bench.cut()
    assert await bench.stranger().fetch() == "not_stored"
    assert bench.mule.counters["not_sealed"] == 1


async def test_d14_without_a_database_a_fetch_says_so(bench: MuleBench) -> None:
    await bench.store.close()
    assert await bench.stranger().fetch() == "store_broken"


@pytest.mark.parametrize("body", [b"\xff", b"\x80", b"\x82\x48" + bytes(8), b"\x82\x41\x00\x00"])
async def test_a_fetch_that_is_none_is_malformed(bench: MuleBench, body: bytes) -> None:
    stranger = bench.stranger()
    await stranger.connect()
    stranger.say(beside.FETCH, body)
    assert mule.taken((await stranger.hear())[1]) == "malformed"


def test_as_many_of_the_oldest_facts_as_fit_go_along_and_none_where_one_is_too_large() -> None:
    rows = tuple(FactRow(n, "x" * 3000) for n in range(1, 11))

    def content(some: tuple[FactRow, ...]) -> bytes:
        return b"".join(row.body.encode() for row in some)

    made, last = fitting(rows, content)  # type: ignore[arg-type]
    assert fits(made)
    assert last == 5
    assert fitting((FactRow(1, "x" * 20_000),), content) == (b"", 0)  # type: ignore[arg-type]
    assert fitting((), content) == (b"", 0)  # type: ignore[arg-type]
