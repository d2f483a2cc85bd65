"""A stand-in for bluetoothd on a private D-Bus: one adapter, and phones that reach the car through it.

It asks what the real one asks (GetManagedObjects when an application is registered, GetAll when an advertisement is)
and refuses what the real one refuses, as read in BlueZ 5.66's gatt-database.c and advertising.c. What it has not: a
radio, ATT and its queues. The real bluetoothd on a virtual controller is another bench.
"""

from __future__ import annotations

import asyncio
import socket
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from dbus_fast import Message, MessageType, Variant
from dbus_fast.aio import MessageBus

from drivers.ble.gatt import SERVICE_UUID
from hil import packages

ADAPTER = "/org/bluez/hci0"
CHARACTERISTIC = "org.bluez.GattCharacteristic1"
ADVERTISEMENT = "org.bluez.LEAdvertisement1"
_CONFIGURATION = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><listen>unix:path={socket}</listen><auth>EXTERNAL</auth>
<policy context="default"><allow send_destination="*"/><allow eavesdrop="false"/><allow own="*"/></policy></busconfig>
"""


class AttError(Exception):
    """What the phone would get: the name of BlueZ's error, and its text (for "Failed" the ATT code)."""


class PrivateBus:
    """A real dbus-daemon of our own, ended by its own id."""

    def __init__(self, folder: Path) -> None:
        self._socket, self._configuration = folder / "bus", folder / "bus.conf"
        self.address = f"unix:path={self._socket}"
        self._configuration.write_text(_CONFIGURATION.format(socket=self._socket))
        self._log = folder / "bus.log"
        self._process: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        self._spawn()
        while not self._answers():
            assert self._process is not None
            assert self._process.poll() is None, self._log.read_text()
            await asyncio.sleep(0.005)

    def _answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(str(self._socket)) == 0

    def _spawn(self) -> None:
        program = packages.find("dbus-daemon")
        if program is None:
            pytest.skip("dbus-daemon is not on this machine: python3 -m hil.packages dbus")
        self._socket.unlink(missing_ok=True)
        argv = [str(program), "--nofork", "--nopidfile", f"--config-file={self._configuration}"]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(argv, env=packages.environment(program), stderr=log)

    def stop(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()  # without a word: no signal tells that anybody lost a name
            process.wait(10)


class Bluetoothd:
    """calls: what was asked of it, in order. advert: the properties of what is registered, or `None`.
    on_air: does the controller send it?

    refuse: a member's name that it answers with an error. hung_up: devices that the car wanted disconnected.
    """

    def __init__(self, address: str) -> None:
        self._address = address
        self._bus: MessageBus | None = None
        self.calls: list[str] = []
        self.refuse: set[str] = set()
        self.hung_up: list[str] = []
        self._forget()

    def _forget(self) -> None:
        self.application: dict[str, dict[str, dict[str, Variant]]] = {}
        self.advert: dict[str, Any] | None = None
        self.on_air = False
        self._met: set[str] = set()
        self.app_owner = ""
        self._asking: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        self._bus = await MessageBus(bus_address=self._address).connect()
        self._bus.add_message_handler(self._handle)
        await self._bus.request_name("org.bluez")

    async def stop(self) -> None:
        bus, self._bus = self._bus, None
        if bus is not None:
            await asyncio.gather(*self._asking, return_exceptions=True)
            bus.disconnect()
            await bus.wait_for_disconnect()
        self._forget()

    async def lose(self) -> None:
        """The bus has ended under it."""
        with suppress(Exception):
            await self.bus.wait_for_disconnect()
        self._bus = None
        self._forget()

    @property
    def bus(self) -> MessageBus:
        assert self._bus is not None
        return self._bus

    def _handle(self, message: Message) -> Message | bool | None:
        if message.message_type is not MessageType.METHOD_CALL or not str(message.path).startswith("/org/bluez"):
            return None
        member = str(message.member)
        self.calls.append(member)
        if member in self.refuse:
            return Message.new_error(message, "org.bluez.Error.Failed", f"{member} refused")
        match member:
            case "RegisterApplication" | "RegisterAdvertisement":
                task = asyncio.ensure_future(self._register(message, member))
                self._asking.add(task)
                task.add_done_callback(self._asking.discard)
                return True
            case "UnregisterAdvertisement":
                self.advert = None
            case "Disconnect":
                self.hung_up.append(str(message.path))
                self.device_signal(str(message.path), connected=False)
        return Message.new_method_return(message)

    async def _register(self, call: Message, member: str) -> None:
        path = call.body[0]
        try:
            if member == "RegisterApplication":
                await self._take_application(str(call.sender), path)
            else:
                found = await self._ask(str(call.sender), path, "org.freedesktop.DBus.Properties", "GetAll", "s", [ADVERTISEMENT])  # noqa: E501
                self._take_advert({name: value.value for name, value in found.items()})
                power = [ADVERTISEMENT, "TxPower", Variant("n", 7)]
                await self._ask(str(call.sender), path, "org.freedesktop.DBus.Properties", "Set", "ssv", power)
        except (AttError, AssertionError, KeyError) as error:
            await self.bus.send(Message.new_error(call, "org.bluez.Error.Failed", repr(error)))
        else:
            await self.bus.send(Message.new_method_return(call))

    async def _take_application(self, owner: str, path: str) -> None:
        objects = await self._ask(owner, path, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects", "", [])
        [service] = [at for at, shown in objects.items() if "org.bluez.GattService1" in shown]
        assert objects[service]["org.bluez.GattService1"]["Primary"].value is True
        for shown in objects.values():
            if CHARACTERISTIC in shown:
                assert shown[CHARACTERISTIC]["Service"].value == service
                assert set(shown[CHARACTERISTIC]["Flags"].value) <= {"read", "write"}
        self.application, self.app_owner = objects, owner

    def _take_advert(self, advert: dict[str, Any]) -> None:
        assert advert["Type"] == "peripheral"
        flags, uuids = 3, sum(2 + 16 for _ in advert["ServiceUUIDs"])
        assert flags + uuids <= 31, "a legacy advertisement has 31 bytes"
        assert 2 + len(advert.get("LocalName", "")) <= 31, "so has a scan response"
        self.advert, self.on_air = advert, True

    async def _ask(self, to: str, path: str, interface: str, member: str, signature: str, body: list[Any]) -> Any:
        async with asyncio.timeout(20):
            reply = await self.bus.call(Message(to, path, interface, member, signature=signature, body=body))
        assert reply is not None
        if reply.message_type is MessageType.ERROR:
            raise AttError(reply.error_name, reply.body[0] if reply.body else "")
        return reply.body[0] if reply.body else None

    def characteristic(self, flag: str) -> str:
        [path] = [
            path
            for path, shown in self.application.items()
            if CHARACTERISTIC in shown and shown[CHARACTERISTIC]["Flags"].value == [flag]
        ]
        return path

    async def att(self, member: str, path: str, signature: str, *body: Any) -> Any:
        return await self._ask(self.app_owner, path, CHARACTERISTIC, member, signature, list(body))

    def device_signal(self, device: str, *, connected: bool) -> None:
        if connected:
            self.on_air = False  # as every controller does; only a disconnection or a new advertisement ends it
        if connected and device not in self._met:
            self._met.add(device)
            shown = {"org.bluez.Device1": {"Connected": Variant("b", True)}}
            self.signal("/", "org.freedesktop.DBus.ObjectManager", "InterfacesAdded", "oa{sa{sv}}", [device, shown])
            return
        body = ["org.bluez.Device1", {"Connected": Variant("b", connected)}, []]
        self.signal(device, "org.freedesktop.DBus.Properties", "PropertiesChanged", "sa{sv}as", body)

    def removed(self, path: str, interface: str) -> None:
        body = [path, [interface]]
        self.signal("/", "org.freedesktop.DBus.ObjectManager", "InterfacesRemoved", "oas", body)

    def signal(self, path: str, interface: str, member: str, signature: str, body: list[Any]) -> None:
        self.bus.send(Message.new_signal(path, interface, member, signature, body))

    async def release(self) -> None:
        await self._ask(self.app_owner, "/boitier/advert", ADVERTISEMENT, "Release", "", [])


class Phone:
    """A phone in range, by its own encoder. mtu: what ATT agreed on; `None`: the stack does not say (before 5.5x)."""

    def __init__(self, stack: Bluetoothd, number: int, mtu: int | None = 185) -> None:
        self.device, self.mtu = f"{ADAPTER}/dev_{number:02X}", mtu
        self._stack = stack
        self.round_trips = 0
        self._stream = bytearray()

    def _options(self, offset: int = 0) -> dict[str, Variant]:
        options = {"device": Variant("o", self.device), "link": Variant("s", "LE")}
        if self.mtu is not None:
            options["mtu"] = Variant("q", self.mtu)
        return options | ({"offset": Variant("q", offset)} if offset else {})

    async def write(self, data: bytes, offset: int = 0) -> None:
        self.round_trips += 1
        path = self._stack.characteristic("write")
        await self._stack.att("WriteValue", path, "aya{sv}", data, self._options(offset))

    async def read(self, offset: int = 0) -> bytes:
        self.round_trips += 1
        found = await self._stack.att("ReadValue", self._stack.characteristic("read"), "a{sv}", self._options(offset))
        return bytes(found)

    async def say(self, *messages: tuple[int, bytes]) -> None:
        """In as few writes as the MTU lets it."""
        stream = b"".join(bytes([len(body) >> 8, len(body) & 255, kind]) + body for kind, body in messages)
        size = (self.mtu or 23) - 3
        for start in range(0, len(stream), size):
            await self.write(stream[start : start + size])

    async def hear(self) -> tuple[int, bytes]:
        """The next message of the car."""
        while True:
            if len(self._stream) >= 3 and len(self._stream) >= (end := 3 + int.from_bytes(self._stream[:2], "big")):
                found = self._stream[2], bytes(self._stream[3:end])
                del self._stream[:end]
                return found
            self._stream += await self.read()

    def connect(self) -> None:
        self._stack.device_signal(self.device, connected=True)

    def leave(self) -> None:
        self._stack.device_signal(self.device, connected=False)


@asynccontextmanager
async def bluetooth(folder: Path) -> AsyncIterator[tuple[PrivateBus, Bluetoothd]]:
    """A bus with a stand-in on it, both running."""
    bus = PrivateBus(folder)
    stack = Bluetoothd(bus.address)
    try:
        await bus.start()
        await stack.start()
        yield bus, stack
    finally:
        await stack.stop()
        bus.stop()


__all__ = ["SERVICE_UUID", "AttError", "Bluetoothd", "Phone", "PrivateBus", "bluetooth"]
