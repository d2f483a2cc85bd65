"""JSON Schemas (draft 7) of every payload that is JSON, made of the shapes and of the inventory's words: what the
program writes, as the world may read it.

A schema is open where the shapes are strict (docs/contract.md, "How this contract grows"): fields, kinds of facts and
words that are not known yet pass.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec import Struct

from . import forms, payloads, shapes, wire
from .inventory import meaning

DRAFT: Final = "http://json-schema.org/draft-07/schema#"
REFERENCE: Final = "#/definitions/{name}"

Schema = dict[str, Any]


def name_of(kind: wire.Kind) -> str:
    """Of a kind's schema and golden payload, without what files of its sort end with."""
    return kind.value.replace("/", "-").replace("#", "-")


def schemas() -> dict[wire.Kind, Schema]:
    """Each stands alone: what it refers to lies in its own `definitions`."""
    return {kind: schema(kind) for kind in payloads.SHAPES}


def schema(kind: wire.Kind) -> Schema:
    """Of one kind of payload. Raises KeyError for one that is no JSON."""
    shape = payloads.SHAPES[kind]
    places: dict[type[Struct], str] = dict(payloads.PLACES)
    parts: list[type[Struct]] = [shape]
    if kind is wire.Kind.FACTS:
        parts += [body for _, body in forms.SHAPES]
        places.update((body, f"fact {name}") for name, body in forms.SHAPES)
        places[shapes.Reading] = "reading"
    _, found = msgspec.json.schema_components(parts, ref_template=REFERENCE)
    named = {part.__name__: part for part in places}
    definitions = {
        name: _described(_opened(found[name]), places.get(named.get(name, Struct), "")) for name in sorted(found)
    }
    if kind is wire.Kind.FACTS:
        definitions["SentFact"]["allOf"] = [_eventful(), *(_when(name, body) for name, body in forms.SHAPES)]
    top = definitions.pop(shape.__name__)
    more = {"definitions": definitions} if definitions else {}
    return {"$schema": DRAFT, "x-version": wire.VERSION, **top, **more}


def _when(kind: str, body: type[shapes.Body]) -> Schema:
    """A fact of this kind, and of one of these events, has such a body. Of any other nothing is said."""
    asked: Schema = {"kind": {"const": kind}}
    if events := forms.events(body):
        asked["body"] = {"properties": {"event": {"enum": list(events)}}}
    reference = {"$ref": REFERENCE.format(name=body.__name__)}
    return {"if": {"properties": asked}, "then": {"properties": {"body": reference}}}


def _eventful() -> Schema:
    """A fact whose kind has events tells one, if only one that nobody here knows."""
    kinds = list(dict.fromkeys(form.kind for form in forms.FORMS if form.event))
    event = {"required": ["event"], "properties": {"event": {"type": "string"}}}
    return {"if": {"properties": {"kind": {"enum": kinds}}}, "then": {"properties": {"body": event}}}


def _opened(part: Any) -> Any:
    """Strict about nothing that may come later."""
    if isinstance(part, list):
        return [_opened(item) for item in part]
    if not isinstance(part, dict):
        return part
    found = {key: _opened(value) for key, value in part.items()}
    if "additionalProperties" in found:
        found["additionalProperties"] = True
    if found.pop("x-open", False):
        found |= {"type": "string", "examples": found.pop("enum")}
    if "const" in found:
        found = {key: value for key, value in found.items() if key not in ("minimum", "maximum")}
    match found.get("anyOf"):
        case [{"type": str(only), **rest}, {"type": "null"}]:  # shorter, and the same
            found = {**found, "type": [only, "null"], **rest}
            del found["anyOf"]
    if "$ref" in found and len(found) > 1:  # in draft 7 nothing beside a reference counts
        found["allOf"] = [{"$ref": found.pop("$ref")}]
    return found


def _described(part: Schema, place: str) -> Schema:
    """With what each field means, from the inventory where the shape does not say it itself."""
    for key, said in part.get("properties", {}).items():
        if "description" in said:
            continue
        if "$ref" in said:
            said["allOf"] = [{"$ref": said.pop("$ref")}]
        said["description"] = meaning(place, key)
    return part
