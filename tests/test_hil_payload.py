"""What the backend makes of bytes from outside: values, never exceptions; and which numbers it has."""

from __future__ import annotations

import json
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hil.backend.numbers import Numbers
from hil.backend.payload import Blob, Fact, Item, Poison, pack, read, unpack
from tests.hil_backend import BOOT, STREAM, VEHICLE, fact, facts

TOPIC = f"boitier/v1/{VEHICLE}/up/facts"
leaves = st.sampled_from(["facts", "samples", "state", "result"])
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(leaves, st.binary(max_size=200))
def test_any_bytes_give_values(leaf: str, data: bytes) -> None:
    for form in (data, b"\x78" + data, zlib.compress(data)):
        assert read(f"boitier/v1/{VEHICLE}/up/{leaf}", form)


@given(leaves, st.dictionaries(st.sampled_from(["facts", "t", "c", "n", "at", "id", "result", "wall"]), json_values))
def test_any_object_gives_values(leaf: str, extra: dict[str, object]) -> None:
    value = {"v": 1, "vehicle": VEHICLE, "stream": STREAM, "boot": BOOT, "columns": 1, **extra}
    read(f"boitier/v1/{VEHICLE}/up/{leaf}", json.dumps(value).encode())


def test_d8_long_payloads_are_packed_and_short_ones_plain() -> None:
    assert pack({"a": 1}) == b'{"a":1}'
    long = pack({"a": "b" * 600})
    assert long[0] == 0x78
    assert unpack(long) == {"a": "b" * 600}


def test_zlib_bomb_is_poison() -> None:
    assert isinstance(read(TOPIC, zlib.compress(b"[" + b"0," * 8_000_000))[0], Poison)


def test_one_bad_fact_does_not_spoil_its_neighbours() -> None:
    bad = {**fact(2), "at": "late"}
    items = read(TOPIC, facts(fact(1), bad, fact(3)))
    assert [type(item) for item in items] == [Fact, Poison, Fact]
    assert isinstance(items[1], Poison)
    assert items[1].n == 2


@pytest.mark.parametrize("change", [{"vehicle": "0" * 16}, {"v": 2}, {"stream": "x"}, {"facts": None}])
def test_message_that_cannot_be_placed_is_poison_without_a_number(change: dict[str, object]) -> None:
    value = {"v": 1, "vehicle": VEHICLE, "stream": STREAM, "facts": [fact(1)], **change}
    (item,) = read(TOPIC, json.dumps(value).encode())
    assert isinstance(item, Poison)
    assert item.n is None


def damaged(*at: int, count: int = 3, end: bytes = b"") -> list[Item]:
    """What is read of facts from 1 on, compressed or not, of which those have a byte that JSON has not."""
    listed = [json.dumps(fact(n), separators=(",", ":")).encode() for n in range(1, count + 1)]
    listed = [text.replace(b'"kind"', b'"\xffind"') if n in at else text for n, text in enumerate(listed, 1)]
    head = f'{{"v":1,"vehicle":"{VEHICLE}","stream":"{STREAM}","facts":['.encode()
    text = head + b",".join(listed) + (end or b"]}")
    return read(TOPIC, zlib.compress(text) if len(text) > 512 else text)


@pytest.mark.parametrize("count", [3, 9])
@pytest.mark.parametrize("at", [(1,), (2,), (3,), (1, 2), (1, 2, 3)])
def test_a_row_that_a_disk_damaged_is_poison_and_spoils_no_other(at: tuple[int, ...], count: int) -> None:
    items = damaged(*at, count=count)
    assert [item.n for item in items if isinstance(item, Poison)] == list(at)
    assert [item.n for item in items if isinstance(item, Fact)] == [n for n in range(1, count + 1) if n not in at]
    whole = read(TOPIC, facts(*(fact(n) for n in range(1, count + 1))))
    assert all(item in whole for item in items if isinstance(item, Fact)), "the same as in a message that reads"


@pytest.mark.parametrize("items", [damaged(2, end=b"]"), damaged(2, end=b","), damaged(2, count=200)])
def test_a_message_that_was_cut_off_or_is_none_of_a_car_is_not_taken_for_damaged_rows(items: list[Item]) -> None:
    (item,) = items
    assert isinstance(item, Poison)
    assert item.n is None


def sealed(count: int) -> bytes:
    value = {"v": 1, "vehicle": VEHICLE, "stream": STREAM, "n": 7, "columns": 1, "booking": None, "boot": BOOT, "at": 5}
    noise = [n * n * 7919 % 104729 for n in range(count)]
    return pack({**value, "wall": None, "source": "none", "t": [0] * count, "c": [noise]})


@pytest.mark.parametrize("count", [20, 200])
def test_a_run_that_a_disk_damaged_is_poison_with_its_number_where_that_reads(count: int) -> None:
    good = sealed(count)
    for at in range(len(good)):
        (item,) = read(TOPIC.replace("facts", "samples"), good[:at] + bytes([good[at] ^ 0x55]) + good[at + 1 :])
        if good[0] == 0x78:
            assert isinstance(item, Poison), "it carries a checksum"
        if at > 110 and isinstance(item, Poison):
            assert (item.stream, item.n) == (STREAM, 7)


def test_blob_is_kept_byte_for_byte() -> None:
    value = {"v": 1, "vehicle": VEHICLE, "stream": STREAM, "n": 7, "columns": 1, "booking": None, "boot": BOOT, "at": 5}
    sealed = zlib.compress(json.dumps({**value, "t": [0, 1000], "c": [[10, None], [1, 0]]}).encode(), 1)
    (item,) = read(f"boitier/v1/{VEHICLE}/up/samples", sealed)
    assert isinstance(item, Blob)
    assert (item.n, item.count, item.payload) == (7, 2, sealed)


@given(st.lists(st.tuples(st.integers(1, 60), st.integers(0, 6))))
def test_numbers_equal_a_plain_set(pairs: list[tuple[int, int]]) -> None:
    numbers, plain = Numbers(), set[int]()
    for low, length in pairs:
        numbers.add(low, low + length)
        plain.update(range(low, low + length + 1))
    assert {n for n in range(1, 80) if n in numbers} == plain
    upto = next(n for n in range(80) if n + 1 not in plain)
    assert numbers.upto == upto
    assert {n for low, high in numbers.beyond for n in range(low, high + 1)} == {n for n in plain if n > upto}
    missing = set(range(1, max(plain, default=0) + 1)) - plain
    assert {n for low, high in numbers.gaps for n in range(low, high + 1)} == missing
    assert numbers.highest == max(plain, default=0)
