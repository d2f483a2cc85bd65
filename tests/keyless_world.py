"""Keys, a car and a moment, all fixed, for the tests of keyless/. Nothing here is random, so a failure repeats."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from keyless import issue, trust, verify
from keyless.claims import Action, BadgeId, Booking, Claims, Command, HolderKey, Interval, Role, badge_id
from keyless.refusal import Code, Refusal

NOW = 1_800_000_000
VEHICLE = bytes.fromhex("1122334455667788")
OPERATOR = "perche"
UID = bytes.fromhex("0102030405")
DAY = 86_400

ISSUER = issue.SigningKey(bytes([7]) * 32)
LIMITED = issue.SigningKey(bytes([8]) * 32)  # a booking server's key: drivers only
ROOTS = tuple(issue.SigningKey(bytes([n]) * 32) for n in (1, 2, 3))
PUBLIC_ROOTS = tuple(root.public for root in ROOTS)
STRANGER = issue.SigningKey(bytes([99]) * 32)  # no key set names it
PHONE = issue.SigningKey(bytes([9]) * 32, "p256")
LAPTOP = issue.SigningKey(bytes([10]) * 32)
ALL_ROLES = sum(1 << role for role in Role)
KEYS = (
    trust.IssuerKey(ISSUER.public, NOW - 300 * DAY, NOW + 300 * DAY, ALL_ROLES),
    trust.IssuerKey(LIMITED.public, NOW - 300 * DAY, NOW + 300 * DAY, 1 << Role.DRIVER),
)


def keyset(version: int = 1, expires: int = NOW + 200 * DAY, keys: Any = KEYS) -> trust.KeySet:
    data = issue.keyset(version, expires, keys, ROOTS[:2])
    read = trust.read_keyset(data, PUBLIC_ROOTS, 2)
    assert isinstance(read, trust.KeySet)
    return read


KEYSET = keyset()

CLAIMS = Claims(
    iss=OPERATOR,
    aud=VEHICLE,
    exp=NOW + 3600,
    nbf=NOW - 3600,
    iat=NOW - DAY,
    cti=bytes(range(16)),
    confirmation=BadgeId(badge_id(UID)),
    role=Role.DRIVER,
    actions=int(Action.UNLOCK | Action.LOCK | Action.START | Action.END),
    early_s=900,
    late_s=1800,
    booking=42,
    revision=3,
    flags=0,
)
BACKEND = replace(CLAIMS, role=Role.BACKEND, booking=0, confirmation=HolderKey(PHONE.public), actions=91)
SURE = Interval(NOW, NOW + 4, "gnss")
LEVEL_0 = Interval(NOW - 2 * DAY, None, "none")


def token(key: issue.SigningKey = ISSUER, **changes: Any) -> bytes:
    return issue.token(replace(CLAIMS, **changes), key)


def forged(data: bytes) -> bytes:
    """With the last bit of the signature turned over."""
    return data[:-1] + bytes([data[-1] ^ 1])


def believe(data: bytes, **changes: Any) -> Booking | Refusal:
    return verify.believe(data, situation(**changes))


def situation(**changes: Any) -> verify.Situation:
    usual = verify.Situation(
        keyset=KEYSET,
        vehicle=VEHICLE,
        operator=OPERATOR,
        now=SURE,
        open_booking=None,
        superseded={},
        revoked=frozenset(),
        list_iat=None,
        at_station=False,
    )
    return replace(usual, **changes)


def code(outcome: object) -> Code | None:
    return outcome.code if isinstance(outcome, Refusal) else None


def command(claims: Claims = BACKEND, holder: issue.SigningKey = PHONE, **changes: Any) -> tuple[bytes, bytes]:
    data = issue.token(claims, ISSUER)
    wish = Command(**{"id": b"i" * 16, "action": Action.UNLOCK, "counter": 1, "exp": NOW + 60, **changes})
    return data, issue.command(data, wish, holder)


def believe_command(pair: tuple[bytes, bytes], counter: int | None = None, **changes: Any) -> Any:
    return verify.believe_command(*pair, situation(**changes), counter)
