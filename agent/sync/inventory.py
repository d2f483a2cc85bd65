"""The inventory: every data point, what it is for, how long it stays, who gets it, whether it is about a person.

The keys come from the shapes of what is written (`forms.py`, `payloads.py`, the sampler's columns, …), and what is said
of them from `words.py`. docs/data-inventory.md is this as a page, `boitier buffer inventory --json` as data, and the
schemas of the contract say the same (`schema.py`). What is not here: enforcing any of it (`holdings.py`,
`buffer/retention.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Final

from config.vocabulary import LATITUDE, LONGITUDE, VOCABULARY

from . import forms, payloads
from .words import BOX, MEANING, USES


@dataclass(frozen=True, slots=True)
class Use:
    """purpose, retention: in words. recipient: who gets it. personal: about a person, at least through a booking."""

    purpose: str
    retention: str
    recipient: str
    personal: bool


@dataclass(frozen=True, slots=True)
class Point:
    """One data point. where: the record it stands in. key: its name there. what: it means."""

    where: str
    key: str
    what: str
    purpose: str
    retention: str
    recipient: str
    personal: bool


READING: Final = "reading"
SAMPLES: Final = "samples"


def keys(columns: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """Where and name of everything that is written. columns: of samples, as the sampler has them."""
    yield from (("fact", key) for key in forms.keys(payloads.SentFact))
    seen: dict[tuple[str, str], None] = {}
    for form in forms.FORMS:
        seen.update(dict.fromkeys((f"fact {form.kind}", key) for key in form.keys))
    yield from seen
    yield from ((READING, key) for key in forms.READING)
    yield from ((SAMPLES, key) for key in (*forms.keys(payloads.Samples), *columns))
    yield from (("state", key) for key in forms.keys(payloads.State))
    yield from (("result", key) for key in forms.keys(payloads.Result))
    yield from (("box", key) for key in BOX)


def points(columns: tuple[str, ...]) -> tuple[Point, ...]:
    """All of it, in the order of the contract. Raises KeyError for a key of which nothing is said."""
    return tuple(_point(where, key) for where, key in keys(columns))


def _point(where: str, key: str) -> Point:
    use = Use(*USES[f"{where} {key}" if f"{where} {key}" in USES else where])
    return Point(where, key, meaning(where, key), **asdict(use))


def meaning(where: str, key: str) -> str:
    """What is said of a key in this place, else of the key anywhere, else what the vocabulary says of a signal."""
    for name in (f"{where}.{key}", key):
        if name in MEANING:
            return MEANING[name]
    if key in (LATITUDE, LONGITUDE):
        return "where the car is, made coarse and thinned by the policy; empty unless the policy tracks this kind"
    return f"the car's own signal, in {VOCABULARY[key].unit or 'words'}"


def machine(listed: tuple[Point, ...]) -> list[Mapping[str, object]]:
    """The same for machines."""
    return [asdict(point) for point in listed]
