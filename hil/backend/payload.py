"""What a vehicle sent, taken apart and checked; anything else is a `Poison` value, never an exception.

What is not here: storing it. Written from the contract alone, not from the program that sends it.
"""

from __future__ import annotations

import contextlib
import json
import re
import zlib
from dataclasses import dataclass
from typing import Any, Final

LIMIT: Final = 4 << 20  # bytes after unpacking; a zlib bomb stops here
PACK_ABOVE: Final = 512
ID: Final = re.compile(r"[0-9a-f]{16}")
COMMAND: Final = re.compile(r"[0-9a-f]{32}")
KIND: Final = re.compile(r"[a-z_]{1,40}")
SOURCES: Final = ("signed", "gnss", "holdover", "none")
HEAD: Final = re.compile(rb'\{"v":1,"vehicle":"([0-9a-f]{16})","stream":"([0-9a-f]{16})",')
FACTS: Final = re.compile(rb'"facts":\[')
EACH: Final = re.compile(rb'\{"n":([0-9]{1,15}),')
RUN: Final = re.compile(rb'"n":([0-9]{1,15}),')
HEAD_BYTES: Final = 200  # has the head, and a run's number
MOST_FACTS: Final = 150  # a message has
TOPIC: Final = re.compile(r"boitier/v1/([0-9a-f]{16})/up/(facts|samples|state|result)")


@dataclass(frozen=True, slots=True)
class Fact:
    """item: the fact as canonical text, for comparing a repeat with the first."""

    vehicle: str
    stream: str
    n: int
    kind: str
    boot: str
    at: int
    wall: tuple[int, int] | None
    source: str
    body: dict[str, Any]
    item: str


@dataclass(frozen=True, slots=True)
class Blob:
    """One sealed batch of samples, byte-identical as it came. count: samples inside."""

    vehicle: str
    stream: str
    n: int
    count: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class State:
    vehicle: str
    text: str


@dataclass(frozen=True, slots=True)
class Result:
    vehicle: str
    ident: str
    text: str


@dataclass(frozen=True, slots=True)
class Poison:
    """Set aside. vehicle, stream, n: as far as they could be read; with all three it can be acknowledged as poison."""

    topic: str
    why: str
    payload: bytes
    vehicle: str | None = None
    stream: str | None = None
    n: int | None = None


Item = Fact | Blob | State | Result | Poison


class _Bad(ValueError):
    """Why a payload is poison."""


def pack(value: object) -> bytes:
    """Compact JSON, packed when it is longer than 512 bytes (D8)."""
    plain = json.dumps(value, separators=(",", ":")).encode()
    return zlib.compress(plain, 9) if len(plain) > PACK_ABOVE else plain


