"""The reference receiver: store what vehicles send exactly once, then say so; `python -m hil.backend.receiver --help`.

Groups what arrives within about 50 ms: one transaction, then the acknowledgement, then our PUBACK to the broker.
What is not here: billing, and reading payloads (`payload.py`).
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from . import payload
from .ca import Identity
from .holdings import Holdings
from .pipe import Address, Pipe
from .process import Child
from .store import Mark, NotStored, Store

if TYPE_CHECKING:
    from paho.mqtt.client import MQTTMessage

GROUP_S = 0.05
GROUP_MESSAGES = 500
READY = "receiver ready"


class Receiver(Pipe):
    """In a thread with start() and stop(), or in this one with run()."""

    def __init__(
        self, address: Address, database: Path, *, announce: bool = False, opens: Callable[[Path], Store] = Holdings
    ) -> None:
        super().__init__(address, ["boitier/v1/+/up/#"])
        self._announce = announce
        self._database, self._opens = database, opens
        self._store: Store | None = None
        self._waiting: list[MQTTMessage] = []
        self._since = 0.0
        self.counters: Counter[str] = Counter()

    def opened(self) -> None:
        self._store = self._opens(self._database)

    def closed(self) -> None:
        if self._store is not None:
            self._store.close()
            self._store = None

    def connected(self) -> None:
        # Marks are told at once: acknowledgements may have been lost, and a restored backup moves a mark back.
        assert self._store is not None
        for mark in self._store.marks():
            self._tell(mark)
        if self._announce:
            print(READY, flush=True)

    def lost(self) -> None:
        self._waiting.clear()  # the broker sends them again: they have no PUBACK

    def arrived(self, message: MQTTMessage) -> None:
        if not self._waiting:
            self._since = time.monotonic()
        self._waiting.append(message)

    def turn(self, now: float) -> None:
        if self._waiting and (now - self._since >= GROUP_S or len(self._waiting) >= GROUP_MESSAGES):
            self._commit()

    def _commit(self) -> None:
        assert self._store is not None
        group, self._waiting = self._waiting, []
        items = [item for message in group for item in payload.read(message.topic, bytes(message.payload))]
        try:
            marks = self._store.commit(items, time.time_ns() // 1_000_000)
        except NotStored:  # a full disk: no PUBACK, so everything comes again on the next connection
            self.counters["failed"] += 1
            raise
        for mark in marks:
            self._tell(mark)
        for message in group:
            self.acknowledge(message)
        self.counters.update(groups=1, messages=len(group), bytes=sum(len(message.payload) for message in group))

    def _tell(self, mark: Mark) -> None:
        self.publish(f"boitier/v1/{mark.stream[0]}/down/ack", payload.pack(mark.acknowledgement))


class ReceiverProcess:
    """The receiver as a process of its own, to be killed and frozen by its id."""

    def __init__(self, address: Address, database: Path) -> None:
        self.database = database
        where = ["--broker", f"{address.host}:{address.port}", "--ca", str(address.ca)]
        who = ["--certificate", str(address.identity.certificate), "--key", str(address.identity.key)]
        argv = [sys.executable, "-m", "hil.backend.receiver", *where, *who, "--database", str(database)]
        root = str(Path(__file__).resolve().parents[2])
        self._log = database.with_suffix(".log")
        self.child = Child(argv, self._log, {"PYTHONPATH": root})

    async def start(self, deadline_s: float = 15.0) -> None:
        """Subscribed on return: what is published before that, on a broker that does not know us yet, is lost to us.

        Raises `TimeoutError`; the process then still runs and goes on trying.
        """
        before = self._readies()
        self.child.start()
        async with asyncio.timeout(deadline_s):
            while self._readies() == before:
                await asyncio.sleep(0.05)

    def _readies(self) -> int:
        return self._log.read_text().count(READY) if self._log.exists() else 0

    async def stop(self) -> None:
        await self.child.stop()

    async def kill(self) -> None:
        await self.child.kill()


def main(arguments: Sequence[str] | None = None) -> int:
    purpose = "Store what vehicles send, exactly once."
    parser = argparse.ArgumentParser(prog="python -m hil.backend.receiver", description=purpose)
    parser.add_argument("--broker", required=True, metavar="HOST:PORT")
    for name in ("ca", "certificate", "key", "database"):
        parser.add_argument(f"--{name}", required=True, type=Path)
    given = parser.parse_args(arguments)
    host, _, port = given.broker.rpartition(":")
    identity = Identity("receiver", given.certificate, given.key)
    receiver = Receiver(Address(host, int(port), given.ca, identity), given.database, announce=True)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: receiver.halt())
    receiver.run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
