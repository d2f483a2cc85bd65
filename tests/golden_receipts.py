"""The golden facts `receipt`: what a car signs of the golden booking, one of each event, by a key known to all."""

from __future__ import annotations

from msgspec.structs import replace

from agent.access import receipts
from keyless.receipt import Event, LockOutcome, Reading, Receipt, Remark, signed
from keyless.vehicle_key import VehicleKey

VEHICLE = "9f3c1a77e2b04d58"
WALL = [1795341600000, 1795341600400]
KEY = VehicleKey(b"\x11" * 32)
BEGUN_S = WALL[0] // 1000
START, END = Reading(BEGUN_S, BEGUN_S + 1, 48213400, 710), Reading(BEGUN_S, BEGUN_S + 1, 48255100, 525)
ENDED = Receipt(
    "example", bytes.fromhex(VEHICLE), 3, 33, bytes(16), Event.ENDED, LockOutcome.DONE, START, END, True, True, None, 0
)
DOOR_OPEN = Remark.DOOR_OPEN | Remark.NOT_PLUGGED


def fact(receipt: Receipt) -> tuple[str, dict[str, object]]:
    return "receipt", receipts.body(receipt, signed(receipt, KEY.public, KEY.sign))


BODIES = (
    fact(replace(ENDED, number=1, event=Event.OPENED, end=None)),
    fact(replace(ENDED, number=2, event=Event.PAUSED)),
    fact(ENDED),
    fact(replace(ENDED, number=4, event=Event.AUTO_CLOSED, token=None)),
    fact(replace(ENDED, number=5, event=Event.TAKEOVER, lock=LockOutcome.NOT_MOVED)),
    fact(replace(ENDED, number=6, event=Event.FORCED, lock=LockOutcome.NOT_MOVED, doors_shut=False, remarks=DOOR_OPEN)),
)