def unpack(payload: bytes) -> Any:
    """The JSON value. Raises `ValueError` for anything that is none."""
    if payload[:1] == b"\x78":
        inflater = zlib.decompressobj()
        try:
            payload = inflater.decompress(payload, LIMIT)
        except zlib.error as error:
            raise _Bad(f"zlib: {error}") from None
        if not inflater.eof:
            raise _Bad("zlib: cut short or too long")
    try:
        return json.loads(payload, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise _Bad(f"JSON: {error}") from None


def read(topic: str, payload: bytes) -> list[Item]:
    """Everything in one message; what is wrong comes as `Poison` beside the rest."""
    place = TOPIC.fullmatch(topic)
    if place is None:
        return [Poison(topic, "unknown topic", payload)]
    vehicle, leaf = place.groups()
    try:
        value = unpack(payload)
    except _Bad as error:
        return _apart(topic, vehicle, payload, str(error))
    try:
        _need(isinstance(value, dict) and value.get("v") == 1, "not a version 1 object")
        _need(value.get("vehicle") == vehicle, "vehicle differs from the topic")
        match leaf:
            case "facts":
                return _facts(topic, vehicle, value)
            case "samples":
                return [_blob(topic, vehicle, value, payload)]
            case "state":
                return [State(vehicle, json.dumps(value))]
            case _:
                ident = value.get("id")
                _need(isinstance(ident, str) and COMMAND.fullmatch(ident) is not None, "id is no command's id")
                _need(isinstance(value.get("result"), dict), "no result")
                return [Result(vehicle, str(ident), json.dumps(value))]
    except _Bad as error:
        return [Poison(topic, str(error), payload, vehicle)]


def _facts(topic: str, vehicle: str, value: dict[str, Any]) -> list[Item]:
    stream = _ident(value, "stream")
    facts = value.get("facts")
    _need(isinstance(facts, list), "no list of facts")
    assert isinstance(facts, list)
    return [_fact(topic, vehicle, stream, fact) for fact in facts]


def _apart(topic: str, vehicle: str, payload: bytes, why: str) -> list[Item]:
    """A message that is no JSON, as a car sends one whose disk damaged a stored row: facts one by one, a run by its
    number, so that the one row holds up no other. The order of the keys is the contract's.
    """
    text = _inflated(payload)
    head = HEAD.match(text)
    if head is None or head[1].decode() != vehicle:
        return [Poison(topic, why, payload, vehicle)]
    stream = head[2].decode()
    if topic.endswith("/samples") and (run := RUN.match(text, head.end())):
        return [Poison(topic, why, payload, vehicle, stream, int(run[1]))]
    facts = FACTS.match(text, head.end()) if topic.endswith("/facts") else None
    starts = list(EACH.finditer(text, facts.end())) if facts is not None else []
    if not 0 < len(starts) <= MOST_FACTS or text[-2:] != b"]}":  # without its end it is not a row that is damaged
        return [Poison(topic, why, payload, vehicle)]
    ends = [start.start() - 1 for start in starts[1:]] + [len(text) - 2]
    return [
        _piece(topic, vehicle, stream, int(start[1]), text[start.start() : end])
        for start, end in zip(starts, ends, strict=True)
    ]


def _piece(topic: str, vehicle: str, stream: str, n: int, text: bytes) -> Item:
    try:
        return _fact(topic, vehicle, stream, unpack(text))
    except _Bad as error:
        return Poison(topic, str(error), text, vehicle, stream, n)


def _inflated(payload: bytes) -> bytes:
    """The text of a payload; of a damaged compressed one its beginning, as far as it unpacks."""
    if payload[:1] != b"\x78":
        return payload
    inflater, text = zlib.decompressobj(), b""
    with contextlib.suppress(zlib.error):
        text = inflater.decompress(payload, LIMIT)
    if inflater.eof:
        return text
    inflater, text = zlib.decompressobj(), b""
    with contextlib.suppress(zlib.error):
        for at in range(len(payload)):
            text += inflater.decompress(payload[at : at + 1], HEAD_BYTES)
            if len(text) >= HEAD_BYTES:
                break
    return text


def _fact(topic: str, vehicle: str, stream: str, fact: Any) -> Item:
    item = json.dumps(fact, sort_keys=True)
    n: int | None = None
    try:
        _need(isinstance(fact, dict), "a fact is an object")
        n = _number(fact, "n", low=1)
        kind, body = fact.get("kind"), fact.get("body")
        _need(isinstance(kind, str) and KIND.fullmatch(kind) is not None, "no kind")
        _need(isinstance(body, dict), "no body")
        at, wall, source = _number(fact, "at"), _wall(fact.get("wall")), fact.get("source")
        _need(source in SOURCES, "unknown source of time")
        return Fact(vehicle, stream, n, str(kind), _ident(fact, "boot"), at, wall, str(source), body, item)
    except _Bad as error:
        return Poison(topic, str(error), item.encode(), vehicle, stream, n)


def salvaged(fact: Fact) -> Fact | None:
    """The fact of an older stream that a fact `salvaged` carries, as if it had come under that stream; `None` for one
    that does not read: its own bearer is stored all the same, so nothing is lost."""
    body = fact.body
    if fact.kind != "salvaged" or body.get("event") != "record" or not isinstance(body.get("record"), dict):
        return None
    try:
        stream = _ident(body, "stream_id")
    except _Bad:
        return None
    inner = _fact("", fact.vehicle, stream, {"n": body.get("n"), **body["record"]})
    return inner if isinstance(inner, Fact) else None


def _blob(topic: str, vehicle: str, value: dict[str, Any], payload: bytes) -> Item:
    stream, n = _ident(value, "stream"), _number(value, "n", low=1)
    try:
        times, columns = value.get("t"), value.get("c")
        _need(isinstance(times, list) and len(times) > 0, "t is no list")
        assert isinstance(times, list)
        _need(all(_is_int(step) for step in times), "t holds something that is no integer")
        _need(isinstance(columns, list), "c is no list")
        assert isinstance(columns, list)
        for column in columns:
            _need(isinstance(column, list) and len(column) == len(times), "a column is not as long as t")
            _need(all(item is None or _is_int(item) for item in column), "a column holds something that is no integer")
        _number(value, "columns", low=1)
        _number(value, "at")
        _ident(value, "boot")
        _wall(value.get("wall"))
        return Blob(vehicle, stream, n, len(times), payload)
    except _Bad as error:
        return Poison(topic, str(error), payload, vehicle, stream, n)


def _need(condition: bool, why: str) -> None:
    if not condition:
        raise _Bad(why)


def _no_constant(name: str) -> None:
    raise _Bad(f"JSON: {name} is no number")


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 1 << 53


def _number(value: dict[str, Any], key: str, low: int = 0) -> int:
    number = value.get(key)
    _need(_is_int(number) and isinstance(number, int) and number >= low, f"{key} is no integer from {low}")
    return int(number)  # type: ignore[arg-type]  # _need has just looked


def _ident(value: dict[str, Any], key: str) -> str:
    ident = value.get(key)
    _need(isinstance(ident, str) and ID.fullmatch(ident) is not None, f"{key} is no id of 16 hex digits")
    return str(ident)


def _wall(value: object) -> tuple[int, int] | None:
    if value is None:
        return None
    _need(isinstance(value, list) and len(value) == 2 and all(_is_int(end) for end in value), "wall is no pair")
    assert isinstance(value, list)
    return value[0], value[1]
