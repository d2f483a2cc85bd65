"""The contract: that page, shapes, schemas, golden payloads and code agree, that a mistake in a payload is noticed,
and that what this version does not know yet is taken all the same.
"""

from __future__ import annotations

import copy
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.car import reading
from agent.sync import forms, payloads, samples, schema, wire
from hil.backend import payload as receiver
from tests import contract_schemas as made
from tests import golden_payloads as golden
from tests.test_wire import any_run

PAGE = Path(__file__).resolve().parents[1] / "docs" / "contract.md"
OLD_AND_NEW = sorted(golden.FOLDER.parent.rglob("*.json"))
FREE = {"detail", "record"}  # objects of no fixed shape
OPTIONAL = {"ranges", "poison", "stream_id"}
SHAPED = tuple(payloads.SHAPES)
EXAMPLES = {kind: wire.unpack(data) or {} for kind, data in golden.payloads().items() if kind in SHAPED}


def validator(kind: wire.Kind, definition: str = "") -> jsonschema_rs.Draft7Validator:
    """Of the published file, or of one of its definitions."""
    found = json.loads((made.FOLDER / made.name_of(kind)).read_text(encoding="utf-8"))
    if definition:
        found = {"$ref": f"#/definitions/{definition}", "definitions": found["definitions"]}
    return jsonschema_rs.Draft7Validator(found)


FACT = validator(wire.Kind.FACTS, "SentFact")
FACTS = EXAMPLES[wire.Kind.FACTS]["facts"]


# --- golden payloads -------------------------------------------------------------------------------------------------


def test_every_kind_has_one_golden_payload_and_there_are_no_others() -> None:
    files = {file.name for file in golden.FOLDER.iterdir() if file.name.count(".") == 1}  # not those that are kept
    assert files == {golden.name_of(kind) for kind in wire.Kind}
    assert golden.payloads().keys() == set(wire.Kind)


@pytest.mark.parametrize("kind", list(wire.Kind))
def test_golden_files_are_what_the_code_makes_of_fixed_input(kind: wire.Kind) -> None:
    payload = golden.payloads()[kind]
    assert (golden.FOLDER / golden.name_of(kind)).read_bytes() == golden.file_of(kind, payload), (
        "python -m tests.golden_payloads"
    )


@pytest.mark.parametrize("kind", [kind for kind in wire.Kind if kind.value.startswith("up/")])
def test_golden_files_give_back_the_bytes_on_the_wire(kind: wire.Kind) -> None:
    value = json.loads((golden.FOLDER / golden.name_of(kind)).read_bytes())["payload"]
    payload = golden.payloads()[kind]
    plain = zlib.decompress(payload) if payload[0] == 0x78 else payload
    assert wire.text(value).encode() == plain


def test_the_goldens_hold_one_fact_of_every_form_with_exactly_its_keys() -> None:
    told = {(kind, str(body.get("event", ""))) for kind, body in golden.BODIES}
    assert told == {(form.kind, form.event) for form in forms.FORMS}
    assert [forms.problems(kind, body) for kind, body in golden.BODIES] == [()] * len(golden.BODIES)


def test_r26_no_fact_but_position_carries_coordinates() -> None:
    for form in forms.FORMS:
        assert ("lat" in form.keys) is (form.kind == "position")
    assert not {"position", "lat", "lon"} & set(forms.READING)


def test_r27_the_golden_state_shows_no_position_outside_of_a_booking() -> None:
    assert golden.STATE["position"] is None or golden.STATE["booking"] not in (None, "private")


# --- shapes ----------------------------------------------------------------------------------------------------------


def test_the_catalogue_names_what_is_wrong_with_a_body() -> None:
    assert forms.problems("nonsense", {}) == ("no such fact: nonsense",)
    assert forms.problems("access", {"event": "shrug"}) == ("no such fact: access shrug",)
    assert forms.problems("alarm", {"name": "x", "event": "raised", "more": 1}) == (
        "alarm raised: detail is missing",
        "alarm raised: more is not in the contract",
    )
    body: dict[str, Any] = {"event": "plugged", "booking": None, "reading": golden.reading(1, 1.0, 50.0)}
    assert forms.problems("plug", body) == ()
    body["reading"]["soc_percent"] = "50"
    assert forms.problems("plug", body) == (
        "plug plugged: Expected `float | null`, got `str` - at `$.reading.soc_percent`",
    )
    del body["reading"]["soc_percent"]
    assert forms.problems("plug", body) == (
        "plug plugged: Object missing required field `soc_percent` - at `$.reading`",
    )


