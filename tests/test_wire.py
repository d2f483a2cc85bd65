"""What goes over the wire, and that it comes back the same; the contract is `test_contract.py`."""

from __future__ import annotations

import math
import random
import tarfile
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from agent.sync import samples, wire
from tests import golden_payloads as golden

VEHICLE = golden.VEHICLE


# --- envelopes -------------------------------------------------------------------------------------------------------


def test_d8_a_payload_is_plain_up_to_512_bytes_and_zlib_above() -> None:
    assert wire.pack({"x": "y" * 502})[:1] == b"{"
    assert len(wire.pack({"x": "y" * 504})) == 512
    assert wire.pack({"x": "y" * 505})[:1] == b"\x78"
    for size in (502, 505, 5000):
        assert wire.unpack(wire.pack({"x": "y" * size})) == {"x": "y" * size}


@given(st.binary(max_size=300))
def test_bytes_from_outside_never_raise(data: bytes) -> None:
    for read in (wire.unpack, wire.read_ack, samples.unseal):
        read(data)
        read(b"\x78\x9c" + data)
        read(b"{" + data)


def test_a_compressed_bomb_is_refused() -> None:
    bomb = zlib.compress(b'{"v":"' + b" " * 50_000_000 + b'"}')
    assert wire.unpack(bomb) is None
    assert wire.unpack(zlib.compress(b'{"v":1}') + b"trailing") is None
    assert wire.unpack(zlib.compress(b'{"v":1}' * 2)[:-3]) is None


def test_public_json_suite_never_raises(shared: Path) -> None:
    archive = shared / "data" / "json" / "JSONTestSuite.tar.gz"
    seen = 0
    with tarfile.open(archive) as files:
        for member in files:
            file = files.extractfile(member) if member.isfile() and member.name.endswith(".json") else None
            if file is not None:
                data = file.read()
                wire.unpack(data)
                wire.read_ack(data)
                samples.unseal(data)
                seen += 1
    assert seen > 100


def test_topics_are_exact_names_and_only_ours_are_known() -> None:
    assert wire.topic(VEHICLE, wire.Kind.STATE) == f"boitier/v1/{VEHICLE}/up/state"
    assert wire.topic(VEHICLE, wire.Kind.WILL) == wire.topic(VEHICLE, wire.Kind.STATE)
    for kind in wire.DOWN:
        assert wire.kind_of(VEHICLE, wire.topic(VEHICLE, kind)) is kind
    assert wire.kind_of(VEHICLE, f"boitier/v1/{'0' * 16}/down/ack") is None
    assert wire.kind_of(VEHICLE, f"boitier/v1/{VEHICLE}/up/facts") is None


numbers = st.integers(0, 2**53 - 1)


spans = st.lists(st.tuples(numbers, numbers)).map(tuple)


@given(st.builds(wire.Ack, st.from_regex("[0-9a-f]{16}", fullmatch=True), numbers, spans, st.lists(numbers).map(tuple)))
def test_acknowledgements_come_back_the_same(said: wire.Ack) -> None:
    assert wire.read_ack(golden.ack(said)) == said


STREAM = "51aa0c9d77e3f012"
GOOD = f'{{"v":1,"stream":"{STREAM}","upto":1,"ranges":[[2,3]],"poison":[4]}}'
BAD = (
    ('"v":1', '"v":2'), (f'"{STREAM}"', "7"), ('"upto":1,', ""), ('"upto":1', '"upto":true'), ('"upto":1', '"upto":-1'),
    ('"upto":1', '"upto":1.5'), ("[[2,3]]", "{}"), ("[[2,3]]", "[[1]]"), ("[[2,3]]", '[[1,"2"]]'), ("[4]", "[null]"),
    ("[4]", "[-4]"), ("[4]", "[1e3]"), ('"upto":1', '"upto":9007199254740993'), ("51aa", "51a"), ("51aa", "51AA"),
    ("51aa", "51ag"), ("51aa", "\\ud800a0a"), ("f012", "f012\\n"), ("51aa", "51aaa"), (STREAM, ""),
)  # fmt: skip


@pytest.mark.parametrize("text", ["{}", "[]", "1", "null", *(GOOD.replace(a, b) for a, b in BAD)])
def test_a_malformed_acknowledgement_is_no_acknowledgement(text: str) -> None:
    assert wire.read_ack(GOOD.encode()) == wire.Ack(STREAM, 1, ((2, 3),), (4,))
    assert wire.read_ack(text.encode()) is None


