"""Phones open the car over a real Bluetooth stack: Debian's kernel, its bluetoothd, the real daemon, keys of the bench.

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
from typing import Any, cast

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from hil import packages, results
from hil.cbor import encode
from hil.cbor_read import decode
from hil.radio import emulated, hci_log

pytestmark = [pytest.mark.slow]
FOLDER = packages.ROOT / "out" / "radio"
STORY_S, BOOT_S = 360, 60
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
    line = f"{first.talked} round trips from hello to answer, {first.found} before them to find the service"
    results.keep(results.PAGE, "radio", f"{line}; boot to halt {seconds:.0f} s")


def test_the_car_opens_in_at_most_four_round_trips_of_the_log(outcome: dict[str, Any], log: Path) -> None:
    """Hello, token, command, answer, counted in the packets between stack and controller; and the relay moved."""
    opened = outcome["opened"]
    assert (opened["code"], opened["refusal"], opened["locked"]) == ("unknown", None, False)
    first = hci_log.round_trips(log)[0]
    assert 0 < first.talked <= MOST_TO_OPEN
    assert not first.refused
    assert outcome["car"]["pulses"]["unlock"] == 2  # this driver's, and the one after the restart


def test_a_token_without_its_holders_key_opens_nothing(outcome: dict[str, Any]) -> None:
    assert (outcome["stolen token"]["refusal"], outcome["stolen token"]["locked"]) == ("holder", None)
    assert outcome["stolen token"]["text"]


def test_r6_a_second_phone_of_the_booking_has_a_say_too(outcome: dict[str, Any]) -> None:
    assert (outcome["second driver"]["code"], outcome["second driver"]["locked"]) == ("unknown", True)


def test_three_phones_have_a_place_and_the_fourth_is_refused(outcome: dict[str, Any], log: Path) -> None:
    assert outcome["fourth phone"] == 0x80
    assert hci_log.round_trips(log)[3].refused == [0x80]


def test_a_booking_is_extended_and_ended_with_a_receipt_and_no_mobile_link(outcome: dict[str, Any]) -> None:
    link = outcome["car"]["link"]
    assert (link["configured"], link["connected"]) == (True, False)
    assert link["trouble"], "it tried"
    assert (outcome["extended"]["code"], outcome["extended"]["until_s"]) == ("done", outcome["paid until"])
    assert (outcome["ended"]["code"], outcome["ended"]["locked"]) == ("unknown", True)
    receipt = outcome["receipt"]
    assert receipt["type"] == 5
    assert verifies(bytes.fromhex(receipt["bytes"]), bytes.fromhex(outcome["car"]["key"]))
    assert outcome["car"]["booking"] == 43


def verifies(receipt: bytes, public: bytes) -> bool:
    """By the bench's own reading: tag 18, an array of four, Ed25519 over RFC 9052's structure."""
    assert receipt[:2] == b"\xd2\x84"
    protected, _, payload, signature = cast("list[Any]", decode(receipt[1:]))
    message = encode(["Signature1", protected, b"", payload])
    Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    return True


def test_r13_the_scan_response_carries_the_fixed_tag_and_then_the_days(outcome: dict[str, Any]) -> None:
    unknown, today = outcome["tag without a day"], outcome["tag today"]
    assert unknown["shown"] == unknown["due"]
    assert today["shown"] == today["due"]
    assert today["due"] != unknown["due"]


def test_bluetoothd_ends_and_comes_back_and_the_car_answers_again(outcome: dict[str, Any]) -> None:
    assert outcome["trouble without a stack"]
    assert outcome["opened after restart"]["code"] == "unknown"
    counters = outcome["car"]["counters"]
    assert counters["registered"] == 2
    assert counters["messages"] == 11  # five times token and command, each whole, and one command alone
    assert counters["junk_writes"] == 0
