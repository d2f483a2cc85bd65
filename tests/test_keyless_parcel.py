"""The sealed parcel: what goes in comes out at the operator's and nowhere else; length and outside tell little."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hil import parcels
from keyless import issue, parcel
from keyless.parcel import SIZES, Parcel
from keyless.refusal import Code, Refusal
from tests.keyless_world import OPERATOR, VEHICLE, code
from tests.test_hil_parcels import EPHEMERAL, RECIPIENT, SECRET

CAR = issue.SigningKey(bytes([21]) * 32)
FACTS = b'{"v":1,"vehicle":"1122334455667788","stream":"51aa0c9d77e3f012","facts":[]}'
SAID = Parcel(OPERATOR, VEHICLE, FACTS)


def content(said: Parcel = SAID, key: issue.SigningKey = CAR) -> bytes:
    return parcel.signed(said, key.public, key.sign)


def opened(data: bytes, **changes: Any) -> Parcel | Refusal:
    usual = {"secret": SECRET, "public": CAR.public, "vehicle": VEHICLE, **changes}
    return parcel.opened(data, **usual)


def test_d30_a_parcel_is_opened_with_the_operators_key_for_the_car_that_sent_it() -> None:
    data = parcel.sealed(content(), VEHICLE, RECIPIENT)
    assert opened(data) == SAID
    assert code(opened(data, secret=EPHEMERAL)) is Code.UNKNOWN_KEY
    assert code(opened(data, vehicle=bytes(8))) is Code.UNKNOWN_KEY
    assert code(opened(data, public=EPHEMERAL)) is Code.UNKNOWN_KEY


def test_p6_nothing_outside_of_the_seal_is_the_same_twice_or_names_the_car() -> None:
    one, other = (parcel.sealed(content(), VEHICLE, RECIPIENT) for _ in range(2))
    assert len(one) == len(other) == SIZES[0]
    for at in range(len(one) - 7):
        assert one[at : at + 8] not in other
    assert VEHICLE not in one
    assert issue.key_id(CAR.public) not in one


@given(
    length=st.integers(0, 16_000),
    operator=st.text(min_size=1, max_size=16),
    vehicle=st.binary(min_size=8, max_size=8),
)
@settings(max_examples=60)
def test_what_goes_in_comes_out_and_the_length_is_the_smallest_of_five(
    length: int, operator: str, vehicle: bytes
) -> None:
    said = Parcel(operator, vehicle, (FACTS * 300)[:length])
    inside = content(said)
    data = parcel.sealed(inside, vehicle, RECIPIENT)
    assert len(data) == min(size for size in SIZES if size >= len(inside) + 50)
    assert opened(data, vehicle=vehicle) == said


@pytest.mark.parametrize(("spare", "fits"), [(0, True), (-1, False)])
def test_the_largest_holds_so_much_and_no_byte_more(spare: int, fits: bool) -> None:
    most = SIZES[-1] - 50 - (len(content(Parcel(OPERATOR, VEHICLE, bytes(16_000)))) - 16_000)
    inside = content(Parcel(OPERATOR, VEHICLE, bytes(most - spare)))
    assert parcel.fits(inside) is fits
    if fits:
        assert len(parcel.sealed(inside, VEHICLE, RECIPIENT)) == SIZES[-1]
    else:
        with pytest.raises(ValueError, match="do not fit"):
            parcel.sealed(inside, VEHICLE, RECIPIENT)


@given(at=st.integers(0, SIZES[0] * 8 - 1))
def test_every_altered_bit_is_refused(at: int) -> None:
    data = bytearray(parcel.sealed(content(), VEHICLE, RECIPIENT))
    data[at // 8] ^= 1 << at % 8
    assert code(opened(bytes(data))) is Code.UNKNOWN_KEY


@given(junk=st.binary(max_size=64), size=st.sampled_from([*SIZES, 1023, 16_385]), inside=st.booleans())
def test_junk_is_refused_outside_and_inside_of_the_seal(junk: bytes, size: int, inside: bool) -> None:
    data = junk.ljust(size, b"\x00")
    if inside and size in SIZES:
        data = parcels.hpke_seal(data[48:], RECIPIENT, parcel.PURPOSE + VEHICLE, EPHEMERAL)
    assert isinstance(opened(data), Refusal)


@pytest.mark.parametrize("key", [bytes(32), b"\x01" + bytes(31)])
def test_a_key_with_which_no_secret_can_be_shared_is_an_error_at_the_car(key: bytes) -> None:
    with pytest.raises(ValueError, match="shared key"):
        parcel.sealed(content(), VEHICLE, key)
