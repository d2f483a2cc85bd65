"""The vehicle key in its file: made at the first start, read at every other, never sent anywhere (D14).

What is not here: signing (`keyless/vehicle_key.py`) and what is signed (`agent/access/receipts.py`).
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
from pathlib import Path
from typing import Any, Final

from msgspec import Struct

from drivers.local import files
from keyless.vehicle_key import SECRET_SIZE, VehicleKey

from ..sync import stored

log = logging.getLogger(__name__)

KEY_FILE: Final = "vehicle.key"
NOTED_KEY: Final = "vehicle/public"  # what the backend was told last, so that a key that went away is missed


class Loaded(Struct, frozen=True):
    """key: `None` where there is none that would survive a restart; then nothing is signed. trouble: why. replaced: why
    the one that was there could not be used; a new one was made.
    """

    key: VehicleKey | None
    trouble: str | None = None
    replaced: str | None = None


def load(folder: Path, vehicle: str) -> Loaded:
    """The key in this folder, or a new one. vehicle: 16 hex digits; a key is of one vehicle only. Never raises."""
    path, replaced = folder / KEY_FILE, None
    try:
        data = files.read(path)
        if data is not None:
            try:
                return Loaded(VehicleKey(_secret(data, vehicle)))
            except ValueError as error:
                replaced = str(error)
                log.error("%s is of no use, a new key is made: %s", path, error)
        secret = os.urandom(SECRET_SIZE)
        files.write_durably(path, _record(secret, vehicle))
    except OSError as error:  # also of reading: what may be whole is not written over
        log.error("no vehicle key: %s", error)
        return Loaded(None, str(error))
    return Loaded(VehicleKey(secret), replaced=replaced)


def public(folder: Path, vehicle: str) -> bytes | None:
    """Only looks; `None` where there is none yet. Raises `OSError`, and `ValueError` where it is of no use."""
    data = files.read(folder / KEY_FILE)
    return None if data is None else VehicleKey(_secret(data, vehicle)).public


def _record(secret: bytes, vehicle: str) -> bytes:
    body = {"v": 1, "vehicle": vehicle, "secret": secret.hex()}
    return json.dumps({**body, "check": _check(body)}).encode()


def _secret(data: bytes, vehicle: str) -> bytes:
    """Raises `ValueError`. Any 32 bytes are a key: without the check a damaged one would pass for another key."""
    try:
        record = stored.value(dict[str, Any], data)
    except ValueError:
        raise ValueError("it is damaged") from None  # the reason could quote the secret
    if record.pop("check", None) != _check(record):
        raise ValueError("it is damaged")
    match record:
        case {"v": 1, "vehicle": str() as of, "secret": str() as secret} if len(secret) == 2 * SECRET_SIZE:
            if of != vehicle:
                raise ValueError(f"it is the key of vehicle {of}")
            return bytes.fromhex(secret)
    raise ValueError("it is damaged")


def _check(body: dict[str, Any]) -> str:
    return hashlib.sha256(b"vehicle key" + json.dumps(body, sort_keys=True).encode()).hexdigest()[:16]
