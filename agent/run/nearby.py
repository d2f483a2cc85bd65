"""Phones put together: the adapter, the conversations, what a hello says. Imported after READY, only with an adapter.

What is not here: what a phone may (`agent/access/phones.py`) and what travels (`drivers/ble/`).
"""

from __future__ import annotations

import math
import os
import secrets
from collections.abc import Callable
from typing import TYPE_CHECKING

from drivers.ble.peripheral import SYSTEM_BUS, Peripheral
from keyless.near import Hello
from keyless.tag import tag_now

from ..access.beside import Beside, Heard
from ..access.mule import Mule, Sealing
from ..access.phones import Phones
from ..access.saying import ended_but, said
from .supervisor import Stage

if TYPE_CHECKING:
    from .app import House

BUS_VARIABLE = "DBUS_SYSTEM_BUS_ADDRESS"  # D-Bus specification, "Well-known Message Bus Instances"


def compose(house: House) -> Callable[[], object]:
    """Start answering phones; returns what `status` shows of them."""
    bluetooth, timekeeper = house.settings.bluetooth, house.timekeeper
    secret = bytes.fromhex(bluetooth.secret)
    port = Peripheral(house.clock, adapter=bluetooth.adapter, address=os.environ.get(BUS_VARIABLE) or SYSTEM_BUS)
    beside = Beside(
        house.store, house.authority, house.bookings, house.scene, house.decisions, house.door.locked,
        timekeeper.heard,
    )  # fmt: skip
    phones = Phones(
        house.clock, port, house.door, house.bookings, beside,
        hello=lambda nonce: hello(house, nonce), tag=lambda: tag_now(secret, timekeeper.interval()),
        words=lambda heard, language: words(house, heard, language), random=secrets.token_bytes,
        past_s=timekeeper.settled_lo_s,
        mule=Mule(house.clock, house.store, house.provisioning.brought, sealing(house)),
    )  # fmt: skip
    house.supervisor.add(phones, Stage.SOURCES)
    return lambda: {"adapter": bluetooth.adapter, **phones.status()}


def sealing(house: House) -> Sealing | None:
    """For whom parcels are sealed; `None` where the settings name nobody."""
    keyless = house.settings.keyless
    if not keyless.parcel_key:
        return None
    recipient = bytes.fromhex(keyless.parcel_key)
    return Sealing(keyless.operator, house.settings.vehicle.id, recipient, lambda: house.receipts.key)


def hello(house: House, nonce: bytes) -> Hello:
    """What anybody may know who stands beside the car (docs/keyless.md section 6.1)."""
    now, keyset = house.timekeeper.interval(), house.authority.keyset
    return Hello(
        nonce,
        math.floor(now.lo_s),
        None if now.hi_s is None else math.ceil(now.hi_s),
        now.source,
        0 if keyset is None else keyset.version,
        house.provisioning.sequence,
        house.receipts.number,
        house.time_question(by_phone=True),
    )


def words(house: House, heard: Heard, language: str) -> str | None:
    """For the screen of a phone, with the day left out of a time of today."""
    if heard.refusal is None:
        return ended_but(heard.answer.reasons, language)
    now = house.timekeeper.interval()
    return said(heard.refusal, language, None if now.hi_s is None else now.lo_s)
