"""The car as a Bluetooth peripheral, on a real D-Bus with a stand-in for bluetoothd (`tests/bluez_standin.py`)."""

from __future__ import annotations

import asyncio

import pytest
from dbus_fast import Message, Variant
from dbus_fast.aio import MessageBus

from drivers.ble.gatt import FROM_CAR_PATH, HOLD_NS, NO_PLACE, SERVICE_UUID, TO_CAR_PATH, TOO_MANY
from drivers.ble.links import MAX_WAITING, QUIET_NS
from drivers.errors import DeviceGone
from drivers.phones import LinkClosed, LinkOpened, PhoneMessage
from tests.ble_bench import COMMAND, TOKEN, Car, Stage, car, event, stack, stage, until
from tests.bluez_standin import ADAPTER, AttError, Bluetoothd, Phone

__all__ = ["car", "stack", "stage"]  # fixtures

ANSWER = (4, b"\x55" * 300)


async def test_it_registers_its_service_and_an_advertisement_that_fits(car: Car, stack: Bluetoothd) -> None:
    assert stack.calls[:3] == ["Set", "RegisterApplication", "RegisterAdvertisement"]
    assert stack.advert == {"Type": "peripheral", "ServiceUUIDs": [SERVICE_UUID], "Discoverable": True}
    assert car.counters()["bad_calls"] == 0


async def test_the_tag_of_the_day_replaces_the_one_before(car: Car, stack: Bluetoothd) -> None:
    for tag in (bytes(range(8)), bytes(8)):
        car.advertise(tag)
        await until(lambda tag=tag: stack.advert and stack.advert.get("LocalName") == tag.hex())
    with pytest.raises(ValueError, match="8 bytes"):
        car.advertise(b"short")


async def test_a_whole_exchange_at_the_mtu_of_a_phone_takes_four_round_trips(car: Car, stack: Bluetoothd) -> None:
    phone = Phone(stack, 1)
    hello = asyncio.create_task(phone.hear())
    opened = await event(car)
    assert isinstance(opened, LinkOpened)
    assert car.answer(opened.link, 1, b"hello")  # the read waits already, and gets it
    assert await hello == (1, b"hello")
    await phone.say(TOKEN, COMMAND)
    told = [await event(car), await event(car)]
    assert [(one.kind, one.body) for one in told] == [TOKEN, COMMAND]
    assert car.answer(opened.link, 4, b"done")
    assert await phone.hear() == (4, b"done")
    assert phone.round_trips == 4


@pytest.mark.parametrize("mtu", [None, 23, 185, 247, 517])
async def test_pieces_are_cut_to_what_the_stack_says_the_link_carries(
    car: Car, stack: Bluetoothd, mtu: int | None
) -> None:
    phone = Phone(stack, 1, mtu)
    await phone.say(TOKEN)
    opened, told = await event(car), await event(car)
    assert (told.kind, told.body) == TOKEN
    car.answer(opened.link, *ANSWER)
    first = await phone.read()
    assert len(first) == min((mtu or 23) - 2, 303)
    assert await phone.read(offset=5) == first[5:]
    with pytest.raises(AttError, match="InvalidOffset"):
        await phone.write(b"x", offset=5)


async def test_three_phones_hear_their_own_answers_and_a_fourth_is_sent_away(car: Car, stack: Bluetoothd) -> None:
    phones = [Phone(stack, number) for number in range(4)]
    links = []
    for number, phone in enumerate(phones[:3]):
        await phone.say((2, bytes([number])))
        opened, told = await event(car), await event(car)
        assert told == PhoneMessage(opened.link, 2, bytes([number]), told.at)
        links.append(opened.link)
    with pytest.raises(AttError, match=NO_PLACE):
        await phones[3].say(TOKEN)
    await until(lambda: stack.hung_up == [phones[3].device])
    for link in reversed(links):
        car.answer(link, 4, b"for %d" % link)
    assert [await phone.hear() for phone in phones[:3]] == [(4, b"for %d" % link) for link in links]
    phones[0].leave()
    assert await event(car) == LinkClosed(links[0])
    await phones[3].say(TOKEN)
    assert isinstance(await event(car), LinkOpened)


async def test_who_waits_for_an_answer_is_told_nothing_after_three_seconds_and_asks_again(
    car: Car, stack: Bluetoothd
) -> None:
    phone = Phone(stack, 1)
    phone.connect()
    waiting = asyncio.create_task(phone.read())
    opened = await event(car)
    car.clock.advance(HOLD_NS / 1e9)
    assert await waiting == b""
    car.answer(opened.link, 4, b"late")
    assert await phone.hear() == (4, b"late")
    assert car.counters()["empty_reads"] == 1
    assert car.counters()["adverts"] == 1  # once for the connection, not at every look


async def test_a_message_left_half_is_dropped_and_a_link_that_stays_silent_is_hung_up(
    car: Car, stack: Bluetoothd
) -> None:
    phone = Phone(stack, 1)
    await phone.write(b"\x00\x09\x02half")
    assert isinstance(await event(car), LinkOpened)
    car.clock.advance(5.1)
    await phone.say(TOKEN)
    told = await event(car)
    assert (told.kind, told.body) == TOKEN
    car.clock.advance(QUIET_NS / 1e9 + 0.1)
    assert isinstance(await event(car), LinkClosed)
    await until(lambda: stack.hung_up == [phone.device])


