"""Strict CBOR: bytes to values and back, canonical only. What the values mean lives in token.py and trust.py.

`cbor2` alone is too kind: it follows tags before any signature is checked, ignores what comes after the end and takes
heads that are longer than needed (D29). So the raw bytes are walked first, in constant memory, then decoded, then
encoded again and compared.
"""

from __future__ import annotations

from typing import Final, TypeGuard

import cbor2

from .refusal import Code, Refusal, refused

MAX_DEPTH: Final = 6
_LITERALS: Final = (20, 21, 22)  # false, true, null: the only simple values that our objects could need


def encode(value: object) -> bytes:
    return cbor2.dumps(value, canonical=True)


def decode(data: bytes) -> object | Refusal:
    """The value, or a `Refusal` with code `malformed`."""
    why = objection(data)
    if why is not None:
        return refused(Code.MALFORMED, why)
    try:
        value: object = cbor2.loads(data, max_depth=MAX_DEPTH, allow_indefinite=False, allow_duplicate_keys=False)
    except (cbor2.CBORDecodeError, ValueError, TypeError) as error:
        return refused(Code.MALFORMED, f"CBOR: {error}")
    if encode(value) != data:
        return refused(Code.MALFORMED, "CBOR: not canonical")
    return value


def objection(data: bytes) -> str | None:
    """Why these bytes are not decoded, or `None`: ends, depth, tags, indefinite lengths, floats. Builds nothing."""
    due: list[int] = []  # items still to come in each container around this one; no longer than the depth allows
    left, at, size = 1, 0, len(data)
    while True:
        while not left:
            if not due:
                return None if at == size else "CBOR: bytes after the end"
            left = due.pop()
        left -= 1
        if at >= size:
            return "CBOR: ends early"
        major, number = data[at] >> 5, data[at] & 0x1F
        at += 1
        if number > 27:
            return "CBOR: indefinite or reserved length"
        if major == 6:
            return "CBOR: tag"
        if major == 7 and number not in _LITERALS:
            return "CBOR: float or simple value"
        if number >= 24:
            wide = 1 << (number - 24)
            number = int.from_bytes(data[at : at + wide], "big")
            at += wide
        if major in (2, 3):
            at += number
        elif major in (4, 5):
            number *= major - 3
            if number > size - at:
                return "CBOR: ends early"
            if len(due) >= MAX_DEPTH:
                return "CBOR: too deep"
            due.append(left)
            left = number
        if at > size:
            return "CBOR: ends early"


def is_uint(value: object, bits: int) -> TypeGuard[int]:
    """A whole number below 2 to the power of `bits`; `True` is none, although Python thinks so."""
    return type(value) is int and 0 <= value < 1 << bits


def is_bytes(value: object, size: int) -> TypeGuard[bytes]:
    return type(value) is bytes and len(value) == size


def has_keys(value: object, keys: frozenset[int]) -> TypeGuard[dict[int, object]]:
    """A map with exactly these whole-number keys; Python would also take `true` for 1."""
    return isinstance(value, dict) and value.keys() == keys and all(type(key) is int for key in value)
