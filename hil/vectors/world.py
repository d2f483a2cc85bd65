"""One operator, one car, one moment, and fixed keys; the shape of a case. Nothing here is random.

What is not here: the cases themselves, one module for each object.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from .. import tokens
from ..cbor import Tag, Value, encode
from ..tokens import ACTIONS

Case: TypeAlias = dict[str, Any]
Key: TypeAlias = Ed25519PrivateKey | ec.EllipticCurvePrivateKey
Made: TypeAlias = tuple[bytes, bytes]  # a token and a command on it

HOUR, DAY = 3_600, 86_400
NOW = 1_800_000_000
SURE = [NOW, NOW + 4]
OPERATOR = "perche"
VEHICLE = bytes.fromhex("1122334455667788")
BADGE = bytes.fromhex("0102030405")
TOKEN_ID = bytes(range(16))


def ed25519(number: int) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32)


ROOTS = (ed25519(1), ed25519(2), ed25519(3))
ISSUER = tokens.Issuer(OPERATOR, ed25519(7))  # every role
LIMITED = tokens.Issuer(OPERATOR, ed25519(8))  # drivers only
OLD = tokens.Issuer(OPERATOR, ed25519(11))  # its last second is NOW
NEXT = tokens.Issuer(OPERATOR, ed25519(12))  # its first second is NOW + 4
GUEST = tokens.Issuer("mairie", ed25519(13))  # working days from 7 to 19 in Paris; NOW is a Friday, 9:00 there
STRANGER = tokens.Issuer(OPERATOR, ed25519(99))  # in no key set
CAR, NEIGHBOUR = ed25519(21), ed25519(22)  # the keys that vehicles sign by
PHONE = ec.derive_private_key(12345, ec.SECP256R1())  # y even
OTHER_PHONE = ec.derive_private_key(54321, ec.SECP256R1())  # y odd
LAPTOP = ed25519(10)
LAPTOP_HOLDER: Final[dict[int, Value]] = {1: {1: 1, -1: 6, -2: tokens.raw_public(LAPTOP)}}
NO_HOLDER: Final[dict[int, Value]] = {1: {1: 2, -1: 1, -2: (1).to_bytes(32, "big"), -3: False}}  # no point has this x
ALL_ROLES: Final = sum(1 << role for role in tokens.ROLES.values())


def public(key: Key) -> bytes:
    """32 bytes Ed25519, or 33 bytes compressed P-256."""
    if isinstance(key, Ed25519PrivateKey):
        return tokens.raw_public(key)
    return key.public_key().public_bytes(Encoding.X962, PublicFormat.CompressedPoint)


def key_id(key: Key) -> bytes:
    return tokens.derived(b"key", public(key))


# --- signed objects, also such as no honest issuer makes -------------------------------------------------------------


def cose(
    key: Key,
    payload: bytes,
    header: Mapping[int, Value] | bytes,
    *,
    context: str = "Signature1",
    tag: int | None = 18,
    unprotected: Value = None,
) -> bytes:
    """COSE_Sign1 with any protected header, as a map or as the bytes inside the byte string."""
    protected = header if isinstance(header, bytes) else encode(header)
    signature = tokens.signature(key, protected, payload, context)
    body: list[Value] = [protected, {} if unprotected is None else unprotected, payload, signature]
    return encode(body) if tag is None else encode(Tag(tag, body))


def entry(issuer: tokens.Issuer, start: int, end: int, roles: int) -> list[Value]:
    """A key as a key set lists it."""
    return [issuer.kid, issuer.public, start, end, roles]


GUEST_HOURS: Final[list[Value]] = ["mairie", 0b11111, 420, 1_140, 1_000, 1_999]
USUAL_KEYS: Final = (
    entry(ISSUER, NOW - 300 * DAY, NOW + 300 * DAY, ALL_ROLES),
    entry(LIMITED, NOW - 300 * DAY, NOW + 300 * DAY, 1 << tokens.ROLES["driver"]),
    entry(OLD, NOW - 300 * DAY, NOW, ALL_ROLES),
    entry(NEXT, NOW + 4, NOW + 300 * DAY, ALL_ROLES),
)


def keyset(payload: Value, signers: Sequence[Key] = ROOTS[:2], *, context: str = "Signature") -> bytes:
    """A key set around this payload (bytes as they are, anything else encoded), signed by these keys."""
    inner = payload if isinstance(payload, bytes) else encode(payload)
    signatures: list[Value] = [[key_id(key), tokens.signature(key, b"", inner, context)] for key in signers]
    return encode([inner, signatures])


def guest_entry(said: Value = None) -> list[Value]:
    """The second issuer's key. said: instead of its name, hours and numbers."""
    return [*entry(GUEST, NOW - 300 * DAY, NOW + 300 * DAY, ALL_ROLES), GUEST_HOURS if said is None else said]


