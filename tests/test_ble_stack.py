"""Bluetooth that comes and goes: bluetoothd, adapter, bus, and what BlueZ refuses."""

from __future__ import annotations

import pytest

from drivers.phones import LinkClosed
from tests.ble_bench import TOKEN, Car, Stage, car, event, stack, stage, until
from tests.bluez_standin import ADAPTER, Bluetoothd, Phone

__all__ = ["car", "stack", "stage"]  # fixtures

TAG = b"12345678"


async def test_bluetoothd_ends_and_comes_back(car: Car, stack: Bluetoothd) -> None:
    phone = Phone(stack, 1)
    await phone.say(TOKEN)
    opened = await event(car)
    await event(car)
    car.advertise(TAG)
    await until(lambda: stack.advert and "LocalName" in stack.advert)
    for _ in range(2):
        await stack.stop()
        await until(lambda: "bluez" in car.trouble)
        await stack.start()
        await until(lambda: car.trouble == "" and stack.advert)
    assert await event(car) == LinkClosed(opened.link)
    assert not car.answer(opened.link, 4, b"to nobody")
    assert stack.advert["LocalName"] == TAG.hex()
    await phone.say(TOKEN)
    assert (await event(car)).link == opened.link + 1
    assert car.counters()["registered"] == 3
    assert car.counters()["lost"] == 2


@pytest.mark.parametrize("member", ["Set", "RegisterApplication", "RegisterAdvertisement"])
async def test_whatever_bluez_refuses_is_said_and_tried_again(stage: Stage, member: str) -> None:
    bus, stack = stage
    stack.refuse = {member}
    car = Car(bus)
    car.open()
    await until(lambda: f"{member} refused" in car.trouble)
    stack.refuse = set()
    await until(lambda: car.trouble == "")
    await car.close()


async def test_a_tag_that_bluez_will_not_change_is_registered_anew(car: Car, stack: Bluetoothd) -> None:
    stack.refuse = {"UnregisterAdvertisement"}
    car.advertise(TAG)
    await until(lambda: stack.advert and stack.advert.get("LocalName") == TAG.hex())
    await until(lambda: car.trouble == "")
    assert car.counters()["lost"] == 1


async def test_the_adapter_is_pulled_out_or_switched_off(car: Car, stack: Bluetoothd) -> None:
    stack.removed(ADAPTER, "org.bluez.Adapter1")
    await until(lambda: car.counters()["registered"] == 2)
    await stack.release()
    await until(lambda: car.counters()["registered"] == 3)


async def test_a_phone_that_bluez_forgets_has_left(car: Car, stack: Bluetoothd) -> None:
    phone = Phone(stack, 1)
    await phone.say(TOKEN)
    opened = await event(car)
    await event(car)
    stack.removed(phone.device, "org.bluez.Battery1")
    await phone.say(TOKEN)
    assert (await event(car)).link == opened.link
    stack.removed(phone.device, "org.bluez.Device1")
    assert await event(car) == LinkClosed(opened.link)


async def test_a_phone_that_connects_and_says_nothing_hides_the_car_from_nobody(car: Car, stack: Bluetoothd) -> None:
    for number in (1, 2, 3, 1, 2):  # a phone that BlueZ has met before is told in another way than a new one
        Phone(stack, number).connect()
        assert not stack.on_air
        await until(lambda: stack.on_air)
    assert car.counters()["adverts"] == 5
    assert car.counters()["links"] == 0


async def test_the_bus_itself_ends_and_comes_back(stage: Stage) -> None:
    bus, stack = stage
    car = Car(bus)
    await car.found()
    bus.stop()
    await stack.lose()
    await until(lambda: car.counters()["absent"] > 1)
    await bus.start()
    await stack.start()
    await until(lambda: car.trouble == "")
    await car.close()
