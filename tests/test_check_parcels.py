"""`boitier check` tries the key for which phones' parcels are sealed: a wrong one would show nowhere else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from agent.cli.checks import Check, examine
from tests.agent_process import Box

GOOD = X25519PrivateKey.generate().public_key().public_bytes_raw().hex()


@pytest.fixture(name="box")
def the_box(tmp_path: Path) -> Iterator[Box]:
    box = Box(tmp_path)
    yield box
    box.close()


def parcels(box: Box, *, key: str = "", adapter: bool = False) -> list[Check]:
    said = box.config.read_text("utf-8").replace("[keyless]\n", f'[keyless]\nparcel_key = "{key}"\n')
    if adapter:
        said += f'[bluetooth]\nadapter = "hci0"\nsecret = "{"ab" * 16}"\n'
    box.config.write_text(said, "utf-8")
    return [it for it in examine(box.config) if it.what == "parcels"]


def test_a_good_key_is_green_and_shown_in_short(box: Box) -> None:
    [told] = parcels(box, key=GOOD)
    assert (told.good, told.found) == (True, f"sealed for the backend's key {GOOD[:8]}…")


@pytest.mark.parametrize("key", ["00" * 32, "01" + "00" * 31])
def test_a_key_that_nothing_can_be_sealed_for_is_red_with_what_to_do(box: Box, key: str) -> None:
    [told] = parcels(box, key=key)
    assert not told.good
    assert "nothing can be sealed" in told.found
    assert "X25519" in told.todo


def test_a_roots_key_is_red(box: Box) -> None:
    root = next(line for line in box.config.read_text("utf-8").splitlines() if line.startswith("roots")).split("'")[1]
    [told] = parcels(box, key=root)
    assert not told.good
    assert "root" in told.found


def test_none_is_told_where_phones_are_answered(box: Box) -> None:
    [told] = parcels(box, adapter=True)
    assert (told.good, told.todo) == (True, "")
    assert "carry nothing" in told.found


def test_without_phones_and_without_a_key_nothing_is_said(box: Box) -> None:
    assert parcels(box) == []
