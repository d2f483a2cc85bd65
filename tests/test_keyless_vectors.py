"""Decisions about another encoder's bytes, by the library and by the command line; both encoders side by side."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from agent.cli.token import token as command_line
from hil import tokens as bench
from keyless import issue, trust, verify
from keyless.claims import BadgeId, Claims, Interval, Role, badge_id
from keyless.refusal import Code, Refusal
from keyless.token import read_remote

WHOLE: dict[str, Any] = json.loads(
    (Path(__file__).parent / "vectors/keyless/decisions.json").read_text(encoding="utf-8")
)
CASES: list[dict[str, Any]] = WHOLE["cases"]
ROOTS = tuple(bytes.fromhex(root) for root in WHOLE["roots"])


def _situation(keyset: trust.KeySet, case: dict[str, Any]) -> verify.Situation:
    lo, hi = case["now"]
    return verify.Situation(
        keyset=keyset,
        vehicle=bytes.fromhex(WHOLE["vehicle"]),
        operator=WHOLE["operator"],
        now=Interval(lo, hi, "gnss"),
        open_booking=case.get("open_booking"),
        superseded={int(booking): seen for booking, seen in case.get("superseded", {}).items()},
        revoked=frozenset(bytes.fromhex(name) for name in case.get("revoked", [])),
        at_station=case.get("at_station", False),
    )


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_decision(case: dict[str, Any]) -> None:
    keyset = trust.read_keyset(bytes.fromhex(WHOLE["keyset"]), ROOTS, WHOLE["threshold"])
    assert isinstance(keyset, trust.KeySet)
    outcome: Any
    if "remote" in case:
        pair = read_remote(bytes.fromhex(case["remote"]))
        assert not isinstance(pair, Refusal)
        assert pair[0].hex() == case["token"]
        outcome = verify.believe_command(*pair, _situation(keyset, case), case["counter"])
    else:
        outcome = verify.believe(bytes.fromhex(case["token"]), _situation(keyset, case))
    if case["code"] is None:
        booking = outcome[0] if isinstance(outcome, tuple) else outcome
        assert booking.note == case["note"]
    else:
        assert outcome.code == case["code"]


def test_each_code_of_the_verifier_has_a_vector() -> None:
    told = Counter(case["code"] for case in CASES)
    outside = {"state_guard", "occupied", "not_stored", "code", "store_broken"}
    assert set(told) - {None} == {str(code) for code in Code} - outside


@pytest.mark.parametrize(
    "case",
    [case for case in CASES if "remote" not in case and "superseded" not in case],
    ids=lambda case: case["name"],
)
def test_d37_the_command_line_gives_the_same_answer(case: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "keyset").write_bytes(bytes.fromhex(WHOLE["keyset"]))
    lo, hi = case["now"]
    now = f"{lo},{'' if hi is None else hi}"
    words = ["verify", "--trust", str(tmp_path / "keyset"), "--vehicle", WHOLE["vehicle"], "--now", now, "--json"]
    words += [word for root in WHOLE["roots"] for word in ("--root", root)]
    words += [
        "--operator",
        WHOLE["operator"],
        *(word for name in case.get("revoked", []) for word in ("--revoked", name)),
    ]
    words += ["--open-booking", str(case["open_booking"])] if case.get("open_booking") else []
    words += ["--at-station"] if case.get("at_station") else []
    result = CliRunner().invoke(command_line, [*words, case["token"]])
    said = json.loads(result.stdout)
    assert result.exit_code == (0 if case["code"] is None else 1)
    assert (said["accept"], said["code"]) == (case["code"] is None, case["code"])
    assert said["detail"].get("note") == case["note"]


def test_both_encoders_write_the_same_bytes() -> None:
    key = bytes([7]) * 32
    order = bench.Order(bytes(8), 42, 2000, 5000, 1000, badge=b"12345", token_id=bytes(16), kind="staff")
    theirs = bench.Issuer("perche", Ed25519PrivateKey.from_private_bytes(key)).token(order)
    holder = BadgeId(badge_id(b"12345"))
    said = Claims("perche", bytes(8), 6800, 1100, 1000, bytes(16), holder, Role.DRIVER, 15, 900, 1800, 42, 1, 1)
    assert issue.token(said, issue.SigningKey(key)) == theirs
