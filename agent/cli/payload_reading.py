"""Any payload of the contract as plain JSON: what kind it is, what it says, and what of it is not as the shapes say.
Pure: bytes in, values out.

Nothing is verified: who signed what is for `boitier token verify`, and for the car.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import json
import re
import zlib
from collections.abc import Mapping
from typing import Any, Final

from msgspec.structs import asdict

from keyless import cbor, cose
from keyless import token as tokens
from keyless.refusal import Refusal

from ..sync import forms, payloads, samples, wire
from ..sync.record import Columns
from .token_reading import plain_claims

HEX: Final = re.compile(rb"(?:[0-9A-Fa-f]{2})+")
BASE64: Final = re.compile(rb"[A-Za-z0-9+/_-]{8,}={0,2}")
URL_SAFE: Final = bytes.maketrans(b"+/", b"-_")
SIGNED: Final = (b"\xd2", b"\x82", b"\x83")
HOW: Final = "save one message with: mosquitto_sub -C 1 -F %x"
EMPTY: Final = "nothing in it; only down/config is empty, and that is reserved"
# A field that tells which kind it is; a state has the name of another's, so it is asked first.
TELLING: Final = {
    "online": wire.Kind.STATE, "facts": wire.Kind.FACTS, "c": wire.Kind.SAMPLES, "result": wire.Kind.RESULT,
    "upto": wire.Kind.ACK,
}  # fmt: skip


class Unreadable(ValueError):
    """Why these bytes are no payload, and what to do."""


def told(data: bytes, columns: Columns | None = None) -> dict[str, Any]:
    """`kind`, the end of its topic; `payload`; `problems`, each a sentence, where it is not as the contract says.

    columns: what the values of samples are. Raises Unreadable.
    """
    data = carried(data)
    if data[:1] in (b"{", wire.ZLIB):
        return _of_json(_value(data), columns)
    if data[:1] in SIGNED:
        return _of_bytes(data)
    raise Unreadable(f"neither JSON nor zlib nor hex nor base64 nor anything signed; {HOW}" if data else EMPTY)


def carried(data: bytes) -> bytes:
    """The bytes as they were on the wire, of whatever they were written down as: themselves, hex, base64, or the
    envelope of a golden file.
    """
    if data[:1] in SIGNED or _inflated(data) is not None:
        return data
    word = b"".join(data.split())
    if HEX.fullmatch(word):
        return carried(bytes.fromhex(word.decode()))
    if BASE64.fullmatch(word):
        bare = word.rstrip(b"=")
        with contextlib.suppress(binascii.Error):
            return carried(base64.urlsafe_b64decode(bare.translate(URL_SAFE) + b"=" * (-len(bare) % 4)))
    envelope = _json(data) if data.lstrip()[:1] == b"{" else None
    if isinstance(envelope, dict) and "topic" in envelope and ("hex" in envelope or "payload" in envelope):
        return bytes.fromhex(envelope["hex"]) if "hex" in envelope else wire.pack(envelope["payload"])
    return data.strip()


def columns_of(data: bytes) -> dict[int, Columns]:
    """The lists of columns in a payload of facts, by the number of their fact; none in any other. Raises Unreadable."""
    found = told(data)
    if found["kind"] != wire.Kind.FACTS.value or found["problems"]:
        return {}
    lists = [(fact["n"], fact["body"]) for fact in found["payload"]["facts"] if fact["kind"] == "columns"]
    return {n: Columns(n, *(tuple(body[key]) for key in ("names", "steps", "units"))) for n, body in lists}


def _value(data: bytes) -> Any:
    text = _inflated(data) if data[:1] == wire.ZLIB else data
    if text is None:
        raise Unreadable(_why_not_zlib(data))
    return _json(text)


def _json(text: bytes) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"it begins as JSON and is none: {error}; {HOW}") from None


def _inflated(data: bytes) -> bytes | None:
    """Of a zlib stream, with the line end that mosquitto_sub puts behind it or without; else `None`."""
    engine = zlib.decompressobj()
    try:
        text = engine.decompress(data, wire.MOST_BYTES)
    except zlib.error:
        return None
    return text if engine.eof and engine.unused_data in (b"", b"\n") else None


def _why_not_zlib(data: bytes) -> str:
    engine = zlib.decompressobj()
    try:
        engine.decompress(data, wire.MOST_BYTES)
    except zlib.error as error:
        return f"it begins as zlib and is none: {error}; {HOW}"
    if engine.eof:
        return f"{len(engine.unused_data)} bytes follow the payload; {HOW}"
    return f"the zlib stream is cut short after {len(data)} bytes, or unpacks to more than 1 MiB; {HOW}"


def _of_json(value: Any, columns: Columns | None) -> dict[str, Any]:
    kind = next((kind for field, kind in TELLING.items() if isinstance(value, dict) and field in value), None)
    if kind is None:
        raise Unreadable(f"JSON, but none of ours: it has none of the fields {', '.join(TELLING)}")
    if kind is wire.Kind.STATE and value["online"] is False:
        kind = wire.Kind.WILL
    wrong = list(forms.mistakes(payloads.SHAPES[kind], value))
    if kind is wire.Kind.FACTS and not wrong:
        told_wrong = ((it["n"], forms.problems(it["kind"], it["body"])) for it in value["facts"])
        wrong += [f"fact {n}: {problem}" for n, problems in told_wrong for problem in problems]
    if kind is wire.Kind.SAMPLES and not wrong:
        value = _rows(value, columns, wrong)
    return {"kind": kind.value, "payload": value, "problems": wrong}


def _rows(value: dict[str, Any], columns: Columns | None, wrong: list[str]) -> dict[str, Any]:
    """A run with its values row by row; in steps, where nobody says what the columns are."""
    read = samples.unseal(wire.pack(value))
    if read is None:
        wrong.append("t and the columns in c are not of one length")
        return value
    rows: list[dict[str, Any]] = [{"at": at, "values": list(row)} for at, row in read[1].rows]
    head = {key: item for key, item in value.items() if key not in ("t", "c")}
    if columns is None:
        return head | {"rows": rows}
    if len(columns.steps) != len(value["c"]):
        wrong.append(f"{len(value['c'])} columns in c, {len(columns.steps)} in the fact {columns.number}")
        return head | {"rows": rows}
    for row in rows:
        row["values"] = [
            None if steps is None else round(steps * step, 6)
            for steps, step in zip(row["values"], columns.steps, strict=True)
        ]
    return head | {"names": list(columns.names), "units": list(columns.units), "rows": rows}


def _of_bytes(data: bytes) -> dict[str, Any]:
    """Signed things: a booking, a command, or something that decides whom a car trusts."""
    remote = tokens.read_remote(data) if data[:1] == b"\x82" else None
    if isinstance(remote, tuple):
        token, command = remote
        found = {"token": _signed(token), "command": _signed(command, on=token)}
        return {"kind": wire.Kind.COMMAND.value, "payload": found, "problems": []}
    if data[:1] == b"\xd2":
        found = _signed(data)
        kind = wire.Kind.BOOK if "claims" in found else wire.Kind.TRUST
        return {"kind": kind.value, "payload": found, "problems": []}
    value = cbor.decode(data)
    if isinstance(value, Refusal):
        raise Unreadable(f"it begins as a key set and is none: {value.detail.get('why', value.code.value)}")
    match value:
        case [bytes() as signed, *signatures]:  # a key set, or a change of the roots
            value = [cbor.decode(signed), *signatures]
    return {"kind": wire.Kind.TRUST.value, "payload": {"verified": False, "signed": _plain(value)}, "problems": []}


def _signed(data: bytes, *, on: bytes | None = None) -> dict[str, Any]:
    """A COSE_Sign1, nothing verified: a booking, and a command on a token, by their names; anything else by its numbers
    in docs/keyless.md.
    """
    outer = cose.read_sign1(data, limit=wire.MOST_BYTES, with_kid=on is None)
    if isinstance(outer, Refusal):
        raise Unreadable(f"a signed object that does not read: {outer.detail.get('why', outer.code.value)}")
    head: dict[str, Any] = {"verified": False, "bytes": len(data), "alg": outer.alg}
    if on is not None:
        command = tokens.read_command(outer.payload, on)
        if not isinstance(command, Refusal):
            return head | {"command": _plain(asdict(command) | {"action": (command.action.name or "").lower()})}
        return head | {"payload": _plain(cbor.decode(outer.payload)), "why": command.detail.get("why")}
    head["kid"] = outer.kid.hex()
    claims = tokens.read_claims(outer.payload)
    if not isinstance(claims, Refusal):
        return head | {"claims": plain_claims(claims)}
    return head | {"payload": _plain(cbor.decode(outer.payload))}


def _plain(value: Any) -> Any:
    """CBOR as JSON: bytes in hex, keys as text."""
    match value:
        case bytes():
            return value.hex()
        case Mapping():
            return {str(key): _plain(item) for key, item in value.items()}
        case list() | tuple():
            return [_plain(item) for item in value]
        case Refusal():
            return None
    return value
