"""The bench's own HPKE and parcels against RFC 9180 and against the car's: each opens what the other seals."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite
from hypothesis import given, settings
from hypothesis import strategies as st

from hil import parcels, tokens
from keyless import issue, parcel
from keyless.parcel import Parcel
from keyless.refusal import Refusal

CAR = bytes.fromhex("1122334455667788")
KEY = Ed25519PrivateKey.from_private_bytes(bytes([21]) * 32)
PUBLIC = tokens.raw_public(KEY)
SIGNER = issue.SigningKey(bytes([21]) * 32)
OPERATOR = X25519PrivateKey.from_private_bytes(bytes([31]) * 32)
SECRET, RECIPIENT = bytes([31]) * 32, OPERATOR.public_key().public_bytes_raw()
KNOWN = parcels.Car("perche", CAR, PUBLIC)
NEIGHBOUR = parcels.Car("perche", bytes(8), tokens.raw_public(Ed25519PrivateKey.from_private_bytes(bytes([22]) * 32)))
FACTS = b'{"v":1,"vehicle":"1122334455667788","stream":"00","facts":[]}'

# RFC 9180 A.2.1: DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, ChaCha20Poly1305, base mode, first message.
INFO, AAD = b"Ode on a Grecian Urn", b"Count-0"
EPHEMERAL = bytes.fromhex("f4ec9b33b792c372c1d2c2063507b684ef925b8c75a42dbcbf57d63ccd381600")
ENC = bytes.fromhex("1afa08d3dec047a643885163f1180476fa7ddb54c6a8029ea33f95796bf2ac4a")
READER = bytes.fromhex("8057991eef8f1f1af18f4a9491d16a1ce333f695d4db8e38da75975c4478e0fb")
READER_PUBLIC = bytes.fromhex("4310ee97d88cc1f088a5576c77ab0cf5c3ac797f3d95139c6c84b5429c59662a")
PLAIN = b"Beauty is truth, truth beauty"
CIPHER = bytes.fromhex(
    "1c5250d8034ec2b784ba2cfd69dbdb8af406cfe3ff938e131f0def8c8b60b4db21993c62ce81883d2dd1b51a28"
)  # fmt: skip


def test_the_benchs_hpke_is_that_of_rfc_9180() -> None:
    assert parcels.hpke_seal(PLAIN, READER_PUBLIC, INFO, EPHEMERAL, AAD) == ENC + CIPHER
    assert parcels.hpke_open(ENC + CIPHER, READER, INFO, AAD) == PLAIN
    shared = X25519PrivateKey.from_private_bytes(EPHEMERAL).exchange(
        X25519PrivateKey.from_private_bytes(READER).public_key()
    )
    key, nonce = parcels.schedule(shared, ENC, READER_PUBLIC, INFO)
    assert key.hex() == "ad2744de8e17f4ebba575b3f5f5a8fa1f69c2a07f6e7500bc60ca6e3e3ec1c91"
    assert nonce.hex() == "5c4d98150661b848853b547f"


@pytest.mark.parametrize("changed", [{"info": b"Ode"}, {"aad": b""}, {"secret": EPHEMERAL}])
def test_the_benchs_hpke_opens_nothing_else(changed: dict[str, Any]) -> None:
    assert parcels.hpke_open(**{"data": ENC + CIPHER, "secret": READER, "info": INFO, "aad": AAD, **changed}) is None
    assert parcels.hpke_open(bytes(48), READER, INFO) is None


def test_d30_the_librarys_hpke_and_the_benchs_open_each_other() -> None:
    suite = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.CHACHA20_POLY1305)
    assert parcels.hpke_open(suite.encrypt(PLAIN, OPERATOR.public_key(), info=INFO), SECRET, INFO) == PLAIN
    assert suite.decrypt(parcels.hpke_seal(PLAIN, RECIPIENT, INFO, EPHEMERAL), OPERATOR, info=INFO) == PLAIN


@given(facts=st.binary(max_size=3000))
@settings(max_examples=50)
def test_both_write_the_same_and_each_opens_the_others(facts: bytes) -> None:
    ours = parcel.signed(Parcel("perche", CAR, facts), PUBLIC, SIGNER.sign)
    assert parcels.content("perche", CAR, facts, KEY) == ours
    sent = parcel.sealed(ours, CAR, RECIPIENT)
    assert parcels.opened(sent, SECRET, [NEIGHBOUR, KNOWN]) == (KNOWN, facts)
    theirs = parcels.hpke_seal(parcels.plain(ours), RECIPIENT, parcels.PURPOSE + CAR, EPHEMERAL)
    assert len(theirs) == len(sent)
    assert parcel.opened(theirs, SECRET, PUBLIC, vehicle=CAR) == Parcel("perche", CAR, facts)


def test_the_bench_takes_no_parcel_that_the_car_did_not_sign() -> None:
    def made(**changes: Any) -> bytes:
        given = {"operator": "perche", "vehicle": CAR, "facts": FACTS, "key": KEY, **changes}
        return parcels.hpke_seal(parcels.plain(parcels.content(**given)), RECIPIENT, parcels.PURPOSE + CAR, EPHEMERAL)

    assert parcels.opened(made(), SECRET, [KNOWN]) == (KNOWN, FACTS)
    for wrong in ({"operator": "perch"}, {"vehicle": bytes(8)}, {"key": Ed25519PrivateKey.generate()}):
        assert parcels.opened(made(**wrong), SECRET, [KNOWN]) is None, wrong
    assert parcels.opened(made(), EPHEMERAL, [KNOWN]) is None
    assert parcels.opened(made(), SECRET, [NEIGHBOUR]) is None
    assert parcels.opened(made()[:-1], SECRET, [KNOWN]) is None


@pytest.mark.long
def test_the_bench_notices_every_altered_bit_of_what_is_signed_and_of_the_zeros() -> None:
    signed = parcels.plain(parcels.content("perche", CAR, b"facts", KEY))
    for at in range(0, len(signed) * 8, 3):
        altered = bytearray(signed)
        altered[at // 8] ^= 1 << at % 8
        sent = parcels.hpke_seal(bytes(altered), RECIPIENT, parcels.PURPOSE + CAR, EPHEMERAL)
        assert parcels.opened(sent, SECRET, [KNOWN]) is None, f"bit {at}"
        assert isinstance(parcel.opened(sent, SECRET, PUBLIC, vehicle=CAR), Refusal), f"bit {at}"
