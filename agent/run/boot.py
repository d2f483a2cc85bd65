"""What a start tells the backend: the fact `boot` with the public half of the vehicle key, and that the key is another
than before.

What is not here: the key itself (`vehicle_key.py`).
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from ..sync.store import Fact, StoreBroken
from .vehicle_key import NOTED_KEY
from .version import VERSION

if TYPE_CHECKING:
    from .app import House

log = logging.getLogger(__name__)


async def record(house: House) -> None:
    """Once a start, after READY."""
    opened, loaded = house.opened, house.loaded_key
    public = None if loaded.key is None else loaded.key.public.hex()
    body = {
        "version": VERSION, "car": house.settings.vehicle.car, "sqlite": opened.sqlite if opened else None,
        "why": "start", "quarantined": opened.quarantined if opened else None, "vehicle_key": public,
    }  # fmt: skip
    try:
        noted = (await house.store.read(NOTED_KEY)).get(NOTED_KEY, b"").decode("ascii", "replace")
    except StoreBroken:
        noted = ""
    if public is None:
        house.alarms.raised("no_vehicle_key", why=loaded.trouble)
    elif loaded.replaced is not None or noted not in ("", public):
        why = loaded.replaced or "its file was gone"
        house.alarms.raised("vehicle_key_new", why=why, before=noted or None, public=public)
    try:
        await house.store.commit((Fact("boot", body),), put={} if public is None else {NOTED_KEY: public.encode()})
    except StoreBroken:
        log.warning("the boot is recorded once the database is whole")
