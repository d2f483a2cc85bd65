"""NMEA to fixes: bytes, sentences and splits of any kind. Epochs written by hand: test_gnss."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.gnss.nmea import Decoder
from tests.test_gnss import AT, decode, gga, gll, gsa, rmc, sentence


@settings(deadline=None)
@given(st.binary(max_size=400))
def test_arbitrary_bytes_never_raise(data: bytes) -> None:
    decode(data)


fields = st.text("0123456789.,-ANVSEW*$", max_size=60)
heads = st.sampled_from(
    ["GNRMC,", "GPGLL,", "GPGGA,", "GNGSA,", "GNZDA,", "GPRMC,101500,A,", "GNGGA,101500,", "GNZDA,101500,"]
)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(heads, fields), max_size=6))
def test_sentences_with_a_right_checksum_and_any_content_never_raise(bodies) -> None:
    fixes, _ = decode(b"".join(sentence(head + rest) for head, rest in bodies), earliest=None)
    for fix in fixes:
        assert fix.valid == (fix.lat is not None) == (fix.mode >= 2)


def half_good() -> st.SearchStrategy[bytes]:
    second = st.integers(0, 5).map(lambda s: f"10150{s}")
    whole = st.one_of(
        second.map(rmc), second.map(gga), second.map(gll), second.map(lambda s: rmc(s, "V")),
        st.sampled_from([gsa(2), gsa(3)]),
    )  # fmt: skip
    return st.lists(st.one_of(whole, whole.map(lambda s: s[:17]), st.binary(max_size=6)), max_size=15).map(b"".join)


@settings(deadline=None)
@given(half_good(), st.lists(st.integers(0, 900), max_size=10))
def test_any_split_of_the_stream_gives_the_same(data: bytes, cuts: list[int]) -> None:
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    decoder = Decoder()
    fixes = [fix for a, b in pairwise(edges) for fix in decoder.feed(data[a:b], AT)]
    assert (fixes + decoder.end(AT), decoder.counters()) == decode(data)
