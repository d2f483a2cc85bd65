"""`boitier token`: from fresh keys to a decision, in the shapes that scripts rely on (D37)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from agent.cli.token import token
from keyless.claims import badge_id
from keyless.guest import Guest
from keyless.roots import RootSet, read_rootset
from keyless.sun import sun_id
from keyless.trust import KeySet, Trust, read_keyset_unverified

VEHICLE = "1122334455667788"
NOW = 1_800_000_000


def run(*words: object, stdin: bytes | None = None) -> Result:
    return CliRunner().invoke(token, [str(word) for word in words], input=stdin)


def public(file: Path) -> str:
    return str(json.loads(file.read_text())["public"])


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    """A folder with three roots, an issuer, a phone and a key set signed by two roots."""
    for name in ("root1", "root2", "root3", "issuer", "phone"):
        kind = "p256" if name == "phone" else "ed25519"
        assert run("keygen", tmp_path / name, "--kind", kind).exit_code == 0
    words: list[object] = ["keyset", "--root", tmp_path / "root1", "--root", tmp_path / "root3", "--version", 1]
    words += ["--key", public(tmp_path / "issuer"), "--from", NOW - 1000, "--to", NOW + 9_000_000]
    assert run(*words, "--out", tmp_path / "keyset").exit_code == 0
    return tmp_path


def mint(desk: Path, *words: object) -> str:
    fixed: list[object] = ["--operator", "perche", "--vehicle", VEHICLE, "--booking", 42]
    fixed += ["--from", NOW, "--to", NOW + 3600, "--key", desk / "issuer"]
    holder = [] if {"--holder", "--badge", "--sun-badge"} & set(words) else ["--badge", "0102030405"]
    result = run("issue", *fixed, *holder, *words)
    assert result.exit_code == 0, result.output
    return result.stdout.strip()


def decide(desk: Path, text: str, *words: object, now: str = str(NOW), stdin: bytes | None = None) -> tuple[int, Any]:
    result = run("verify", "--trust", desk / "keyset", "--vehicle", VEHICLE, "--now", now, *words, text, stdin=stdin)
    return result.exit_code, json.loads(result.stdout) if result.exit_code < 2 else result.stderr


def test_a_minted_token_is_accepted_and_its_claims_are_told(desk: Path) -> None:
    exit_code, said = decide(desk, mint(desk, "--kind", "staff", "--iat", NOW - 5), "--json")
    assert exit_code == 0
    assert set(said) == {"accept", "code", "claims", "detail"}
    assert (said["accept"], said["code"]) == (True, None)
    claims = said["claims"]
    assert (claims["iss"], claims["aud"], claims["booking"], claims["kind"]) == ("perche", VEHICLE, 42, "staff")
    assert (claims["nbf"], claims["exp"], claims["iat"]) == (NOW - 900, NOW + 5400, NOW - 5)
    assert claims["role"] == "driver"


def test_refusals_exit_with_one_and_say_their_code(desk: Path) -> None:
    text = mint(desk)
    for now, code in (
        (str(NOW - 901), "too_early"),
        (str(NOW + 5401), "expired"),
        (f"{NOW - 200_000},", "clock_unsure"),
    ):
        exit_code, said = decide(desk, text, now=now)
        assert (exit_code, said["accept"], said["code"]) == (1, False, code)
        assert set(said["said"]) == {"en", "fr"}
        assert said["claims"]["booking"] == 42
    assert decide(desk, text, "--operator", "orne")[1]["code"] == "issuer_role"
    exit_code, said = decide(desk, text[:-4] + "AAAA")
    assert (exit_code, said["code"], said["claims"]) == (1, "signature", None)


def test_r18_and_r5_can_be_tried_at_a_desk(desk: Path) -> None:
    text = mint(desk)
    assert decide(desk, text, now=f"{NOW - 3600},")[1]["detail"]["note"] == "clock_unsure_accepted"
    assert (
        decide(desk, text, "--open-booking", 42, now=str(NOW + 99_999))[1]["detail"]["note"] == "after_end_open_booking"
    )


def test_r12_d20_a_higher_revision_and_a_signed_time_can_be_tried_at_a_desk(desk: Path) -> None:
    text, seen = mint(desk, "--revision", 2), ("--superseded", "42:3", "--superseded", "42:1", "--superseded", "7:9")
    assert decide(desk, text, *seen)[1]["code"] == "superseded"
    assert decide(desk, text, *seen, "--open-booking", 42)[0] == 0
    assert decide(desk, text, *seen, "--open-booking", 42, "--at-station")[1]["code"] == "superseded"
    assert decide(desk, text, "--superseded", "42:2")[0] == 0
    agents, old = mint(desk, "--role", "agent"), ("--list-from", NOW - 8 * 86_400)
    assert decide(desk, agents, *old)[1]["code"] == "stale_list"
    assert decide(desk, agents, *old, "--source", "signed")[0] == 0
    assert decide(desk, agents, *old, "--source", "signed", now=f"{NOW},")[1]["code"] == "clock_unsure"


def test_a_token_comes_as_file_text_or_standard_input(desk: Path) -> None:
    text = mint(desk)
    mint(desk, "--out", desk / "raw")
    raw = (desk / "raw").read_bytes()
    (desk / "hex").write_text(raw.hex() + "\n")
    (desk / "text").write_text(text + "\n")
    for word in (desk / "raw", desk / "hex", desk / "text", raw.hex(), raw.hex().upper(), text, text + "=="):
        assert decide(desk, str(word))[0] == 0, word
    for stdin in (raw, raw.hex().encode(), text.encode() + b"\n"):
        assert decide(desk, "-", stdin=stdin)[0] == 0
    (desk / "empty").write_bytes(b"")
    for word, stdin in (("-", b""), (str(desk / "empty"), None), ("00", None), ("-", b"\xff\xfe")):
        assert decide(desk, word, stdin=stdin)[1]["code"] == "malformed"


def test_the_key_set_itself_is_verified_when_roots_are_named(desk: Path) -> None:
    text = mint(desk)
    roots = [word for name in ("root1", "root2", "root3") for word in ("--root", public(desk / name))]
    assert decide(desk, text, *roots)[0] == 0
    exit_code, error = decide(desk, text, *roots[:4])
    assert exit_code == 2
    assert "1 good root signatures, 2 needed" in error
    assert decide(desk, text, *roots[:4], "--threshold", 1)[0] == 0


@pytest.mark.parametrize(
    "words",
    [
        ["no such file"],
        ["A" * 17],  # no base64 text is that long
        ["--vehicle", "11", "00"],
        ["--vehicle", "zz", "00"],
        ["--now", "soon", "00"],
        ["--now", "5,4", "00"],
        ["--now", "-1", "00"],
        ["--now", "nan", "00"],
        ["--trust", "nowhere", "00"],
        ["--superseded", "42", "00"],
        ["--superseded", "42:x", "00"],
        ["--source", "none", "00"],
        ["--root", "00", "00"],
        [],
    ],
)
def test_wrong_use_exits_with_two(desk: Path, words: list[str]) -> None:
    right = ["verify", "--trust", str(desk / "keyset"), "--vehicle", VEHICLE, "--now", str(NOW)]
    assert run(*right, *words).exit_code == 2


def test_a_trust_file_that_is_none_is_wrong_use(desk: Path) -> None:
    (desk / "junk").write_bytes(b"junk")
    result = run("verify", "--trust", desk / "junk", "--vehicle", VEHICLE, "--now", NOW, "00")
    assert result.exit_code == 2
    assert "malformed" in result.stderr


def test_inspect_tells_and_believes_nothing(desk: Path) -> None:
    text = mint(desk, "--holder", public(desk / "phone"), "--action", "unlock", "--action", "lock", "--cti", "0f" * 16)
    said = json.loads(run("inspect", text, "--json").stdout)
    assert said["verified"] is False
    assert said["claims"]["holder"] == {"key": public(desk / "phone")}
    assert (said["claims"]["actions"], said["claims"]["cti"], said["alg"]) == (3, "0f" * 16, -19)
    assert said["bytes"] <= 215
    for bad in ("00", text[:40]):
        result = run("inspect", bad)
        assert (result.exit_code, json.loads(result.stdout)["code"]) == (1, "malformed")


def test_keys_are_secret_and_never_overwritten(desk: Path) -> None:
    assert (desk / "issuer").stat().st_mode & 0o777 == 0o600
    before = (desk / "issuer").read_text()
    result = run("keygen", desk / "issuer")
    assert result.exit_code == 2
    assert (desk / "issuer").read_text() == before
    said = json.loads(run("keygen", desk / "more", "--json").stdout)
    assert set(said) == {"kind", "public", "kid"}, "the secret is not shown"


def test_a_key_for_drivers_cannot_mint_technicians(desk: Path) -> None:
    words: list[object] = ["keyset", "--root", desk / "root1", "--version", 2, "--from", 0, "--to", NOW + 9_000_000]
    assert run(*words, "--key", public(desk / "issuer") + ":driver", "--out", desk / "keyset").exit_code == 0
    short = ["--role", "technician"]
    assert decide(desk, mint(desk, *short))[1]["code"] == "issuer_role"
    assert run(*words, "--key", public(desk / "issuer") + ":king").exit_code == 2


@pytest.mark.parametrize(
    "words", [[], ["--badge", "01", "--holder", "00" * 32], ["--badge", "01", "--from", str(NOW + 9999)]]
)
def test_issue_refuses_what_no_car_would_take(desk: Path, words: list[str]) -> None:
    fixed = ["--operator", "perche", "--vehicle", VEHICLE, "--booking", 1, "--from", NOW, "--to", NOW + 3600]
    assert run("issue", *fixed, "--key", desk / "issuer", *words).exit_code == 2


def test_issue_wants_a_real_key_file(desk: Path) -> None:
    fixed = [
        "--operator",
        "perche",
        "--vehicle",
        VEHICLE,
        "--booking",
        1,
        "--from",
        NOW,
        "--to",
        NOW + 3600,
        "--badge",
        "01",
    ]
    (desk / "junk").write_text('{"kind": "ed25519", "secret": "00", "public": "00"}')
    for name in ("junk", "keyset", "nowhere"):
        result = run("issue", *fixed, "--key", desk / name)
        assert result.exit_code == 2
        assert "keygen" in result.stderr
    (desk / "swapped").write_text((desk / "root1").read_text().replace(public(desk / "root1"), public(desk / "root2")))
    assert run("issue", *fixed, "--key", desk / "swapped").exit_code == 2


def test_a_badge_that_proves_itself_is_named_by_its_own_id(desk: Path) -> None:
    number = "04DE5F1EACC040"
    said = [
        json.loads(run("inspect", mint(desk, option, number), "--json").stdout)["claims"]["holder"]["badge"]
        for option in ("--badge", "--sun-badge")
    ]
    assert said == [badge_id(bytes.fromhex(number)).hex(), sun_id(bytes.fromhex(number)).hex()]


def test_issue_speaks_json(desk: Path) -> None:
    said = json.loads(mint(desk, "--json"))
    assert said["bytes"] <= 182
    assert decide(desk, said["token"])[0] == 0


def test_the_roots_are_replaced_and_a_set_that_no_box_would_take_is_not_made(desk: Path, tmp_path: Path) -> None:
    for name in ("next1", "next2"):
        assert run("keygen", tmp_path / name).exit_code == 0
    words: list[object] = ["rootset", "--old", desk / "root1", "--old", desk / "root3", "--version", 1]
    for name in ("next1", "next2"):
        words += ["--new", tmp_path / name, "--root", public(tmp_path / name)]
    assert run(*words, "--out", tmp_path / "roots.bin").exit_code == 0
    in_force = Trust(tuple(bytes.fromhex(public(desk / name)) for name in ("root1", "root3")), 2)
    read = read_rootset((tmp_path / "roots.bin").read_bytes(), in_force, version=0)
    assert isinstance(read, RootSet)
    short = run(*words, "--threshold", 3)
    assert short.exit_code == 2
    assert "no box would take this" in short.output


def test_a_second_issuers_key_names_its_hours_and_numbers(desk: Path, tmp_path: Path) -> None:
    words: list[object] = ["keyset", "--root", desk / "root1", "--version", 2, "--from", 0, "--to", NOW]
    key = public(desk / "issuer")
    said = f"{key}:driver:mairie/mon,fri/07:00/19:30/1000/1999"
    assert run(*words, "--key", said, "--out", tmp_path / "keys").exit_code == 0
    read = read_keyset_unverified((tmp_path / "keys").read_bytes())
    assert isinstance(read, KeySet)
    assert [one.guest for one in read.keys.values()] == [Guest("mairie", 0b10001, 420, 1_170, 1_000, 1_999)]
    for wrong in ("mairie", "mairie/someday/07:00/19:00/1/2", "mairie/mon/24:00/19:00/1/2", "mairie/mon/7/8/2/1"):
        result = run(*words, "--key", f"{key}::{wrong}")
        assert result.exit_code == 2
        assert "HH:MM" in result.output
