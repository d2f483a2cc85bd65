"""A phone of software (Bumble) that speaks docs/keyless.md section 6: finds the car, connects, writes and reads.

Its framing is written from that page alone; the car's own code is not used.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

from bumble.att import ATT_Error
from bumble.controller import Controller
from bumble.core import UUID
from bumble.device import Device, Peer
from bumble.hci import Address
from bumble.host import Host
from bumble.transport.common import AsyncPipeSink

TO_CAR = "e6f02dc2-7306-470e-a641-3fa964aab85d"
FROM_CAR = "e6f02dc3-7306-470e-a641-3fa964aab85d"
MTU = 185  # what iOS asks for
CONNECT_S = 40.0


class Refused(Exception):
    """The car answered with an attribute error. code: the error's number."""

    def __init__(self, code: int) -> None:
        super().__init__(f"ATT error {code:#04x}")
        self.code = code


@dataclass(slots=True)
class Phone:
    """One phone with a radio of its own on the virtual air."""

    device: Any
    _connection: Any = None
    _to_car: Any = None
    _from_car: Any = None
    _heard: bytearray = field(default_factory=bytearray)

    @classmethod
    async def on_air(cls, number: int, air: Any) -> Phone:
        address = Address(f"C{number}:00:00:00:00:0{number}")
        controller = Controller(f"phone{number}", link=air, public_address=str(address).partition("/")[0])
        device = Device(name=f"phone{number}", address=address, host=Host(controller, AsyncPipeSink(controller)))
        await device.power_on()
        return cls(device)

    async def connect(self, car: str) -> None:
        """Connect, agree on the MTU, find both characteristics."""
        async with asyncio.timeout(CONNECT_S):
            self._heard.clear()
            self._connection = await self.device.connect(Address(car, Address.PUBLIC_DEVICE_ADDRESS))
            peer = Peer(self._connection)
            await peer.request_mtu(MTU)
            await peer.discover_services()
            await peer.discover_characteristics()
            [self._to_car] = peer.get_characteristics_by_uuid(UUID(TO_CAR))
            [self._from_car] = peer.get_characteristics_by_uuid(UUID(FROM_CAR))

    async def say(self, *messages: tuple[int, bytes]) -> None:
        """As few writes as the MTU allows. Raises Refused."""
        stream = b"".join(len(body).to_bytes(2, "big") + bytes([kind]) + body for kind, body in messages)
        for at in range(0, len(stream), MTU - 3):
            try:
                await self._to_car.write_value(stream[at : at + MTU - 3], with_response=True)
            except ATT_Error as error:
                raise Refused(error.error_code) from None

    async def hear(self) -> tuple[int, bytes]:
        """The next whole message. Raises Refused."""
        while (length := self._whole()) is None:
            try:
                self._heard += await self._from_car.read_value(no_long_read=True)
            except ATT_Error as error:
                raise Refused(error.error_code) from None
        message = self._heard[2], bytes(self._heard[3:length])
        del self._heard[:length]
        return message

    def _whole(self) -> int | None:
        if len(self._heard) < 3:
            return None
        length = 3 + int.from_bytes(self._heard[:2], "big")
        return length if len(self._heard) >= length else None

    async def leave(self) -> None:
        async with asyncio.timeout(CONNECT_S):
            await self._connection.disconnect()
