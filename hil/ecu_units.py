"""What the simulated car's control units answer: sessions, the lock command, values, and moods.

What does not live here: the shape of ISO-TP (`ecu_diag.py`) and bytes of values (`ecu_bits.py`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from config import car as cars

from .ecu_diag import FIRST_DELAY_S, IsoTpServer

SESSION_S = 5.0
PENDING_S = 0.3
MOODS = {4: "refuses", 6: "pending", 8: "silent"}
"""Of so many questions to a moody car, in a fixed order; a prime, so that no question always meets the same mood."""
MOOD_CYCLE = 29


class Units:
    """encode: a message's name to its bytes now. obeys: the lock moved by the body unit itself.

    mood: what a question is met with, by its bytes, before the fixed order of `moody`: "refuses" (7F xx 12), "busy" (7F
    xx 21), "pending" (7F xx 78 first), "silent". on_diagnostic: see `Ecu`.
    """

    def __init__(
        self, car: cars.CarModel, encode: Callable[[str], bytes], obeys: Callable[[bool], None], *, moody: bool
    ) -> None:
        self._car, self._encode, self._obeys, self.moody = car, encode, obeys, moody
        self._session_until: dict[int, float] = {}
        self._polls = 0
        self.mood: dict[bytes, str] = {}
        self.asked: list[bytes] = []
        self.on_diagnostic: Callable[[bytes], bytes | None] | None = None
        names = ("requests", "refused", "pending", "busy", "unanswered", "sessions")
        self.counters = dict.fromkeys(names, 0)

    async def serve(self, request_id: int, request: bytes, server: IsoTpServer) -> None:
        self.counters["requests"] += 1
        self.asked.append(request)
        await asyncio.sleep(FIRST_DELAY_S)
        lock = self._car.diagnostic_lock
        asked = any(poll.request_id == request_id and poll.payload == request for poll in self._car.polls)
        if lock is not None and request_id == lock.request_id and not asked:
            reply = self._body_unit(request, lock)
        else:
            reply = await self._unit(request_id, request, server)
        if reply is None:
            self.counters["unanswered"] += 1
        else:
            await server.answer(reply)

    def _body_unit(self, request: bytes, lock: cars.DiagnosticLock) -> bytes | None:
        if request == lock.session:
            return self._opened(lock.request_id, request)
        if not self._in_session(lock.request_id):
            return self._refuse(request, 0x7F)
        self._opened(lock.request_id, request)
        if self.on_diagnostic is not None:
            return self.on_diagnostic(request)
        if request not in (lock.lock, lock.unlock):
            return bytes([0x7F, request[0], 0x12])
        self._obeys(request == lock.lock)
        return bytes([lock.reply]) + request[1:]

    async def _unit(self, request_id: int, request: bytes, server: IsoTpServer) -> bytes | None:
        ours = [poll for poll in self._car.polls if poll.request_id == request_id]
        if request[0] == 0x10 and any(request == poll.session for poll in ours):
            return self._opened(request_id, request)
        poll = next((poll for poll in ours if poll.payload == request), None)
        if poll is None:
            return self._refuse(request, 0x12)
        if poll.session and not self._in_session(request_id):
            return self._refuse(request, 0x7F)
        self._polls += 1
        match self.mood.get(request, MOODS.get(self._polls % MOOD_CYCLE, "") if self.moody else ""):
            case "refuses":
                return self._refuse(request, 0x12)
            case "busy":
                self.counters["busy"] += 1
                return bytes([0x7F, request[0], 0x21])
            case "silent":
                return None
            case "pending":
                self.counters["pending"] += 1
                await server.answer(bytes([0x7F, request[0], 0x78]))
                await asyncio.sleep(PENDING_S)
        head = bytes([request[0] + 0x40]) + request[1:]
        return head + self._encode(poll.message)[len(head) :]

    def _opened(self, request_id: int, request: bytes) -> bytes:
        self.counters["sessions"] += request[0] == 0x10
        self._session_until[request_id] = asyncio.get_running_loop().time() + SESSION_S
        return bytes([request[0] + 0x40]) + request[1:]

    def _in_session(self, request_id: int) -> bool:
        return asyncio.get_running_loop().time() <= self._session_until.get(request_id, 0.0)

    def _refuse(self, request: bytes, code: int) -> bytes:
        self.counters["refused"] += 1
        return bytes([0x7F, request[0], code])
