"""The phone's side of the exchange beside the car, by the bench's own encoder, from docs/keyless.md section 6.1 alone.

What is not here: the radio (`hil/radio/`), and anything that judges a command.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from .cbor import Value, encode
from .cbor_read import decode
from .tokens import ACTIONS, sign1

HELLO, TOKEN, COMMAND, ANSWER, RECEIPT, CARRY, TAKEN, FETCH, LANGUAGE, PARCEL = range(1, 11)
CODES: Final = ("done", "failed", "unknown", "refused")


def tag(secret: bytes, day: int | None) -> bytes:
    """What a phone looks for on the air: the car's name of a day since 1970, or (`None`) of a car that knows no day."""
    what = b" fallback" if day is None else day.to_bytes(4, "big")
    return hmac.digest(secret, b"nearby" + what, hashlib.sha256)[:8]


def name_of(token: bytes) -> bytes:
    """What a token is called where the car has it."""
    return hashlib.sha256(token).digest()[:16]


def wish(token: bytes, nonce: bytes, action: str, counter: int) -> dict[int, Value]:
    return {1: name_of(token), 2: nonce, 3: ACTIONS[action], 4: counter}


def command(
    holder: Ed25519PrivateKey | ec.EllipticCurvePrivateKey, token: bytes, nonce: bytes, action: str, counter: int
) -> bytes:
    """action: a key of `ACTIONS`."""
    return sign1(holder, encode(wish(token, nonce, action, counter)))


@dataclass(frozen=True, slots=True)
class Hello:
    """As section 6.1 names the fields; times in seconds."""

    nonce: bytes
    lo_s: int
    hi_s: int | None
    source: str
    keyset: int
    revocations: int
    receipt: int
    question: bytes | None


def read_hello(body: bytes) -> Hello:
    """Raises `ValueError` or `KeyError` for what is none."""
    found: Any = decode(body)
    lo_s, hi_s, source = found[2]
    return Hello(found[1], lo_s, hi_s, source, found[3], found[4], found[5], found[6])


@dataclass(frozen=True, slots=True)
class Answer:
    """As section 6.1 names the fields; `None` and () for what was left out."""

    code: str
    nonce: bytes
    locked: bool | None
    refusal: str | None = None
    reasons: tuple[str, ...] = ()
    since_s: int | None = None
    until_s: int | None = None
    free_at_s: int | None = None
    counter: int | None = None
    text: str | None = None


def read_answer(body: bytes) -> Answer:
    """Raises `ValueError` or `KeyError` for what is none."""
    found: Any = decode(body)
    if found[1] not in CODES:
        raise ValueError(f"no such code: {found[1]}")
    more = [found.get(key) for key in range(6, 11)]
    return Answer(found[1], found[2], found[3], found.get(4), tuple(found.get(5, ())), *more)
