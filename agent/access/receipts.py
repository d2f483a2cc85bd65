"""Which movements and ends make a receipt, what stands in it, and its number (docs/keyless.md section 1.7).

What is not here: its bytes (`keyless/receipt.py`), the key's file (`agent/run/vehicle_key.py`) and the transaction in
which it is stored (`lockwork.py`). No position is in it (R27).
"""

from __future__ import annotations

import base64
import hashlib
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from drivers.local import files
from drivers.ports import LockAction, LockOutcome
from keyless.receipt import Event, Receipt, Remark, signed
from keyless.receipt import LockOutcome as ToldOutcome
from keyless.receipt import Reading as ToldReading
from keyless.vehicle_key import VehicleKey

from ..car import reading as readings
from ..car.under_way import OpenBooking
from ..sync import stored
from ..sync.store import Fact
from .booking import Plan
from .pending import Asked

log = logging.getLogger(__name__)

NUMBER: Final = "receipt/number"
NUMBER_FILE: Final = "receipt.number"
MOVED: Final = {
    None: ToldOutcome.NOT_MOVED, LockOutcome.DONE: ToldOutcome.DONE,
    LockOutcome.FAILED: ToldOutcome.FAILED, LockOutcome.UNKNOWN: ToldOutcome.UNKNOWN,
}  # fmt: skip


class Written(Struct, frozen=True):
    """facts, put: for the transaction that stores the outcome. number: the last one given, 0 for none. newest: the
    receipt for whoever asked.
    """

    facts: tuple[Fact, ...] = ()
    put: Mapping[str, bytes] = {}
    number: int = 0
    newest: bytes | None = None


class Done(Struct, frozen=True):
    """A plan that was carried out. before: the booking that had the car until then. action, outcome: of the lock;
    `None` where it was left alone.
    """

    plan: Plan
    before: OpenBooking | None
    asked: Asked
    action: LockAction | None
    outcome: LockOutcome | None


class Receipts:
    """Numbers and signs. operator: whose bookings. vehicle: 8 bytes. path: of the file that has the last number.

    key: `None` before the start has loaded it, and where there is none: then there are no receipts.
    """

    def __init__(self, operator: str, vehicle: bytes, path: Path) -> None:
        self._operator, self._vehicle, self._path = operator, vehicle, path
        self._number = 0
        self.key: VehicleKey | None = None
        self.counters = {"signed": 0, "not_signed": 0}

    def load(self, vault: Mapping[str, bytes]) -> None:
        """The last number, from the database or the file, whichever is higher: none is ever given twice."""
        kept = stored.number(vault.get(NUMBER, b"").decode("ascii", "replace")) or 0
        try:
            kept = max(kept, _numbered(files.read(self._path)))
        except OSError as error:
            log.error("the number of the last receipt cannot be read: %s", error)
        self._number = max(self._number, kept)

    @property
    def number(self) -> int:
        """Of the last receipt, 0 before the first."""
        return self._number

    def write(self, done: Done) -> Written:
        """Receipts of what is done, signed and numbered. Never raises: without one the record still has its outcome."""
        try:
            return self._write(drafts(done, self._operator, self._vehicle))
        except Exception:  # a bug here must not leave an intent without outcome
            log.exception("no receipt could be made")
            self.counters["not_signed"] += 1
            return Written()

    def _write(self, made: Sequence[Receipt]) -> Written:
        if not made or self.key is None:
            self.counters["not_signed"] += len(made)
            return Written()
        facts = []
        for number, draft in enumerate(made, self._number + 1):
            receipt = replace(draft, number=number)
            data = signed(receipt, self.key.public, self.key.sign)
            facts.append(Fact("receipt", body(receipt, data)))
        self._number += len(made)
        self.counters["signed"] += len(made)
        return Written(tuple(facts), {NUMBER: str(self._number).encode()}, self._number, data)

    def kept(self, written: Written, *, in_database: bool) -> bytes | None:
        """The receipt for whoever asked, once its number is on the disk: in the database, or in the file beside it
        while that is broken. With neither nobody gets it, since the next start would give its number again (D14).
        """
        if written.newest is None:
            return None
        try:
            files.write_durably(self._path, _numbered_text(written.number))
        except OSError as error:
            log.error("the number of the last receipt cannot be written: %s", error)
            if not in_database:
                return None
        return written.newest


