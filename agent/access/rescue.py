"""Pure: what is left of the booking under way when its bytes are damaged, with the stored token it was opened by.

What is not here: reading and writing the vault (`door.py`).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final, TypeVar

from keyless.claims import Claims

from ..car.legs import Tally
from ..car.reading import Reading
from ..car.under_way import OpenBooking
from ..sync import stored

_T = TypeVar("_T")
# Compiled when they are needed, as in `pending.py`.
_NUMBER: Final = rb'"booking":([0-9]{1,18})[,}]'
_TOKEN: Final = rb'"token":"([0-9a-f]{32})"'
UNKNOWN: Final = Reading(
    odometer_km=None, soc_percent=None, energy_kwh=None, range_km=None, plugged=None, at_station=None, boot="", at=0,
    wall=None,
)  # fmt: skip
UNTOLD: Final = Tally(0, None, None, None)


def rescued(data: bytes, token: Callable[[str], Claims | None]) -> tuple[OpenBooking | None, dict[str, object]]:
    """The booking, so that its driver is let back in (R5), and the detail of the alarm. token: the stored claims of an
    id in hex.

    `lost`: what of it is not known any more. Without its `start`, kilometres and energy count from the car's next
    words; the fact `opened` has the right ones.
    """
    number, name = re.search(_NUMBER, data), re.search(_TOKEN, data)
    detail: dict[str, object] = {
        "booking": int(number[1]) if number else None, "token": name[1].decode() if name else None, "kept": False,
        "lost": ["all"],
    }  # fmt: skip
    claims = token(name[1].decode()) if name else None
    if claims is None or claims.booking != detail["booking"]:
        return None, detail
    found = _fields(data)
    start, tally = _part(Reading, found, "start"), _part(Tally, found, "tally")
    legs, provisional = _part(int, found, "legs"), _part(tuple[str, ...], found, "provisional")
    parts = {"start": start, "legs": legs, "provisional": provisional, "tally": tally}
    detail |= {"kept": True, "lost": [part for part, value in parts.items() if value is None]}
    kept = OpenBooking(
        claims.booking, claims.cti.hex(), claims.confirmation.id.hex(), claims.kind.name.lower(),
        claims.nbf + claims.early_s, claims.exp - claims.late_s, start or UNKNOWN, legs or 0, provisional or (),
        tally or UNTOLD,
    )  # fmt: skip
    return kept, detail


def _fields(data: bytes) -> dict[str, Any]:
    try:
        return stored.value(dict[str, Any], data)
    except ValueError:
        return {}


def _part(kind: type[_T], found: dict[str, Any], name: str) -> _T | None:
    try:
        return stored.typed(kind, found.get(name))
    except ValueError:
        return None
