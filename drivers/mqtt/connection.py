"""One paho client on one network thread, from CONNECT to the end. Reconnecting, waiting and counting are
`session.py`'s.

The thread only ever puts events into the loop. Whatever goes wrong in it, a mistake in a callback included, ends in
one `Lost`.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import ssl

    from paho.mqtt.client import Client

CONNECT_S: Final = 5.0
MOST_WAITING: Final = 64  # messages handed over and not fetched yet; then the socket is read no further
WAIT_S: Final = 60.0  # until nobody is believed to read any more
MOST_PAYLOAD: Final = 64 * 1024  # a longer one is nobody's: it is handed on empty, to be acknowledged and counted
MOST_PACKET: Final = 80 * 1024  # what announces more is not read at all: this box has 192 MiB
QOS_2: Final = 0x04
LOOPBACK: Final = ("127.0.0.1", "::1", "localhost")


@dataclass(frozen=True, slots=True)
class Up:
    """Connected and subscribed. refused: number of subscriptions that the broker did not grant."""

    refused: int


@dataclass(frozen=True, slots=True)
class Taken:
    """PUBACK of the message with this number."""

    number: int


@dataclass(frozen=True, slots=True)
class Message:
    """number: for our PUBACK, 0 where none is due. oversize: topic and payload were left out."""

    topic: str
    payload: bytes
    retained: bool
    number: int
    oversize: bool = False


@dataclass(frozen=True, slots=True)
class Refused:
    """The broker answered CONNECT with a refusal."""

    why: str


@dataclass(frozen=True, slots=True)
class Lost:
    """The thread is about to end; nothing follows. refused: we would not read what was announced, and it may well come
    again."""

    why: str
    refused: bool = False


Event = Up | Taken | Message | Refused | Lost


class Connection:
    """tls: CA, certificate and key files. will: topic and payload. Raises OSError or ValueError for what cannot be
    used."""

    def __init__(
        self,
        broker: str,
        tls: tuple[str, str, str],
        client_id: str,
        will: tuple[str, bytes],
        subscriptions: Sequence[str],
        keepalive_s: int,
    ) -> None:
        host, _, port = broker.rpartition(":")
        self._host, self._port = host.strip("[]"), int(port)
        self._subscriptions, self._keepalive_s = subscriptions, keepalive_s
        self._room = threading.Semaphore(MOST_WAITING)
        self._stopping = False
        self._unread = ""
        self._started = False
        self._thread: threading.Thread | None = None
        self._tell: Callable[[Event], None] = lambda event: None
        self._client = self._make(client_id, will)
        if any(tls):
            self._client.tls_set_context(_context(*tls))
        elif self._host not in LOOPBACK:
            raise ValueError("without certificates only a broker on this machine is spoken to")

    @property
    def alive(self) -> bool:
        return self._started and (self._thread is None or self._thread.is_alive())

    def start(self, loop: asyncio.AbstractEventLoop, put: Callable[[Event], None]) -> None:
        def tell(event: Event) -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody is left to tell
                loop.call_soon_threadsafe(put, event)

        self._tell = tell
        self._client.connect_async(self._host, self._port, self._keepalive_s)
        self._client.loop_start()
        self._started = True

    def publish(self, topic: str, payload: bytes, retain: bool) -> int | None:
        """The message's number; `None` when this connection is over. It is never queued for a later one."""
        info = self._client.publish(topic, payload, qos=1, retain=retain)
        return info.mid if info.rc == 0 else None

    def acknowledge(self, number: int) -> None:
        if number:
            self._client.ack(number, 1)

    def fetched(self) -> None:
        """One of the messages handed over is no longer waiting."""
        self._room.release()

    async def stop(self) -> bool:
        """DISCONNECT, then the socket, then give up on the thread: bounded, where paho's own stop waits for ever.

        The last call of a connection's life. paho closes its wake-up sockets when its client is freed, so the client
        is let go here: it and we know each other, and a collection of such circles may be hours away.
        """
        self._stopping = True
        ended = await self._stop()
        if ended:
            del self._client
        return ended

    async def _stop(self) -> bool:
        with contextlib.suppress(Exception):
            self._client.disconnect()
        if await self._ended(0.5):
            return True
        with contextlib.suppress(Exception):
            sock = self._client.socket()
            if isinstance(sock, socket.socket):
                sock.shutdown(socket.SHUT_RDWR)
        return await self._ended(1.5)  # a thread that only waits for its turn on a busy board is not stuck

    async def _ended(self, seconds: float) -> bool:
        for _ in range(round(seconds / 0.01)):
            if not self.alive:
                return True
            await asyncio.sleep(0.01)
        return not self.alive

    # --- on paho's thread ---

    def _make(self, client_id: str, will: tuple[str, bytes]) -> Client:
        from paho.mqtt.client import Client as Paho
        from paho.mqtt.client import error_string
        from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

        outer = self

        class Guarded(Paho):
            """paho's thread runs this; it ends with the connection, and never without saying so."""

            def _sock_recv(self, bufsize: int) -> bytes:
                # The fixed header is read byte by byte; more is asked for only when it has told the length.
                if bufsize > 1:
                    outer._judge(self._in_packet["command"], self._in_packet["remaining_length"])
                return super()._sock_recv(bufsize)

            def loop_forever(self, timeout: float = 1.0, retry_first_connection: bool = False) -> Any:
                outer._thread = threading.current_thread()
                why = "the connection ended"
                try:
                    code = super().loop_forever(timeout, False)
                    why = outer._unread or f"the connection ended: {error_string(code)}"
                    return code
                except Exception as error:
                    why = f"{type(error).__name__}: {error}"
                    return 1
                finally:
                    outer._tell(Lost(why, bool(outer._unread)))

        client = Guarded(
            CallbackAPIVersion.VERSION2,
            client_id=client_id,
            clean_session=False,
            protocol=MQTTProtocolVersion.MQTTv311,
            reconnect_on_failure=False,
            manual_ack=True,
        )
        client.connect_timeout = CONNECT_S
        client.suppress_exceptions = True  # a second net; each callback below already has its own
        client.will_set(will[0], will[1], qos=1, retain=True)
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_publish = self._on_publish
        client.on_socket_open = self._on_socket_open
        client.on_message = self._on_message
        return client

    def _on_socket_open(self, client: object, userdata: object, sock: Any) -> None:
        # Otherwise a small packet behind another waits for the other side's delayed acknowledgement, 40 ms.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def _on_connect(self, client: Client, userdata: object, flags: object, reason: Any, properties: object) -> None:
        if reason.is_failure:
            self._tell(Refused(str(reason)))
        elif self._subscriptions:
            client.subscribe([(topic, 1) for topic in self._subscriptions])
        else:
            self._tell(Up(0))

    def _on_subscribe(
        self, client: object, userdata: object, number: int, reasons: Sequence[Any], properties: object
    ) -> None:
        self._tell(Up(sum(1 for reason in reasons if reason.is_failure)))

    def _on_publish(self, client: object, userdata: object, number: int, reason: object, properties: object) -> None:
        self._tell(Taken(number))

    def _judge(self, command: int, length: int) -> None:
        """Close the connection on a packet that would be kept in memory beyond reason; its header is all that was
        read."""
        if length > MOST_PACKET:
            self._unread = f"a message of {length} bytes was announced and not read"
        elif command >> 4 == 3 and command & QOS_2:  # paho would keep it until the broker releases it, 65535 times
            self._unread = "a message came with QoS 2, which nobody asked for"
        if self._unread:
            raise ConnectionAbortedError(self._unread)

    def _on_message(self, client: Client, userdata: object, message: Any) -> None:
        number = message.mid if message.qos == 1 else 0
        try:
            topic = message.topic
        except UnicodeDecodeError:
            topic = ""  # still handed on, so that it is acknowledged and does not come back for ever
        payload, oversize = bytes(message.payload), len(message.payload) > MOST_PAYLOAD
        if oversize:
            topic, payload = "", b""
        # Brokers send more than they say they would. Waiting here holds back the socket and nothing else.
        for _ in range(round(WAIT_S / 0.1)):
            if self._room.acquire(timeout=0.1):
                self._tell(Message(topic, payload, bool(message.retain), number, oversize))
                return
            if self._stopping:
                return
        self._tell(Lost("messages come and nobody reads them"))


def _context(ca: str, certificate: str, key: str) -> ssl.SSLContext:
    """TLS 1.2 or later, the broker's name checked, and our certificate. Read anew each time, so that files may be
    renewed."""
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_verify_locations(ca)
    context.load_cert_chain(certificate, key)
    return context
