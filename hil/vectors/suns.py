"""Readings of badges that prove themselves (section 1.12): whose they are, and with which counter."""

from __future__ import annotations

from typing import Final

from .. import badges, tokens
from .world import Case, case_of, flipped, refused

META: Final = bytes(range(16))
MASTER: Final = bytes(range(16, 32))
UID: Final = bytes.fromhex("04de5f1eacc040")
OTHER: Final = bytes.fromhex("04a1b2c3d4e5f6")
LAST: Final = (1 << 24) - 1
# meta_key, master: the operator's two keys.
USUAL: Final[Case] = {"meta_key": META.hex(), "master": MASTER.hex()}
case: Final = case_of("message", USUAL)


def reading(
    uid: bytes = UID, counter: int = 1, *, noise: bytes = b"noise", meta: bytes = META, master: bytes = MASTER
) -> bytes:
    card = badges.Card.made(uid, meta, master)
    card.counter = counter - 1
    return card.read(noise)


def accepted(uid: bytes = UID, counter: int = 1) -> Case:
    return {"accept": True, "code": None, "badge": tokens.derived(b"sun", uid).hex(), "counter": counter}


def cases() -> list[Case]:
    """In the order of the steps: `malformed signature`."""
    return [*_malformed(), *_signature(), *_accepted()]


def _malformed() -> list[Case]:
    good, code = reading(), refused("malformed")
    return [
        case("nothing", b"", code),
        case("the number alone", UID, code),
        case("without its MAC", good[:16], code),
        case("one byte short", good[:-1], code),
        case("one byte after the end", good + b"\x00", code),
        case("order: and of nobody", bytes(25), code),
    ]


def _signature() -> list[Case]:
    good, code = reading(), refused("signature")
    copied = badges.Card(UID, META, badges.cmac(MASTER, b"\x01" + OTHER + b"boitier sun"))
    plain = badges.Card(UID, META, MASTER)
    return [
        case("24 noughts", bytes(24), code),
        case("last bit turned over", flipped(good), code),
        case("first bit of the MAC turned over", flipped(good, 16), code),
        case("a bit of what is encrypted turned over", flipped(good, 3), code),
        case("the MAC of its next reading", good[:16] + reading(counter=2)[16:], code),
        case("the halves the other way round", good[8:] + good[:8], code),
        case("a card of another operator: its master key", reading(master=META), code),
        case("a card of another operator: its meta key", reading(meta=MASTER), code),
        case("the number of one card with the key of another", copied.read(), code),
        case("the master key on a card", plain.read(), code),
        case("the two keys the other way round", good, code, meta_key=MASTER.hex(), master=META.hex()),
        case("a card that tells its number and no counter", _tagged(0x87), code),
        case("a card that tells its counter and no number", _tagged(0x47), code),
    ]


def _tagged(tag: int) -> bytes:
    """By the right keys, with another first byte in what is encrypted."""
    good = reading()
    return badges.encrypted(META, bytes([tag]) + UID + b"\x01\x00\x00" + b"noise") + good[16:]


def _accepted() -> list[Case]:
    bare = {"meta_key": bytes(16).hex()}
    return [
        case("its first reading", reading(), accepted()),
        case("the same with other noise of the card's", reading(noise=b"other"), accepted()),
        case("reading 258: the counter is little-endian", reading(counter=258), accepted(counter=258)),
        case("the last one that it can count", reading(counter=LAST), accepted(counter=LAST)),
        case("another card", reading(OTHER, 7), accepted(OTHER, 7)),
        case("a number of noughts", reading(bytes(7)), accepted(bytes(7))),
        case("a meta key of noughts", reading(meta=bytes(16)), accepted(), **bare),
    ]
