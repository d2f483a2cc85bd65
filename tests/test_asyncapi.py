"""docs/contract/asyncapi.yaml: the same topics and payloads as the code, and accepted by AsyncAPI's own parser."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from agent.sync import payloads, wire
from tests import contract_schemas, node_packages

ROOT = Path(__file__).resolve().parents[1]
FILE = ROOT / "docs" / "contract" / "asyncapi.yaml"
TEXT = FILE.read_text(encoding="utf-8")
DOCUMENT: dict[str, Any] = yaml.safe_load(TEXT)
MESSAGES = {
    wire.Kind.FACTS: "facts", wire.Kind.SAMPLES: "samples", wire.Kind.STATE: "state", wire.Kind.WILL: "gone",
    wire.Kind.RESULT: "result", wire.Kind.ACK: "ack", wire.Kind.BOOK: "booking", wire.Kind.COMMAND: "command",
    wire.Kind.TRUST: "trust", wire.Kind.CONFIG: "config",
}  # fmt: skip


def channel_of(kind: wire.Kind) -> tuple[str, dict[str, Any]]:
    return next(
        (name, it) for name, it in DOCUMENT["channels"].items() if it["address"] == wire.topic("{vehicle}", kind)
    )


@pytest.mark.parametrize("kind", list(wire.Kind))
def test_every_topic_is_a_channel_with_its_message_and_its_schema(kind: wire.Kind) -> None:
    name, channel = channel_of(kind)
    reference = f"#/components/messages/{MESSAGES[kind]}"
    assert {"$ref": reference} in channel["messages"].values()
    payload = DOCUMENT["components"]["messages"][MESSAGES[kind]]["payload"]
    if kind in payloads.SHAPES:
        assert payload["schema"] == {"$ref": f"schemas/{contract_schemas.name_of(kind)}"}
    else:
        assert payload["format"] == "binary"
    (operation,) = (it for it in DOCUMENT["operations"].values() if it["channel"] == {"$ref": f"#/channels/{name}"})
    assert operation["action"] == ("receive" if kind in wire.DOWN else "send")
    retained = kind in (wire.Kind.STATE, wire.Kind.WILL)
    assert operation["bindings"]["mqtt"] == {"qos": 1, "retain": retained, "bindingVersion": "0.2.0"}


def test_there_is_nothing_else_in_it() -> None:
    assert {it["address"] for it in DOCUMENT["channels"].values()} == {wire.topic("{vehicle}", it) for it in wire.Kind}
    assert set(DOCUMENT["components"]["messages"]) == set(MESSAGES.values())
    will = DOCUMENT["servers"]["broker"]["bindings"]["mqtt"]["lastWill"]
    assert will["topic"] == wire.topic("{vehicle}", wire.Kind.WILL)
    assert will["message"].encode() == wire.will("{vehicle}")


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, item in value.items():
            if key == "$ref":
                yield item
            else:
                yield from references(item)
    elif isinstance(value, list):
        for item in value:
            yield from references(item)


def test_every_reference_leads_somewhere() -> None:
    found = list(references(DOCUMENT))
    assert len(found) > 30
    for reference in found:
        file, _, path = reference.partition("#")
        target = json.loads((FILE.parent / file).read_text(encoding="utf-8")) if file else DOCUMENT
        for step in path.strip("/").split("/") if path else ():
            target = target[step]


BROKEN = {
    "an operation that does what no operation does": ("action: send", "action: shout"),
    "a message that is not there": ("messages/ack'", "messages/nak'"),
    "a schema that is not there": ("schemas/up-facts.json", "schemas/none.json"),
}


@pytest.mark.long
def test_the_parser_of_asyncapi_accepts_it_and_would_not_accept_it_broken(tmp_path: Path) -> None:
    (tmp_path / "schemas").symlink_to(contract_schemas.FOLDER)
    files = [FILE]
    for index, (good, bad) in enumerate(BROKEN.values()):
        assert good in TEXT
        files.append(tmp_path / f"broken{index}.yaml")
        files[-1].write_text(TEXT.replace(good, bad), encoding="utf-8")
    command = [*node_packages.runnable(tmp_path, ROOT / "tests" / "node" / "parse.mjs"), *map(str, files)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    good, *others = json.loads(done.stdout)
    assert good["wrong"] == []
    assert set(good["channels"]) == {wire.topic("{vehicle}", kind) for kind in wire.Kind}
    fields = {name: count for name, count in good["fields"] if count}
    assert fields == {
        MESSAGES[kind]: len(shape.__struct_encode_fields__) for kind, shape in payloads.SHAPES.items()
    }, "the schemas were read, too"
    assert [what for what, other in zip(BROKEN, others, strict=True) if not other["wrong"]] == []
