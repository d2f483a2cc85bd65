"""The wiring harness beside the box: the car's bus, three serial lines, and what is seen on them.

It obeys and reports; it decides nothing. What is not here: the car's truth (`world.py`, on the host).
"""

from __future__ import annotations

import asyncio
import gzip
import socket
import struct
from collections.abc import Callable, Iterator
from functools import reduce
from operator import xor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from config import car as cars

from .ptys import Pty
from .truth import STANDING, CarTruth, signals

if TYPE_CHECKING:
    from .ecu import Ecu

Message = dict[str, Any]
WIRES = Path("/run/boitier/wires")
REASONS = (b"W", b"B", b"N", b"K", b"T", b"M", b"I", b"D", b"H")  # after an R: docs/keypad.md
LINE_BYTES = 64  # a feedback line is one letter; longer ones are noise
RELAY_HEAD = 0xA0
FRAME = struct.Struct("=IB3x8s")
EXTENDED = 0x8000_0000


class Harness:
    """channel: a CAN interface, "" for none. car: name or path of a car folder. send: takes events, at once.

    folder: where the devices appear, as `gnss`, `badge` and `relay`.
    """

    def __init__(self, channel: str, car: str, send: Callable[[Message], None], folder: Path = WIRES) -> None:
        self._channel, self._send = channel, send
        self._folder = cars.find(car)
        self._lock = cars.diagnostic_lock(self._folder)
        self._body_unit = "obeys"
        self.gnss = Pty(folder / "gnss")
        self.badge = Pty(folder / "badge", self._feedback)
        self.relay = Pty(folder / "relay", self._relay)
        self._half_line = b""
        self._half_frame = b""
        self._ecu: Ecu | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.counters = {"relay_frames": 0, "relay_noise": 0, "feedback": 0, "feedback_noise": 0}

    async def start(self) -> None:
        for pty in (self.gnss, self.badge, self.relay):
            pty.plug()
        if self._channel:
            self._spawn(self._run_ecu())

    async def stop(self) -> None:
        """Nothing is left: no task, no descriptor, no name."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for pty in (self.gnss, self.badge, self.relay):
            pty.unplug()

    async def do(self, message: Message) -> Message | None:
        """Obey one message of the host. Raises `ValueError` or `KeyError` with what is wrong with it."""
        match message["do"]:
            case "car":
                return self._set_car(message.get("state", {}), message.get("mute", {}), message.get("moody"))
            case "sky":
                return self._sky(message)
            case "tap":
                return {"written": self.badge.write(badge_frame(bytes.fromhex(message["uid"])))}
            case "keys":
                return {"written": self.badge.write(str(message["digits"]).encode("ascii"))}
            case "play":
                return await self._play(Path(message["log"]), float(message.get("speed", 1.0)))
            case other:
                raise ValueError(f"the harness knows no {other!r}")
        return None

    # --- the car ------------------------------------------------------------------------------------------------------

    async def _run_ecu(self) -> None:
        """Play the car until stopped. A bus that is deleted comes back with the next round."""
        ecu = self._the_ecu()
        while True:
            try:
                await ecu.run()
            except (OSError, ExceptionGroup) as error:
                self._send({"saw": "log", "line": f"the car's electronics: {error}"})
            await asyncio.sleep(0.5)

    def _the_ecu(self) -> Ecu:
        from .ecu import Ecu  # brings cantools, which wires alone do not need

        if self._ecu is None:
            self._ecu = Ecu(self._channel, self._folder)
            self._ecu.on_diagnostic = self._diagnostic
            self._ecu.on_wake = lambda: self._send({"saw": "woken"})
            self._ecu.set(**STANDING, **signals(CarTruth().state()))
        return self._ecu

    def _set_car(self, state: Message, mute: Message, moody: bool | None) -> Message:
        """mute: DBC message name to whether it falls silent. moody: see `Ecu`. Answers with the counters of the car."""
        said = signals(state)
        self._body_unit = state.get("body_unit", self._body_unit)
        if self._channel:
            ecu = self._the_ecu()
            ecu.set(**said)
            ecu.awake = bool(state.get("awake", ecu.awake))
            for name, silent in mute.items():
                ecu.mute(name, bool(silent))
            if moody is not None:
                ecu.units.moody = moody
        return {"counters": self._ecu.counters if self._ecu is not None else {}}

    def _diagnostic(self, request: bytes) -> bytes | None:
        """The body unit's answer. Whether the lock then moves, the world decides."""
        assert self._lock is not None
        if request not in (self._lock.lock, self._lock.unlock):
            reply: bytes | None = bytes([0x7F, request[0], 0x12])
        elif self._body_unit == "obeys":
            reply = bytes([self._lock.reply]) + request[1:]
        else:
            reply = bytes([0x7F, request[0], 0x22]) if self._body_unit == "refuses" else None
        self._send({"saw": "diagnostic", "request": request.hex(), "reply": reply.hex() if reply else None})
        return reply

    async def _play(self, log: Path, speed: float) -> Message:
        """A candump log with its own timing, `speed` times as fast; 0 is as fast as the bus takes it."""
        loop = asyncio.get_running_loop()
        frames = sent = 0
        begin, first = loop.time(), None
        with socket.socket(socket.AF_CAN, socket.SOCK_RAW, socket.CAN_RAW) as bus:
            bus.setblocking(False)
            bus.bind((self._channel,))
            for at, frame in candump(log):
                first = at if first is None else first
                due = begin + (at - first) / speed if speed else loop.time()
                if due > loop.time() or frames % 64 == 0:
                    await asyncio.sleep(due - loop.time())
                frames += 1
                try:
                    bus.send(frame)
                    sent += 1
                except OSError:
                    pass  # full or down: lost, as on a real bus, and counted by the difference
        return {"frames": frames, "sent": sent, "seconds": round(loop.time() - begin, 3)}

    # --- the serial lines ---------------------------------------------------------------------------------------------

    def _sky(self, message: Message) -> Message:
        if "plug" in message:
            self.gnss.plug() if message["plug"] else self.gnss.unplug()
        lines = message.get("lines", [])
        written = sum(self.gnss.write(line.strip().encode("latin-1") + b"\r\n") for line in lines)
        if "raw" in message:
            written += self.gnss.write(bytes.fromhex(message["raw"]))
        return {"written": written, "lost": self.gnss.lost}

    def _feedback(self, data: bytes) -> None:
        *lines, rest = (self._half_line + data).split(b"\n")
        self._half_line = rest[-LINE_BYTES:]
        for line in lines:
            if len(line.strip()) == 1:
                self.counters["feedback"] += 1
                saw = "reason" if line.strip() in REASONS else "feedback"
                self._send({"saw": saw, "code": line.strip().decode("ascii", "replace")})
            else:
                self.counters["feedback_noise"] += 1

    def _relay(self, data: bytes) -> None:
        waiting = self._half_frame + data
        while len(waiting) >= 4:
            head, channel, state, check = waiting[:4]
            if head == RELAY_HEAD and state in (0, 1) and (head + channel + state) & 0xFF == check:
                self.counters["relay_frames"] += 1
                self._send({"saw": "relay", "channel": channel, "on": bool(state)})
                waiting = waiting[4:]
            else:  # out of step: look one byte further
                self.counters["relay_noise"] += 1
                waiting = waiting[1:]
        self._half_frame = waiting

    def _spawn(self, work: Any) -> None:
        task: asyncio.Task[None] = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def badge_frame(uid: bytes) -> bytes:
    """As a common 125 kHz reader sends it (D17). uid: five bytes."""
    if len(uid) != 5:
        raise ValueError(f"a badge has five bytes, this has {len(uid)}")
    return b"\x02" + uid.hex().upper().encode() + f"{reduce(xor, uid):02X}".encode() + b"\x03"


def candump(log: Path) -> Iterator[tuple[float, bytes]]:
    """Seconds and raw frame of each line of a candump log, also packed; lines of another kind are skipped."""
    with gzip.open(log, "rt") if log.suffix == ".gz" else log.open() as lines:
        for line in lines:
            parts = line.split()
            if len(parts) < 3 or not parts[0].startswith("(") or "#" not in parts[2]:
                continue
            ident, _, payload = parts[2].partition("#")
            if payload.startswith(("R", "#")):
                continue  # remote and FD frames: these cars have none
            data = bytes.fromhex(payload)
            number = int(ident, 16) | (EXTENDED if len(ident) > 3 else 0)
            yield float(parts[0].strip("()")), FRAME.pack(number, len(data), data.ljust(8, b"\0"))
