"""The published cases: written anew by another encoder byte for byte, and answered by the library and the command line.

What the cases are made of: `hil/vectors/`; how another implementation runs them: `docs/vectors/keyless/README.md`.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from agent.cli.token import token as command_line
from hil import tokens as bench
from hil.vectors.files import texts
from keyless import cose, issue, token
from keyless.claims import BadgeId, Claims, Command, Role, badge_id
from keyless.refusal import Code
from tests.keyless_vectors import FOLDER, cases, decision, files, input_

FILES = sorted(files())
# What the verification of each object can say, and what the door adds.
BY_ITS_BYTES = {"too_big", "malformed", "alg", "unknown_key", "signature"}
BY_ITS_WORDS = {"wrong_vehicle", "issuer_role", "revoked", "superseded"}
TIME = {"clock_unsure", "too_early", "expired", "stale_list"}
COMMAND = {"holder", "replay", "role_action", "state_guard"}
DOOR = {"occupied", "not_stored", "store_broken"}
CODES = {
    "token.json": BY_ITS_BYTES | BY_ITS_WORDS | TIME,
    "command.json": BY_ITS_BYTES | BY_ITS_WORDS | TIME | COMMAND,
    "near.json": BY_ITS_BYTES | BY_ITS_WORDS | TIME | COMMAND - {"state_guard"},
    "door.json": DOOR | {"expired", "too_early", "role_action", "state_guard"},
    "pair.json": {"too_big", "malformed"},
    "keyset.json": {"too_big", "malformed", "signature", "superseded"},
    "rootset.json": {"too_big", "malformed", "signature", "issuer_role", "superseded"},
    "revocations.json": BY_ITS_BYTES | {"issuer_role", "superseded"},
    "signed_time.json": BY_ITS_BYTES | {"issuer_role", "revoked", "replay", "expired", "too_early"},
    "code.json": {"code"},
    "parcel.json": BY_ITS_BYTES | {"wrong_vehicle"},
    "receipt.json": BY_ITS_BYTES | {"wrong_vehicle", "holder"},
    "guard.json": {"role_action", "state_guard"},
    "stored.json": {"revoked", "superseded", "expired"},
    "piece.json": {"too_big", "malformed"},
    "fetch.json": {"malformed"},
    "question.json": {"too_big", "malformed"},
    "sun.json": {"malformed", "signature"},
    "tag.json": set(),
}


def test_a_second_run_writes_the_same_bytes() -> None:
    """`python -m hil.vectors --write docs/vectors/keyless` renews them; what differs then is for a person to judge."""
    written = {path.name: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.json")}
    assert written == texts()


@pytest.mark.parametrize("name", FILES)
def test_the_library_decides_every_case_as_it_should(name: str) -> None:
    wrong = []
    for case in cases(name):
        told = decision(name, case)
        if told != case["expect"]:
            wrong.append((case["name"], told, case["expect"]))
    assert not wrong


@pytest.mark.parametrize("name", FILES)
def test_each_refusal_has_three_cases_and_so_has_success(name: str) -> None:
    told = Counter(case["expect"]["code"] for case in cases(name))
    few = {code for code in {None, *CODES[name]} if told[code] < (2 if name == "pair.json" and code is None else 3)}
    assert not few
    assert sum(told.values()) == len({case["name"] for case in cases(name)})


def test_holders_of_each_form_are_among_the_accepted() -> None:
    holders = [case["expect"]["booking"]["holder"] for case in cases("token.json") if case["expect"]["accept"]]
    keys = {key["key"][:2] if len(key["key"]) == 66 else "" for key in holders if "key" in key}
    assert keys == {"02", "03", ""}, "y even, y odd, Ed25519"
    assert any("badge" in holder for holder in holders)


def test_every_code_is_among_them() -> None:
    assert set().union(*CODES.values()) == set(map(str, Code))


def test_the_runner_can_fail() -> None:
    """A word of an expectation is changed, or a bit of an input: the comparison above must see either."""
    case = next(case for case in cases("token.json") if case["expect"]["code"] is None)
    assert decision("token.json", case) == case["expect"]
    assert decision("token.json", case) != {**case["expect"], "note": "x"}
    assert decision("token.json", {**case, "token": case["token"][:-2] + "00"})["code"] == "signature"


def asked(case: dict[str, Any]) -> list[str]:
    """The words of `boitier token verify` for a case."""
    state = case["state"]
    lo, hi = state["now"]
    words = ["verify", "--vehicle", state["vehicle"], "--now", f"{lo},{'' if hi is None else hi}", "--json"]
    words += [word for root in case["trust"]["roots"] for word in ("--root", root)]
    words += [word for name in state["revoked"] for word in ("--revoked", name)]
    words += ["--operator", state["operator"]] if state["operator"] is not None else []
    words += ["--open-booking", str(state["open_booking"])] if state["open_booking"] is not None else []
    words += ["--list-from", str(state["list_iat"])] if state["list_iat"] is not None else []
    words += ["--at-station"] if state["at_station"] else []
    words += [word for one in state["superseded"].items() for word in ("--superseded", "{}:{}".format(*one))]
    words += [word for name in state["carried"] for word in ("--carried", name)]
    words += ["--just-ended", str(state["just_ended"])] if state["just_ended"] is not None else []
    words += ["--source", state["source"]]
    return [*words, "--threshold", str(case["trust"]["threshold"])]


def test_d37_the_command_line_gives_the_same_answer(tmp_path: Path) -> None:
    for case in cases("token.json"):
        (tmp_path / "keyset").write_bytes(bytes.fromhex(case["trust"]["keyset"]))
        data = input_(case, "token").hex() or "-"
        result = CliRunner().invoke(command_line, [*asked(case), "--trust", str(tmp_path / "keyset"), data])
        expect, said = case["expect"], json.loads(result.stdout)
        assert result.exit_code == (0 if expect["accept"] else 1), case["name"]
        assert (said["accept"], said["code"]) == (expect["accept"], expect["code"]), case["name"]
        if expect["accept"]:
            assert said["detail"] == {"note": expect["note"], "ignored": expect["booking"]["ignored"]}, case["name"]
            assert said["claims"]["actions"] == expect["booking"]["actions"], case["name"]


def test_d37_the_command_line_judges_receipts_the_same() -> None:
    for case in cases("receipt.json"):
        state, data = case["state"], input_(case, "receipt")
        words = ["receipt", "--json", "--key", state["public"], data.hex() if data else "-"]
        words += [word for name in ("vehicle", "token") if state[name] for word in (f"--{name}", state[name])]
        result = CliRunner().invoke(command_line, words)
        said = json.loads(result.stdout)
        assert result.exit_code == (0 if case["expect"]["accept"] else 1), case["name"]
        assert (said["accept"], said["code"]) == (case["expect"]["accept"], case["expect"]["code"]), case["name"]


def test_the_page_says_what_is_in_the_files() -> None:
    """Names of files, fields and codes: a field that the page does not explain cannot be used by a stranger."""
    page = (FOLDER / "README.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`([^`\s]+)`", page))
    for name, whole in files().items():
        fields = {key for case in whole["cases"] for key in (*case, *case["expect"])}
        assert {name, *fields, *whole["usual"]} - named == set()
        assert {case["expect"]["code"] for case in whole["cases"]} - {None} - named == set()


def test_both_encoders_write_the_same_payloads() -> None:
    """What is read of every accepted token and command, written again by the product."""
    for case in cases("token.json"):
        if case["expect"]["accept"]:
            payload = outer(input_(case, "token"), with_kid=True)
            said = token.read_claims(payload)
            assert isinstance(said, Claims)
            assert token.write_claims(said) == payload
    for case in cases("command.json"):
        if case["expect"]["accept"]:
            on, payload = input_(case, "token"), outer(input_(case, "command"), with_kid=False)
            wish = token.read_command(payload, on)
            assert isinstance(wish, Command)
            assert token.write_command(on, wish) == payload


def outer(data: bytes, *, with_kid: bool) -> bytes:
    read = cose.read_sign1(data, limit=len(data), with_kid=with_kid)
    assert isinstance(read, cose.Sign1)
    return read.payload


def test_both_encoders_write_the_same_token() -> None:
    key = bytes([7]) * 32
    order = bench.Order(bytes(8), 42, 2000, 5000, 1000, badge=b"12345", token_id=bytes(16), kind="staff")
    theirs = bench.Issuer("perche", Ed25519PrivateKey.from_private_bytes(key)).token(order)
    holder = BadgeId(badge_id(b"12345"))
    said = Claims("perche", bytes(8), 6800, 1100, 1000, bytes(16), holder, Role.DRIVER, 15, 900, 1800, 42, 1, 1)
    assert issue.token(said, issue.SigningKey(key)) == theirs
