"""What the backend holds, held against the published schemas (docs/contract/schemas/), which the bench reads as a
stranger would.

Stricter than a receiver may be: car and schemas are of one version here, so a field, a kind or an event that no schema
names is a finding. What is not here: whether what was told is true (`ledger.py`).
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Final

from jsonschema_rs import Draft7Validator, ValidationError

from .payload import unpack

SCHEMAS: Final = Path(__file__).resolve().parents[2] / "docs" / "contract" / "schemas"
MOST_FAULTS: Final = 20

Told = tuple[str, str, Any]
"""What it is, its schema (a file, or a file and a definition in it), and the JSON value."""


def compare(database: Path, vehicle: str) -> tuple[str, str, list[str]]:
    """How much came, how much of it is as the schemas say, and what is not."""
    schemas = {path.stem: strict(json.loads(path.read_text(encoding="utf-8"))) for path in SCHEMAS.glob("*.json")}
    facts = schemas["up-facts"]["definitions"]
    known = named(facts["SentFact"])
    one = {"$ref": "#/definitions/SentFact", "definitions": facts}
    validators = {name: Draft7Validator(found) for name, found in {**schemas, "fact": one}.items()}
    came, faults = 0, list[str]()
    for what, name, value in told(database, vehicle):
        came += 1
        wrong = [f"{what}: {_place(error)}{error.message}" for error in _errors(validators[name], value)]
        if name == "fact" and not wrong and not is_known(value, known):
            wrong.append(f"{what}: no schema names this kind or event")
        faults += wrong[:1]
    return str(came), f"{came - len(faults)} as the schemas say", faults[:MOST_FAULTS]


def _errors(validator: Draft7Validator, value: Any) -> Iterator[ValidationError]:
    return iter(()) if validator.is_valid(value) else validator.iter_errors(value)


def _place(error: ValidationError) -> str:
    return "".join(f"{step}: " for step in error.instance_path)


def told(database: Path, vehicle: str) -> Iterator[Told]:
    """Everything that this car sent and that could be read."""
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as db:
        for stream, n, item in db.execute("SELECT stream, n, item FROM facts WHERE vehicle=?", (vehicle,)):
            fact = json.loads(item)
            yield f"fact {stream} {n} ({fact['kind']} {fact['body'].get('event', '')})", "fact", fact
        for stream, n, payload in db.execute("SELECT stream, n, payload FROM blobs WHERE vehicle=?", (vehicle,)):
            yield f"samples {stream} {n}", "up-samples", unpack(payload)
        for number, text in db.execute("SELECT id, text FROM states WHERE vehicle=?", (vehicle,)):
            state = json.loads(text)
            yield f"state {number}", "up-state" if state.get("online") else "up-state-will", state
        for ident, text in db.execute("SELECT ident, text FROM results WHERE vehicle=?", (vehicle,)):
            yield f"result {ident}", "up-result", json.loads(text)


def strict(schema: Any) -> Any:
    """The same, with nothing allowed that it does not name."""
    if isinstance(schema, list):
        return [strict(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    found = {key: strict(value) for key, value in schema.items()}
    return found | ({"additionalProperties": False} if found.get("additionalProperties") is True else {})


def named(fact: dict[str, Any]) -> dict[str, set[str]]:
    """The kinds that the schema names, and the events of each; none for a kind that has no events."""
    kinds: dict[str, set[str]] = {}
    for rule in fact["allOf"]:
        asked = rule["if"]["properties"]
        if "const" in asked["kind"]:
            events = asked.get("body", {}).get("properties", {}).get("event", {}).get("enum", [])
            kinds.setdefault(asked["kind"]["const"], set()).update(events)
    return kinds


def is_known(fact: dict[str, Any], known: dict[str, set[str]]) -> bool:
    events = known.get(fact["kind"])
    return events is not None and (not events or fact["body"].get("event") in events)