def test_an_acknowledgement_may_leave_out_what_is_empty_and_say_more_than_we_know() -> None:
    assert wire.read_ack(b'{"v":1,"stream":"51aa0c9d77e3f012","upto":3,"since":"2031"}') == wire.Ack(STREAM, 3)


def test_a_fact_has_the_same_bytes_each_time_it_is_sent() -> None:
    rows = golden.fact_rows()
    once = wire.unpack(wire.facts(VEHICLE, golden.STREAM, rows))
    again = wire.unpack(wire.facts(VEHICLE, golden.STREAM, rows[3:5]))
    assert once is not None
    assert again is not None
    assert [wire.text(fact) for fact in once["facts"][3:5]] == [wire.text(fact) for fact in again["facts"]]


# --- samples ---------------------------------------------------------------------------------------------------------

values = st.none() | st.integers(-(2**40), 2**40)


@st.composite
def any_run(draw: st.DrawFn) -> samples.Run:
    width = draw(st.integers(1, 6))
    times = draw(st.lists(st.integers(0, 2**40), min_size=1, max_size=120))
    rows = tuple((at, tuple(draw(st.lists(values, min_size=width, max_size=width)))) for at in times)
    booking = draw(st.none() | st.integers(0, 2**31))
    wall = draw(st.none() | st.tuples(st.integers(0, 2**45), st.integers(0, 2**45)))
    return samples.Run(draw(st.integers(1, 10**6)), booking, golden.BOOT, wall, "gnss", rows)


@given(any_run(), st.integers(1, 10**9))
def test_samples_come_back_the_same_gaps_included(run: samples.Run, number: int) -> None:
    assert samples.unseal(samples.seal(VEHICLE, golden.SAMPLES, number, run)) == (number, run)


@given(any_run(), st.integers(1, 120))
def test_groups_join_to_the_run_they_were_cut_from(run: samples.Run, cut: int) -> None:
    parts = [run.rows[i : i + cut] for i in range(0, len(run.rows), cut)]
    groups = [samples.group(replace(run, rows=part)) for part in parts]
    joined, odd = samples.join([*groups, b"half a grou"])
    assert odd == 1
    assert [row for one in joined for row in one.rows] == list(run.rows)
    assert all((one.columns, one.booking, one.boot) == (run.columns, run.booking, run.boot) for one in joined)


def test_what_is_no_number_is_a_missing_value() -> None:
    assert samples.scale((1.26, None, math.nan, math.inf, -0.04), (0.1, 1, 1, 1, 0.01)) == (13, None, None, None, -4)


def drive(seed: int) -> samples.Run:
    """A hundred seconds of driving at 1 Hz: ten signals with the steps of the vocabulary and the jitter of real
    ones."""
    rng = random.Random(seed)
    steps = (0.5, 0.1, 1, 0.01, 0.01, 0.01, 1, 0.5, 0.25, 1)
    soc, speed, odometer, target, at = 71.0, 0.0, 48213.4, 50.0, 812_000
    rows = []
    for second in range(100):
        if second % 25 == 0:
            target = rng.choice([30.0, 50.0, 70.0, 80.0, 0.0])
        push = max(-2.2, min(1.6, (target - speed) / 3.6 * 0.25)) + rng.gauss(0, 0.1)
        speed = max(0.0, speed + push * 3.6)
        odometer += speed / 3600
        current = speed * push * 0.35 + speed * 0.25 + 3 + rng.gauss(0, 0.8)
        soc -= current * 380 / 3.6e6 / 22 * 100
        twelve = 14.2 + rng.gauss(0, 0.02)
        signals = (soc, soc * 0.22, soc * 1.3, speed, odometer, twelve, 17.0, 388 - current * 0.09, current, 11.0)
        rows.append((at, samples.scale(signals, steps)))
        at += 1000 + rng.choice([0, 0, 0, 0, 1, -1, 2])
    return samples.Run(12, 33, golden.BOOT, (golden.WALL[0], golden.WALL[1]), "gnss", tuple(rows))


def test_d9_a_sample_of_ten_signals_takes_at_most_12_bytes() -> None:
    sizes = [len(samples.seal(VEHICLE, golden.SAMPLES, 700 + seed, drive(seed))) / 100 for seed in range(10)]
    assert max(sizes) <= 12, sizes
    # MQTT header, topic, packet id; one TLS record
    overhead = 3 + 2 + len(wire.topic(VEHICLE, wire.Kind.SAMPLES)) + 2 + 29
    assert max(sizes) + overhead / 100 <= 14
