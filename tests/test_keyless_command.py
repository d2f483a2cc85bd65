"""Remote commands: bound to their token, signed by its holder, obeyed once, never late (D12, D13)."""

from __future__ import annotations

from typing import Any

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from keyless import cbor, cose, issue, token
from keyless.claims import Action, BadgeId, Booking, Command, HolderKey, Interval, badge_id
from keyless.refusal import Code, Refusal
from tests.keyless_world import (
    BACKEND,
    ISSUER,
    LAPTOP,
    NOW,
    PHONE,
    SURE,
    UID,
    believe_command,
    code,
    command,
)


@pytest.mark.parametrize("holder", [PHONE, LAPTOP], ids=["p256", "ed25519"])
def test_command_of_the_holder_is_believed(holder: issue.SigningKey) -> None:
    pair = command(replace(BACKEND, confirmation=HolderKey(holder.public)), holder, action=Action.LOCK, counter=7)
    booking, wish = believe_command(pair, counter=6)
    assert isinstance(booking, Booking)
    assert wish == Command(b"i" * 16, Action.LOCK, 7, NOW + 60)
    assert len(pair[1]) <= 128
    assert token.read_remote(issue.remote(*pair)) == pair


def test_old_algorithm_number_of_a_phone_is_accepted() -> None:
    data, _ = command()
    protected = cbor.encode({1: -7})
    payload = token.write_command(data, Command(b"i" * 16, Action.UNLOCK, 1, NOW + 60))
    signature = PHONE.sign(cose.to_be_signed(protected, payload))
    assert code(believe_command((data, b"\xd2" + cbor.encode([protected, {}, payload, signature])))) is None


