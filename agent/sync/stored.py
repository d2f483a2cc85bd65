"""Pure: values read back from the disk, of the type they were written as, or a `ValueError` and nothing else.

What is not here: what a value means, and what is done without it (its owner's business).
"""

from __future__ import annotations

import json
import math
import re
from typing import Final, TypeVar

import msgspec

_T = TypeVar("_T")
_NUMBER: Final = re.compile(r"[0-9]{1,18}")
MOST: Final = 2**63 - 1  # what a column of the database holds


def value(kind: type[_T], data: bytes) -> _T:
    """The JSON in these bytes as a `kind`. No integer is larger than the database holds; what is no finite number is
    `None`."""
    try:
        found = json.loads(data, parse_int=_whole, parse_float=_finite, parse_constant=_nothing)
    except (TypeError, RecursionError) as error:
        raise ValueError(str(error)) from error
    if b"\\u" in data:  # half of a character in an escape is no text, and could not be written again
        json.dumps(found, ensure_ascii=False).encode()
    return typed(kind, found)


def typed(kind: type[_T], found: object) -> _T:
    """A `kind` made of what JSON gave; a struct takes no name that it does not know."""
    made = msgspec.convert(found, kind)
    strange = _strange(found, made)
    if strange:
        raise ValueError(f"not known: {', '.join(sorted(strange))}")
    return made


def number(text: str) -> int | None:
    """A whole number in plain digits, as keys and small values carry it; `None` for anything else."""
    return int(text) if _NUMBER.fullmatch(text) else None


def _strange(found: object, made: object) -> set[str]:
    """A damaged name would otherwise pass for one that an earlier version did not write yet."""
    if not isinstance(found, dict) or not isinstance(made, msgspec.Struct):
        return set()
    known = set(made.__struct_fields__)
    return (found.keys() - known).union(*(_strange(found[it], getattr(made, it)) for it in found.keys() & known))


def _whole(text: str) -> int:
    found = int(text)
    if abs(found) > MOST:
        raise ValueError("a number too large")
    return found


def _finite(text: str) -> float | None:
    found = float(text)
    return found if math.isfinite(found) else None


def _nothing(_: str) -> None:
    """NaN and the infinities, which JSON does not have."""