def test_the_car_room_and_the_contract_mean_the_same_reading() -> None:
    assert tuple(reading.Reading.__annotations__) == forms.READING


@pytest.mark.parametrize("kind", SHAPED)
def test_what_the_code_makes_has_its_shape(kind: wire.Kind) -> None:
    assert forms.mistakes(payloads.SHAPES[kind], EXAMPLES[kind]) == ()
    assert forms.mistakes(payloads.SHAPES[kind], {**EXAMPLES[kind], "more": 1}) != ()


@given(any_run(), st.integers(1, 10**9))
def test_any_run_of_samples_has_its_shape(run: samples.Run, number: int) -> None:
    sealed = wire.unpack(samples.seal(golden.VEHICLE, golden.SAMPLES, number, run))
    assert forms.mistakes(payloads.Samples, sealed) == ()


# --- schemas ---------------------------------------------------------------------------------------------------------


def test_the_schemas_are_what_the_code_makes() -> None:
    files = {file.name: file.read_text(encoding="utf-8") for file in made.FOLDER.iterdir()}
    assert files == made.files(), "python -m tests.contract_schemas"


@pytest.mark.parametrize("name", made.files())
def test_a_schema_is_one_and_every_field_in_it_says_what_it_means(name: str) -> None:
    found = json.loads(made.files()[name])
    jsonschema_rs.meta.validate(found)
    parts = [found, *found.get("definitions", {}).values()]
    silent = [key for part in parts for key, it in part.get("properties", {}).items() if not it.get("description")]
    assert silent == []
    assert '"additionalProperties": false' not in made.files()[name]


def test_numbers_of_a_quantity_say_their_unit() -> None:
    units = {"_ms": "ms", "_km": "km", "_kwh": "kWh", "_kw": "kW", "_percent": "percent", "_m": "m", "_s": "s"}
    found = schema.schema(wire.Kind.FACTS)["definitions"] | {"State": schema.schema(wire.Kind.STATE)}
    for name, part in found.items():
        for key, it in part["properties"].items():
            wanted = units.get("_" + key.rpartition("_")[2]) if key != "ms" else "ms"
            if wanted is not None:
                assert it.get("x-unit") == wanted, f"{name}.{key}"


@pytest.mark.parametrize("kind", SHAPED)
def test_golden_payloads_have_their_schemas(kind: wire.Kind) -> None:
    assert [error.message for error in validator(kind).iter_errors(EXAMPLES[kind])] == []


