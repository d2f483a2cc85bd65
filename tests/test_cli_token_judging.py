"""`boitier token receipt` and `boitier token cose-verify` by hand: verdicts, words, exit codes (D37)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from msgspec.structs import replace

from agent.cli.token import token as command_line
from keyless import cose, issue, receipt
from keyless.receipt import Event, LockOutcome, Reading, Receipt, Remark
from tests.keyless_world import NOW, PHONE, VEHICLE, token
from tests.test_keyless_receipt import CAR, ENDED, NEIGHBOUR, OPENED, signed

# RFC 8032 section 7.1, tests 1 to 3: public key, message, signature.
RFC_8032 = [
    (
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46b"
        "d25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c"
        "387b2eaeb4302aeeb00d291612bb0c00",
    ),
    (
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc659"
        "4a7c15e9716ed28dc027beceea1ec40a",
    ),
]
# RFC 8392 appendix A.3, a CWT signed with ES256, and its key (A.2.3).
CWT_KEY = (
    "04143329cce7868e416927599cf65a34f3ce2ffda55a7eca69ed8919a394d42f0f"
    "60f7f1a780d8a783bfb7a2dd6b2796e8128dbbcef9d3d168db9529971a36e7b9"
)
CWT = (
    "d28443a10126a104524173796d6d657472696345434453413235365850a70175636f61703a2f2f61732e6578616d706c652e636f6d"
    "02656572696b77037818636f61703a2f2f6c696768742e6578616d706c652e636f6d041a5612aeb0051a5610d9f0061a5610d9f0"
    "07420b7158405427c1ff28d23fbad1f29c4c7c6a555e601d6fa29f9179bc3d7438bacaca5acd08c8d4d4f96131680c429a01f859"
    "51ecee743a52b9b63632c57209120e1c9e30"
)


def run(*words: object, stdin: bytes | None = None) -> Result:
    return CliRunner().invoke(command_line, [str(word) for word in words], input=stdin)


def told(*words: object, stdin: bytes | None = None) -> tuple[int, dict[str, Any]]:
    result = run(*words, "--json", stdin=stdin)
    return result.exit_code, json.loads(result.stdout)


# --- receipts ----------------------------------------------------------------------------------------------------

KEY = ("--key", CAR.public.hex())


def test_a_good_receipt_is_told_as_json(tmp_path: Path) -> None:
    (tmp_path / "receipt").write_bytes(signed(remarks=Remark.NOT_PLUGGED | Remark.DOOR_OPEN | 1 << 20))
    (tmp_path / "token").write_bytes(token())
    more = ("--vehicle", VEHICLE.hex(), "--token", tmp_path / "token")
    exit_code, said = told("receipt", tmp_path / "receipt", *KEY, *more)
    assert exit_code == 0
    assert set(said) == {"accept", "code", "receipt", "detail"}
    assert (said["accept"], said["code"]) == (True, None)
    found = said["receipt"]
    assert (found["operator"], found["vehicle"], found["booking"]) == ("perche", VEHICLE.hex(), 4242)
    assert (found["event"], found["lock"], found["number"]) == ("ended", "done", 512)
    assert found["end"] == {"lo_s": NOW, "hi_s": NOW + 4, "odometer_m": 48_240_120, "soc_permille": 641}
    assert (found["remarks"], found["unknown_remarks"]) == (["not_plugged", "door_open"], 1 << 20)
    assert (found["plugged"], found["doors_shut"], found["key_back"]) == (True, True, True)


def test_a_good_receipt_is_told_in_words() -> None:
    result = run("receipt", signed().hex(), *KEY)
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "receipt      512 of vehicle 1122334455667788, signature good",
        "booking      4242 of perche",
        f"token        {ENDED.token.hex()}" if ENDED.token else "",
        "event        ended",
        "lock         done",
        "start        2027-01-15 07:00:00 UTC + 4 s, odometer 48211.4 km, charge 87.3 %",
        "end          2027-01-15 08:00:00 UTC + 4 s, odometer 48240.1 km, charge 64.1 %",
        "plugged      yes",
        "doors shut   yes",
        "key back     yes",
        "remarks      none",
    ]


def test_what_the_car_did_not_know_is_said() -> None:
    said: Receipt = replace(
        OPENED, token=None, lock=LockOutcome.UNKNOWN, start=Reading((1 << 40) - 1, None, None, None), remarks=6,
        key_back=False, operator="per\x1bche",
    )  # fmt: skip
    result = run("receipt", "-", *KEY, stdin=receipt.signed(said, CAR.public, CAR.sign))
    assert result.exit_code == 0
    lines = dict(line.split(maxsplit=1) for line in result.stdout.splitlines())
    assert lines["booking"] == r"4242 of 'per\x1bche'"
    assert lines["token"] == "none: the box acted by itself"
    assert lines["start"] == "1099511627775 s or later, odometer unknown, charge unknown"
    assert (lines["event"], lines["lock"], lines["plugged"]) == ("opened", "unknown", "unknown")
    assert "end" not in lines
    assert lines["remarks"] == "not_at_station, position_unknown"
    assert "key back     no" in result.stdout


@pytest.mark.parametrize(
    ("data", "words", "code"),
    [
        (signed()[:-1] + bytes([signed()[-1] ^ 1]), (), "signature"),
        (signed()[:-1], (), "malformed"),
        (signed() + bytes(600), (), "too_big"),
        (signed(), ("--vehicle", "00" * 8), "wrong_vehicle"),
        (signed(), ("--token", "00" * 20), "holder"),
        (signed(), ("--key", NEIGHBOUR.public.hex()), "unknown_key"),
        (issue.sign1(receipt.write_receipt(ENDED), PHONE), (), "alg"),
    ],
)
def test_a_receipt_that_is_refused_exits_with_one_and_says_its_code(
    data: bytes, words: tuple[str, ...], code: str
) -> None:
    exit_code, said = told("receipt", "-", *KEY, *words, stdin=data)
    assert (exit_code, said["accept"], said["code"], said["receipt"]) == (1, False, code, None)
    assert json.loads(run("receipt", "-", *KEY, *words, stdin=data).stdout) == said


@pytest.mark.parametrize(
    "words", [[], ["no such file", *KEY], ["00"], ["00", "--key", "00"], ["00", *KEY, "--vehicle", "00"]]
)
def test_wrong_use_of_receipt_exits_with_two(words: list[str]) -> None:
    assert run("receipt", *words).exit_code == 2


# --- signatures alone --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("key", "message", "signature"), RFC_8032)
def test_the_examples_of_rfc_8032(key: str, message: str, signature: str, tmp_path: Path) -> None:
    right = ("cose-verify", "--key", key, "--signature", signature)
    assert told(*right, message) == (
        0,
        {"accept": True, "code": None, "alg": -8, "payload": message, "detail": {}},
    )
    assert told(*right, "-", stdin=bytes.fromhex(message))[0] == 0
    (tmp_path / "message").write_bytes(bytes.fromhex(message))
    assert told(*right, "--alg", "ed25519", tmp_path / "message")[1]["alg"] == -19
    assert told(*right, message + "00")[1]["code"] == "signature"
    assert told(*right[:-1], signature[:-2] + "1f", message)[1]["code"] == "signature"
    assert told(*right[:-1], signature[:-2], message)[1]["code"] == "signature"
    assert told(*right, "--alg", "es256", message)[1]["code"] == "alg"


def test_the_signed_example_of_rfc_8392() -> None:
    right = ("cose-verify", "--key", CWT_KEY)
    exit_code, said = told(*right, CWT)
    assert (exit_code, said["accept"], said["alg"]) == (0, True, -7)
    assert said["payload"].startswith("a70175636f61703a2f2f61732e")
    assert told("cose-verify", "--key", "03" + CWT_KEY[2:66], CWT)[0] == 0, "compressed: its y is odd"
    assert told("cose-verify", "--key", "02" + CWT_KEY[2:66], CWT)[1]["code"] == "signature"
    assert told(*right, CWT[:-2] + "31") == (
        1,
        {"accept": False, "code": "signature", "alg": None, "payload": None, "detail": {}},
    )
    assert told(*right, "--external", "00", CWT)[1]["code"] == "signature"
    assert json.loads(run(*right, CWT).stdout) == said


def test_a_file_that_looks_like_hex_is_a_bare_message_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "message").write_bytes(b"7272")
    signature = CAR.sign(b"7272").hex()
    right = ("cose-verify", "--key", CAR.public.hex(), "--signature", signature)
    assert told(*right, tmp_path / "message")[0] == 0
    assert told(*right, "7272")[1]["code"] == "signature"
    assert told(*right, b"7272".hex())[0] == 0


@pytest.mark.parametrize("name", ["es256", "esp256"])
def test_both_numbers_of_es256_are_judged(name: str) -> None:
    words = ("cose-verify", "--key", PHONE.public.hex(), "--signature", PHONE.sign(b"x").hex(), "--alg", name, "78")
    assert told(*words)[1]["alg"] == {"es256": cose.ES256, "esp256": cose.ESP256}[name]


@pytest.mark.parametrize(
    "words",
    [
        [],
        [CWT],
        ["--key", "00" * 31, CWT],
        ["--key", "04" + "11" * 64, CWT],
        ["--key", "02" + "ff" * 32, CWT],
        ["--key", CWT_KEY, "no such file"],
        ["--key", CWT_KEY, "--alg", "es256", CWT],
        ["--key", CWT_KEY, "--signature", "zz", "00"],
        ["--key", CWT_KEY, "--signature", "00", "not hex"],
        ["--key", CWT_KEY, "--signature", "00", "--alg", "es384", "00"],
    ],
)
def test_wrong_use_of_cose_verify_exits_with_two(words: list[str]) -> None:
    assert run("cose-verify", *words).exit_code == 2


def test_the_event_of_a_takeover_is_told() -> None:
    assert told("receipt", signed(event=Event.TAKEOVER).hex(), *KEY)[1]["receipt"]["event"] == "takeover"
