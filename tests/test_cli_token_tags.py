"""`boitier token tags` by hand: the names that a phone is given with a booking are those that the car will have."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from hil import beside
from keyless.claims import Interval
from keyless.tag import DAY_S, tag_now
from tests.test_cli_token import NOW, VEHICLE, desk, mint, run

__all__ = ["desk"]


@pytest.fixture(name="key")
def the_key(tmp_path: Path) -> Path:
    file = tmp_path / "air.json"
    result = run("keygen", "--kind", "tags", file)
    assert (result.exit_code, result.stdout) == (0, f"the car's bluetooth.secret: {file}\n")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    return file


def secret(file: Path) -> bytes:
    return bytes.fromhex(json.loads(file.read_text())["secret"])


def test_r13_a_booking_comes_with_each_name_that_the_car_may_have(desk: Path, key: Path) -> None:
    text, first = mint(desk, "--late", 2 * DAY_S), NOW // DAY_S - 1
    result = run("tags", "--key", key, text, "--json")
    days = [{"from": day * DAY_S, "tag": beside.tag(secret(key), day).hex()} for day in range(first, first + 6)]
    fixed = beside.tag(secret(key), None).hex()
    assert json.loads(result.stdout) == {"vehicle": VEHICLE, "fixed": fixed, "days": days}
    given = {fixed, *(day["tag"] for day in days)}
    for now in range(NOW - 900 - DAY_S, NOW + 3600 + 4 * DAY_S, DAY_S // 3):
        assert {tag_now(secret(key), Interval(now, end, "gnss")).hex() for end in (now, None)} <= given
    (desk / "booking").write_text(text)
    lines = run("tags", "--key", key, desk / "booking").stdout.splitlines()
    assert [line.split() for line in lines] == [*([str(day["from"]), day["tag"]] for day in days), ["fixed", fixed]]


WRONG = ("", "[]", '{"kind":"code","secret":"%s"}' % ("00" * 32), '{"kind":"tags","secret":"00"}')


@pytest.mark.parametrize("content", WRONG)
def test_what_is_no_such_secret_is_told_with_how_to_make_one(desk: Path, tmp_path: Path, content: str) -> None:
    (tmp_path / "wrong.json").write_text(content)
    result = run("tags", "--key", tmp_path / "wrong.json", mint(desk))
    assert result.exit_code == 2
    assert "keygen --kind tags" in result.stderr


def test_what_is_no_token_or_lasts_too_long_has_no_tags(desk: Path, key: Path) -> None:
    assert run("tags", "--key", key, "00").exit_code == 1
    long = run("tags", "--key", key, mint(desk, "--late", 32 * DAY_S))
    assert long.exit_code == 2
    assert "no car would take this" in long.stderr