def test_every_single_bit_flip_and_truncation_of_a_command_is_refused() -> None:
    data, wish = command()
    for at in range(len(wish) * 8):
        flipped = bytearray(wish)
        flipped[at // 8] ^= 1 << at % 8
        assert isinstance(believe_command((data, bytes(flipped))), Refusal), f"bit {at}"
    for size in range(len(wish)):
        assert code(believe_command((data, wish[:size]))) is Code.MALFORMED
    assert code(believe_command((data, wish + b"\x00"))) is Code.MALFORMED


def test_every_single_bit_flip_of_a_whole_message_and_of_its_token_is_refused() -> None:
    """As it comes by `down/cmd`: both objects and the frame around them."""
    whole = issue.remote(*command())
    for at in range(len(whole) * 8):
        flipped = bytearray(whole)
        flipped[at // 8] ^= 1 << at % 8
        pair = token.read_remote(bytes(flipped))
        assert isinstance(pair if isinstance(pair, Refusal) else believe_command(pair), Refusal), f"bit {at}"
    for size in range(len(whole)):
        assert code(token.read_remote(whole[:size])) is Code.MALFORMED


def test_codes_come_in_the_order_of_the_steps() -> None:
    data, wish = command()
    big = bytes(600)
    broken = data[:-1] + bytes([data[-1] ^ 1])
    assert code(believe_command((b"", big))) is Code.TOO_BIG
    assert code(believe_command((bytes(2000), b""))) is Code.TOO_BIG
    assert code(believe_command((data, b""))) is Code.MALFORMED
    assert code(believe_command((b"", wish))) is Code.MALFORMED
    odd = b"\xd2" + cbor.encode([cbor.encode({1: -257}), {}, b"", bytes(64)])
    assert code(believe_command((broken, odd))) is Code.ALG
    assert code(believe_command((broken, wish))) is Code.SIGNATURE
    stolen = command(holder=issue.new_key("p256"))
    assert code(believe_command(stolen, counter=9)) is Code.HOLDER
    assert code(believe_command(stolen, now=Interval(NOW + 90_000, NOW + 90_000, "gnss"))) is Code.EXPIRED
    late = Interval(NOW + 61, NOW + 65, "gnss")
    forbidden = command(action=Action.FIRMWARE)
    assert code(believe_command(forbidden, counter=1, now=late)) is Code.REPLAY
    assert code(believe_command(forbidden, counter=0, now=late)) is Code.EXPIRED
    assert code(believe_command(forbidden, counter=0)) is Code.ROLE_ACTION


@given(st.integers(1, 100), st.none() | st.integers(0, 100))
def test_counter_rises_strictly_and_a_repeat_names_its_command(sent: int, seen: int | None) -> None:
    outcome = believe_command(command(counter=sent), counter=seen)
    if seen is not None and sent <= seen:
        assert code(outcome) is Code.REPLAY
        assert outcome.detail["command"] == (b"i" * 16).hex()
    else:
        assert outcome[1].counter == sent


def test_a_late_command_never_acts_and_doubt_counts_as_late() -> None:
    pair = command(exp=NOW + 4)
    assert code(believe_command(pair)) is None
    assert code(believe_command(pair, now=Interval(NOW + 1, NOW + 5, "gnss"))) is Code.CLOCK_UNSURE
    assert code(believe_command(pair, now=Interval(NOW + 5, NOW + 9, "gnss"))) is Code.EXPIRED
    driver = command(replace(BACKEND, role=1, booking=42))  # type: ignore[arg-type]
    assert code(believe_command(driver, now=Interval(NOW, None, "none"))) is Code.CLOCK_UNSURE


def test_the_last_second_of_a_command_belongs_to_it() -> None:
    assert believe_command(command(exp=NOW), now=Interval(NOW, NOW, "gnss"))[1].exp == NOW
    assert code(believe_command(command(exp=NOW), now=Interval(NOW, NOW + 1, "gnss"))) is Code.CLOCK_UNSURE


def test_a_command_is_bound_to_its_token() -> None:
    _, wish = command()
    other, _ = command(replace(BACKEND, cti=bytes(16)))
    assert code(believe_command((other, wish))) is Code.HOLDER


def test_a_badge_cannot_command_and_a_key_of_another_kind_cannot_sign() -> None:
    badge = command(replace(BACKEND, confirmation=BadgeId(badge_id(UID))))
    assert code(believe_command(badge)) is Code.HOLDER
    mixed = command(replace(BACKEND, confirmation=HolderKey(LAPTOP.public)), PHONE)
    assert code(believe_command(mixed)) is Code.HOLDER
    no_point = command(replace(BACKEND, confirmation=HolderKey(b"\x02" + b"\xff" * 32)))
    assert code(believe_command(no_point)) is Code.HOLDER


@pytest.mark.parametrize(
    "changes",
    [
        {1: bytes(15)},
        {2: "i" * 16},
        {3: 0},
        {3: 3},
        {3: 262144},
        {3: True},
        {4: 0},
        {4: 1 << 63},
        {5: -1},
        {6: 0},
    ],
)
def test_command_out_of_bounds_is_malformed(changes: dict[int, Any]) -> None:
    data, _ = command()
    body = {1: token.token_hash(data), 2: b"i" * 16, 3: 1, 4: 1, 5: NOW + 60, **changes}
    outcome = believe_command((data, issue.sign1(cbor.encode(body), PHONE, with_kid=False)))
    assert code(outcome) is Code.MALFORMED
    assert outcome.claims is not None
    junk = issue.sign1(b"\xff", PHONE, with_kid=False)
    assert code(believe_command((data, junk))) is Code.MALFORMED


@pytest.mark.parametrize("value", [[b"a"], [b"a", "b"], {1: b"a"}, [b"a", b"b", b"c"], 7])
def test_remote_message_is_a_pair_of_byte_strings(value: object) -> None:
    assert code(token.read_remote(cbor.encode(value))) is Code.MALFORMED
    assert code(token.read_remote(bytes(2049))) is Code.TOO_BIG
    assert code(token.read_remote(b"\x82")) is Code.MALFORMED


@given(st.binary(min_size=1, max_size=700), st.binary(min_size=1, max_size=700))
def test_d12_a_remote_message_is_two_byte_strings_and_nothing_after_them(first: bytes, second: bytes) -> None:
    payload = issue.remote(first, second)
    assert token.read_remote(payload) == (first, second)
    assert code(token.read_remote(payload + b"\x00")) is Code.MALFORMED
    assert code(token.read_remote(payload[:-1])) is Code.MALFORMED


def test_d12_our_remote_messages_are_what_a_cbor_library_makes() -> None:
    for size in (1, 23, 24, 255, 256, 2000):
        pair = [b"t" * size, b"c" * (size + 1)]
        assert cbor2.dumps(pair) == issue.remote(*pair)


@pytest.mark.parametrize("data", ["", "82", "8240", "8258014141ff", "835841", "9f41ff41ffff", "8261614162"])
def test_d12_anything_else_is_no_remote_message(data: str) -> None:
    assert code(token.read_remote(bytes.fromhex(data))) is Code.MALFORMED


def test_d12_a_remote_message_with_an_empty_token_is_malformed_when_it_is_judged() -> None:
    pair = token.read_remote(bytes.fromhex("824041ff"))
    assert pair == (b"", b"\xff")
    assert code(believe_command(pair)) is Code.MALFORMED


def test_issuer_key_that_signs_as_holder_is_no_holder() -> None:
    assert code(believe_command(command(holder=ISSUER))) is Code.HOLDER
    assert code(believe_command(command(), now=SURE)) is None
