"""The simulated car's electronics: plays a car folder on a real SocketCAN channel.

Periods as the DBC says, "not available" first after waking, silence asleep, diagnostics, the lock read back. A car that
is silent unless asked answers, its own telematics unit asks now and then, and it says a last word before it sleeps.
What does not live here: what the car does (the world decides, `set()` tells), bytes (`ecu_bits.py`) and answers
(`ecu_units.py`).
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

from .ecu_bits import Words
from .ecu_diag import IsoTpServer
from .ecu_units import Units

WAKING_S = 0.65
"""As on every recorded wake-up."""
FOREIGN_EVERY_S = 11.0
TELEMATICS_EVERY_S = 5.0
LAST_WORDS = 3
"""So often a car that is silent unless asked says that it goes to sleep."""
STARTING = 0.04
"""Messages start this far apart, as on a bus where nobody shares a phase."""
FRAME = struct.Struct("=IB3x8s")
EFF = 0x8000_0000
STANDARD_MAX = 0x7FF


class Ecu:
    """Play `folder` on `channel` until cancelled.

    awake: false means silence. on_diagnostic: asked with every request to the body unit inside its session; its bytes
    are the reply, None means no reply. Without it the unit obeys and reads back by itself.
    on_wake: called when somebody woke the bus. moody: polls are now and then refused, answered late (7F xx 78 first) or
    not at all, in a fixed order. stripped: its telematics unit was taken out. units.mood: how single questions are met.
    """

    def __init__(self, channel: str, folder: Path, *, moody: bool = True) -> None:
        self._channel = channel
        self._car = cars.load(folder)
        self._values: dict[str, float | str] = {}
        self._awake = False
        self.stripped = False
        self._woken_at = 0.0
        self._changed = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._socket: socket.socket | None = None
        self._servers: dict[int, tuple[int, IsoTpServer]] = {}
        self._dead: set[str] = set()
        self._gone = asyncio.Event()
        self._words = Words(self._car)
        self.units = Units(self._car, self.encode, self._lock_moves, moody=moody)
        self.on_wake: Callable[[], None] | None = None
        self._counters = {"sent": 0, "unsent": 0, "foreign": 0, "telematics": 0, "asked_asleep": 0}

    # --- what the world says -----------------------------------------------------------------------------------------

    @property
    def awake(self) -> bool:
        return self._awake

    @awake.setter
    def awake(self, value: bool) -> None:
        if value and not self._awake:
            self._woken_at = asyncio.get_running_loop().time()
        if self._awake and not value and self._car.wake is not None:
            for can_id, extended, _mask, data in self._car.wake.asleep * LAST_WORDS:
                self.send(can_id, data, extended)
        self._awake = value
        self._changed.set()

    @property
    def on_diagnostic(self) -> Callable[[bytes], bytes | None] | None:
        return self.units.on_diagnostic

    @on_diagnostic.setter
    def on_diagnostic(self, answer: Callable[[bytes], bytes | None] | None) -> None:
        self.units.on_diagnostic = answer

    @property
    def counters(self) -> dict[str, int]:
        flow_controls = sum(server.flow_controls for _, server in self._servers.values())
        return self._counters | self.units.counters | {"flow_controls": flow_controls}

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
                group.create_task(self._telematics())
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
        waking = asyncio.get_running_loop().time() - self._woken_at < WAKING_S
        return self._words.encode(name, self._values, waking=waking)

    def send(self, can_id: int, data: bytes, extended: bool = False) -> None:
        """Any frame; a full queue or a dead link loses it, as on a real bus."""
        try:
            if self._socket is None:
                raise OSError(errno.ENODEV, "no bus")
            self._socket.send(FRAME.pack(can_id | (EFF if extended else 0), len(data), data.ljust(8, b"\0")))
            self._counters["sent"] += 1
        except OSError:
            self._counters["unsent"] += 1

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
            self._servers[request_id] = reply_id, IsoTpServer(reply_id, self._reply, pad)

    def _hear(self, can_id: int, data: bytes) -> None:
        lock = self._car.diagnostic_lock
        if lock is not None and not self._awake and any(can_id == wake_id for wake_id, _ in lock.wake):
            self.awake = True
            if self.on_wake is not None:
                self.on_wake()
            return
        server = self._servers.get(can_id)
        if server is None:
            return
        if not self._awake:
            self._counters["asked_asleep"] += 1  # nobody answers
            return
        request = server[1].hear(data)
        if request:
            task = asyncio.get_running_loop().create_task(self.units.serve(can_id, request, server[1]))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _foreign_tester(self) -> None:
        """Somebody else's tester-present, now and then, on a reply id that is also ours."""
        while True:
            await asyncio.sleep(FOREIGN_EVERY_S)
            if self._awake:
                self._counters["foreign"] += 1
                self.send(0x7E4, bytes.fromhex("023E010000000000"))
                self.send(0x7EC, bytes.fromhex("017EAAAAAAAAAAAA"))
                for poll in self._car.polls:
                    self._reply(poll.reply_id, bytes.fromhex("017E000000000000"))

    async def _telematics(self) -> None:
        """The car's own unit asks the battery; on the plug only the answers show."""
        while self._car.wake is not None:
            await asyncio.sleep(TELEMATICS_EVERY_S)
            if self._awake and not self.stripped:
                self._counters["telematics"] += 1
                for can_id, extended in self._car.wake.heard:
                    self.send(can_id, bytes.fromhex("0462901101AA0000"), extended)

    def _reply(self, can_id: int, data: bytes) -> None:
        self.send(can_id, data, can_id > STANDARD_MAX)

    def _lock_moves(self, locked: bool) -> None:
        self.set(**{LOCKED: "yes" if locked else "no"})
