"""`boitier token code` by hand: the desk's digits are the car's, and wrong use is told with what to do."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from agent.cli.token import token
from hil import codes


def run(*words: object) -> Result:
    return CliRunner().invoke(token, [str(word) for word in words])


@pytest.fixture(name="key")
def the_key(tmp_path: Path) -> Path:
    file = tmp_path / "car.json"
    result = run("keygen", "--kind", "code", file)
    assert result.exit_code == 0
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert secret(file).hex() not in result.stdout
    assert str(file) in result.stdout
    return file


def secret(file: Path) -> bytes:
    return bytes.fromhex(json.loads(file.read_text())["secret"])


def test_the_desk_reads_out_what_another_hand_computes(key: Path) -> None:
    digits = codes.of_booking(secret(key), 42, 3)
    assert run("code", "--key", key, "--booking", 42, "--revision", 3).stdout.startswith(f"{digits[:4]} {digits[4:]} #")
    desk = json.loads(run("code", "--key", key, "--booking", 42, "--desk", "--json").stdout)
    assert desk == {"code": codes.of_booking(secret(key), 42, 1, 2), "booking": 42, "revision": 1, "kind": "desk"}
    slot = json.loads(run("code", "--key", key, "--day", "2027-01-15", "--slot", 3, "--json").stdout)
    day = 20833
    assert slot["code"] == codes.of_day(secret(key), day, 3)
    assert slot["booking"] == codes.number_of(day, 3)
    assert slot["until"] == (day + 1) * 86_400 + 43_200
    for booking in (42, codes.number_of(day, 3)):
        asked = ("code", "--key", key, "--end", "--booking", booking, "--day", "2027-01-15", "--json")
        end = json.loads(run(*asked).stdout)
        digits, until = codes.to_end(secret(key), booking, day), (day + 1) * 86_400 + 3_600
        assert end == {"code": digits, "booking": booking, "kind": "end", "until": until}


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "either --booking"),
        (["--booking", 1, "--day", "2027-01-15", "--slot", 0], "either --booking"),
        (["--day", "2027-01-15"], "--day and --slot"),
        (["--slot", "1", "--booking", 1], "--day and --slot"),
        (["--day", "15/01/2027", "--slot", 0], "2027-01-15"),
        (["--day", "1969-12-31", "--slot", 0], "1970"),
        (["--day", "2027-01-15", "--slot", 8], "0<=x<=7"),
        (["--booking", 1 << 52], "--booking"),
        (["--booking", 1 << 53], "--booking"),
        (["--end", "--booking", 1], "--booking and --day"),
        (["--end", "--day", "2027-01-15"], "--booking and --day"),
        (["--end", "--desk", "--booking", 1, "--day", "2027-01-15"], "nothing else"),
        (["--end", "--booking", 1, "--day", "2027-01-15", "--slot", 1], "nothing else"),
        (["--end", "--booking", 1, "--day", "1969-12-31"], "1970"),
    ],
)
def test_wrong_use_says_what_is_right(key: Path, words: list[object], told: str) -> None:
    result = run("code", "--key", key, *words)
    assert result.exit_code == 2
    assert told in result.stderr


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"kind":"code","secret":"00"}', '{"kind":"code","secret":"xy"}'])
def test_what_is_no_code_key_is_told_with_how_to_make_one(tmp_path: Path, content: str) -> None:
    file = tmp_path / "wrong.json"
    file.write_text(content)
    result = run("code", "--key", file, "--booking", 1)
    assert result.exit_code == 2
    assert "keygen --kind code" in result.stderr


def test_an_issuers_key_is_no_code_key(tmp_path: Path) -> None:
    assert run("keygen", tmp_path / "issuer.json").exit_code == 0
    assert run("code", "--key", tmp_path / "issuer.json", "--booking", 1).exit_code == 2
