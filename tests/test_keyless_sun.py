"""Badges that prove themselves: NXP's published examples, another hand's cards, and everything that is not one."""

from __future__ import annotations

import hashlib

from hypothesis import given
from hypothesis import strategies as st

from hil.badges import Card, cmac
from keyless import sun
from keyless.claims import badge_id
from keyless.refusal import Code, Refusal
from keyless.sun import SunBadge, card_key, read_sun, sun_id
from tests.keyless_world import code

META, MASTER = bytes(range(16)), bytes(range(16, 32))
UID = bytes.fromhex("04DE5F1EACC040")
UIDS, KEYS = st.binary(min_size=7, max_size=7), st.binary(min_size=16, max_size=16)


def read(message: bytes) -> SunBadge | Refusal:
    return read_sun(message, META, MASTER)


def test_the_example_of_an12196() -> None:
    """Both keys are noughts there; SDMMAC over no file data, from the reading with counter 61."""
    nought = bytes(16)
    told = sun._decrypted(bytes.fromhex("EF963FF7828658A599F3041510671E88"), nought)
    assert told[:11] == bytes.fromhex("C704DE5F1EACC0403D0000")
    session = sun._cmac(nought, sun._SESSION + told[1:11])
    assert session == bytes.fromhex("3FB5F6E3A807A03D5E3570ACE393776F")
    assert sun._cmac(session, b"")[1::2] == bytes.fromhex("94EED9EE65337086")
    card = Card(UID, nought, nought, counter=60)
    assert card.read(told[11:]) == bytes.fromhex("EF963FF7828658A599F3041510671E8894EED9EE65337086")


def test_the_example_of_an10922() -> None:
    master, told = bytes.fromhex("00112233445566778899AABBCCDDEEFF"), "0104782E21801D803042F54E585020416275"
    assert sun._cmac(master, bytes.fromhex(told)) == bytes.fromhex("A8DD63A3B89D54B37CA802473FDA9175")


@given(UIDS, KEYS, KEYS, st.integers(0, (1 << 24) - 2), st.binary(min_size=5, max_size=5))
def test_a_card_of_the_operators_is_known_by_each_reading(
    uid: bytes, meta: bytes, master: bytes, counter: int, noise: bytes
) -> None:
    card = Card.made(uid, meta, master)
    card.counter = counter
    assert card.key == card_key(master, uid)
    assert read_sun(card.read(noise), meta, master) == SunBadge(sun_id(uid), counter + 1)


@given(st.integers(0, 24 * 8 - 1))
def test_no_bit_of_a_reading_can_be_turned(bit: int) -> None:
    message = Card.made(UID, META, MASTER).read()
    turned = (int.from_bytes(message, "big") ^ 1 << bit).to_bytes(24, "big")
    assert code(read(turned)) is Code.SIGNATURE


@given(st.binary(max_size=64).filter(lambda message: len(message) != 24))
def test_another_length_is_malformed(message: bytes) -> None:
    assert code(read(message)) is Code.MALFORMED


@given(st.binary(min_size=24, max_size=24))
def test_anybodys_bytes_are_no_badge(message: bytes) -> None:
    assert code(read(message)) is Code.SIGNATURE


def test_a_refusal_says_what_was_wrong() -> None:
    for message, why in ((b"1", "1 bytes; a badge's message has 24"), (bytes(24), "not a badge of this operator")):
        found = read(message)
        assert isinstance(found, Refusal)
        assert found.detail == {"why": why}


def test_cards_of_others_are_none_of_ours() -> None:
    assert code(read(Card.made(UID, META, bytes(16)).read())) is Code.SIGNATURE
    assert code(read(Card.made(UID, bytes(16), MASTER).read())) is Code.SIGNATURE
    copied = Card(UID, META, card_key(MASTER, b"another"))  # the number alone was copied
    assert code(read(copied.read())) is Code.SIGNATURE


def test_a_reading_without_the_cards_number_and_counter_is_none() -> None:
    """A card that was set up to mirror less: right keys, another tag."""
    card = Card.made(UID, META, MASTER)
    message = card.read()
    from hil.badges import encrypted

    plain = b"\x87" + UID + (1).to_bytes(3, "little") + b"noise"
    assert code(read(encrypted(META, plain) + message[16:])) is Code.SIGNATURE


def test_the_number_alone_names_another_badge() -> None:
    assert sun_id(UID) == hashlib.sha256(b"sun" + UID).digest()[:8] != badge_id(UID)


@given(st.binary(max_size=70), KEYS)
def test_both_hands_have_the_same_cmac(message: bytes, key: bytes) -> None:
    assert cmac(key, message) == sun._cmac(key, message)
