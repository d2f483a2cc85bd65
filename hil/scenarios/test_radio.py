"""Phones open the car over a real Bluetooth stack: Debian's kernel, its bluetoothd, our driver, keys of the bench.

The whole story is one boot of an emulated machine (a minute); each test looks at a part of what it left.
`make test-radio` gets what it needs and keeps the counts; elsewhere it runs where all is there. `out/radio/` has the
HCI log for Wireshark.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from hil import packages, results
from hil.radio import emulated, hci_log

pytestmark = [pytest.mark.slow]
FOLDER = packages.ROOT / "out" / "radio"
STORY_S, BOOT_S = 240, 60
MOST_TO_OPEN = 4


@pytest.fixture(scope="module")
def log() -> Path:
    """Of the one boot that all tests share."""
    if why := emulated.lacking():
        pytest.skip(why)
    FOLDER.mkdir(parents=True, exist_ok=True)
    for old in FOLDER.iterdir():
        old.unlink()
    began = time.monotonic()
    argv = [sys.executable, "-m", "hil.radio.inside", "/run/results", str(STORY_S)]
    console = emulated.run(argv, FOLDER, STORY_S + BOOT_S)
    (FOLDER / "console.txt").write_text(console)
    assert (FOLDER / "outcome.json").exists(), console[-3000:]
    if "BOITIER_RADIO" in os.environ:
        keep(time.monotonic() - began)
    return FOLDER / "car.btsnoop"


@pytest.fixture(scope="module")
def outcome(log: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((log.parent / "outcome.json").read_text())
    assert "mishap" not in found, (log.parent / "console.txt").read_text()[-3000:]
    return found


def keep(seconds: float) -> None:
    first = hci_log.round_trips(FOLDER / "car.btsnoop")[0]
    line = f"{first.talked} round trips from hello to decision, {first.found} before them to find the service"
    results.keep(results.PAGE, "radio", f"{line}; boot to halt {seconds:.0f} s")


def test_the_car_opens_in_at_most_four_round_trips_of_the_log(outcome: dict[str, Any], log: Path) -> None:
    """Hello, token, command, decision, counted in the packets between stack and controller."""
    assert outcome["decision"] == "UNLOCK of booking 42"
    first = hci_log.round_trips(log)[0]
    assert 0 < first.talked <= MOST_TO_OPEN
    assert not first.refused


def test_a_token_without_its_holders_key_opens_nothing(outcome: dict[str, Any]) -> None:
    assert outcome["stolen token"] == "refused holder"


def test_three_phones_have_a_place_and_the_fourth_is_refused(outcome: dict[str, Any], log: Path) -> None:
    assert outcome["third decision"] == "UNLOCK of booking 42"
    assert outcome["fourth phone"] == 0x80
    assert hci_log.round_trips(log)[3].refused == [0x80]


def test_the_scan_response_carries_the_tag_of_the_day(outcome: dict[str, Any]) -> None:
    today, tomorrow = outcome["tag today"], outcome["tag tomorrow"]
    assert today["shown"] == today["due"]
    assert tomorrow["shown"] == tomorrow["due"]
    assert today["due"] != tomorrow["due"]


def test_bluetoothd_ends_and_comes_back_and_the_car_answers_again(outcome: dict[str, Any]) -> None:
    assert outcome["trouble without a stack"]
    assert outcome["decision after restart"] == "UNLOCK of booking 42"
    assert outcome["counters"]["registered"] == 2
    assert outcome["counters"]["messages"] == 8  # four times token and command, each whole
    assert outcome["counters"]["junk_writes"] == 0
