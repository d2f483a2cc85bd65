"""The car of the radio bench as a process: the real Bluetooth driver, answered by keyless/, and no door behind it.

Started inside the emulated machine by `hil/radio/inside.py` with the settings as JSON; lines in name the day to show
(seconds since 1970), lines out tell trouble and counters. The types of messages here are this bench's own.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import sys
import time
from typing import Any

from drivers.ble.peripheral import Peripheral
from drivers.clock import SystemClock
from drivers.ports import LinkClosed, LinkOpened, PhoneMessage
from keyless import trust, verify
from keyless.claims import Interval
from keyless.nearby import day_tag
from keyless.refusal import Refusal

HELLO, TOKEN, COMMAND, DECISION = 1, 2, 3, 4


class Door:
    """Says what it would do. One nonce a link, in the hello; a command that names another is refused."""

    def __init__(self, car: Peripheral, settings: dict[str, Any]) -> None:
        roots = [bytes.fromhex(root) for root in settings["roots"]]
        keyset = trust.read_keyset(bytes.fromhex(settings["keyset"]), roots, 2)
        assert isinstance(keyset, trust.KeySet), keyset
        self._keyset, self._car, self._settings = keyset, car, settings
        self._nonces: dict[int, bytes] = {}
        self._tokens: dict[int, bytes] = {}

    def hear(self, event: LinkOpened | PhoneMessage | LinkClosed) -> None:
        match event:
            case LinkOpened():
                self._nonces[event.link] = secrets.token_bytes(16)
                self._car.answer(event.link, HELLO, self._nonces[event.link])
            case PhoneMessage(kind=2):
                self._tokens[event.link] = event.body
            case PhoneMessage(kind=3):
                self._car.answer(event.link, DECISION, self._decide(event).encode())
            case LinkClosed():
                self._nonces.pop(event.link, None)
                self._tokens.pop(event.link, None)

    def _decide(self, event: PhoneMessage) -> str:
        now = int(time.time())
        situation = verify.Situation(
            keyset=self._keyset,
            vehicle=bytes.fromhex(self._settings["vehicle"]),
            operator=self._settings["operator"],
            now=Interval(now, now + 1, "gnss"),
            open_booking=None,
            superseded={},
            revoked=frozenset(),
            list_iat=None,
            at_station=False,
        )
        found = verify.believe_command(self._tokens.get(event.link, b""), event.body, situation, None)
        if isinstance(found, Refusal):
            return f"refused {found.code.value}"
        booking, command = found
        if command.id != self._nonces[event.link]:
            return "refused: of another conversation"
        return f"{command.action.name} of booking {booking.booking}"


def told(car: Peripheral) -> None:
    print(json.dumps({"trouble": car.trouble, "counters": car.counters()}), flush=True)


async def days(car: Peripheral, secret: bytes) -> None:
    """One line, one day; the end of the lines is the end."""
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    while line := await lines.readline():
        car.advertise(day_tag(secret, int(line)))


async def telling(car: Peripheral) -> None:
    while True:
        told(car)
        await asyncio.sleep(0.3)


async def main() -> None:
    settings = json.loads(sys.argv[1])
    car = Peripheral(SystemClock(), address=settings["bus"])
    door = Door(car, settings)

    async def serve() -> None:
        while True:
            door.hear(await car.next_event())

    tasks = [asyncio.create_task(serve()), asyncio.create_task(telling(car))]
    await days(car, bytes.fromhex(settings["secret"]))
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    told(car)
    await car.close()


if __name__ == "__main__":
    asyncio.run(main())
