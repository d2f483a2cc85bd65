"""The simulated car's electronics: plays a car folder on a real SocketCAN channel.

Periods as the DBC says, "not available" first after waking, silence asleep, diagnostics, the lock read back. What does
not live here: what the car does (the world decides, `set()` tells) and the shape of ISO-TP (`ecu_diag.py`).
"""

from __future__ import annotations

import asyncio
import errno
import socket
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

from config import car as cars
from config.vocabulary import LOCKED, VOCABULARY

from .ecu_diag import FIRST_DELAY_S, IsoTpServer

WAKING_S = 0.65
"""As on every recorded wake-up."""
FOREIGN_EVERY_S = 11.0
SESSION_S = 5.0
STARTING = 0.04
"""Messages start this far apart, as on a bus where nobody shares a phase."""
FRAME = struct.Struct("=IB3x8s")
EFF = 0x8000_0000


class Ecu:
    """Play `folder` on `channel` until cancelled.

    awake: false means silence. on_diagnostic: asked with every request to the body unit inside its session; its bytes
    are the reply, None means no reply. Without it the unit obeys and reads back by itself.
    on_wake: called when somebody woke the bus. moody: polls are now and then refused, answered late (7F xx 78 first) or
    not at all, in a fixed order.
    """

    def __init__(self, channel: str, folder: Path, *, moody: bool = True) -> None:
        self._channel = channel
        self._car = cars.load(folder)
        self._moody = moody
        self._values: dict[str, float | str] = {}
        self._awake = False
        self._woken_at = 0.0
        self._session_until = 0.0
        self._polls = 0
        self._changed = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._socket: socket.socket | None = None
        self._servers: dict[int, tuple[int, IsoTpServer]] = {}
        self._dead: set[str] = set()
        self._gone = asyncio.Event()
        self.on_diagnostic: Callable[[bytes], bytes | None] | None = None
        self.on_wake: Callable[[], None] | None = None
        self.counters = {
            "sent": 0,
            "unsent": 0,
            "requests": 0,
            "refused": 0,
            "pending": 0,
            "unanswered": 0,
            "foreign": 0,
        }

    # --- what the world says -----------------------------------------------------------------------------------------

    @property
    def awake(self) -> bool:
        return self._awake

    @awake.setter
    def awake(self, value: bool) -> None:
        if value and not self._awake:
            self._woken_at = asyncio.get_running_loop().time()
        self._awake = value
        self._changed.set()

    def set(self, **signals: float | str) -> None:
        """Names of the vocabulary to values in its units. What this car does not tell is kept and never sent."""
        unknown = signals.keys() - VOCABULARY.keys()
        if unknown:
            raise KeyError(f"not in the vocabulary: {', '.join(sorted(unknown))}")
        self._values.update(signals)

    def tells(self, name: str) -> bool:
        return any(entry.name == name for entry in self._car.signals)

    def mute(self, message: str, silent: bool = True) -> None:
        """Let one message fall silent while the rest of the bus goes on."""
        (self._dead.add if silent else self._dead.discard)(message)

    # --- the bus -----------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        self._listen_for()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._stay_on_the_bus())
                for index, message in enumerate(self._broadcasts()):
                    group.create_task(self._send_periodically(message, index * STARTING))
                group.create_task(self._foreign_tester())
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _stay_on_the_bus(self) -> None:
        """The channel may come later than the car, and may be deleted and made again."""
        loop = asyncio.get_running_loop()
        while True:
            try:
                sock = self._connect()
            except OSError:
                await asyncio.sleep(0.1)
                continue
            self._socket = sock
            self._gone.clear()
            loop.add_reader(sock, self._readable, sock)
            try:
                await self._gone.wait()
            finally:
                self._socket = None
                loop.remove_reader(sock)
                sock.close()

    def _connect(self) -> socket.socket:
        sock = socket.socket(socket.AF_CAN, socket.SOCK_RAW, socket.CAN_RAW)
        try:
            sock.setblocking(False)
            sock.bind((self._channel,))
        except OSError:
            sock.close()
            raise
        return sock

    def _broadcasts(self) -> list[Any]:
        return [message for message in self._car.database.messages if message.cycle_time]

    async def _send_periodically(self, message: Any, first_s: float) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time() + first_s
        while True:
            if not self._awake:
                self._changed.clear()
                await self._changed.wait()
                due = loop.time() + first_s
                continue
            await asyncio.sleep(max(0.0, due - loop.time()))
            if self._awake and message.name not in self._dead:
                self.send(message.frame_id, self.encode(message.name), message.is_extended_frame)
            due = max(due + message.cycle_time / 1000, loop.time())

    def encode(self, name: str) -> bytes:
        """The bytes of a message or of a reply's layout, as this car says them now."""
        message = self._car.database.get_message_by_name(name)
        waking = asyncio.get_running_loop().time() - self._woken_at < WAKING_S
        mapped = {entry.field: entry for entry in self._car.signals if entry.message == name}
        raw = {signal.name: self._raw(signal, mapped.get(signal.name), waking) for signal in message.signals}
        return bytes(message.encode(raw, scaling=False, strict=False)) if raw else bytes(message.length)

    def _raw(self, signal: Any, entry: cars.SignalMap | None, waking: bool) -> int:
        ones = (1 << signal.length) - 1
        absent = min(entry.na) if entry and entry.na and min(entry.na) == 0 else ones
        if entry is None:
            return int(ones) if signal.length >= 5 else 0
        if waking and signal.length >= 5:
            return int(absent)
        if waking and entry.valid_with:
            return 1  # a flag beside an absent value says nothing: show the worst
        value = self._values.get(entry.name)
        if value is None:
            return int(absent) if signal.length >= 5 or entry.na else 0
        if entry.states:
            return max((raw for raw, state in entry.states.items() if state == value), default=0)
        if entry.text:
            text = str(value)[::-1] if entry.text == "bcd_reversed" else str(value)
            return int.from_bytes(text.encode("ascii"), "big") if entry.text == "ascii" else int(text, 16)
        scaled = round((float(value) - float(signal.conversion.offset)) / float(signal.conversion.scale))
        return max(0, min(int(ones) - 1, scaled))

    def send(self, can_id: int, data: bytes, extended: bool = False) -> None:
        """Any frame; a full queue or a dead link loses it, as on a real bus."""
        try:
            if self._socket is None:
                raise OSError(errno.ENODEV, "no bus")
            self._socket.send(FRAME.pack(can_id | (EFF if extended else 0), len(data), data.ljust(8, b"\0")))
            self.counters["sent"] += 1
        except OSError:
            self.counters["unsent"] += 1

    def _readable(self, sock: socket.socket) -> None:
        for _ in range(64):
            try:
                can_id, length, data = FRAME.unpack(sock.recv(FRAME.size))
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno != errno.ENETDOWN:  # down is told once, and the socket goes on when the link is up
                    self._gone.set()
                return
            self._hear(can_id & ~EFF, data[:length])

    # --- diagnostics -------------------------------------------------------------------------------------------------

    def _listen_for(self) -> None:
        pairs = {(poll.request_id, poll.reply_id) for poll in self._car.polls}
        lock = self._car.diagnostic_lock
        if lock is not None:
            pairs.add((lock.request_id, lock.reply_id))
        for request_id, reply_id in pairs:
            pad = 0xAA if reply_id == 0x7EC else 0x00
            self._servers[request_id] = reply_id, IsoTpServer(reply_id, self.send, pad)

    def _hear(self, can_id: int, data: bytes) -> None:
        lock = self._car.diagnostic_lock
        if lock is not None and not self._awake and any(can_id == wake_id for wake_id, _ in lock.wake):
            self.awake = True
            if self.on_wake is not None:
                self.on_wake()
            return
        server = self._servers.get(can_id)
        if server is None or not self._awake:
            return
        request = server[1].hear(data)
        if request:
            self.counters["requests"] += 1
            task = asyncio.get_running_loop().create_task(self._serve(can_id, request, server[1]))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _serve(self, request_id: int, request: bytes, server: IsoTpServer) -> None:
        await asyncio.sleep(FIRST_DELAY_S)
        lock = self._car.diagnostic_lock
        asked = any(poll.request_id == request_id and poll.payload == request for poll in self._car.polls)
        if lock is not None and request_id == lock.request_id and not asked:
            reply = self._body_unit(request, lock)
        else:
            reply = await self._unit(request, server)
        if reply is None:
            self.counters["unanswered"] += 1
        else:
            await server.answer(reply)

    def _body_unit(self, request: bytes, lock: cars.DiagnosticLock) -> bytes | None:
        now = asyncio.get_running_loop().time()
        if request == lock.session:
            self._session_until = now + SESSION_S
            return bytes([request[0] + 0x40]) + request[1:]
        if now > self._session_until:
            self.counters["refused"] += 1
            return bytes([0x7F, request[0], 0x7F])  # service not supported in the active session
        self._session_until = now + SESSION_S
        if self.on_diagnostic is not None:
            return self.on_diagnostic(request)
        if request not in (lock.lock, lock.unlock):
            return bytes([0x7F, request[0], 0x12])
        self.set(**{LOCKED: "yes" if request == lock.lock else "no"})
        return bytes([lock.reply]) + request[1:]

    async def _unit(self, request: bytes, server: IsoTpServer) -> bytes | None:
        poll = next((poll for poll in self._car.polls if poll.payload == request), None)
        if poll is None:
            self.counters["refused"] += 1
            return bytes([0x7F, request[0], 0x12])
        self._polls += 1
        mood = self._polls % 9 if self._moody else 0
        if mood == 4:
            self.counters["refused"] += 1
            return bytes([0x7F, request[0], 0x12])
        if mood == 6:
            self.counters["pending"] += 1
            await server.answer(bytes([0x7F, request[0], 0x78]))
            await asyncio.sleep(0.3)
        if mood == 8:
            return None
        head = bytes([request[0] + 0x40]) + request[1:]
        return head + self.encode(poll.message)[len(head) :]

    async def _foreign_tester(self) -> None:
        """Somebody else's tester-present, now and then, on a reply id that is also ours."""
        while True:
            await asyncio.sleep(FOREIGN_EVERY_S)
            if self._awake:
                self.counters["foreign"] += 1
                self.send(0x7E4, bytes.fromhex("023E010000000000"))
                self.send(0x7EC, bytes.fromhex("017EAAAAAAAAAAAA"))
                for poll in self._car.polls:
                    self.send(poll.reply_id, bytes.fromhex("017E000000000000"))
