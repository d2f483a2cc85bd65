"""Diagnostics: a request, its answer, or nothing.

ISO-TP by can-isotp, driven from the loop without threads, and a small codec of our own for the services that these
cars speak (UDS 22, KWP 10 C0, 21, 30; D27).

What does not live here: which questions are asked and when (`config.car.Poll`, the agent).
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ..errors import DeviceError
from .bus import STANDARD_MAX, CanBus, Line

if TYPE_CHECKING:
    import isotp

NEGATIVE: Final = 0x7F
PENDING: Final = 0x78
POSITIVE: Final = 0x40
PENDING_S: Final = 5.0
"""How long a unit that said "response pending" has (P2* of ISO 14229-2)."""
PENDING_MAX: Final = 3
ECHOED: Final = {0x10: 1, 0x21: 1, 0x22: 2, 0x30: 1}
"""Bytes of the request, after the service, that a positive reply repeats."""
PADDING: Final = 0xFF
"""As the tester in a recorded exchange with a Zoe pads its requests."""
POLL_S: Final = 0.01


@dataclass(frozen=True, slots=True)
class NegativeReply:
    """`7F service code`: the unit refuses."""

    service: int
    code: int


def answers(request: bytes, reply: bytes) -> bool:
    """Is this a reply to our request, positive or negative? Somebody else may be asking the same unit."""
    if reply[:1] == bytes([NEGATIVE]):
        return reply[1:2] == request[:1]
    echoed = request[1 : 1 + ECHOED.get(request[0], 0)]
    return reply[:1] == bytes([(request[0] + POSITIVE) & 0xFF]) and echoed.startswith(reply[1 : 1 + len(echoed)])


def opens(request: bytes, frame: bytes) -> bool | None:
    """May this ISO-TP frame belong to our reply? None: a middle frame, which belongs to whoever opened.

    Letting a stranger's first frame into our transport would send flow control into the stranger's exchange.
    """
    if not frame:
        return False
    kind = frame[0] >> 4
    if kind == 0:
        return answers(request, frame[1 : 1 + (frame[0] & 0x0F)])
    return answers(request, frame[2:8]) if kind == 1 else None


class Diagnostics:
    """One exchange at a time on a bus. counters: asked, positive, negative, pending, silent, foreign, broken.

    block_size: frames of a long answer until the unit waits for us again; 0 is all at once. A recorded tester used 1.
    """

    def __init__(self, bus: CanBus, block_size: int = 0) -> None:
        self._bus, self._block_size = bus, block_size
        self._turn = asyncio.Lock()
        names = ("asked", "positive", "negative", "pending", "silent", "foreign", "broken")
        self._counters = dict.fromkeys(names, 0)

    def counters(self) -> dict[str, int]:
        return dict(self._counters)

    async def send(self, can_id: int, data: bytes) -> None:
        """A frame without an answer (waking a bus). Raises `DeviceError`."""
        await self._bus.send(can_id, data)

    async def request(
        self, request_id: int, reply_id: int, payload: bytes, timeout_s: float
    ) -> bytes | NegativeReply | None:
        """The whole reply, service byte first; a refusal; or None after `timeout_s` without one.

        Raises `DeviceError`; its `may_have_happened` is true when the request was already out.
        """
        async with self._turn:
            self._counters["asked"] += 1
            with self._bus.line((reply_id,)) as line:
                exchange = _Exchange(
                    line, self._bus, self._counters, request_id, reply_id, payload, self._block_size
                )
                try:
                    reply = await exchange.run(timeout_s)
                except DeviceError as error:
                    raise DeviceError(str(error), may_have_happened=exchange.sent) from error
        name = "silent" if reply is None else "negative" if isinstance(reply, NegativeReply) else "positive"
        self._counters[name] += 1
        return reply


class _Exchange:
    """One request on one line."""

    def __init__(
        self,
        line: Line,
        bus: CanBus,
        counters: dict[str, int],
        request_id: int,
        reply_id: int,
        payload: bytes,
        block_size: int,
    ) -> None:
        import isotp

        self._line = line
        self._clock = bus.clock
        self._counters = counters
        self._payload = payload
        self._reply_id = reply_id
        self._inbox: deque[isotp.CanMessage] = deque()
        self._outbox: deque[isotp.CanMessage] = deque()
        self._ours = False
        self.sent = False
        wide = max(request_id, reply_id) > STANDARD_MAX
        mode = isotp.AddressingMode.Normal_29bits if wide else isotp.AddressingMode.Normal_11bits
        self._transport = isotp.TransportLayerLogic(
            rxfn=lambda timeout: self._inbox.popleft() if self._inbox else None,
            txfn=self._outbox.append,
            address=isotp.Address(mode, txid=request_id, rxid=reply_id),
            error_handler=self._broken,
            params={
                "tx_padding": PADDING, "tx_data_min_length": 8, "blocksize": block_size, "stmin": 0,
                "blocking_send": False,
                # Its own threads would wait by this; we run none, but it is tried out twice at each start: 2 ms asleep.
                "wait_func": lambda seconds: None,
            },
        )  # fmt: skip

    async def run(self, timeout_s: float) -> bytes | NegativeReply | None:
        self._transport.send(self._payload)
        deadline_ns = self._clock.now().ns + int(timeout_s * 1e9)
        pending = 0
        while True:
            await self._step()
            while self._transport.available():
                reply = bytes(self._transport.recv() or b"")
                if not answers(self._payload, reply):
                    self._counters["foreign"] += 1
                elif reply[0] != NEGATIVE:
                    return reply
                elif reply[2:3] != bytes([PENDING]):
                    return NegativeReply(reply[1], reply[2] if len(reply) > 2 else 0)
                elif pending < PENDING_MAX:
                    pending += 1
                    self._counters["pending"] += 1
                    deadline_ns = self._clock.now().ns + int(PENDING_S * 1e9)
            left_s = (deadline_ns - self._clock.now().ns) / 1e9
            if left_s <= 0:
                return None
            await self._line.wait(min(left_s, POLL_S) if self._transport.transmitting() else left_s)

    async def _step(self) -> None:
        """Let the transport work on what was heard, then send what it wants to say."""
        while self._line.inbox:
            can_id, data = self._line.inbox.popleft()
            self._admit(can_id, data)
        self._transport.process(rx_timeout=0)
        while self._outbox:
            frame = self._outbox.popleft()
            await self._line.send(frame.arbitration_id, bytes(frame.data))
            self.sent = True

    def _admit(self, can_id: int, data: bytes) -> None:
        import isotp

        verdict = opens(self._payload, data)
        if verdict is not None:
            self._ours = verdict
        if not self._ours and data[:1] and data[0] >> 4 != 3:
            self._counters["foreign"] += 1
            return
        self._inbox.append(isotp.CanMessage(arbitration_id=can_id, data=data, extended_id=can_id > STANDARD_MAX))

    def _broken(self, error: Exception) -> None:
        """A broken transport frame is the other side's fault and ends as silence at the deadline."""
        self._counters["broken"] += 1
