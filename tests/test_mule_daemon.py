"""A stranger's phone and the real daemon on a private D-Bus, no mobile link: a revocation in, sealed facts out."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hil import beside, mule, parcels, tokens
from hil.backend import payload
from keyless.claims import key_id
from tests.agent_process import OPERATOR, VEHICLE, Box
from tests.bluez_standin import Bluetoothd, Phone, bluetooth
from tests.test_hil_parcels import RECIPIENT, SECRET
from tests.test_phones_daemon import Holder, Stage, with_phones

DAY_S = 86_400


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with bluetooth(tmp_path) as (bus, stack):
        box = Box(tmp_path / "box")
        text = box.config.read_text().replace("[keyless]\n", f'[keyless]\nparcel_key = "{RECIPIENT.hex()}"\n')
        box.config.write_text(text)
        with_phones(box)
        box.start(DBUS_SYSTEM_BUS_ADDRESS=bus.address)
        yield box, stack
        box.close()


async def stranger(stack: Bluetoothd, number: int) -> tuple[Phone, beside.Hello]:
    phone = Phone(stack, number)
    kind, body = await phone.hear()
    assert kind == beside.HELLO
    return phone, beside.read_hello(body)


async def test_d20_a_stranger_brings_a_revocation_and_carries_out_what_happened(stage: Stage) -> None:
    box, stack = stage
    async with asyncio.timeout(30):
        while stack.advert is None:
            await asyncio.sleep(0.01)
    mallory, alice = Holder(box, stack, 7), Holder(box, stack, 8)
    public = mallory.key.public_key().public_numbers()
    compressed = bytes([2 + (public.y & 1)]) + public.x.to_bytes(32, "big")
    now = int(time.time())
    ids = [key_id(compressed), *[bytes([n]) * 8 for n in range(200)]]  # longer than a message
    revoked = tokens.revocations(box.issuer, 5, ids, now, now + 14 * DAY_S)

    phone, hello = await stranger(stack, 66)
    assert hello.revocations == 0
    await phone.say(*((beside.CARRY, body) for body in mule.carried(revoked)))
    kind, body = await phone.hear()
    assert (kind, mule.taken(body)) == (beside.TAKEN, None)

    assert (await mallory.hello()).revocations == 5
    told = await mallory.ask("unlock", (beside.TOKEN, mallory.token))
    assert (told.code, told.refusal) == ("refused", "revoked")
    await alice.hello()
    assert (await alice.ask("unlock", (beside.TOKEN, alice.token))).code == "unknown"

    pocket = mule.Pocket()
    while not pocket.whole:
        await phone.say((beside.FETCH, pocket.fetch()))
        kind, body = await phone.hear()
        assert kind == beside.PARCEL
        pocket.put(body)
    status = await asyncio.to_thread(box.ask, "status")
    car = parcels.Car(OPERATOR, bytes.fromhex(VEHICLE), bytes.fromhex(status["vehicle_key"]["public"]))
    found = parcels.opened(pocket.data, SECRET, [car])
    assert found is not None
    facts = payload.read(f"boitier/v1/{VEHICLE}/up/facts", found[1])
    kinds = {it.kind for it in facts if isinstance(it, payload.Fact)}
    assert {"boot", "refused", "access", "booking", "receipt"} <= kinds
    assert not [it for it in facts if isinstance(it, payload.Poison)]

    assert status["trust"]["revocation"] == {"delay_s": None, "by": "no_clock"}
    await asyncio.to_thread(box.learn_time)
    async with asyncio.timeout(30):
        while status["trust"]["revocation"]["by"] != "list":
            status = await asyncio.to_thread(box.ask, "status")
    assert 0 <= status["trust"]["revocation"]["delay_s"] < 120
    counters = status["phones"]["counters"]
    assert (counters["brought"], counters["carried_out"]) == (1, 1)
