"""Pure: whether who has the car may start it (R15), after each movement of the lock and each end; `None` before any.

What is not here: what the car starts with, which follows (`switching.py`), and who holds the right (`choice.py`).
"""

from __future__ import annotations

from typing import Final

from drivers.ports import LockAction

from ..car.under_way import OpenBooking
from .booking import Plan
from .pending import Pending

START_RIGHT: Final = "access/let_in"


def restored(data: bytes | None, open_: OpenBooking | None, locked: bool | None) -> bool | None:
    """data: from the vault. Damaged, or an earlier version's: who has the car keeps it (R5); a locked car has nobody.
    """
    told = {b"1": True, b"0": False}.get(data or b"")
    if told is None and open_ is not None:
        return True
    return False if told is None and locked else told


def put(may_start: bool | None) -> dict[str, bytes]:
    """For the vault."""
    return {} if may_start is None else {START_RIGHT: b"1" if may_start else b"0"}


def has_ended(plan: Plan, now: OpenBooking | None) -> bool:
    """An end counts although the lock did not move: the car stands open, and what it starts with must not stay."""
    return plan.closes is not None and now is None


def moved_on(
    may_start: bool | None, pending: Pending, before: OpenBooking | None, now: OpenBooking | None, moved: bool
) -> bool | None:
    """before, now: the open booking. One that may start the car keeps that, whoever else unlocks or locks (R5)."""
    if has_ended(pending.plan, now):
        return False
    if moved and pending.action is LockAction.LOCK and now is None:
        return False
    if moved and pending.action is LockAction.UNLOCK:
        same = now is not None and before is not None and now.booking == before.booking
        return pending.asked.starts or (same and may_start is not False)
    return may_start
