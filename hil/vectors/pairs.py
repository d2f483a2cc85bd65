"""The message of `down/cmd`, a pair of a token and a command: its own shape, then what comes out of it."""

from __future__ import annotations

from typing import Any

from ..cbor import encode
from ..tokens import ACTIONS
from .command_rules import repeated
from .command_shapes import USUAL, for_phone, obeyed, pair
from .world import NOW, OTHER_PHONE, Case, different, padded, refused, signed


def cases() -> list[Case]:
    """Whatever comes out of a pair is judged as a command; a few of these show it."""
    token, command = pair(signed(for_phone()))
    good = encode([token, command])
    code = refused("malformed")
    room = 2049 - len(encode([token, bytes(1_000)])) + 1_000
    bad = [
        ("nothing", b""),
        ("one byte short", good[:-1]),
        ("one byte after the end", good + b"\x00"),
        ("a map", encode({0: token, 1: command})),
        ("the token alone", encode([token])),
        ("three items", encode([token, command, b""])),
        ("token not in a byte string", b"\x82" + token + encode(command)),
        ("command not in a byte string", b"\x82" + encode(token) + command),
        ("token as text", encode([token.hex(), command])),
        ("array with a longer head than needed", b"\x98\x02" + good[1:]),
        ("array of no stated length", b"\x9f" + good[1:] + b"\xff"),
        ("token's length in a longer head than needed",
         b"\x82\x59" + len(token).to_bytes(2, "big") + token + encode(command)),
        ("a tag in front", b"\xd2" + good),
        ("command first", encode([command, token])),
        ("an empty token", encode([b"", command])),
    ]  # fmt: skip
    firmware = encode(list(pair(token, action=ACTIONS["firmware"])))
    return [
        _pair("2049 bytes: a good pair and zeros", good, refused("too_big"), zeros=2049 - len(good)),
        _pair("2049 zeros", b"", refused("too_big"), zeros=2049),
        _pair("2049 bytes: a well-shaped pair", encode([token, bytes(room)]), refused("too_big")),
        _pair("2048 bytes: a good pair and zeros", good, code, zeros=2048 - len(good)),
        *(_pair(name, data, code) for name, data in bad),
        _pair("unlock", good, obeyed()),
        _pair("lock", encode(list(pair(token, action=2))), obeyed(action=2)),
        _pair("inside: token of 1025 bytes", encode([bytes(1025), command]), refused("too_big")),
        _pair("inside: signed by another phone", encode(list(pair(token, OTHER_PHONE))), refused("holder")),
        _pair("inside: the same command again", good, repeated(), counter=5),
        _pair("inside: command a second late", encode(list(pair(token, exp=NOW - 1))), refused("expired")),
        _pair("inside: beyond the role", firmware, refused("role_action")),
        _pair("inside: the car moves", good, refused("state_guard"), car={"moving": "yes", "ignition": True}),
    ]


def _pair(name: str, data: bytes, expect: Case, *, zeros: int = 0, **situation: Any) -> Case:
    return {"name": name, **padded("pair", data, zeros), "state": different(USUAL, situation), "expect": expect}
