"""The payload of a token: every type and bound, and the way round."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyless import cbor, claims
from keyless import token as payloads
from keyless.claims import BadgeId, HolderKey, Role
from keyless.refusal import Code
from tests.keyless_world import (
    CLAIMS,
    NOW,
    code,
)


def _payload(**changes: Any) -> bytes:
    """The claims as a map with some entries changed; "-name" deletes, "b" and a number change the booking map."""
    value = cbor.decode(payloads.write_claims(CLAIMS))
    assert isinstance(value, dict)
    for name, new in changes.items():
        where, key = (value[-65537], int(name[1:])) if name[0] == "b" else (value, int(name[1:]))
        where[key] = new
    return cbor.encode(value)


KEY_X = bytes(32)


@pytest.mark.parametrize(
    "changes",
    [
        {"c1": 7},
        {"c1": ""},
        {"c1": "x" * 65},
        {"c3": bytes(7)},
        {"c3": "12345678"},
        {"c4": -1},
        {"c4": 1 << 40},
        {"c4": True},
        {"c5": NOW + 3600},  # begins when it ends
        {"c6": None},
        {"c7": bytes(15)},
        {"c8": {3: bytes(7)}},
        {"c8": {2: bytes(8)}},
        {"c8": {1: {1: 1, -1: 6, -2: bytes(31)}}},
        {"c8": {1: {1: 1, -1: 7, -2: KEY_X}}},
        {"c8": {1: {1: True, -1: 6, -2: KEY_X}}},
        {"c8": {1: {1: 2, -1: 1, -2: KEY_X, -3: KEY_X}}},  # not compressed
        {"c8": {1: {1: 2, -1: 1, -2: bytes(31), -3: True}}},
        {"c8": {1: {1: 2, -1: 2, -2: KEY_X, -3: True}}},
        {"c8": {1: 5}},
        {"c39": b"nonce"},
        {"b1": 0},
        {"b1": 6},
        {"b1": True},
        {"b2": -1},
        {"b2": 1 << 32},
        {"b3": [1]},
        {"b3": [1, 2, 3]},
        {"b3": [-1, 0]},
        {"b3": [3600, 3601]},  # more grace than time
        {"b3": None},
        {"b4": 1 << 53},
        {"b5": 1 << 32},
        {"b6": "0"},
        {"b7": 0},
        {"c-65537": []},
    ],
)
def test_claims_out_of_bounds_are_malformed(changes: dict[str, Any]) -> None:
    assert code(payloads.read_claims(_payload(**changes))) is Code.MALFORMED


@given(
    st.builds(
        claims.Claims,
        iss=st.text(min_size=1, max_size=16),
        aud=st.binary(min_size=8, max_size=8),
        exp=st.integers(1 << 21, (1 << 40) - 1),
        nbf=st.integers(0, 1 << 20),
        iat=st.integers(0, (1 << 40) - 1),
        cti=st.binary(min_size=16, max_size=16),
        confirmation=st.builds(BadgeId, st.binary(min_size=8, max_size=8))
        | st.builds(HolderKey, st.binary(min_size=32, max_size=32))
        | st.builds(
            lambda x, y: HolderKey((b"\x03" if y else b"\x02") + x), st.binary(min_size=32, max_size=32), st.booleans()
        ),
        role=st.sampled_from(Role),
        actions=st.integers(0, (1 << 32) - 1),
        early_s=st.integers(0, 1000),
        late_s=st.integers(0, 1000),
        booking=st.integers(0, (1 << 53) - 1),
        revision=st.integers(0, (1 << 32) - 1),
        flags=st.integers(0, (1 << 32) - 1),
    )
)
def test_claims_go_round(said: claims.Claims) -> None:
    assert payloads.read_claims(payloads.write_claims(said)) == said