def body(receipt: Receipt, data: bytes) -> dict[str, object]:
    """Of the fact `receipt`."""
    text = base64.urlsafe_b64encode(data).rstrip(b"=").decode()
    return {"event": receipt.event.name.lower(), "booking": receipt.booking, "number": receipt.number, "cose": text}


def drafts(done: Done, operator: str, vehicle: bytes) -> tuple[Receipt, ...]:
    """Pure: what there is to sign, oldest first, numbers still 0. A takeover makes two (R4); the last one is of who
    asked.
    """
    plan, before, seen = done.plan, done.before, done.plan.seen
    failed = done.outcome is LockOutcome.FAILED
    if seen is None or (plan.opens is not None and failed):
        return ()
    lock, made = MOVED[done.outcome], list[Receipt]()
    base = Receipt(
        operator, vehicle, 0, 0, _name(done.asked.named), Event.OPENED, lock, _reading(seen.reading, seen.lo_s), None,
        seen.plugged, seen.doors_shut, seen.key_back, 0,
    )  # fmt: skip
    if plan.closes is not None and before is not None:
        end, how = plan.closes, Event[plan.closes.how.name]
        after = replace(
            base, booking=before.booking, event=how, start=_reading(before.start, before.lo_s),
            end=_reading(readings.without(end.end, end.unseen), seen.lo_s),
            remarks=sum(Remark.__members__.get(name.upper(), 0) for name in (*end.soft, *end.hard_overridden)),
        )  # fmt: skip
        if how is Event.TAKEOVER:  # the movement was for who comes next, and so is the token that was shown
            after = replace(after, token=_name(before.named), lock=ToldOutcome.NOT_MOVED)
        made.append(after)
    if plan.opens is not None and (before is None or plan.closes is not None):
        opens = plan.opens
        made.append(replace(base, booking=opens.booking, start=_reading(opens.start, seen.lo_s)))
    elif plan.closes is None and done.action is LockAction.LOCK and not failed and _is_of(done.asked, before):
        assert before is not None
        start, now = _reading(before.start, before.lo_s), base.start
        made.append(replace(base, booking=before.booking, event=Event.PAUSED, start=start, end=now))
    return tuple(made)


def _is_of(asked: Asked, before: OpenBooking | None) -> bool:
    return before is not None and asked.booking == before.booking


def _reading(found: readings.Reading, lo_s: int) -> ToldReading:
    """lo_s: the earliest it can have been where the reading does not know the time."""
    wall = found["wall"]
    lo, hi = (lo_s, None) if wall is None else (wall[0] // 1000, -(-wall[1] // 1000))
    return ToldReading(
        lo, hi, _scaled(found["odometer_km"], 1000, (1 << 32) - 1), _scaled(found["soc_percent"], 10, 1000)
    )


def _scaled(value: float | None, steps: int, most: int) -> int | None:
    """A whole number of steps; `None` for what no receipt can hold."""
    return None if value is None or not 0 <= value * steps <= most else round(value * steps)


def _name(named: str | None) -> bytes | None:
    return None if named is None else bytes.fromhex(named)


def _numbered_text(number: int) -> bytes:
    return f"{number} {hashlib.sha256(b'receipt %d' % number).hexdigest()[:16]}".encode()


def _numbered(data: bytes | None) -> int:
    """The number in these bytes; 0 where there are none, or they are damaged."""
    number = stored.number((data or b"").partition(b" ")[0].decode("ascii", "replace"))
    return number if number is not None and _numbered_text(number) == data else 0
