"""Signed time: bound to a question, judged in order, and what it does to the clock (R18, R19)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keyless import cbor, clock, issue, signed_time, trust
from keyless.claims import Interval
from keyless.refusal import Code, Refusal
from keyless.signed_time import Question, SignedTime
from tests.keyless_world import (
    DAY,
    ISSUER,
    KEYS,
    KEYSET,
    LIMITED,
    NOW,
    OPERATOR,
    PHONE,
    STRANGER,
    code,
    forged,
    keyset,
)

S = 10**9
NONCE = bytes.fromhex("a1a2a3a4a5a6a7a8")
ASKED = {NONCE: 100 * S}
BOOT = "b" * 16


def answer(nonce: bytes = NONCE, time_s: int = NOW, operator: str = OPERATOR, key: issue.SigningKey = ISSUER) -> bytes:
    return issue.signed_time(operator, nonce, time_s, key)


def believe(data: bytes, **changes: Any) -> SignedTime | Refusal:
    usual = {"asked": ASKED, "keyset": KEYSET, "operator": OPERATOR, "revoked": frozenset(), "now_ns": 102 * S}
    return signed_time.believe_time(data, **usual | changes)


def believed(data: bytes, **changes: Any) -> SignedTime:
    found = believe(data, **changes)
    assert isinstance(found, SignedTime), found
    return found


def test_an_answer_in_time_says_between_which_moments_it_is() -> None:
    assert believed(answer()) == SignedTime(NONCE, NOW, 3.0)
    assert believed(answer(), now_ns=100 * S) == SignedTime(NONCE, NOW, 1.0)
    assert believed(answer(), now_ns=160 * S).within_s == 61.0
    other = bytes(8)
    assert believed(answer(other), asked={**ASKED, other: 101 * S}) == SignedTime(other, NOW, 2.0)


def test_sizes_are_those_of_the_page() -> None:
    """109 bytes in the profile, with a shorter operator id; 11 for the question."""
    assert len(answer()) == 111
    assert abs(len(answer()) - 109) <= 109 * 0.05
    assert len(signed_time.write_question(Question(NONCE, 1))) == 11
    assert len(signed_time.write_question(Question(NONCE, (1 << 32) - 1))) <= signed_time.MAX_QUESTION


@settings(deadline=None)
@given(st.binary(min_size=8, max_size=8), st.integers(0, (1 << 32) - 1))
def test_a_question_comes_back_as_it_went(nonce: bytes, version: int) -> None:
    data = signed_time.write_question(Question(nonce, version))
    assert signed_time.read_question(data) == Question(nonce, version)
    for size in range(len(data)):
        assert code(signed_time.read_question(data[:size])) is Code.MALFORMED
    assert code(signed_time.read_question(data + b"\x00")) is Code.MALFORMED


@pytest.mark.parametrize(
    "value", [[NONCE], [NONCE, -1], [NONCE, True], [NONCE, 1 << 32], [NONCE[1:], 1], {1: NONCE}, 7]
)
def test_anything_else_is_no_question(value: object) -> None:
    assert code(signed_time.read_question(cbor.encode(value))) is Code.MALFORMED


def test_a_question_that_is_too_long_is_not_read() -> None:
    assert code(signed_time.read_question(bytes(33))) is Code.TOO_BIG
    assert code(signed_time.read_question(bytes(32))) is Code.MALFORMED


@settings(deadline=None)
@given(
    st.binary(min_size=8, max_size=8),
    st.integers(int(clock.BUILD_S), (1 << 36) - 1),
    st.integers(0, 60 * S),
    st.text(min_size=1, max_size=20),
)
def test_what_the_backend_signs_is_what_the_car_believes(nonce: bytes, time_s: int, waited: int, name: str) -> None:
    keys = keyset(expires=1 << 37, keys=[trust.IssuerKey(ISSUER.public, 0, 1 << 37, 1 << 5)])
    data = answer(nonce, time_s, name)
    found = believed(data, asked={nonce: 5}, keyset=keys, operator=name, now_ns=5 + waited)
    assert (found.nonce, found.time_s) == (nonce, time_s)
    assert found.within_s == pytest.approx(waited / S + 1)


def test_a_question_that_was_altered_on_its_way_gets_no_answer_that_counts() -> None:
    """It is not signed: another nonce is another question, and the version only chooses the key of the answer."""
    data = signed_time.write_question(Question(NONCE, 5))
    for at in range(len(data) * 8):
        altered = bytearray(data)
        altered[at // 8] ^= 1 << at % 8
        question = signed_time.read_question(bytes(altered))
        if isinstance(question, Refusal):
            assert question.code is Code.MALFORMED
        elif question.nonce == NONCE:
            assert at // 8 == len(data) - 1
        else:
            assert code(believe(answer(question.nonce))) is Code.REPLAY


# --- what is refused, and in which order -------------------------------------------------------------------------


def test_every_single_bit_flip_is_refused_with_the_code_of_its_place() -> None:
    data = answer()
    kid, payload_at, signature_at = range(8, 16), 19, len(data) - 64
    assert data[payload_at - 2 : payload_at - 1] == b"\x58"
    for at in range(len(data) * 8):
        flipped = bytearray(data)
        flipped[at // 8] ^= 1 << at % 8
        found = code(believe(bytes(flipped)))
        if at // 8 in kid:
            assert found is Code.UNKNOWN_KEY, f"bit {at}"
        elif at // 8 >= signature_at or payload_at <= at // 8 < signature_at - 2:
            assert found is Code.SIGNATURE, f"bit {at}"
        else:
            assert found in (Code.MALFORMED, Code.ALG), f"bit {at}"


def test_every_truncation_and_every_tail_is_malformed() -> None:
    data = answer()
    for size in range(len(data)):
        assert code(believe(data[:size])) is Code.MALFORMED
    assert code(believe(data + b"\x00")) is Code.MALFORMED


# Each makes one step fail, in the order of the steps.
STEPS: list[tuple[Code, dict[str, Any], dict[str, Any]]] = [
    (Code.ISSUER_ROLE, {"operator": "orne"}, {}),
    (Code.REVOKED, {}, {"revoked": frozenset({ISSUER.kid, bytes(8)})}),
    (Code.REPLAY, {"nonce": bytes(8)}, {}),
    (Code.EXPIRED, {}, {"now_ns": 161 * S}),
    (Code.TOO_EARLY, {}, {"build_s": float(NOW + DAY)}),
]


@pytest.mark.parametrize("first", range(len(STEPS)))
@pytest.mark.parametrize("second", range(len(STEPS)))
def test_what_fails_two_steps_gets_the_earlier_code(first: int, second: int) -> None:
    made = {**STEPS[first][1], **STEPS[second][1]}
    around = {**STEPS[first][2], **STEPS[second][2]}
    expected = STEPS[min(first, second)][0]
    data = answer(**made)
    assert code(believe(data, **around)) is expected
    stale = keyset(keys=[trust.IssuerKey(ISSUER.public, 0, NOW - 1, 1 << 5)])
    assert code(believe(data, **around, keyset=stale)) is Code.UNKNOWN_KEY
    assert code(believe(forged(data), **around, keyset=stale)) is Code.SIGNATURE
    assert code(believe(answer(**made, key=STRANGER), **around)) is Code.UNKNOWN_KEY
    assert code(believe(forged(answer(**made, key=PHONE)), **around)) is Code.ALG
    assert code(believe(data[:-1], **around)) is Code.MALFORMED
    assert code(believe(data + bytes(256), **around)) is Code.TOO_BIG


def test_a_revocation_of_another_key_changes_nothing() -> None:
    assert isinstance(believe(answer(), revoked=frozenset({LIMITED.kid})), SignedTime)


def test_only_a_key_that_may_act_as_the_backend_tells_the_time() -> None:
    assert code(believe(answer(key=LIMITED))) is Code.ISSUER_ROLE


def test_another_object_of_the_same_key_is_no_time() -> None:
    listed = issue.revocations(OPERATOR, 1, NOW + DAY, NOW, [], ISSUER)
    assert code(believe(listed)) is Code.MALFORMED


@pytest.mark.parametrize(
    "body",
    [
        {1: OPERATOR, 6: NOW},
        {1: OPERATOR, 6: NOW, 39: NONCE, 4: NOW},
        {1: b"perche", 6: NOW, 39: NONCE},
        {1: OPERATOR, 6: 1 << 36, 39: NONCE},
        {1: OPERATOR, 6: -1, 39: NONCE},
        {1: OPERATOR, 6: True, 39: NONCE},
        {1: OPERATOR, 6: NOW, 39: NONCE[1:]},
        {1: OPERATOR, 6: NOW, 39: "abcdefgh"},
        [OPERATOR, NOW, NONCE],
    ],
)
def test_a_signed_payload_out_of_bounds_is_malformed(body: object) -> None:
    assert code(believe(issue.sign1(cbor.encode(body), ISSUER))) is Code.MALFORMED
    assert code(believe(issue.sign1(b"\xff", ISSUER))) is Code.MALFORMED


def test_the_edges_of_the_minute_and_of_the_build() -> None:
    assert code(believe(answer(), now_ns=160 * S)) is None
    assert code(believe(answer(), now_ns=160 * S + 1)) is Code.EXPIRED
    assert code(believe(answer(), now_ns=100 * S - 1)) is Code.EXPIRED, "asked in the future: another boot's clock"
    assert code(believe(answer(), build_s=float(NOW))) is None
    assert code(believe(answer(), build_s=float(NOW + 1))) is Code.TOO_EARLY
    early = int(clock.BUILD_S) - 1
    old = keyset(keys=[trust.IssuerKey(ISSUER.public, 0, NOW, 1 << 5)])
    assert code(believe(answer(time_s=early), keyset=old)) is Code.TOO_EARLY, "the default is this build"


def test_a_key_is_asked_whether_it_was_in_force_at_the_signed_time() -> None:
    ended = keyset(keys=[trust.IssuerKey(ISSUER.public, NOW, NOW + 10, 1 << 5)])
    for time_s, expected in ((NOW - 1, Code.UNKNOWN_KEY), (NOW, None), (NOW + 10, None), (NOW + 11, Code.UNKNOWN_KEY)):
        assert code(believe(answer(time_s=time_s), keyset=ended)) is expected
    short = keyset(expires=NOW - trust.GRACE_S, keys=KEYS)
    assert code(believe(answer(), keyset=short)) is None
    assert code(believe(answer(time_s=NOW + 1), keyset=short)) is Code.UNKNOWN_KEY


def test_an_answer_counts_once_and_never_for_another_question() -> None:
    asked = dict(ASKED)
    said = believed(answer(), asked=asked)
    del asked[said.nonce]
    assert code(believe(answer(), asked=asked)) is Code.REPLAY
    assert code(believe(answer(), asked={})) is Code.REPLAY, "a restart forgets its questions"


# --- what it does to the clock -----------------------------------------------------------------------------------


def learned(state: clock.ClockState, data: bytes, now_ns: int = 102 * S) -> clock.ClockState:
    said = believed(data, now_ns=now_ns)
    return clock.after_signed(state, said.time_s, said.within_s, BOOT, now_ns)


def test_r18_a_box_without_any_time_knows_it_after_one_answer() -> None:
    state = clock.restored(None, BOOT)
    assert clock.interval(state, BOOT, 100 * S).hi_s is None
    state = learned(state, answer())
    assert clock.interval(state, BOOT, 102 * S) == Interval(NOW, NOW + 3.0, "signed")
    later = clock.interval(state, BOOT, 202 * S)
    assert (later.source, later.lo_s) == ("holdover", pytest.approx(NOW + 100, abs=0.02))


def test_r19_signed_time_lowers_a_floor_that_was_raised_wrongly_and_keeps_it_so_after_a_restart() -> None:
    ahead = clock.after_iat(clock.restored(None, BOOT), NOW + 3650 * DAY, BOOT, S)
    assert clock.interval(ahead, BOOT, S).lo_s == NOW + 3650 * DAY
    mended = learned(ahead, answer())
    assert mended.floor_s == NOW
    assert clock.worth_writing(ahead, mended)
    after = clock.restored(clock.to_record(mended), "c" * 16)
    assert clock.interval(after, "c" * 16, S) == Interval(NOW, None, "none")


@settings(deadline=None)
@given(
    real=st.integers(NOW * 1000, (NOW + 1000) * 1000),
    there_ms=st.integers(0, 30_000),
    back_ms=st.integers(0, 30_000),
    wait_ms=st.integers(0, 600_000),
)
def test_the_true_time_always_lies_in_the_interval(real: int, there_ms: int, back_ms: int, wait_ms: int) -> None:
    """real: true milliseconds when the question goes out; the backend's clock is right and tells whole seconds."""
    asked_ns = 7 * S
    arrived_ns = asked_ns + (there_ms + back_ms) * 1_000_000
    data = answer(time_s=(real + there_ms) // 1000)
    said = believed(data, asked={NONCE: asked_ns}, now_ns=arrived_ns)
    state = clock.after_signed(clock.restored(None, BOOT), said.time_s, said.within_s, BOOT, arrived_ns)
    now = clock.interval(state, BOOT, arrived_ns + wait_ms * 1_000_000)
    true_s = (real + there_ms + back_ms + wait_ms) / 1000
    assert now.hi_s is not None
    assert now.lo_s - 1e-6 <= true_s <= now.hi_s + 1e-6


@given(st.binary(max_size=300))
def test_any_bytes_may_be_asked_whether_they_are_an_answer(data: bytes) -> None:
    assert signed_time.is_answer(data) is False


def test_an_answer_is_told_from_what_begins_alike() -> None:
    assert signed_time.is_answer(answer())
    assert signed_time.is_answer(answer(key=STRANGER, operator="another")), "who signed it is asked later"
    assert not signed_time.is_answer(issue.revocations(OPERATOR, 1, NOW, NOW, [], ISSUER))
    assert not signed_time.is_answer(issue.sign1(cbor.encode([39]), ISSUER))
    assert not signed_time.is_answer(answer() + bytes(signed_time.MAX_ANSWER))
