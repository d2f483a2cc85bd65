"""The operator's desk: sells bookings, sends commands, and hears what became of them.

It sends an order again, when the car reports itself online, until the car has answered: a broker may have lost it.
What is not here: storing what cars report (`receiver.py`); the bytes of signed objects (`hil/tokens.py`).
"""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from cryptography.hazmat.primitives.asymmetric import ec

from .. import tokens
from ..vouchers import time_answer
from . import payload
from .payload import Fact, Item, Result, State
from .pipe import Address, Courier

if TYPE_CHECKING:
    from paho.mqtt.client import MQTTMessage

AGAIN_S = 5.0
SHIFT_S = 12 * 3600  # how long a token of ours lives
MAY = {"backend": tokens.BACKEND_ACTIONS, "technician": tokens.TECHNICIAN_ACTIONS}
TOPICS = tuple(f"boitier/v1/+/up/{leaf}" for leaf in ("state", "result", "facts"))
_T = TypeVar("_T")


@dataclass(slots=True)
class _Open:
    """Not answered yet. until: seconds since 1970 after which repeating is of no use."""

    vehicle: str
    leaf: str
    data: bytes
    until: float
    sent: float = field(default_factory=time.monotonic)


@dataclass(slots=True)
class _Pass:
    """A token of the desk's own for one car, in one role, and the counter of the commands with it."""

    token: bytes
    expires: int
    counter: int = 0