class Served:
    """Takes every event and answers commands. passed: the most messages of others that were taken, one after the
    other, while one of `honest` was waiting.
    """

    def __init__(self, car: Car, honest: Phone) -> None:
        self._car, self._honest = car, honest
        self.exchanges = self.others = self.passed = 0
        self._now = 0

    async def run(self) -> None:
        while True:
            told = await self._car.next_event()
            if not isinstance(told, PhoneMessage):
                continue
            waiting = self._car._links._links.get(self._honest.device)
            if (told.kind, told.body) in (TOKEN, COMMAND):
                self._now = 0
                if told.kind == COMMAND[0]:
                    self.exchanges += self._car.answer(told.link, 4, b"done")
            else:
                self.others += 1
                self._now = self._now + 1 if waiting is not None and waiting.waiting else 0
                self.passed = max(self.passed, self._now)
            await asyncio.sleep(0)  # the door would be busy now, and more arrives


async def test_ten_thousand_junk_writes_cost_an_honest_phone_no_more_than_a_turn(car: Car, stack: Bluetoothd) -> None:
    """Counted, not timed."""
    junk, honest = Phone(stack, 1), Phone(stack, 2)
    served = Served(car, honest)
    refused = []

    async def flood() -> None:
        for number in range(10_000):
            data = bytes([0, 0, number % 3, 0, 1]) * (1 + number % 40)  # bad types, and messages that mean nothing
            try:
                await junk.write(data)
            except AttError as error:
                refused.append(error.args)

    async def exchange() -> None:
        for _ in range(20):
            await honest.say(TOKEN, COMMAND)
            assert await honest.hear() == (4, b"done")

    serving = asyncio.create_task(served.run())
    async with asyncio.timeout(300):
        await asyncio.gather(flood(), exchange())
    serving.cancel()
    counters = car.counters()
    assert served.exchanges == 20
    assert served.others > 1000
    assert served.passed <= 1
    assert counters["writes"] == 10_000 + 20 * 2
    assert counters["junk_writes"] > 3000
    assert set(refused) <= {("org.bluez.Error.Failed", TOO_MANY)}
    assert counters["too_many"] == len(refused)


async def test_messages_that_nobody_takes_stop_their_own_writer_alone(car: Car, stack: Bluetoothd) -> None:
    loud, other = Phone(stack, 1), Phone(stack, 2)
    for _ in range(MAX_WAITING):
        await loud.say((9, b"me"))
    with pytest.raises(AttError, match=TOO_MANY):
        await loud.say((9, b"me"))
    await other.say(TOKEN)
    told = [await event(car) for _ in range(4)]
    assert [type(one) for one in told] == [LinkOpened, LinkOpened, PhoneMessage, PhoneMessage]
    assert told[3].body == TOKEN[1]


async def test_nobody_but_bluez_is_answered_or_believed(car: Car, stage: Stage) -> None:
    bus, stack = stage
    phone = Phone(stack, 1)
    await phone.say(TOKEN)
    stranger = await MessageBus(bus_address=bus.address).connect()
    to, options = stack.app_owner, {"device": Variant("o", phone.device)}
    left = ["org.bluez.Device1", {"Connected": Variant("b", False)}, []]
    for path, interface, member, signature, body in (
        ("/org/freedesktop/DBus", "org.freedesktop.DBus", "NameOwnerChanged", "sss", ["org.bluez", ":1.1", ""]),
        (phone.device, "org.freedesktop.DBus.Properties", "PropertiesChanged", "sa{sv}as", left),
        ("/", "org.freedesktop.DBus.ObjectManager", "InterfacesRemoved", "oas", [ADAPTER, ["org.bluez.Adapter1"]]),
    ):
        forged = Message.new_signal(path, interface, member, signature, body)
        forged.destination = to  # to us alone, past every match rule
        stranger.send(forged)
    for path, member, signature, body in (
        (TO_CAR_PATH, "WriteValue", "aya{sv}", [b"\x00\x00\x01", options]),
        (FROM_CAR_PATH, "ReadValue", "a{sv}", [options]),
    ):
        call = Message(to, path, "org.bluez.GattCharacteristic1", member, signature=signature, body=body)
        assert (await stranger.call(call)).error_name == "org.freedesktop.DBus.Error.AccessDenied"
    stranger.disconnect()
    await stranger.wait_for_disconnect()
    counters = car.counters()
    assert [counters[name] for name in ("strangers", "links", "messages", "lost", "registered")] == [2, 1, 1, 0, 1]
    assert car.trouble == ""
    assert [type(await event(car)) for _ in range(2)] == [LinkOpened, PhoneMessage]


async def test_calls_that_make_no_sense_are_answered_with_an_error(car: Car, stack: Bluetoothd) -> None:
    device = {"device": Variant("o", ADAPTER + "/dev_01")}
    for member, path, signature, body in (
        ("WriteValue", FROM_CAR_PATH, "aya{sv}", [b"x", device]),
        ("ReadValue", TO_CAR_PATH, "a{sv}", [device]),
        ("WriteValue", TO_CAR_PATH, "ay", [b"x"]),
        ("WriteValue", TO_CAR_PATH, "aya{sv}", [b"x", {}]),
        ("WriteValue", TO_CAR_PATH, "aya{sv}", [b"x", {"device": Variant("u", 1)}]),
        ("StartNotify", FROM_CAR_PATH, "", []),
    ):
        with pytest.raises(AttError, match="NotSupported"):
            await stack.att(member, path, signature, *body)
    assert car.counters()["bad_calls"] == 6
    await Phone(stack, 1).say(TOKEN)
    assert isinstance(await event(car), LinkOpened)


async def test_closing_ends_who_waits_and_leaves_the_air(stage: Stage) -> None:
    car = Car(stage[0])
    waiting = asyncio.create_task(car.next_event())
    await until(lambda: car.trouble == "")
    await car.close()
    await car.close()
    with pytest.raises(DeviceGone):
        await waiting
    with pytest.raises(DeviceGone):
        await car.next_event()
    assert not car.answer(1, 4, b"")
