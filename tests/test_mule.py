"""Anybody's phone brings a revocation in, and wears out nothing. What it carries out: `test_mule_out.py`."""

from __future__ import annotations

import random

import pytest

from agent.access.mule import OBJECTS
from agent.run.provisioning import KEYSET_FILE
from hil import beside, mule
from keyless import cbor, cose, issue
from keyless.roots import ROOTS_CONTEXT, write_rootset
from keyless.trust import IssuerKey, KeySet, Trust, read_keyset
from tests.door_bench import T0
from tests.keyless_world import forged
from tests.mule_bench import MuleBench, holder_of, the_mule_bench

__all__ = ["the_mule_bench"]


def signed_by_nobody(keyset: bytes, number: int) -> bytes:
    """The same key set with one signature more, by a kid that is no root: other bytes, and as good as before."""
    found = cbor.decode(keyset)
    assert isinstance(found, list)
    payload, signatures = found
    return cbor.encode([payload, [*signatures, [number.to_bytes(8, "big"), bytes(64)]]])


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


async def test_a_key_set_with_signatures_of_nobody_is_the_same_key_set_and_writes_nothing(bench: MuleBench) -> None:
    key = IssuerKey(bench._issuer.public, 0, T0 * 2, 0b111110)
    first, second = (issue.keyset(version, T0 * 2, [key], [bench._root]) for version in (2, 3))
    for whole in (first, second):
        assert await bench.stranger().bring(whole) is None
    before, told = bench.files(), await bench.facts()
    changes: list[int] = []
    bench.provisioning.changed = lambda: changes.append(1)
    for number in range(2 * OBJECTS):
        assert await bench.stranger().bring(signed_by_nobody(second, number)) is None
        assert await bench.stranger().bring(signed_by_nobody(first, number)) == "superseded"
    assert (bench.files(), await bench.facts(), changes) == (before, told, [])


async def test_a_damaged_key_set_is_mended_by_the_same_one_with_signatures_of_nobody_and_once_only(
    bench: MuleBench,
) -> None:
    key = IssuerKey(bench._issuer.public, 0, T0 * 2, 0b111110)
    whole = issue.keyset(2, T0 * 2, [key], [bench._root])
    assert await bench.stranger().bring(whole) is None
    (bench.folder / KEYSET_FILE).write_bytes(whole[:-1])
    assert await bench.stranger().bring(signed_by_nobody(whole, 1)) is None
    mended = bench.files()
    assert isinstance(read_keyset((bench.folder / KEYSET_FILE).read_bytes(), [bench._root.public], 1), KeySet)
    assert await bench.stranger().bring(signed_by_nobody(whole, 2)) is None
    assert bench.files() == mended


async def test_a_change_of_the_roots_with_signatures_of_nobody_writes_nothing(bench: MuleBench) -> None:
    new = issue.new_key()
    payload = write_rootset(1, Trust((new.public,), 1))
    message = cose.to_be_signed(b"", payload, context=ROOTS_CONTEXT)
    old_signs, new_signs = ([[key.kid, key.sign(message)]] for key in (bench._root, new))
    junk = [bytes(8), bytes(64)]
    assert await bench.stranger().bring(cbor.encode([payload, old_signs, new_signs])) is None
    before = bench.files()
    for more in ([*old_signs, junk], [*old_signs, *new_signs, junk]):
        await bench.stranger().bring(cbor.encode([payload, more, [*new_signs, junk]]))
    assert bench.files() == before
    assert bench.provisioning.counters["roots"] == 1
    assert not await facts_of(bench, "refused")


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