class Desk(Courier):
    """Use it from one event loop; `open` before anything else. Times: seconds since 1970."""

    def __init__(self, address: Address, issuer: tokens.Issuer) -> None:
        super().__init__(address, TOPICS)
        self.issuer = issuer
        self.heard: list[Callable[[Item], None]] = []  # called in the loop with every report of a car
        self.facts: list[Fact] = []
        self.states: dict[str, dict[str, Any]] = {}
        self.results: dict[str, dict[str, Any]] = {}
        self.tokens: dict[int, bytes] = {}
        self.commands: dict[str, bytes] = {}  # as they were sent, to send the very same bytes again
        self._key = ec.generate_private_key(ec.SECP256R1())
        self.tells_time: Callable[[], int] | None = None  # the second to sign when a car asks; nobody answers without
        self._passes: dict[tuple[str, str], _Pass] = {}
        self._orders: dict[object, _Open] = {}
        self._seen: set[tuple[str, str, int]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._news = asyncio.Event()

    async def open(self) -> None:
        """Connected and listening on return. Raises `TimeoutError`."""
        self._loop = asyncio.get_running_loop()
        self.start()
        if not await self.is_ready():
            await self.close()
            raise TimeoutError("the desk found no broker")

    # --- orders -------------------------------------------------------------------------------------------------------

    def book(self, order: tokens.Order) -> bytes:
        """Sign and send. The same booking again with a higher revision replaces it."""
        token = self.issuer.token(order)
        self.tokens[order.booking] = token
        key = (order.vehicle.hex(), order.booking, order.revision)
        self._send(key, order.vehicle.hex(), "book", token, until=order.end_s + order.late_s)
        return token

    def command(self, vehicle: bytes, action: str, life_s: int = 60, role: str = "backend") -> str:
        """Send a signed command ("unlock", "lock", "end", …). role: a key of `MAY`. Returns its id, 32 hex digits."""
        now, whose = int(time.time()), (vehicle.hex(), role)
        known = self._passes.get(whose)
        if known is None or known.expires < now + life_s:
            known = self._passes[whose] = self._new_pass(vehicle, now, role)
        known.counter += 1
        ident = secrets.token_bytes(16)
        data = tokens.command(self._key, known.token, action, known.counter, now + life_s, ident)
        self.commands[ident.hex()] = data
        self._send(ident.hex(), vehicle.hex(), "cmd", data, until=now + life_s)
        return ident.hex()

    def command_again(self, vehicle: bytes, action: str, life_s: int = 60, role: str = "backend") -> bytes:
        """Another command, with an id of its own, under the counter of the last one: what no desk may ever send."""
        known = self._passes[vehicle.hex(), role]
        until = int(time.time()) + life_s
        return tokens.command(self._key, known.token, action, known.counter, until, secrets.token_bytes(16))

    def trust(self, vehicle: bytes, data: bytes) -> None:
        """Send a key set or a revocation list."""
        self.post(f"boitier/v1/{vehicle.hex()}/down/trust", data)

    def send_raw(self, vehicle: bytes, leaf: str, data: bytes) -> None:
        """Anything at all, once: altered tokens, a command a second time."""
        self.post(f"boitier/v1/{vehicle.hex()}/down/{leaf}", data)

    def again(self) -> int:
        """Send all unanswered orders now, as after a broker that came back empty. Returns how many."""
        for order in self._orders.values():
            self._post(order)
        return len(self._orders)

    def _new_pass(self, vehicle: bytes, now: int, role: str) -> _Pass:
        order = tokens.Order(
            vehicle, 0, now - 60, now - 60 + SHIFT_S, now, holder=self._key, role=role,
            actions=MAY[role], early_s=0, late_s=0,
        )  # fmt: skip
        return _Pass(self.issuer.token(order), now + SHIFT_S)

    def _send(self, key: object, vehicle: str, leaf: str, data: bytes, until: float) -> None:
        order = self._orders[key] = _Open(vehicle, leaf, data, until)
        self._post(order)

    def _post(self, order: _Open) -> None:
        order.sent = time.monotonic()
        self.post(f"boitier/v1/{order.vehicle}/down/{order.leaf}", order.data)

    # --- answers ------------------------------------------------------------------------------------------------------

    async def result(self, ident: str, timeout_s: float = 10.0) -> dict[str, Any]:
        """{"code", "why"} of a command. Raises `TimeoutError`."""
        return await self._until(lambda: self.results.get(ident), timeout_s)

    async def booked(self, booking: int, timeout_s: float = 10.0) -> Fact:
        """The car's answer to an order: a fact `booking` with event "stored" or "refused". Raises `TimeoutError`."""
        return await self.fact("booking", timeout_s, booking=booking, event=("stored", "refused"))

    async def fact(self, kind: str, timeout_s: float = 10.0, after: int = 0, **body: object) -> Fact:
        """The first fact of that kind, from index `after` of `facts` on, whose body has these values.

        A tuple means any of its values. Raises `TimeoutError`.
        """

        def look() -> Fact | None:
            return next((fact for fact in self.facts[after:] if fact.kind == kind and _has(fact.body, body)), None)

        return await self._until(look, timeout_s)

    async def _until(self, look: Callable[[], _T | None], timeout_s: float) -> _T:
        async with asyncio.timeout(timeout_s):
            while (found := look()) is None:
                self._news.clear()
                await self._news.wait()
            return found

    def arrived(self, message: MQTTMessage) -> None:
        items = payload.read(message.topic, bytes(message.payload))
        self.acknowledge(message)
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._take, items)

    def _take(self, items: Sequence[Item]) -> None:
        for item in items:
            match item:
                case Fact():
                    if (key := (item.vehicle, item.stream, item.n)) in self._seen:
                        continue
                    self._seen.add(key)
                    self.facts.append(item)
                    if item.kind == "booking":
                        self._orders.pop((item.vehicle, item.body.get("booking"), item.body.get("revision")), None)
                case State():
                    self.states[item.vehicle] = state = json.loads(item.text)
                    if state.get("online") is True:
                        self._remind(item.vehicle)
                    self._tell_time(item.vehicle, state.get("time_question"))
                case Result():
                    self.results[item.ident] = json.loads(item.text)["result"]
                    self._orders.pop(item.ident, None)
            for listener in self.heard:
                listener(item)
        self._news.set()

    def _tell_time(self, vehicle: str, question: str | None) -> None:
        if question is not None and self.tells_time is not None:
            self.trust(bytes.fromhex(vehicle), time_answer(self.issuer, bytes.fromhex(question), self.tells_time()))

    def _remind(self, vehicle: str) -> None:
        now = time.time()
        self._orders = {key: order for key, order in self._orders.items() if order.until > now}
        for order in self._orders.values():
            if order.vehicle == vehicle and time.monotonic() - order.sent > AGAIN_S:
                self._post(order)


def _has(body: dict[str, Any], wanted: dict[str, object]) -> bool:
    return all(
        body.get(key) in value if isinstance(value, tuple) else body.get(key) == value for key, value in wanted.items()
    )
