"""The signature layer judged by public vectors of others, and its own edges.

Three short ones of the RFC 9052 family stand here (the one of CWT: `test_cli_token_judging.py`). More are read from the
shared data where they are there: a folder `cose/` (the COSE working group's examples of COSE_Sign1 and of CWT, as they
publish them) and two files of Wycheproof (Ed25519; P-256 with SHA-256 as r ‖ s).
"""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.cli.token import token as command_line
from keyless import cbor, cose, issue
from keyless.refusal import Code, Refusal
from keyless.signature_only import MAX_MESSAGE, Signed, compressed, judge_bare, judge_sign1
from tests.keyless_world import ISSUER, PHONE, code

# RFC 9052 appendix C.2.1, and of the COSE working group's Examples `sign1-tests/sign-pass-02` (signed along with
# external data) and `eddsa-examples/eddsa-sig-01`. The P-256 key is "11" of RFC 9052 appendix C.7.1, the other one RFC
# 8032's first.
KEY_11 = (
    "04bac5b11cad8f99f9c72b05cf4b9e26d244dc189f745228255a219a86d6a09eff"
    "20138bf82dc1b6d562be0fa54ab7804a3a64b6d72ccfed6b6fb6ed28bbfc117e"
)
CONTENT = b"This is the content."
HEAD_11, ES256_HEAD = "a10442313154546869732069732074686520636f6e74656e742e5840", "d28443a10126"
COSE_EXAMPLES = [
    (
        KEY_11, "", cose.ES256, ES256_HEAD + HEAD_11 +
        "8eb33e4ca31d1c465ab05aac34cc6b23d58fef5c083106c4d25a91aef0b0117e"
        "2af9a291aa32e14ab834dc56ed2a223444547e01f11d3b0916e5a4c345cacb36",
    ),
    (
        KEY_11, "11aa22bb33cc44dd55006699", cose.ES256, ES256_HEAD + HEAD_11 +
        "eae868ecc176883766c5dc5ba5b8dca25dab3c2e56a551ce5705b793914348e1"
        "55388b10c4f1b59a6733eab416870a945111a4b2fbdbef33a77234b1deff2f9b",
    ),
    (
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "", cose.EDDSA,
        "d28445a201270300" + HEAD_11 +
        "7142fd2ff96d56db85bee905a76ba1d0b7321a95c8c4d3607c5781932b7afb87"
        "11497dfa751bf40b58b3bcc32300b1487f3db34085eef013bf08f4a44d6fef0d",
    ),
]  # fmt: skip
OTHER_CURVES = ("ES384", "ES512")  # nothing here signs with them: refused by their algorithm


def signed(
    protected: bytes | None = None,
    unprotected: Any = None,
    payload: object = b"content",
    key: issue.SigningKey = ISSUER,
    external: bytes = b"",
) -> bytes:
    header = cbor.encode({1: key.alg}) if protected is None else protected
    covered = b"" if header == b"\xa0" else header
    signature = key.sign(cbor.encode(["Signature1", covered, external, payload]))
    return b"\xd2" + cbor.encode([header, unprotected or {}, payload, signature])


# --- vectors of others -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("key", "external", "alg", "data"), COSE_EXAMPLES)
def test_examples_of_the_rfc_9052_family(key: str, external: str, alg: int, data: str) -> None:
    right = ("--key", key, "--external", external)
    good = {"accept": True, "code": None, "alg": alg, "payload": CONTENT.hex(), "detail": {}}
    assert verdict(*right, data) == verdict(*right, data[2:]) == good, "tag 18 may be missing"
    assert verdict("--key", key, "--external", external + "00", data)["code"] == "signature"
    assert verdict(*right, data.replace(CONTENT.hex(), CONTENT.swapcase().hex()))["code"] == "signature"
    assert verdict(*right, "d903e6" + data[2:])["code"] == "malformed", "tag 998: sign1-tests/sign-fail-01"


def vectors(shared: Path, name: str) -> list[Path]:
    """Files of this name, or in a folder of this name, wherever they lie in the shared data."""
    found = sorted((shared / "data").rglob(f"{name}/**/*.json" if "." not in name else name))
    if not found:
        pytest.skip(f"no public vectors {name} in ../shared/data")
    return found


def _field(key: dict[str, str], name: str) -> bytes:
    """The examples write numbers as base64url, or as hex under another name."""
    if f"{name}_hex" in key:
        return bytes.fromhex(key[f"{name}_hex"])
    return base64.urlsafe_b64decode(key[name] + "=" * (-len(key[name]) % 4))


def verdict(*words: str) -> dict[str, Any]:
    result = CliRunner().invoke(command_line, ["cose-verify", "--json", *words])
    said: dict[str, Any] = json.loads(result.stdout)
    assert result.exit_code == (0 if said["accept"] else 1)
    return said


def test_examples_of_the_cose_working_group(shared: Path) -> None:
    judged = 0
    for path in vectors(shared, "cose"):
        example = json.loads(path.read_text(encoding="utf-8-sig"))
        asked = example["input"].get("sign0")
        if asked is None or asked["key"].get("crv") not in ("P-256", "Ed25519"):
            continue
        key = asked["key"]
        x = _field(key, "x")
        public = x if key["crv"] == "Ed25519" else b"\x04" + x + _field(key, "y")
        said = verdict("--key", public.hex(), "--external", asked.get("external", ""), example["output"]["cbor"])
        if asked["alg"] in OTHER_CURVES:
            assert said["code"] == "alg", path.name
        else:
            assert said["accept"] is not example.get("fail", False), f"{path.name}: {said}"
        judged += 1
    assert judged >= 10


