"""What a refusal says, word for word: people read it in records and logs, phones and backends act on its details."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from keyless import cbor, cose, issue, near, policy, trust, verify
from keyless.claims import LONGEST_S, Action, Claims, HolderKey, Interval, Role
from keyless.near import NearCommand
from keyless.policy import CarView, Motion, Wish
from keyless.refusal import Code, Refusal
from tests.keyless_world import (
    BACKEND,
    CLAIMS,
    DAY,
    ISSUER,
    KEYS,
    KEYSET,
    LEVEL_0,
    LIMITED,
    NOW,
    OPERATOR,
    PHONE,
    PUBLIC_ROOTS,
    ROOTS,
    STRANGER,
    SURE,
    believe,
    believe_command,
    command,
    keyset,
    situation,
    token,
)
from tests.test_keyless_guest import BOTH, COMMUNE

SHORT: dict[str, Any] = {"nbf": NOW - 60, "exp": NOW + 60, "early_s": 0, "late_s": 0}
LATE = Interval(NOW + 301 * DAY, NOW + 301 * DAY + 4, "gnss")
ID = (b"i" * 16).hex()
DRIVER = replace(CLAIMS, confirmation=HolderKey(PHONE.public))
ODD = b"\xd2" + cbor.encode([cbor.encode({1: -257}), {}, b"", bytes(64)])


def of(**changes: Any) -> Claims:
    return replace(CLAIMS, **changes)


def commanded(*, counter: int | None = None, now: Interval = SURE, **changes: Any) -> Refusal:
    found = believe_command(command(**changes), counter, now=now)
    assert isinstance(found, Refusal)
    return found


def beside(*, nonces: tuple[bytes, ...] = (b"n" * 16,), counter: int | None = None, claims: Claims = DRIVER,
           **changes: Any) -> Any:  # fmt: skip
    data = issue.token(claims, ISSUER)
    wish = NearCommand(**{"nonce": b"n" * 16, "action": Action.UNLOCK, "counter": 1, **changes})
    return near.believe_near(data, issue.near_command(data, wish, PHONE), situation(), nonces, counter)


STALE = keyset(expires=NOW - 1)
ENDED = of(nbf=NOW - 9 * DAY, exp=NOW - 8 * DAY)
GUEST = of(iss="mairie", **SHORT)
STALE_WHY = "key or key set is out of date"
OVER_48_H = {"exp": NOW - 4 * DAY, "nbf": NOW - 5 * DAY}

TOLD: dict[str, tuple[Callable[[], Any], Code, dict[str, object], Claims | None]] = {
    "stored too late": (
        lambda: verify.store_check(token(**OVER_48_H), situation()),
        Code.EXPIRED, {"why": "ended long ago", "until": NOW - 4 * DAY}, of(**OVER_48_H),
    ),
    "stale key": (lambda: believe(token(), now=LATE), Code.UNKNOWN_KEY, {"why": STALE_WHY}, None),
    "stale key, another booking open": (
        lambda: believe(token(), now=LATE, open_booking=7), Code.UNKNOWN_KEY, {"why": STALE_WHY}, CLAIMS,
    ),
    "no such key": (lambda: believe(token(STRANGER)), Code.UNKNOWN_KEY, {"why": f"kid {STRANGER.kid.hex()}"}, None),
    "an issuer with P-256": (lambda: believe(token(PHONE)), Code.ALG, {"why": "alg -9"}, None),
    "wrong car": (lambda: believe(token(aud=bytes(8))), Code.WRONG_VEHICLE, {}, of(aud=bytes(8))),
    "another issuer": (
        lambda: believe(token(iss="orne")), Code.ISSUER_ROLE, {"why": "another issuer's token"}, of(iss="orne"),
    ),
    "may not mint": (
        lambda: believe(token(LIMITED, role=Role.TECHNICIAN, **SHORT)),
        Code.ISSUER_ROLE, {"why": "this key may not mint the role technician"}, of(role=Role.TECHNICIAN, **SHORT),
    ),
    "too long": (
        lambda: believe(token(role=Role.EMERGENCY)),
        Code.ISSUER_ROLE, {"why": "lasts longer than this role may", "longest_s": LONGEST_S[Role.EMERGENCY]},
        of(role=Role.EMERGENCY),
    ),
    "another issuer's number": (
        lambda: believe(token(COMMUNE, iss="mairie", **SHORT), keyset=BOTH),
        Code.ISSUER_ROLE, {"why": "a booking number that is not this issuer's"}, GUEST,
    ),
    "outside of its hours": (
        lambda: believe(token(COMMUNE, **{**SHORT, "iss": "mairie", "booking": 1_000, "nbf": NOW - DAY}), keyset=BOTH),
        Code.ISSUER_ROLE, {"why": "outside of the hours of this issuer"}, replace(GUEST, booking=1_000, nbf=NOW - DAY),
    ),
    "an expired key set": (
        lambda: believe(token(role=Role.AGENT, **SHORT), keyset=STALE),
        Code.ISSUER_ROLE, {"why": "the key set has expired: drivers only"}, of(role=Role.AGENT, **SHORT),
    ),
    "revoked": (
        lambda: believe(token(), revoked=frozenset({ISSUER.kid})), Code.REVOKED, {"ids": [ISSUER.kid.hex()]}, CLAIMS,
    ),
    "superseded": (
        lambda: believe(token(), superseded={42: 4}), Code.SUPERSEDED, {"why": "revision 3, seen 4"}, CLAIMS,
    ),
    "expired": (
        lambda: believe(token(nbf=ENDED.nbf, exp=ENDED.exp)), Code.EXPIRED, {"until": ENDED.exp}, ENDED,
    ),
    "too early": (
        lambda: believe(token(nbf=NOW + 60)), Code.TOO_EARLY, {"since": NOW + 60}, of(nbf=NOW + 60),
    ),
    "an old list": (
        lambda: believe(token(role=Role.AGENT, **SHORT), list_iat=NOW - 8 * DAY), Code.STALE_LIST,
        {"why": "the revocation list is more than 7 days old", "made": NOW - 8 * DAY}, of(role=Role.AGENT, **SHORT),
    ),
    "unsure": (lambda: believe(token(), now=LEVEL_0), Code.CLOCK_UNSURE, {"clock": "none"}, CLAIMS),
    "the command's alg": (
        lambda: verify.believe_command(command()[0], ODD, situation(), None),
        Code.ALG, {"why": "command alg -257"}, None,
    ),
    "another holder": (
        lambda: commanded(holder=STRANGER), Code.HOLDER, {"why": "the command is not signed by the token's holder"},
        BACKEND,
    ),
    "replay": (
        lambda: commanded(counter=1), Code.REPLAY, {"why": "counter 1, seen 1", "command": ID}, BACKEND,
    ),
    "late": (
        lambda: commanded(exp=NOW - 1),
        Code.EXPIRED, {"why": "the command came too late", "command": ID, "reasons": ["command_late"]}, BACKEND,
    ),
    "perhaps late": (
        lambda: commanded(exp=NOW + 1), Code.CLOCK_UNSURE,
        {"why": "the command may have come too late", "command": ID}, BACKEND,
    ),
    "no such right": (
        lambda: commanded(action=Action.FIRMWARE),
        Code.ROLE_ACTION, {"why": "not allowed: FIRMWARE", "command": ID}, BACKEND,
    ),
    "beside: a nonce that is used": (
        lambda: beside(nonces=()), Code.REPLAY,
        {"why": "the nonce is used, older than 30 s, or of another conversation"}, DRIVER,
    ),
    "beside: an old count": (
        lambda: beside(counter=5), Code.REPLAY, {"why": "counter 1, seen 5", "counter": 5}, DRIVER,
    ),
    "beside: the backend": (
        lambda: beside(claims=BACKEND), Code.ROLE_ACTION, {"why": "a backend's token acts from afar only"}, BACKEND,
    ),
    "beside: no such right": (
        lambda: beside(action=Action.FIRMWARE), Code.ROLE_ACTION, {"why": "not allowed: FIRMWARE"}, DRIVER,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", TOLD)
def test_a_refused_token_or_command_says_why(name: str) -> None:
    judge, code, detail, claims = TOLD[name]
    found = judge()
    assert (found.code, dict(found.detail)) == (code, detail)
    if claims is None:
        assert found.claims is None
    else:
        told = {field: getattr(found.claims, field) for field in Claims.__struct_fields__}
        assert told | {"actions": 0} == {field: getattr(claims, field) for field in told} | {"actions": 0}


def test_a_signed_payload_that_is_no_command_keeps_its_booking() -> None:
    data = issue.token(DRIVER, ISSUER)
    for body, why in (
        ({1: 2}, "not the map of a command beside the car"),
        ({1: b"", 2: bytes(16), 3: 1, 4: 1}, "token hash or nonce is not 16 bytes"),
        ({1: bytes(16), 2: b"", 3: 1, 4: 1}, "token hash or nonce is not 16 bytes"),
        ({1: bytes(16), 2: bytes(16), 3: 3, 4: 1}, "not exactly one known action"),
        ({1: bytes(16), 2: bytes(16), 3: 1, 4: 0}, "counter is out of bounds"),
        ({1: bytes(16), 2: bytes(16), 3: 1, 4: 1}, "bound to another token"),
    ):
        wish = issue.sign1(cbor.encode(body), PHONE, with_kid=False)
        found = near.believe_near(data, wish, situation(), (), None)
        assert isinstance(found, Refusal)
        assert found.detail == {"why": why}
        assert found.claims == believe(data)


# --- key set and list ------------------------------------------------------------------------------------------------


def rooted(payload: Any) -> bytes:
    message = cose.to_be_signed(b"", cbor.encode(payload), context="Signature")
    return cbor.encode([cbor.encode(payload), [[root.kid, root.sign(message)] for root in ROOTS]])


NO_FIELDS = "version, expiry or keys are not what they should be"
NO_KEY = "a key is not as docs/keyless.md section 1.4 says, or is there twice"
KEYSETS: dict[str, tuple[bytes, int, Code, str]] = {
    "big": (bytes(4097), 0, Code.TOO_BIG, "4097 bytes, at most 4096"),
    "no pair": (cbor.encode([b""]), 0, Code.MALFORMED, "not [payload, signatures]"),
    "no signature": (cbor.encode([b"", [7]]), 0, Code.MALFORMED, "a signature is not [kid, 64 bytes]"),
    "one root": (issue.keyset(1, NOW, KEYS, ROOTS[:1]), 0, Code.SIGNATURE, "1 good root signatures, 2 needed"),
    "no map": (rooted([]), 0, Code.MALFORMED, "not the map of a key set"),
    "no version": (rooted({1: -1, 2: 1, 3: []}), 0, Code.MALFORMED, NO_FIELDS),
    "no key": (rooted({1: 1, 2: 1, 3: [7]}), 0, Code.MALFORMED, NO_KEY),
    "old": (issue.keyset(4, NOW, KEYS, ROOTS), 5, Code.SUPERSEDED, "version 4, seen 5"),
}


@pytest.mark.parametrize("name", KEYSETS)
def test_a_refused_key_set_says_why(name: str) -> None:
    data, least, code, why = KEYSETS[name]
    found = trust.Trust(PUBLIC_ROOTS).read(data, min_version=least)
    assert isinstance(found, Refusal)
    assert (found.code, found.detail, found.claims) == (code, {"why": why}, None)
    if code in (Code.TOO_BIG, Code.MALFORMED):
        assert trust.read_keyset_unverified(data) == found


def test_no_threshold_believes_nobody() -> None:
    with pytest.raises(ValueError, match=r"^threshold below 1 would believe anybody$"):
        trust.read_keyset(b"", PUBLIC_ROOTS, 0)


def listed(**changes: Any) -> bytes:
    body = {1: OPERATOR, 4: NOW, 6: NOW, -65538: [1, b""], **{int(key[1:]): value for key, value in changes.items()}}
    return issue.sign1(cbor.encode(body), ISSUER)


LISTS: dict[str, tuple[bytes, Interval, Code, str]] = {
    "stale": (listed(), LATE, Code.UNKNOWN_KEY, f"kid {ISSUER.kid.hex()}"),
    "no map": (issue.sign1(b"\x80", ISSUER), SURE, Code.MALFORMED, "not the map of a revocation list"),
    "no ids": (
        issue.sign1(cbor.encode({1: OPERATOR, 4: NOW, 6: NOW, -65538: 7}), ISSUER), SURE,
        Code.MALFORMED, "not [sequence, ids]",
    ),
    "no iat": (listed(_6=None), SURE, Code.MALFORMED, "iss, exp or iat is not what it should be"),
    "another's": (
        listed(_1="orne"), SURE, Code.ISSUER_ROLE, "not this operator's, or its key may not act as the backend",
    ),
    "old": (listed(), SURE, Code.SUPERSEDED, "sequence 1, seen 2"),
}  # fmt: skip


@pytest.mark.parametrize("name", LISTS)
def test_a_refused_list_says_why(name: str) -> None:
    data, now, code, why = LISTS[name]
    found = trust.read_revocations(data, KEYSET, operator=OPERATOR, now=now, min_sequence=2)
    assert isinstance(found, Refusal)
    assert (found.code, found.detail, found.claims) == (code, {"why": why}, None)


def test_the_first_key_set_and_the_first_list_may_be_number_0() -> None:
    first = issue.keyset(0, NOW, KEYS, ROOTS)
    assert isinstance(trust.Trust(PUBLIC_ROOTS).read(first), trust.KeySet)
    assert isinstance(trust.read_keyset(first, PUBLIC_ROOTS, 2), trust.KeySet)
    data = issue.revocations(OPERATOR, 0, NOW, NOW, [], ISSUER)
    assert isinstance(trust.read_revocations(data, KEYSET, operator=OPERATOR, now=SURE), trust.Revocations)


# --- the car's state -------------------------------------------------------------------------------------------------

YES, MAYBE, ON = CarView(Motion.YES), CarView(Motion.MAYBE), CarView(Motion.NO, ignition=True)
MOVES, MAY_MOVE = {"why": "the car is moving", "moving": "yes"}, {"why": "the car may be moving", "moving": "maybe"}
GARAGE_ON = {"why": "the ignition is on: switch it off first", "ignition": True}
GUARDS: dict[str, tuple[Role, Action, CarView, Code, dict[str, object]]] = {
    "no right": (Role.DRIVER, Action.FIRMWARE, YES, Code.ROLE_ACTION, {"why": "not allowed: FIRMWARE"}),
    "garage in a moving car": (Role.TECHNICIAN, Action.GARAGE_ON, YES, Code.STATE_GUARD, MOVES),
    "garage with the ignition on": (Role.TECHNICIAN, Action.GARAGE_ON, ON, Code.STATE_GUARD, GARAGE_ON),
    "moving": (Role.DRIVER, Action.UNLOCK, YES, Code.STATE_GUARD, MOVES),
    "maybe": (Role.TECHNICIAN, Action.UNLOCK, MAYBE, Code.STATE_GUARD, MAY_MOVE),
    "ignition": (
        Role.TECHNICIAN, Action.UNLOCK, ON, Code.STATE_GUARD, {"why": "the ignition is on", "ignition": True},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", GUARDS)
def test_a_guard_says_why(name: str) -> None:
    role, action, car, code, detail = GUARDS[name]
    booking: Any = believe(token(role=role, actions=0xFFFF, nbf=NOW - 10, exp=NOW + 1000, early_s=0, late_s=0))
    assert policy.decide(booking, Wish(action), car) == Refusal(code, detail, booking)


def test_who_is_believed_carries_the_very_bytes_that_were_presented() -> None:
    assert believe(token()).token == token()  # type: ignore[union-attr]
    assert verify.store_check(token(), situation()).token == token()  # type: ignore[union-attr]
    pair = command()
    assert believe_command(pair)[0].token == pair[0]


def test_what_is_stored_already_asks_no_clock_at_all() -> None:
    """Not even one that stands at its very first second."""
    old = keyset(expires=0, keys=[trust.IssuerKey(ISSUER.public, 0, 0, 1 << Role.DRIVER)])
    assert verify.store_check(token(), situation(keyset=old), kept=True).token == token()  # type: ignore[union-attr]
