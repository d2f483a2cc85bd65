"""One connection to the broker in one thread of its own: paho driven by hand, so that ending it is bounded.

What is not here: what the messages mean; queues that outlive a connection.
"""

from __future__ import annotations

import asyncio
import random
import ssl
import threading
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.reasoncodes import ReasonCode

from .ca import Identity

TURN_S = 0.02
RETRY_S = 0.5


@dataclass(frozen=True, slots=True)
class Address:
    """Where the broker is, who signed it, and who we are there."""

    host: str
    port: int
    ca: Path
    identity: Identity


class _Closing(ssl.SSLSocket):
    """paho drops a socket whose handshake fails (a frozen broker) for the collector to find."""

    def do_handshake(self, block: bool = False) -> None:
        try:
            super().do_handshake(block)
        except BaseException:
            self.close()
            raise


class Pipe:
    """Subclasses say what to subscribe to and what to do with what arrives; all of it runs in the pipe's thread.

    A new client for every connection, with the same session at the broker: what had no PUBACK comes again.
    """

    keepalive_s = 10

    def __init__(self, address: Address, topics: Sequence[str]) -> None:
        self._address, self._topics = address, topics
        self._client: mqtt.Client | None = None
        self._thread: threading.Thread | None = None
        self._stopping = threading.Event()
        self.ready = threading.Event()  # connected and subscribed

    def start(self) -> None:
        self._stopping.clear()
        self._thread = threading.Thread(target=self.run, name=f"pipe {self._address.identity.name}")
        self._thread.start()

    def stop(self) -> None:
        """Returns when the thread is gone: one turn, or at most one connection attempt."""
        self.halt()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    async def close(self) -> None:
        """As `stop`, for an event loop."""
        self.halt()
        while self._thread is not None and self._thread.is_alive():
            await asyncio.sleep(0.01)
        self.stop()

    async def is_ready(self, deadline_s: float = 10.0) -> bool:
        """Wait until connected and subscribed."""
        end = time.monotonic() + deadline_s
        while not self.ready.is_set() and time.monotonic() < end:
            await asyncio.sleep(0.01)
        return self.ready.is_set()

    def halt(self) -> None:
        """Ask `run` to end; from any thread or a signal handler."""
        self._stopping.set()

    def run(self) -> None:
        """Connect, serve, connect again, until halted."""
        self.opened()
        try:
            while not self._stopping.is_set():
                try:
                    self._serve()
                except OSError:
                    pass  # no broker just now
                finally:
                    self.ready.clear()
                self._stopping.wait(RETRY_S * random.uniform(0.2, 1.0))
        finally:
            self.closed()

    def _serve(self) -> None:
        client = mqtt.Client(
            CallbackAPIVersion.VERSION2, client_id=self._address.identity.name, clean_session=False, manual_ack=True
        )
        client.tls_set_context(self._context())
        client.max_inflight_messages_set(1000)
        client.on_connect = self._connected
        client.on_subscribe = self._subscribed
        client.on_message = lambda _client, _data, message: self.arrived(message)
        client.on_publish = lambda _client, _data, mid, _code, _properties: self.published(mid)
        try:
            client.connect(self._address.host, self._address.port, self.keepalive_s)
            self._client = client
            while not self._stopping.is_set() and client.loop(TURN_S) == mqtt.MQTT_ERR_SUCCESS:
                self.turn(time.monotonic())
        finally:
            self._client = None
            self.lost()
            client.disconnect()

    def _context(self) -> ssl.SSLContext:
        identity = self._address.identity
        context = ssl.create_default_context(cafile=str(self._address.ca))
        context.load_cert_chain(str(identity.certificate), str(identity.key))
        context.sslsocket_class = _Closing
        return context

    def _connected(
        self, client: mqtt.Client, _data: object, _flags: mqtt.ConnectFlags, code: ReasonCode, _properties: object
    ) -> None:
        if code.is_failure:
            client.disconnect()
        else:
            client.subscribe([(topic, 1) for topic in self._topics])

    def _subscribed(
        self, _client: mqtt.Client, _data: object, _mid: int, _codes: Sequence[ReasonCode], _properties: object
    ) -> None:
        self.connected()
        self.ready.set()

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> int | None:
        """QoS 1; from the pipe's thread only. Returns the message's id, or None without a connection."""
        if self._client is None or not self._client.is_connected():
            return None
        return self._client.publish(topic, payload, qos=1, retain=retain).mid

    def acknowledge(self, message: mqtt.MQTTMessage) -> None:
        """Send our PUBACK; from the pipe's thread only."""
        if self._client is not None:
            self._client.ack(message.mid, message.qos)

    def opened(self) -> None:
        """The thread begins."""

    def closed(self) -> None:
        """The thread ends."""

    def connected(self) -> None:
        """Subscriptions stand."""

    def lost(self) -> None:
        """The connection is gone; message ids of it mean nothing any more."""

    def arrived(self, message: mqtt.MQTTMessage) -> None:
        """A message; it comes again after a reconnection until it is acknowledged."""

    def published(self, mid: int) -> None:
        """The broker has taken it."""

    def turn(self, now: float) -> None:
        """Many times a second while connected. now: seconds of the monotonic clock."""


@dataclass(frozen=True, slots=True)
class Letter:
    topic: str
    payload: bytes
    taken: Future[None]


class Courier(Pipe):
    """A pipe that also publishes for other threads. A letter that the broker has not taken is sent again."""

    def __init__(self, address: Address, topics: Sequence[str]) -> None:
        super().__init__(address, topics)
        self._letters: deque[Letter] = deque()
        self._flying: dict[int, Letter] = {}

    def post(self, topic: str, payload: bytes) -> Future[None]:
        """From any thread. The future ends when the broker has taken it."""
        letter = Letter(topic, payload, Future())
        self._letters.append(letter)
        return letter.taken

    def turn(self, now: float) -> None:
        while self._letters:
            letter = self._letters[0]
            mid = self.publish(letter.topic, letter.payload)
            if mid is None:
                return
            self._flying[mid] = self._letters.popleft()

    def published(self, mid: int) -> None:
        if letter := self._flying.pop(mid, None):
            letter.taken.set_result(None)

    def lost(self) -> None:
        self._letters.extendleft(reversed(self._flying.values()))
        self._flying.clear()
