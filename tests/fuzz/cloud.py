"""What the backend sends, or whoever speaks in its name: any topic, any payload, plain or compressed."""

from __future__ import annotations

import asyncio
import zlib
from typing import Any, Final

from agent.sync import wire
from agent.sync.downlink import MOST_BYTES, Downlink
from drivers.ports import Arrived
from keyless import issue, verify
from keyless.refusal import Refusal
from keyless.token import read_remote
from tests.fakes.clock import ManualClock
from tests.fuzz.target import JSON_WORDS, Target
from tests.keyless_world import command, situation, token

VEHICLE: Final = "9f3c1a77e2b04d58"
TOPICS: Final = (*Downlink.topics(VEHICLE), "boitier/v1/another/down/cmd", "")
SITUATION: Final = situation()
ACK: Final = b'{"v":1,"stream":"abababababababab","upto":4,"ranges":[[7,9]],"poison":[3]}'


class _Receivers:
    """What a `Downlink` hands to: it counts what was believed."""

    def __init__(self) -> None:
        self.believed = self.pubacks = 0

    async def acknowledge(self, said: wire.Ack) -> None:
        assert 0 <= said.upto < 1 << 53
        assert len(said.stream) == 16
        self.believed += 1

    async def book(self, payload: bytes) -> None:
        self.believed += not isinstance(verify.store_check(payload, SITUATION), Refusal)

    async def command(self, payload: bytes) -> None:
        pair = read_remote(payload)
        if not isinstance(pair, Refusal):
            self.believed += not isinstance(verify.believe_command(*pair, SITUATION, None), Refusal)

    async def trust(self, payload: bytes) -> None:
        pass

    def puback(self) -> None:
        self.pubacks += 1


TO: Final = _Receivers()
NOBODY: Final[Any] = None
DOWNLINK: Final = Downlink(
    NOBODY, ManualClock(), VEHICLE, acknowledge=TO.acknowledge, book=TO.book, command=TO.command, trust=TO.trust,
    connection=lambda up: None,
)  # fmt: skip
LOOP: Final = asyncio.new_event_loop()


def judge_down(data: bytes) -> bool:
    """data: which topic, then the payload. Each message is acknowledged exactly once, or it would come for ever."""
    topic, payload = TOPICS[data[0] % len(TOPICS)] if data else "", data[1:]
    before, believed = TO.pubacks, TO.believed
    LOOP.run_until_complete(DOWNLINK._take(Arrived(topic, payload, False, TO.puback)))
    assert TO.pubacks == before + 1
    counters = DOWNLINK.counters()
    assert not counters["mistakes"] + counters["failed"] + counters["waiting"]
    return TO.believed > believed


def judge_payload(data: bytes) -> bool:
    """The bytes as they are, and the same compressed, so that the fuzzer need not guess a check sum."""
    plain = wire.unpack(data)
    assert wire.unpack(zlib.compress(data, 1)) == (None if data[:1] == b"\x78" else plain)
    for payload in (data, zlib.compress(data, 1)):
        said = wire.read_ack(payload)
        assert said is None or wire.unpack(payload) is not None
    if plain is None:
        return False
    try:
        assert isinstance(wire.unpack(wire.pack(plain)), dict)
    except (RecursionError, UnicodeEncodeError):
        raise AssertionError("what was read cannot be written") from None
    return True


ARRIVING: Final = (b"\0" + ACK, b"\0" + zlib.compress(ACK, 9), b"\1" + token(), b"\2" + issue.remote(*command()))
TARGETS: Final = (
    Target("down", judge_down, ARRIVING, MOST_BYTES + 99, JSON_WORDS),
    Target("payload", judge_payload, (ACK, zlib.compress(ACK, 9)), MOST_BYTES, JSON_WORDS),
)