def usual_keyset(expires: int, version: int = 1) -> bytes:
    return keyset({1: version, 2: expires, 3: USUAL_KEYS})


def trust_sets() -> dict[str, Case]:
    """By the names that cases call them: the key sets, as signed bytes with what is needed to believe them."""
    two: dict[int, Value] = {1: 1, 2: NOW + 200 * DAY, 3: [*USUAL_KEYS, guest_entry()]}
    sets = {
        "usual": usual_keyset(NOW + 200 * DAY),
        "two issuers": keyset(two),
        "expired": usual_keyset(NOW - 1),
        "expired 90 days ago": usual_keyset(NOW - 90 * DAY),
        "expired 90 days and a second ago": usual_keyset(NOW - 90 * DAY - 1),
    }
    roots = [public(root).hex() for root in ROOTS]
    return {name: {"keyset": data.hex(), "roots": roots, "threshold": 2} for name, data in sets.items()}


def order(**changes: Any) -> tokens.Order:
    """A driver's booking from an hour ago to an hour ahead, grace included, for a badge."""
    usual = {"start_s": NOW - 2700, "end_s": NOW + 1800, "issued_s": NOW - DAY, "token_id": TOKEN_ID, "revision": 3}
    return tokens.Order(**{"vehicle": VEHICLE, "booking": 42, "badge": BADGE, **usual, **changes})


def window(start: int, end: int, **changes: Any) -> tokens.Order:
    """The same with these outer bounds and no grace."""
    return order(start_s=start, end_s=end, early_s=0, late_s=0, **changes)


def claims(wanted: tokens.Order | None = None, **changes: Any) -> dict[int, Value]:
    return (wanted or order(**changes)).claims(OPERATOR)


def with_booking(**changes: Value) -> dict[int, Value]:
    """The usual claims with some fields of the booking map changed: role, actions, grace, booking, revision, flags."""
    numbers = dict(zip(("role", "actions", "grace", "booking", "revision", "flags"), range(1, 7), strict=True))
    usual = claims()
    inside = usual[tokens.BOOKING_CLAIM]
    assert isinstance(inside, dict)
    return {**usual, tokens.BOOKING_CLAIM: {**inside, **{numbers[name]: value for name, value in changes.items()}}}


def signed(payload: Value, issuer: tokens.Issuer = ISSUER) -> bytes:
    """A token or list around this payload (bytes as they are, anything else encoded)."""
    inner = payload if isinstance(payload, bytes) else encode(payload)
    return tokens.sign1(issuer.key, inner, issuer.kid)


CAR_HEADER: Final[dict[int, Value]] = {1: tokens.ED25519, 4: key_id(CAR)}


def by_car(payload: Value, key: Ed25519PrivateKey = CAR) -> bytes:
    """A receipt, or what a parcel holds, around this payload (as of `signed`)."""
    inner = payload if isinstance(payload, bytes) else encode(payload)
    return tokens.sign1(key, inner, key_id(key))


def by_holder(payload: dict[int, Value], holder: Key = PHONE, alg: int | None = None) -> bytes:
    """A command. alg: another than the one to emit."""
    usual = tokens.ED25519 if isinstance(holder, Ed25519PrivateKey) else tokens.ESP256
    return cose(holder, encode(payload), {1: alg or usual})


def flipped(data: bytes, at: int = -1) -> bytes:
    """With the lowest bit of one byte turned over."""
    at %= len(data)
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


# --- cases -----------------------------------------------------------------------------------------------------------


