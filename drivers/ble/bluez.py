"""What we ask of BlueZ over D-Bus; each call has ten seconds.

What is not here: what BlueZ asks of us (`gatt.py`), and when to begin again (`peripheral.py`).
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

from dbus_fast import Message, MessageType, Variant
from dbus_fast.aio import MessageBus

from ..errors import DeviceError
from .gatt import ADVERT_PATH, APPLICATION, BLUEZ, BUS, DEVICE, OBJECTS, PROPERTIES

CALL_S: Final = 10.0
BUS_PATH: Final = "/org/freedesktop/DBus"
WATCHED: Final = (
    f"type='signal',sender='{BUS}',member='NameOwnerChanged',arg0='{BLUEZ}'",
    f"type='signal',sender='{BLUEZ}',interface='{PROPERTIES}',member='PropertiesChanged',arg0='{DEVICE}'",
    f"type='signal',sender='{BLUEZ}',interface='{OBJECTS}'",
)


class Bluez:
    """adapter: its object path. Every method raises `DeviceError` with the other side's words, TimeoutError, or what
    the library raises when the bus has gone.
    """

    def __init__(self, bus: MessageBus, adapter: str) -> None:
        self._bus, self._adapter = bus, adapter

    async def watch(self) -> None:
        """Have the signals sent to us that `GattService.handle` understands."""
        for rule in WATCHED:
            await self._call(Message(BUS, BUS_PATH, BUS, "AddMatch", signature="s", body=[rule]))

    async def owner(self) -> str:
        """The unique bus name of the running bluetoothd."""
        call = Message(BUS, BUS_PATH, BUS, "GetNameOwner", signature="s", body=[BLUEZ])
        return str((await self._call(call)).body[0])

    async def register(self) -> None:
        """Power the adapter, then show the service and advertise it. BlueZ asks `GattService` back meanwhile."""
        powered = ["org.bluez.Adapter1", "Powered", Variant("b", True)]
        await self._call(Message(BLUEZ, self._adapter, PROPERTIES, "Set", signature="ssv", body=powered))
        await self._ask("org.bluez.GattManager1", "RegisterApplication", "oa{sv}", [APPLICATION, {}])
        await self.advertise()

    async def advertise(self) -> None:
        """BlueZ reads the advertisement now, and not again."""
        await self._ask("org.bluez.LEAdvertisingManager1", "RegisterAdvertisement", "oa{sv}", [ADVERT_PATH, {}])

    async def take_down(self) -> None:
        await self._ask("org.bluez.LEAdvertisingManager1", "UnregisterAdvertisement", "o", [ADVERT_PATH])

    async def _ask(self, interface: str, member: str, signature: str, body: list[Any]) -> None:
        await self._call(Message(BLUEZ, self._adapter, interface, member, signature=signature, body=body))

    async def _call(self, call: Message) -> Message:
        async with asyncio.timeout(CALL_S):
            reply = await self._bus.call(call)
        if reply is None or reply.message_type is MessageType.ERROR:
            said = f"{reply.error_name} {reply.body[0] if reply.body else ''}" if reply else "no answer"
            raise DeviceError(f"{call.member}: {said}")
        return reply
