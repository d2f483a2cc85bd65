"""Anybody's phone brings a revocation in, and carries out what the car could not send; it wears out nothing."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from agent.access.mule import OBJECTS, fitting
from agent.sync import wire
from agent.sync.store import Fact
from buffer.outbox import FactRow
from hil import beside, mule
from keyless import issue
from keyless.parcel import SIZES, fits
from keyless.trust import IssuerKey
from tests.door_bench import T0
from tests.keyless_world import forged
from tests.mule_bench import Backend, MuleBench, holder_of, the_mule_bench

__all__ = ["the_mule_bench"]


async def facts_of(bench: MuleBench, kind: str) -> int:
    return len(await bench.facts(kind))


# --- in


async def test_d20_a_strangers_phone_brings_a_revocation_and_the_revoked_phone_is_refused_at_a_station(
    bench: MuleBench,
) -> None:
    mallory, stranger = bench.pocket(), bench.stranger()
    token = mallory.token()
    assert (await mallory.ask(token, "unlock")).refusal is None
    assert await stranger.bring(bench.list_of(holder_of(mallory))) is None
    thief = bench.pocket()
    thief.key, thief.counter = mallory.key, mallory.counter
    refused = await thief.ask(token, "unlock")
    assert (refused.code, refused.refusal) == ("refused", "revoked")
    bench.park(home=False)
    far = await thief.ask(token, "unlock")
    assert far.refusal is None, "the open booking goes on away from a station"


async def test_what_a_stranger_brought_outlives_a_power_cut(bench: MuleBench) -> None:
    mallory, stranger = bench.pocket(), bench.stranger()
    assert await stranger.bring(bench.list_of(holder_of(mallory))) is None
    await bench.cut()
    bench.park()
    assert holder_of(mallory) in bench.authority.revoked
    again = bench.pocket()
    again.key = mallory.key
    assert (await again.ask(again.token(), "unlock")).refusal == "revoked"


async def test_the_same_and_an_older_list_write_nothing_however_often_they_come(bench: MuleBench) -> None:
    stranger, old, new = bench.stranger(), bench.list_of(sequence=4), bench.list_of(bytes(8), sequence=5)
    assert await stranger.bring(new) is None
    before, told = bench.files(), await facts_of(bench, "refused")
    changes: list[int] = []
    bench.provisioning.changed = lambda: changes.append(1)
    for _ in range(3):
        assert await bench.stranger().bring(new) is None
        assert await bench.stranger().bring(old) == "superseded"
        assert await bench.stranger().bring(forged(new)) == "signature"
        assert await bench.stranger().bring(b"\x82junk") == "malformed"
    assert (bench.files(), await facts_of(bench, "refused"), changes) == (before, told, [])
    assert await stranger.bring(bench.list_of(bytes(8), sequence=6)) is None
    assert bench.files() != before
    assert changes


async def test_a_key_set_comes_the_same_way_and_twice_writes_nothing(bench: MuleBench) -> None:
    key = IssuerKey(bench._issuer.public, 0, T0 * 2, 0b111110)
    second = issue.keyset(2, T0 * 2, [key], [bench._root])
    assert await bench.stranger().bring(second) is None
    assert bench.authority.keyset is not None
    assert bench.authority.keyset.version == 2
    before = bench.files()
    assert await bench.stranger().bring(second) is None
    assert await bench.stranger().bring(issue.keyset(1, T0 * 2, [key], [bench._root])) == "superseded"
    assert bench.files() == before


async def test_a_list_that_is_longer_than_a_message_comes_in_pieces(bench: MuleBench) -> None:
    rng = random.Random(1)
    ids = [rng.randbytes(8) for _ in range(1900)]
    whole = bench.list_of(*ids)
    assert 15_000 < len(whole) <= 16_384
    assert await bench.stranger().bring(whole) is None
    assert bench.authority.revoked == set(ids)


async def test_two_phones_bring_pieces_at_the_same_time(bench: MuleBench) -> None:
    one, other = bench.stranger(), bench.stranger()
    lists = [bench.list_of(*[bytes([n]) * 8 for n in range(230)], sequence=n) for n in (1, 2)]
    await one.connect()
    await other.connect()
    for first, second in zip(*map(mule.carried, lists), strict=True):
        one.say(beside.CARRY, first)
        other.say(beside.CARRY, second)
    assert [mule.taken((await phone.hear())[1]) for phone in (one, other)] == [None, None]


@pytest.mark.parametrize("broken", ["lost", "twice", "order", "altered", "long"])
async def test_pieces_that_do_not_fit_together_are_refused_and_a_new_begin_is_not(
    bench: MuleBench, broken: str
) -> None:
    whole = bench.list_of(*[bytes([n]) * 8 for n in range(250)])
    bodies = mule.carried(whole)
    assert len(bodies) == 3
    bad = {
        "lost": [bodies[0], bodies[2]],
        "twice": [bodies[0], bodies[0], bodies[1], bodies[1]],
        "order": [bodies[1]],
        "altered": [bodies[0], bodies[1], forged(bodies[2])],
        "long": mule.carried(bytes(16_385))[:1],
    }[broken]
    stranger = bench.stranger()
    await stranger.connect()
    for body in bad:
        stranger.say(beside.CARRY, body)
    assert mule.taken((await stranger.hear())[1]) == ("too_big" if broken == "long" else "malformed")
    assert await stranger.bring(whole) is None


async def test_one_link_brings_so_many_objects_and_no_more(bench: MuleBench) -> None:
    stranger, good = bench.stranger(), bench.list_of()
    assert [await stranger.bring(b"\x82junk") for _ in range(OBJECTS)] == ["malformed"] * OBJECTS
    assert await stranger.bring(good) == "occupied"
    assert bench.authority.list_iat is None
    stranger.leave()
    assert await stranger.bring(good) is None


async def test_d14_a_disk_that_refuses_is_an_answer_and_no_end_of_the_service(
    bench: MuleBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses(*_: object, **__: object) -> None:
        raise OSError(28, "no space left")

    with monkeypatch.context() as patch:
        patch.setattr("drivers.local.files.write_durably", refuses)
        assert await bench.stranger().bring(bench.list_of(sequence=9)) == "store_broken"
    assert await bench.stranger().bring(bench.list_of(sequence=9)) is None


# --- out


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
