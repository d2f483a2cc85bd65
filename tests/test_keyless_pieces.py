"""Pieces: every whole comes through, in order or not at all, and nothing of it grows beyond its bound."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hil import mule
from keyless import pieces
from keyless.cbor import encode
from keyless.pieces import LONGEST, PIECE, Joining, Piece, cut, joined, read_fetch, read_piece, write_piece, write_taken
from keyless.refusal import Code, Refusal
from tests.keyless_world import code


def all_of(whole: bytes) -> list[Piece]:
    return [cut(whole, at) for at in range(0, len(whole), PIECE)]


@given(whole=st.binary(min_size=1, max_size=LONGEST))
def test_a_whole_in_pieces_is_the_whole(whole: bytes) -> None:
    so_far: Joining = Joining()
    found: bytes | Refusal | None = None
    for piece in all_of(whole):
        assert found is None
        body = write_piece(piece)
        assert len(body) <= 1024
        assert body[0] == pieces.HEAD
        assert read_piece(body) == piece
        so_far, found = joined(so_far, piece)
    assert found == whole
    assert so_far == Joining()


@given(whole=st.binary(min_size=1025, max_size=4000))
def test_both_encoders_cut_alike(whole: bytes) -> None:
    assert mule.carried(whole) == [write_piece(piece) for piece in all_of(whole)]
    pocket = mule.Pocket()
    while not pocket.whole:
        asked = read_fetch(pocket.fetch())
        assert not isinstance(asked, Refusal)
        pocket.put(write_piece(cut(whole, 0 if asked is None else asked[1])))
    assert pocket.data == whole


PIECES = st.builds(
    Piece,
    name=st.sampled_from([pieces.name_of(b"a" * 9), pieces.name_of(b"b" * 9), bytes(8)]),
    at=st.integers(0, 9),
    total=st.just(9),
    data=st.sampled_from([b"a" * size for size in range(1, 10)]),
)


@given(st.lists(PIECES, max_size=20))
def test_whatever_comes_is_the_whole_that_it_is_called_or_is_none(given_: list[Piece]) -> None:
    so_far = Joining()
    for piece in given_:
        so_far, found = joined(so_far, piece)
        assert len(so_far.data) <= LONGEST
        if isinstance(found, bytes):
            assert pieces.name_of(found) == piece.name
        elif isinstance(found, Refusal):
            assert so_far == Joining()


@given(st.binary(max_size=60))
def test_junk_is_a_refusal(body: bytes) -> None:
    for read in (read_piece(body), read_fetch(body)):
        assert read is None or isinstance(read, Refusal) or body[:1] in (b"\x84", b"\x82")


NAME = bytes(8)


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ([NAME, 0, 9], Code.MALFORMED),
        ([NAME[1:], 0, 9, b"x"], Code.MALFORMED),
        ([NAME, -1, 9, b"x"], Code.MALFORMED),
        ([NAME, 0, 1 << 16, b"x"], Code.MALFORMED),
        ([NAME, 0, 9, b""], Code.MALFORMED),
        ([NAME, 0, 9, "x"], Code.MALFORMED),
        ([NAME, 9, 9, b"x"], Code.MALFORMED),
        ([NAME, True, 9, b"x"], Code.MALFORMED),
        ([NAME, 0, LONGEST + 1, b"x"], Code.TOO_BIG),
    ],
)
def test_a_piece_that_is_none(value: Any, why: Code) -> None:
    assert code(read_piece(encode(value))) is why


@pytest.mark.parametrize("value", [[NAME], [NAME, 0, 0], [b"", 0], [NAME, -1], [NAME, None], {1: NAME}])
def test_a_fetch_that_is_none(value: Any) -> None:
    assert code(read_fetch(encode(value))) is Code.MALFORMED


def test_what_became_of_it_is_read_by_the_bench() -> None:
    assert mule.taken(write_taken(None)) is None
    assert [mule.taken(write_taken(each)) for each in Code] == [each.value for each in Code]
