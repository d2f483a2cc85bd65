"""The oracle of receipts: each opening and each end has exactly one, signed by the vehicle, that agrees with the facts.

Read by the bench's own reader, written from docs/keyless.md section 1.7. What is not here: any other fact.
"""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from ..cbor import Value, encode
from ..cbor_read import decode
from ..tokens import ED25519, derived
from ..vouchers import EVENTS, LOCKS, RECEIPT_CLAIM, REMARKS, Look
from .held import HeldFact, Holding

CLOSINGS: Final = ("ended", "auto_closed", "takeover", "forced")
NAMELESS: Final = "not_locked"  # in a fact beside the soft checks; a receipt says it by its `lock`


@dataclass(frozen=True, slots=True)
class Read:
    """A receipt that its vehicle has signed. event, lock, remarks: as in `hil/vouchers.py`; end `None`: opened."""

    number: int
    booking: int
    event: str
    lock: str
    start: Look
    end: Look | None
    remarks: frozenset[str]


def read(data: bytes, vehicle: bytes, publics: list[bytes]) -> Read:
    """Raises `ValueError` with what is wrong. publics: the keys that this vehicle has told."""
    if data[:1] != b"\xd2":
        raise ValueError("no COSE_Sign1")
    match decode(data[1:]):
        case [bytes() as protected, dict() as unprotected, bytes() as payload, bytes() as signature]:
            pass
        case _:
            raise ValueError("no COSE_Sign1")
    if unprotected or data != b"\xd2" + encode([protected, {}, payload, signature]):
        raise ValueError("not in its one form")
    public = next((key for key in publics if protected == encode({1: ED25519, 4: derived(b"key", key)})), None)
    if public is None:
        raise ValueError("by a key that the vehicle never told")
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, encode(["Signature1", protected, b"", payload]))
    except InvalidSignature:
        raise ValueError("the signature is wrong") from None
    said: Any = decode(payload)
    inner = said[RECEIPT_CLAIM]
    if inner[1] != vehicle:
        raise ValueError("of another vehicle")
    return Read(
        inner[2], inner[3], _word(EVENTS, inner[5]), _word(LOCKS, inner[6]), Look(*inner[7]),
        None if inner[8] is None else Look(*inner[8]),
        frozenset(name for name, bit in REMARKS.items() if inner[10] & bit),
    )  # fmt: skip


def check(held: Holding, vehicle: str) -> tuple[int, int, list[str]]:
    """How many are due at least, how many are held, and what is wrong. vehicle: 16 hex digits."""
    told = {fact.body.get("vehicle_key") for fact in held.of("boot")}
    publics = [bytes.fromhex(key) for key in told if isinstance(key, str)]
    found, faults = list[Read](), list[str]()
    for fact in held.of("receipt"):
        try:
            one = read(base64.urlsafe_b64decode(fact.body["cose"] + "=="), bytes.fromhex(vehicle), publics)
        except (ValueError, KeyError, TypeError) as error:
            faults.append(f"receipt {fact.body.get('number')} (fact {fact.n}): {error}")
            continue
        found.append(one)
        if (one.number, one.booking, one.event) != tuple(fact.body.get(k) for k in ("number", "booking", "event")):
            faults.append(f"receipt {one.number} is stored as {fact.body.get('number')}, {fact.body.get('event')}")
    faults += _numbers(found)
    due = 0
    for event, ends in (("opened", ("opened",)), ("closed", CLOSINGS)):
        facts = held.of("booking", event=event)
        due += len(facts)
        faults += _paired(facts, [one for one in found if one.event in ends])
    return due, len(found), faults


def _numbers(found: list[Read]) -> Iterator[str]:
    counted = Counter(one.number for one in found)
    yield from (f"receipt {number} is there {count} times" for number, count in counted.items() if count > 1)
    missing = sorted(set(range(1, max(counted, default=0))) - counted.keys())
    yield from (f"receipt {number} is missing" for number in missing)


def _paired(facts: list[HeldFact], signed: list[Read]) -> Iterator[str]:
    """A booking may be opened and closed more than once: the first fact of its number belongs to its first receipt."""
    left = sorted(signed, key=lambda one: one.number)
    for fact in facts:
        what = f"booking {fact.body.get('booking')}, {fact.body.get('how') or fact.body.get('event')}"
        one = next((it for it in left if it.booking == fact.body.get("booking")), None)
        if one is None:
            yield f"{what}: no receipt"
            continue
        left.remove(one)
        yield from (f"{what}: receipt {one.number} says {why}" for why in _differences(one, fact.body))
    yield from (f"receipt {one.number} ({one.event} of {one.booking}) belongs to nothing" for one in left)


def _differences(one: Read, body: dict[str, Any]) -> Iterator[str]:
    if one.event != (body.get("how") or body.get("event")):
        yield f"{one.event}"
    flags = {*(body.get("soft") or ()), *(body.get("hard_overridden") or ())}
    if one.remarks != flags - {NAMELESS}:
        yield f"{sorted(one.remarks)} instead of {sorted(flags)}"
    if (NAMELESS in flags) is not (one.lock == "failed"):
        yield f"that the lock has {one.lock}"
    yield from _reading("start", one.start, body.get("start"))
    if one.end is not None:
        yield from _reading("end", one.end, body.get("end"))


def _reading(what: str, signed: Look, told: Any) -> Iterator[str]:
    if not isinstance(told, dict):
        yield f"a {what} that the fact lacks"
        return
    for name, value, key, steps in (
        ("metres", signed.odometer_m, "odometer_km", 1000), ("tenths of a percent", signed.charge, "soc_percent", 10),
    ):  # fmt: skip
        expected = None if told.get(key) is None else round(told[key] * steps)
        if value != expected:
            yield f"{value} {name} at the {what} instead of {expected}"
    wall = told.get("wall")
    if wall is None and signed.to_s is not None:
        yield f"when the {what} was, which the fact does not know"
    if wall is not None and (signed.from_s, signed.to_s) != (wall[0] // 1000, -(-wall[1] // 1000)):
        yield f"the {what} between {signed.from_s} and {signed.to_s} instead of {wall}"


def _word(words: dict[str, int], number: Value) -> str:
    name = next((word for word, known in words.items() if known == number), None)
    if name is None:
        raise ValueError(f"{number!r} is none of {', '.join(words)}")
    return name
