"""What a fuzzer is given: a parser of bytes from outside, with good inputs to begin with and what it promises.

What is not here: the fuzzer itself (`one.py`). This file imports nothing of the project, so that everything which is
looked at can still be loaded with its branches counted.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

# Module of this folder -> its targets. A name here and its `Target` there: `tests/test_fuzz.py` compares them.
TARGETS: Final = {
    "signed": ("cbor", "token", "claims", "command", "remote", "keyset", "keys", "rootset", "revocations", "revoked"),
    "vouched": ("time", "answer", "question", "receipt", "report", "parcel", "content", "piece", "fetch", "signature"),
    "kept": ("vault", "files"),
    "air": ("phone", "near", "wish", "talk"),
    "windscreen": ("sun", "digits"),
    "lines": ("nmea", "gpsd", "reader", "control", "log"),
    "bus": ("can", "isotp", "overheard", "kernel"),
    "cloud": ("down", "payload"),
}
# Whose branches guide the fuzzer.
LOOKED_AT: Final = ("keyless", "agent", "drivers", "pynmea2", "isotp")


@dataclass(frozen=True, slots=True)
class Target:
    """judge: takes any bytes and returns whether they were accepted; raises for a broken promise, whatever it raises.

    seeds: good inputs; corpus: others to begin with, good or bad. longest: bytes that can come at once by that way; the
    list of abuse goes up to them. words: pieces worth putting anywhere. mutated: the fuzzer's own inputs go up to so
    many bytes.
    """

    name: str
    judge: Callable[[bytes], bool]
    seeds: Sequence[bytes]
    longest: int
    words: Sequence[bytes] = ()
    mutated: int = 1024
    corpus: Sequence[bytes] = ()


JSON_WORDS: Final = (
    b"null", b"true", b"NaN", b"Infinity", b"1e999", b"-1", b"9007199254740993", b"9" * 40, b'"x"', b"[]", b"{}",
    b"[[[[", b'{"":', b'"\\ud800"', b"0.1", b",", b":",
)  # fmt: skip


def abuse(longest: int) -> list[bytes]:
    """What every way in has to bear, as long as it can be there: depth, digits, nothing, the same byte again."""
    heads = (
        b"[", b'{"a":', b"9", b"\x81", b"\xa1\x00", b"\x9b\xff", b"\x00", b"\xff", b"$", b"\x02", b" ", b'"\\ud800",',
    )  # fmt: skip
    long = [(head * (longest // len(head) + 1))[:longest] for head in heads]
    return [b"", b"null", b"[]", b"{}", b"1e999", b"NaN", b'"\xff"', *(head[:1500] for head in long), *long]


def goes_on(data: bytes) -> bool:
    """Whether a payload that its reader has refused is signed and judged all the same: one in eight. Signing costs ten
    times the reading, and the million would be spent on it.
    """
    return sum(data) % 8 == 0


def find(name: str) -> str:
    """The module that holds a target. Raises `KeyError`."""
    return {one: module for module, names in TARGETS.items() for one in names}[name]
