"""Our GATT service as BlueZ sees it over D-Bus: two characteristics and the advertisement, answered message by message.

    to the car     write, with response; any cut of the stream (`framing.py`)
    from the car   read; the next bytes of the stream, held up to three seconds while there are none

Answers are read, not notified: BlueZ sends a notification to every phone that has subscribed (5.66; from 5.76 each has
a descriptor of its own, and 5.83 closes the wrong one), while a read belongs to one phone in all of them.
What is not here: when to register (`peripheral.py`). Calls of anybody but BlueZ are refused.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any, Final

from dbus_fast import Message, MessageFlag, MessageType, Variant

from ..ports import Clock
from .framing import MAX_WRITE
from .links import Links

BLUEZ: Final = "org.bluez"
CHARACTERISTIC: Final = "org.bluez.GattCharacteristic1"
ADVERTISEMENT: Final = "org.bluez.LEAdvertisement1"
DEVICE: Final = "org.bluez.Device1"
PROPERTIES: Final = "org.freedesktop.DBus.Properties"
OBJECTS: Final = "org.freedesktop.DBus.ObjectManager"
BUS: Final = "org.freedesktop.DBus"

APPLICATION: Final = "/boitier"
SERVICE_PATH: Final = "/boitier/key"
TO_CAR_PATH: Final = "/boitier/key/to_car"
FROM_CAR_PATH: Final = "/boitier/key/from_car"
ADVERT_PATH: Final = "/boitier/advert"

SERVICE_UUID: Final = "e6f02dc1-7306-470e-a641-3fa964aab85d"
TO_CAR_UUID: Final = "e6f02dc2-7306-470e-a641-3fa964aab85d"
FROM_CAR_UUID: Final = "e6f02dc3-7306-470e-a641-3fa964aab85d"

SMALLEST_MTU: Final = 23
HOLD_NS: Final = 3_000_000_000  # BlueZ itself fails a read or write that takes five seconds (gatt-db.c)
NO_PLACE: Final = "0x80"  # ATT application errors, which BlueZ hands on to the phone
TOO_MANY: Final = "0x81"
COUNTERS: Final = ("strangers", "bad_calls", "held_reads", "empty_reads")

Properties = dict[str, Variant]

_log = logging.getLogger(__name__)


def tree(tag: bytes) -> dict[str, dict[str, Properties]]:
    """path -> interface -> properties of all that we show. tag: eight bytes, or none while no day is known.

    The tag is the local name, in hex: with a 128-bit service UUID in the advertisement itself (21 of 31 bytes) there is
    room for it only in the scan response, and the name is what BlueZ puts there.
    """

    def characteristic(uuid: str, flag: str) -> dict[str, Properties]:
        found = {"UUID": Variant("s", uuid), "Service": Variant("o", SERVICE_PATH), "Flags": Variant("as", [flag])}
        return {CHARACTERISTIC: found}

    advert = {
        "Type": Variant("s", "peripheral"),
        "ServiceUUIDs": Variant("as", [SERVICE_UUID]),
        "Discoverable": Variant("b", True),
    }
    if tag:
        advert["LocalName"] = Variant("s", tag.hex())
    service = {"UUID": Variant("s", SERVICE_UUID), "Primary": Variant("b", True)}
    return {
        SERVICE_PATH: {"org.bluez.GattService1": service},
        TO_CAR_PATH: characteristic(TO_CAR_UUID, "write"),
        FROM_CAR_PATH: characteristic(FROM_CAR_UUID, "read"),
        ADVERT_PATH: {ADVERTISEMENT: advert},
    }


class Refused(Exception):
    """error: a D-Bus error name; text: for "org.bluez.Error.Failed" the ATT error that the phone gets."""

    def __init__(self, error: str, text: str) -> None:
        super().__init__(text)
        self.error, self.text = error, text


class GattService:
    """bluez: the unique bus name whose calls count; empty: nobody's. tag: see `tree`.

    send: hands a message to the bus, at once. changed: something happened on a link. covered: nobody else can find us
    any more. lost: BlueZ has dropped us, why.
    """

    def __init__(
        self,
        links: Links,
        clock: Clock,
        send: Callable[[Message], None],
        changed: Callable[[], None],
        covered: Callable[[], None],
        lost: Callable[[str], None],
    ) -> None:
        self.bluez, self.adapter, self.tag = "", "", b""
        self.counters = dict.fromkeys(COUNTERS, 0)
        self._links, self._clock = links, clock
        self._send, self._changed, self._covered, self._lost = send, changed, covered, lost
        self._held: dict[str, tuple[Message, int]] = {}  # device -> the read that waits, since when

    def handle(self, message: Message) -> Message | bool | None:
        """Every message of the bus comes by; `None`: not for us."""
        if message.message_type is MessageType.SIGNAL:
            self._signal(message)
            return None
        if message.message_type is not MessageType.METHOD_CALL or not message.path:
            return None
        if message.path != APPLICATION and not message.path.startswith(APPLICATION + "/"):
            return None
        if not self.bluez or message.sender != self.bluez:
            self.counters["strangers"] += 1
            return Message.new_error(message, "org.freedesktop.DBus.Error.AccessDenied", "this is BlueZ's to ask")
        try:
            return self._call(message)
        except Refused as refused:
            return Message.new_error(message, refused.error, refused.text)

    def _call(self, call: Message) -> Message | bool:
        match call.interface, call.member, call.signature:
            case "org.bluez.GattCharacteristic1", "WriteValue", "aya{sv}" if call.path == TO_CAR_PATH:
                return self._write(call, *call.body)
            case "org.bluez.GattCharacteristic1", "ReadValue", "a{sv}" if call.path == FROM_CAR_PATH:
                return self._read(call, *call.body)
            case "org.bluez.LEAdvertisement1", "Release", _ if call.path == ADVERT_PATH:
                self._lost("BlueZ has taken the advertisement down")
                return Message.new_method_return(call)
            case "org.freedesktop.DBus.ObjectManager", "GetManagedObjects", _:
                below = {path: shown for path, shown in tree(self.tag).items() if path.startswith(str(call.path))}
                return Message.new_method_return(call, "a{oa{sa{sv}}}", [below])
            case "org.freedesktop.DBus.Properties", "GetAll", "s":
                shown = tree(self.tag).get(str(call.path), {}).get(call.body[0], {})
                return Message.new_method_return(call, "a{sv}", [shown])
            case "org.freedesktop.DBus.Properties", "Set", "ssv" if call.path == ADVERT_PATH:
                return Message.new_method_return(call)  # BlueZ tells the power that it sends with
        self.counters["bad_calls"] += 1
        _log.debug("refused: %s.%s(%s) of %s", call.interface, call.member, call.signature, call.path)
        raise Refused("org.bluez.Error.NotSupported", f"{call.interface}.{call.member}")

    def _write(self, call: Message, data: bytes, options: Mapping[str, Variant]) -> Message:
        device = self._phone(options)
        if _number(options, "offset", 0):
            self.counters["bad_calls"] += 1
            raise Refused("org.bluez.Error.InvalidOffset", "a stream has no offsets")
        if not self._links.write(device, bytes(data), self._clock.now()):
            raise Refused("org.bluez.Error.Failed", TOO_MANY)
        self._changed()
        return Message.new_method_return(call)

    def _read(self, call: Message, options: Mapping[str, Variant]) -> Message | bool:
        device = self._phone(options)
        self._changed()
        # One byte less than fits: a read that comes back full makes a phone ask for the rest, a round trip for nothing.
        size = min(max(_number(options, "mtu", SMALLEST_MTU), SMALLEST_MTU) - 2, MAX_WRITE)
        offset = _number(options, "offset", 0)
        found = self._links.read(device, offset, MAX_WRITE if offset else size)
        if found is not None:
            return Message.new_method_return(call, "ay", [found])
        self._let_go(device)  # a phone asks one thing at a time: an older question has nobody behind it any more
        self._held[device] = call, self._clock.now().ns
        self.counters["held_reads"] += 1
        return True

    def _phone(self, options: Mapping[str, Variant]) -> str:
        device = options["device"].value if "device" in options else None
        if not isinstance(device, str):
            self.counters["bad_calls"] += 1
            raise Refused("org.bluez.Error.NotSupported", "whose?")
        if not self._links.open(device, self._clock.now()):
            self.hang_up(device)
            raise Refused("org.bluez.Error.Failed", NO_PLACE)
        return device

    def answered(self, device: str) -> None:
        """There is something for this phone: whatever read of it waits, gets it."""
        held = self._held.pop(device, None)
        if held is not None:
            self._answer_read(*held[0].body, call=held[0])

    def _answer_read(self, options: Mapping[str, Variant], *, call: Message) -> None:
        answer = self._read(call, options)
        if isinstance(answer, Message):
            self._send(answer)

    def let_go(self, now_ns: int) -> None:
        """Answer reads with nothing once they have waited three seconds; the phone asks again."""
        for device in [device for device, (_, since_ns) in self._held.items() if now_ns - since_ns >= HOLD_NS]:
            self.counters["empty_reads"] += 1
            self._let_go(device)

    def _let_go(self, device: str) -> None:
        held = self._held.pop(device, None)
        if held is not None:
            self._send(Message.new_method_return(held[0], "ay", [b""]))

    def hang_up(self, device: str) -> None:
        """Best effort: the place on the radio is wanted by another phone."""
        self._let_go(device)
        quietly = MessageFlag.NO_REPLY_EXPECTED
        self._send(Message(destination=BLUEZ, path=device, interface=DEVICE, member="Disconnect", flags=quietly))

    def _signal(self, signal: Message) -> None:
        body: list[Any] = signal.body
        match signal.member, signal.signature:
            case "NameOwnerChanged", "sss" if signal.sender == BUS and body[0] == BLUEZ:
                if self.bluez and body[2] != self.bluez:
                    self._lost("bluetoothd has ended")
            case "PropertiesChanged", "sa{sv}as" if signal.sender == self.bluez and body[0] == DEVICE:
                if "Connected" in body[1]:
                    self._connected(str(signal.path), body[1]["Connected"].value)
            case "InterfacesAdded", "oa{sa{sv}}" if signal.sender == self.bluez:
                # Where BlueZ meets a phone by its connection, this tells it, and no change of a property.
                if "Connected" in (shown := body[1].get(DEVICE, {})):
                    self._connected(body[0], shown["Connected"].value)
            case "InterfacesRemoved", "oas" if signal.sender == self.bluez:
                if body[0] == self.adapter:
                    self._lost("the Bluetooth adapter is gone")
                elif DEVICE in body[1]:
                    self._leave(body[0])

    def _connected(self, device: str, now: object) -> None:
        if now is True:
            # A controller stops advertising when somebody connects, and the kernel starts it again only when he leaves.
            self._covered()
        elif now is False:
            self._leave(device)

    def _leave(self, device: str) -> None:
        self._held.pop(device, None)
        self._links.close(device)
        self._changed()


def _number(options: Mapping[str, Variant], name: str, absent: int) -> int:
    found = options[name].value if name in options else absent
    return found if isinstance(found, int) else absent
