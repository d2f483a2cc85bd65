"""Phones and the real daemon on a private D-Bus: found, opened, told why not, and honest among ten thousand writes."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import os
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from agent.cli.checks import examine
from agent.cli.status import phones
from hil import beside, mule, results, tokens
from hil.vouchers import time_answer
from keyless.receipt import Event, Receipt, believe_receipt
from tests.agent_process import UNLOCK_ON, VEHICLE, Box
from tests.bluez_standin import AttError, Bluetoothd, Phone, bluetooth

SECRET = bytes(range(16))
DAY_S = 86_400
JUNK = 10_000
Stage = tuple[Box, Bluetoothd]


def tag(what: bytes) -> str:
    return hmac.new(SECRET, b"nearby" + what, hashlib.sha256).digest()[:8].hex()


def with_phones(box: Box) -> None:
    box.config.write_text(box.config.read_text() + f'[bluetooth]\nadapter = "hci0"\nsecret = "{SECRET.hex()}"\n')


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with bluetooth(tmp_path) as (bus, stack):
        box = Box(tmp_path / "box")
        with_phones(box)
        box.start(DBUS_SYSTEM_BUS_ADDRESS=bus.address)
        yield box, stack
        box.close()


async def until(there: Callable[[], Any]) -> None:
    async with asyncio.timeout(30):
        while not there():
            await asyncio.sleep(0.01)


def name(stack: Bluetoothd) -> str:
    return "" if stack.advert is None else str(stack.advert.get("LocalName", ""))


class Holder:
    """A phone with a booking of this hour."""

    def __init__(self, box: Box, stack: Bluetoothd, number: int) -> None:
        self.air, self.key, now = Phone(stack, number), ec.generate_private_key(ec.SECP256R1()), int(time.time())
        order = tokens.Order(bytes.fromhex(VEHICLE), number, now - 60, now + 3600, now - 120, holder=self.key)
        self.token, self.counter, self.nonce = box.issuer.token(order), 0, b""
        self.receipts: list[bytes] = []

    async def hello(self) -> beside.Hello:
        kind, body = await self.air.hear()
        assert kind == beside.HELLO
        found = beside.read_hello(body)
        self.nonce = found.nonce
        return found

    async def ask(self, action: str, *first: tuple[int, bytes]) -> beside.Answer:
        self.counter += 1
        command = beside.command(self.key, self.token, self.nonce, action, self.counter)
        await self.air.say(*first, (beside.COMMAND, command))
        kind, body = await self.air.hear()
        while kind == beside.RECEIPT:  # of the command before
            self.receipts.append(body)
            kind, body = await self.air.hear()
        assert kind == beside.ANSWER
        found = beside.read_answer(body)
        self.nonce = found.nonce
        return found


async def test_a_phone_finds_the_car_and_opens_it_in_four_round_trips(stage: Stage) -> None:
    box, stack = stage
    await until(lambda: name(stack) == tag(b" fallback"))  # no receiver has told the day yet
    alice = Holder(box, stack, 7)
    hello = await alice.hello()
    assert (hello.source, hello.hi_s, hello.keyset, hello.revocations, hello.receipt) == ("none", None, 1, 0, 0)
    assert hello.question is not None
    opened = await alice.ask("unlock", (beside.TOKEN, alice.token))
    assert (opened.code, opened.locked) == ("unknown", False)
    assert alice.air.round_trips == 4
    await asyncio.to_thread(box.relay.wait_for, UNLOCK_ON)
    ended = await alice.ask("end")  # a second command needs no second hello
    assert ended.code == "unknown"
    kind, body = await alice.air.hear()
    assert kind == beside.RECEIPT
    status = await asyncio.to_thread(box.ask, "status")
    public = bytes.fromhex(status["vehicle_key"]["public"])
    car = {"vehicle": bytes.fromhex(VEHICLE), "token": alice.token}
    found = [believe_receipt(one, public, **car) for one in (*alice.receipts, body)]
    said = [(one.event, one.booking) for one in found if isinstance(one, Receipt)]
    assert said == [(Event.OPENED, 7), (Event.ENDED, 7)]
    again = Holder(box, stack, 8)
    assert (await again.hello()).receipt == 2
    again.token = alice.token
    told = await again.ask("unlock", (beside.LANGUAGE, b"en"), (beside.TOKEN, again.token))
    assert told.refusal == "holder"
    assert told.text
    status = await asyncio.to_thread(box.ask, "status")
    assert (status["phones"]["adapter"], status["phones"]["trouble"]) == ("hci0", "")
    assert status["phones"]["counters"]["hellos"] == 2
    assert status["door"]["counters"]["phones"] == 2


async def test_r18_r19_a_strangers_phone_brings_the_signed_time(stage: Stage) -> None:
    """It asks for nothing else, needs no trust, and the car knows the day from then on."""
    box, stack = stage
    await until(lambda: name(stack) == tag(b" fallback"))
    stranger = Holder(box, stack, 7)
    hello = await stranger.hello()
    assert hello.question is not None
    forged = time_answer(tokens.Issuer(box.issuer.operator), hello.question, int(time.time()))
    honest = time_answer(box.issuer, hello.question, int(time.time()))
    for body, refusal in ((forged, "unknown_key"), (honest, None), (honest, "replay")):
        await stranger.air.say((beside.CARRY, body))
        kind, said = await stranger.air.hear()
        assert kind == beside.TAKEN
        assert mule.taken(said) == refusal
    status = await asyncio.to_thread(box.ask, "status")
    assert status["clock"]["source"] == "signed"
    assert (await Holder(box, stack, 8).hello()).question is None, "it has been told"


async def test_r13_the_name_on_the_air_becomes_the_days_once_the_day_is_known(stage: Stage) -> None:
    box, stack = stage
    await until(lambda: name(stack) == tag(b" fallback"))
    await asyncio.to_thread(box.learn_time)
    days = {tag((int(time.time() + shift) // DAY_S).to_bytes(4, "big")) for shift in (0, 60)}
    await until(lambda: name(stack) in days)


async def test_without_bluetooth_the_box_says_so_and_a_badge_opens(tmp_path: Path) -> None:
    box = Box(tmp_path / "box")
    box.store_booking()
    with_phones(box)
    try:
        box.start(DBUS_SYSTEM_BUS_ADDRESS=f"unix:path={tmp_path}/nobody")
        box.tap()
        box.relay.wait_for(UNLOCK_ON)
        box.until(lambda: box.ask("status")["phones"].get("counters", {}).get("absent", 0) > 0)
        status = box.ask("status")
        assert status["phones"]["trouble"]
        assert status["parts"]["phones"]["state"] == "running"
        assert "phones" not in status["alarms"]
        assert box.stop() == 0
    finally:
        box.close()


def test_check_says_whether_the_adapter_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    box = Box(tmp_path / "box")

    def told() -> tuple[bool, str]:
        [entry] = [it for it in examine(box.config) if it.what == "phones"]
        return entry.good, entry.found

    monkeypatch.setattr("agent.cli.checks.ADAPTERS", tmp_path)
    assert told() == (True, "no Bluetooth adapter in the settings: phones open nothing")
    with_phones(box)
    assert told() == (False, "no Bluetooth adapter hci0")
    (tmp_path / "hci0").mkdir()
    assert told() == (True, "hci0 is there")
    box.close()


def test_status_says_in_words_whether_phones_are_answered() -> None:
    assert phones({"fitted": False}) == "no Bluetooth adapter in the settings: phones open nothing"
    air: dict[str, object] = {"fitted": True, "adapter": "hci0", "trouble": "", "links": 2}
    assert phones(air) == "hci0 answers, 2 in conversation"
    assert phones(air | {"links": 0}) == "hci0 answers"
    assert phones(air | {"trouble": "no bus"}) == "hci0 cannot be reached (no bus): badges and codes work"


@pytest.mark.slow
async def test_an_honest_phone_opens_while_another_writes_ten_thousand_times(stage: Stage) -> None:
    """How many messages of another's it waits for at most is counted in `test_ble_peripheral.py`."""
    box, stack = stage
    await until(lambda: name(stack))
    mallory, alice, written = Phone(stack, 66), Holder(box, stack, 7), 0

    async def write() -> None:
        nonlocal written
        junk = [b"\x00\x10\x00" + bytes(16), b"\x00\x70\x03" + bytes(0x70), b"\xff" * 182, b"\x00\x01\x63x"]
        while written < JUNK:
            written += 1
            try:
                await mallory.write(junk[written % len(junk)])
            except AttError:
                continue  # four messages of this link wait already

    writing = asyncio.create_task(write())
    await until(lambda: written > 500)
    began, at = time.monotonic(), written
    await alice.hello()
    opened = await alice.ask("unlock", (beside.TOKEN, alice.token))
    took, during = time.monotonic() - began, written - at
    assert opened.code == "unknown"
    assert alice.air.round_trips == 4
    assert not writing.done(), "the other was still at it"
    await writing
    counters = (await asyncio.to_thread(box.ask, "status"))["phones"]["counters"]
    assert counters["writes"] >= JUNK
    line = f"opened in four round trips and {took:.2f} s, among {during} of {JUNK} writes of another phone"
    print(line)
    if "BOITIER_RADIO" in os.environ:
        results.keep(results.PAGE, "an honest phone among ten thousand writes", line)
