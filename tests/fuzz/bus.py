"""What the car says: frames by the DBC of every car here, answers to our questions, answers overheard, and the kernel's
own messages about the bus.
"""

from __future__ import annotations

import asyncio
import math
from typing import Any, Final

from config import car as cars
from config.car import Poll
from drivers.can import bcm, errors
from drivers.can.bus import STANDARD_MAX
from drivers.can.decode import Decoder
from drivers.can.diag import Diagnostics, NegativeReply
from drivers.can.overheard import Overheard
from drivers.errors import DeviceError
from drivers.ports import Frame, Instant
from tests.fuzz.target import Target
from tests.scripted_bus import Bus
from tests.test_overheard import POLLS, exchange, frame, isotp

CARS: Final = [cars.load(cars.find(folder.name)) for folder in sorted(cars.CARS.iterdir()) if folder.is_dir()]
LASTING: Final = [Decoder(car) for car in CARS]  # they remember the last payload of each message, as in the car
RANGES: Final = [{entry.name: entry for entry in car.signals} for car in CARS]


def judge_can(data: bytes) -> bool:
    """data: which car, which of its messages or polls, and what it says."""
    if len(data) < 2:
        return False
    number = data[0] % len(CARS)
    car, decoder, said = CARS[number], LASTING[number], data[2:]
    kinds: list[Any] = [*car.messages, *car.polls]
    chosen = kinds[data[1] % len(kinds)]
    if isinstance(chosen, Poll):
        told = decoder.payload(chosen, said, 7)
        allowed = decoder.told_by(chosen)
    else:
        told = decoder.frame(Frame(chosen.can_id, chosen.extended, said[:8], Instant("", 7)))
        allowed = decoder.names(chosen.can_id, chosen.extended)
    for signal in told:
        entry = RANGES[number][signal.name]
        assert signal.name in allowed
        if isinstance(signal.value, float):
            assert math.isfinite(signal.value)
            assert entry.low <= signal.value <= entry.high
        else:
            assert not entry.states or signal.value in entry.states.values()
    return bool(told)


# --- our own questions


def _parts(data: bytes, size: int) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


def _frames(data: bytes) -> list[bytes]:
    """Nine bytes a frame: its length and what it holds."""
    return [part[1 : 1 + part[0] % 9] for part in _parts(data, 9)]


LOOP: Final = asyncio.new_event_loop()


def judge_isotp(data: bytes) -> bool:
    """data: which question, then the frames that come back."""
    if not data:
        return False
    poll = POLLS[data[0] % len(POLLS)]
    frames = _frames(data[1:])
    bus = Bus(frames, poll.reply_id)
    asked = Diagnostics(bus)  # type: ignore[arg-type]
    try:
        reply = LOOP.run_until_complete(asked.request(poll.request_id, poll.reply_id, poll.payload, 0.5))
    except DeviceError:
        return False
    assert bus.opened.sent <= 2 + len(frames)
    assert reply is None or isinstance(reply, NegativeReply) or reply[0] == poll.payload[0] + 0x40
    return isinstance(reply, bytes)


# --- other people's questions

IDS: Final = sorted({number for poll in POLLS for number in (poll.request_id, poll.reply_id)} | {0x123})
LASTING_EAR: Final = Overheard(POLLS)


def judge_overheard(data: bytes) -> bool:
    """data: for each frame its id, and its length with what it holds."""
    ear, heard, at_ns = Overheard(POLLS), 0, 0
    for part in _parts(data, 10):
        can_id, at_ns = IDS[part[0] % len(IDS)], at_ns + (part[0] >> 4) * 100_000_000
        for held in _frames(part[1:]):
            said = Frame(can_id, can_id > STANDARD_MAX, held, Instant("", at_ns))
            LASTING_EAR.frame(said)
            found = ear.frame(said)
            if found is not None:
                heard += 1
                assert found[1][0] == found[0].payload[0] + 0x40
    return heard > 0


# --- the kernel

LASTING_ERRORS: Final = errors.Errors()


def judge_kernel(data: bytes) -> bool:
    """A message of the broadcast manager, and the same bytes as an error frame."""
    LASTING_ERRORS.take(int.from_bytes(data[:4], "little"), data[4:12])
    assert LASTING_ERRORS.state in ("active", "warning", "passive", "bus_off")
    event = bcm.parse(data)
    if event is None:
        assert len(data) < bcm.RECEIVE_SIZE
        return False
    assert 0 <= event.can_id <= bcm.CAN_EFF_MASK
    assert event.data is None or len(event.data) <= 8
    return event.data is not None


def _packed(frames: list[Frame]) -> bytes:
    """As `judge_isotp` takes them apart."""
    return b"".join(bytes([len(one.data)]) + one.data.ljust(8, b"\0") for one in frames)


REPLY: Final = b"\x61\x01" + bytes(range(20))
PENDING: Final = [frame(0x7BB, "037F2178AAAAAAAA"), *isotp(0x7BB, REPLY)]
HEARD: Final = b"".join(
    bytes([IDS.index(one.can_id), len(one.data)]) + one.data.ljust(8, b"\0") for one in exchange(POLLS[0], bytes(9))
)
EVENT: Final = (bcm.HEAD.pack(bcm.RX_CHANGED, 0, 0, 0, 0, 0, 0, 0x1F6, 1).ljust(bcm.HEAD_SIZE, b"\0")
                + bcm.CAN_FRAME.pack(0x1F6, 8, bytes(range(8))))  # fmt: skip


def _said() -> list[bytes]:
    """Of each car its first messages and answers with noughts, where they say anything."""
    tried = [bytes([car, kind]) + bytes(70) for car in range(len(CARS)) for kind in range(40)]
    return [one for one in tried if judge_can(one)]


TARGETS: Final = (
    Target("can", judge_can, _said(), 258, mutated=80),
    Target("isotp", judge_isotp, (b"\0" + _packed(isotp(0x7BB, REPLY)), b"\0" + _packed(PENDING)), 4096, mutated=300),
    Target("overheard", judge_overheard, (HEARD,), 4096, mutated=300),
    Target("kernel", judge_kernel, (EVENT,), bcm.RECEIVE_SIZE),
)
