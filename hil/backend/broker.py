"""A real mosquitto with TLS, client certificates and access rules, as a process of the bench.

What is not here: what travels through it.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
from pathlib import Path

from .ca import Authority, Identity
from .process import Child

CACHE = Path(__file__).resolve().parents[2] / ".cache" / "debian"
BOOT_S = 10.0

# A pattern holds for every user; %u is the name in the client's certificate. Vehicles have nothing but this.
VEHICLES = "pattern write boitier/v1/%u/up/#\npattern read boitier/v1/%u/down/#\n"
OFFICE = """\
user receiver
topic read boitier/v1/+/up/#
topic write boitier/v1/+/down/ack

user desk
topic read boitier/v1/+/up/state
topic read boitier/v1/+/up/result
topic read boitier/v1/+/up/facts
topic write boitier/v1/+/down/book
topic write boitier/v1/+/down/cmd
topic write boitier/v1/+/down/trust

user listener
topic read boitier/v1/#

"""


def find() -> tuple[str, dict[str, str]]:
    """The program and the environment it needs; from the system, else unpacked in the project's cache.

    Raises `FileNotFoundError`.
    """
    system = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")
    if system:
        return system, {}
    unpacked = CACHE / "usr" / "sbin" / "mosquitto"
    if unpacked.exists():
        libraries = [str(folder) for folder in sorted((CACHE / "usr" / "lib").glob("*-linux-*"))]
        return str(unpacked), {"LD_LIBRARY_PATH": ":".join([*libraries, str(CACHE / "usr" / "lib")])}
    raise FileNotFoundError("mosquitto is not installed: apt install mosquitto")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Broker:
    """Everything it writes lies in `folder`. The port stays the same through every restart."""

    host = "127.0.0.1"

    def __init__(self, folder: Path, authority: Authority, port: int | None = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.authority = authority
        self.port = port or free_port()
        self.log = folder / "mosquitto.log"
        self._acl = folder / "acl"
        self._store = folder / "store"
        self._identity: Identity | None = None
        program, env = find()
        self._child = Child([program, "-c", str(folder / "mosquitto.conf")], self.log, env)

    @property
    def pid(self) -> int | None:
        return self._child.pid

    @property
    def running(self) -> bool:
        return self._child.running

    async def start(self) -> None:
        """Ready for connections on return. Raises `RuntimeError` with the end of the log."""
        if self._identity is None:
            self._identity = self.authority.issue("broker", server=True)
        self._store.mkdir(exist_ok=True)
        if not self._acl.exists():
            self._write_acl(lying=False)
        (self.folder / "mosquitto.conf").write_text(self._configuration(self._identity))
        self._child.start()
        deadline = asyncio.get_running_loop().time() + BOOT_S
        while not self._listens():
            if not self._child.running or asyncio.get_running_loop().time() > deadline:
                await self._child.stop()
                raise RuntimeError(f"mosquitto did not start:\n{self.log.read_text()[-2000:]}")
            await asyncio.sleep(0.02)

    async def stop(self) -> None:
        await self._child.stop()

    async def kill(self) -> None:
        await self._child.kill()

    def freeze(self) -> None:
        self._child.freeze()

    def thaw(self) -> None:
        self._child.thaw()

    async def restart(self, *, kill: bool = False, empty: bool = False) -> None:
        """kill: without warning. empty: comes back without sessions, queues and retained messages."""
        await (self._child.kill() if kill else self._child.stop())
        if empty:
            shutil.rmtree(self._store, ignore_errors=True)
        await self.start()

    def lie(self, lying: bool) -> None:
        """A broker that says PUBACK to a vehicle and drops the message, because nobody may read it any more.

        Not by a rule that denies the vehicle its writing: mosquitto 2.0.11 ends the connection after such a PUBACK.
        """
        self._write_acl(lying=lying)
        if self._child.pid is not None:
            os.kill(self._child.pid, signal.SIGHUP)

    def _write_acl(self, *, lying: bool) -> None:
        office = OFFICE.replace("topic read boitier/v1/+/up/", "topic deny boitier/v1/+/up/") if lying else OFFICE
        self._acl.write_text(office + VEHICLES)
        self._acl.chmod(0o600)

    def _listens(self) -> bool:
        with socket.socket() as probe:
            probe.settimeout(0.2)
            return probe.connect_ex((self.host, self.port)) == 0

    def _configuration(self, identity: Identity) -> str:
        return "\n".join(
            [
                *(["user root"] if os.geteuid() == 0 else []),  # else it drops its rights and cannot read the folder
                f"listener {self.port} {self.host}",
                f"cafile {self.authority.certificate}",
                f"certfile {identity.certificate}",
                f"keyfile {identity.key}",
                "require_certificate true",
                "use_identity_as_username true",
                "allow_anonymous false",
                f"acl_file {self._acl}",
                "set_tcp_nodelay true",  # else an acknowledgement waits for the other side's delayed TCP one
                "persistence true",
                f"persistence_location {self._store}/",
                "autosave_interval 1",
                "autosave_on_changes true",
                "max_queued_messages 0",  # the default of 1000 drops what it has acknowledged
                "max_inflight_messages 200",
                "message_size_limit 65536",  # a vehicle closes on one of more than 80 KiB, and it would come again
                "",
            ]
        )