def objects(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where in a payload there are objects with fields of their own."""
    if isinstance(value, dict):
        yield path
        for key, item in value.items():
            if key not in FREE and not (key == "facts" and isinstance(item, list)):
                yield from objects(item, (*path, key))


def at(value: Any, path: tuple[Any, ...]) -> Any:
    for step in path:
        value = value[step]
    return value


def spoilt(value: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The payload with one field left out, misspelt, or of another type, for every field."""
    for path in objects(value):
        for key, item in at(value, path).items():
            if key not in OPTIONAL and (key != "event" or path):
                for what in ("left out", "misspelt"):
                    other = copy.deepcopy(value)
                    taken = at(other, path).pop(key)
                    if what == "misspelt":
                        at(other, path)[key + "_"] = taken
                    yield f"{'.'.join(path)}.{key} {what}", other
            other = copy.deepcopy(value)
            at(other, path)[key] = [{}] if isinstance(item, str | int | float | None) else "text"
            yield f"{'.'.join(path)}.{key} of another type", other


@pytest.mark.parametrize("kind", SHAPED)
def test_a_field_left_out_or_misspelt_is_noticed(kind: wire.Kind) -> None:
    looked = validator(kind)
    for what, other in spoilt({**EXAMPLES[kind], "facts": FACTS[:1]} if kind is wire.Kind.FACTS else EXAMPLES[kind]):
        assert not looked.is_valid(other), what
        assert forms.mistakes(payloads.SHAPES[kind], other) or kind is wire.Kind.FACTS, what


def test_so_it_is_in_every_form_of_fact() -> None:
    for fact in FACTS:
        assert FACT.is_valid(fact)
        for what, other in spoilt(fact):
            assert not FACT.is_valid(other), f"{fact['kind']}: {what}"


# --- what comes later ------------------------------------------------------------------------------------------------


def grown(value: Any) -> Any:
    """The same from a later version: with a field in each object that nobody here knows."""
    if isinstance(value, list):
        return [grown(item) for item in value]
    return {**{key: grown(item) for key, item in value.items()}, "later": [1]} if isinstance(value, dict) else value


def later_facts() -> dict[str, Any]:
    """Kinds, events and words that nobody here knows."""
    head, intent = FACTS[0], next(fact for fact in FACTS if fact["body"].get("event") == "intent")
    strange = [
        {**head, "n": 1, "kind": "tyre", "body": {"bar": 2.4}},
        {**intent, "n": 2, "body": {"event": "hesitated", "for_ms": 3}},
        {**intent, "n": 3, "body": {**intent["body"], "via": "watch", "note": "at_night"}},
    ]
    return {**EXAMPLES[wire.Kind.FACTS], "facts": strange}


@pytest.mark.parametrize("kind", SHAPED)
def test_a_schema_lets_pass_what_a_later_version_adds(kind: wire.Kind) -> None:
    assert validator(kind).is_valid(grown(EXAMPLES[kind]))


def test_kinds_events_and_words_of_later_pass_too() -> None:
    assert validator(wire.Kind.FACTS).is_valid(later_facts())


@pytest.mark.parametrize("path", OLD_AND_NEW, ids=lambda path: str(path.relative_to(golden.FOLDER.parent)))
def test_every_golden_payload_ever_released_is_received_today(path: Path) -> None:
    """Yesterday's cars stay on the road: their payloads keep their schemas, and the receiver takes them whole."""
    envelope = json.loads(path.read_bytes())
    value = envelope.get("payload")
    kind = next(kind for kind in wire.Kind if path.name.startswith(schema.name_of(kind) + "."))
    if value is not None:
        assert validator(kind).is_valid(value)
    if kind is wire.Kind.ACK:
        assert wire.read_ack(wire.pack(value)) is not None
        assert wire.read_ack(wire.pack(grown(value))) == wire.read_ack(wire.pack(value))
    elif kind not in wire.DOWN:
        taken = receiver.read(envelope["topic"], receiver.pack(value))
        assert taken
        assert [item for item in taken if isinstance(item, receiver.Poison)] == []
        later = receiver.read(envelope["topic"], receiver.pack(grown(value)))
        assert [type(item) for item in later] == [type(item) for item in taken]


def test_the_receiver_keeps_facts_of_kinds_it_does_not_know() -> None:
    taken = receiver.read(wire.topic(golden.VEHICLE, wire.Kind.FACTS), receiver.pack(later_facts()))
    assert [(item.n, item.kind) for item in taken if isinstance(item, receiver.Fact)] == [
        (1, "tyre"), (2, "access"), (3, "access"),
    ]  # fmt: skip


# --- the page --------------------------------------------------------------------------------------------------------


def test_the_page_names_every_topic_golden_file_and_schema() -> None:
    page = PAGE.read_text(encoding="utf-8")
    for kind in wire.Kind:
        assert f"| `{kind.value.partition('#')[0]}` |" in page
        assert f"(contract/golden/v{wire.VERSION}/{golden.name_of(kind)})" in page
        assert (f"(contract/schemas/{made.name_of(kind)})" in page) is (kind in SHAPED)
    assert f"`{wire.PREFIX}/{{vehicle}}/`" in page


def test_the_page_shows_payloads_as_the_code_makes_them() -> None:
    blocks = [part.split("\n```")[0] for part in PAGE.read_text(encoding="utf-8").split("```json\n")[1:]]
    whole = [wire.text(value) for kind, value in EXAMPLES.items() if kind is not wire.Kind.FACTS]
    single = [wire.text(fact) for fact in FACTS]
    assert set(blocks) <= {*whole, *single}
    assert set(whole) <= set(blocks)
    assert any(block in single for block in blocks)


def test_the_page_lists_every_form_of_fact_with_its_keys() -> None:
    page = PAGE.read_text(encoding="utf-8")
    rows = [line for line in page.split("\n") if line.startswith("| `") and line.count("|") == 4]
    wanted = [
        f"| `{form.kind}` | {f'`{form.event}`' if form.event else ''} | {' '.join(f'`{key}`' for key in form.keys)} |"
        for form in forms.FORMS
    ]
    assert rows == wanted
    assert " ".join(f"`{key}`" for key in forms.READING) in page