@pytest.mark.parametrize(
    ("name", "at_least"), [("ed25519_test.json", 140), ("ecdsa_secp256r1_sha256_p1363_test.json", 250)]
)
def test_wycheproof(shared: Path, name: str, at_least: int) -> None:
    path = vectors(shared, name)[0]
    judged = 0
    for group in json.loads(path.read_text(encoding="utf-8"))["testGroups"]:
        public = group["publicKey"].get("pk") or group["publicKey"]["uncompressed"]
        for case in group["tests"]:
            said = verdict("--key", public, "--signature", case["sig"], "--", case["msg"])
            assert said["accept"] is (case["result"] == "valid"), f"{case['tcId']} {case['comment']}: {said}"
            judged += 1
    assert judged >= at_least


# --- its own edges -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", [ISSUER, PHONE], ids=["ed25519", "p256"])
def test_header_fields_of_any_kind_are_let_in_and_the_tag_may_be_missing(key: issue.SigningKey) -> None:
    wide = cbor.encode({1: key.alg, 3: 0, "text": [1, 2], 4: b"any kid"})
    for data in (signed(key=key), signed(wide, key=key), signed(wide, {5: b"", "x": None}, key=key)):
        assert judge_sign1(data, key.public) == Signed(key.alg, b"content")
        assert judge_sign1(data[1:], key.public) == Signed(key.alg, b"content")


@pytest.mark.parametrize("empty", [b"", b"\xa0"])
def test_an_empty_protected_header_is_signed_as_no_bytes(empty: bytes) -> None:
    assert judge_sign1(signed(empty, {1: -8}), ISSUER.public) == Signed(-8, b"content")


def test_external_data_is_signed_along() -> None:
    data = signed(external=b"more")
    assert judge_sign1(data, ISSUER.public, external=b"more") == Signed(-19, b"content")
    assert code(judge_sign1(data, ISSUER.public)) is Code.SIGNATURE


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (bytes(MAX_MESSAGE + 1), Code.TOO_BIG),
        (b"", Code.MALFORMED),
        (b"\xd1" + signed()[1:], Code.MALFORMED),
        (b"\xd2" + signed(), Code.MALFORMED),
        (signed()[:-1], Code.MALFORMED),
        (signed() + b"\x00", Code.MALFORMED),
        (cbor.encode([b"", {}, b""]), Code.MALFORMED),
        (cbor.encode([b"", {}, None, bytes(64)]), Code.MALFORMED),
        (cbor.encode([b"", [], b"", bytes(64)]), Code.MALFORMED),
        (signed(b"\x01"), Code.MALFORMED),
        (signed(b"\xff"), Code.MALFORMED),
        (signed(cbor.encode({True: -19})), Code.MALFORMED),
        (signed(unprotected={True: -19}), Code.MALFORMED),
        (signed(b"\xa0", {True: -19}), Code.MALFORMED),
        (signed(unprotected={1: -19}), Code.MALFORMED),
        (signed(cbor.encode({1: -19, 2: [4], 4: b""})), Code.MALFORMED),
        (signed(unprotected={2: [4], 4: b""}), Code.MALFORMED),
        (signed(b"\xa0"), Code.ALG),
        (signed(cbor.encode({1: -7})), Code.ALG),
        (signed(cbor.encode({1: "EdDSA"})), Code.ALG),
        (signed(cbor.encode({1: True})), Code.ALG),
        (signed(payload=b"other")[:-64] + signed()[-64:], Code.SIGNATURE),
    ],
)
def test_what_is_no_good_signature_says_why(data: bytes, expected: Code) -> None:
    assert code(judge_sign1(data, ISSUER.public)) is expected


def test_an_algorithm_of_the_other_kind_of_key_is_refused_before_the_signature() -> None:
    assert code(judge_sign1(signed(), PHONE.public)) is Code.ALG
    assert code(judge_bare(b"", bytes(64), PHONE.public, cose.EDDSA)) is Code.ALG
    assert code(judge_bare(b"", bytes(64), ISSUER.public, cose.ES256)) is Code.ALG
    assert judge_bare(b"m", PHONE.sign(b"m"), PHONE.public, cose.ES256) == Signed(cose.ES256, b"m")


def test_keys_are_taken_in_three_forms() -> None:
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    key = ec.derive_private_key(7, ec.SECP256R1()).public_key()
    long = key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    short = key.public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
    assert compressed(long) == compressed(short) == short
    assert compressed(ISSUER.public) == ISSUER.public
    assert compressed(long[:-1] + bytes([long[-1] ^ 1])) is None
    assert compressed(b"") is None


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_no_bytes_raise(junk: bytes) -> None:
    for public in (ISSUER.public, PHONE.public):
        assert isinstance(judge_sign1(junk, public), Refusal)
        assert isinstance(judge_bare(b"m", junk, public, -8), Refusal)


@settings(deadline=None)
@given(st.binary(max_size=100), st.binary(max_size=20), st.sampled_from([ISSUER, PHONE]))
def test_what_is_signed_is_found_good_and_one_bit_less_is_not(
    payload: bytes, external: bytes, key: issue.SigningKey
) -> None:
    data = signed(payload=payload, external=external, key=key)
    assert judge_sign1(data, key.public, external=external) == Signed(key.alg, payload)
    assert isinstance(judge_sign1(data[:-1] + bytes([data[-1] ^ 1]), key.public, external=external), Refusal)