# What the decision on a token looks at beside its bytes. A case tells what is different.
USUAL: Final[Case] = {
    "trust": "usual",
    "vehicle": VEHICLE.hex(),
    "operator": OPERATOR,
    "now": SURE,
    "open_booking": None,
    "at_station": False,
    "carried": [],
    "just_ended": None,
    "superseded": {},
    "revoked": [],
    "list_iat": None,
    "source": "gnss",
}


def different(usual: Case, changes: Case) -> Case:
    """A case's `state`; what the usual one does not know is a mistake of the writer's."""
    unknown = changes.keys() - usual.keys()
    assert not unknown, unknown
    return changes


def padded(name: str, data: bytes, zeros: int) -> Case:
    """An input in hex digits, and so many zero bytes behind it, which need not be written out."""
    return {name: data.hex(), "zeros": zeros} if zeros else {name: data.hex()}


def case_of(field: str, usual: Case) -> Callable[..., Case]:
    """How the cases of one object are written down. field: the name of its bytes; usual: what its `state` leaves out.

    The function takes name, bytes and expected decision, `zeros` as of `padded`, and what differs from the usual.
    """

    def case(name: str, data: bytes, expect: Case, *, zeros: int = 0, **situation: Any) -> Case:
        return {"name": name, **padded(field, data, zeros), "state": different(usual, situation), "expect": expect}

    return case


def case_of_pair(usual: Case) -> Callable[..., Case]:
    """The same for a token with a command on it."""

    def case(name: str, made: Made, expect: Case, **situation: Any) -> Case:
        token, command = made
        state = different(usual, situation)
        return {"name": name, "token": token.hex(), "command": command.hex(), "state": state, "expect": expect}

    return case


def refused(code: str, **more: Any) -> Case:
    return {"accept": False, "code": code, **more}


def named(token: bytes) -> list[str]:
    """The name of a token that was believed for the open booking, as `carried` has it."""
    return [hashlib.sha256(token).digest()[:16].hex()]


def revoked_token() -> str:
    return tokens.derived(b"token", TOKEN_ID).hex()


def revoked_booking(number: int = 42) -> str:
    return tokens.derived(b"booking", number.to_bytes(8, "big")).hex()


# --- what an accepted token is worth (docs/keyless.md section 1.2) ---------------------------------------------------

_USE: Final = ("unlock", "lock", "start", "end", "find", "release_cable", "read_state", "locate_assistance")
_SERVICE: Final = ("read_logs", "write_config", "firmware", "clear_fault", "garage_on", "garage_off")
CEILING: Final[dict[int, int]] = {
    1: sum(ACTIONS[name] for name in (*_USE, "extend")),
    2: sum(ACTIONS[name] for name in (*_USE, "locate_theft", "release_immobiliser")),
    3: sum(ACTIONS[name] for name in (*_USE, "locate_theft", "release_immobiliser", *_SERVICE)),
    4: ACTIONS["unlock"],
    5: tokens.BACKEND_ACTIONS,
}


def accepted(said: Mapping[int, Any], note: str | None = None, *, drivers_rights: bool = False) -> Case:
    """The decision on a token with these claims. drivers_rights: cut to what a driver may, as after the end (D20)."""
    terms = said[tokens.BOOKING_CLAIM]
    ceiling = CEILING[terms[1]] & (CEILING[1] if drivers_rights or note else -1)
    early, late = terms[3]
    booking = {
        "iss": said[1], "aud": said[3].hex(), "exp": said[4], "nbf": said[5], "iat": said[6], "cti": said[7].hex(),
        "holder": _holder(said[8]), "role": terms[1], "actions": terms[2] & ceiling, "ignored": terms[2] & ~ceiling,
        "early": early, "late": late, "paid_from": said[5] + early, "paid_to": said[4] - late,
        "booking": terms[4], "revision": terms[5], "flags": terms[6], "kind": terms[6] & 3,
    }  # fmt: skip
    return {"accept": True, "code": None, "note": note, "booking": booking}


def _holder(confirmation: Mapping[int, Any]) -> dict[str, str]:
    if 3 in confirmation:
        return {"badge": confirmation[3].hex()}
    key = confirmation[1]
    prefix = b"" if key[1] == 1 else b"\x03" if key[-3] else b"\x02"
    return {"key": (prefix + key[-2]).hex()}
