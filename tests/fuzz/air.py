"""What a phone writes over Bluetooth: pieces of any length and content on one link, and what its messages carry.

"near" takes a command as it comes: nothing but what its holder has signed on a good nonce is obeyed. "wish" signs the
fuzzer's bytes with the holder's key. "talk" plays any messages to the service, with a door that only says no.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Coroutine
from typing import Any, Final

from agent.access.beside import Heard, unproven
from agent.access.phones import Phones
from drivers.ble.framing import COUNTERS, HEADER_BYTES, MAX_BODY, MAX_WRITE, Assembler, message
from drivers.ports import Clock
from hil import beside
from keyless import issue, near
from keyless.claims import Action, HolderKey
from keyless.refusal import Code, Refusal, refused
from tests.fakes.clock import ManualClock, settle
from tests.fakes.phones import StandInPort
from tests.fuzz.published import published
from tests.fuzz.signed import payloads
from tests.fuzz.target import Target, goes_on
from tests.keyless_world import PHONE, situation, token

LASTING: Final = Assembler(dict.fromkeys(COUNTERS, 0))  # one link for the whole run: nothing may pile up in it
NONCE: Final = bytes(range(16))
TOKEN: Final = token(confirmation=HolderKey(PHONE.public))
WISH: Final = near.write_command(TOKEN, near.NearCommand(NONCE, Action.UNLOCK, 5))
COMMAND: Final = issue.sign1(WISH, PHONE, with_kid=False)
TOLD: Final = published("near.json", "command")
LOOP: Final = asyncio.new_event_loop()  # one for the whole run: a new one costs more than most talks


def judge_phone(data: bytes) -> bool:
    """data: the length of a write, its bytes, and so on; each half a second after the last one."""
    counters = dict.fromkeys(COUNTERS, 0)
    link, stream, at, heard, now_ns = Assembler(counters), b"", 0, 0, 0
    while at < len(data):
        size, now_ns = 2 * data[at], now_ns + 500_000_000
        written = data[at + 1 : at + 1 + size]
        at += 1 + size
        stream += written
        for kind, body in link.feed(written, now_ns):
            heard += 1
            assert message(kind, body) in stream, "made of bytes that nobody wrote in a row"
        LASTING.feed(written, now_ns)
        assert max(link.held, LASTING.held) <= HEADER_BYTES + MAX_BODY + MAX_WRITE
    assert counters["messages"] == heard
    return heard > 0


def judge_near(data: bytes) -> bool:
    found = near.believe_near(TOKEN, data, situation(), (NONCE,), None)
    assert isinstance(found, Refusal) or payloads([data], with_kid=False) == [WISH], "obeyed without a signature"
    return not isinstance(found, Refusal)


def judge_wish(data: bytes) -> bool:
    """data: what the holder signs."""
    read = near.read_command(data, TOKEN)
    if isinstance(read, Refusal) and not goes_on(data):
        return False
    found = near.believe_near(TOKEN, issue.sign1(data, PHONE, with_kid=False), situation(), (NONCE,), 4)
    if isinstance(read, Refusal):
        assert read.code in (Code.MALFORMED, Code.HOLDER)
        assert isinstance(found, Refusal)
        return False
    assert near.write_command(TOKEN, read) == data
    if isinstance(found, Refusal):
        assert found.code in (Code.REPLAY, Code.ROLE_ACTION, Code.TOO_BIG)
    else:
        assert found[1] == read
        assert (read.nonce, read.counter > 4) == (NONCE, True)
    return True


class _No:
    """In the place of door, bookings and what a command does: a turn at once, no token known, a refusal."""

    counters: Final[dict[str, int]] = {}

    async def wish(self, work: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        return await work()

    async def load(self) -> None: ...

    async def purge(self, lo_s: float) -> None: ...

    def named(self, name: bytes) -> bytes | None:
        assert len(name) == near.NAME_BYTES
        return None

    async def obey(
        self, token: bytes | None, command: bytes, nonces: frozenset[bytes], at_ns: int, *, named: bool
    ) -> Heard:
        assert len(nonces) <= near.MOST_NONCES
        assert len(command) <= near.MAX_COMMAND
        return unproven(refused(Code.HOLDER))


def judge_talk(data: bytes) -> bool:
    """data: type, length, body, and so on, of one phone; every command gets one answer, nothing else does."""
    return LOOP.run_until_complete(_talk(data))


async def _talk(data: bytes) -> bool:
    clock, no, numbers = ManualClock(), _No(), itertools.count(1)
    port, at, commands = StandInPort(clock), 0, 0
    phones = _service(clock, port, no, numbers)
    serving, link = asyncio.create_task(phones.run()), port.connect()
    while at + 1 < len(data):
        kind, size = data[at], data[at + 1]
        port.write(link, kind, data[at + 2 : at + 2 + size])
        at, commands = at + 2 + size, commands + (kind == near.Kind.COMMAND)
    while port.waiting and not serving.done():
        await settle(1)
    await settle()
    if serving.done():
        serving.result()
    serving.cancel()
    await asyncio.gather(serving, return_exceptions=True)
    kinds = [kind for kind, _ in port.said[link]]
    assert kinds == [near.Kind.HELLO] + [near.Kind.ANSWER] * commands
    nonces = [beside.read_answer(body).nonce for _, body in port.said[link][1:]]
    assert len(set(nonces)) == commands
    return commands > 0


def _service(clock: Clock, port: StandInPort, no: Any, numbers: Any) -> Phones:
    return Phones(
        clock, port, no, no, no, hello=lambda nonce: near.Hello(nonce, 0, None, "none", 0, 0, 0),
        tag=lambda: bytes(8), words=lambda refusal, language: language,
        random=lambda size: next(numbers).to_bytes(size, "big"), past_s=lambda: 0.0,
    )  # fmt: skip


WHOLE: Final = message(7, b"0123456789a")
TALK: Final = b"\x09\x02en" + b"\x02\x10" + bytes(16) + b"\x03\x04abcd" + b"\x03\x79" + bytes(121)
TARGETS: Final = (
    Target("phone", judge_phone, (bytes([7]) + WHOLE, bytes([3]) + WHOLE[:6] + bytes([4]) + WHOLE[6:]), 4096),
    Target("near", judge_near, (COMMAND,), near.MAX_COMMAND + 9, corpus=TOLD),
    Target("wish", judge_wish, (WISH,), near.MAX_COMMAND, corpus=payloads(TOLD, with_kid=False)),
    Target("talk", judge_talk, (TALK,), 512, mutated=256),
)
