"""`boitier contract`: any payload, however it was written down, as plain JSON; and errors that say what to do."""

from __future__ import annotations

import base64
import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from agent.cli import payload_reading
from agent.cli.group import boitier as program
from agent.sync import wire
from keyless import trust, verify
from keyless.claims import Booking, Interval
from tests import contract_schemas, golden_tokens
from tests import golden_payloads as golden
from tests.golden_receipts import BEGUN_S
from tests.test_hil_payload import json_values

PAYLOADS = golden.payloads()
SPOKEN = [kind for kind in wire.Kind if kind is not wire.Kind.CONFIG]
FACTS_FILE = str(golden.FOLDER / golden.name_of(wire.Kind.FACTS))


def contract(*arguments: str, given: bytes = b"") -> Result:
    return CliRunner().invoke(program, ["contract", *arguments], input=given)


def told(*arguments: str, given: bytes = b"") -> Any:
    done = contract("decode", *arguments, given=given)
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


@pytest.mark.parametrize("kind", SPOKEN)
def test_however_a_payload_was_written_down_it_says_the_same(kind: wire.Kind, tmp_path: Path) -> None:
    data = PAYLOADS[kind]
    file = tmp_path / "payload"
    file.write_bytes(data)
    found = told(str(file))
    assert found["kind"] == kind.value
    assert found["problems"] == []
    pretty = [json.dumps(wire.unpack(data), indent=2).encode()] if wire.unpack(data) is not None else []
    texts = [data.hex().encode(), data.hex().upper().encode() + b"\n", base64.b64encode(data), *pretty]
    texts.append(base64.urlsafe_b64encode(data).rstrip(b"=") + b"\n")
    for text in [data, *texts, *([data + b"\n"] if kind.value.startswith("up/") else [])]:
        assert told("-", given=text) == found
    assert told(str(golden.FOLDER / golden.name_of(kind)), "--json") == found


def test_json_is_told_unchanged_and_samples_as_rows() -> None:
    assert told("-", given=PAYLOADS[wire.Kind.FACTS])["payload"] == wire.unpack(PAYLOADS[wire.Kind.FACTS])
    sent = PAYLOADS[wire.Kind.SAMPLES]
    rows = told("-", given=sent)["payload"]["rows"]
    assert [(row["at"], tuple(row["values"])) for row in rows] == list(golden.RUN.rows)
    named = told("--columns", FACTS_FILE, "-", given=sent)["payload"]
    assert named["names"][:2] == ["Vehicle.Speed", "Vehicle.TraveledDistance"]
    assert named["units"] == ["km/h", "km", "V"]
    assert [row["values"] for row in named["rows"]][:2] == [[0.0, 48213.4, 14.32], [4.12, 48213.4, None]]


def test_what_is_signed_is_told_by_name_and_never_as_verified() -> None:
    booking = told("-", given=PAYLOADS[wire.Kind.BOOK])["payload"]
    assert (booking["verified"], booking["claims"]["booking"], booking["claims"]["role"]) == (False, 33, "driver")
    command = told("-", given=PAYLOADS[wire.Kind.COMMAND])["payload"]["command"]
    assert command["command"] == {"id": golden.COMMAND_ID, "action": "lock", "counter": 1, "exp": BEGUN_S + 300}
    assert told("-", given=PAYLOADS[wire.Kind.TRUST])["payload"]["verified"] is False


def test_a_car_would_believe_what_the_golden_payloads_carry() -> None:
    keyset = trust.read_keyset(golden_tokens.KEYSET, [root.public for root in golden_tokens.ROOTS], 2)
    assert isinstance(keyset, trust.KeySet)
    situation = verify.Situation(
        keyset, vehicle=bytes.fromhex(golden.VEHICLE), operator="example", now=Interval(BEGUN_S, BEGUN_S + 1, "gnss"),
        open_booking=None, superseded={}, revoked=frozenset(), list_iat=None, at_station=True,
    )  # fmt: skip
    assert isinstance(verify.believe(golden_tokens.BOOKING, situation), Booking)
    assert isinstance(verify.believe(golden_tokens.AGENT, situation), Booking)


def test_what_is_not_as_the_contract_says_is_told_beside_it() -> None:
    sent = wire.unpack(PAYLOADS[wire.Kind.FACTS]) or {}
    sent["facts"][4]["body"]["bookin"] = sent["facts"][4]["body"].pop("booking")
    done = contract("decode", "-", given=json.dumps(sent).encode())
    assert done.exit_code == 1
    assert json.loads(done.stdout)["problems"] == [
        "fact 5: access intent: booking is missing", "fact 5: access intent: bookin is not in the contract",
    ]  # fmt: skip


ZLIB = PAYLOADS[wire.Kind.FACTS]
MISTAKES = {
    "nothing": (b"", "nothing in it"),
    "only a line end": (b"\n", "nothing in it"),
    "a log line": (b"1699999999 connected\n", "neither JSON nor zlib nor hex nor base64"),
    "half of it": (ZLIB[:-9], "cut short"),
    "two in one file": (ZLIB + ZLIB, "follow the payload; save one message with: mosquitto_sub"),
    "half a JSON": (b'{"v":1,"vehicle":', "begins as JSON and is none"),
    "another's JSON": (b'{"temperature": 21}', "none of the fields online, facts, c, result, upto"),
    "half a token": (PAYLOADS[wire.Kind.BOOK][:30], "does not read"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_named_with_what_to_do(name: str) -> None:
    data, words = MISTAKES[name]
    done = contract("decode", "-", given=data)
    assert done.exit_code == 1
    assert done.stdout == ""
    assert words in done.stderr


def test_wrong_use_is_told_as_such(tmp_path: Path) -> None:
    assert contract("decode", str(tmp_path / "none")).exit_code == 2
    assert "no such file" in contract("decode", str(tmp_path / "none")).stderr
    done = contract("decode", "--columns", str(golden.FOLDER / "up-state.json"), "-", given=PAYLOADS[wire.Kind.SAMPLES])
    assert (done.exit_code, "has no fact `columns` with the number 2" in done.stderr) == (1, True)
    assert contract("schema", "up/nothing").exit_code == 2


def test_a_schema_is_printed_as_it_is_published() -> None:
    for kind in (wire.Kind.FACTS, wire.Kind.ACK):
        printed = contract("schema", kind.value).stdout
        assert printed == (contract_schemas.FOLDER / contract_schemas.name_of(kind)).read_text(encoding="utf-8")


@given(st.sampled_from(list(payload_reading.TELLING)), json_values, st.integers(0, 3))
def test_any_object_is_told_with_what_is_wrong_in_it(field: str, value: object, grown: int) -> None:
    whole = wire.unpack(PAYLOADS[payload_reading.TELLING[field]]) or {}
    for sent in ({field: value}, {**whole, field: value}, {**whole, "facts": [{**fact_of(grown), "body": value}]}):
        payload_reading.told(json.dumps(sent).encode())


def fact_of(index: int) -> dict[str, Any]:
    listed: list[dict[str, Any]] = (wire.unpack(PAYLOADS[wire.Kind.FACTS]) or {})["facts"]
    return listed[index]


HEADS = [b"", b"{", b"\x78\x9c", b"\xd2", b"\x82", b"\x83", *PAYLOADS.values()]


@given(st.binary(max_size=200), st.sampled_from(HEADS))
def test_any_bytes_are_told_or_called_unreadable(data: bytes, head: bytes) -> None:
    for form in (head + data, (head + data).hex().encode(), head[: len(data)] + data + head):
        with contextlib.suppress(payload_reading.Unreadable):
            payload_reading.told(form)
