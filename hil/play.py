"""`python -m hil play`: a broker on loopback and a car that speaks the golden payloads until somebody has committed
them. The first ten minutes of whoever writes a backend (docs/contract.md); no guest, no car, no daemon.

What is not here: a real box (`demo.py`, `prompt.py`). Everything is said twice, as after a connection that broke.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
from pathlib import Path
from typing import Any, Final

from paho.mqtt.client import MQTTMessage

from .backend import payload
from .backend.broker import Broker
from .backend.ca import Authority
from .backend.pipe import Address, Pipe

ROOT: Final = Path(__file__).resolve().parents[1]
GOLDEN: Final = ROOT / "docs" / "contract" / "golden" / "v1"
AGAIN_S: Final = 3.0
HOW: Final = """\
A broker listens on {host}:{port}. In another window, in this folder, with any Python that has paho-mqtt:

  python docs/contract/examples/receive.py {host} {port} {folder}/ca.pem {folder}/receiver.pem {folder}/receiver.key

or, with Node.js:

  npm install --prefix {folder} mqtt && cp docs/contract/examples/receive.mjs {folder}
  node {folder}/receive.mjs {host} {port} {folder}/ca.pem {folder}/receiver.pem {folder}/receiver.key

Vehicle {vehicle} speaks until it is told that all is committed. Ctrl-C ends it.
"""


class Car(Pipe):
    """Says its golden facts and samples, twice each, again and again. done: both streams are acknowledged."""

    def __init__(self, address: Address) -> None:
        sent = [json.loads((GOLDEN / name).read_bytes()) for name in ("up-facts.json", "up-samples.json")]
        self._said = [(it["topic"], payload.pack(it["payload"])) for it in sent]
        facts, run = (it["payload"] for it in sent)
        self._owed = {facts["stream"]: {fact["n"] for fact in facts["facts"]}, run["stream"]: {run["n"]}}
        self._next = 0.0
        vehicle = facts["vehicle"]
        super().__init__(address, [f"boitier/v1/{vehicle}/down/ack"])

    @property
    def done(self) -> bool:
        return not self._owed

    def turn(self, now: float) -> None:
        if self._owed and self.ready.is_set() and now >= self._next:
            self._next = now + AGAIN_S
            for topic, said in self._said * 2:
                self.publish(topic, said)

    def arrived(self, message: MQTTMessage) -> None:
        """`down/ack`: what is committed need not be said again."""
        self.acknowledge(message)
        said = json.loads(message.payload)
        print(f"acknowledged: {message.payload.decode()}", flush=True)
        if self._owed.get(said["stream"], set()) <= committed(said):
            self._owed.pop(said["stream"], None)


def committed(said: dict[str, Any]) -> set[int]:
    """The numbers in an acknowledgement; meant for small ones."""
    spans = [(1, said["upto"]), *said.get("ranges", []), *((n, n) for n in said.get("poison", []))]
    return {n for low, high in spans for n in range(low, high + 1)}


async def play(folder: Path, port: int | None, *, once: bool) -> None:
    """Until both streams are acknowledged (once), or cancelled."""
    authority = Authority(folder)
    broker = Broker(folder / "broker", authority, port)
    vehicle = json.loads((GOLDEN / "up-facts.json").read_bytes())["payload"]["vehicle"]
    authority.issue("receiver")
    car = Car(Address(broker.host, broker.port, authority.certificate, authority.issue(vehicle)))
    await broker.start()
    car.start()
    print(HOW.format(host=broker.host, port=broker.port, folder=folder, vehicle=vehicle), flush=True)
    try:
        while not car.done:
            await asyncio.sleep(0.05)
        print("All is committed: the car falls silent.", flush=True)
        if not once:
            await asyncio.Event().wait()
    finally:
        await car.close()
        await broker.stop()


async def _until_told(folder: Path, port: int | None, *, once: bool) -> None:
    task = asyncio.ensure_future(play(folder, port, once=once))
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    try:
        await task
    except asyncio.CancelledError:
        print("ended", flush=True)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m hil play", description=str(__doc__).split(";")[0])
    parser.add_argument("--folder", type=Path, default=Path("out/play"), help="for certificates and the broker")
    parser.add_argument("--port", type=int, help="of the broker; default a free one")
    parser.add_argument("--once", action="store_true", help="end when everything is acknowledged")
    options = parser.parse_args(arguments)
    try:
        asyncio.run(_until_told(options.folder, options.port, once=options.once))
    except (FileNotFoundError, RuntimeError) as error:  # no mosquitto, or it does not start
        print(f"{error}; `make packages` gets what the bench needs", file=sys.stderr)
        return 1
    return 0
