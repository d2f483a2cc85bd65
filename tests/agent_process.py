"""The real daemon as a process, ptys for its serial lines, a socket in systemd's place. No CAN, no broker."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import select
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import tty
from collections.abc import Callable
from pathlib import Path
from typing import Any

from agent.sync import forms
from drivers.errors import DeviceGone
from drivers.local.control import ask
from hil import tokens

ROOT = Path(__file__).resolve().parents[1]
OPERATOR = "example"
VEHICLE = "8f3a52c0d1e4b796"
BADGE = bytes.fromhex("04a1b2c3d4")
UNLOCK_ON, UNLOCK_OFF = bytes.fromhex("a00101a2"), bytes.fromhex("a00100a1")
PATIENCE_S = 30.0  # the machine may be busy: only a hang fails a test


class Wire:
    """One serial line: `device` is the daemon's end, the test holds the other."""

    def __init__(self) -> None:
        self.end, self._inner = os.openpty()
        tty.setraw(self._inner)
        self.device = os.ttyname(self._inner)
        self.heard = b""

    def send(self, data: bytes) -> None:
        os.write(self.end, data)

    def wait_for(self, wanted: bytes) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while wanted not in self.heard:
            ready, _, _ = select.select([self.end], [], [], max(0.0, deadline - time.monotonic()))
            assert ready, f"{wanted!r} never came; heard {self.heard!r}"
            self.heard += os.read(self.end, 4096)

    def close(self) -> None:
        os.close(self.end)
        os.close(self._inner)


class Box:
    """A car's box in a folder of its own: key set provisioned, settings written, nothing running yet."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.state = folder, folder / "state"
        (self.state / "bookings").mkdir(parents=True)
        self.gnss, self.reader, self.relay = Wire(), Wire(), Wire()
        self.issuer, roots = tokens.Issuer(OPERATOR), tokens.Roots.fresh()
        now = int(time.time())
        keyset = tokens.keyset(roots, [(self.issuer, ("driver", "agent", "backend"))], 1, now - 60, now + 10**7)
        (folder / "keyset.cbor").write_bytes(keyset)
        self.config, self.socket, self._log = folder / "agent.toml", folder / "c.sock", folder / "agent.log"
        self.config.write_text(
            f'state = "{self.state}"\nsocket = "{self.socket}"\n'
            f'[vehicle]\nid = "{VEHICLE}"\ncar = "zoe-ph1"\n'
            f'[keyless]\noperator = "{OPERATOR}"\nroots = {roots.public}\nkeyset = "{folder / "keyset.cbor"}"\n'
            f'[gnss]\ndevice = "{self.gnss.device}"\n[reader]\ndevice = "{self.reader.device}"\n'
            f'[lock]\ndevice = "{self.relay.device}"\nunlock_pulse_ms = 100\nlock_pulse_ms = 100\n'
            f'[can]\nchannel = "absent0"\n'
        )
        self._notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._notify.bind(str(folder / "notify"))
        self._notify.settimeout(PATIENCE_S)
        self.process: subprocess.Popen[bytes] | None = None

    def store_booking(self, number: int = 7, badge: bytes = BADGE) -> None:
        """A signed booking of the next hour for a badge, as a file: what a box has after a start without network."""
        now = int(time.time())
        order = tokens.Order(bytes.fromhex(VEHICLE), number, now - 60, now + 3600, now - 120, badge=badge)
        (self.state / "bookings" / f"{order.token_id.hex()}.cwt").write_bytes(self.issuer.token(order))

    def spawn(self, *arguments: str, **environment: str) -> subprocess.Popen[bytes]:
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-m", "agent", "--config", str(self.config), *arguments],
                env={**os.environ, "NOTIFY_SOCKET": str(self.folder / "notify"), **environment},
                stdout=log, stderr=subprocess.STDOUT, cwd=self.folder,
            )  # fmt: skip
        return self.process

    def start(self, **environment: str) -> None:
        self.spawn(**environment)
        self.told("READY=1")

    def told(self, wanted: str) -> None:
        """Wait until the daemon tells systemd so."""
        while wanted not in self._notify.recv(4096).decode().splitlines():
            pass

    def ask(self, op: str) -> Any:
        """Over the control socket, which comes a moment after READY."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                answer = ask(self.socket, {"op": op}, PATIENCE_S)
            except DeviceGone:
                assert time.monotonic() < deadline, "the control socket never came"
                time.sleep(0.02)
            else:
                assert answer["ok"], answer
                return answer[op]

    def until(self, holds: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not holds():
            assert time.monotonic() < deadline, "it never happened"
            time.sleep(0.05)

    def tap(self, badge: bytes = BADGE) -> None:
        digits = badge.hex().upper().encode()
        checksum = 0
        for byte in badge:
            checksum ^= byte
        self.reader.send(b"\x02" + digits + b"%02X" % checksum + b"\x03")

    def fix(self, lat: str = "4831.0000,N", lon: str = "00032.0000,E", ahead_s: float = 0.0) -> None:
        """One epoch of a receiver that sees eight satellites, at the real time or ahead of it."""
        now = time.time() + ahead_s
        day, clock = time.strftime("%d%m%y", time.gmtime(now)), time.strftime("%H%M%S", time.gmtime(now))
        clock += f".{int(now * 100) % 100:02d}"
        self.gnss.send(sentence(f"GNRMC,{clock},A,{lat},{lon},0.0,0.0,{day},,,A"))
        self.gnss.send(sentence(f"GNGGA,{clock},{lat},{lon},1,08,1.0,200.0,M,47.0,M,,"))

    def learn_time(self, ahead_s: float = 0.0) -> None:
        """Three epochs that agree make the clock known (D21)."""
        deadline = time.monotonic() + PATIENCE_S
        while self.ask("status")["clock"]["source"] != "gnss":
            assert time.monotonic() < deadline, "the clock was never learnt"
            self.fix(ahead_s=ahead_s)
            time.sleep(0.2)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Exit code; the budget of the ordered stop is five seconds."""
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(5)

    def output(self) -> str:
        return self._log.read_text(encoding="utf-8")

    def close(self) -> None:
        """What the daemon wrote is as the contract says, whatever the test was about."""
        if self.process is not None:
            if self.process.poll() is None:
                self.process.kill()
            self.process.wait()
        self._notify.close()
        for wire in (self.gnss, self.reader, self.relay):
            wire.close()
        wrong = self.misshapen()
        assert not wrong, f"facts are not as the contract says: {wrong}"

    def misshapen(self) -> list[str]:
        """What is wrong with the facts on the disk; nothing where a test has damaged the database."""
        with contextlib.suppress(sqlite3.Error), contextlib.closing(sqlite3.connect(self.state / "records.db")) as db:
            written = [json.loads(row[0]) for row in db.execute("SELECT body FROM facts ORDER BY n")]
            return [wrong for fact in written for wrong in forms.problems(fact["kind"], fact["body"])]
        return []


def sentence(body: str) -> bytes:
    """NMEA 0183, with its checksum."""
    checksum = 0
    for byte in body.encode():
        checksum ^= byte
    return f"${body}*{checksum:02X}\r\n".encode()


def another_badge() -> bytes:
    return secrets.token_bytes(5)
