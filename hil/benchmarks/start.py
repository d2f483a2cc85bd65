"""From exec to an open door: the daemon beside interpreters that import what an open door needs, and nothing.

Real settings, ptys for the serial lines, a notify socket in systemd's place; no CAN. What is not here: why it takes
that long (`python -X importtime -m agent` tells).
"""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from .. import provision, tokens
from ..backend.ca import Authority
from ..ptys import Pty
from .figure import ROOT, Figure, Say

ROUNDS, QUICK_ROUNDS = 15, 2
READY_S = 30.0
LIMIT_MS = 150
TELL = (
    "import os, socket\n"
    "socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(b'READY=1', os.environ['NOTIFY_SOCKET'])"
)
# What cannot be left out on the way to an open door: settings, records, signatures, a loop.
NEEDED = (
    "import asyncio, json, logging, socket, sqlite3, tomllib, cbor2, msgspec\n"
    "from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey\n"
)


class Site:
    """A box's files in a folder, its serial lines as ptys, and an ear for READY."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.config = folder, folder / "agent.toml"
        vehicle, roots, issuer = provision.Vehicle(secrets.token_bytes(8)), tokens.Roots.fresh(), tokens.Issuer("bench")
        provision.give(folder / "given", vehicle, Authority(folder / "ca"), roots, issuer)
        self._lines = [Pty(folder / "wires" / name) for name in ("relay", "badge", "gnss")]
        paths = (f"{folder}/wires", f"{folder}/given", f"{folder}/state", f"{folder}/c.sock")
        site = provision.Site("absent0", *paths, ("127.0.0.1:1",))
        self.config.write_text(provision.settings(vehicle, site, roots, issuer.operator))
        self._ear = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._ear.bind(str(folder / "notify"))
        self._ear.settimeout(READY_S)

    def plug(self) -> None:
        for line in self._lines:
            line.plug()

    def close(self) -> None:
        for line in self._lines:
            line.unplug()
        self._ear.close()

    def milliseconds(self, argv: Sequence[str]) -> float:
        """From exec to READY. The process has ended on return. Raises TimeoutError when it never says so."""
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        environment |= {"NOTIFY_SOCKET": str(self.folder / "notify"), "PYTHONSAFEPATH": "1"}
        environment["PYTHONPYCACHEPREFIX"] = str(self.folder / "compiled")  # compiled once, as an installed package is
        with (self.folder / "log").open("ab") as log:
            began = time.perf_counter()
            process = subprocess.Popen(argv, cwd=ROOT, env=environment, stdout=log, stderr=log)
            try:
                while not self._ear.recv(4096).startswith(b"READY=1"):
                    pass
                took = time.perf_counter() - began
                process.send_signal(signal.SIGTERM)
                process.wait(READY_S)
            finally:
                if process.poll() is None:
                    process.kill()
                    process.wait()
        self._deafen()
        return 1000 * took

    def _deafen(self) -> None:
        """Take what was said after READY (goodbyes) off the socket."""
        self._ear.settimeout(0)
        try:
            while self._ear.recv(4096):
                pass
        except BlockingIOError:
            self._ear.settimeout(READY_S)


async def measure(quick: bool, say: Say) -> list[Figure]:
    """Median times in milliseconds, one run of each after the other in every round."""
    programs = {
        "agent": [sys.executable, "-m", "agent", "--config", ""],
        "needed": [sys.executable, "-c", NEEDED + TELL],
        "bare": [sys.executable, "-c", TELL],
    }
    times: dict[str, list[float]] = {name: [] for name in programs}
    with tempfile.TemporaryDirectory(prefix="boitier-start-") as folder:
        site = Site(Path(folder))
        programs["agent"][-1] = str(site.config)
        site.plug()
        try:
            for number in range((QUICK_ROUNDS if quick else ROUNDS) + 1):
                say(f"start {number} of {QUICK_ROUNDS if quick else ROUNDS}")
                for name, argv in programs.items():
                    took = await asyncio.to_thread(site.milliseconds, argv)
                    if number:  # the first one makes the database, and warms the caches for everybody
                        times[name].append(took)
        finally:
            site.close()
    middle = {name: median(found) for name, found in times.items()}
    note = (
        f"median of {len(times['agent'])}, fastest {min(times['agent']):.0f}, slowest {max(times['agent']):.0f}; "
        f"an interpreter that imports nothing: {middle['bare']:.0f} ms. "
        "Everything is compiled beforehand, as an installed package is, and in the page cache"
    )
    return [
        Figure(
            "start_ms", "exec to a door that can be opened (READY=1)", middle["agent"], "ms",
            "an interpreter that imports asyncio, sqlite3, socket, cbor2, msgspec, Ed25519 and says READY",
            middle["needed"], LIMIT_MS, note=note,
        )
    ]  # fmt: skip
