"""The name of a car in the air: another every day, the same for everybody who holds the secret."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyless.claims import Interval
from keyless.tag import DAY_S, day_tag, fallback_tag, tag_now, tags_with

SECRET = bytes(range(32))


def by_hand(secret: bytes, text: bytes) -> bytes:
    """RFC 2104 written out, so that the library's HMAC is not its own judge."""
    key = secret.ljust(64, b"\0")
    inner = hashlib.sha256(bytes(b ^ 0x36 for b in key) + text).digest()
    return hashlib.sha256(bytes(b ^ 0x5C for b in key) + inner).digest()


def test_the_tag_is_the_one_of_the_specification() -> None:
    day = 20_784  # 27 November 2026
    assert day_tag(SECRET, day * 86_400) == by_hand(SECRET, b"nearby" + bytes.fromhex("00005130"))[:8]


def test_it_holds_for_a_utc_day_and_changes_with_the_next() -> None:
    day = 20_784 * 86_400
    assert day_tag(SECRET, day) == day_tag(SECRET, day + 86_399)
    tags = {day_tag(SECRET, day + n * 86_400) for n in range(1000)}
    assert len(tags) == 1000
    assert day_tag(SECRET[::-1], day) not in tags


def test_a_secret_that_can_be_guessed_is_refused() -> None:
    with pytest.raises(ValueError, match="16 bytes"):
        day_tag(bytes(15), 0)


def test_r13_a_car_that_does_not_know_the_day_has_one_name_that_is_always_the_same() -> None:
    assert fallback_tag(SECRET) == by_hand(SECRET, b"nearby fallback")[:8]
    noon = 20_784 * DAY_S + DAY_S / 2
    for unknown in (Interval(noon, None, "none"), Interval(noon, noon + DAY_S, "holdover")):
        assert tag_now(SECRET, unknown) == fallback_tag(SECRET)
    with pytest.raises(ValueError, match="16 bytes"):
        fallback_tag(bytes(15))


@given(st.integers(0, 1 << 36), st.floats(0, DAY_S - 1))
def test_the_name_is_that_of_a_day_which_it_may_be(lo: int, width: float) -> None:
    now = Interval(float(lo), lo + width, "gnss")
    assert tag_now(SECRET, now) in {day_tag(SECRET, lo), day_tag(SECRET, int(lo + width))}
    if width < 1:
        assert tag_now(SECRET, now) == day_tag(SECRET, lo) or lo // DAY_S != int(lo + width) // DAY_S


@given(st.integers(0, 1 << 36), st.integers(1, 31 * DAY_S), st.integers(0, 2 * DAY_S), st.floats(0, DAY_S - 1))
def test_r13_a_token_comes_with_the_names_of_its_days_and_two_more(
    nbf: int, lasts: int, after_end: int, width: float
) -> None:
    exp = nbf + lasts
    given_ = tags_with(SECRET, nbf, exp)
    assert [day for day, _ in given_] == list(range(max(0, nbf // DAY_S - 1), exp // DAY_S + 3))
    for at in (nbf, exp + after_end):
        assert day_tag(SECRET, at) in [tag for _, tag in given_]
    assert tag_now(SECRET, Interval(float(nbf), nbf + min(width, lasts), "gnss")) in dict(given_).values()
