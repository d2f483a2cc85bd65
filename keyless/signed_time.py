"""Signed time: the car asks with a nonce, the operator's backend signs nonce and time, the car learns when it is.

`clock.after_signed` takes it from here: the one evidence that may also lower a floor that was raised wrongly (R19).
Nonces, the monotonic clock and how both travel are the caller's. A phone may carry them and needs no trust.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from . import cbor, cose
from .claims import Interval
from .clock import BUILD_S
from .refusal import Code, Refusal, refused
from .trust import IssuerKey, KeySet, issuer_key, key_is_stale

MAX_QUESTION: Final = 32
MAX_ANSWER: Final = 256
NONCE_SIZE: Final = 8
NONCE_KEY: Final = 39  # cnonce, RFC 9200
ANSWER_WITHIN_S: Final = 60.0  # monotonic: a slower answer is true as well, but says too little to set a clock by
WHOLE_S: Final = 1.0  # the answer names the second that has begun
_ANSWER: Final = frozenset({1, 6, NONCE_KEY})
_CLOCK_BITS: Final = 36  # below clock.FAR_S: what is later cannot be kept


class Question(Struct, frozen=True):
    """nonce: 8 random bytes, good for one answer. keyset_version: so that the backend signs with a key known here."""

    nonce: bytes
    keyset_version: int


class SignedTime(Struct, frozen=True):
    """Believed: now lies between time_s and time_s + within_s, in seconds since 1970 UTC.

    nonce: of the question that is answered; the caller strikes it out.
    """

    nonce: bytes
    time_s: int
    within_s: float


class _Answer(Struct, frozen=True):
    iss: str
    time_s: int
    nonce: bytes


def write_question(question: Question) -> bytes:
    return cbor.encode([question.nonce, question.keyset_version])


def read_question(data: bytes) -> Question | Refusal:
    """The backend's side: `too_big` or `malformed`. It is not signed: the time is nobody's secret."""
    if len(data) > MAX_QUESTION:
        return refused(Code.TOO_BIG, f"{len(data)} bytes, at most {MAX_QUESTION}")
    value = cbor.decode(data)
    match value:
        case Refusal():
            return value
        case [nonce, version] if cbor.is_bytes(nonce, NONCE_SIZE) and cbor.is_uint(version, 32):
            return Question(nonce, version)
        case _:
            return refused(Code.MALFORMED, "not [nonce, key set version]")


def write_answer(operator: str, nonce: bytes, time_s: int) -> bytes:
    """The payload as the backend signs it. time_s: the second that has begun, never rounded up."""
    return cbor.encode({1: operator, 6: time_s, NONCE_KEY: nonce})


def is_answer(data: bytes) -> bool:
    """Whether these bytes mean to be signed time: it shares its first byte with other objects. Nothing is believed."""
    outer = cose.read_sign1(data, limit=MAX_ANSWER, with_kid=True)
    payload = outer if isinstance(outer, Refusal) else cbor.decode(outer.payload)
    return isinstance(payload, dict) and NONCE_KEY in payload


def believe_time(
    answer: bytes,
    asked: Mapping[bytes, int],
    keyset: KeySet,
    *,
    operator: str,
    revoked: frozenset[bytes],
    now_ns: int,
    list_iat: int | None = None,
    build_s: float = BUILD_S,
) -> SignedTime | Refusal:
    """The time, or the first of `too_big malformed alg unknown_key signature malformed unknown_key issuer_role revoked
    replay expired too_early`.

    asked: nonce to when it went out, in ns of the clock of now_ns, for every open question of this boot. revoked: ids
    of 8 bytes; the key's is looked for. Whether the key was in force is asked at the time that it signs, for a clock
    that is wrong must not keep the right time out; but a stolen key that has ended since must not turn the time back to
    its own days, so none is believed from before the revocation list that is in force. list_iat: when that was made.
    """
    outer = cose.read_sign1(answer, limit=MAX_ANSWER, with_kid=True)
    if isinstance(outer, Refusal):
        return outer
    key = issuer_key(outer, keyset)
    if isinstance(key, Refusal):
        return key
    if not outer.is_by(key.key):
        return refused(Code.SIGNATURE)
    said = _read_answer(outer.payload)
    if isinstance(said, Refusal):
        return said
    objection = _objection(said, key, keyset, operator)
    if objection is None and outer.kid in revoked:
        objection = refused(Code.REVOKED, f"kid {outer.kid.hex()}")
    return objection or _in_time(said, asked.get(said.nonce), now_ns, max(build_s, float(list_iat or 0)))


def _objection(said: _Answer, key: IssuerKey, keyset: KeySet, operator: str) -> Refusal | None:
    if key_is_stale(keyset, key, Interval(said.time_s, said.time_s, "signed")):
        return refused(Code.UNKNOWN_KEY, "key or key set was out of date then")
    if not key.is_backend(said.iss, operator):
        return refused(Code.ISSUER_ROLE, "not this operator's, or its key may not act as the backend")
    return None


def _in_time(said: _Answer, asked_ns: int | None, now_ns: int, least_s: float) -> SignedTime | Refusal:
    if asked_ns is None:
        return refused(Code.REPLAY, "answers no open question")
    round_trip_s = (now_ns - asked_ns) / 1e9
    if not 0 <= round_trip_s <= ANSWER_WITHIN_S:
        return refused(Code.EXPIRED, f"answered after {round_trip_s:.1f} s, at most {ANSWER_WITHIN_S:.0f}")
    if said.time_s + WHOLE_S <= least_s:
        why = "before this software was built, or the list of the revoked was made"
        return refused(Code.TOO_EARLY, why, time_s=said.time_s)
    return SignedTime(said.nonce, said.time_s, round_trip_s + WHOLE_S)


def _read_answer(payload: bytes) -> _Answer | Refusal:
    value = cbor.decode(payload)
    if isinstance(value, Refusal):
        return value
    if not cbor.has_keys(value, _ANSWER):
        return refused(Code.MALFORMED, "not the map of a signed time")
    iss, time_s, nonce = value[1], value[6], value[NONCE_KEY]
    if not isinstance(iss, str) or not cbor.is_uint(time_s, _CLOCK_BITS) or not cbor.is_bytes(nonce, NONCE_SIZE):
        return refused(Code.MALFORMED, "iss, iat or cnonce is not what it should be")
    return _Answer(iss, time_s, nonce)
