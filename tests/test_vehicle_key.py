"""The vehicle key: made once, kept durably, told in public only, and missed when it goes away (D14, P8)."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.run import vehicle_key
from agent.run.vehicle_key import KEY_FILE, load, public
from agent.sync.wiping import ALSO
from drivers.local import files
from keyless import cose
from keyless.claims import key_id
from keyless.vehicle_key import VehicleKey

CAR = "0011223344556677"


def test_it_is_made_at_the_first_start_and_the_same_at_every_other(tmp_path: Path) -> None:
    first = load(tmp_path, CAR)
    assert first.key is not None
    assert (first.trouble, first.replaced) == (None, None)
    assert stat.S_IMODE((tmp_path / KEY_FILE).stat().st_mode) == 0o600
    again = load(tmp_path, CAR)
    assert again.key is not None
    assert again.key.public == first.key.public == public(tmp_path, CAR)
    assert again.replaced is None
    assert first.key.kid == key_id(first.key.public)
    signature = first.key.sign(b"message")
    assert cose.verifies(first.key.public, cose.ED25519, signature, b"message")


@pytest.mark.parametrize(
    "odd", [{"secret": 7}, {"secret": "zz" * 32}, {"secret": "00" * 31}, {"v": 2}, {"vehicle": None}, {"more": 1}]
)
def test_a_record_of_another_shape_is_a_damaged_one(tmp_path: Path, odd: dict[str, Any]) -> None:
    body = {"v": 1, "vehicle": CAR, "secret": "11" * 32, **odd}
    (tmp_path / KEY_FILE).write_text(json.dumps({**body, "check": vehicle_key._check(body)}))
    found = load(tmp_path, CAR)
    assert found.key is not None
    assert (found.replaced is None) is ("more" in odd)


def test_two_boxes_have_two_keys(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    one, other = load(tmp_path, CAR).key, load(tmp_path / "other", CAR).key
    assert one is not None
    assert other is not None
    assert one.public != other.public


@given(st.integers(0, 10_000), st.integers(1, 255))
def test_any_damage_is_noticed_and_never_another_key(at: int, flip: int) -> None:
    whole = vehicle_key._record(bytes(range(32)), CAR)
    damaged = bytearray(whole)
    damaged[at % len(whole)] ^= flip
    try:
        found = vehicle_key._secret(bytes(damaged), CAR)
    except ValueError:
        return
    assert found == bytes(range(32))  # blanks and the case of digits say the same


@pytest.mark.parametrize("spoil", [lambda data: data[:-9], lambda data: b"", lambda data: b"\xff" + data[1:]])
def test_a_damaged_one_is_replaced_and_said_so(tmp_path: Path, spoil: Any) -> None:
    before = load(tmp_path, CAR).key
    path = tmp_path / KEY_FILE
    path.write_bytes(spoil(path.read_bytes()))
    found = load(tmp_path, CAR)
    assert before is not None
    assert found.key is not None
    assert found.replaced == "it is damaged"
    assert found.key.public != before.public
    again = load(tmp_path, CAR)
    assert (again.replaced, again.key.public if again.key else None) == (None, found.key.public)


def test_r20_a_key_of_another_vehicle_is_not_ours(tmp_path: Path) -> None:
    load(tmp_path, CAR)
    found = load(tmp_path, "8f3a52c0d1e4b796")
    assert found.replaced == f"it is the key of vehicle {CAR}"


def test_a_key_that_would_not_survive_signs_nothing(tmp_path: Path) -> None:
    found = load(tmp_path / "missing", CAR)
    assert found.key is None
    assert found.trouble


def test_one_that_cannot_be_read_now_is_not_written_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = load(tmp_path, CAR).key

    def broken(path: Path) -> bytes:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(files, "read", broken)
    assert load(tmp_path, CAR).key is None
    monkeypatch.undo()
    again = load(tmp_path, CAR).key
    assert before is not None
    assert again is not None
    assert again.public == before.public


def test_p8_it_goes_when_everything_is_erased() -> None:
    assert KEY_FILE in ALSO


def test_no_text_of_it_shows_the_secret() -> None:
    secret = bytes(range(32))
    key = VehicleKey(secret)
    assert secret.hex() not in repr(key) + str(key.__dict__) + json.dumps(key.public.hex())
